// One upstream session between its upgrade and its end, as a pure state machine: messages, commits and times
// in, actions out. It lives over reconnects (`opened` begins anew) because what a stalled window taught must
// outlive the connection. I/O thread only.
#pragma once

#include "bridges/upstream/acks.hpp"
#include "bridges/upstream/actions.hpp"
#include "bridges/upstream/ends.hpp"
#include "bridges/upstream/protocol.hpp"
#include "bridges/upstream/seq.hpp"
#include "config/config.hpp"

#include <optional>
#include <set>
#include <string>

namespace bridge55::upstream {

class Session {
 public:
  // All of them must outlive the session.
  struct Parts {
    const config::Upstream& settings;
    unsigned slot;
    const Protocol& protocol;
    Actions& actions;
  };
  explicit Session(const Parts& parts);

  void opened(Now now);  // the WebSocket is open: logs in
  void received(const ws::Message& message, Now now);
  void progress(std::size_t bytes, Now now);  // bytes came, whole messages or not
  void durable(events::EventId id, Now now);
  void settled(events::EventId provisional, events::EventId id, Now now);
  void tick(Now now);  // to be called at `next_tick`, and whenever it is cheap
  SteadyTime next_tick() const;
  void read_again(Now now);  // after a pause of ours: silence meanwhile was ours
  // The connection ended without a close frame.
  void broke(End end);

  bool is_up() const { return up_; }
  const std::optional<End>& end() const { return end_; }
  bool asks_reliable() const { return settings_.reliable_delivery && !reliable_off_; }
  const std::string& seq() const { return last_seq_; }
  WallMicros last_event_at() const { return last_event_at_; }
  WallMicros last_traffic_at() const { return last_traffic_at_; }

 private:
  void take_text(std::string_view frame, Now now);
  void take_data(Incoming& in, Now now);
  void take_binary(std::string_view bytes, Now now);
  void take_ready(const Incoming& in, Now now);
  void take_error(const std::string& text);
  bool check_seq(const Incoming& in, Now now);
  void say_hole(std::string_view reason, Now now);
  void quarantine(std::string_view reason, const ws::Message& message);
  void come_up(Now now);
  void send(std::string_view text, Now now);
  void send_acks(events::EventId id, Now now);
  void finish(End end);
  void note_once(std::string_view topic, std::string_view about);
  bool may_be_stalled() const;
  SteadyTime stalled_from() const;
  void judge_stall(End& end);

  const config::Upstream& settings_;
  unsigned slot_;
  const Protocol& protocol_;
  Actions& actions_;
  Acks acks_;
  SeqTracker tracker_;
  Incoming in_;
  std::set<std::string, std::less<>> noted_;

  bool up_ = false, restart_announced_ = false, had_seq_ = false, reliable_off_ = false;
  std::optional<End> end_;
  std::string subscription_, last_seq_, last_error_;
  SteadyTime login_until_, received_at_, sent_at_, up_since_, data_at_;
  WallMicros last_event_at_ = 0, last_traffic_at_ = 0;
  std::size_t unfinished_bytes_ = 0;
  std::uint64_t data_since_login_ = 0;
  unsigned ends_at_window_ = 0;  // connections in a row that the peer ended at the window
};

}  // namespace bridge55::upstream
