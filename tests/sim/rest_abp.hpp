#pragma once
// ABP's routes, a file a concern.

#include "tests/sim/rest.hpp"

namespace bridge55::sim {

HttpResponse place_orders(const Call& call);
HttpResponse cancel_orders(const Call& call);
HttpResponse cancel_all_orders(const Call& call);

HttpResponse list_accounts(const Call& call);
/// GET, POST, PATCH and DELETE of accounts; `name` is `bookmaker/username`, empty for a POST.
HttpResponse answer_account(const Call& call, const std::string& name);

HttpResponse get_positions(const Call& call);
HttpResponse get_pnl(const Call& call);

}  // namespace bridge55::sim
