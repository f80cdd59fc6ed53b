// Streams over SSE and WebSocket, as apps see them.
#include "door.hpp"

namespace bridge55::test {
namespace {

std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

class Streams : public LocalDoor {
 protected:
  void wait_for_ids(App& app, const std::vector<events::EventId>& ids) {
    until([&] { return ids_of(app.read()).size() >= ids.size(); }, "events");
    EXPECT_EQ(ids_of(app.received), ids);
  }
};

TEST_F(Streams, SseGivesTheEnvelopeAsDataWithTheEventIdAndNoEventLine) {
  start();
  App app = stream("/events");
  EXPECT_NE(app.received.find("Content-Type: text/event-stream\r\n"), std::string::npos);
  const events::EventId id = publish("orders", R"({"orderId":327})");
  wait_for_ids(app, {id});
  const std::string record = body_of(app.received);
  EXPECT_TRUE(
      record.starts_with("id: " + std::to_string(id) + "\ndata: {\"id\":\"" + std::to_string(id) + "\""))
      << record;
  EXPECT_TRUE(record.ends_with("\"payload\":{\"orderId\":327}}\n\n")) << record;
  EXPECT_EQ(record.find("event: "), std::string::npos);
}

TEST_F(Streams, NamedAddsAnEventLine) {
  start();
  App app = stream("/events?named=true");
  const events::EventId id = publish("orders", "1");
  wait_for_ids(app, {id});
  EXPECT_NE(app.received.find("event: abp.orders.UPDATE\n"), std::string::npos) << app.received;
}

TEST_F(Streams, AStreamStartsNowUnlessItSaysAfter) {
  start();
  const events::EventId first = publish("orders", "1");
  const events::EventId second = publish("orders", "2");
  App now = stream("/events");
  App earliest = stream("/events?after=earliest");
  App after = stream("/events?after=" + std::to_string(first));
  App latest = stream("/events?after=latest");
  const events::EventId third = publish("orders", "3");
  wait_for_ids(now, {third});
  wait_for_ids(earliest, {first, second, third});
  wait_for_ids(after, {second, third});
  wait_for_ids(latest, {third});
}

TEST_F(Streams, LastEventIdWinsOverTheUrlsAfter) {
  start();
  const events::EventId first = publish("orders", "1");
  const events::EventId second = publish("orders", "2");
  App app = stream("/events?after=earliest", "Last-Event-ID: " + std::to_string(first) + "\r\n");
  wait_for_ids(app, {second});
}

TEST_F(Streams, FiltersDecideWhichEventsCome) {
  start();
  App lists = stream("/events?channel=orders,bets&source=abp");
  App where = stream("/events?where=payload.userRef:eq:x");
  publish("status", "{}");
  publish("orders", "{}", "mm");
  const events::EventId order = publish("orders", R"({"userRef":"x"})");
  const events::EventId bet = publish("bets", "{}");
  wait_for_ids(lists, {order, bet});
  wait_for_ids(where, {order});
}

TEST_F(Streams, AWebSocketGetsOneEnvelopeATextFrame) {
  start();
  App app = web_socket("/events");
  const events::EventId id = publish("orders", "{\"a\":\n1}");
  until([&] { return frames_of(app.read()).size() == 1; });
  const ServerFrame frame = frames_of(app.received).front();
  EXPECT_EQ(frame.opcode, 1u);
  EXPECT_EQ(ids_of(frame.data), std::vector{id});
  EXPECT_TRUE(frame.data.ends_with("\"payload\":{\"a\":\n1}}")) << "a WebSocket carries the bytes untouched";
}

TEST_F(Streams, AClosingWebSocketIsAnsweredAndClosed) {
  start();
  App app = web_socket("/events");
  app.send(client_frame(8, "\x03\xe8"));
  until([&] { return app.ended(); });
  ASSERT_EQ(frames_of(app.received).size(), 1u);
  EXPECT_EQ(frames_of(app.received)[0].opcode, 8u);
  EXPECT_EQ(frames_of(app.received)[0].close_code(), 1000u);
  until([&] { return server->connections() == 0; });
}

TEST_F(Streams, APingIsAnsweredWithItsPayload) {
  start();
  App app = web_socket("/events");
  app.send(client_frame(9, "hello"));
  until([&] { return frames_of(app.read()).size() == 1; });
  EXPECT_EQ(frames_of(app.received)[0].opcode, 10u);
  EXPECT_EQ(frames_of(app.received)[0].data, "hello");
}

TEST_F(Streams, AnUnmaskedFrameEndsTheWebSocketWith1002) {
  start();
  App app = web_socket("/events");
  app.send("\x81\x02hi");
  until([&] { return frames_of(app.read()).size() == 1; });
  EXPECT_EQ(frames_of(app.received)[0].close_code(), 1002u);
}

TEST_F(Streams, ATextFrameThatIsNotUtf8EndsTheWebSocketWith1007) {
  start();
  App app = web_socket("/events");
  app.send(client_text("\xff\xfe"));
  until([&] { return frames_of(app.read()).size() == 1; });
  EXPECT_EQ(frames_of(app.received)[0].close_code(), 1007u);
}

TEST_F(Streams, AFrameOverTheLimitEndsTheWebSocketWith1009) {
  settings.http.max_frame = config::kib(100);
  start();
  App app = web_socket("/events");
  app.send(client_text(std::string(80 << 10, 'x')));
  until([&] { return frames_of(app.read()).size() == 1; });
  EXPECT_NE(frames_of(app.received)[0].data.find("error"), std::string::npos);
  app.send(client_text(std::string(101 << 10, 'x')));
  until([&] { return frames_of(app.read()).size() == 2; });
  EXPECT_EQ(frames_of(app.received)[1].close_code(), 1009u);
}

TEST_F(Streams, WhatIsNotUnderstoodIsAnsweredAndTheStreamGoesOn) {
  start();
  App app = web_socket("/events");
  app.send(client_text("hello") + client_text(R"({"ack":"12"})") + client_text(R"({"after":"earliest"})") +
           client_frame(2, "x"));
  until([&] { return frames_of(app.read()).size() == 4; });
  for (const ServerFrame& frame : frames_of(app.received))
    EXPECT_TRUE(frame.data.starts_with("{\"error\":\"")) << frame.data;
  const events::EventId id = publish("orders", "1");
  wait_for_ids(app, {id});
}

TEST_F(Streams, WhatRetentionDeletedIsSaidOnceAndTheStreamGoesOn) {
  for (int i = 0; i < 3; ++i)
    publish("orders", std::to_string(i));
  const events::EventId gone = journal.rows[1]->id(), held = journal.rows[2]->id();
  const auto rows = journal.rows;
  // A restart: the tail is empty, the journal has what retention left.
  journal.forget_through(gone);
  events::Recovered recovered;
  recovered.last_id = held;
  recovered.gone_through = gone;
  restart(recovered);
  start();
  App app = stream("/events?channel=status&after=" + std::to_string(rows[0]->id()));
  until([&] { return ids_of(app.read()).size() == 1; });
  EXPECT_EQ(ids_of(app.received), std::vector{gone});
  EXPECT_NE(app.received.find(R"("channel":"gap","event":"UNRECOVERED")"), std::string::npos) << app.received;
  EXPECT_NE(app.received.find(std::to_string(held)), std::string::npos) << "names the oldest one held";
  const events::EventId later = publish("status", "{}");
  wait_for_ids(app, {gone, later});
}

TEST_F(Streams, AConsumerThatDoesNotReadGetsEverythingLaterAndDisturbsNobody) {
  start();
  App slow = tcp();
  slow.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  until([&] { return server->consumers().size() == 1; });
  App quick = stream("/events");
  std::vector<events::EventId> ids;
  const std::string payload = '"' + std::string(20'000, 'x') + '"';
  for (int i = 0; i < 200; ++i) {
    ids.push_back(publish("orders", payload));
    turn();
    quick.read();
  }
  until([&] { return ids_of(quick.read()).size() == ids.size(); }, "the quick one");
  EXPECT_EQ(ids_of(quick.received), ids);
  until([&] { return ids_of(slow.read()).size() == ids.size(); }, "the slow one");
  EXPECT_EQ(ids_of(slow.received), ids);
}

TEST_F(Streams, AWebSocketThatDoesNotReadGetsWholeFramesLater) {
  start();
  App slow = tcp();
  slow.send(
      "GET /events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  until([&] { return server->consumers().size() == 1; });
  std::vector<events::EventId> ids;
  const std::string payload = '"' + std::string(20'000, 'x') + '"';
  for (int i = 0; i < 150; ++i) {
    ids.push_back(publish("orders", payload));
    if (i % 10 == 0) slow.send(client_frame(9, "p"));
    turn();
  }
  const auto texts = [&] {
    std::vector<events::EventId> seen;
    for (const ServerFrame& frame : frames_of(slow.read())) {
      if (frame.opcode == 1) seen.push_back(ids_of(frame.data).at(0));
    }
    return seen;
  };
  until([&] { return texts().size() == ids.size(); });
  EXPECT_EQ(texts(), ids);
}

TEST_F(Streams, DrainingClosesWebSocketsWith1001AndEndsTheOthers) {
  start();
  App socket = web_socket("/events");
  App sse = stream("/events");
  bool drained = false;
  server->drain(std::chrono::seconds(10), [&] { drained = true; });
  until([&] { return frames_of(socket.read()).size() == 1; });
  EXPECT_EQ(frames_of(socket.received)[0].close_code(), 1001u);
  socket.send(client_frame(8, "\x03\xe9"));
  until([&] { return drained && sse.ended() && socket.ended(); });
}

TEST_F(Streams, StreamsAreRefusedOverTheConnectionLimitAndIdleConnectionsMakeRoom) {
  settings.http.max_connections = 2;
  start();
  App idle = tcp();
  until([&] { return server->connections() == 1; });
  App first = web_socket("/events");
  App second = stream("/events");
  until([&] { return idle.ended(); }, "the idle connection to make room");
  App third = web_socket("/events");
  until([&] { return frames_of(third.read()).size() == 1; });
  EXPECT_EQ(frames_of(third.received)[0].close_code(), 1013u);
  EXPECT_TRUE(request("GET /events").starts_with("HTTP/1.1 503 "));
  const events::EventId id = publish("orders", "1");
  wait_for_ids(second, {id});
}

TEST_F(Streams, WhereManyTakeTurnsEachGetsEverythingInOrderAndTheLastEventToo) {
  start();
  std::vector<App> apps;
  for (int i = 0; i < 60; ++i)
    apps.push_back(stream("/events"));
  std::vector<events::EventId> ids;
  for (int i = 0; i < 50; ++i) {
    ids.push_back(publish("orders", "1"));
    turn();
  }
  for (App& app : apps) {
    until([&] { return ids_of(app.read()).size() == ids.size(); }, "all events, without a further one");
    EXPECT_EQ(ids_of(app.received), ids);
  }
}

TEST_F(Streams, FiveHundredConsumersComeAndGo) {
  start();
  for (int round = 0; round < 5; ++round) {
    std::vector<App> apps;
    for (int i = 0; i < 100; ++i) {
      apps.push_back(tcp());
      apps.back().send(
          i % 2 ? "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
                : "GET /events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
      if (i % 10 == 0) turn();
    }
    until([&] { return server->consumers().size() == 100; });
    const events::EventId id = publish("orders", "1");
    until([&] {
      for (App& app : apps) {
        if (ids_of(app.read()) != std::vector{id}) return false;
      }
      return true;
    });
    apps.clear();
    publish("orders", "2");  // while they leave
    until([&] { return server->connections() == 0; });
  }
  EXPECT_NE(providers.metrics().find("bridge55_consumers{endpoint=\"sse\"} 0"), std::string::npos);
}

}  // namespace
}  // namespace bridge55::test
