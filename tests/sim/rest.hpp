#pragma once
// The vendor's REST: one route function an API, and what they share. It reads and writes the book that the
// broadcasts write.

#include "tests/sim/http.hpp"
#include "tests/sim/rest_faults.hpp"
#include "tests/sim/vendor.hpp"

namespace bridge55::sim {

/// Whose request it is: MM's live under /api/v1 and /ws/subscribe where a port serves both.
Api rest_api(const std::string& path, bool serves_abp, bool serves_mm, bool serves_scraping);

/// A request inside one API: who asks, and what a test wants to go wrong.
struct Call {
  Vendor& vendor;
  const HttpRequest& request;
  const KeyEntry& key;
  const FaultPlan& plan;
  const std::string& client() const { return key.key.client; }
};

/// ABP's or MM's answer: faults, key, limit, route.
HttpResponse answer_rest(Vendor& vendor, Api api, const HttpRequest& request, const FaultPlan& plan);

/// One API's routes behind the key check.
HttpResponse answer_abp(const Call& call);
HttpResponse answer_mm(const Call& call);

/// Looks the key up and takes a place in the limit window; the refusal, if there is one. `entry` is the
/// key's.
std::optional<HttpResponse> refuse(Vendor& vendor, Api api, const HttpRequest& request, KeyEntry*& entry);
/// The key as the request gives it, empty if it does not.
std::string given_key(Api api, const HttpRequest& request);
/// What a standing fault answers instead of the route, if it does.
std::optional<HttpResponse> answer_fault(const Vendor& vendor, const FaultPlan& plan);
/// The 429 of ABP and MM in the current or the later edition.
HttpResponse limited(bool headers, std::size_t limit, std::int64_t wait_seconds);

// The request log and the ledger of placements, in the order in which a request meets them.
void note_arrival(Vendor& vendor, Api api, std::uint64_t connection, HttpRequest& request,
                  const FaultPlan& plan);
void note_body(Vendor& vendor, Api api, const HttpRequest& request);
void note_outcome(Vendor& vendor, const HttpRequest& request, const std::string& outcome);
void note_answer(Vendor& vendor, const HttpRequest& request, const HttpResponse& response,
                 const FaultPlan& plan);

/// Values of a comma-separated parameter, repeats included.
std::vector<std::string> list_parameter(const HttpRequest& request, const std::string& name);
/// A whole number parameter inside bounds, or the fallback.
std::int64_t number_parameter(const HttpRequest& request, const std::string& name, std::int64_t fallback);
HttpResponse not_found(std::string_view what);
HttpResponse method_not_allowed();
/// `{"detail": {"message", "code"}}`
HttpResponse error_object(unsigned status, std::string_view message, std::string_view code);
/// One entry of a 422; `loc` as JSON text.
HttpResponse unprocessable(std::string_view loc, std::string_view msg, std::string_view type);

}  // namespace bridge55::sim
