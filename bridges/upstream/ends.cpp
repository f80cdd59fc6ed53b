#include "bridges/upstream/ends.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace bridge55::upstream {
namespace {

struct Words {
  std::string_view part;  // lower case
  Cause cause;
};

constexpr Words kWords[] = {
    {"connection limit", Cause::connection_limit},
    {"too many connections", Cause::connection_limit},
    {"invalid api key", Cause::refused_key},
    {"invalid api_key", Cause::refused_key},
    {"invalid apikey", Cause::refused_key},
    {"invalid key", Cause::refused_key},
    {"api key", Cause::refused_key},
    {"api_key", Cause::refused_key},
    {"apikey", Cause::refused_key},
    {"unauthorized", Cause::refused_key},
    {"unauthorised", Cause::refused_key},
    {"authentication", Cause::refused_key},
    {"not authenticated", Cause::refused_key},
    {"forbidden", Cause::refused_key},
    {"access denied", Cause::refused_key},
    {"permission denied", Cause::refused_key},
};

constexpr std::string_view kNames[] = {
    "connect",        "tls",   "upgrade", "login",    "refused_key", "connection_limit", "error", "closed",
    "server_restart", "reset", "silent",  "protocol", "stall",       "stopped"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Codes of the private range that mirror HTTP's 401 and 403, as servers of this kind use them.
bool refuses(std::uint16_t code) {
  return code == 4001 || code == 4003 || code == 4401 || code == 4403;
}

}  // namespace

std::string_view name_of(Cause cause) {
  return kNames[static_cast<std::size_t>(cause)];
}

Cause cause_of_words(std::string_view message, Cause otherwise) {
  const std::string text = lower(message);
  // `Authentication timeout` says nothing against the key.
  if (text.find("timeout") != text.npos || text.find("timed out") != text.npos) {
    return otherwise == Cause::refused_key ? Cause::login : otherwise;
  }
  for (const Words& words : kWords) {
    if (text.find(words.part) != text.npos) return words.cause;
  }
  return otherwise;
}

End end_of_close(const CloseFacts& facts) {
  End end;
  end.close_code = facts.code;
  end.reason = facts.code == 1005 ? "closed without a code" : "closed with " + std::to_string(facts.code);
  if (!facts.reason.empty()) end.reason.append(" ").append(facts.reason);
  if (!facts.last_error.empty() && facts.last_error != facts.reason)
    end.reason.append(" after: ").append(facts.last_error);
  if (facts.code == 1012) {
    end.cause = Cause::server_restart;
    return end;
  }
  // 1008 before the login's answer is how the vendor ends a refused one.
  const bool refusal = refuses(facts.code) || (facts.code == 1008 && !facts.logged_in);
  const Cause otherwise = refusal ? Cause::refused_key : facts.logged_in ? Cause::closed : Cause::login;
  end.cause = facts.code == 1008 || facts.code >= 3000 || !facts.logged_in
                  ? cause_of_words(end.reason, otherwise)
                  : otherwise;
  return end;
}

End end_of_upgrade(unsigned status, std::string_view retry_after, std::string_view body) {
  End end;
  end.reason = "the upgrade was answered with " + std::to_string(status);
  end.cause = status == 401 || status == 403 ? Cause::refused_key : Cause::upgrade;
  if (status == 401 || status == 403 || status == 429) end.cause = cause_of_words(body, end.cause);
  unsigned seconds = 0;
  const auto [last, error] =
      std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  if (error == std::errc{} && last == retry_after.data() + retry_after.size()) {
    end.retry_after = std::chrono::seconds(std::min(seconds, 60u));
  }
  return end;
}

}  // namespace bridge55::upstream
