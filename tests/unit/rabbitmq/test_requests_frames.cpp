// Messages put together from frames, and which request is done by which confirm.
#include "bridges/rabbitmq/requests_confirms.hpp"
#include "bridges/rabbitmq/requests_frames.hpp"
#include "tests/unit/rabbitmq/fake_broker.hpp"

#include <gtest/gtest.h>

namespace bridge55::rabbitmq {
namespace {

using test::be;
using Took = DeliveryReader::Took;

std::string short_text(const std::string& text) {
  return be(text.size(), 1) + text;
}

BrokerSaid frame(std::uint8_t type, std::string_view payload) {
  BrokerSaid said;
  said.type = type;
  said.payload = payload;
  return said;
}

std::string method(int class_id, int id, const std::string& arguments) {
  return be(static_cast<unsigned>(class_id), 2) + be(static_cast<unsigned>(id), 2) + arguments;
}

std::string deliver(std::uint64_t tag) {
  return method(60, 60, short_text("tag") + be(tag, 8) + be(1, 1) + short_text("") + short_text("q"));
}

// Every property that AMQP 0-9-1 knows, with a table that nobody needs to read.
std::string header(std::uint64_t size) {
  const std::string table = std::string("\x0fx-delivery-count") + "l" + be(7, 8);
  return be(60, 2) + be(0, 2) + be(size, 8) + be(0xfffc, 2) + short_text("application/json") +
         short_text("utf-8") + be(table.size(), 4) + table + be(2, 1) + be(5, 1) + short_text("corr") +
         short_text("replies") + short_text("60000") + short_text("m-1") + be(1'771'183'909, 8) +
         short_text("type") + short_text("guest") + short_text("app") + short_text("cluster");
}

TEST(DeliveryReader, a_message_comes_whole_with_what_counts_of_its_properties) {
  DeliveryReader reader(1000);
  EXPECT_EQ(reader.take(frame(1, deliver(9))), Took::nothing);
  EXPECT_EQ(reader.take(frame(2, header(5))), Took::nothing);
  EXPECT_EQ(reader.take(frame(3, "he")), Took::nothing);
  EXPECT_EQ(reader.take(frame(8, "")), Took::nothing);
  EXPECT_EQ(reader.take(frame(3, "llo")), Took::delivery);
  const Delivered& got = reader.delivered();
  EXPECT_EQ(got.tag, 9u);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.correlation_id, "corr");
  EXPECT_EQ(got.reply_to, "replies");
  EXPECT_EQ(got.message_id, "m-1");
  EXPECT_EQ(got.timestamp, 1'771'183'909u);
}

TEST(DeliveryReader, nothing_of_one_message_is_left_in_the_next) {
  DeliveryReader reader(1000);
  reader.take(frame(1, deliver(1)));
  EXPECT_EQ(reader.take(frame(2, header(0))), Took::delivery);
  reader.take(frame(1, deliver(2)));
  EXPECT_EQ(reader.take(frame(2, be(60, 2) + be(0, 2) + be(0, 8) + be(0, 2))), Took::delivery);
  EXPECT_TRUE(reader.delivered().message_id.empty());
  EXPECT_FALSE(reader.delivered().timestamp);
}

TEST(DeliveryReader, what_is_too_large_is_not_held) {
  DeliveryReader reader(4);
  reader.take(frame(1, deliver(1)));
  reader.take(frame(2, header(5)));
  EXPECT_EQ(reader.take(frame(3, "hello")), Took::delivery);
  EXPECT_TRUE(reader.delivered().too_large);
  EXPECT_TRUE(reader.delivered().body.empty());
}

TEST(DeliveryReader, a_returned_reply_is_no_request) {
  DeliveryReader reader(1000);
  EXPECT_EQ(reader.take(frame(
                1, method(60, 50, be(312, 2) + short_text("NO_ROUTE") + short_text("") + short_text("q")))),
            Took::nothing);
  EXPECT_EQ(reader.take(frame(2, header(2))), Took::nothing);
  EXPECT_EQ(reader.take(frame(3, "{}")), Took::nothing);
  EXPECT_EQ(reader.take(frame(1, method(60, 21, short_text("tag")))), Took::consuming);
  EXPECT_EQ(reader.take(frame(1, method(60, 30, short_text("tag") + be(1, 1)))), Took::cancelled);
}

TEST(DeliveryReader, frames_that_do_not_fit_together_are_malformed) {
  EXPECT_EQ(DeliveryReader(9).take(frame(2, header(1))), Took::malformed);
  EXPECT_EQ(DeliveryReader(9).take(frame(3, "x")), Took::malformed);
  EXPECT_EQ(DeliveryReader(9).take(frame(1, "")), Took::malformed);
  DeliveryReader cut(9);
  cut.take(frame(1, deliver(1)));
  EXPECT_EQ(cut.take(frame(1, deliver(2))), Took::malformed);
  const std::size_t needed = header(3).find(short_text("type"));  // what follows is not looked at
  for (std::size_t size = 0; size < needed; ++size) {
    DeliveryReader reader(9);
    reader.take(frame(1, deliver(1)));
    EXPECT_EQ(reader.take(frame(2, header(3).substr(0, size))), Took::malformed) << size;
  }
  DeliveryReader over(9);
  over.take(frame(1, deliver(1)));
  over.take(frame(2, header(3)));
  EXPECT_EQ(over.take(frame(3, "four")), Took::malformed);
}

TEST(RequestFrames, a_reply_is_cut_to_the_frames_that_were_agreed) {
  std::string out;
  append_reply(out, {"replies", "corr", std::string(10'000, 'x')}, 4096);
  FrameReader reader(4096);
  ASSERT_GE(reader.space().size(), out.size());
  std::copy(out.begin(), out.end(), reader.space().begin());
  reader.received(out.size());
  std::string types;
  std::size_t bytes = 0;
  BrokerSaid said;
  while (reader.next(said) == FrameReader::Next::frame) {
    types += static_cast<char>('0' + said.type);
    if (said.type == 3) bytes += said.payload.size();
  }
  EXPECT_EQ(types, "12333");
  EXPECT_EQ(bytes, 10'000u);
}

std::vector<std::uint64_t> requests_of(const ReplyConfirms::Answered& answered) {
  std::vector<std::uint64_t> out;
  for (const ReplyOnItsWay& each : answered.replies)
    out.push_back(each.request);
  return out;
}

TEST(ReplyConfirms, each_confirm_ends_the_requests_whose_replies_it_covers) {
  ReplyConfirms confirms;
  for (std::uint64_t request : {50, 40, 30, 20})
    confirms.published({request, {}, 0});
  EXPECT_EQ(requests_of(confirms.answered(3, false)), (std::vector<std::uint64_t>{30}));
  EXPECT_EQ(requests_of(confirms.answered(3, true)), (std::vector<std::uint64_t>{50, 40}));
  EXPECT_TRUE(requests_of(confirms.answered(3, true)).empty()) << "said again";
  EXPECT_EQ(requests_of(confirms.answered(0, true)), (std::vector<std::uint64_t>{20}));
  EXPECT_EQ(confirms.waiting(), 0u);
  EXPECT_TRUE(confirms.answered(5, false).unknown);
  EXPECT_TRUE(confirms.answered(0, false).unknown);
}

TEST(ReplyConfirms, a_reply_that_is_sent_again_counts_its_attempts) {
  ReplyConfirms confirms;
  confirms.published({7, {"q", "c", "t"}, 0});
  auto refused = confirms.answered(1, false).replies;
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].attempts, 1u);
  confirms.published(std::move(refused[0]));
  EXPECT_EQ(confirms.answered(2, false).replies.at(0).attempts, 2u);
}

}  // namespace
}  // namespace bridge55::rabbitmq
