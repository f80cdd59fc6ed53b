// The events of an AMQP relay's stream (vendor docs, "Scraping API WebSocket & AMQP", "SSE events"): what is
// asked for, and each record cut from its bytes. Pure.
#pragma once

#include "bridges/scraping/standing/ends.hpp"
#include "config/config.hpp"

#include <string>
#include <string_view>

namespace bridge55::scraping::standing {

// The body of POST /amqp; the key goes in a header.
std::string amqp_request(const config::Relay& relay);

// A `message`: tokens as they were sent, views into the data; empty where absent.
struct AmqpMessage {
  std::string_view body, routing_key, exchange, content_type, delivery_tag;
};
// Empty, or why the data cannot be understood.
std::string_view read_amqp_message(std::string_view data, AmqpMessage& into);
// The event's `relay` object. `node` is the one of the stream's `connected`.
void append_amqp_relay(std::string& out, std::string_view node, const AmqpMessage& message);

std::string read_amqp_connected(std::string_view data);  // its node_id
End read_amqp_error(std::string_view data);

}  // namespace bridge55::scraping::standing
