// Shared by the files of checks across keys.
#pragma once

#include "config/config.hpp"
#include "config/reading.hpp"

#include <string>
#include <string_view>

namespace bridge55::config {

// Reports at a path: at its value, or at the nearest thing above it where it is absent. A path that already
// has an error is left alone: what follows from one mistake is not a second one.
class Checker {
 public:
  explicit Checker(Reading& reading) : reading_(reading) {}

  bool full() const { return reading_.full(); }  // no further error would be told
  bool given(const std::string& path) const { return reading_.given(path); }
  void at_value(const std::string& path, std::string message);
  void at_key(const std::string& path, std::string message);
  void missing(const std::string& path, std::string message);  // the key is absent: its parent's place
  void warn(const std::string& path, std::string message);
  // A value in backticks with a space after it, or nothing where it may be a secret.
  std::string quoted(const std::string& path, std::string_view value) const;

 private:
  Position key_of(const std::string& path) const;
  Reading& reading_;
};

void check_names(const Config& config, Checker& checker);
void check_listeners(const Config& config, Checker& checker);
void check_upstreams(const Config& config, Checker& checker);
void check_relays(Config& config, Checker& checker);
void check_sinks(const Config& config, Checker& checker);
void check_routes(const Config& config, Checker& checker);
void check_clients(const Config& config, Checker& checker);

}  // namespace bridge55::config
