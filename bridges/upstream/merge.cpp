#include "bridges/upstream/merge.hpp"

#include <cstring>

namespace bridge55::upstream {
namespace {

constexpr std::uint64_t kA = 0x9E3779B97F4A7C15, kB = 0xC2B2AE3D27D4EB4F;

// 128 bits in two lanes: upstream is no adversary, and so many never collide by chance.
struct Lanes {
  std::uint64_t a = kA, b = kB;

  void word(std::uint64_t value) {
    a = (a ^ value) * kB;
    a ^= a >> 29;
    b = (b + value) * kA;
    b ^= b >> 32;
  }
  void field(std::string_view text) {
    word(text.size());
    while (text.size() >= 8) {
      std::uint64_t value;
      std::memcpy(&value, text.data(), 8);
      word(value);
      text.remove_prefix(8);
    }
    std::uint64_t value = 0;
    if (!text.empty()) std::memcpy(&value, text.data(), text.size());
    word(value);
  }
};

}  // namespace

// Not `seq`: each session counts by itself.
Merge::Print Merge::print_of(const events::Facts& facts) {
  Lanes lanes;
  for (const std::string_view field : {facts.channel, facts.name, facts.ts, facts.payload, facts.old})
    lanes.field(field);
  return {lanes.a, lanes.b};
}

bool Merge::arrives(unsigned session, const events::Facts& facts, SteadyTime now) {
  forget(now - kMemory);
  const std::uint32_t bit = std::uint32_t{1} << session;
  const Print print = print_of(facts);
  std::vector<Copy>& copies = copies_[print];
  for (Copy& copy : copies) {
    if ((copy.matched & bit) != 0) continue;
    copy.matched |= bit;
    return false;
  }
  copies.push_back({now, bit});
  accepted_.push_back({now, print});
  if (accepted_.size() > kMostRemembered) forget_oldest();
  return true;
}

void Merge::forget(SteadyTime before) {
  while (!accepted_.empty() && accepted_.front().at < before)
    forget_oldest();
}

void Merge::forget_oldest() {
  const auto at = copies_.find(accepted_.front().print);
  at->second.erase(at->second.begin());
  if (at->second.empty()) copies_.erase(at);
  accepted_.pop_front();
}

}  // namespace bridge55::upstream
