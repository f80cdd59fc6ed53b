// From the text of bridge55.yaml to a checked Config. Everything that is wrong with a file is found in one
// pass and told as one line each; nothing here logs, exits or throws for what an operator wrote. No state and
// no thread: callable from anywhere.
#pragma once

#include "config/config.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::config {

// One thing wrong at one place. Lines and columns count from 1, columns in characters. Never holds a secret's
// value.
struct Error {
  std::string file;
  int line = 1;
  int column = 1;
  std::string key_path;  // `upstreams.abp.api_key`, `routes[0].to[1]`; `document` for the YAML itself, `file`
                         // for the reading of it
  std::string message;   // `what is wrong; expected what was expected`
  std::string text() const;  // `file:line:column: key_path: message`
};

// The outside that a config may refer to, as functions so that tests need none of it.
struct Environment {
  struct File {
    std::string text;
    std::string error;  // why it cannot be read; empty where it was
  };
  std::function<std::optional<std::string>(const std::string& name)> variable;
  // Reads at most `limit` bytes; a longer file is an error.
  std::function<File(const std::string& path, std::size_t limit)> read_file;
  std::string credentials_directory;  // systemd's $CREDENTIALS_DIRECTORY; empty where there is none

  static Environment of_process();
};

struct Loaded {
  Config config;                // meaningful only where `errors` is empty
  std::vector<Error> errors;    // in the order of the file
  std::vector<Error> warnings;  // legal, but probably not what was meant
  std::string
      canonical_hash;  // 16 hex digits over the config in force, secrets left out; equal for equal settings
  bool ok() const { return errors.empty(); }
};

// A config file may be 1 MiB, a file or credential that it refers to 64 KiB.
Loaded load_file(const std::string& path, const Environment& environment);
Loaded load_text(std::string_view text, const std::string& file_name, const Environment& environment);

// Every secret text that a config holds (keys, tokens, passwords, whole URLs with a password): for log::hide.
std::vector<std::string> secrets(const Config& config);

}  // namespace bridge55::config
