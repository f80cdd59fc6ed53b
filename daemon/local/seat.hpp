// The place among the door's connections of a socket that a handler took over: it counts towards
// http.max_connections and holds up a drain until it is given back, and it is told when its app may not have
// it any more. I/O thread only.
#pragma once

#include "daemon/local/app.hpp"

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace bridge55::local {

struct Context;

class Seat {
 public:
  // `scopes`: any of which the app needs to keep it.
  Seat(std::shared_ptr<Context> context, App app, unsigned scopes);
  ~Seat();
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  // Called once where a reload takes the app's right away, from here on.
  void on_revoked(std::function<void()> then) { revoked_ = std::move(then); }
  bool is_revoked() const { return is_revoked_; }
  // The app became known after the socket was taken.
  void belongs_to(App app, unsigned scopes);

  const App& app() const { return app_; }
  unsigned scopes() const { return scopes_; }
  void revoke();

 private:
  const std::shared_ptr<Context> context_;
  App app_;
  unsigned scopes_;
  bool is_revoked_ = false;
  std::function<void()> revoked_;
};

// All that are taken.
class Seats {
 public:
  void add(Seat& seat) { all_.push_back(&seat); }
  void remove(Seat& seat) { std::erase(all_, &seat); }
  std::size_t size() const { return all_.size(); }
  const std::vector<Seat*>& all() const { return all_; }

 private:
  std::vector<Seat*> all_;
};

}  // namespace bridge55::local
