// The inside of the desk. Internal: see desk.hpp. `place` and `story` stand in desk.cpp, following a trade to
// its end in desk_follow.cpp.
#pragma once

#include "daemon/gateway/desk.hpp"
#include "daemon/gateway/desk_look_ups.hpp"
#include "daemon/gateway/desk_trade.hpp"
#include "daemon/gateway/memory.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bridge55::gateway {

// One upstream's side of the desk. It stays when its line goes.
struct Counter {
  Line* line = nullptr;
  const Dialect* dialect = nullptr;
  std::shared_ptr<LookUps> look_ups;
  Memory memory;
  std::vector<events::TradeRecord> dormant;  // open on record: nobody was there to be asked yet
  explicit Counter(std::size_t remembered) : memory(remembered) {}
};

struct Desk::Impl : std::enable_shared_from_this<Desk::Impl> {
  Impl(boost::asio::io_context& context, Records book, Say to_say, DeskOptions wanted)
      : io(context), records(std::move(book)), say(std::move(to_say)), options(wanted), bell(context) {}

  // Positions of a request's orders.
  struct Sorted {
    std::vector<std::size_t> fresh;  // to be sent
    std::vector<std::size_t> seen;   // the app's own from before
    std::optional<local::Refusal> refusal;
  };

  struct RecordRead {
    bool done = false;  // the record has answered
    std::optional<events::TradeRecord> record;
  };
  struct Outcome {
    std::optional<events::TradeRecord> record;
    std::optional<local::Refusal> unsent;  // it ended just now without a byte leaving
    bool followed = false;                 // it is still looked up
  };

  // desk.cpp
  net::awaitable<DeskAnswer> place(DeskRequest request);
  net::awaitable<DeskAnswer> place_read(DeskRequest& request, Placement placement);
  // Nothing, or why these orders cannot be sent.
  net::awaitable<std::optional<local::Refusal>> recall(Counter& counter, const DeskRequest& request,
                                                       std::vector<std::string> uuids);
  Sorted sort(const Counter& counter, const DeskRequest& request, const Placement& placement);
  std::optional<local::Refusal> guard(const DeskRequest& request, const Placement& placement,
                                      const std::vector<std::size_t>& fresh);
  TradePtr open_trade(Counter& counter, const DeskRequest& request, Placement placement);
  net::awaitable<std::optional<local::Refusal>> record_intent(TradePtr trade);
  // Something that a placement needs first did not come before its time.
  local::Refusal not_in_time(SteadyTime deadline, std::string message) const;
  net::awaitable<void> wait_for(TradePtr trade, SteadyTime deadline, std::function<bool()> gone,
                                bool to_the_end);
  net::awaitable<DeskAnswer> repeat(const DeskRequest& request, const Placement& placement,
                                    const std::vector<std::uint64_t>& ids, TradePtr fresh);
  net::awaitable<Outcome> outcome(std::uint64_t id, std::string uuid, const DeskRequest& request);
  net::awaitable<RecordRead> read_record(std::string uuid, SteadyTime deadline = SteadyTime::max());
  net::awaitable<Story> story(std::string uuid, std::string app, bool admin);
  TradePtr find_live(const std::string& uuid, const std::string& app, bool admin) const;
  void refuse(const DeskRequest& request, const std::vector<std::string>& uuids, const std::string& body,
              const local::Refusal& refusal);

  // desk_follow.cpp
  void follow(const TradePtr& trade);
  net::awaitable<void> run(TradePtr trade);
  net::awaitable<void> send(TradePtr trade, Settlement::Step step);
  bool same_account(const Trade& trade) const;
  net::awaitable<Reply> ask_line(TradePtr trade, Placing placing);
  void sent(Trade& trade, const std::vector<std::string>& uuids, const std::string& body);
  void take(Trade& trade, Reply reply);
  net::awaitable<void> look_up(TradePtr trade, std::vector<std::size_t> which);
  void answer(Trade& trade);
  void finish(Trade& trade);
  void end_unsent(Trade& trade, const local::Refusal& refusal);
  void remember(const Trade& trade);
  void resume(events::TradeRecord record);
  void tell(Trade& trade, std::string_view event, const std::string& members);

  boost::asio::io_context& io;
  Records records;
  Say say;
  DeskOptions options;
  std::map<std::string, Counter> counters;           // by upstream; never removed
  std::unordered_map<std::uint64_t, TradePtr> live;  // until their end
  std::map<std::string, OrdersPerMinute> minutes;    // by a guard's owner
  std::uint64_t last_trade = 0;
  std::shared_ptr<std::size_t> undurable = std::make_shared<std::size_t>(0);  // intents not on disk yet
  Bell bell;                                                                  // rung at the stop
  bool stopped = false;
};

}  // namespace bridge55::gateway
