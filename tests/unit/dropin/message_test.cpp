#include "daemon/dropin/message.hpp"

#include "bridges/abp/dropin.hpp"
#include "bridges/mm/dropin.hpp"

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using dropin::Message;
using Type = Message::Type;

Message abp_reads(std::string_view text) {
  return dropin::read_message(text, *abp::make_dropin());
}
Message mm_reads(std::string_view text) {
  return dropin::read_message(text, *mm::make_dropin());
}
std::string mm_refuses(std::string_view subscribe, dropin::Stranger why = dropin::Stranger::unknown) {
  return mm::make_dropin()->refusal(mm_reads(subscribe).sign_on, why);
}

TEST(DropInMessage, ALoginNamesKeyChannelsAndWishes) {
  const Message login = abp_reads(
      R"({"type":"login","apiKey":"se\u0063ret","channels":["orders","bets","orders"],"reliableDelivery":true,"consumer":"risk"})");
  ASSERT_EQ(login.type, Type::sign_on);
  EXPECT_TRUE(login.trouble.empty());
  EXPECT_EQ(login.sign_on.key, "secret");
  EXPECT_EQ(login.sign_on.channels, (std::vector<std::string>{"orders", "bets"}));
  EXPECT_FALSE(login.sign_on.all_channels);
  EXPECT_TRUE(login.sign_on.reliable && login.sign_on.acknowledges());
  EXPECT_EQ(login.sign_on.consumer, "risk");
}

TEST(DropInMessage, NoEmptyAndNullChannelsAreAll) {
  for (const char* text :
       {R"({"type":"login"})", R"({"type":"login","channels":[]})", R"({"type":"login","channels":null})"})
    EXPECT_TRUE(abp_reads(text).sign_on.all_channels) << text;
}

TEST(DropInMessage, ChannelsThatAreNoListOfNamesAreTrouble) {
  for (const char* channels : {R"("orders")", "[1]", R"([""])", "{}", "7"})
    EXPECT_FALSE(abp_reads(std::string(R"({"type":"login","channels":)") + channels + "}").trouble.empty())
        << channels;
  std::string many = R"({"type":"login","channels":["x0")";
  for (int i = 1; i < 65; ++i)
    many += ",\"x" + std::to_string(i) + '"';
  EXPECT_FALSE(abp_reads(many + "]}").trouble.empty());
}

TEST(DropInMessage, AConsumersNameMustBeOne) {
  EXPECT_FALSE(abp_reads(R"({"type":"login","consumer":"a b"})").trouble.empty());
  EXPECT_FALSE(abp_reads(R"({"type":"login","consumer":7})").trouble.empty());
  EXPECT_TRUE(abp_reads(R"({"type":"login","consumer":null})").trouble.empty());
}

TEST(DropInMessage, AcksNameOneSeqOrAList) {
  const Message through = abp_reads(R"({"type":"ack","seq":7})");
  EXPECT_EQ(through.type, Type::ack);
  EXPECT_TRUE(through.cumulative);
  EXPECT_EQ(through.seqs, (std::vector<std::uint64_t>{7}));
  const Message list = abp_reads(R"({"type":"ack","seqs":[3,"4",5]})");
  EXPECT_FALSE(list.cumulative);
  EXPECT_EQ(list.seqs, (std::vector<std::uint64_t>{3, 4, 5}));
  EXPECT_EQ(abp_reads(R"({"type":"ack","seqs":[]})").type, Type::ack);
  for (const char* bad :
       {R"({"type":"ack"})", R"({"type":"ack","seq":-1})", R"({"type":"ack","seq":1.5})",
        R"({"type":"ack","seq":"x"})", R"({"type":"ack","seq":null})", R"({"type":"ack","seqs":[1,null]})",
        R"({"type":"ack","seqs":3})", R"({"type":"ack","seq":18446744073709551616})"}) {
    EXPECT_EQ(abp_reads(bad).trouble, "Invalid ack") << bad;
  }
}

TEST(DropInMessage, WhatIsNotUnderstoodSaysWhy) {
  EXPECT_EQ(abp_reads("").trouble, "Invalid JSON");
  EXPECT_EQ(abp_reads("{").trouble, "Invalid JSON");
  EXPECT_EQ(abp_reads(R"({"type":tru})").trouble, "Invalid JSON");
  EXPECT_EQ(abp_reads(R"(["type"])").trouble, "Missing message type");
  EXPECT_EQ(abp_reads(R"("login")").trouble, "Missing message type");
  EXPECT_EQ(abp_reads(R"({"type":1})").trouble, "Missing message type");
  EXPECT_EQ(abp_reads(R"({"type":"subscribe"})").trouble, "Unknown message type: subscribe");
  EXPECT_EQ(abp_reads(R"({"type":"unsubscribe"})").trouble, "Unknown message type: unsubscribe");
  EXPECT_EQ(mm_reads(R"({"type":"login"})").trouble, "Unknown message type: login");
  EXPECT_EQ(mm_reads(R"({"type":"unsubscribe"})").type, Type::unsubscribe);
  EXPECT_EQ(dropin::error_text("a \"b\""), R"({"type":"error","message":"a \"b\""})");
}

TEST(DropInMessage, MmRefusesInItsOwnWordsAndTheAppsSpelling) {
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe"})"), "api_key required");
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe","api_key":null})"), "api_key required");
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe","apiKey":null})"), "apiKey required");
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe","api_key":"abc"})"), "Invalid api_key format");
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe","api_key":5})"), "Invalid api_key format");
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe","apiKey":"abc"})"), "Invalid apiKey format");
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe","api_key":"55555555-5555-4555-8555-55555555555g"})"),
            "Invalid api_key format");
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe","api_key":"55555555-5555-4555-8555-55555555555A"})"),
            "Invalid API key");
  EXPECT_EQ(mm_refuses(R"({"type":"subscribe","api_key":"abc"})", dropin::Stranger::forbidden),
            "Invalid API key");
}

TEST(DropInMessage, MmConfirmsInTheAppsSpelling) {
  const auto dialect = mm::make_dropin();
  const dropin::Granted granted;
  const std::vector<std::string> channels = {"orders"};
  const auto confirmed = [&](std::string_view subscribe) {
    const dropin::SignOn asked = mm_reads(subscribe).sign_on;
    return dialect->confirmation({asked, granted, channels, 3});
  };
  EXPECT_EQ(confirmed(R"({"type":"subscribe","api_key":"x"})"),
            R"({"type":"subscribed","subscription_id":3,"channels":["orders"]})");
  EXPECT_EQ(confirmed(R"({"type":"subscribe","apiKey":"x"})"),
            R"({"type":"subscribed","subscriptionId":3,"channels":["orders"]})");
  EXPECT_EQ(confirmed(R"({"type":"subscribe"})"),
            R"({"type":"subscribed","subscription_id":3,"channels":["orders"]})");
  EXPECT_EQ(confirmed(R"({"type":"subscribe","api_key":"x","apiKey":"x"})"),
            R"({"type":"subscribed","subscription_id":3,"subscriptionId":3,"channels":["orders"]})");
  EXPECT_EQ(dialect->unsubscribed(mm_reads(R"({"type":"subscribe","apiKey":"x"})").sign_on, 3),
            R"({"type":"unsubscribed","subscriptionId":3})");
}

TEST(DropInMessage, WhatUpstreamGrantedIsKeptInItsOwnWords) {
  const dropin::Granted granted = dropin::read_granted(
      R"({"type":"login_ok","clientName":"de\u006do","channels":["orders", "b\u0065ts"],"access":{"global": [ 1.0 ]}})");
  EXPECT_EQ(granted.client_name, R"("de\u006do")");
  EXPECT_EQ(granted.access, R"({"global": [ 1.0 ]})");
  EXPECT_EQ(granted.channels, (std::vector<std::string>{"orders", "bets"}));
  EXPECT_TRUE(granted.tells_channels);
  EXPECT_FALSE(dropin::read_granted(R"({"type":"login_ok"})").tells_channels);
}

TEST(DropInMessage, TheOwnLoginAsksForEverythingOrAList) {
  config::Upstream settings;
  EXPECT_FALSE(abp::make_dropin()->asks_for(settings));
  EXPECT_EQ(mm::make_dropin()->asks_for(settings)->size(), 5u);
  settings.channels = {"orders"};
  EXPECT_EQ(*abp::make_dropin()->asks_for(settings), (std::vector<std::string>{"orders", "emergency"}));
  EXPECT_EQ(*mm::make_dropin()->asks_for(settings), (std::vector<std::string>{"orders", "emergency"}));
}

TEST(DropInMessage, NamesAreQuotedInAFramesHead) {
  EXPECT_EQ(dropin::data_head("data", "or\"ders", "UP\nDATE"),
            R"({"type":"data","channel":"or\"ders","event":"UP\nDATE","payload":)");
}

}  // namespace
}  // namespace bridge55::test
