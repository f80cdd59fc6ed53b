#pragma once
// One WebSocket client as the vendor sees it: login, keep-alive, numbering, acknowledgements. Decides only:
// time is a parameter, and what is to be done goes through ClientLink.

#include "tests/sim/vendor.hpp"

#include <deque>
#include <string>
#include <string_view>

namespace bridge55::sim {

/// What a session may ask of its connection.
class ClientLink {
 public:
  virtual ~ClientLink() = default;
  /// Queues one text message of two parts. `kind` is the journal's word for it.
  virtual void send(std::string_view kind, std::string_view head, std::string_view tail) = 0;
  /// Sends a close frame after what is queued, and ends the connection.
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  /// Messages that are not yet in the system's hands.
  virtual std::size_t queued() const = 0;
  /// Whether a stall fault holds the connection.
  virtual bool stalled() const = 0;
};

class Session {
 public:
  Session(Vendor& vendor, ClientLink& link, Api api, TimePoint now);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  /// Gives the key's slot back and leaves what is unacknowledged for the key's next reliable session.
  ~Session();

  /// A text message of the client.
  void on_message(std::string_view text, TimePoint now);
  /// Deadlines and keep-alive; call often.
  void tick(TimePoint now);
  /// A broadcast, if this subscription wants it.
  void deliver(const Message& message);

  Api api() const { return api_; }
  bool subscribed() const { return subscribed_; }
  std::uint64_t subscription() const { return subscription_; }
  const KeyEntry* key() const { return key_; }
  std::uint64_t next_seq() const { return next_seq_; }
  std::size_t unacked() const { return unacked_.size(); }
  std::size_t waiting() const { return waiting_.size(); }
  bool reliable() const { return reliable_; }
  std::string channels_json() const;

  /// Leaves out so many sequence numbers; with `lose` the next data messages are dropped with theirs.
  void seq_hole(std::uint64_t size, bool lose);
  /// The last data frame once more.
  void duplicate();
  /// Ends the subscription with a login-style refusal.
  void refuse(std::string_view message, std::uint16_t code);

 private:
  struct Login {
    std::string key;
    std::uint64_t filter = 0;
    bool reliable = false;
    bool camel = false;  ///< MM's later edition
  };
  void abp_message(std::string_view type, std::string_view text, TimePoint now);
  void abp_login(std::string_view text, TimePoint now);
  void abp_login_ok();
  void abp_ack(std::string_view text);
  void mm_message(std::string_view type, std::string_view text, TimePoint now);
  void mm_subscribe(std::string_view text, TimePoint now);
  void mm_unsubscribe();
  bool read_channels(std::string_view text, std::uint64_t& filter);
  bool take_slot(const Login& login);
  void error(std::string_view message);
  void control(std::string_view text) { link_.send("control", text, {}); }
  void tick_abp(TimePoint now);
  bool wants(const Message& message) const;
  void emit(Held&& held);
  void release();
  void send_waiting();
  void redeliver();

  Vendor& vendor_;
  ClientLink& link_;
  Api api_;
  TimePoint connected_;
  TimePoint next_beat_{};
  TimePoint last_alive_{};  ///< ABP: the last pong, or ping in the heartbeat edition, or the login
  bool awaiting_pong_ = false;
  TimePoint pinged_{};  ///< the oldest ping without a pong
  bool subscribed_ = false;
  bool closing_ = false;
  bool reliable_ = false;
  bool camel_ = false;
  std::uint64_t filter_ = 0;
  std::uint64_t subscription_ = 0;
  std::uint64_t next_seq_ = 1;
  std::uint64_t lose_ = 0;
  KeyEntry* key_ = nullptr;
  std::deque<Held> unacked_, waiting_;
  std::string tail_;
  std::string last_data_;  ///< kept outside bench mode, for the duplicate fault
};

}  // namespace bridge55::sim
