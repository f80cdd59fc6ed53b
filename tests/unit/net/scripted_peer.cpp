#include "tests/unit/net/scripted_peer.hpp"

#include "tests/unit/net/run.hpp"

#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::test {

namespace asio = boost::asio;
using asio::ip::tcp;
using net::awaitable;

ScriptedPeer::ScriptedPeer(asio::io_context& io, std::shared_ptr<net::TlsContext> tls)
    : io_(io), acceptor_(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), tls_(std::move(tls)) {}

unsigned ScriptedPeer::port() const {
  return acceptor_.local_endpoint().port();
}

std::string ScriptedPeer::url() const {
  return (tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port());
}

void ScriptedPeer::stop_listening() {
  acceptor_.close();
}

awaitable<std::unique_ptr<net::Stream>> ScriptedPeer::accept() {
  auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
  EXPECT_FALSE(error);
  ++accepted_;
  auto stream = std::make_unique<net::Stream>(io_, socket.release());
  if (tls_) {
    const net::error_code refused = co_await stream->tls_server(tls_, soon());
    if (refused) stream->close();
  }
  co_return stream;
}

awaitable<std::string> read_request(net::Stream& stream) {
  std::string got;
  std::array<char, 4096> room;
  while (got.find("\r\n\r\n") == std::string::npos) {
    const net::Transfer transfer = co_await stream.read_some(room, soon());
    if (transfer.error) co_return std::string();
    got.append(room.data(), transfer.bytes);
  }
  co_return got;
}

awaitable<std::string> read_bytes(net::Stream& stream, std::size_t wanted) {
  std::string got;
  std::array<char, 65536> room;
  while (got.size() < wanted) {
    const net::Transfer transfer = co_await stream.read_some(room, soon());
    if (transfer.error) break;
    got.append(room.data(), transfer.bytes);
  }
  co_return got;
}

awaitable<void> say(net::Stream& stream, std::string_view text) {
  const net::error_code error = co_await stream.write_all(text, soon());
  EXPECT_FALSE(error) << error.message();
}

awaitable<void> until(asio::io_context& io, std::function<bool()> condition) {
  const SteadyTime limit = soon();
  while (!condition() && SteadyClock::now() < limit)
    co_await asio::post(io, asio::use_awaitable);
  EXPECT_TRUE(condition());
}

Ask::Ask() : deadline(soon()) {}

awaitable<SeenAnswer> ask(net::HttpPool& pool, Ask ask_for) {
  net::HttpCall call(pool);
  SeenAnswer seen = co_await ask(call, pool, std::move(ask_for));
  co_return seen;
}

awaitable<SeenAnswer> ask(net::HttpCall& call, net::HttpPool& pool, Ask ask_for) {
  SeenAnswer seen;
  net::BuiltRequest built;
  ask_for.request.host = pool.host_header().empty() ? "h" : std::string_view(pool.host_header());
  if (!ask_for.body.empty() && !ask_for.request.chunked) ask_for.request.content_length = ask_for.body.size();
  EXPECT_EQ(net::build_request(ask_for.request, built), "");
  seen.error = co_await call.open(ask_for.lease, ask_for.deadline);
  if (!seen.error) seen.error = co_await call.send(built, ask_for.body, ask_for.deadline);
  if (!seen.error && built.chunked) seen.error = co_await call.end_body(ask_for.deadline);
  if (!seen.error || seen.error == net::HttpError::answered)
    seen.error = co_await call.read_head(ask_for.deadline);
  if (!seen.error) seen.status = call.head().status;
  while (!seen.error) {
    const net::HttpCall::Piece piece = co_await call.read_body(ask_for.deadline);
    seen.error = piece.error;
    if (piece.error || piece.data.empty()) break;
    seen.body += piece.data;
  }
  seen.trouble = call.trouble();
  seen.touched = call.touched();
  seen.reused = call.reused();
  if (!seen.error) call.finish();
  co_return seen;
}

}  // namespace bridge55::test
