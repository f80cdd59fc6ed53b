// Publishes over one connection until it ends: window, confirms, returns, nacks, blocking, heartbeats, time
// limits. One loop on the connection's thread; what it holds of time and arithmetic is in the pure types
// beside it.
#pragma once

#include "bridges/rabbitmq/broker_frames.hpp"
#include "bridges/rabbitmq/confirms.hpp"
#include "bridges/rabbitmq/connection.hpp"
#include "bridges/rabbitmq/heartbeats.hpp"
#include "bridges/rabbitmq/mailbox.hpp"
#include "bridges/rabbitmq/publish_frames.hpp"
#include "bridges/rabbitmq/trouble.hpp"
#include "daemon/base/backoff.hpp"

#include <deque>
#include <memory>
#include <random>

namespace bridge55::rabbitmq {

// Published and not yet confirmed, at most. RabbitMQ confirms a quorum queue's messages in bunches: 1,024 in
// flight give 98 % of what any larger window does.
inline constexpr std::size_t kWindow = 1024;

class Session {
 public:
  struct Setting {
    const config::Sink& sink;
    Mailbox& mailbox;
    std::deque<bridges::Delivery>&
        backlog;  // offered and not confirmed, oldest first; what is left is the next session's
    std::mt19937_64& random;
    bool prove_first = false;  // the last session got nothing confirmed: `up` is said after a confirm
  };
  Session(const Setting& setting, std::unique_ptr<Connection> connection);
  ~Session();

  // Returns when the connection is gone, or after a stop once all is confirmed or its deadline has come.
  // Nothing: stopped.
  std::optional<Trouble> run();
  bool confirmed_any() const { return confirmed_any_; }

 private:
  // Each step says what ended the session, if it did.
  std::optional<Trouble> turn();
  std::optional<Trouble> flush();
  std::optional<Trouble> receive(bool& more);
  std::optional<Trouble> heard(const BrokerSaid& said);
  std::optional<Trouble> answered(Confirms::Answer answer);
  std::optional<Trouble> check_time(SteadyTime now);
  bool can_fill() const;
  void fill();
  void returned(const BrokerSaid& said);
  void block(bool blocked, std::string_view why);
  void say_up();
  void settle();
  void retry_nacked(SteadyTime now);
  SteadyTime next_deadline(SteadyTime now) const;
  void wait(SteadyTime now);
  bool may_end(SteadyTime now) const;
  void close();

  Setting in_;
  std::unique_ptr<Connection> connection_;
  FrameReader reader_;
  PublishBatch batch_;
  Confirms confirms_{kWindow};
  Heartbeats heartbeats_;
  Report report_;
  SteadyTime progress_at_;  // of the last confirm, or of the first publish after none was in flight
  SteadyTime retry_at_{};   // nacked: publish again from then on
  Backoff nack_backoff_;
  std::size_t search_from_ = 0;    // where in the backlog the next returned message is looked for
  std::size_t allowed_ = kWindow;  // in flight: one after a nack, until something is confirmed
  bool up_said_ = false, blocked_ = false, want_write_ = false, stop_seen_ = false, confirmed_any_ = false;
  bool broker_closed_ = false;  // connection.close came
  bool closed_ = false;         // close-ok came
};

}  // namespace bridge55::rabbitmq
