// Framing, pace, rows and book of the simulated vendor.
#include "tests/sim/frames.hpp"
#include "tests/sim/life.hpp"
#include "tests/sim/pacer.hpp"
#include "tests/sim/rows.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

std::string client_frame(int opcode, std::string payload, bool fin = true, bool masked = true) {
  std::string frame;
  frame += static_cast<char>((fin ? 0x80 : 0) | opcode);
  frame += static_cast<char>((masked ? 0x80 : 0) | static_cast<int>(payload.size()));
  if (masked) {
    frame += "\x01\x02\x03\x04";
    for (std::size_t i = 0; i < payload.size(); ++i)
      payload[i] ^= static_cast<char>(i % 4 + 1);
  }
  return frame + payload;
}

TEST(SimFrames, HeadersUseTheShortestLengthForm) {
  for (const auto& [size, header] : std::vector<std::pair<std::size_t, std::size_t>>{
           {0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}}) {
    std::string out;
    append_frame(out, Opcode::text, std::string(size, 'x'));
    EXPECT_EQ(out.size(), size + header) << size;
  }
}

TEST(SimFrames, AcceptKeyIsTheRfcsExample) {
  EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(SimFrames, MessagesAreReadWholeThoughBytesComeSinglyAndInFragments) {
  const std::string bytes = client_frame(1, "he", false) + client_frame(9, "p") + client_frame(0, "llo");
  ClientFrames frames(1000);
  std::vector<ClientMessage> got;
  for (const char byte : bytes) {
    frames.feed({&byte, 1});
    while (auto message = frames.next())
      got.push_back(*message);
  }
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].opcode, Opcode::ping);
  EXPECT_EQ(got[1].payload, "hello");
}

TEST(SimFrames, ViolationsAreFoundWithTheirCloseCode) {
  const std::vector<std::pair<std::string, int>> wrong{
      {client_frame(1, "x", true, false), 1002}, {client_frame(3, "x"), 1002},
      {client_frame(9, "x", false), 1002},       {client_frame(0, "x"), 1002},
      {client_frame(1, "\xff"), 1007},           {client_frame(1, std::string(101, 'x')), 1009}};
  for (const auto& [bytes, code] : wrong) {
    ClientFrames frames(100);
    frames.feed(bytes);
    EXPECT_FALSE(frames.next());
    EXPECT_EQ(frames.error(), code);
  }
}

TEST(SimFrames, Utf8IsCheckedStrictly) {
  EXPECT_TRUE(is_utf8("東京 ⚽ \xf4\x8f\xbf\xbf"));
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
    EXPECT_FALSE(is_utf8(bad));
}

TEST(SimSchedule, IsEvenAndAbsolute) {
  Schedule schedule;
  const TimePoint start{1h};
  schedule.restart(start, 10'000);
  std::uint64_t told = 0;
  for (int ms = 1; ms <= 1000; ++ms) {
    const auto due = schedule.due(start + milliseconds(ms));
    EXPECT_NEAR(static_cast<double>(due), 10, 1);
    told += due;
  }
  EXPECT_NEAR(static_cast<double>(told), 10'000, 1);
}

TEST(SimSchedule, ALongSleepIsNotMadeUpForByAFlood) {
  Schedule schedule;
  const TimePoint start{1h};
  schedule.restart(start, 1000);
  EXPECT_EQ(schedule.due(start + 30s), 0u);
  EXPECT_NEAR(static_cast<double>(schedule.due(start + 30s + 10ms)), 10, 1);
}

TEST(SimRows, MoneyPrintsAsTheDocsDo) {
  std::string out;
  ObjectWriter(out)
      .cents("a", 1000)
      .cents("b", 195)
      .cents("c", 0)
      .cents("d", 1250)
      .thousandths("e", 1808)
      .end();
  EXPECT_EQ(out, R"({"a":10.0,"b":1.95,"c":0.0,"d":12.5,"e":1.808})");
}

TEST(SimRows, AnAbpOrderHasTheDocumentedMembersInTheirOrder) {
  AbpOrder order;
  order.id = 327;
  std::string out;
  write(out, order);
  std::vector<std::string> names;
  const auto row = nlohmann::ordered_json::parse(out);
  for (const auto& [name, value] : row.items())
    names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"orderId",
                                             "requestUuid",
                                             "client",
                                             "clientName",
                                             "fixtureId",
                                             "outcomeId",
                                             "playerId",
                                             "orderPrice",
                                             "orderStake",
                                             "filledStake",
                                             "remainingStake",
                                             "orderStatus",
                                             "statusReason",
                                             "userRef",
                                             "testOrder",
                                             "acceptBetterOdds",
                                             "acceptPartialStake",
                                             "orderCurrency",
                                             "back",
                                             "allowedBookmakers",
                                             "oddsInfo",
                                             "meta",
                                             "expiresAt",
                                             "filledAt",
                                             "createdAt",
                                             "updatedAt"}));
}

Options demo_options() {
  Options options;
  options.abp_keys = {{"abp-demo-key", "demo"}};
  options.mm_keys = {{"55555555-5555-4555-8555-555555555555", "demo"}};
  return options;
}

/// What a source tells, without the times in it.
std::vector<std::string> story(Api api, std::uint64_t seed) {
  Options options = demo_options();
  options.seed = seed;
  Book book(100);
  const auto source = api == Api::abp ? make_abp_life(options, book) : make_mm_life(options, book);
  std::vector<std::string> told;
  for (int i = 0; i < 300; ++i) {
    const Message message = source->next();
    const json frame = json::parse(std::string(message.body) + "}");
    told.push_back(frame["channel"].get<std::string>() + frame["event"].get<std::string>() +
                   frame["payload"].value("requestUuid", "") + frame["payload"].value("exchangeOrderId", ""));
  }
  return told;
}

TEST(SimLife, TheSameSeedTellsTheSameStory) {
  for (const Api api : {Api::abp, Api::mm}) {
    EXPECT_EQ(story(api, 1), story(api, 1));
    EXPECT_NE(story(api, 1), story(api, 2));
  }
}

TEST(SimLife, RestHoldsTheLatestRowOfWhatWasTold) {
  const Options options = demo_options();
  Book book(10'000);
  const auto life = make_abp_life(options, book);
  std::map<std::int64_t, json> orders, bets;
  for (int i = 0; i < 5000; ++i) {
    const json frame = json::parse(std::string(life->next().body) + "}");
    const json& payload = frame["payload"];
    if (frame["channel"] == "orders") orders[payload["orderId"].get<std::int64_t>()] = payload;
    if (frame["channel"] == "bets" || frame["channel"] == "settlements")
      bets[payload["betId"].get<std::int64_t>()] = payload;
  }
  ASSERT_GT(bets.size(), 100u);
  for (const auto& [id, row] : orders)
    EXPECT_EQ(json::parse(book.orders().at(id).json), row);
  for (const auto& [id, row] : bets)
    EXPECT_EQ(json::parse(book.bets().at(id).json), row);
}

TEST(SimBook, ForgetsTheOldestAndFindsAnOrdersBets) {
  Book book(3);
  for (std::int64_t id = 1; id <= 5; ++id) {
    Row bet;
    bet.id = id;
    bet.order_id = 10 + id / 2;
    book.put_bet(bet);
    book.put_bet(bet);
  }
  EXPECT_EQ(book.bets().size(), 3u);
  EXPECT_EQ(book.bets_of(12).size(), 2u);
  EXPECT_TRUE(book.bets_of(10).empty());
  book.remove_bet(4);
  EXPECT_EQ(book.bets_of(12).size(), 1u);
}

TEST(SimBench, PayloadsHaveTheAskedSizeAndAStamp) {
  for (const Api api : {Api::abp, Api::mm}) {
    for (const std::size_t size : {200u, 700u, 900u, 4000u}) {
      Options options = demo_options();
      options.payload_bytes = size;
      options.stamp = true;
      const auto bench = make_bench(api, options);
      for (int i = 0; i < 20; ++i) {
        const std::string text = std::string(bench->next().body) + "}";
        const auto begin = text.find("\"payload\":") + 10;
        const auto end = std::min(text.find(",\"old\":"), text.size() - 1);
        EXPECT_EQ(end - begin, size);
        EXPECT_GT(json::parse(text)["payload"]["sentNs"].get<std::int64_t>(), 1'700'000'000'000'000'000);
      }
    }
  }
}

}  // namespace
}  // namespace bridge55::sim
