#include "bridges/upstream/seq.hpp"

#include <charconv>
#include <cstring>
#include <limits>

namespace bridge55::upstream {
namespace {

// Digits of a number or of a string; nothing where there is anything else.
bool parse(std::string_view token, std::uint64_t& value) {
  if (token.size() >= 2 && token.front() == '"') token = token.substr(1, token.size() - 2);
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  return error == std::errc{} && end == token.data() + token.size() &&
         value < std::numeric_limits<std::uint64_t>::max();
}

// Two lanes of multiply and fold: telling a repeated frame from an altered one needs no cryptography.
std::uint64_t fingerprint_of(std::string_view bytes) {
  constexpr std::uint64_t kA = 0x9E3779B97F4A7C15, kB = 0xC2B2AE3D27D4EB4F;
  std::uint64_t a = kA ^ bytes.size(), b = kB;
  const auto mix = [](std::uint64_t state, std::uint64_t word, std::uint64_t factor) {
    state = (state ^ word) * factor;
    return state ^ (state >> 29);
  };
  while (bytes.size() >= 16) {
    std::uint64_t words[2];
    std::memcpy(words, bytes.data(), 16);
    a = mix(a, words[0], kA);
    b = mix(b, words[1], kB);
    bytes.remove_prefix(16);
  }
  std::uint64_t rest[2] = {0, 0};
  std::memcpy(rest, bytes.data(), bytes.size());
  return mix(mix(a, rest[0], kA), mix(b, rest[1], kB), kA);
}

}  // namespace

void SeqTracker::restart() {
  started_ = false;
  run_ = run_next_ = 0;
  holes_.clear();
  for (Recent& recent : recent_)
    recent.used = false;
}

SeqTracker::Verdict SeqTracker::see(std::string_view token, std::string_view frame) {
  if (token.empty() || token == "null") return Verdict::absent;
  std::uint64_t seq = 0;
  if (!parse(token, seq)) return Verdict::unreadable;
  received_ = seq;
  expected_before_ = next_;
  const std::uint64_t fingerprint = fingerprint_of(frame);
  const Verdict verdict = judge(fingerprint);
  if (verdict == Verdict::duplicate) return verdict;
  recent_[seq % kRecent] = {seq, fingerprint, true};
  return verdict;
}

SeqTracker::Verdict SeqTracker::judge(std::uint64_t fingerprint) {
  if (!started_ || received_ == next_) {
    started_ = true;
    next_ = received_ + 1;
    return Verdict::fine;
  }
  if (received_ > next_) {
    if (holes_.size() == kMaxHoles) holes_.erase(holes_.begin());
    holes_.emplace_back(next_, received_);
    next_ = received_ + 1;
    return Verdict::hole;
  }
  const Recent& seen = recent_[received_ % kRecent];
  if (seen.used && seen.seq == received_) {
    if (seen.fingerprint == fingerprint) return Verdict::duplicate;
    // Nothing repeats the very first message: the counter began again.
    if (received_ > 1) return Verdict::altered;
  } else if (const std::uint64_t hole = fill_hole()) {
    run_ = received_ == run_next_ ? run_ + 1 : 1;
    run_next_ = received_ + 1;
    // After one wild number the vendor counts on where it was: that is the count again, or every later hole
    // would pass as a late arrival.
    if (hole >= kWildJump && run_ >= 2) {
      holes_.clear();
      next_ = received_ + 1;
    }
    return Verdict::late;
  }
  restart();
  started_ = true;
  next_ = received_ + 1;
  return Verdict::reset;
}

// The size of the hole that `received_` lies in; 0: in none.
std::uint64_t SeqTracker::fill_hole() {
  for (std::size_t i = 0; i < holes_.size(); ++i) {
    const auto [from, to] = holes_[i];
    if (received_ < from || received_ >= to) continue;
    holes_.erase(holes_.begin() + static_cast<std::ptrdiff_t>(i));
    if (from < received_) holes_.emplace_back(from, received_);
    if (received_ + 1 < to) holes_.emplace_back(received_ + 1, to);
    return to - from;
  }
  return 0;
}

}  // namespace bridge55::upstream
