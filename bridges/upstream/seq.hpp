// The vendor's per-subscription counter (vendor docs, ABP WebSocket: `seq`), watched from its digits. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::upstream {

class SeqTracker {
 public:
  enum class Verdict {
    fine,        // the expected one, or the first
    absent,      // no seq in the frame
    unreadable,  // not an unsigned integer of 64 bits, as number or as string
    hole,        // `expected()` to `received()` - 1 did not come
    late,        // one of an earlier hole
    duplicate,   // came before with the same bytes
    altered,     // came before with other bytes
    reset,       // the counter went back without a new login
  };

  SeqTracker() : recent_(kRecent) {}

  // A new subscription counts anew.
  void restart();
  // Judges a frame by its raw token; `frame` is what equality is judged on.
  Verdict see(std::string_view token, std::string_view frame);

  std::uint64_t expected() const { return expected_before_; }  // of the last `see`
  std::uint64_t received() const { return received_; }

 private:
  static constexpr std::size_t kRecent = 1024;  // the vendor repeats at most 100
  static constexpr std::size_t kMaxHoles = 64;
  struct Recent {
    std::uint64_t seq = 0, fingerprint = 0;
    bool used = false;
  };
  Verdict judge(std::uint64_t fingerprint);
  std::uint64_t fill_hole();
  static constexpr std::uint64_t kWildJump = 1000;
  std::uint64_t run_ = 0, run_next_ = 0;  // late arrivals in a row

  std::vector<Recent> recent_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> holes_;  // [from, to)
  bool started_ = false;
  std::uint64_t next_ = 0, expected_before_ = 0, received_ = 0;
};

}  // namespace bridge55::upstream
