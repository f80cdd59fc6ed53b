#include "daemon/cli/ask.hpp"

#include "config/loader.hpp"
#include "daemon/events/json.hpp"
#include "daemon/net/http_response.hpp"
#include "daemon/net/stream.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

namespace bridge55::cli {
namespace {

constexpr int kUsage = 64, kUnavailable = 69, kNoPermission = 77, kBadConfig = 78;
constexpr auto kWithin = std::chrono::seconds(15);
constexpr const char* kUsualSocket = "/run/bridge55/api.sock";

struct Door {
  std::string host;  // begins with `/`: a UNIX socket
  std::uint16_t port = 0;
  std::string text() const { return port == 0 ? host : host + ":" + std::to_string(port); }
};

Door find_door(const Daemon& daemon) {
  if (!daemon.socket.empty()) return {std::filesystem::absolute(daemon.socket).string(), 0};
  const auto loaded = config::load_file(daemon.config_path, config::Environment::of_process());
  // Trading must be stoppable with a half-edited file, too: what can be read of it says where the daemon
  // listens.
  if (!loaded.ok()) {
    std::cerr << "warning: " << loaded.errors.front().text() << "\nwarning: " << daemon.config_path
              << " has errors; looking for the daemon's listener all the same (--socket names it)\n";
  }
  Door door{kUsualSocket, 0};
  for (const config::Listen& listen : loaded.config.listen) {
    if (listen.is_unix()) return {listen.unix_path, 0};
    // A port of the kernel's choice is not in the file, and TLS has names to check: curl is for those.
    if (listen.cert_file.empty() && listen.port != 0) door = {listen.host, listen.port};
  }
  return door;
}

struct Reply {
  unsigned status = 0;
  std::string body, trouble;
};

net::awaitable<void> talk(boost::asio::io_context& io, Door door, std::string request, Reply& reply) {
  net::Stream stream(io);
  const SteadyTime deadline = SteadyClock::now() + kWithin;
  net::error_code error = co_await stream.connect(door.host, door.port, deadline);
  if (!error) error = co_await stream.write_all(request, deadline);
  net::ResponseParser parser;
  parser.reset(false);
  net::BodyDecoder decoder;
  bool headed = false, ended = false;
  std::string received(16384, '\0');
  while (!error && !ended) {
    const net::Transfer transfer = co_await stream.read_some(received, deadline);
    error = transfer.error;
    std::string_view input(received.data(), transfer.bytes);
    if (!headed && !error) {
      const auto state = parser.feed(input);
      if (state == net::ResponseParser::State::failed) error = boost::asio::error::invalid_argument;
      headed = state == net::ResponseParser::State::complete;
      if (headed) decoder.begin(parser.head().body, parser.head().length);
    }
    while (headed && !ended && !error) {
      std::string_view piece;
      const auto state = decoder.next(input, piece);
      if (state == net::BodyDecoder::State::piece) reply.body.append(piece);
      ended = state == net::BodyDecoder::State::end || state == net::BodyDecoder::State::failed;
      if (state == net::BodyDecoder::State::more) break;
    }
  }
  if (headed) reply.status = parser.head().status;
  if (error) reply.trouble = stream.trouble().empty() ? error.message() : stream.trouble();
}

int exit_code(unsigned status) {
  if (status >= 200 && status < 300) return 0;
  if (status == 401 || status == 403) return kNoPermission;
  if (status == 422) return kBadConfig;
  return status >= 500 ? kUnavailable : kUsage;
}

}  // namespace

int post(const Daemon& daemon, const std::string& path, const std::string& body) {
  const Door door = find_door(daemon);
  std::string request = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  const char* token = std::getenv("BRIDGE55_TOKEN");
  if (token && *token) request += "Authorization: Bearer " + std::string(token) + "\r\n";
  request +=
      "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  boost::asio::io_context io{1};
  Reply reply;
  boost::asio::co_spawn(io, talk(io, door, std::move(request), reply), boost::asio::detached);
  io.run();
  if (reply.status == 0) {
    std::cerr << "bridge55: no daemon answers at " << door.text() << ": " << reply.trouble
              << "; is it running, and is this its socket (--socket)?\n";
    return kUnavailable;
  }
  const int code = exit_code(reply.status);
  const std::string_view message =
      json::validate_copy(reply.body).empty() ? json::find(reply.body, "detail.message") : std::string_view{};
  if (code == 0) {
    std::cout << reply.body;
  } else {
    std::cerr << "bridge55: refused: " << (message.empty() ? reply.body : json::text(message)) << '\n';
  }
  return code;
}

}  // namespace bridge55::cli
