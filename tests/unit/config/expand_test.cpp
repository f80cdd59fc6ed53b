#include "config/expand.hpp"

#include "tests/unit/config/fake.hpp"

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::World;

std::string text_of(std::string_view text, const World& world = {}) {
  const Expanded out = expand(text, world.environment());
  EXPECT_EQ(out.error, "");
  return out.text;
}

std::string error_of(std::string_view text, const World& world = {}) {
  return expand(text, world.environment()).error;
}

TEST(Expansion, VariablesAnywhereInAString) {
  EXPECT_EQ(text_of("${ABP_API_KEY}"), "abp-key");
  EXPECT_EQ(text_of("a-${ABP_API_KEY}-${ABP_API_KEY}"), "a-abp-key-abp-key");
  EXPECT_EQ(text_of("nothing"), "nothing");
}

TEST(Expansion, DefaultForUnsetAndForEmpty) {
  World world;
  world.variables["EMPTY"] = "";
  EXPECT_EQ(text_of("${NONE:-5580}"), "5580");
  EXPECT_EQ(text_of("${EMPTY:-x}", world), "x");
  EXPECT_EQ(text_of("${NONE:-}"), "");
  EXPECT_EQ(text_of("${NONE:-a:-b}"), "a:-b");
  EXPECT_EQ(text_of("${EMPTY}", world), "");
  EXPECT_EQ(text_of("${ABP_API_KEY:-x}"), "abp-key");
}

TEST(Expansion, FilesAndCredentialsLoseTheirTrailingNewline) {
  EXPECT_EQ(text_of("${file:/etc/bridge55/partner.pass}"), "partner");
  EXPECT_EQ(text_of("${file:/etc/bridge55/executor.token}"), "executor-token");
  EXPECT_EQ(text_of("${credential:key}"), "from-systemd");
}

TEST(Expansion, TwoDollarsBeforeABraceWriteItLiterally) {
  EXPECT_EQ(text_of("$${NAME}"), "${NAME}");
  EXPECT_EQ(text_of("$$ $NAME $"), "$$ $NAME $");
}

TEST(Expansion, WhatComesInIsNotExpandedAgain) {
  World world;
  world.variables["OUTER"] = "${ABP_API_KEY}";
  EXPECT_EQ(text_of("${OUTER}", world), "${ABP_API_KEY}");
}

TEST(Expansion, TellsWhatIsFromOutside) {
  EXPECT_TRUE(expand("${ABP_API_KEY}", World{}.environment()).from_outside);
  EXPECT_FALSE(expand("$${ABP_API_KEY}", World{}.environment()).from_outside);
}

TEST(Expansion, ErrorsNameTheVariableOrPath) {
  const std::string forms =
      "; expected ${NAME}, ${NAME:-default}, ${file:/path} or ${credential:name} ($${ writes a literal ${)";
  EXPECT_EQ(error_of("${NONE}"),
            "environment variable NONE is not set; expected it in the environment, or ${NONE:-default}");
  EXPECT_EQ(error_of("${file:/none}"),
            "file /none cannot be read (No such file or directory); expected a readable file");
  EXPECT_EQ(error_of("${file:relative}"), "names a file by a relative path; expected ${file:/path}");
  EXPECT_EQ(error_of("${credential:none}"),
            "credential none cannot be read (No such file or directory); expected a readable file");
  EXPECT_EQ(error_of("${credential:../key}"),
            "names no credential; expected ${credential:name} with a plain file name");
  EXPECT_EQ(error_of("${open"), "holds a `${` that is never closed" + forms);
  EXPECT_EQ(error_of("${}"), "holds a `${…}` that names nothing" + forms);
  EXPECT_EQ(error_of("${1A}"), "holds a `${…}` that names nothing" + forms);
  EXPECT_EQ(error_of("${A-B}"), "holds a `${…}` that names nothing" + forms);
  EXPECT_EQ(error_of("${A:-${B}}"), "holds a `${` inside another" + forms);
}

TEST(Expansion, CredentialsWithoutSystemd) {
  Environment environment = World{}.environment();
  environment.credentials_directory.clear();
  EXPECT_EQ(
      expand("${credential:key}", environment).error,
      "credential key is not there (CREDENTIALS_DIRECTORY is not set); expected LoadCredential= of systemd");
}

TEST(Expansion, RefusesWhatIsNoText) {
  World world;
  world.files["/bin"] = std::string("a\0b", 3);
  world.files["/latin"] = "\xE4";
  world.files["/big"] = std::string(max_expansion + 1, 'x');
  EXPECT_EQ(error_of("${file:/bin}", world), "file /bin holds a NUL byte; expected text");
  EXPECT_EQ(error_of("${file:/latin}", world), "file /latin is not UTF-8; expected text");
  EXPECT_EQ(error_of("${file:/big}", world),
            "file /big cannot be read (it is too large); expected a readable file");
}

TEST(Expansion, IsBounded) {
  World world;
  world.files["/64k"] = std::string(max_expansion, 'x');
  std::string text;
  for (int i = 0; i < 1000; ++i)
    text += "${file:/64k}";
  EXPECT_EQ(error_of(text, world), "expands to more than 1 MiB; expected less");
}

}  // namespace
}  // namespace bridge55::config
