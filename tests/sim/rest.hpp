#pragma once
// The part of the vendor's REST that a client needs to be logged in against and to recover from gaps. It
// reads the book that the broadcasts write.

#include "tests/sim/http.hpp"
#include "tests/sim/vendor.hpp"

namespace bridge55::sim {

/// Answers a request by its path: MM's live under /api/v1 and /ws/subscribe, everything else is ABP's, as far
/// as the port serves both.
HttpResponse answer_rest(Vendor& vendor, const HttpRequest& request, bool serves_abp, bool serves_mm);

/// One API's routes behind the key check.
HttpResponse answer_abp(Vendor& vendor, const HttpRequest& request, const KeyEntry& key);
HttpResponse answer_mm(Vendor& vendor, const HttpRequest& request, const KeyEntry& key);

/// Values of a comma-separated parameter, repeats included.
std::vector<std::string> list_parameter(const HttpRequest& request, const std::string& name);
/// A whole number parameter inside bounds, or the fallback.
std::int64_t number_parameter(const HttpRequest& request, const std::string& name, std::int64_t fallback);
HttpResponse not_found(std::string_view what);

}  // namespace bridge55::sim
