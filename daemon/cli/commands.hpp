// What each verb does; each returns the process's exit code.
#pragma once

#include <string>

namespace bridge55::cli {

int run_verb(const std::string& config_path);
int check_verb(const std::string& config_path, bool connect);
int init_verb(const std::string& path);
int show_verb(const std::string& config_path);
int schema_verb();

}  // namespace bridge55::cli
