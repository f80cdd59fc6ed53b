// The `kind: unix` sink: lines from now on, shaped by what the app says.
#include "door.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace bridge55::test {
namespace {

class UnixFeed : public LocalDoor {
 protected:
  void open(std::optional<events::SinkRoutes> routes = {}) {
    start();
    config::Sink sink;
    sink.name = "feed";
    sink.kind = config::SinkKind::unix_socket;
    sink.path = path("events.sock");
    server->add_feed(sink, std::move(routes));
  }
  App connect() {
    App app = unix_socket(path("events.sock"));
    const std::size_t before = server->feed_consumers("feed");
    until([&] { return server->feed_consumers("feed") == before + 1; }, "the feed to know the app");
    return app;
  }
  void expect_ids(App& app, const std::vector<events::EventId>& ids) {
    until([&] { return ids_of(app.read()).size() >= ids.size(); }, "lines");
    EXPECT_EQ(ids_of(app.received), ids) << app.received;
  }
  static events::SinkRoutes compile(std::vector<config::Route> routes) {
    return std::get<events::SinkRoutes>(events::SinkRoutes::compile(std::move(routes), "feed"));
  }
};

TEST_F(UnixFeed, ASilentAppGetsEveryEventFromTheMomentItConnected) {
  open();
  publish("orders", "1");
  App app = connect();
  const events::EventId first = publish("orders", "{\"a\":\r\n2}");  // before the 100 ms are over
  expect_ids(app, {first});
  const events::EventId second = publish("orders", "3");
  expect_ids(app, {first, second});
  EXPECT_EQ(count(app.received, "\n"), 2u) << "one line an event: CR and LF inside became spaces";
  EXPECT_NE(app.received.find("{\"a\":  2}"), std::string::npos);
}

TEST_F(UnixFeed, AFirstLineShapesTheStreamBeforeItsFirstEvent) {
  open();
  const events::EventId order = publish("orders", "{}");
  publish("status", "{}");
  App app = connect();
  app.send("{\"after\": \"earliest\", \"channel\": [\"orders\"]}\n");
  expect_ids(app, {order});
}

TEST_F(UnixFeed, AnAppThatPipesALineAndEndsItsSideGoesOnListening) {
  open();
  const events::EventId first = publish("orders", "1");
  App app = connect();
  app.send("{\"after\":\"earliest\"}\n");
  app.finish_sending();
  expect_ids(app, {first});
  const events::EventId second = publish("orders", "2");
  expect_ids(app, {first, second});
  app.close();
  until([&] { return server->feed_consumers("feed") == 0; }, "the end of it to be noticed");
}

TEST_F(UnixFeed, LaterFiltersApplyAndLaterPositionsAreSaidInOneLine) {
  open();
  App app = connect();
  const events::EventId first = publish("orders", "1");
  expect_ids(app, {first});
  app.send("{\"channel\":\"status\"}\n{\"after\":\"earliest\"}\n");
  until([&] { return app.read().find("repositioned") != std::string::npos; });
  EXPECT_TRUE(app.received.ends_with("{\"repositioned\":{\"after\":\"earliest\"}}\n")) << app.received;
  app.send("{\"channel\":[]}\n{\"after\":\"earliest\"}\n");
  expect_ids(app, {first, first});
}

TEST_F(UnixFeed, ADurableConsumerAcknowledgesByLineAndComesBack) {
  open();
  std::vector<events::EventId> ids;
  {
    App app = connect();
    app.send("{\"consumer\":\"risk\"}\n");
    until([&] { return journal.consumers.contains("risk"); });
    for (int i = 0; i < 3; ++i)
      ids.push_back(publish("orders", "1"));
    expect_ids(app, ids);
    app.send("{\"ack\":\"" + std::to_string(ids[1]) + "\"}\n");
    until([&] { return journal.consumers.at("risk").cursor == ids[1]; });
  }
  until([&] { return server->feed_consumers("feed") == 0; });
  App again = connect();
  again.send("{\"consumer\":\"risk\"}\n");
  expect_ids(again, {ids[2]});
  App thief = connect();
  thief.send("{\"consumer\":\"risk\"}\n");
  until([&] { return again.ended(); });
  EXPECT_TRUE(again.received.ends_with("{\"error\":\"replaced\"}\n")) << again.received;
}

TEST_F(UnixFeed, ALaterConsumerRepositionsToItsCursor) {
  open();
  const events::EventId first = publish("orders", "1");
  App app = connect();
  app.send("{\"channel\":\"orders\"}\n");
  const events::EventId second = publish("orders", "2");
  expect_ids(app, {second});
  app.send("{\"consumer\":\"risk\",\"after\":\"" + std::to_string(first) + "\"}\n");
  expect_ids(app, {second, second});
  EXPECT_NE(app.received.find("{\"repositioned\":{\"consumer\":\"risk\",\"after\":\"" +
                              std::to_string(first) + "\"}}\n"),
            std::string::npos);
}

TEST_F(UnixFeed, EachLineThatIsNotUnderstoodGetsOneErrorLine) {
  open();
  App app = connect();
  app.send("hello\n[]\n{}\n{\"x\":1}\n{\"snapshot\":true}\n{\"ack\":\"1\"}\n" + std::string(70'000, 'x') +
           "\n\n \n");
  until([&] { return count(app.read(), "{\"error\":") == 7; }, "seven errors");
  EXPECT_EQ(count(app.received, "\n"), 7u);
  expect_ids(app, {publish("orders", "1")});
}

TEST_F(UnixFeed, RoutesSelectAndShapeWhatComes) {
  config::Route payload, raw;
  payload.match.channel = {"orders"};
  payload.to = {"feed"};
  payload.body = config::BodyMode::payload;
  raw.match.channel = {"status"};
  raw.to = {"feed"};
  config::Route elsewhere;
  elsewhere.to = {"rabbit"};
  open(compile({payload, raw, elsewhere}));
  App app = connect();
  app.send("{\"after\":\"latest\"}\n");
  publish("bets", "1");
  publish("orders", "{\"a\":\n1}");
  const events::EventId status = publish("status", "2");
  expect_ids(app, {status});
  EXPECT_TRUE(app.received.starts_with("{\"a\": 1}\n{\"id\":")) << app.received;
  server->set_feed_routes("feed", {});
  const events::EventId bet = publish("bets", "3");
  expect_ids(app, {status, bet});
}

TEST_F(UnixFeed, WithClientsOnlyThoseWithTheEventsScopeMayListen) {
  config::Client nobody;
  nobody.name = "nobody", nobody.user = "nobody", nobody.allow = static_cast<unsigned>(config::Scope::events);
  settings.clients = {nobody};
  open();
  App app = unix_socket(path("events.sock"));
  until([&] { return app.ended(); });
  EXPECT_TRUE(app.received.starts_with("{\"error\":")) << app.received;
}

TEST_F(UnixFeed, RemovingTheFeedTellsItsConsumersAndTakesTheSocketAway) {
  open();
  App app = connect();
  app.send("{\"after\":\"latest\"}\n");
  expect_ids(app, {publish("orders", "1")});
  server->remove_feed("feed");
  until([&] { return app.ended(); });
  EXPECT_TRUE(app.received.ends_with("{\"error\":\"this feed is no longer configured\"}\n")) << app.received;
  EXPECT_NE(::access(path("events.sock").c_str(), F_OK), 0);
}

TEST_F(UnixFeed, TheSocketHasTheModeOfTheConfig) {
  open();
  struct stat found {};
  ASSERT_EQ(::stat(path("events.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0660u);
}

}  // namespace
}  // namespace bridge55::test
