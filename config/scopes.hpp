// The scopes of the contract's section 9 by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bridge55::config {

// The bits that a scope's name grants (`trade` includes `cancel`), 0 for a name that is none.
unsigned scope_bit(std::string_view name);
// The names that grant exactly these bits.
std::vector<std::string> scope_names(unsigned bits);

}  // namespace bridge55::config
