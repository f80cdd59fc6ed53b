// The book of durable consumers (contract, section 5): who owns a name, how far it has acknowledged, how far
// it was served, who is connected on it. Deciding only: what must be stored is handed to `Effects`. I/O
// thread only; time is a parameter.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/events/journal.hpp"
#include "daemon/local/app.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::local {

// A stream that is connected on a name.
class Holder {
 public:
  virtual ~Holder() = default;
  virtual void replaced() = 0;  // a second connection took the name: close with 4000
  virtual void deleted() = 0;   // the name is gone
};

// Wall time is what is stored; how long a name is unused is measured by the steady clock, so that a clock
// step drops nothing.
struct Now {
  WallMicros wall = 0;
  SteadyTime steady{};
};

class Consumers {
 public:
  static constexpr std::size_t kMost = 1000;
  // Apps could not use their names while the daemon was down: this long after a start nothing is dropped.
  static constexpr std::chrono::minutes kGrace{10};

  struct Effects {
    std::function<void(const events::ConsumerRecord&)> store;
    std::function<void(const std::string& name)> drop;
    std::function<void()> moved;  // `lowest` may have changed
  };
  explicit Consumers(Effects effects) : effects_(std::move(effects)) {}

  struct Entry {
    events::ConsumerRecord record;
    events::EventId sent_through = 0;  // an ack goes no further
    Holder* holder = nullptr;
    SteadyTime used_at{};                       // in this process
    std::chrono::microseconds unused_before{};  // as the last run left it
  };

  void restore(const std::vector<events::ConsumerRecord>& records, Now now);

  enum class Result { done, other_owner, unknown, full };
  // Whether `open` would succeed.
  Result check(const std::string& name, const App& app) const;
  struct Opened {
    Result result = Result::done;
    Entry* entry = nullptr;  // valid until the holder is told `replaced` or `deleted`, or closes
    bool created = false;
  };
  // Takes the name for a connection; a new name starts after `start_if_new`. The one that held it is told
  // before this returns.
  Opened open(const std::string& name, const App& app, events::EventId start_if_new, Holder* holder, Now now);
  void close(Entry& entry, Holder* holder, Now now);

  // Beyond what was sent counts up to what was sent; lower than before changes nothing. Returns where the
  // cursor is now.
  struct Acked {
    Result result = Result::done;
    events::EventId cursor = 0;
  };
  Acked ack(const std::string& name, const App& app, events::EventId id, Now now);
  void ack(Entry& entry, events::EventId id, Now now);

  Result erase(const std::string& name, const App& app);
  // Drops the names that nobody used for so long; those in use are stored as used now and then, so that a
  // restart does not drop them.
  std::vector<events::ConsumerRecord> expire(Now now, std::chrono::milliseconds unused_for);

  std::optional<events::EventId> lowest() const;
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

 private:
  static bool may_use(const Entry& entry, const App& app);
  void used(Entry& entry, Now now);  // and stores it

  Effects effects_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace bridge55::local
