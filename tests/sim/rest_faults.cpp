#include "tests/sim/rest_faults.hpp"

#include "tests/sim/http.hpp"

#include <algorithm>
#include <map>

namespace bridge55::sim {
namespace {

bool fits(const RestFault& fault, const HttpRequest& request, bool again, TimePoint now) {
  if (now >= fault.until || fault.uses == 0) return false;
  if (!fault.method.empty() && fault.method != request.method) return false;
  if (!request.path.starts_with(fault.path)) return false;
  return again || fault.name != "close_idle";
}

bool lucky(RestFault& fault) {
  if (fault.probability >= 1) return true;
  const double share = static_cast<double>(fault.random() - std::minstd_rand::min()) /
                       static_cast<double>(std::minstd_rand::max() - std::minstd_rand::min());
  return share < fault.probability;
}

std::optional<RestFault>& place_of(FaultPlan& plan, Aspect aspect) {
  return aspect == Aspect::time ? plan.time : aspect == Aspect::answer ? plan.answer : plan.wire;
}

}  // namespace

void RestFaults::add(RestFault fault) {
  if (fault.is_unlimited()) {
    std::erase_if(faults_, [&fault](const RestFault& other) {
      return other.is_unlimited() && other.name == fault.name && other.path == fault.path &&
             other.method == fault.method;
    });
  }
  faults_.push_back(std::move(fault));
}

FaultPlan RestFaults::strike(const HttpRequest& request, bool again, TimePoint now) {
  FaultPlan plan;
  for (auto& fault : faults_) {
    auto& place = place_of(plan, fault.aspect);
    if (place || !fits(fault, request, again, now) || !lucky(fault)) continue;
    --fault.uses;
    place = fault;
  }
  std::erase_if(faults_, [now](const RestFault& fault) { return fault.uses == 0 || now >= fault.until; });
  return plan;
}

std::optional<Aspect> aspect_of(const std::string& name) {
  static const std::map<std::string, Aspect> aspects{{"slow", Aspect::time},
                                                     {"rest", Aspect::answer},
                                                     {"limit", Aspect::answer},
                                                     {"redirect", Aspect::answer},
                                                     {"duplicate_placement", Aspect::answer},
                                                     {"late", Aspect::answer},
                                                     {"partial_cancel", Aspect::answer},
                                                     {"lost_before", Aspect::wire},
                                                     {"lost_after", Aspect::wire},
                                                     {"reset_on_head", Aspect::wire},
                                                     {"close_idle", Aspect::wire},
                                                     {"hang", Aspect::wire},
                                                     {"cut_answer", Aspect::wire},
                                                     {"slow_body", Aspect::wire},
                                                     {"wrong_length", Aspect::wire},
                                                     {"endless_headers", Aspect::wire},
                                                     {"big_header", Aspect::wire},
                                                     {"big_trailers", Aspect::wire},
                                                     {"chunked", Aspect::wire},
                                                     {"chunk_extensions", Aspect::wire},
                                                     {"interim", Aspect::wire},
                                                     {"until_close", Aspect::wire},
                                                     {"http10", Aspect::wire},
                                                     {"garbage", Aspect::wire}};
  const auto found = aspects.find(name);
  if (found == aspects.end()) return std::nullopt;
  return found->second;
}

}  // namespace bridge55::sim
