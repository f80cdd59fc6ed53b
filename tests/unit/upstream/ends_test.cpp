#include "bridges/upstream/ends.hpp"

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using upstream::Cause;
using upstream::cause_of_words;
using upstream::end_of_close;
using upstream::end_of_upgrade;

TEST(Ends, TheVendorsRefusalsAreKnownInEveryEdition) {
  for (const char* text : {"Invalid API key", "api_key required", "apiKey required", "Invalid api_key format",
                           "Invalid apiKey format", "Missing API key", "API key has expired",
                           "API key is inactive", "Unauthorized"}) {
    EXPECT_EQ(cause_of_words(text, Cause::error), Cause::refused_key) << text;
  }
  EXPECT_EQ(cause_of_words("Connection limit exceeded", Cause::error), Cause::connection_limit);
  EXPECT_EQ(cause_of_words("Internal error", Cause::error), Cause::error);
  EXPECT_EQ(cause_of_words("Authentication timeout", Cause::login), Cause::login);
}

struct CloseCase {
  std::uint16_t code;
  const char* reason;
  bool logged_in;
  Cause cause;
};

TEST(Ends, EachCloseCodeHasItsPolicy) {
  const CloseCase cases[] = {
      {1000, "", true, Cause::closed},
      {1001, "", true, Cause::closed},
      {1005, "", true, Cause::closed},
      {1011, "oops", true, Cause::closed},
      {1012, "", true, Cause::server_restart},
      {1013, "", true, Cause::closed},
      {1008, "Pong timeout", true, Cause::closed},
      {1008, "Invalid API key", true, Cause::refused_key},
      {1008, "", false, Cause::refused_key},
      {1008, "Connection limit exceeded", false, Cause::connection_limit},
      {1008, "Login timeout", false, Cause::login},
      {1011, "", false, Cause::login},
      {4401, "", true, Cause::refused_key},
      {4001, "", false, Cause::refused_key},
      {4000, "", true, Cause::closed},
      {4008, "Connection limit", true, Cause::connection_limit},
  };
  for (const CloseCase& one : cases) {
    EXPECT_EQ(end_of_close({one.code, one.reason, "", one.logged_in}).cause, one.cause)
        << one.code << " " << one.reason;
  }
  EXPECT_EQ(end_of_close({1008, "", "Invalid API key", true}).cause, Cause::refused_key);
}

TEST(Ends, AnUpgradeThatIsAnsweredOtherwiseKeepsItsRetryAfter) {
  EXPECT_EQ(end_of_upgrade(401, "", "").cause, Cause::refused_key);
  EXPECT_EQ(end_of_upgrade(403, "", R"({"detail":"Connection limit exceeded"})").cause,
            Cause::connection_limit);
  EXPECT_EQ(end_of_upgrade(503, "3", "").cause, Cause::upgrade);
  EXPECT_EQ(end_of_upgrade(503, "3", "").retry_after, std::chrono::seconds(3));
  EXPECT_EQ(end_of_upgrade(429, "9999", "").retry_after, std::chrono::seconds(60));
  EXPECT_EQ(end_of_upgrade(429, "Wed, 21 Oct 2026 07:28:00 GMT", "").retry_after, std::chrono::seconds(0));
}

}  // namespace
}  // namespace bridge55
