// HTTP over a real socket: answers, limits, and everything hostile that may arrive on a local port.
#include "door.hpp"

namespace bridge55::test {
namespace {

class Http : public LocalDoor {
 protected:
  // Sends bytes as they are; what came back until the end of the connection.
  std::string raw(std::string_view bytes, bool ends = true) {
    App app = tcp();
    app.send(bytes);
    until([&] { return app.ended() || (!ends && !app.received.empty()); }, "the end of the connection");
    return app.received;
  }
  static std::string status_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }
};

TEST_F(Http, EveryPlainEndpointAnswers) {
  start();
  EXPECT_TRUE(request("GET /healthz").ends_with("\r\n\r\n{\"ok\": true}\n"));
  EXPECT_TRUE(request("GET /livez").ends_with("\r\n\r\n{\"ok\": true}\n"));
  EXPECT_TRUE(request("GET /readyz").ends_with("\r\n\r\n{\"ready\": true}\n"));
  EXPECT_NE(request("GET /metrics").find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            std::string::npos);
  EXPECT_TRUE(request("GET /status").ends_with("{\"app\":\"\"}\n"));
  const std::string page = request("GET /");
  EXPECT_NE(page.find("Content-Security-Policy: default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos) << "no outside asset";
}

TEST_F(Http, HeadHasTheLengthAndNoBody) {
  start();
  const std::string answer = request("HEAD /healthz");
  EXPECT_NE(answer.find("Content-Length: 13\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
  EXPECT_NE(request("HEAD /events").find("text/event-stream"), std::string::npos);
}

TEST_F(Http, RequestsFollowOneAnotherOnAConnectionAndMayBePipelined) {
  start();
  App app = tcp();
  const std::string one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  app.send(one + one +
           "POST /events/ack HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
           "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" +
           one);
  until([&] { return count(app.read(), "{\"ok\": true}") == 3; });
  EXPECT_EQ(count(app.received, "HTTP/1.1 400 "), 1u);
  app.send(one);
  until([&] { return count(app.read(), "{\"ok\": true}") == 4; });
}

TEST_F(Http, ABodyThatNobodyWantsDoesNotBecomeARequest) {
  start();
  const std::string inner = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string answer =
      raw("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(inner.size()) +
          "\r\n\r\n" + inner + "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(count(answer, "HTTP/1.1 200 OK"), 2u) << answer;
}

TEST_F(Http, AnAppThatWaitsForItIsAskedForItsBody) {
  start();
  App app = tcp();
  app.send(
      "POST /events/ack HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "2\r\nConnection: close\r\n\r\n");
  until([&] { return app.read().find("HTTP/1.1 100 Continue\r\n\r\n") != std::string::npos; });
  app.send("{}");
  until([&] { return app.ended(); });
  EXPECT_EQ(count(app.received, "HTTP/1.1 400 "), 1u);
}

TEST_F(Http, ErrorsHaveTheVendorsShapeAndSayThatTheyAreOurs) {
  start();
  const std::string answer = request("GET /nothing", "X-Request-Id: app-7\r\n");
  EXPECT_EQ(status_of(answer), "HTTP/1.1 404 Not Found");
  EXPECT_NE(answer.find("{\"detail\":{\"message\":\""), std::string::npos);
  EXPECT_NE(answer.find("\"code\":\"NOT_FOUND\"}}"), std::string::npos);
  EXPECT_NE(answer.find("\r\nProxy-Status: bridge55; error="), std::string::npos);
  EXPECT_NE(answer.find("\r\nX-Request-Id: app-7\r\n"), std::string::npos);
  EXPECT_NE(request("PUT /events").find("\r\nAllow: GET, HEAD\r\n"), std::string::npos);
}

TEST_F(Http, ARequestIdThatCouldHarmAHeaderOrLogIsReplaced) {
  start();
  const std::string answer = request("GET /healthz", "X-Request-Id: a b\xff\"\r\n");
  EXPECT_NE(answer.find("\r\nX-Request-Id: "), std::string::npos);
  EXPECT_EQ(answer.find("a b"), std::string::npos);
}

TEST_F(Http, GarbageOnThePortIsAnsweredWith400OrClosed) {
  start();
  for (const std::string& bytes :
       {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), std::string("\0\1\2\3garbage\n\n", 13),
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(1 << 20, 'a'), std::string(1 << 20, 'A'),
        std::string("\r\n\r\n\r\n\r\n")}) {
    const std::string answer = raw(bytes);
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 400 ")) << answer.substr(0, 100);
    EXPECT_EQ(count(answer, "HTTP/1.1 4"), answer.empty() ? 0u : 1u);
  }
}

TEST_F(Http, SmugglingIsRefusedAndTheConnectionEnds) {
  start();
  for (const char* headers :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n", "X: a\r\n b\r\n", "Host: localhost\r\n"}) {
    const std::string answer = raw("POST /events/ack HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
                                   "\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << headers;
    EXPECT_EQ(count(answer, "HTTP/1.1 "), 1u) << headers;
  }
  for (const char* target : {"http://localhost/healthz", "/%2e%2e/healthz", "/a%2fb", "/../healthz"}) {
    EXPECT_EQ(status_of(request("GET " + std::string(target))), "HTTP/1.1 400 Bad Request") << target;
  }
}

TEST_F(Http, ABodyOverTheLimitIs413) {
  settings.http.max_body = config::kib(1);
  start();
  EXPECT_EQ(status_of(request("POST /events/ack", "", std::string(1025, 'x'))),
            "HTTP/1.1 413 Content Too Large");
  const std::string chunked =
      raw("POST /events/ack HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n" +
          std::string(1025, 'x'));
  EXPECT_EQ(status_of(chunked), "HTTP/1.1 413 Content Too Large");
}

TEST_F(Http, AHeaderThatTrickersIsAnsweredWith408AtTheTimeout) {
  settings.http.header_timeout = config::Duration(50);
  start();
  App app = tcp(), silent = tcp();
  app.send("GET / HTTP/1.1\r\nHost: local");
  until([&] { return app.ended() && silent.ended(); });
  EXPECT_EQ(status_of(app.received), "HTTP/1.1 408 Request Timeout");
  EXPECT_EQ(silent.received, "") << "nobody asked anything";
}

TEST_F(Http, PagesOfOtherSitesAreRefusedBeforeAnythingHappens) {
  start();
  const std::string upgrade =
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
      "dGhlIHNhbXBsZSBub25jZQ==\r\n";
  for (const char* header :
       {"Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"}) {
    for (const std::string& more : {std::string(), upgrade}) {
      const std::string answer = request("GET /events", header + more);
      EXPECT_EQ(status_of(answer), "HTTP/1.1 403 Forbidden") << header;
      EXPECT_EQ(answer.find("Access-Control"), std::string::npos);
    }
  }
  EXPECT_EQ(
      status_of(
          raw("GET /events HTTP/1.1\r\nHost: evil.example\r\n" + upgrade + "\r\n", false).substr(0, 12)),
      "HTTP/1.1 421");
  EXPECT_EQ(status_of(raw("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", false).substr(0, 12)),
            "HTTP/1.1 421");
  EXPECT_TRUE(server->consumers().empty());
}

TEST_F(Http, AnAllowedOriginGetsItsCorsHeaderAndPreflight) {
  settings.http.allowed_origins = {"https://app.example"};
  start();
  const std::string answer =
      request("GET /healthz", "Origin: https://app.example\r\nSec-Fetch-Site: cross-site\r\n");
  EXPECT_NE(answer.find("\r\nAccess-Control-Allow-Origin: https://app.example\r\n"), std::string::npos)
      << answer;
  EXPECT_NE(answer.find("\r\nVary: Origin\r\n"), std::string::npos);
  const std::string preflight = request(
      "OPTIONS /events/ack", "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n");
  EXPECT_EQ(status_of(preflight), "HTTP/1.1 204 No Content");
  EXPECT_NE(preflight.find("\r\nAccess-Control-Allow-Headers: Authorization"), std::string::npos);
}

TEST_F(Http, TokensInTheUrlAreRefused) {
  start();
  for (const char* target : {"/events?token=canary", "/status?apiKey=canary", "/events/page?api_key=canary",
                             "/events?%74oken=canary"}) {
    const std::string answer = request("GET " + std::string(target));
    EXPECT_EQ(status_of(answer), "HTTP/1.1 400 Bad Request") << target;
    EXPECT_EQ(answer.find("canary"), std::string::npos);
  }
}

TEST_F(Http, ScopesHoldOnEveryRoute) {
  config::Client reader;
  reader.name = "reader", reader.token = config::Secret("reader-token"),
  reader.allow = static_cast<unsigned>(config::Scope::read);
  settings.clients = {reader};
  start();
  const std::string token = "Authorization: Bearer reader-token\r\n";
  for (const char* line : {"GET /", "GET /events", "GET /events/page", "POST /events/ack",
                           "DELETE /events/consumers/x", "GET /status", "POST /admin/reload"}) {
    EXPECT_EQ(status_of(request(line)), "HTTP/1.1 401 Unauthorized") << line;
    EXPECT_EQ(status_of(request(line, token)), "HTTP/1.1 403 Forbidden") << line;
  }
  for (const char* line : {"GET /healthz", "GET /livez", "GET /readyz", "GET /metrics"}) {
    EXPECT_EQ(status_of(request(line)), "HTTP/1.1 200 OK") << line;
  }
  EXPECT_NE(request("GET /status").find("\r\nWWW-Authenticate: Bearer\r\n"), std::string::npos);
}

TEST_F(Http, AReloadClosesStreamsOfAppsThatMayNoLongerHaveThem) {
  config::Client reader;
  reader.name = "reader", reader.token = config::Secret("reader-token"),
  reader.allow = static_cast<unsigned>(config::Scope::events);
  settings.clients = {reader};
  start();
  App app = web_socket("/events", "X-API-Key: reader-token\r\n");
  server->apply(settings);
  publish("orders", "1");
  until([&] { return ids_of(app.read()).size() == 1; }, "an unchanged config to change nothing");
  settings.clients->at(0).allow = static_cast<unsigned>(config::Scope::read);
  server->apply(settings);
  until([&] { return frames_of(app.read()).size() == 2; });
  EXPECT_EQ(frames_of(app.received)[1].close_code(), 1008u);
}

TEST_F(Http, AReloadOpensAndClosesListenersAndKeepsTheOthers) {
  start();
  App app = stream("/events");
  config::Listen more;
  more.unix_path = path("api.sock");
  settings.listen.push_back(more);
  server->apply(settings);
  ASSERT_EQ(server->addresses().size(), 2u);
  App other = unix_socket(more.unix_path);
  other.send("GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n");
  until([&] { return other.ended(); });
  EXPECT_TRUE(other.received.starts_with("HTTP/1.1 200 OK"));
  config::Listen impossible;
  impossible.unix_path = path("no/such/directory/api.sock");
  local::Settings wrong = settings;
  wrong.listen = {impossible};
  EXPECT_THROW(server->apply(wrong), local::ListenError);
  EXPECT_EQ(server->addresses().size(), 2u) << "nothing has changed";
  settings.listen.pop_back();
  server->apply(settings);
  EXPECT_EQ(server->addresses().size(), 1u);
  const events::EventId id = publish("orders", "1");
  until([&] { return ids_of(app.read()) == std::vector{id}; }, "the stream that stayed");
}

TEST_F(Http, ReadinessNamesReasonsAndChecks) {
  std::vector<std::string> asked;
  providers.ready = [&](const std::vector<std::string>& require) {
    asked = require;
    return std::vector<local::Check>{{"journal", false, "disk full", true},
                                     {"abp", false, "down", !require.empty()}};
  };
  start();
  const std::string plain = request("GET /readyz");
  EXPECT_EQ(status_of(plain), "HTTP/1.1 503 Service Unavailable");
  EXPECT_TRUE(plain.ends_with("{\"ready\": false, \"reasons\": [\"journal: disk full\"]}\n")) << plain;
  const std::string verbose = request("GET /readyz?verbose&require=abp,rabbit");
  EXPECT_EQ(asked, (std::vector<std::string>{"abp", "rabbit"}));
  EXPECT_NE(verbose.find("\"abp: down\""), std::string::npos);
  EXPECT_NE(
      verbose.find(R"("checks": [{"name": "journal", "ok": false, "counts": true, "why": "disk full"})"),
      std::string::npos)
      << verbose;
}

TEST_F(Http, AnUpgradeThatIsNoneIsRefused) {
  start();
  const std::string base = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  EXPECT_EQ(status_of(request(
                "GET /events",
                base + "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
            "HTTP/1.1 426 Upgrade Required");
  for (const char* key :
       {"", "short", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ==x", "dGhlIHNhbXBs!SBub25jZQ=="}) {
    EXPECT_EQ(status_of(request("GET /events",
                                base + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n")),
              "HTTP/1.1 400 Bad Request")
        << key;
  }
}

TEST_F(Http, AStreamOnceDrainingIsRefused) {
  start();
  App app = tcp();
  until([&] { return server->connections() == 1; });
  app.send("GET /events HTTP/1.1\r\n");  // in the middle of a request
  turn();
  bool drained = false;
  server->drain(std::chrono::seconds(5), [&] { drained = true; });
  until([&] { return drained && app.ended(); });
}

TEST_F(Http, AHandlerThatThrowsIsA500AndTheDoorStaysOpen) {
  providers.status = [](const local::App&) -> std::string { throw std::runtime_error("secret detail"); };
  start();
  const std::string answer = request("GET /status");
  EXPECT_EQ(status_of(answer), "HTTP/1.1 500 Internal Server Error");
  EXPECT_EQ(answer.find("secret detail"), std::string::npos);
  EXPECT_EQ(status_of(request("GET /healthz")), "HTTP/1.1 200 OK");
}

}  // namespace
}  // namespace bridge55::test
