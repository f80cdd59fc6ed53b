// What the drop-in sessions of one upstream share: whether it is up, what it grants, what the daemon has
// asked it for. Held by its sessions, which may outlive the config's entry. Pure but for the one effect it is
// given; time is a parameter. I/O thread only.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/dropin/denied.hpp"
#include "daemon/dropin/dialect.hpp"
#include "daemon/events/event.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::dropin {

class Session;

// How asking upstream for more channels ended.
enum class Growth { done, connection_limit, unavailable };

class Line {
 public:
  // `grow` makes the daemon's own subscription ask for `next_channels`, which it fetches when it does;
  // `grown` follows.
  using Grow = std::function<void()>;
  Line(std::string source, std::unique_ptr<const Dialect> dialect, Grow grow);

  const std::string& source() const { return source_; }
  const Dialect& dialect() const { return *dialect_; }

  // What the daemon hears of its own session. `come_up` tells nobody: `admit` does, once all that came with
  // the login is said.
  void configured(const config::Upstream& settings);  // what the own login asks for is known anew
  void granted(Granted granted, SteadyTime now);
  void come_up() { up_ = true; }
  void went_down(SteadyTime now);
  void lost_events();  // a gap ended UNRECOVERED: it concerns those who listen now
  void grown(Growth how, SteadyTime now);
  void admit(SteadyTime now);
  void close_all();  // the upstream is gone from the config

  bool up() const { return up_; }
  bool gone() const { return gone_; }
  // Down for longer than an app of the vendor's would be left without a word.
  bool out(SteadyTime now) const { return !up_ && now >= down_since_ + kOutage; }
  const Granted& granted() const { return granted_; }
  std::uint64_t next_subscription() { return ++subscriptions_; }

  // Whether all of these were asked for; else asks for the rest, and `grown` follows. Not soon after a
  // refusal (section 8: not more often than every 60 s at the connection limit). What upstream denied of
  // late, or cannot have, is not asked for: it is not granted, then.
  enum class Asked { all, asking, connection_limit, unavailable };
  Asked ask(const std::vector<std::string>& channels, SteadyTime now);
  // All that the growth under way is to ask for: what has come together by now.
  std::vector<std::string> next_channels();
  bool was_asked(const std::string& channel) const;
  // Asked for because some app wanted it, not by the config.
  bool was_added(std::string_view channel) const;
  // Of those that an app wants the ones that upstream grants, in the app's order.
  std::vector<std::string> granted_of(const SignOn& asked) const;
  // The beginning of a data frame, shared by all sessions.
  std::string_view head(std::string_view channel, std::string_view event);

  // What a session has offered of one round; all use the same, one after the other.
  struct Offered {
    events::EventId id = 0;
    std::uint64_t seq = 0;  // after it
    bool frame = false;
  };
  std::vector<Offered>& offered() { return offered_; }

  void add(Session& session) { sessions_.push_back(&session); }
  void remove(Session& session) { std::erase(sessions_, &session); }
  std::size_t sessions() const { return sessions_.size(); }

 private:
  static constexpr std::chrono::seconds kOutage{5}, kAfterLimit{60}, kAfterFailure{5};
  // Of channels that are not documented.
  static constexpr std::size_t kMostAsked = 64, kMostPending = 64;
  static constexpr std::size_t kMostHeads = 64;
  enum class Chance { no, later, now };
  Chance chance_of(const std::string& channel, SteadyTime now) const;
  void grow();
  void take_grown(const std::vector<std::string>& channels, SteadyTime now);

  const std::string source_;
  const std::unique_ptr<const Dialect> dialect_;
  const Grow grow_;
  bool up_ = false, gone_ = false, growing_ = false;
  SteadyTime down_since_ = SteadyTime::min();
  Granted granted_;
  std::optional<std::vector<std::string>> asked_;         // nothing: for all there are
  std::vector<std::string> added_, wanted_, growing_by_;  // by apps: asked for; not yet; just now
  Denied denied_;
  Growth last_growth_ = Growth::done;
  SteadyTime not_before_ = SteadyTime::min();
  std::uint64_t subscriptions_ = 0;
  std::vector<Session*> sessions_;
  struct Head {
    std::string channel, event, text;
  };
  std::vector<std::unique_ptr<Head>> heads_;
  std::vector<Offered> offered_;
};

}  // namespace bridge55::dropin
