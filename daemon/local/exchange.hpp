// One request and its answer, as whoever serves it sees them. I/O thread only.
#pragma once

#include "daemon/local/answer.hpp"
#include "daemon/local/auth.hpp"
#include "daemon/local/http_body.hpp"
#include "daemon/local/query.hpp"
#include "daemon/local/router.hpp"
#include "daemon/local/seat.hpp"
#include "daemon/net/stream.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace bridge55::local {

class Connection;
struct Context;

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

  // Gives the socket away to somebody who answers by himself, with what came behind the request; the exchange
  // answers nothing more. The seat is kept as long as the socket is.
  struct Taken {
    net::Stream stream;
    std::string received;
    std::unique_ptr<Seat> seat;
  };
  Taken take_over();

  // For paths that anybody may open because the app signs in with its first message: who it is by header,
  // peer or else this key; and whether it has any of these scopes.
  std::variant<App, Refusal> identify(std::string_view key) const;
  std::variant<App, Refusal> identify_peer() const;
  std::optional<Refusal> require(const App& who, unsigned any_of) const;
  Context& context() const;
  // Whether this header of the request holds a token of the config.
  bool signs_in(const Header& header) const;

 private:
  friend class Connection;
  Connection& connection_;
  std::optional<BodyDecoder> body_;
  std::size_t consumed_ = 0;  // of what was received: the piece that the handler holds
  SteadyTime body_until_{};
  bool answered_ = false, taken_ = false, asked_ = false, chunked_ = false, until_close_ = false;
};

}  // namespace bridge55::local
