// A message of the requests queue as a request, and an answer as the body of a reply (contract, section 6,
// "Over AMQP"). Pure.
#pragma once

#include "daemon/local/inner.hpp"
#include "daemon/local/refusal.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace bridge55::rabbitmq {

// `{"method", "path", "headers", "body"}`: a body that is text goes as that text, any other JSON value byte
// for byte. Else what is wrong with it: 400 where it is no JSON object, 422 where a member cannot be used.
std::variant<local::InnerRequest, local::Refusal> read_request(std::string_view message);

// Tells requests apart: method, path and body count.
std::uint64_t print_of(const local::InnerRequest& request);

// `{"status", "headers", "body"}`. The body is embedded where it is JSON, else it is a text; bytes that are
// no UTF-8 are base64 with `"encoding": "base64"`. A header that came more than once is a list.
std::string reply_text(const local::InnerAnswer& answer);

}  // namespace bridge55::rabbitmq
