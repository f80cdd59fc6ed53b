#pragma once
// A throw-away CA and server certificate for localhost, 127.0.0.1 and ::1, made at start.

#include "tests/sim/options.hpp"

#include <string>

namespace bridge55::sim {

/// All three as PEM.
struct Identity {
  std::string ca;
  std::string certificate;
  std::string key;
};

/// Makes one of the editions that a client must accept (`good`) or refuse. Throws std::runtime_error where
/// OpenSSL fails.
Identity make_identity(Certificate edition);

}  // namespace bridge55::sim
