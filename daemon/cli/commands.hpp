// What each verb does; each returns the process's exit code.
#pragma once

#include "daemon/cli/ask.hpp"

#include <string>

namespace bridge55::cli {

int run_verb(const std::string& config_path);
int check_verb(const std::string& config_path, bool connect);
int init_verb(const std::string& path);
int show_verb(const std::string& config_path);
int schema_verb();

// What a pause or resume is narrowed to; empty: everything.
struct SwitchScope {
  std::string app, upstream;
  bool emergency = false;  // of resume: the vendor's emergency is meant, not a pause
};
int reload_verb(const Daemon& daemon);
int pause_verb(const Daemon& daemon, const SwitchScope& scope);
int resume_verb(const Daemon& daemon, const SwitchScope& scope);

}  // namespace bridge55::cli
