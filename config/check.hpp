// What no single key can tell: names used twice, references to nothing, doors that stand open. Runs over what
// was read.
#pragma once

#include "config/config.hpp"
#include "config/reading.hpp"

namespace bridge55::config {

// Also fills the one default that needs the whole file: a relay's upstream, where there is only one that it
// can be.
void check(Config& config, Reading& reading);

}  // namespace bridge55::config
