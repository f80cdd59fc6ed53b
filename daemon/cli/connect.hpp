// `bridge55 check --connect`: whether each upstream can be reached (name, port, TLS) and each broker logged
// in to. Upstreams are not, so that a check never takes one of the vendor's five connections.
#pragma once

#include "config/config.hpp"

#include <string>
#include <vector>

namespace bridge55::cli {

struct Reached {
  std::string name;  // `abp wss://v2.55-tech.com/ws`, without any password
  bool ok = false;
  std::string trouble;  // why not, in words
};

std::vector<Reached> try_connections(const config::Config& config);

}  // namespace bridge55::cli
