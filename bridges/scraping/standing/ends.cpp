#include "bridges/scraping/standing/ends.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>
#include <cctype>

namespace bridge55::scraping::standing {
namespace {

constexpr std::string_view kNames[] = {"limited", "refused", "agent", "target",   "unreachable",
                                       "lost",    "silent",  "idle",  "protocol", "stopped"};
constexpr std::size_t kMaxWords = 300;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::string_view name_of(Cause cause) {
  return kNames[static_cast<std::size_t>(cause)];
}

bool speaks_of_key(std::string_view words) {
  const std::string text = lower(words);
  return text.find("api key") != text.npos || text.find("apikey") != text.npos;
}

bool speaks_of_access(std::string_view words) {
  const std::string text = lower(words);
  return text.find("access_refused") != text.npos || text.find("access refused") != text.npos;
}

std::string vendor_words(std::string_view body) {
  if (!json::validate_copy(body).empty()) return {};
  std::string_view token = json::find(body, "detail.message");
  if (!json::is_string(token)) token = json::find(body, "detail");
  if (!json::is_string(token)) token = json::find(body, "message");
  return json::is_string(token) ? json::text(token).substr(0, kMaxWords) : std::string{};
}

End end_of_status(unsigned status, std::string_view body) {
  End end;
  end.cause = status == 401 || status == 403  ? Cause::refused
              : status == 429                 ? Cause::limited
              : status >= 400 && status < 500 ? Cause::refused
                                              : Cause::agent;
  end.reason = "the scraping network answered " + std::to_string(status);
  const std::string words = vendor_words(body);
  if (!words.empty()) end.reason += ": " + words;
  return end;
}

}  // namespace bridge55::scraping::standing
