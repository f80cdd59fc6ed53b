// ABP's event protocol from the server's side: /{upstream}/ws.
#pragma once

#include "daemon/dropin/dialect.hpp"

#include <memory>

namespace bridge55::abp {

std::unique_ptr<dropin::Dialect> make_dropin();

}  // namespace bridge55::abp
