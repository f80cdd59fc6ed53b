// Why a request is not served, in the vendor's error shape: `{"detail": {"message", "code"}}` (contract,
// section 6).
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bridge55::local {

struct Refusal {
  unsigned status = 400;
  std::string code = "BAD_REQUEST";  // one of the contract's codes
  std::string message;               // for people: what is wrong and how to mend it; never a secret
  std::vector<std::pair<std::string, std::string>> headers;  // such as Allow
  std::vector<std::pair<std::string, std::string>> detail;   // further members of `detail`, as strings
  std::vector<std::pair<std::string, std::string>> detail_json = {};  // the same, as JSON values
  std::string sent = "no";  // X-Bridge-Sent: whether a byte may have reached upstream: no, maybe, yes
};

inline Refusal bad_request(std::string message) {
  return Refusal{400, "BAD_REQUEST", std::move(message), {}, {}};
}

}  // namespace bridge55::local
