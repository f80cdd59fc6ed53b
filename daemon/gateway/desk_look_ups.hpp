// Asking one upstream which orders it has (vendor docs: API reference, "Get orders"). Questions that come
// while others are under way are asked together, so that a hundred open trades cost a few requests.
// Internal to the desk; I/O thread only.
#pragma once

#include "daemon/gateway/desk_bell.hpp"
#include "daemon/gateway/line.hpp"
#include "daemon/gateway/placement.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace bridge55::gateway {

struct LookedUp {
  std::vector<Entry> rows;
  bool whole = false;  // every page was read: what is not among the rows is unknown to upstream
};

class LookUps : public std::enable_shared_from_this<LookUps> {
 public:
  LookUps(boost::asio::io_context& io, const Dialect& dialect, std::chrono::milliseconds within)
      : io_(io), dialect_(dialect), within_(within) {}
  void set_line(Line* line) { line_ = line; }  // null: nobody can be asked at the moment
  void stop();

  // The question is put to upstream after the call, never answered from before. `uuids` in the spelling that
  // upstream was given.
  net::awaitable<LookedUp> find(std::vector<std::string> uuids, SteadyTime deadline);

 private:
  struct Question {
    explicit Question(boost::asio::io_context& io) : bell(io) {}
    std::vector<std::string> uuids;
    LookedUp answer;
    bool done = false;
    Bell bell;
  };
  using Questions = std::vector<std::shared_ptr<Question>>;
  static constexpr unsigned kAtOnce = 4;
  static constexpr unsigned kMaxPages = 200;

  net::awaitable<void> pump();
  Questions take();
  net::awaitable<LookedUp> ask(std::vector<std::string> uuids);
  net::awaitable<Reply> get(std::string target, SteadyTime deadline);

  boost::asio::io_context& io_;
  const Dialect& dialect_;
  std::chrono::milliseconds within_;
  Line* line_ = nullptr;
  std::deque<std::shared_ptr<Question>> waiting_;
  unsigned under_way_ = 0;
  bool stopped_ = false;
};

}  // namespace bridge55::gateway
