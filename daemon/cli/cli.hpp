// The command line: verbs, options and exit codes of the contract's section 10.
#pragma once

namespace bridge55::cli {

// 0 done, 64 usage, 69 something needed is unavailable, 70 a bug, 77 no permission, 78 bad config.
int run(int argc, char** argv);

}  // namespace bridge55::cli
