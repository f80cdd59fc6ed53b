// One request to the running daemon, for the verbs that talk to it.
#pragma once

#include <string>

namespace bridge55::cli {

struct Daemon {
  std::string socket;       // a UNIX socket's path; empty: the config's own listeners decide
  std::string config_path;  // where they are found
};

// POSTs the JSON body and prints what came back; the exit code: 0 done, 69 no daemon there, 77 not allowed,
// 78 refused config, 64 another refusal.
int post(const Daemon& daemon, const std::string& path, const std::string& body);

}  // namespace bridge55::cli
