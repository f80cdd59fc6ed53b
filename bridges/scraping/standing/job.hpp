// One standing relay at work: the loop that connects, lives, waits and connects again. The kinds differ in
// what living is. Held by the daemon and by its own coroutine. I/O thread only.
#pragma once

#include "bridges/scraping/standing/framing.hpp"
#include "bridges/scraping/standing/ledger.hpp"
#include "daemon/gateway/upstream.hpp"
#include "daemon/net/stream.hpp"
#include "daemon/net/ws_frames.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::scraping::standing {

using boost::asio::awaitable;

// What became of a frame that an app wants to send into a relay.
enum class Sent {
  out,     // the system has it
  queued,  // it waits behind what the vendor has not taken yet
  down,    // nothing was sent: the relay is not up
  full,    // nothing was sent: too much waits already
};

class Job : public std::enable_shared_from_this<Job> {
 public:
  struct Parts {
    boost::asio::io_context& io;
    std::function<gateway::UpstreamPtr()> upstream;  // null where it is gone; asked at each attempt
    Ledger::Parts ledger;
  };
  explicit Job(Parts parts);
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  void start();
  void resume();                             // the journal takes events again
  void stop(std::function<void()> stopped);  // with a clean close; calls back once
  void abandon();                            // at once; nothing of the daemon is touched any more
  virtual Sent send(ws::Kind, std::string_view) { return Sent::down; }

  Ledger& ledger() { return ledger_; }
  const Ledger& ledger() const { return ledger_; }

 protected:
  virtual awaitable<void> run();
  virtual awaitable<End> live() = 0;  // one connection, from its beginning to its end
  virtual void wake() = 0;            // ends what `live` waits for
  awaitable<void> pause();            // while the journal takes nothing
  awaitable<void> wait(SteadyTime until);
  awaitable<void> yield();
  void finished();
  const config::Relay& relay() const { return ledger_.relay(); }
  std::string who() const;  // for fairness: each relay is an app of its own

  boost::asio::io_context& io_;
  const std::function<gateway::UpstreamPtr()> upstream_;
  Ledger ledger_;
  Framing framing_;
  bool stopping_ = false, abandoned_ = false;

 private:
  boost::asio::steady_timer timer_;
  bool started_ = false, pausing_ = false;
  std::function<void()> stopped_;
};

std::shared_ptr<Job> make_websocket_job(Job::Parts parts);
std::shared_ptr<Job> make_amqp_job(Job::Parts parts);
std::shared_ptr<Job> make_fetch_job(Job::Parts parts);
std::shared_ptr<Job> make_job(Job::Parts parts);

}  // namespace bridge55::scraping::standing
