// The desk where trades are done: each placement is on record before it leaves, happens at most once, and is
// followed until the fate of every order is known (contract, section 6, "A trade happens once", "Every trade
// is on record"). One a daemon; I/O thread only. Its waits are timers of the given io_context.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/events/trade_record.hpp"
#include "daemon/gateway/guard_rails.hpp"
#include "daemon/gateway/line.hpp"
#include "daemon/gateway/placement.hpp"
#include "daemon/gateway/settlement.hpp"
#include "daemon/local/refusal.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::gateway {

// The durable record, as events::Journal offers it (`store_trade`, `read_trade`).
struct Records {
  std::function<void(events::TradeRecord, std::function<void()> durable)> store;
  std::function<void(std::string uuid, std::function<void(std::optional<events::TradeRecord>)> then)> read;
};

struct DeskRequest {
  std::string upstream, app, request_id;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // the app's own that go upstream
  SteadyTime deadline;                                       // of the app's wait
  std::chrono::milliseconds max_wait{500};                   // in the queue
  std::function<bool()> gone;  // the app does not wait any more; empty: it always does
  // Why no placement may leave now: asked before anything is on record, to spare the disk. The line has the
  // last word. Empty: nothing stops it.
  std::function<std::optional<local::Refusal>()> stopped = {};
  std::vector<Guard> guards;  // upstream's and the app's; each owner's minute is counted on its own
  std::string method = "POST", target = "/place-orders";
};

struct DeskAnswer {
  // An error of our own: to be rendered, its `sent` and headers (Retry-After, X-Bridge-Settled) included.
  std::optional<local::Refusal> refusal;
  // Else upstream's answer, byte for byte, or one in its shape.
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  unsigned attempts = 0;  // placements of this request that may have reached upstream
  std::chrono::microseconds queued{0}, upstream{0};
};

struct DeskOptions {
  std::chrono::milliseconds intent_within{250};  // or no trade
  std::chrono::milliseconds look_up_within{5000};
  SettlementTiming settlement;
  std::size_t memory = 1u << 18;  // orders; what does not fit is asked of the record
};

// What is on record of one order; `asked` false: the record could not be read.
struct Story {
  bool asked = true;
  std::optional<std::string> json;
};

class Desk {
 public:
  // `say` tells a `bridge`/`trade` event (name, payload).
  using Say = std::function<void(std::string_view event, std::string_view payload)>;
  Desk(boost::asio::io_context& io, Records records, Say say, DeskOptions options = {});
  ~Desk();
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  // The line must outlive `detach` and every call under way; the dialect the desk.
  void attach(const std::string& upstream, Line& line, const Dialect& dialect);
  // What is still unknown there, or open on record, is looked up once it is attached again.
  void detach(const std::string& upstream);

  // At the start, before any request and after `attach`: the orders of the last 24 h; the trades that a
  // process before this one left open are looked up until they are known, and never sent.
  void restore(const std::vector<events::TradeMemory>& memory, std::uint64_t last_trade);
  void resume(std::vector<events::TradeRecord> open);

  // Ends at the request's deadline at the latest; what is unknown then is followed further without it.
  net::awaitable<DeskAnswer> place(DeskRequest request);

  // Some request's `gone` has become true: what waits for nobody else leaves the queue.
  void someone_left();

  // One order's story as JSON, for the app that did it or an admin; nothing where there is none to show.
  net::awaitable<Story> story(std::string uuid, std::string app, bool admin);

  std::size_t open() const;  // trades with something unknown
  // Ends every wait; what is open stays open on record, for the next start. Call before the lines and the
  // io_context go, and let calls under way on the lines end.
  void stop();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;  // shared with the coroutines that follow trades
};

}  // namespace bridge55::gateway
