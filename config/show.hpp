// The config in force, for people: YAML with every default filled in and every secret as `***` (`bridge55
// config show`). With the secrets put back it loads again to an equal Config.
#pragma once

#include "config/config.hpp"

#include <string>

namespace bridge55::config {

std::string show(const Config& config);

}  // namespace bridge55::config
