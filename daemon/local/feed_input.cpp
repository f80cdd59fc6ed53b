// What a feed's peer says: lines on a UNIX socket, frames on a WebSocket.
#include "daemon/local/context.hpp"
#include "daemon/local/feed.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/error.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMaxControl = 64u << 10;  // answers to a peer that sends and does not read
// Small, for what fits into it may be a thousand messages to be answered; then others have their turn.
constexpr std::size_t kReadAtOnce = 2u << 10;
constexpr int kReadsAtOnce = 2;

std::string start_text(const Start& start) {
  if (start.kind == Start::Kind::earliest) return "earliest";
  return start.kind == Start::Kind::after ? std::to_string(start.id) : "latest";
}

}  // namespace

bool Feed::read_available() {
  const std::span<char> input = std::span(context_.feeds.batch().input).first(kReadAtOnce);
  bool gone = false;
  for (int i = 0; i < kReadsAtOnce && !ended_ && !gone; ++i) {
    const net::Transfer transfer = stream_.try_read(input);
    if (transfer.bytes > 0 && !take_input({input.data(), transfer.bytes})) return false;
    if (transfer.error == asio::error::would_block) break;
    if (transfer.error) {
      half_closed_ = kind_ == FeedKind::lines && transfer.error == asio::error::eof && !hung_up();
      gone = true;
    }
  }
  if (stream_.is_tls() && !waiting_) blocked_ = false;  // TLS may have waited for what was read now
  if (gone && !half_closed_) return false;
  pump();
  return !ended_;
}

bool Feed::take_input(std::string_view bytes) {
  if (kind_ == FeedKind::sse) return true;  // nothing is expected
  if (kind_ == FeedKind::websocket) return take_frames(bytes);
  take_lines(bytes);
  return true;
}

void Feed::take_lines(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > kMaxSaid && !std::exchange(skipping_line_, true))
      complain("the line is longer than 64 KiB");
    if (skipping_line_) {
      line_ = {};
    } else {
      line_.append(part);
    }
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (!std::exchange(skipping_line_, false) && line.find_first_not_of(" \t\r") != std::string::npos)
      take_command(line);
  }
}

bool Feed::take_frames(std::string_view bytes) {
  const auto room = frames_->prepare(bytes.size());
  std::copy(bytes.begin(), bytes.end(), room.begin());
  frames_->commit(bytes.size());
  ws::Message message;
  ws::Violation violation;
  ws::FrameReader::Next next;
  while ((next = frames_->next(message, violation)) == ws::FrameReader::Next::message)
    take_message(message);
  if (next == ws::FrameReader::Next::violation) close(violation.code, violation.reason);
  frames_->release();
  return true;
}

void Feed::take_message(const ws::Message& message) {
  const bool data = message.kind == ws::Kind::text || message.kind == ws::Kind::binary ||
                    message.kind == ws::Kind::too_large;
  if (tongue_ && data) return take_word(message);
  switch (message.kind) {
    case ws::Kind::text:
      message.valid_utf8 ? take_command(message.data) : close(1007, "a text frame is not UTF-8");
      break;
    case ws::Kind::binary:
      complain("binary frames are not understood; acknowledge with {\"ack\": \"<id>\"}");
      break;
    case ws::Kind::too_large:
      message.size > context_.http.max_frame.count ? close(1009, "the frame is larger than http.max_frame")
                                                   : complain("the frame is longer than 64 KiB");
      break;
    case ws::Kind::ping:
      if (control_.size() < kMaxControl)
        control_ += ws::frame(ws::Role::server, ws::Kind::pong, message.data);
      break;
    case ws::Kind::pong:
      break;
    case ws::Kind::close:
      take_close(message.close_code);
      break;
  }
}

// RFC 6455, 5.5.1: answered with the same code, unless this is the answer to ours.
void Feed::take_close(std::uint16_t code) {
  peer_closed_ = true;
  if (std::exchange(closing_, true)) return;
  constexpr std::uint16_t kNoCode = 1005;
  control_ += code == kNoCode ? ws::frame(ws::Role::server, ws::Kind::close, {})
                              : ws::close_frame(ws::Role::server, code, {});
  close_by_ = SteadyClock::now() + kCloseWithin;
}

void Feed::take_command(std::string_view text) {
  if (closing_) return;
  const auto parsed = parse_command(text);
  if (const auto* fault = std::get_if<std::string>(&parsed)) return complain(*fault);
  const Command& command = std::get<Command>(parsed);
  if (kind_ == FeedKind::websocket && (command.repositions() || command.changes_filter())) {
    return complain("here only {\"ack\": \"<id>\"} is understood; the stream is shaped by its URL");
  }
  obey(command);
}

void Feed::obey(const Command& command) {
  if (command.changes_filter()) {
    config::Match changed = match_;
    command.apply_to(changed);
    auto filter = events::Filter::compile(changed);
    if (const auto* fault = std::get_if<std::string>(&filter)) return complain(*fault);
    match_ = std::move(changed);
    filter_ = std::get<events::Filter>(std::move(filter));
  }
  if (command.repositions() && started_) {
    reposition(command);
  } else if (command.repositions()) {
    if (command.consumer) first_.consumer = *command.consumer;
    if (command.start.kind != Start::Kind::unset) first_.start = command.start;
  }
  if (!command.ack || closing_) return;
  if (!started_ && !first_.consumer.empty()) {
    first_ack_ = *command.ack;
    return;
  }
  if (!entry_)
    return complain(
        "only a durable consumer acknowledges: name it first, with {\"consumer\": \"name\"} or "
        "?consumer=name");
  context_.consumers.ack(*entry_, *command.ack, now());
}

// Section 5: a later `consumer` or `after` repositions the stream, said in one line.
void Feed::reposition(const Command& command) {
  std::string said = R"({"repositioned":{)";
  if (command.consumer) {
    from_now_ = context_.hub.last_id();
    if (!open_consumer(*command.consumer, command.start)) return;
    said += R"("consumer":")" + *command.consumer + R"(",)";
  } else {
    cursor_->reposition(resolve(command.start, context_.hub));
  }
  const std::string after =
      command.consumer ? std::to_string(entry_->record.cursor) : start_text(command.start);
  say_line(said + R"("after":")" + after + R"("}})");
}

void Feed::say_line(std::string_view json_line) {
  if (control_.size() + json_line.size() > kMaxControl) return;  // it sends and does not read
  if (kind_ == FeedKind::websocket) {
    control_ += ws::frame(ws::Role::server, ws::Kind::text, json_line);
  } else {
    control_.append(json_line).append("\n");
  }
}

void Feed::complain(std::string_view message) {
  say_line(error_line(message));
}

}  // namespace bridge55::local
