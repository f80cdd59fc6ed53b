#include "tests/sim/placements.hpp"

#include <algorithm>

namespace bridge55::sim {
namespace {

constexpr std::size_t kRequestsKept = 100'000;

}  // namespace

PlacedOrder& Placements::order(const std::string& client, const std::string& uuid) {
  auto& order = orders_[{client, uuid}];
  order.client = client;
  order.uuid = uuid;
  return order;
}

bool Placements::is_taken(const std::string& client, const std::string& uuid, TimePoint now) const {
  const auto found = orders_.find({client, uuid});
  return found != orders_.end() && found->second.taken && now - found->second.taken_at < window_;
}

void Placements::take(const std::string& client, const std::string& uuid, TimePoint now) {
  auto& known = order(client, uuid);
  known.taken = true;
  known.taken_at = now;
}

PlaceRequest& Placements::add_request(PlaceRequest request) {
  requests_.push_back(std::move(request));
  if (requests_.size() > kRequestsKept) requests_.pop_front();
  return requests_.back();
}

PlaceRequest* Placements::find_request(std::uint64_t n) {
  const auto found = std::find_if(requests_.rbegin(), requests_.rend(),
                                  [n](const PlaceRequest& request) { return request.n == n; });
  return found == requests_.rend() ? nullptr : &*found;
}

}  // namespace bridge55::sim
