// The HTTP/1.1 client towards one upstream: a pool of keep-alive connections (HttpPool) and one request with
// its answer on one of them (HttpCall). I/O thread only. Redirects are never followed, nothing is ever sent
// twice: deciding on a second attempt is the caller's.
//
//   HttpCall call(pool);
//   error = co_await call.open({}, until);           // an idle connection, or a new one
//   error = co_await call.send(request, body, until);
//   error = co_await call.read_head(first_byte);     // call.head() from here on
//   for (;;) { piece = co_await call.read_body(idle); if (piece.error || piece.data.empty()) break; … }
//   call.finish();                                   // back to the pool where it can be used again
#pragma once

#include "config/config.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/net/endpoint.hpp"
#include "daemon/net/http_request.hpp"
#include "daemon/net/http_response.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace boost::asio {
class io_context;
}

namespace bridge55::net {

using boost::asio::awaitable;
using boost::system::error_code;

// Beside these: boost::asio::error::timed_out and operation_aborted (cancelled, or the pool is closed),
// net::Error of TLS and the proxy, and the system's own.
enum class HttpError {
  stale = 1,    // a reused connection ended as the request left, before any byte of an answer
  closed,       // a fresh connection did so
  malformed,    // the answer breaks the rules; trouble() says which
  truncated,    // the answer was cut
  answered,     // while sending: the answer came before the request was out; read it, send no more
  crowded,      // its turn under the cap did not come in time
  unusable,     // URL, proxy or TLS settings cannot be used; trouble() says why
  wrong_length  // more body than the request's head announced: nothing of the piece was sent
};
error_code make_error_code(HttpError e);

class Stream;

class HttpPool {
 public:
  struct Settings {
    std::string url;       // http or https; its path is not used
    config::Secret proxy;  // as config::Upstream has it
    config::ClientTls tls;
    config::Duration connect_timeout{10'000};
    std::size_t cap = 64;                   // connections in use at a time, but for those beyond_cap
    std::size_t max_idle = 64;              // kept for reuse
    config::Duration idle_timeout{55'000};  // many servers close after 60 s
    Environment environment;                // empty: the process's
  };
  struct Counts {
    std::size_t busy = 0, idle = 0, waiting = 0;
    std::uint64_t opened = 0, reused = 0;
  };
  static Settings settings(const config::Upstream& upstream);

  HttpPool(boost::asio::io_context& io, Settings settings);
  // Closes. Calls may outlive the pool: they share its state, and end with operation_aborted.
  ~HttpPool();
  HttpPool(const HttpPool&) = delete;
  HttpPool& operator=(const HttpPool&) = delete;

  // Idle connections are closed, waits in the queue and in calls end with operation_aborted, nothing opens
  // again.
  void close();
  // Idle connections are closed and those in use are not used again: for settings of the far side that
  // changed.
  void retire_idle();
  const std::string& host_header() const;  // for HttpRequest::host
  // Connects a stream of the caller's to the same place in the same way (proxy, TLS, session tickets), beside
  // the pool: for what is not HTTP in the end. `trouble`: an error in words.
  awaitable<error_code> reach(Stream& stream, SteadyTime deadline, std::string& trouble);
  Counts counts() const;

  struct Shared;

 private:
  friend class HttpCall;
  std::shared_ptr<Shared> shared_;
};

// One request at a time; may be opened again after `finish`. Stays where it is: not movable. Must outlive its
// own awaits (an owner that awaits it in its own frame does); one await at a time.
class HttpCall {
 public:
  struct Lease {
    bool beyond_cap = false;  // does not wait for others: cancels, settlement, placements
    bool fresh = false;       // a new connection: for a repetition after `stale`
  };
  struct Piece {
    std::string_view data;  // decoded; valid until the next call; empty without an error: the end
    error_code error;
  };

  explicit HttpCall(HttpPool& pool);
  // A connection that is still held is discarded.
  ~HttpCall();
  HttpCall(const HttpCall&) = delete;
  HttpCall& operator=(const HttpCall&) = delete;

  // Waits for its turn under the cap, first come first served. Bounded by the pool's connect timeout as well.
  awaitable<error_code> open(Lease lease, SteadyTime deadline);
  // Head and `body` in one write: all of a body whose length is known, or its beginning.
  awaitable<error_code> send(const BuiltRequest& request, std::string_view body, SteadyTime deadline);
  awaitable<error_code> send_body(std::string_view piece, SteadyTime deadline);  // framed as the head says
  awaitable<error_code> end_body(SteadyTime deadline);  // after the last piece of a chunked body
  // Until the head of the final answer is there; `deadline` is that of its first byte and of its last.
  awaitable<error_code> read_head(SteadyTime deadline);
  awaitable<Piece> read_body(SteadyTime deadline);
  // What is at hand without waiting; false: nothing is, await `read_body`. Spares a coroutine.
  bool try_body(Piece& piece);

  const ResponseHead& head() const;                        // after read_head; its views live until finish
  bool touched() const { return touched_; }                // a byte of this request may have reached upstream
  bool reused() const { return reused_; }                  // the connection had served before
  const std::string& trouble() const { return trouble_; }  // the last error in words

  // After the end of the body; earlier it discards the connection.
  void finish();
  // From outside: ends the wait, and every later one, with operation_aborted.
  void cancel();

  struct Connection;
  struct Turn;

 private:
  struct Pieces;
  enum class Read { some, nothing, ended };
  awaitable<error_code> connect(SteadyTime deadline);
  awaitable<error_code> wait_turn(SteadyTime deadline);
  awaitable<error_code> write_rest(Pieces& pieces, SteadyTime deadline);
  bool write_now(Pieces& pieces, error_code& error);  // false: it has to wait
  bool answered_early(error_code& error);
  awaitable<error_code> wait_for_answer(SteadyTime deadline);
  Read read_now(error_code& error);
  bool take_head(error_code& error);
  error_code failed(error_code error, std::string_view words = {});
  error_code ended(error_code error);
  error_code body_ended(error_code error);
  bool stopped() const;
  void release(bool reusable);

  std::shared_ptr<HttpPool::Shared> shared_;
  std::unique_ptr<Connection> connection_;
  Turn* turn_ = nullptr;  // while it waits under the cap
  std::string trouble_;
  std::uint64_t unsent_ = 0;  // of a body whose length is known
  bool leased_ = false, cancelled_ = false, touched_ = false, reused_ = false;
  bool chunked_ = false, all_sent_ = false, has_head_ = false;
};

}  // namespace bridge55::net

template <>
struct boost::system::is_error_code_enum<bridge55::net::HttpError> : std::true_type {};
