#include "bridges/rabbitmq/reply.hpp"

#include <amqp_framing.h>

namespace bridge55::rabbitmq {
namespace {

std::string_view as_text(amqp_bytes_t bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

}  // namespace

std::optional<Trouble> close_trouble(const amqp_method_t& method) {
  if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto& close = *static_cast<const amqp_connection_close_t*>(method.decoded);
    return closed_by_broker(close.reply_code, as_text(close.reply_text));
  }
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto& close = *static_cast<const amqp_channel_close_t*>(method.decoded);
    return closed_by_broker(close.reply_code, as_text(close.reply_text));
  }
  return std::nullopt;
}

std::optional<Trouble> trouble_of(const amqp_rpc_reply_t& reply, const std::string& subject) {
  std::optional<Trouble> trouble;
  switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
      return std::nullopt;
    case AMQP_RESPONSE_SERVER_EXCEPTION:
      trouble = close_trouble(reply.reply);
      break;
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
      trouble = Trouble{amqp_error_string2(reply.library_error)};
      break;
    case AMQP_RESPONSE_NONE:
      break;
  }
  if (!trouble) trouble = Trouble{"an answer that makes no sense"};
  if (!subject.empty()) trouble->reason = subject + ": " + trouble->reason;
  return trouble;
}

}  // namespace bridge55::rabbitmq
