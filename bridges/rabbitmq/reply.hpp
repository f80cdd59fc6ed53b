// librabbitmq's answers as Trouble.
#pragma once

#include "bridges/rabbitmq/trouble.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <sys/time.h>

#include <amqp.h>

namespace bridge55::rabbitmq {

// A view: what the library is given must outlive the call.
inline amqp_bytes_t as_bytes(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};  // NOLINT: the library only reads
}

inline timeval to_timeval(std::chrono::milliseconds time) {
  return {static_cast<time_t>(time.count() / 1000), static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

// `subject`, where not empty, begins the reason.
std::optional<Trouble> trouble_of(const amqp_rpc_reply_t& reply, const std::string& subject);
// Of a method frame: a close of channel or connection, in the broker's words; nothing for any other method.
std::optional<Trouble> close_trouble(const amqp_method_t& method);

}  // namespace bridge55::rabbitmq
