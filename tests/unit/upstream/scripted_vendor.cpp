#include "tests/unit/upstream/scripted_vendor.hpp"

#include <boost/asio/use_awaitable.hpp>

namespace bridge55::test {
namespace {

SteadyTime soon() {
  return SteadyClock::now() + std::chrono::seconds(15);
}

}  // namespace

net::awaitable<std::string> Peer::read_head() {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    char byte = 0;
    const std::span<char> room(&byte, 1);
    const net::Transfer transfer = co_await stream_.read_some(room, soon());
    if (transfer.error) break;
    head.push_back(byte);
  }
  co_return head;
}

net::awaitable<std::string> Peer::upgrade() {
  std::string head = co_await read_head();
  const std::string name = "Sec-WebSocket-Key: ";
  const std::size_t at = head.find(name) + name.size();
  const std::string key = head.substr(at, head.find('\r', at) - at);
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Accept: " +
      ws::accept_value(key) + "\r\n\r\n";
  co_await stream_.write_all(answer, soon());
  co_return head;
}

net::awaitable<void> Peer::write(std::string bytes) {
  co_await stream_.write_all(bytes, soon());
}

net::awaitable<void> Peer::send(std::string text) {
  const std::string frame = ws::frame(ws::Role::server, ws::Kind::text, text);
  co_await stream_.write_all(frame, soon());
}

net::awaitable<std::string> Peer::next() {
  for (;;) {
    ws::Message message;
    ws::Violation violation;
    switch (reader_.next(message, violation)) {
      case ws::FrameReader::Next::violation:
        co_return "violation " + std::string(violation.reason);
      case ws::FrameReader::Next::message:
        if (message.kind == ws::Kind::close) co_return "close " + std::to_string(message.close_code);
        if (message.kind == ws::Kind::ping) co_return "ping " + std::string(message.data);
        if (message.kind == ws::Kind::pong) co_return "pong " + std::string(message.data);
        co_return std::string(message.data);
      case ws::FrameReader::Next::need_more:
        break;
    }
    const std::span<char> room = reader_.prepare(4096);
    const net::Transfer transfer = co_await stream_.read_some(room, soon());
    if (transfer.error) co_return "end";
    reader_.commit(transfer.bytes);
  }
}

ScriptedVendor::ScriptedVendor(boost::asio::io_context& io)
    : io_(io), acceptor_(io, {boost::asio::ip::address_v4::loopback(), 0}) {}

std::string ScriptedVendor::url() const {
  return "ws://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/ws";
}

net::awaitable<std::unique_ptr<Peer>> ScriptedVendor::accept() {
  boost::asio::ip::tcp::socket socket = co_await acceptor_.async_accept(boost::asio::use_awaitable);
  co_return std::make_unique<Peer>(net::Stream(io_, socket.release()));
}

}  // namespace bridge55::test
