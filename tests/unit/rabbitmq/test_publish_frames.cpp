// What we encode, as librabbitmq decodes it.
#include "bridges/rabbitmq/publish_frames.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <amqp.h>
#include <amqp_framing.h>
#include <gtest/gtest.h>

namespace bridge55::rabbitmq {
namespace {

events::EventPtr make_event(const std::string& payload, std::string_view seq = "1",
                            std::string_view channel = "orders") {
  events::Event::Stamp stamp{
      .id = 1'771'183'909'789'001, .received_at = 1'771'183'909'000'042, .message_id = {}};
  for (std::size_t i = 0; i < 16; ++i)
    stamp.message_id[i] = static_cast<std::uint8_t>(i * 17);
  events::Facts facts;
  facts.source = "abp";
  facts.channel = channel;
  facts.name = "UPDATE";
  facts.seq = seq;
  facts.payload = payload;
  // A batch looks at its events until it is written.
  static std::vector<events::EventPtr> kept;
  return kept.emplace_back(events::Event::make(stamp, facts));
}

bridges::Delivery delivery(events::EventPtr event, std::string key = "abp.orders.update",
                           std::string exchange = "") {
  bridges::Delivery made;
  made.event = std::move(event);
  made.routing_key = std::move(key);
  made.exchange = std::move(exchange);
  return made;
}

// Takes the batch in pieces of at most `step` bytes, as a socket would.
std::string bytes_of(PublishBatch& batch, std::size_t step = SIZE_MAX) {
  std::string out;
  while (!batch.empty()) {
    std::size_t taken = 0;
    for (const iovec& piece : batch.pieces(4)) {
      const std::size_t part = std::min(piece.iov_len, step - taken);
      out.append(static_cast<const char*>(piece.iov_base), part);
      taken += part;
    }
    batch.written(taken);
  }
  return out;
}

struct Decoded {
  std::string exchange, routing_key, body;
  bool mandatory = false;
  amqp_basic_properties_t properties{};
  std::map<std::string, amqp_table_entry_t> headers;
};

// Keeps the connection state whose memory the decoded properties point into.
class Decoder {
 public:
  Decoder() : state_(amqp_new_connection()) {}
  ~Decoder() { amqp_destroy_connection(state_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  std::vector<Decoded> decode(std::string bytes) {
    std::vector<Decoded> messages;
    std::size_t at = 0, body_left = 0;
    while (at < bytes.size()) {
      amqp_frame_t frame{};
      const int used = amqp_handle_input(state_, {bytes.size() - at, bytes.data() + at}, &frame);
      if (used <= 0) {
        ADD_FAILURE() << "librabbitmq: " << amqp_error_string2(used);
        break;
      }
      at += static_cast<std::size_t>(used);
      if (frame.frame_type == 0) continue;
      take(frame, messages, body_left);
    }
    EXPECT_EQ(body_left, 0u);
    return messages;
  }

 private:
  static std::string text(amqp_bytes_t bytes) { return {static_cast<const char*>(bytes.bytes), bytes.len}; }

  static void take(const amqp_frame_t& frame, std::vector<Decoded>& messages, std::size_t& body_left) {
    if (frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_PUBLISH_METHOD) {
      EXPECT_EQ(frame.channel, kChannel);
      const auto& publish = *static_cast<amqp_basic_publish_t*>(frame.payload.method.decoded);
      Decoded& made = messages.emplace_back();
      made.exchange = text(publish.exchange);
      made.routing_key = text(publish.routing_key);
      made.mandatory = publish.mandatory;
      EXPECT_FALSE(publish.immediate);
    } else if (frame.frame_type == AMQP_FRAME_HEADER) {
      Decoded& made = messages.back();
      made.properties = *static_cast<amqp_basic_properties_t*>(frame.payload.properties.decoded);
      body_left = frame.payload.properties.body_size;
      for (int i = 0; i < made.properties.headers.num_entries; ++i) {
        made.headers[text(made.properties.headers.entries[i].key)] = made.properties.headers.entries[i];
      }
    } else if (frame.frame_type == AMQP_FRAME_BODY) {
      messages.back().body += text(frame.payload.body_fragment);
      body_left -= frame.payload.body_fragment.len;
    }
  }

  amqp_connection_state_t state_;
};

std::string text_of(const Decoded& message, const std::string& header) {
  const amqp_table_entry_t& entry = message.headers.at(header);
  EXPECT_EQ(entry.value.kind, AMQP_FIELD_KIND_UTF8);
  return {static_cast<const char*>(entry.value.value.bytes.bytes), entry.value.value.bytes.len};
}

std::string text(amqp_bytes_t bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

TEST(PublishFrames, TheRawBodyOfARelayKeepsItsOwnContentType) {
  const auto type_of = [](std::string_view relay, std::string_view payload, std::string_view raw, bool base64,
                          config::BodyMode body) {
    events::Facts facts;
    facts.source = "scraping";
    facts.channel = "partner";
    facts.name = "MESSAGE";
    facts.relay = relay;
    facts.payload = payload;
    facts.raw = raw;
    facts.base64 = base64;
    PublishBatch batch(131072);
    bridges::Delivery one;
    one.event = events::Event::make({1, 2, {}}, facts);
    one.routing_key = "k";
    one.body = body;
    batch.add(one, "x");
    Decoder decoder;
    const auto messages = decoder.decode(bytes_of(batch));
    return text(messages.at(0).properties.content_type);
  };
  constexpr auto raw = config::BodyMode::raw;
  EXPECT_EQ(type_of(R"({"content_type":"application/xml"})", R"("<x/>")", "<x/>", false, raw),
            "application/xml");
  EXPECT_EQ(type_of(R"({"node_id":"n"})", R"({"a":1})", R"({"a":1})", false, raw), "application/json");
  EXPECT_EQ(type_of(R"({"content_type":null})", R"("hi")", "hi", false, raw), "text/plain");
  EXPECT_EQ(type_of(R"({"node_id":"n"})", "AAE=", "ab", true, raw), "application/octet-stream");
  EXPECT_EQ(type_of(R"({"content_type":"application/xml"})", R"("<x/>")", "<x/>", false,
                    config::BodyMode::envelope),
            "application/json");
}

TEST(PublishFrames, EveryPropertyIsWhatTheContractSays) {
  PublishBatch batch(131072);
  batch.add(delivery(make_event(R"({"a":1})")), "bridge55.events");
  Decoder decoder;
  const auto messages = decoder.decode(bytes_of(batch));
  ASSERT_EQ(messages.size(), 1u);
  const Decoded& message = messages[0];
  EXPECT_EQ(message.exchange, "bridge55.events");
  EXPECT_EQ(message.routing_key, "abp.orders.update");
  EXPECT_TRUE(message.mandatory);
  EXPECT_EQ(message.body, make_event(R"({"a":1})")->envelope());
  EXPECT_EQ(text(message.properties.content_type), "application/json");
  EXPECT_EQ(message.properties.delivery_mode, 2);
  EXPECT_EQ(text(message.properties.message_id), "00112233445566778899aabbccddeeff");
  EXPECT_EQ(message.properties.timestamp, 1'771'183'909u);
  EXPECT_EQ(text(message.properties.type), "orders.UPDATE");
  EXPECT_EQ(text(message.properties.app_id), "bridge55");
  EXPECT_EQ(text_of(message, "x-event-id"), "1771183909789001");
  EXPECT_EQ(text_of(message, "x-source"), "abp");
  EXPECT_EQ(text_of(message, "x-received-at"), "2026-02-15T19:31:49.000042Z");
  EXPECT_EQ(message.headers.at("x-upstream-seq").value.kind, AMQP_FIELD_KIND_I64);
  EXPECT_EQ(message.headers.at("x-upstream-seq").value.value.i64, 1);
}

TEST(PublishFrames, SeqIsANumberWhereItFitsElseItsText) {
  const std::pair<const char*, const char*> cases[] = {{"9223372036854775807", ""},
                                                       {"9223372036854775808", "9223372036854775808"},
                                                       {"1.5", "1.5"},
                                                       {R"("a\u0041")", "aA"}};
  for (const auto& [token, expected] : cases) {
    PublishBatch batch(131072);
    batch.add(delivery(make_event("1", token)), "x");
    Decoder decoder;
    const auto messages = decoder.decode(bytes_of(batch));
    if (*expected == '\0') {
      EXPECT_EQ(messages.at(0).headers.at("x-upstream-seq").value.value.i64, INT64_MAX);
    } else {
      EXPECT_EQ(text_of(messages.at(0), "x-upstream-seq"), expected);
    }
  }
  PublishBatch batch(131072);
  batch.add(delivery(make_event("1", "")), "x");
  Decoder decoder;
  EXPECT_FALSE(decoder.decode(bytes_of(batch)).at(0).headers.contains("x-upstream-seq"));
}

TEST(PublishFrames, DeliverysOwnExchangeWinsOverTheSinks) {
  PublishBatch batch(131072);
  batch.add(delivery(make_event("1"), "k", "own"), "sink");
  Decoder decoder;
  EXPECT_EQ(decoder.decode(bytes_of(batch)).at(0).exchange, "own");
}

TEST(PublishFrames, BodiesAreCutAtFrameMax) {
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{4087}, std::size_t{4088}, std::size_t{4089}, std::size_t{20'000}}) {
    PublishBatch batch(4096);
    auto made = delivery(make_event(std::string(size, '7')));
    made.body = config::BodyMode::payload;
    batch.add(made, "x");
    Decoder decoder;
    EXPECT_EQ(decoder.decode(bytes_of(batch)).at(0).body, std::string(size, '7'));
  }
}

TEST(PublishFrames, ManyMessagesInAnyPiecesAreTheSameBytes) {
  const std::size_t steps[] = {1, 7, 100, 4096, SIZE_MAX};
  std::string whole;
  for (const std::size_t step : steps) {
    PublishBatch batch(4096);
    for (int i = 0; i < 20; ++i)
      batch.add(delivery(make_event(std::to_string(i))), "x");
    batch.add_heartbeat();
    const std::size_t pending = batch.pending_bytes();
    const std::string bytes = bytes_of(batch, step);
    EXPECT_EQ(bytes.size(), pending);
    EXPECT_TRUE(batch.empty());
    if (whole.empty()) whole = bytes;
    EXPECT_EQ(bytes, whole);
  }
  Decoder decoder;
  EXPECT_EQ(decoder.decode(whole).size(), 20u);
}

TEST(PublishFrames, TextsLongerThanAShortStringAreCutBetweenCharacters) {
  std::string channel(253, 'c');
  channel += "\xC3\xA9\xC3\xA9";
  PublishBatch batch(131072);
  batch.add(delivery(make_event("1", "1", channel), std::string(300, 'k')), "x");
  Decoder decoder;
  const auto messages = decoder.decode(bytes_of(batch));
  EXPECT_EQ(messages.at(0).routing_key, std::string(255, 'k'));
  EXPECT_EQ(text(messages.at(0).properties.type), std::string(253, 'c') + "\xC3\xA9");
}

TEST(PublishFrames, ClearedBatchStartsAnew) {
  PublishBatch batch(131072);
  batch.add(delivery(make_event("1")), "x");
  batch.pieces(10);
  batch.written(3);
  batch.clear();
  EXPECT_TRUE(batch.empty());
  batch.add(delivery(make_event("2")), "x");
  Decoder decoder;
  EXPECT_EQ(decoder.decode(bytes_of(batch)).size(), 1u);
}

}  // namespace
}  // namespace bridge55::rabbitmq
