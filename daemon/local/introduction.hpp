// How an app came, kept for the time when it signs in with a message.
#pragma once

#include "daemon/local/auth.hpp"
#include "daemon/local/http_head.hpp"

namespace bridge55::local {

struct Introduction {
  Peer peer;
  Head head;
};

}  // namespace bridge55::local
