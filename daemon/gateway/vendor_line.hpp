// The desk's line to one upstream: placements and look-ups as errands, answers in one piece. I/O thread only;
// holds the upstream.
#pragma once

#include "daemon/gateway/errand.hpp"
#include "daemon/gateway/line.hpp"

#include <memory>
#include <set>

namespace bridge55::gateway {

class VendorLine final : public Line {
 public:
  explicit VendorLine(UpstreamPtr upstream) : upstream_(std::move(upstream)) {}
  net::awaitable<Reply> place(Placing placing) override;
  net::awaitable<Reply> look_up(std::string target, SteadyTime deadline) override;
  std::string account() const override;
  // Ends every call.
  void close();
  bool idle() const { return calls_->empty(); }

 private:
  using Calls = std::set<Errand*>;

  net::awaitable<Reply> perform(Wish wish, std::shared_ptr<TakeBack> take_back);

  UpstreamPtr upstream_;
  // Shared with the calls: what the io_context destroys at its own end may be older than this line.
  std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();
};

}  // namespace bridge55::gateway
