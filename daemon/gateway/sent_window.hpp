// The last window's sends, remembered over a restart and a SIGKILL at the price of a store to memory: a small
// file mapped next to the journal, one ring of slots for each upstream. A power cut may lose it; the
// machine's start then takes about as long as a window. I/O thread only. An object that is not open accepts
// every call and remembers nothing.
#pragma once

#include "daemon/base/clock.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/system/error_code.hpp>

namespace bridge55::gateway {

class SentWindow {
 public:
  struct Ring {
    std::string upstream;      // at most 119 bytes
    std::size_t capacity = 0;  // sends of one window at most; clamped to 65,536. More are not remembered.
  };
  // One send. Zero: it is not remembered.
  using Slot = std::uint32_t;

  SentWindow() = default;
  ~SentWindow() { close(); }
  SentWindow(const SentWindow&) = delete;
  SentWindow& operator=(const SentWindow&) = delete;

  // Reads what the last run left, then replaces the file (mode 0600, by rename). A damaged or foreign file
  // counts as empty; a symbolic link, a directory or a full disk is an error, and what was open stays so.
  // Also the way to change the rings on a reload: slots given out before are ignored from then on, and what
  // was in flight counts as answered at the reload.
  boost::system::error_code open(const std::string& path, std::span<const Ring> rings, WallMicros now);
  void close();
  bool is_open() const { return data_ != nullptr; }

  Slot begin(std::string_view upstream, WallMicros now);
  void answered(Slot slot, WallMicros now);  // its answer began, or it failed after sending
  void dropped(Slot slot);                   // no byte left

  // How long ago each place was answered, by the wall clock; what was in flight and what lies in the future
  // counts as now. As of `open`.
  std::vector<std::chrono::microseconds> recovered(std::string_view upstream) const;

 private:
  struct Live {
    std::uint32_t first = 0, count = 0;  // the ring's slots in the file
    std::deque<std::uint32_t> reusable;  // oldest first: what is in flight is never overwritten
  };
  using Rings = std::map<std::string, Live, std::less<>>;

  void swap(SentWindow& other);
  void lay_out(std::span<const Ring> rings);
  void carry(Live& ring, const std::vector<WallMicros>& last);
  std::int64_t* in_flight(Slot slot);
  Live* owner(std::uint32_t index);

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t* slots_ = nullptr;
  Rings rings_;
  std::map<std::string, std::vector<WallMicros>, std::less<>> last_;  // by upstream, oldest first
  WallMicros opened_ = 0;
  std::uint32_t generation_ = 0;  // of slots: counts the openings
};

}  // namespace bridge55::gateway
