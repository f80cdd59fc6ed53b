#include "daemon/events/message_id.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include <openssl/sha.h>

namespace bridge55::events {
namespace {

constexpr WallMicros kWindow = 600'000'000;  // ten minutes (contract, section 3)

// OpenSSL marks SHA256_* as deprecated in favour of EVP, whose set-up costs more than hashing one event.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
class Digest {
 public:
  Digest() { SHA256_Init(&state_); }
  void field(std::string_view text) {
    const std::uint64_t size = text.size();
    SHA256_Update(&state_, &size, sizeof size);
    SHA256_Update(&state_, text.data(), text.size());
  }
  MessageId finish(std::uint64_t count) const {
    SHA256_CTX state = state_;
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> whole;
    SHA256_Update(&state, &count, sizeof count);
    SHA256_Final(whole.data(), &state);
    MessageId id;
    std::memcpy(id.data(), whole.data(), id.size());
    return id;
  }

 private:
  SHA256_CTX state_;
};
#pragma GCC diagnostic pop

Digest digest(const Facts& facts, EventId event_id) {
  Digest d;
  d.field(facts.source);
  d.field(facts.channel);
  d.field(facts.name);
  const std::string id = facts.ts.empty() ? "id:" + std::to_string(event_id) : std::string{};
  d.field(facts.ts.empty() ? std::string_view{id} : facts.ts);
  d.field(facts.payload);
  d.field(facts.old);
  return d;
}

Fingerprint fingerprint(const MessageId& id) {
  Fingerprint print;
  std::memcpy(&print, id.data(), sizeof print);
  return print == 0 ? 1 : print;  // 0 marks an empty slot
}

}  // namespace

// One open-addressed table, a word a fact: 48 bits of its fingerprint and the second it was last accepted in.
// Every insertion sweeps a few slots on, so old facts leave without a pause, and ten minutes with a million
// facts cost about 16 MB.
struct MessageIds::Impl {
  static constexpr std::size_t kSmallest = 1024;
  static constexpr std::size_t kSweep =
      8;  // slots looked at for each insertion: more than one round in the time it takes to fill up
  static constexpr std::uint16_t kWindowSeconds = kWindow / 1'000'000;

  explicit Impl(std::size_t most) : limit(most) {}

  std::size_t limit, held = 0, sweep_at = 0;
  WallMicros newest = 0;
  std::vector<std::uint64_t> slots = std::vector<std::uint64_t>(kSmallest);
  std::unordered_map<std::uint64_t, std::uint32_t> repeats;  // by tag: how often beyond the first

  static std::uint64_t tag(Fingerprint print) { return (print >> 16) == 0 ? 1 : print >> 16; }
  static std::uint16_t second(WallMicros at) { return static_cast<std::uint16_t>(at / 1'000'000); }
  std::size_t mask() const { return slots.size() - 1; }
  std::size_t home(std::uint64_t word) const { return ((word >> 16) * 0x9E3779B97F4A7C15ull >> 24) & mask(); }
  bool old(std::uint64_t word) const {
    return static_cast<std::uint16_t>(second(newest) - static_cast<std::uint16_t>(word)) > kWindowSeconds;
  }

  // A wall clock that steps back must not make what is remembered look old or new: time here never goes back.
  void tick(WallMicros now) {
    if (now > newest + 2 * kWindow) clear();  // the 16-bit seconds would wrap
    newest = std::max(newest, now);
  }
  void clear() {
    slots.assign(kSmallest, 0);
    repeats.clear();
    held = sweep_at = 0;
  }
  std::size_t find(std::uint64_t wanted) const {
    std::size_t i = home(wanted << 16);
    while (slots[i] != 0 && slots[i] >> 16 != wanted)
      i = (i + 1) & mask();
    return i;
  }
  std::uint32_t count(Fingerprint print) const {
    const std::uint64_t word = slots[find(tag(print))];
    if (word == 0 || old(word)) return 0;
    const auto more = repeats.find(word >> 16);
    return 1 + (more == repeats.end() ? 0 : more->second);
  }
  void add(Fingerprint print) {
    const std::uint64_t wanted = tag(print);
    const std::size_t at = find(wanted);
    if (slots[at] == 0) {
      ++held;
    } else if (old(slots[at])) {
      repeats.erase(wanted);
    } else {
      ++repeats[wanted];
    }
    slots[at] = wanted << 16 | second(newest);
    sweep();
    if (held * 4 >= slots.size() * 3) resize();
  }
  void sweep() {
    for (std::size_t n = 0; n < kSweep; ++n) {
      if (slots[sweep_at] != 0 && old(slots[sweep_at])) {
        erase(sweep_at);  // another may have moved here: look again next time round
      } else {
        sweep_at = (sweep_at + 1) & mask();
      }
    }
  }
  void erase(std::size_t hole) {  // closes the gap, so that no search ends early (Knuth, 6.4, algorithm R)
    repeats.erase(slots[hole] >> 16);
    --held;
    for (std::size_t i = (hole + 1) & mask(); slots[i] != 0; i = (i + 1) & mask()) {
      if (((i - home(slots[i])) & mask()) < ((i - hole) & mask())) continue;
      slots[hole] = slots[i];
      hole = i;
    }
    slots[hole] = 0;
  }
  void resize() {
    if (held >= limit)
      return clear();  // more in ten minutes than was planned for: begin again rather than grow
    std::vector<std::uint64_t> before(slots.size() * 2);
    before.swap(slots);
    sweep_at = 0;
    for (const std::uint64_t word : before) {
      if (word != 0) slots[find(word >> 16)] = word;
    }
  }
};

MessageIds::MessageIds(std::size_t limit) : impl_(std::make_unique<Impl>(limit)) {}
MessageIds::~MessageIds() = default;

MessageIds::Result MessageIds::accept(const Facts& facts, EventId event_id, WallMicros now) {
  const Digest d = digest(facts, event_id);
  Result result;
  result.id = d.finish(0);
  if (facts.ts.empty()) return result;  // its id makes it one of a kind
  result.fingerprint = fingerprint(result.id);
  impl_->tick(now);
  result.equal_before = impl_->count(result.fingerprint);
  if (result.equal_before > 0) result.id = d.finish(result.equal_before);
  impl_->add(result.fingerprint);
  return result;
}

std::uint32_t MessageIds::seen(const Facts& facts, WallMicros now) {
  if (facts.ts.empty()) return 0;
  impl_->tick(now);
  return impl_->count(fingerprint(digest(facts, 0).finish(0)));
}

Fingerprint MessageIds::fingerprint_of(const Facts& facts) const {
  return fingerprint(digest(facts, 0).finish(0));
}

void MessageIds::restore(WallMicros at, Fingerprint print) {
  if (print == 0) return;
  impl_->tick(at);
  impl_->add(print);
}

}  // namespace bridge55::events
