// A socket that is attached to a standing relay: it gets the relay's frames as they came, from now on, and
// what it sends goes into the relay.
#pragma once

#include "bridges/scraping/standing/ledger.hpp"
#include "daemon/local/tongue.hpp"

#include <memory>
#include <string>

namespace bridge55::scraping::standing {

class Standing;

// `standing` holds null once that is gone.
std::unique_ptr<local::Tongue> attach(std::shared_ptr<Standing*> standing, std::string name,
                                      std::shared_ptr<Open> open);

}  // namespace bridge55::scraping::standing
