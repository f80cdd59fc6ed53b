#include "bridges/scraping/standing/framing.hpp"

#include "daemon/events/json.hpp"

namespace bridge55::scraping::standing {
namespace {

constexpr std::size_t kKeepMemory = 1u << 20;

// Of what `json::validate` can say against a text these two keep it from being a JSON string as well, or from
// being what it claims to be.
bool cannot_be_text(std::string_view fault) {
  return fault.find("UTF-8") != fault.npos || fault.find("deeper") != fault.npos;
}

}  // namespace

std::string_view Framing::text(std::string_view padded, events::Facts& facts) {
  return judge(padded, json::validate(padded), facts);
}

std::string_view Framing::text_copy(std::string_view text, events::Facts& facts) {
  if (padded_.capacity() > kKeepMemory) std::string().swap(padded_);
  padded_.reserve(text.size() + json::kPadding);
  padded_.assign(text);
  padded_.append(json::kPadding, '\0');
  return judge(text, json::validate(std::string_view(padded_).substr(0, text.size())), facts);
}

std::string_view Framing::judge(std::string_view text, std::string_view fault, events::Facts& facts) {
  if (cannot_be_text(fault)) return fault;
  facts.base64 = false;
  facts.raw = text;
  if (fault.empty()) {
    facts.payload = text;
    return {};
  }
  if (payload_.capacity() > kKeepMemory) std::string().swap(payload_);
  payload_.clear();
  json::append_quoted(payload_, text);
  facts.payload = payload_;
  return {};
}

void Framing::binary(std::string_view bytes, events::Facts& facts) {
  payload_ = '"' + json::base64(bytes) + '"';
  facts.base64 = true;
  facts.payload = payload_;
  facts.raw = bytes;
}

}  // namespace bridge55::scraping::standing
