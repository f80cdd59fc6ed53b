// GET /: a small page for people, in one piece with its script and style; no outside asset, which its
// Content-Security-Policy enforces.
#pragma once

#include "daemon/local/answer.hpp"

namespace bridge55::local {

Answer front_page();

}  // namespace bridge55::local
