// What a standing WebSocket relay says and hears between `connected` and its end, as a pure state machine:
// frames and times in, actions out (vendor docs, "WebSocket Protocol Reference"). I/O thread only.
#pragma once

#include "bridges/scraping/standing/ends.hpp"
#include "config/config.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/net/ws_frames.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace bridge55::scraping::standing {

class Script {
 public:
  class Actions {
   public:
    virtual ~Actions() = default;
    virtual void answer(ws::Kind kind, std::string_view data) = 0;
    // A text, binary or too large message of the target's.
    virtual void take(const ws::Message& message) = 0;
  };
  // All of them must outlive the script.
  struct Parts {
    const config::Relay& relay;
    const config::KeepAlive& keep_alive;
    Actions& actions;
  };
  explicit Script(const Parts& parts);

  void opened(SteadyTime now);  // the relay is connected: sends what the config wants sent first
  void received(const ws::Message& message, SteadyTime now);
  void progress(std::size_t bytes, SteadyTime now);  // bytes came, whole messages or not
  void tick(SteadyTime now);                         // at `next_tick`, and whenever it is cheap
  SteadyTime next_tick() const;
  void read_again(SteadyTime now);  // after a pause of ours: silence meanwhile was ours
  void broke(End end);              // without a close frame

  bool is_open() const { return open_ && !end_; }
  const std::optional<End>& end() const { return end_; }

 private:
  void take_text(const ws::Message& message);
  End end_of_close(const ws::Message& message) const;
  SteadyTime idle_until() const;

  const config::Relay& relay_;
  const config::KeepAlive& keep_alive_;
  Actions& actions_;
  bool open_ = false;
  std::optional<End> end_;
  std::string last_error_;  // of the vendor's shape, where it was the last message
  SteadyTime heard_at_, message_at_, pinged_at_;
  std::size_t unfinished_bytes_ = 0;
};

}  // namespace bridge55::scraping::standing
