// A request from inside is served by the code that serves apps, as the app it names, and never by a stream.
#include "daemon/local/inner.hpp"

#include "daemon/local/connection.hpp"
#include "daemon/local/handler.hpp"
#include "door.hpp"

namespace bridge55::local {
namespace {

constexpr auto kRead = static_cast<unsigned>(config::Scope::read);
constexpr auto kTrade = static_cast<unsigned>(config::Scope::trade);

// What stands in for the gateway: says who asked what, or does as the path says.
class Echo final : public Handler {
 public:
  std::optional<std::variant<unsigned, Refusal>> find(const Head& head, const Target& target) const override {
    if (!target.path.starts_with("/echo")) return {};
    return head.method == "GET" ? kRead : kTrade;
  }
  net::awaitable<void> serve(Exchange& exchange) override {
    std::variant<std::string, Refusal> body = co_await exchange.read_body();
    if (const auto* refusal = std::get_if<Refusal>(&body)) {
      co_await exchange.refuse(*refusal);
      co_return;
    }
    Answer answer{
        200, "text/plain", exchange.who() + " " + exchange.head.method + " " + exchange.head.target, {}};
    answer.body += " " + std::string(exchange.head.get("x-some")) + " ";
    if (exchange.target.path == "/echo/sse") answer.content_type = "Text/Event-Stream; charset=utf-8";
    if (exchange.target.path == "/echo/large") answer.body.assign(2 << 20, 'x');
    answer.body += std::get<std::string>(body);
    co_await exchange.respond(answer);
  }
};

class InnerTest : public test::LocalDoor {
 protected:
  void open(unsigned scopes = kRead | kTrade) {
    providers.handlers = {&echo};
    settings.http.max_body.count = 1 << 20;
    start();
    inner = std::make_unique<Inner>(server->inner({"amqp:rabbit", scopes, true}));
  }
  InnerAnswer ask(InnerRequest request) {
    std::optional<InnerAnswer> answer;
    bool inside = true;
    inner->ask(std::move(request), [&](InnerAnswer got) {
      EXPECT_FALSE(inside);
      EXPECT_FALSE(answer);
      answer = std::move(got);
    });
    inside = false;
    until([&] { return answer.has_value(); }, "an answer");
    until([&] { return server->connections() == 0; }, "the connection to go");
    return answer.value_or(InnerAnswer{});
  }
  static std::string header(const InnerAnswer& answer, const std::string& name) {
    for (const auto& [key, value] : answer.headers) {
      if (key == name) return value;
    }
    return {};
  }

  Echo echo;
  std::unique_ptr<Inner> inner;
};

TEST_F(InnerTest, it_is_served_as_its_app_with_headers_and_body) {
  open();
  const auto answer =
      ask({"POST", "/echo/a?b=c%20d", {{"X-Some", "header"}, {"X-Request-Id", "r-1"}}, "body"});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, "amqp:rabbit POST /echo/a?b=c%20d header body");
  EXPECT_EQ(header(answer, "X-Request-Id"), "r-1");
  EXPECT_EQ(header(answer, "Content-Length") + header(answer, "Connection"), "");
}

TEST_F(InnerTest, its_scopes_hold_whether_clients_are_told_apart_or_not) {
  for (const bool clients : {false, true}) {
    if (clients) settings.clients.emplace();
    open(kRead);
    EXPECT_EQ(ask({"GET", "/echo", {}, {}}).status, 200u);
    const auto refused = ask({"POST", "/echo", {{"Authorization", "Bearer x"}}, "{}"});
    EXPECT_EQ(refused.status, 403u);
    EXPECT_NE(refused.body.find("requests.allow"), std::string::npos) << refused.body;
    EXPECT_EQ(ask({"GET", "/status", {}, {}}).status, 403u);
    EXPECT_EQ(ask({"GET", "/healthz", {}, {}}).status, 200u);
    EXPECT_EQ(inner->scopes("POST", "/echo"), kTrade);
    EXPECT_EQ(inner->scopes("GET", "/healthz"), 0u);
    EXPECT_FALSE(inner->scopes("GET", "/nothing"));
    EXPECT_FALSE(inner->scopes("GET", "nonsense"));
  }
}

TEST_F(InnerTest, what_cannot_be_a_request_is_400_and_nobody_is_asked) {
  open();
  using Headers = std::vector<std::pair<std::string, std::string>>;
  for (const char* path :
       {"", "echo", "http://evil/", "*", "/a b", "/a#b", "/a\r\nX: y", "/a\xc3\xa9", "/../x"})
    EXPECT_EQ(ask({"GET", path, {}, {}}).status, 400u) << path;
  for (const char* method : {"", "GE T", "CONNECT", "GET /x HTTP/1.1\r\nA:"})
    EXPECT_EQ(ask({method, "/echo", {}, {}}).status, 400u) << method;
  for (const Headers& headers : {Headers{{"a\r\nb", "c"}}, Headers{{"a", "b\r\nc: d"}}, Headers{{"", "x"}},
                                 Headers{{"Transfer-Encoding", "chunked"}}, Headers{{"Upgrade", "websocket"}},
                                 Headers{{"Content-Length", "5"}}})
    EXPECT_EQ(ask({"GET", "/echo", headers, {}}).status, 400u);
}

TEST_F(InnerTest, a_stream_is_refused) {
  open(127);
  EXPECT_EQ(ask({"GET", "/events?after=earliest", {}, {}}).status, 400u);
  const auto late = ask({"GET", "/echo/sse", {}, {}});
  EXPECT_EQ(late.status, 400u);
  EXPECT_EQ(header(late, "X-Bridge-Sent"), "yes");
}

TEST_F(InnerTest, bodies_pass_up_to_the_limit_whatever_a_socket_holds) {
  open();
  const std::string large(1 << 20, 'y');
  EXPECT_EQ(ask({"POST", "/echo/x", {}, large.substr(100)}).body,
            "amqp:rabbit POST /echo/x  " + large.substr(100));
  EXPECT_EQ(ask({"POST", "/echo/x", {}, large + "z"}).status, 413u);
  const auto answer = ask({"GET", "/echo/large", {}, {}});
  EXPECT_EQ(answer.status, 502u);
  EXPECT_NE(answer.body.find("TOO_LARGE"), std::string::npos);
}

TEST_F(InnerTest, many_at_once_are_each_answered) {
  open();
  int answered = 0;
  for (int i = 0; i < 64; ++i) {
    inner->ask({"GET", "/echo/" + std::to_string(i), {}, {}}, [&answered, i](InnerAnswer got) {
      EXPECT_EQ(got.body, "amqp:rabbit GET /echo/" + std::to_string(i) + "  ");
      ++answered;
    });
  }
  until([&] { return answered == 64; });
}

TEST_F(InnerTest, a_daemon_that_stops_says_so) {
  open();
  server->drain(std::chrono::milliseconds(0), [] {});
  EXPECT_EQ(ask({"GET", "/echo", {}, {}}).status, 503u);
}

}  // namespace
}  // namespace bridge55::local
