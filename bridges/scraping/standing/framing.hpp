// What a relay's frame becomes as an event (contract, section 3): text that is valid JSON is embedded byte
// for byte, other text is a JSON string, binary is base64. Pure; keeps buffers that are used again.
#pragma once

#include "daemon/events/event.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace bridge55::scraping::standing {

// Larger frames, records and pages are quarantined.
inline constexpr std::size_t kMaxFrame = 16u << 20;

class Framing {
 public:
  // Fill payload, raw and encoding of `facts`, valid until the next call. Empty, or why the text cannot be an
  // event. `padded`: json::kPadding bytes can be read behind it.
  std::string_view text(std::string_view padded, events::Facts& facts);
  std::string_view text_copy(std::string_view text, events::Facts& facts);
  void binary(std::string_view bytes, events::Facts& facts);

 private:
  std::string_view judge(std::string_view text, std::string_view fault, events::Facts& facts);

  std::string payload_, padded_;
};

}  // namespace bridge55::scraping::standing
