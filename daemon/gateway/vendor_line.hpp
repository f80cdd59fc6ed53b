// The desk's line to one upstream: placements and look-ups as errands, answers in one piece. I/O thread only;
// holds the upstream.
#pragma once

#include "daemon/gateway/errand.hpp"
#include "daemon/gateway/line.hpp"

#include <set>

namespace bridge55::gateway {

class VendorLine final : public Line {
 public:
  explicit VendorLine(UpstreamPtr upstream) : upstream_(std::move(upstream)) {}
  net::awaitable<Reply> place(Placing placing) override;
  net::awaitable<Reply> look_up(std::string target, SteadyTime deadline) override;
  // Ends every call.
  void close();
  bool idle() const { return calls_.empty(); }

 private:
  net::awaitable<Reply> perform(Wish wish);

  UpstreamPtr upstream_;
  std::set<Errand*> calls_;
};

}  // namespace bridge55::gateway
