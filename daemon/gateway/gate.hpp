// The door to one upstream's limit: the limiter, with the clock, the timers and the requests that wait. I/O
// thread only; outlives its places and waits (whoever holds one holds the upstream).
#pragma once

#include "daemon/gateway/limiter.hpp"
#include "daemon/gateway/sent_window.hpp"
#include "daemon/net/stream.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <boost/asio/steady_timer.hpp>

namespace boost::asio {
class io_context;
}

namespace bridge55::gateway {

class Gate;

// A place in the window. Ends as answered where nobody says that nothing was sent.
class Place {
 public:
  Place() = default;
  Place(Gate& gate, Limiter::Ticket ticket, SentWindow::Slot slot)
      : gate_(&gate), ticket_(ticket), slot_(slot) {}
  Place(Place&& other) noexcept { *this = std::move(other); }
  Place& operator=(Place&& other) noexcept;
  ~Place() { answered(); }

  explicit operator bool() const { return gate_ != nullptr; }
  void sent();      // its first byte leaves
  void answered();  // its answer began, or it failed after sending
  void unsent();

 private:
  Gate* gate_ = nullptr;
  Limiter::Ticket ticket_ = 0;
  SentWindow::Slot slot_ = 0;
};

// One who waits; stays where it is.
class Turn {
 public:
  Turn() = default;
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  // The app has gone: it leaves the queue.
  void leave();

 private:
  friend class Gate;
  enum class State { idle, waiting, granted, expired, left };
  std::optional<boost::asio::steady_timer> timer_;
  Gate* gate_ = nullptr;
  Limiter::Ticket ticket_ = 0;
  State state_ = State::idle;
};

class Gate {
 public:
  Gate(boost::asio::io_context& io, std::string ring, const Limiter::Settings& settings,
       std::shared_ptr<SentWindow> sent);
  ~Gate();

  void configure(const Limiter::Settings& settings);
  struct Ask {
    Rank rank;
    std::string_view app;
    SteadyTime until;
  };
  // True: `into` is a place. Else the turn has to be waited for.
  bool enter(const Ask& ask, SteadyTime now, Turn& turn, Place& into);
  // No place: `until` passed, or the turn was left.
  net::awaitable<Place> wait(Turn& turn);

  void observed(const LimitHeaders& headers);
  void refused(std::optional<std::chrono::milliseconds> retry_after);
  void usage(const Limiter::Usage& usage);
  Limiter::Figures figures(Rank rank) const;

 private:
  friend class Place;
  friend class Turn;
  Place place(Limiter::Ticket ticket);
  void pump();
  void arm();

  boost::asio::io_context& io_;
  std::string ring_;
  Limiter limiter_;
  const std::shared_ptr<SentWindow> sent_;  // places outlive the gateway
  std::unordered_map<Limiter::Ticket, Turn*> waiting_;
  boost::asio::steady_timer timer_;
  SteadyTime armed_for_ = SteadyTime::max();
  Limiter::Turn turn_;                                           // reused
  std::shared_ptr<Gate*> self_ = std::make_shared<Gate*>(this);  // for timers that end late
};

}  // namespace bridge55::gateway
