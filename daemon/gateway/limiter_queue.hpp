// Those who wait for a place: by rank, round-robin over the apps of a rank, first come first served inside an
// app, and by deadline. Internal to the limiter. Pure; every call is O(log waiting).
#pragma once

#include "daemon/gateway/limiter.hpp"

#include <array>
#include <cstddef>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bridge55::gateway {

class LimiterQueue {
 public:
  using Ticket = Limiter::Ticket;

  void push(Ticket ticket, Rank rank, std::string_view app, SteadyTime until) {
    Line& line = lines_[static_cast<std::size_t>(rank)];
    auto found = line.by_name.find(app);
    if (found == line.by_name.end()) {
      line.apps.push_back({std::string(app), {}});
      found = line.by_name.emplace(line.apps.back().name, std::prev(line.apps.end())).first;
    }
    std::list<Ticket>& tickets = found->second->tickets;
    tickets.push_back(ticket);
    index_.emplace(ticket, Place{rank, found->second, std::prev(tickets.end()), until});
    deadlines_.emplace(until, ticket);
    ++line.waiting;
  }

  bool remove(Ticket ticket) {
    const auto found = index_.find(ticket);
    if (found == index_.end()) return false;
    const Place& place = found->second;
    Line& line = lines_[static_cast<std::size_t>(place.rank)];
    deadlines_.erase({place.until, ticket});
    place.app->tickets.erase(place.at);
    if (place.app->tickets.empty()) {
      line.by_name.erase(place.app->name);
      line.apps.erase(place.app);
    }
    --line.waiting;
    index_.erase(found);
    return true;
  }

  // The next of a rank in which somebody waits; its app goes to the end of the round.
  Ticket pop(Rank rank) {
    Line& line = lines_[static_cast<std::size_t>(rank)];
    const Ticket ticket = line.apps.front().tickets.front();
    line.apps.splice(line.apps.end(), line.apps, line.apps.begin());
    remove(ticket);
    return ticket;
  }

  // Appends those who wait no longer than until `now`.
  void expire(SteadyTime now, std::vector<Ticket>& expired) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      expired.push_back(deadlines_.begin()->second);
      remove(expired.back());
    }
  }

  std::size_t waiting(Rank rank) const { return lines_[static_cast<std::size_t>(rank)].waiting; }
  bool shared_waiting() const {
    return waiting(Rank::placement) + waiting(Rank::write) + waiting(Rank::read) > 0;
  }
  bool empty() const { return index_.empty(); }
  SteadyTime first_deadline() const { return deadlines_.begin()->first; }  // not when empty

 private:
  struct App {
    std::string name;
    std::list<Ticket> tickets;
  };
  struct Line {
    std::list<App> apps;  // whose turn it is in front
    std::unordered_map<std::string_view, std::list<App>::iterator> by_name;
    std::size_t waiting = 0;
  };
  struct Place {
    Rank rank;
    std::list<App>::iterator app;
    std::list<Ticket>::iterator at;
    SteadyTime until;
  };

  std::array<Line, kRanks> lines_;
  std::unordered_map<Ticket, Place> index_;
  std::set<std::pair<SteadyTime, Ticket>> deadlines_;
};

}  // namespace bridge55::gateway
