#include "daemon/net/http_client_impl.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::net {
namespace {

using namespace std::chrono_literals;

// While a request cannot go on, the socket is looked at so often for an answer that came early: one wait at a
// time is enough for so rare a thing.
constexpr auto kLookForAnswer = 50ms;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"  // Boost's category is never destroyed through its base
struct Category final : boost::system::error_category {
  const char* name() const noexcept override { return "bridge55.http"; }
  std::string message(int value) const override {
    switch (static_cast<HttpError>(value)) {
      case HttpError::stale:
        return "a kept connection was closed as the request left";
      case HttpError::closed:
        return "the connection was closed before an answer";
      case HttpError::malformed:
        return "the answer breaks the rules of HTTP";
      case HttpError::truncated:
        return "the answer was cut";
      case HttpError::answered:
        return "the answer came before the request was out";
      case HttpError::crowded:
        return "too many requests to upstream at a time";
      case HttpError::unusable:
        return "the upstream's settings cannot be used";
      case HttpError::wrong_length:
        return "more body than announced";
    }
    return "unknown";
  }
};
#pragma GCC diagnostic pop

}  // namespace

error_code make_error_code(HttpError e) {
  static const Category category;
  return {static_cast<int>(e), category};
}

// What is left to write, in place.
struct HttpCall::Pieces {
  std::array<iovec, 4> all{};
  std::size_t count = 0, at = 0;
  std::array<char, 20> chunk_line;  // 16 digits and CRLF

  void add(std::string_view text) {
    if (!text.empty()) all[count++] = {const_cast<char*>(text.data()), text.size()};
  }
  void add_chunk(std::string_view data) {
    if (data.empty()) return;  // an empty chunk would end the body
    char* end = std::to_chars(chunk_line.data(), chunk_line.data() + 16, data.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    add({chunk_line.data(), static_cast<std::size_t>(end - chunk_line.data())});
    add(data);
    add("\r\n");
  }
  bool done() const { return at == count; }
  std::span<const iovec> left() const { return {all.data() + at, count - at}; }
  void took(std::size_t bytes) {
    while (at < count && bytes >= all[at].iov_len)
      bytes -= all[at++].iov_len;
    if (bytes == 0) return;
    all[at].iov_base = static_cast<char*>(all[at].iov_base) + bytes;
    all[at].iov_len -= bytes;
  }
};

bool HttpCall::stopped() const {
  return cancelled_ || shared_->closed;
}

error_code HttpCall::failed(error_code error, std::string_view words) {
  if (stopped()) error = asio::error::operation_aborted, words = {};
  trouble_ = error.message();
  if (!words.empty()) trouble_.append(": ").append(words);
  return error;
}

// ---- the request

awaitable<error_code> HttpCall::send(const BuiltRequest& request, std::string_view body,
                                     SteadyTime deadline) {
  if (!connection_) co_return failed(asio::error::not_connected);
  if (stopped()) co_return failed(asio::error::operation_aborted);
  if (!request.chunked && body.size() > request.length) co_return failed(HttpError::wrong_length);
  connection_->parser.reset(request.to_head);
  has_head_ = false;
  chunked_ = request.chunked;
  unsent_ = chunked_ ? 0 : request.length - body.size();
  all_sent_ = false;
  Pieces pieces;
  pieces.add(request.head);
  if (chunked_) {
    pieces.add_chunk(body);
  } else {
    pieces.add(body);
  }
  error_code error;
  const bool written = write_now(pieces, error);
  if (!written) error = co_await write_rest(pieces, deadline);
  all_sent_ = !error && !chunked_ && unsent_ == 0;
  co_return error;
}

awaitable<error_code> HttpCall::send_body(std::string_view piece, SteadyTime deadline) {
  if (!connection_) co_return failed(asio::error::not_connected);
  if (stopped()) co_return failed(asio::error::operation_aborted);
  if (!chunked_ && piece.size() > unsent_) co_return failed(HttpError::wrong_length);
  Pieces pieces;
  if (chunked_) {
    pieces.add_chunk(piece);
  } else {
    unsent_ -= piece.size();
    pieces.add(piece);
  }
  error_code error;
  const bool written = write_now(pieces, error);
  if (!written) error = co_await write_rest(pieces, deadline);
  all_sent_ = !error && !chunked_ && unsent_ == 0;
  co_return error;
}

awaitable<error_code> HttpCall::end_body(SteadyTime deadline) {
  if (!connection_) co_return failed(asio::error::not_connected);
  if (stopped()) co_return failed(asio::error::operation_aborted);
  if (!chunked_) co_return error_code{};
  Pieces pieces;
  pieces.add("0\r\n\r\n");
  error_code error;
  const bool written = write_now(pieces, error);
  if (!written) error = co_await write_rest(pieces, deadline);
  all_sent_ = !error;
  co_return error;
}

bool HttpCall::write_now(Pieces& pieces, error_code& error) {
  while (!pieces.done()) {
    touched_ = true;
    const Transfer transfer = connection_->stream.try_write(pieces.left());
    if (transfer.error == asio::error::would_block) return false;
    if (transfer.error) {
      // It may have answered before it closed: what has come can be read still.
      if (!answered_early(error)) error = ended(transfer.error);
      return true;
    }
    pieces.took(transfer.bytes);
  }
  return true;
}

awaitable<error_code> HttpCall::write_rest(Pieces& pieces, SteadyTime deadline) {
  error_code error;
  for (;;) {
    if (answered_early(error)) co_return error;
    if (write_now(pieces, error)) co_return error;
    const SteadyTime now = SteadyClock::now();
    if (now >= deadline) co_return failed(asio::error::timed_out);
    error = co_await connection_->stream.wait_writable(std::min(deadline, now + kLookForAnswer));
    if (stopped()) co_return failed(asio::error::operation_aborted);
    if (error && error != asio::error::timed_out) co_return failed(error);
    error = {};
  }
}

// Whether an answer, or the connection's end, ends the sending. Interim answers do not.
bool HttpCall::answered_early(error_code& error) {
  for (;;) {
    if (take_head(error)) {
      if (!error) error = failed(HttpError::answered);
      return true;
    }
    error_code end;
    const Read read = read_now(end);
    if (read == Read::nothing) return false;
    if (read == Read::ended) {
      error = ended(end);
      return true;
    }
  }
}

// ---- the answer

const ResponseHead& HttpCall::head() const {
  return connection_->parser.head();
}

HttpCall::Read HttpCall::read_now(error_code& error) {
  Connection& c = *connection_;
  if (c.filled && c.room < kMaxReadBuffer) c.set_room(c.room * 2);
  const Transfer transfer = c.stream.try_read({c.buffer.get(), c.room});
  c.filled = transfer.bytes == c.room;
  c.unread = {c.buffer.get(), transfer.bytes};
  c.wants_write = transfer.wants_write;
  error = transfer.error;
  if (!error) return Read::some;
  return error == asio::error::would_block ? Read::nothing : Read::ended;
}

// The head, where it is complete in what was read, or what is wrong with it; false: more is needed.
bool HttpCall::take_head(error_code& error) {
  Connection& c = *connection_;
  if (has_head_) return true;
  switch (c.parser.feed(c.unread)) {
    case ResponseParser::State::more:
      return false;
    case ResponseParser::State::failed:
      error = failed(HttpError::malformed, c.parser.trouble());
      return true;
    case ResponseParser::State::complete:
      break;
  }
  has_head_ = true;
  c.decoder.begin(c.parser.head().body, c.parser.head().length);
  return true;
}

// The connection broke or was closed before the head was whole.
error_code HttpCall::ended(error_code error) {
  const std::string words = error.message();
  if (connection_->parser.started()) return failed(HttpError::truncated, words);
  return failed(reused_ ? HttpError::stale : HttpError::closed, words);
}

awaitable<error_code> HttpCall::wait_for_answer(SteadyTime deadline) {
  Connection& c = *connection_;
  if (stopped()) co_return failed(asio::error::operation_aborted);
  shared_->watch(c, deadline);
  error_code error;
  if (c.wants_write) {
    error = co_await c.stream.wait_writable();
  } else {
    error = co_await c.stream.wait_readable();
  }
  c.deadline = SteadyTime::max();
  if (!error) co_return error_code{};
  if (c.timed_out) co_return failed(asio::error::timed_out);
  co_return failed(error);
}

awaitable<error_code> HttpCall::read_head(SteadyTime deadline) {
  if (!connection_) co_return failed(asio::error::not_connected);
  error_code error;
  for (;;) {
    if (take_head(error)) co_return error;
    // Nothing can have come yet: the wait comes first, which saves a read.
    error = co_await wait_for_answer(deadline);
    if (error) co_return error;
    const Read read = read_now(error);
    if (read == Read::ended) co_return ended(error);
    error = {};
  }
}

bool HttpCall::try_body(Piece& piece) {
  piece = {};
  if (!connection_ || !has_head_) {
    piece.error = failed(asio::error::not_connected);
    return true;
  }
  Connection& c = *connection_;
  for (;;) {
    switch (c.decoder.next(c.unread, piece.data)) {
      case BodyDecoder::State::piece:
      case BodyDecoder::State::end:
        return true;
      case BodyDecoder::State::failed:
        piece.error = failed(HttpError::malformed, c.decoder.trouble());
        return true;
      case BodyDecoder::State::more:
        break;
    }
    error_code error;
    if (!c.filled) return false;
    if (read_now(error) == Read::ended) return piece.error = body_ended(error), true;
  }
}

// RFC 9112, section 8: without close_notify nobody knows whether that was all.
error_code HttpCall::body_ended(error_code error) {
  if (error == asio::error::eof && connection_->decoder.closed() == BodyDecoder::State::end) return {};
  return failed(HttpError::truncated, error.message());
}

awaitable<HttpCall::Piece> HttpCall::read_body(SteadyTime deadline) {
  Piece piece;
  for (;;) {
    if (try_body(piece)) co_return piece;
    piece.error = co_await wait_for_answer(deadline);
    if (piece.error) co_return piece;
    error_code error;
    if (read_now(error) == Read::ended) {
      piece.error = body_ended(error);
      co_return piece;
    }
  }
}

}  // namespace bridge55::net
