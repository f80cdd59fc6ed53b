// A world for the loader that is all values: variables, files and credentials as maps.
#pragma once

#include "config/loader.hpp"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::config::testing {

struct World {
  std::map<std::string, std::string> variables{{"ABP_API_KEY", "abp-key"},
                                               {"MM_API_KEY", "5b1f2c3d-0000-4000-8000-000000000055"},
                                               {"SCRAPING_API_KEY", "scraping-key"},
                                               {"CANARY", "canary-in-the-mine"}};
  std::map<std::string, std::string> files{{"/etc/bridge55/partner.pass", "partner\n"},
                                           {"/etc/bridge55/executor.token", "executor-token\r\n"},
                                           {"/run/creds/key", "from-systemd\n"},
                                           {"/canary", "canary-in-the-mine\n"}};

  Environment environment() const {
    Environment out;
    out.variable = [*this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    out.read_file = [*this](const std::string& path, std::size_t limit) -> Environment::File {
      const auto found = files.find(path);
      if (found == files.end()) return {{}, "No such file or directory"};
      return found->second.size() > limit ? Environment::File{{}, "it is too large"}
                                          : Environment::File{found->second, {}};
    };
    out.credentials_directory = "/run/creds";
    return out;
  }
};

inline Loaded load(std::string_view text, const World& world = {}) {
  return load_text(text, "f.yaml", world.environment());
}

// The least that loads, with more lines after it.
inline std::string working(const std::string& more = {}) {
  return "upstreams:\n  abp:\n    api_key: key\n" + more;
}

inline std::vector<std::string> lines(const std::vector<Error>& errors) {
  std::vector<std::string> out;
  for (const Error& error : errors)
    out.push_back(error.text());
  return out;
}

using Lines = std::vector<std::string>;

inline Lines errors(const std::string& text, const World& world = {}) {
  return lines(load(text, world).errors);
}
inline Lines warnings(const std::string& text) {
  return lines(load(text).warnings);
}

// The one error of a working config with these lines after it; the first of them is line 4.
inline std::string error(const std::string& more) {
  const Lines all = errors(working(more));
  EXPECT_EQ(all.size(), 1U) << more << ::testing::PrintToString(all);
  return all.empty() ? "" : all.front();
}

inline std::string all_lines(const Loaded& loaded) {
  std::string out;
  for (const std::string& line : lines(loaded.errors))
    out += line + "\n";
  for (const std::string& line : lines(loaded.warnings))
    out += line + "\n";
  return out;
}

inline Config loaded(const std::string& text, const World& world = {}) {
  Loaded out = load(text, world);
  EXPECT_TRUE(out.ok()) << all_lines(out);
  return out.config;
}

}  // namespace bridge55::config::testing
