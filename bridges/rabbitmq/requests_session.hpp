// Takes requests from one queue over one connection until it ends, and gives their replies: prefetch,
// confirms, returns, nacks, blocking, heartbeats, time limits. One loop on the connection's thread.
#pragma once

#include "bridges/rabbitmq/broker_frames.hpp"
#include "bridges/rabbitmq/connection.hpp"
#include "bridges/rabbitmq/heartbeats.hpp"
#include "bridges/rabbitmq/requests_box.hpp"
#include "bridges/rabbitmq/requests_confirms.hpp"
#include "bridges/rabbitmq/requests_frames.hpp"
#include "bridges/rabbitmq/trouble.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bridge55::rabbitmq {

// How many requests run side by side.
inline constexpr std::uint16_t kPrefetch = 64;

class RequestsSession {
 public:
  struct Setting {
    const config::Sink& sink;
    RequestsBox& box;
    std::size_t max_message;
    std::uint64_t number;  // of the connection
  };
  RequestsSession(const Setting& setting, std::unique_ptr<Connection> connection);

  // Returns when the connection is gone, or after a stop once every request that was taken is done or the
  // deadline has come. Nothing: stopped.
  std::optional<Trouble> run();
  bool consumed() const { return consuming_; }

 private:
  // Where a reply goes, while its request is performed.
  struct Sender {
    std::string reply_to, correlation_id;
  };
  // Each step says what ended the session, if it did.
  std::optional<Trouble> turn();
  std::optional<Trouble> flush();
  std::optional<Trouble> receive(bool& more);
  std::optional<Trouble> heard(const BrokerSaid& said);
  std::optional<Trouble> content(const BrokerSaid& said);
  std::optional<Trouble> confirmed(const BrokerSaid& said);
  std::optional<Trouble> check_time(SteadyTime now);
  void arrived(Delivered message);
  void answered(RequestAnswered answer);
  void publish(ReplyOnItsWay reply);
  void retry_refused(SteadyTime now);
  void block(bool blocked, std::string_view why);
  void say(ConsumerState state, std::string why);
  void wait(SteadyTime now);
  SteadyTime answer_due(SteadyTime now) const;
  SteadyTime next_deadline(SteadyTime now) const;
  bool may_end(SteadyTime now) const;
  void close();

  Setting in_;
  std::unique_ptr<Connection> connection_;
  FrameReader reader_;
  DeliveryReader deliveries_;
  ReplyConfirms confirms_;
  Heartbeats heartbeats_;
  RequestsReport report_;
  std::string out_;                        // not yet written
  std::map<std::uint64_t, Sender> taken_;  // by delivery tag: handed over, not yet answered
  std::vector<ReplyOnItsWay> refused_;     // to be published again at `retry_at_`
  SteadyTime progress_at_, retry_at_{};
  bool consuming_ = false, cancelled_ = false, blocked_ = false, want_write_ = false;
  bool broker_closed_ = false, closed_ = false;
};

}  // namespace bridge55::rabbitmq
