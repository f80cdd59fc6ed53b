// Durable consumers as apps use them, over every transport.
#include "door.hpp"

namespace bridge55::test {
namespace {

std::string ack(events::EventId id) {
  return R"({"ack":")" + std::to_string(id) + "\"}";
}

class Durable : public LocalDoor {
 protected:
  events::EventId cursor(const std::string& name) { return journal.consumers.at(name).cursor; }
  std::vector<events::EventId> some(int count) {
    std::vector<events::EventId> ids;
    for (int i = 0; i < count; ++i)
      ids.push_back(publish("orders", std::to_string(i)));
    return ids;
  }
  void expect_ids(App& app, const std::vector<events::EventId>& ids) {
    until([&] { return ids_of(app.read()).size() >= ids.size(); }, "events");
    EXPECT_EQ(ids_of(app.received), ids);
  }
  void with_two_clients() {
    config::Client a, b, ops;
    a.name = "a", a.token = config::Secret("token-a"), a.allow = static_cast<unsigned>(config::Scope::events);
    b = a, b.name = "b", b.token = config::Secret("token-b");
    ops.name = "ops", ops.token = config::Secret("token-ops"),
    ops.allow = static_cast<unsigned>(config::Scope::admin);
    settings.clients = {a, b, ops};
  }
};

TEST_F(Durable, ANewNameStartsNowAndAfterABreakGetsEverythingAfterItsLastAck) {
  start();
  some(2);
  std::vector<events::EventId> ids;
  {
    App app = web_socket("/events?consumer=risk");
    ids = some(3);
    expect_ids(app, ids);
    app.send(client_text(ack(ids[0])));
    until([&] { return cursor("risk") == ids[0]; }, "the ack");
  }
  until([&] { return server->connections() == 0; });
  ids.push_back(some(1)[0]);
  App again = web_socket("/events?consumer=risk&after=earliest");  // `after` counts only when the name is new
  expect_ids(again, {ids[1], ids[2], ids[3]});
}

TEST_F(Durable, ANewNameStartsAtAfterWhereItIsGiven) {
  start();
  const auto ids = some(3);
  App app = stream("/events?consumer=risk&after=" + std::to_string(ids[0]));
  expect_ids(app, {ids[1], ids[2]});
}

TEST_F(Durable, ARestartOfTheDaemonKeepsTheName) {
  start();
  App app = stream("/events?consumer=risk");
  const auto ids = some(3);
  expect_ids(app, ids);
  EXPECT_TRUE(request("POST /events/ack", "", R"({"consumer":"risk","id":")" + std::to_string(ids[1]) + "\"}")
                  .starts_with("HTTP/1.1 200 "));
  events::Recovered recovered;
  recovered.last_id = ids[2];
  restart(recovered);
  server = nullptr;
  start();
  server->restore({journal.consumers.at("risk")});
  App again = stream("/events?consumer=risk");
  expect_ids(again, {ids[2]});
}

TEST_F(Durable, ItWaitsForTheDisk) {
  journal.commit_at_once = false;
  start();
  App durable = stream("/events?consumer=risk");
  App live = stream("/events");
  const auto ids = some(2);
  expect_ids(live, ids);
  EXPECT_TRUE(ids_of(durable.read()).empty()) << "a crash now would take these events back";
  journal.commit();
  expect_ids(durable, ids);
}

TEST_F(Durable, AnAckGoesNoFurtherThanWhatWasSentAndALowerOneChangesNothing) {
  start();
  App app = web_socket("/events?consumer=risk&channel=orders");
  const auto ids = some(2);
  expect_ids(app, ids);
  const events::EventId other = publish("status", "{}");
  app.send(client_text(ack(other + 1000)));
  until([&] { return cursor("risk") == ids[1]; }, "the clamped ack");
  app.send(client_text(ack(ids[0])) + client_frame(9, "sync"));
  until([&] { return frames_of(app.read()).back().opcode == 10; });
  EXPECT_EQ(cursor("risk"), ids[1]);
}

TEST_F(Durable, BadAcksAreAnsweredAndTheStreamGoesOn) {
  start();
  App app = web_socket("/events?consumer=risk");
  app.send(client_text(R"({"ack":"abc"})") + client_text(R"({"ack":-1})") + client_text("{"));
  until([&] { return frames_of(app.read()).size() == 3; });
  for (const auto& frame : frames_of(app.received))
    EXPECT_TRUE(frame.data.starts_with("{\"error\":")) << frame.data;
  expect_ids(app, some(1));
}

TEST_F(Durable, ASecondConnectionReplacesTheFirstWhichIsClosedWith4000) {
  start();
  App first = web_socket("/events?consumer=risk");
  App second = stream("/events?consumer=risk");
  until([&] { return frames_of(first.read()).size() == 1; });
  EXPECT_EQ(frames_of(first.received)[0].close_code(), 4000u);
  EXPECT_EQ(frames_of(first.received)[0].data.substr(2), "replaced");
  expect_ids(second, some(2));
  App third = web_socket("/events?consumer=risk");
  until([&] { return second.ended(); });
}

TEST_F(Durable, ANameBelongsToTheAppThatMadeIt) {
  with_two_clients();
  start();
  const std::string a = "Authorization: Bearer token-a\r\n", b = "Authorization: Bearer token-b\r\n",
                    ops = "X-API-Key: token-ops\r\n";
  App mine = stream("/events?consumer=risk", a);
  EXPECT_TRUE(request("GET /events?consumer=risk", b).starts_with("HTTP/1.1 403 "));
  App refused = web_socket("/events?consumer=risk", b);
  until([&] { return frames_of(refused.read()).size() == 1; });
  EXPECT_EQ(frames_of(refused.received)[0].close_code(), 4003u);
  const auto ids = some(1);
  expect_ids(mine, ids);
  const std::string body = R"({"consumer":"risk","id":")" + std::to_string(ids[0]) + "\"}";
  EXPECT_TRUE(request("POST /events/ack", b, body).starts_with("HTTP/1.1 403 "));
  EXPECT_TRUE(request("DELETE /events/consumers/risk", b).starts_with("HTTP/1.1 403 "));
  EXPECT_TRUE(request("POST /events/ack", a, body).starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(cursor("risk"), ids[0]);
  EXPECT_TRUE(request("DELETE /events/consumers/risk", ops).starts_with("HTTP/1.1 204 ")) << "an admin may";
  until([&] { return mine.ended(); }, "its stream to end with the name");
  EXPECT_FALSE(journal.consumers.contains("risk"));
}

TEST_F(Durable, AcksOverHttpAreChecked) {
  start();
  EXPECT_TRUE(
      request("POST /events/ack", "", R"({"consumer":"nobody","id":"1"})").starts_with("HTTP/1.1 404 "));
  for (const char* body :
       {"{}", "[]", "x", R"({"consumer":"risk"})", R"({"id":"1"})", R"({"consumer":"risk","id":"x"})"}) {
    EXPECT_TRUE(request("POST /events/ack", "", body).starts_with("HTTP/1.1 400 ")) << body;
  }
  EXPECT_TRUE(request("DELETE /events/consumers/nobody").starts_with("HTTP/1.1 404 "));
}

TEST_F(Durable, TheLowestCursorIsToldWheneverItMayHaveMoved) {
  int moved = 0;
  providers.cursors_moved = [&] { ++moved; };
  start();
  EXPECT_FALSE(server->lowest_cursor());
  App app = web_socket("/events?consumer=risk");
  const auto ids = some(2);
  expect_ids(app, ids);
  EXPECT_EQ(moved, 1);
  app.send(client_text(ack(ids[1])));
  until([&] { return moved == 2; });
  EXPECT_EQ(server->lowest_cursor(), ids[1]);
}

TEST_F(Durable, StatusNamesConsumersTheirCursorAndLag) {
  start();
  {
    App app = web_socket("/events?consumer=risk");
    const auto ids = some(3);
    expect_ids(app, ids);
    const auto list = server->consumers();
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].name, "risk");
    EXPECT_EQ(list[0].endpoint, "websocket");
    EXPECT_EQ(list[0].lag_events, 3u) << "nothing is acknowledged";
  }
  until([&] { return server->connections() == 0; });
  ASSERT_EQ(server->consumers().size(), 1u);
  EXPECT_EQ(server->consumers()[0].endpoint, "") << "nobody is connected on it";
}

}  // namespace
}  // namespace bridge55::test
