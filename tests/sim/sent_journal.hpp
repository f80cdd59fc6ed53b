#pragma once
// The ring of frames that went into client connections, for byte-for-byte comparison by tests (`GET /sent`).

#include "tests/sim/types.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace bridge55::sim {

/// One frame's payload as queued for a connection. It was handed to the connection, not necessarily to the
/// client.
struct SentFrame {
  std::uint64_t n = 0;  ///< 1, 2, 3 … over the process
  std::uint64_t connection = 0;
  Api api = Api::abp;
  std::string_view kind;  ///< data, control, redelivered, duplicate or raw
  std::string text;
};

class SentJournal {
 public:
  explicit SentJournal(std::size_t capacity) : capacity_(capacity) {}

  bool on() const { return capacity_ != 0; }
  void record(SentFrame frame) {
    frame.n = ++last_;
    frames_.push_back(std::move(frame));
    if (frames_.size() > capacity_) frames_.pop_front();
  }
  std::uint64_t last() const { return last_; }
  const std::deque<SentFrame>& frames() const { return frames_; }

 private:
  std::size_t capacity_;
  std::uint64_t last_ = 0;
  std::deque<SentFrame> frames_;
};

}  // namespace bridge55::sim
