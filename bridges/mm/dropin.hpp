// MM's event protocol from the server's side: /{upstream}/ws/subscribe.
#pragma once

#include "daemon/dropin/dialect.hpp"

#include <memory>

namespace bridge55::mm {

std::unique_ptr<dropin::Dialect> make_dropin();

}  // namespace bridge55::mm
