#include "daemon/gateway/placement.hpp"

#include "bridges/abp/placements.hpp"
#include "bridges/abp/placements_read.hpp"
#include "daemon/events/json.hpp"

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

const std::string kA = "eb45b192-317b-42d5-9f65-af497b9fa8c1";
const std::string kB = "fb5f2dd9-c855-4ba9-8ef9-4c2278ca2f1d";
constexpr WallMicros kNow = 1'770'000'000'000'000;

const Dialect& abp() {
  return bridge55::abp::placements();
}
std::string order(const std::string& uuid, const std::string& more = "") {
  return R"({"requestUuid":")" + uuid + '"' + more + '}';
}
std::string body(const std::string& orders) {
  return R"({"orders":[)" + orders + "]}";
}
std::string fault(std::string text) {
  const ReadPlacement read = abp().read(std::move(text), kNow);
  EXPECT_FALSE(read.placement);
  return read.fault;
}
Order one(const std::string& more) {
  const ReadPlacement read = abp().read(body(order(kA, more)), kNow);
  EXPECT_TRUE(read.placement) << read.fault;
  return read.placement ? read.placement->orders[0] : Order{};
}

TEST(AbpPlacement, ReadsWhatTheDeskMustKnow) {
  const Order full =
      one(R"(,"orderStake":10.0,"orderPrice":1.95,"orderCurrency":"EUR","back":false,"testOrder":true,)"
          R"("bookmakers":"pinnacle, sharpbet","expiresAt":"2026-02-02T02:40:05.5Z")");
  EXPECT_EQ(full.uuid, kA);
  EXPECT_EQ(full.stake, "10.0");
  EXPECT_EQ(full.price, "1.95");
  EXPECT_EQ(full.currency, "EUR");
  EXPECT_FALSE(full.back);
  EXPECT_TRUE(full.test);
  EXPECT_EQ(full.bookmakers, (std::vector<std::string>{"pinnacle", "sharpbet"}));
  EXPECT_EQ(full.expires_at, kNow + 5'500'000);
  const Order bare = one("");
  EXPECT_EQ(bare.currency, "USD");
  EXPECT_TRUE(bare.back);
  EXPECT_FALSE(bare.test);
  EXPECT_TRUE(bare.bookmakers.empty());
  EXPECT_FALSE(bare.expires_at);
}

TEST(AbpPlacement, InDoubtAnOrderIsALayIsNoTestAndGoesAnywhere) {
  EXPECT_FALSE(one(R"(,"back":1)").back);
  EXPECT_FALSE(one(R"(,"back":null)").back);
  EXPECT_FALSE(one(R"(,"testOrder":"true")").test);
  EXPECT_FALSE(one(R"(,"testOrder":1)").test);
  EXPECT_TRUE(one(R"(,"bookmakers":null)").bookmakers.empty());
  EXPECT_EQ(one(R"(,"bookmakers":"")").bookmakers, std::vector<std::string>{""});
  EXPECT_EQ(one(R"(,"bookmakers":["a","b,c"])").bookmakers, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(one(R"(,"bookmakers":7)").bookmakers, std::vector<std::string>{"7"});
  EXPECT_EQ(one(R"(,"orderCurrency":null)").currency, "null");
}

TEST(AbpPlacement, NamesAreReadThroughTheirEscapes) {
  EXPECT_EQ(one(R"(,"order\u0053take":900)").stake, "900");
  EXPECT_TRUE(abp().read(R"({"\u006frders":[)" + order(kA) + "]}", kNow).placement);
}

TEST(AbpPlacement, TheIdentityIsLowerCaseAndTheSpellingKept) {
  const ReadPlacement read = abp().read(body(order("EB45B192-317B-42D5-9F65-AF497B9FA8C1")), kNow);
  ASSERT_TRUE(read.placement);
  EXPECT_EQ(read.placement->orders[0].uuid, kA);
  EXPECT_EQ(read.placement->orders[0].spelled, "EB45B192-317B-42D5-9F65-AF497B9FA8C1");
}

TEST(AbpPlacement, AnExpiryThatCannotBeReadOrIsTooFarIsADay) {
  constexpr WallMicros kDay = 86'400'000'000;
  for (const char* expiry : {"1770000000", "\"soon\"", "\"2030-01-01T00:00:00Z\"", "true"}) {
    EXPECT_EQ(one(std::string(R"(,"expiresAt":)") + expiry).expires_at, kNow + kDay) << expiry;
  }
  EXPECT_FALSE(one(R"(,"expiresAt":null)").expires_at);
}

TEST(AbpPlacement, ReadsTheFormsOfIso8601ThatAppsWrite) {
  using bridge55::abp::iso_time;
  for (const char* text :
       {"2026-02-02T02:40:00Z", "2026-02-02 02:40:00", "2026-02-02T02:40", "2026-02-02T03:40:00+01:00",
        "2026-02-01T21:10:00.000-0530", "2026-02-02t02:40:00.0z", "2026-02-02T04:40:00+02"}) {
    EXPECT_EQ(iso_time(text), kNow) << text;
  }
  EXPECT_EQ(iso_time("2026-02-02T02:40:00.1234567Z"), kNow + 123'456);
  for (const char* text : {"", "2026", "2026-02-30T00:00:00Z", "2026-02-02T25:00:00Z", "2026-02-02T02:40:00X",
                           "2026-02-02T02:40:00Z ", "2026-02-02T02:40:00.Z", "2026-02-02"}) {
    EXPECT_FALSE(iso_time(text)) << text;
  }
}

TEST(AbpPlacement, WhatIsNotValidJsonOrUtf8IsRefused) {
  EXPECT_NE(fault("").find("JSON"), std::string::npos);
  EXPECT_NE(fault("{").find("JSON"), std::string::npos);
  EXPECT_NE(fault(body(order(kA)) + "x").find("JSON"), std::string::npos);
  fault(body(order(kA, ",\"meta\":\"\xff\"")));
  fault(body(order(kA, ",\"meta\":" + std::string(1'000'000, '['))));
}

TEST(AbpPlacement, DuplicateKeysAtAnyLevelAreRefused) {
  const std::string x = order(kA);
  for (const std::string& text :
       {R"({"orders":[)" + x + R"(],"orders":[]})", R"({"orders":[)" + x + R"(],"\u006frders":[]})",
        body(order(kA, R"(,"orderStake":1,"orderStake":1000)")),
        body(order(kA, R"(,"orderStake":1,"order\u0053take":2)")),
        body(order(kA, R"(,"meta":{"a":[{"b":1,"b":1}]})")), R"({"m":{"a":1,"a":2},"orders":[)" + x + "]}"}) {
    EXPECT_NE(fault(text).find("twice"), std::string::npos) << text;
  }
  one(R"(,"meta":{"orderStake":1,"a":{"a":"b","b":"a"}})");
}

TEST(AbpPlacement, TheFaultNamesThePlace) {
  EXPECT_EQ(fault("[]").find("the body must be an object"), 0u);
  EXPECT_EQ(fault("{}").find("orders: missing"), 0u);
  EXPECT_EQ(fault(R"({"orders":{}})").find("orders: must be an array"), 0u);
  EXPECT_EQ(fault(R"({"orders":[]})").find("orders: empty"), 0u);
  EXPECT_EQ(fault(body("7")).find("orders[0]: must be an object"), 0u);
  EXPECT_EQ(fault(body(order(kA) + ",{}")).find("orders[1].requestUuid: missing"), 0u);
  for (const char* uuid :
       {"", "x", "eb45b192317b42d59f65af497b9fa8c1", "{eb45b192-317b-42d5-9f65-af497b9fa8c1}",
        "gb45b192-317b-42d5-9f65-af497b9fa8c1", "eb45b192-317b-42d5-9f65-af497b9fa8c1 "}) {
    EXPECT_EQ(fault(body(order(uuid))).find("orders[0].requestUuid: must be a UUID"), 0u) << uuid;
  }
  EXPECT_EQ(fault(body(R"({"requestUuid":7})")).find("orders[0].requestUuid: must be a UUID"), 0u);
  EXPECT_EQ(fault(body(order(kA) + "," + order("EB45B192-317B-42D5-9F65-AF497B9FA8C1")))
                .find("orders[1].requestUuid: " + kA + " is in this request twice"),
            0u);
}

TEST(AbpPlacement, AHundredOrdersAreTakenAndNoMore) {
  std::string orders;
  const auto uuid = [](int i) {
    const std::string digits = std::to_string(1000 + i);
    return "eb45b192-317b-42d5-9f65-af497b9f" + digits;
  };
  for (int i = 0; i < 100; ++i)
    orders += (i == 0 ? "" : ",") + order(uuid(i));
  EXPECT_TRUE(abp().read(body(orders), kNow).placement);
  EXPECT_NE(fault(body(orders + "," + order(uuid(100)))).find("at most 100"), std::string::npos);
}

TEST(AbpPlacement, APartOfARequestKeepsEveryOtherByte) {
  const std::string a = order(kA, R"(, "orderStake" : 1.50)"), b = order(kB);
  const std::string text = "{ \"x\": [1, 2],\n\"orders\" : [ " + a + " ,\n" + b + " ] , \"y\": null }\n";
  const ReadPlacement read = abp().read(text, kNow);
  ASSERT_TRUE(read.placement);
  EXPECT_EQ(abp().subset(*read.placement, {0, 1}), text);
  EXPECT_EQ(abp().subset(*read.placement, {1}),
            "{ \"x\": [1, 2],\n\"orders\" : [" + b + "] , \"y\": null }\n");
  EXPECT_EQ(read.placement->text(read.placement->orders[0]), a);
}

TEST(AbpPlacement, ReadsAnAnswerAndSeesDuplicates) {
  const auto read = abp().read_answer(
      R"({"status":"partial-success","acceptedOrders":[)" + order("EB45B192-317B-42D5-9F65-AF497B9FA8C1") +
      R"(],"declinedOrders":[)" + order(kB, R"(,"declineReason":"Duplicate requestUuid")") + "]}");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->accepted.at(0).uuid, kA);
  EXPECT_EQ(read->declined.at(0).uuid, kB);
  EXPECT_TRUE(read->declined[0].duplicate);
  const auto other = abp().read_answer(
      R"({"declinedOrders":[)" + order(kB, R"(,"declineReason":"Order stake 15000.00 USD exceeds")") + "]}");
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->declined.at(0).duplicate);
}

TEST(AbpPlacement, AnAnswerThatCannotBeUnderstoodWholeIsNone) {
  for (const std::string& text :
       {std::string(), std::string("<html>"), std::string(R"({"status":"accepted","acceptedOrders":[)"),
        std::string(R"({"status":"accepted"})"), std::string("[]"), std::string(R"({"acceptedOrders":7})"),
        std::string(R"({"acceptedOrders":[{}]})"), R"({"acceptedOrders":[)" + order("x") + "]}"}) {
    EXPECT_FALSE(abp().read_answer(text)) << text;
  }
}

TEST(AbpPlacement, ReadsPagesBareOrWrappedWithCursorsOfEitherType) {
  const std::string rows = "[" + order(kA) + "]";
  const auto bare = abp().read_page(rows);
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->rows.size(), 1u);
  EXPECT_FALSE(bare->more);
  const auto page = [&](const std::string& tail) {
    const auto read = abp().read_page(R"({"orders":)" + rows + tail + "}");
    EXPECT_TRUE(read) << tail;
    return read.value_or(OrderPage{});
  };
  EXPECT_FALSE(page("").more);
  EXPECT_FALSE(page(R"(,"hasMore":false,"nextCursor":null)").more);
  EXPECT_TRUE(page(R"(,"hasMore":true,"nextCursor":327)").more);
  EXPECT_EQ(page(R"(,"hasMore":true,"nextCursor":327)").cursor, "327");
  EXPECT_EQ(page(R"(,"hasMore":true,"nextCursor":"a b")").cursor, "a b");
  EXPECT_TRUE(page(R"(,"nextCursor":"327")").more);
  EXPECT_FALSE(abp().read_page(R"({"detail":"x"})"));
  EXPECT_FALSE(abp().read_page("{"));
  EXPECT_FALSE(abp().read_page(R"({"orders":{}})"));
}

TEST(AbpPlacement, APageWithARowThatCannotBeReadSaysNothingOfWhatIsNotThere) {
  for (const std::string& row :
       {std::string(R"({"orderId":1})"), std::string(R"({"requestUuid":null})"),
        std::string(R"({"request_uuid":")" + kA + "\"}"), order("x"), std::string("7")}) {
    const std::string rows = "[" + order(kA) + "," + row + "]";
    EXPECT_FALSE(abp().read_page(rows)) << row;
    EXPECT_FALSE(abp().read_page(R"({"orders":)" + rows + "}")) << row;
  }
  EXPECT_TRUE(abp().read_page(R"({"orders":[]})"));
}

TEST(AbpPlacement, AsksForOrdersByUuidPageByPage) {
  EXPECT_EQ(abp().look_up_target({kA, kB}, ""), "/orders?requestUuids=" + kA + "," + kB);
  EXPECT_EQ(abp().look_up_target({kA}, "a b&c"), "/orders?requestUuids=" + kA + "&afterOrderId=a%20b%26c");
}

TEST(AbpPlacement, ComposesAnswersInUpstreamsShape) {
  EXPECT_EQ(abp().compose({"{\"a\":1}", "{\"b\":2}"}, {}),
            R"({"status":"accepted","acceptedOrders":[{"a":1},{"b":2}],"declinedOrders":[]})");
  EXPECT_EQ(abp().compose({"{}"}, {"{}"}),
            R"({"status":"partial-success","acceptedOrders":[{}],"declinedOrders":[{}]})");
  EXPECT_EQ(abp().compose({}, {"{}"}), R"({"status":"declined","acceptedOrders":[],"declinedOrders":[{}]})");
  EXPECT_EQ(abp().declined_entry(kA, "say \"no\""),
            R"({"requestUuid":")" + kA + R"(","declineReason":"say \"no\""})");
}

}  // namespace
}  // namespace bridge55::gateway
