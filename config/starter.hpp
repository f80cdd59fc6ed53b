// The commented config that `bridge55 init` writes: config/bridge55.yaml, embedded when the library is built.
#pragma once

#include <string_view>

namespace bridge55::config {

std::string_view starter_config();

}  // namespace bridge55::config
