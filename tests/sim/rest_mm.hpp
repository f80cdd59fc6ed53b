#pragma once
// MM's routes, a file a concern.

#include "tests/sim/rest.hpp"

namespace bridge55::sim {

/// Filters of both editions' names on orders and bets: fixture, order, dates, venue, statuses.
bool passes_mm_filter(const HttpRequest& request, const Row& row);
/// The value under either edition's name.
std::optional<std::string> either(const HttpRequest& request, const std::string& snake,
                                  const std::string& camel);
/// A list bare, as the docs print it, or inside an object with --mm-lists-in-object.
HttpResponse mm_list(const Vendor& vendor, const std::string& rows, std::int64_t total, std::int64_t page);

HttpResponse orders_summary(const Call& call);
HttpResponse bets_summary(const Call& call);
HttpResponse mm_positions(const Call& call);
HttpResponse mm_positions_summary(const Call& call);
HttpResponse mm_pnl(const Call& call);
HttpResponse mm_markets(const Call& call);
HttpResponse mm_players(const Call& call);

HttpResponse cancel_mm_order(const Call& call, const std::string& id);
HttpResponse cancel_all_mm_orders(const Call& call);
HttpResponse trading_status(const Call& call);
/// pause, resume, stop or start.
HttpResponse change_trading(const Call& call, const std::string& verb);

}  // namespace bridge55::sim
