// One HTTP/1.1 connection: reads requests strictly, keeps browsers out, knows the app, asks a handler, writes
// the answer, and goes on with the next. A handler may take the socket over for a stream; the connection is
// then gone and costs nothing more. I/O thread only.
#pragma once

#include "daemon/local/exchange.hpp"
#include "daemon/local/guard.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::local {

struct Context;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Setup {
    net::Stream stream;
    Peer peer;
    std::shared_ptr<const Door> door;
    std::shared_ptr<net::TlsContext> tls;  // null: plain
    bool over_limit = false;               // there is no room: read one request, say so
  };
  Connection(std::shared_ptr<Context> context, Setup setup);
  ~Connection();

  void start();
  // Between two requests: may be closed without anybody losing an answer.
  bool idle() const { return idle_; }
  void close();

 private:
  friend class Exchange;
  static net::awaitable<void> run(std::shared_ptr<Connection> self);
  net::awaitable<bool> serve_one();
  net::awaitable<std::variant<Head, Refusal>> read_head();
  net::awaitable<void> answer(Exchange& exchange);
  std::optional<Refusal> check(Exchange& exchange);
  std::variant<Routed, Refusal> find_route(const Exchange& exchange) const;
  net::awaitable<bool> finish(Exchange& exchange);
  net::awaitable<void> linger();
  net::awaitable<net::error_code> read_more(SteadyTime deadline);
  void arm_watch();
  void readable(net::error_code error);

  const std::shared_ptr<Context> shared_;
  Context& context_;
  net::Stream stream_;
  Peer peer_;
  std::shared_ptr<const Door> door_;
  std::shared_ptr<net::TlsContext> tls_;
  bool over_limit_, idle_ = true, first_ = true, closing_ = false;
  std::string received_;        // not yet consumed
  std::string out_;             // of an answer in pieces: not yet written
  std::function<void()> gone_;  // to be told when the app leaves
  bool watching_ = false;       // a wait for that is pending
  unsigned reads_at_once_ = 0;  // since the last wait
  const std::uint64_t serial_;
};

// All HTTP connections, oldest idle ones first to go where room is needed.
class Connections {
 public:
  void add(Connection& connection) { all_.push_back(&connection); }
  void remove(Connection& connection);
  std::size_t size() const { return all_.size(); }
  bool close_an_idle_one();
  void close_idle();
  void close_all();

 private:
  std::vector<Connection*> all_;
};

}  // namespace bridge55::local
