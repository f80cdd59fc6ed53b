// One app on a drop-in endpoint, from its upgrade to its end, as the vendor would treat it: sign-on, filters,
// counters, acknowledgements, keep-alive, outages (contract, section 5). A state machine with no socket and
// no clock: messages, events and times in, words to its Voice out. Owned by its feed; I/O thread only.
//
// Times: 30 s to sign on (vendor docs, ABP and MM WebSocket, "Connection limits"), 30 s to wait for upstream.
#pragma once

#include "daemon/dropin/line.hpp"
#include "daemon/dropin/message.hpp"
#include "daemon/dropin/unacked.hpp"
#include "daemon/local/tongue.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::dropin {

class Session final : public local::Tongue {
 public:
  explicit Session(std::shared_ptr<Line> line);
  ~Session() override;

  void begin(local::Voice& voice, SteadyTime now) override;
  void heard(std::string_view text, SteadyTime now) override;
  void heard_binary(std::string_view data, SteadyTime now) override;
  void heard_too_much(std::uint64_t bytes, SteadyTime now) override;
  Take take(const events::Event& event, local::Frames frames) override;
  void taken(events::EventId through) override;
  bool holds() const override;
  void lost(const events::Cursor::Loss& loss) override;
  void tick(SteadyTime now) override;
  std::string_view endpoint() const override { return endpoint_; }

  // What the line tells its sessions.
  void proceed(SteadyTime now);  // upstream is up, or grants more, or does not
  void events_lost();
  void channels_dropped(const std::vector<std::string>& channels);
  void upstream_gone();

 private:
  static constexpr std::size_t kWindow = 100;  // vendor docs, ABP WebSocket, "Connection limits"
  enum class State { new_app, waiting, live, idle, closed };  // idle: it has unsubscribed

  void take_sign_on(Message message, SteadyTime now);
  void take_ack(const Message& message);
  void unsubscribe();
  void admit(SteadyTime now);
  void error(std::string_view message);
  void refuse(std::string_view message, std::uint16_t code);
  void close(std::uint16_t code, std::string_view reason);
  void beat(SteadyTime now);
  bool wants(const events::Event& event) const;
  std::uint64_t hole_of(const events::Event& event) const;
  void add_frame(const events::Event& event, std::uint64_t seq, local::Frames& frames);

  const std::shared_ptr<Line> line_;
  const Dialect::Words& words_;
  const std::string endpoint_;
  local::Voice* voice_ = nullptr;
  State state_ = State::new_app;
  SteadyTime until_{};  // new_app, waiting
  SignOn asked_;
  std::vector<std::string> channels_;  // that the app was told it has
  std::uint64_t subscription_ = 0;

  std::uint64_t seq_ = 0, offered_seq_ = 0;  // of what is on its way; with what is being offered
  std::size_t offered_frames_ = 0;
  Unacked unacked_;
  bool lost_events_ = false;

  SteadyTime next_beat_{}, asked_at_{};
  bool awaits_pong_ = false;
};

}  // namespace bridge55::dropin
