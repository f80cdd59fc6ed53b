// Why a connection to the broker ended or never was, in words for people and with how soon to try again.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bridge55::rabbitmq {

struct Trouble {
  std::string reason;
  // A refusal does not mend itself in milliseconds: such attempts wait near the top of the backoff, not near
  // its bottom.
  bool refused = false;
};

// A close that the broker sent, by its AMQP reply code
// (https://www.rabbitmq.com/amqp-0-9-1-reference.html#constants).
Trouble closed_by_broker(std::uint16_t code, std::string_view text);

}  // namespace bridge55::rabbitmq
