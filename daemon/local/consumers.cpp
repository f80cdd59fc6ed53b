#include "daemon/local/consumers.hpp"

#include <algorithm>
#include <utility>

namespace bridge55::local {

void Consumers::restore(const std::vector<events::ConsumerRecord>& records, Now now) {
  for (const auto& record : records) {
    const std::chrono::microseconds unused(std::max<WallMicros>(now.wall - record.last_used, 0));
    entries_[record.name] = Entry{record, record.cursor, nullptr, now.steady, unused};
  }
}

void Consumers::used(Entry& entry, Now now) {
  entry.record.last_used = now.wall;
  entry.used_at = now.steady;
  entry.unused_before = {};
  effects_.store(entry.record);
}

// Where no `clients:` section tells apps apart every app is the same one; a name made then belongs to whoever
// uses it first after.
bool Consumers::may_use(const Entry& entry, const App& app) {
  return !app.identified || entry.record.owner.empty() || entry.record.owner == app.name;
}

Consumers::Result Consumers::check(const std::string& name, const App& app) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return entries_.size() >= kMost ? Result::full : Result::done;
  return may_use(it->second, app) ? Result::done : Result::other_owner;
}

Consumers::Opened Consumers::open(const std::string& name, const App& app, events::EventId start_if_new,
                                  Holder* holder, Now now) {
  if (const Result usable = check(name, app); usable != Result::done) return {usable, nullptr, false};
  auto it = entries_.find(name);
  const bool created = it == entries_.end();
  if (created) {
    it = entries_
             .emplace(name,
                      Entry{{name, app.name, start_if_new, now.wall}, start_if_new, nullptr, now.steady, {}})
             .first;
  }
  Entry& entry = it->second;
  if (entry.record.owner.empty()) entry.record.owner = app.name;
  if (Holder* before = std::exchange(entry.holder, holder); before && before != holder) before->replaced();
  used(entry, now);
  if (created) effects_.moved();
  return {Result::done, &entry, created};
}

void Consumers::close(Entry& entry, Holder* holder, Now now) {
  if (entry.holder != holder) return;
  entry.holder = nullptr;
  used(entry, now);
}

void Consumers::ack(Entry& entry, events::EventId id, Now now) {
  const events::EventId reached = std::min(id, entry.sent_through);
  if (reached <= entry.record.cursor) return;
  entry.record.cursor = reached;
  used(entry, now);
  effects_.moved();
}

Consumers::Acked Consumers::ack(const std::string& name, const App& app, events::EventId id, Now now) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return {Result::unknown, 0};
  if (!may_use(it->second, app)) return {Result::other_owner, 0};
  ack(it->second, id, now);
  return {Result::done, it->second.record.cursor};
}

Consumers::Result Consumers::erase(const std::string& name, const App& app) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return Result::unknown;
  if (!may_use(it->second, app) && !app.may(config::Scope::admin)) return Result::other_owner;
  if (Holder* holder = std::exchange(it->second.holder, nullptr)) holder->deleted();
  effects_.drop(name);
  entries_.erase(it);
  effects_.moved();
  return Result::done;
}

std::vector<events::ConsumerRecord> Consumers::expire(Now now, std::chrono::milliseconds unused_for) {
  std::vector<events::ConsumerRecord> dropped;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    const auto here = now.steady - entry.used_at;
    if (entry.holder && here > unused_for / 4) used(entry, now);
    const bool over = here + entry.unused_before > unused_for &&
                      here > std::min<std::chrono::milliseconds>(unused_for, kGrace);
    if (entry.holder || !over) {
      ++it;
      continue;
    }
    dropped.push_back(entry.record);
    effects_.drop(entry.record.name);
    it = entries_.erase(it);
  }
  if (!dropped.empty()) effects_.moved();
  return dropped;
}

std::optional<events::EventId> Consumers::lowest() const {
  std::optional<events::EventId> lowest;
  for (const auto& [name, entry] : entries_)
    lowest = std::min(lowest.value_or(entry.record.cursor), entry.record.cursor);
  return lowest;
}

}  // namespace bridge55::local
