#pragma once
// One relay of the Scraping API: a client's WebSocket on /ws, its connect message, the agent's WebSocket to
// the target, and the frames between. Vendor docs: WebSocket Protocol Reference; Scraping API WebSocket &
// AMQP.

#include "tests/sim/relay_dial.hpp"
#include "tests/sim/relay_frames.hpp"
#include "tests/sim/relay_log.hpp"
#include "tests/sim/vendor.hpp"

#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::sim {

/// How the relay_cut fault ends the client's side.
struct RelayCut {
  bool mid_frame = false;  ///< behind the header and a part of a frame
  std::string end;         ///< reset, fin (close_notify and FIN) or cut (FIN alone)
};

/// Serves one upgraded connection. The owner keeps it until run() has ended. One thread.
class Relay {
 public:
  /// `client` has got its 101; `upgrade` is what it asked with.
  Relay(Vendor& vendor, Stream& client, std::uint64_t connection, const HttpRequest& upgrade);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// Until both sides have ended. `early` came behind the upgrade request.
  boost::asio::awaitable<void> run(std::string early);
  /// Deadlines.
  void tick(TimePoint now);

  /// The agent is gone: the target's connection with it, the client is closed with 1011.
  void crash();
  void cut(const RelayCut& how);
  /// Brings the record's counts up to date.
  void count();

 private:
  /// Where frames go, one writer at a time.
  struct Side {
    Stream* stream = nullptr;
    std::optional<CloseSaid>* told = nullptr;  ///< the close frame that it has got
    bool writing = false;
    bool lost = false;  ///< nothing can be written any more
    bool whole = true;  ///< what has been written ends between two frames
    bool takes() const { return stream != nullptr && !lost && !*told; }
  };
  /// One direction.
  struct Lane {
    Lane(Side& source, Side& sink, bool masked, std::uint64_t seed)
        : from(source), to(sink), transit(masked, seed) {}
    Side& from;
    Side& to;
    FrameTransit transit;
    std::vector<char> buffer;
    std::size_t filled = 0;  ///< bytes at the beginning that have not been passed
  };
  enum class First { message, closed, lost };

  // The connect message (relay.cpp).
  boost::asio::awaitable<First> read_first(std::string& text, std::string& rest);
  boost::asio::awaitable<void> connect(const std::string& text);
  boost::asio::awaitable<bool> dial(const RelayConnect& wanted);
  boost::asio::awaitable<void> refuse(std::string message, std::uint16_t code, const char* why);
  boost::asio::awaitable<void> wait_until(TimePoint when);
  /// What refuses the message before an agent is asked; message and code.
  std::optional<std::pair<std::string, std::uint16_t>> judge(const std::string& text, RelayConnect& wanted);
  void note_usage(const std::string& domain);

  // The frames (relay_lanes.cpp).
  boost::asio::awaitable<void> forward_up();
  boost::asio::awaitable<void> forward_down();
  boost::asio::awaitable<void> forward(Lane& lane);
  boost::asio::awaitable<bool> fill(Lane& lane);
  boost::asio::awaitable<void> deliver(Lane& lane, std::size_t size);
  boost::asio::awaitable<void> say(Side& side, std::string bytes);
  boost::asio::awaitable<void> close_side(Side& side, std::uint16_t code, const char* reason = "");
  boost::asio::awaitable<void> cut_client(RelayCut how);
  boost::asio::awaitable<void> end_transports();
  boost::asio::awaitable<void> drain(Stream& stream);
  void spawn(boost::asio::awaitable<void> job);
  void begin_closing(const char* why);
  void wake() { changed_.cancel(); }
  boost::asio::awaitable<void> changed();

  Vendor& vendor_;
  RelayRecord& record_;
  std::string header_key_;
  std::string api_key_;
  Side client_, target_;
  Lane up_, down_;
  Dial dial_;
  boost::asio::steady_timer changed_;
  unsigned jobs_ = 0;  ///< coroutines of ours that run beside run()
  std::string early_;  ///< frames that the client sent before the target was there
  bool joined_ = false;
  TimePoint accepted_ = Clock::now();
  TimePoint dialling_since_ = TimePoint::max();
  TimePoint closing_since_ = TimePoint::max();
  TimePoint last_message_{};  ///< when bytes of a target's message came last
  milliseconds idle_timeout_{0};
};

}  // namespace bridge55::sim
