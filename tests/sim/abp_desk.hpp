#pragma once
// The hand that writes ABP's book for REST: each change goes into the book and to the subscribers, as life's
// own do.

#include "tests/sim/rows.hpp"
#include "tests/sim/vendor.hpp"

#include <optional>
#include <string>
#include <vector>

namespace bridge55::sim {

/// What a placement made: the order as it stands, and its bets.
struct Placed {
  AbpOrder order;
  std::vector<AbpBet> bets;
};

/// Processes an accepted order as `placing.fill` says: the book, the ledger and the broadcasts. Each call is
/// one trade.
Placed process_order(Vendor& vendor, AbpOrder order);

/// Changes the status of an order in the book and tells it. Nothing if it is not there.
void change_order(Vendor& vendor, std::int64_t id, const std::string& status, const std::string& reason);

/// Tells one row of a client's.
void tell_abp(Vendor& vendor, const std::string& channel, const std::string& event,
              const std::string& payload, const std::string& client);

/// Whether an order in this state can be cancelled, as the docs' "Cancel specific orders" says.
bool is_cancellable(const std::string& status);

}  // namespace bridge55::sim
