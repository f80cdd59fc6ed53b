// The payloads of what a session says of itself (`bridge` events: session, gap, quarantine). Pure.
#pragma once

#include "daemon/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::upstream {

struct Speaker {
  std::string_view source;
  unsigned slot = 0;
};

// A JSON object that starts with source and slot.
class Report {
 public:
  explicit Report(const Speaker& speaker);
  Report& text(std::string_view name, std::string_view value);
  Report& number(std::string_view name, std::uint64_t value);
  Report& token(std::string_view name, std::string_view json);  // empty: left out
  Report& time(std::string_view name, WallMicros value);
  std::string take() &&;

 private:
  std::string out_;
};

struct SeqHole {
  std::string_view reason, subscription;
  std::uint64_t expected = 0, received = 0;
  WallMicros from = 0, to = 0;
};
std::string seq_gap_json(const Speaker& speaker, const SeqHole& hole);

struct QuarantinedFrame {
  std::string_view reason, bytes;
  bool is_text = false;
  std::uint64_t size = 0;
};
std::string quarantine_json(const Speaker& speaker, const QuarantinedFrame& frame, std::string_view secret);

// `text` with each occurrence of the secret replaced: a server may repeat our key to us.
std::string masked(std::string_view text, std::string_view secret);

}  // namespace bridge55::upstream
