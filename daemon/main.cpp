// bridge55: one binary, the daemon and its command line.
#include "daemon/cli/cli.hpp"

int main(int argc, char** argv) {
  return bridge55::cli::run(argc, argv);
}
