// The daemon, wired in the order that data flows: journal, hub, local door, sinks, upstreams. Owns
// everything; lives on the thread that calls `run`, which is the I/O thread.
#pragma once

#include "config/config.hpp"

#include <memory>
#include <string>

namespace bridge55 {

struct Launch {
  config::Config config;
  std::string config_path;
  std::string config_hash;
};

// Runs until SIGTERM or SIGINT has drained it, or something it needs is gone. Returns the exit code
// (contract, section 10).
int run_daemon(Launch launch);

}  // namespace bridge55
