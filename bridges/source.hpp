// The contract between the daemon and one upstream event feed. A source turns what it receives into facts;
// the host numbers, journals and fans them out. Everything runs on the I/O thread.
#pragma once

#include "daemon/events/event.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::bridges {

enum class SessionState { connecting, up, down, rejected };

struct SessionStatus {
  std::string source;
  unsigned slot = 0;
  SessionState state = SessionState::connecting;
  std::string reason;  // of down and rejected, in words
  WallMicros since = 0;
  WallMicros last_event_at = 0;  // 0: none yet
  std::string seq;               // last, as sent
  std::uint64_t reconnects = 0;
};

// From here on an id is provisional: the fact has no number yet (`Source::settled` tells it), or gets none.
constexpr events::EventId kProvisional = events::EventId{1} << 63;

// What the daemon gives a source.
class SourceHost {
 public:
  virtual ~SourceHost() = default;
  // One upstream fact; it is numbered and on its way to the journal when this returns. Where another session
  // of the upstream brings the same, the id is one that is durable no sooner than the fact, or provisional.
  // 0: dropped as a redelivery. `may_repeat`: the session has acknowledgements on and came back less than a
  // window ago, so the fact may be a redelivery.
  virtual events::EventId publish(const events::Facts& facts, bool may_repeat) = 0;
  // A `bridge` event about this source: channel `session`, `gap`, `quarantine`; payload is a JSON object.
  virtual void say(std::string_view channel, std::string_view event, std::string_view payload,
                   std::string_view source) = 0;
  // The answer to a login as it came, before the session is said to be up.
  virtual void login_answered(std::string_view /*answer*/) {}
  // End of what could be read at once: live consumers are woken here, once for the whole batch.
  virtual void flush() = 0;
  // Whether the source must stop reading (the journal's inbox is full); `resume` of the source is called when
  // it may go on.
  virtual bool must_pause() const = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  virtual void start() = 0;
  // Everything up to this id is durable: acknowledgements may go out.
  virtual void durable(events::EventId id) = 0;
  // What was published as this provisional id is durable once `id` is.
  virtual void settled(events::EventId /*provisional*/, events::EventId /*id*/) {}
  virtual void resume() = 0;
  virtual SessionStatus status() const = 0;
  // Ends the session with a clean close; `stopped` is called once.
  virtual void stop(std::function<void()> stopped) = 0;
};

}  // namespace bridge55::bridges
