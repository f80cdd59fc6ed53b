// One HTTP/1.1 connection: reads requests strictly, keeps browsers out, knows the app, asks a handler, writes
// the answer, and goes on with the next. A handler may take the socket over for a stream; the connection is
// then gone and costs nothing more. I/O thread only.
#pragma once

#include "daemon/local/answer.hpp"
#include "daemon/local/auth.hpp"
#include "daemon/local/guard.hpp"
#include "daemon/local/http_body.hpp"
#include "daemon/local/router.hpp"
#include "daemon/net/stream.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::local {

struct Context;
class Connection;

// One request while it is answered: everything a handler needs. Lives in the connection's coroutine.
class Exchange {
 public:
  Exchange(Connection& connection, const Head& of) : head(of), connection_(connection) {}

  const Head& head;
  Target target;
  App app;
  Routed routed{Endpoint::alive, 0, {}, nullptr};
  Wrapping wrapping;

  const Peer& peer() const;
  // The next decoded piece of the body, valid until the next call; empty at its end. Asks for the body first
  // where the app waits for that (Expect: 100-continue).
  net::awaitable<std::variant<std::string_view, Refusal>> read_some(SteadyTime until = SteadyTime::max());
  // All of it, at most http.max_body.
  net::awaitable<std::variant<std::string, Refusal>> read_body(SteadyTime until = SteadyTime::max());
  net::awaitable<void> respond(const Answer& answer);
  net::awaitable<void> refuse(const Refusal& refusal);

  // An answer in pieces. `lines` are header lines with their line ends; those about length, connection and
  // request id are added here. Without a length it is chunked (HTTP/1.0: until the connection closes).
  struct Start {
    unsigned status = 200;
    std::string_view reason, lines;
    std::optional<std::uint64_t> length;
    bool bodiless = false;  // 204, 304 and answers to HEAD
  };
  void begin(const Start& start);
  void add(std::string_view piece);  // waits for the next flush
  net::awaitable<bool> flush();      // false: the app is gone, or does not read
  net::awaitable<bool> finish();     // the last flush; the answer is whole
  void break_off();                  // the answer cannot be completed: the app sees it cut

  // Calls `gone` once if the app leaves while it waits; to be used once the body has been read.
  void watch(std::function<void()> gone);
  void unwatch();
  // Who asks, for fairness: the client's name, else the user, else the connection.
  std::string who() const;

  // Sends these bytes instead of an answer, waits for the peer to say something or leave, and ends the
  // connection.
  net::awaitable<void> send_and_close(std::string bytes);

  // Gives the socket away to somebody who answers by himself, with what came behind the request; the handler
  // returns without waiting for anything more.
  struct Taken {
    net::Stream stream;
    std::string received;
  };
  Taken take_over();

 private:
  friend class Connection;
  Connection& connection_;
  std::optional<BodyDecoder> body_;
  std::size_t consumed_ = 0;  // of what was received: the piece that the handler holds
  SteadyTime body_until_{};
  bool answered_ = false, taken_ = false, asked_ = false, chunked_ = false, until_close_ = false;
};

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
