#include "tests/integration/rabbitmq/queue_reader.hpp"

#include <set>
#include <stdexcept>
#include <sys/time.h>

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>

namespace bridge55::test {
namespace {

std::string text(amqp_bytes_t bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}
amqp_bytes_t bytes(const std::string& text) {
  return amqp_cstring_bytes(text.c_str());
}

void read_headers(const amqp_table_t& table, Message& message) {
  for (int i = 0; i < table.num_entries; ++i) {
    const amqp_table_entry_t& entry = table.entries[i];
    const std::string name = text(entry.key);
    message.header_kinds[name] = static_cast<char>(entry.value.kind);
    message.headers[name] = entry.value.kind == AMQP_FIELD_KIND_UTF8 ? text(entry.value.value.bytes)
                                                                     : std::to_string(entry.value.value.i64);
  }
}

Message to_message(const amqp_message_t& raw) {
  Message message;
  const amqp_basic_properties_t& properties = raw.properties;
  message.body = text(raw.body);
  message.content_type = text(properties.content_type);
  message.message_id = text(properties.message_id);
  message.type = text(properties.type);
  message.app_id = text(properties.app_id);
  message.delivery_mode = properties.delivery_mode;
  message.timestamp = properties.timestamp;
  if ((properties._flags & AMQP_BASIC_HEADERS_FLAG) != 0) read_headers(properties.headers, message);
  return message;
}

}  // namespace

void QueueReader::check(const char* what) {
  const amqp_rpc_reply_t reply = amqp_get_rpc_reply(state_);
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  std::string why = reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION
                        ? amqp_error_string2(reply.library_error)
                        : "refused";
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    why = text(static_cast<amqp_channel_close_t*>(reply.reply.decoded)->reply_text);
  }
  throw std::runtime_error(std::string(what) + ": " + why);
}

QueueReader::QueueReader(std::uint16_t port) : state_(amqp_new_connection()) {
  amqp_socket_t* socket = amqp_tcp_socket_new(state_);
  const timeval timeout{20, 0};
  amqp_set_rpc_timeout(state_, &timeout);
  if (amqp_socket_open_noblock(socket, "127.0.0.1", port, &timeout) != AMQP_STATUS_OK)
    throw std::runtime_error("cannot connect");
  const amqp_rpc_reply_t login =
      amqp_login(state_, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
  if (login.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error("login refused");
  amqp_channel_open(state_, 1);
  check("channel");
}

QueueReader::~QueueReader() {
  amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(state_);
}

std::optional<Message> QueueReader::get(const std::string& queue) {
  amqp_maybe_release_buffers(state_);
  const amqp_rpc_reply_t reply = amqp_basic_get(state_, 1, bytes(queue), 1);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error("basic.get refused");
  if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) return std::nullopt;
  const auto& ok = *static_cast<amqp_basic_get_ok_t*>(reply.reply.decoded);
  const std::string exchange = text(ok.exchange), key = text(ok.routing_key);
  amqp_message_t raw{};
  if (amqp_read_message(state_, 1, &raw, 0).reply_type != AMQP_RESPONSE_NORMAL)
    throw std::runtime_error("message cut");
  Message message = to_message(raw);
  amqp_destroy_message(&raw);
  message.exchange = exchange;
  message.routing_key = key;
  return message;
}

std::vector<Message> QueueReader::read(const std::string& queue, std::size_t count,
                                       std::chrono::seconds deadline) {
  amqp_basic_qos(state_, 1, 0, 200, 0);
  check("qos");
  amqp_basic_consume(state_, 1, bytes(queue), amqp_cstring_bytes("reader"), 0, 0, 0, amqp_empty_table);
  check("consume");
  std::vector<Message> messages;
  std::set<std::string> ids;
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (ids.size() < count && std::chrono::steady_clock::now() < until) {
    amqp_maybe_release_buffers(state_);
    amqp_envelope_t envelope{};
    const timeval wait{0, 200'000};
    const amqp_rpc_reply_t reply = amqp_consume_message(state_, &envelope, &wait, 0);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
      if (reply.library_error == AMQP_STATUS_TIMEOUT) continue;
      break;
    }
    Message message = to_message(envelope.message);
    message.exchange = text(envelope.exchange);
    message.routing_key = text(envelope.routing_key);
    ids.insert(message.message_id);
    messages.push_back(std::move(message));
    amqp_basic_ack(state_, 1, envelope.delivery_tag, 0);
    amqp_destroy_envelope(&envelope);
  }
  amqp_basic_cancel(state_, 1, amqp_cstring_bytes("reader"));
  return messages;
}

void QueueReader::declare_queue(const std::string& name, const std::string& type,
                                const std::map<std::string, std::string>& texts,
                                const std::map<std::string, std::int64_t>& numbers) {
  std::vector<amqp_table_entry_t> entries;
  const auto add_text = [&](const std::string& key, const std::string& value) {
    amqp_table_entry_t entry{};
    entry.key = bytes(key);
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = bytes(value);
    entries.push_back(entry);
  };
  const std::string type_key = "x-queue-type";
  add_text(type_key, type);
  for (const auto& [key, value] : texts)
    add_text(key, value);
  for (const auto& [key, value] : numbers) {
    amqp_table_entry_t entry{};
    entry.key = bytes(key);
    entry.value.kind = AMQP_FIELD_KIND_I64;
    entry.value.value.i64 = value;
    entries.push_back(entry);
  }
  amqp_queue_declare(state_, 1, bytes(name), 0, 1, 0, 0, {static_cast<int>(entries.size()), entries.data()});
  check("queue.declare");
}

void QueueReader::bind(const std::string& queue, const std::string& exchange, const std::string& pattern) {
  amqp_queue_bind(state_, 1, bytes(queue), bytes(exchange), bytes(pattern), amqp_empty_table);
  check("queue.bind");
}

void QueueReader::unbind(const std::string& queue, const std::string& exchange, const std::string& pattern) {
  amqp_queue_unbind(state_, 1, bytes(queue), bytes(exchange), bytes(pattern), amqp_empty_table);
  check("queue.unbind");
}

void QueueReader::declare_exchange(const std::string& name, const std::string& type) {
  amqp_exchange_declare(state_, 1, bytes(name), bytes(type), 0, 1, 0, 0, amqp_empty_table);
  check("exchange.declare");
}

void QueueReader::delete_exchange(const std::string& name) {
  amqp_exchange_delete(state_, 1, bytes(name), 0);
  check("exchange.delete");
}

void QueueReader::delete_queue(const std::string& name) {
  amqp_queue_delete(state_, 1, bytes(name), 0, 0);
  check("queue.delete");
}

void QueueReader::purge(const std::string& queue) {
  amqp_queue_purge(state_, 1, bytes(queue));
  check("queue.purge");
}

}  // namespace bridge55::test
