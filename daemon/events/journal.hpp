// The durable journal: SQLite in WAL mode with synchronous=FULL, one writer thread with group commit, one
// reader thread. The format is written down in docs/journal.md. All methods are called on the I/O thread and
// never block it, except `open` and `close`; all callbacks are posted to the I/O thread.
#pragma once

#include "config/config.hpp"
#include "daemon/events/event.hpp"
#include "daemon/events/request_record.hpp"
#include "daemon/events/trade_record.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace bridge55::metrics {
class Registry;
}

namespace bridge55::events {

// A durable named consumer as it is stored.
struct ConsumerRecord {
  std::string name, owner;  // owner: the app that made it (section 5)
  EventId cursor = 0;       // last acknowledged id
  WallMicros last_used = 0;
};

// The first 8 bytes of a fact's digest with count 0, as MessageIds keeps them, so that counting goes on over
// a restart.
using Fingerprint = std::uint64_t;

// What a start finds.
struct Recovered {
  EventId last_id = 0;       // highest id in the journal
  EventId ceiling = 0;       // no id above it was ever handed out: the first new id is above it
  EventId gone_through = 0;  // highest id that retention has deleted
  EventId oldest_id = 0;     // 0: empty
  bool clean_stop = true;    // false: the last process did not close it (every sink may resend, a gap opens)
  bool fresh = false;        // the file was made now
  std::map<std::string, EventId> cursors;  // of sinks
  std::vector<ConsumerRecord> consumers;
  std::vector<std::pair<WallMicros, Fingerprint>> recent;  // of the last ten minutes, oldest first
  // Placements that have an order of open fate, oldest first; one whose row was damaged has no body and no
  // answer.
  std::vector<TradeRecord> open_trades;
  std::vector<TradeMemory> trade_memory;  // orders of the last 24 h, oldest first, whatever `trades.keep` is
  std::uint64_t last_trade = 0;           // highest trade id that the journal has held
  std::map<std::string, std::string> switches;  // see store_switch
  std::vector<std::string>
      repairs;  // what had to be repaired or set aside, in words; each is logged and said
};

// Why the journal cannot be opened: 69 in use by another process or disk unavailable, 77 no permission, 78
// newer schema.
class JournalError : public std::runtime_error {
 public:
  JournalError(int code, const std::string& text) : std::runtime_error(text), exit_code(code) {}
  int exit_code;
};

struct JournalStats {
  std::uint64_t file_bytes = 0, events = 0;
  EventId oldest_id = 0, durable_id = 0, gone_through = 0;
  bool writable = true;
  std::string trouble;  // why not writable, in words
};

// Which part of the journal, and how much of it at once.
struct ReadRequest {
  EventId after = 0;   // exclusive
  EventId before = 0;  // exclusive; 0: no upper bound
  std::size_t max_events = 1000;
  std::size_t max_bytes = 1 << 20;
  std::size_t max_scanned = 50'000;         // rows looked at, where `wants` is set
  std::function<bool(const Event&)> wants;  // runs on the reader thread; empty: everything
  WallMicros from = 0,
             to = 0;  // received_at, both ends included, found through the sparse table; 0: unbounded
};

struct ReadResult {
  std::vector<EventPtr> events;
  EventId scanned_through = 0;  // everything up to here was looked at: where the next read goes on
  bool more = false;            // there was more within the bounds
  EventId gone_through = 0;     // retention has deleted up to here
  EventId oldest_id = 0;
  std::string damage;  // a range that cannot be read, in words; altered bytes are never delivered
};

class Journal {
 public:
  struct Handlers {
    std::function<void(EventId durable_id)>
        durable;  // after each commit, with the highest id that is on disk
    std::function<void(bool writable, const std::string& why)> writable;  // disk full and over
    std::function<void(const std::string& why)>
        fatal;  // a failed sync or I/O error: nothing more is durable, the process must end
    std::function<void(EventId through, const std::string& why)>
        forced;  // retention went over a durable cursor (size limit): say it
    std::function<void(EventId first, EventId last, std::uint64_t count)>
        skipped;  // events that did not fit while the disk was full
  };

  // Throws JournalError. Creates the file (0600) and its directory where absent; takes an exclusive lock;
  // refuses symlinks.
  static std::unique_ptr<Journal> open(const config::Journal& settings, boost::asio::io_context& io,
                                       metrics::Registry& metrics, Recovered& recovered);
  virtual ~Journal() = default;

  virtual void start(Handlers handlers) = 0;

  // Takes the event for the next commit. The fingerprint goes into the commit's row of the sparse table.
  virtual void append(EventPtr event, Fingerprint fingerprint) = 0;
  // Bytes waiting for the disk. At `inbox_limit` the upstream readers stop (a stalled disk), unless the disk
  // is full: then what does not fit is skipped and said, because live delivery goes on (section 8).
  virtual std::size_t inbox_bytes() const = 0;
  static constexpr std::size_t kInboxLimit = 64u << 20;
  // No id above this may be handed out (see design.md: clock + 2 s, renewed each second of traffic).
  virtual EventId ceiling() const = 0;
  virtual void want_ceiling(EventId at_least) = 0;

  virtual void store_cursor(const std::string& sink,
                            EventId id) = 0;  // with the next commit; the latest value wins
  virtual void store_consumer(const ConsumerRecord& consumer) = 0;
  virtual void drop_consumer(const std::string& name) = 0;
  virtual void drop_cursor(const std::string& sink) = 0;

  // Inserts the trade, or replaces the one with its id; ahead of every event that waits. `durable` runs once
  // it is on disk, in the order of the calls: later where the disk is full, never where the journal fails or
  // closes first. It may be empty.
  virtual void store_trade(TradeRecord trade, std::function<void()> durable) = 0;
  // The newest trade that holds this order, as it was last stored: what is not committed yet counts as well.
  // Nothing where there is none or where its row is damaged.
  virtual void read_trade(std::string uuid, std::function<void(std::optional<TradeRecord>)> then) = 0;
  // A small text that must survive a restart (a pause, the emergency latch), ahead of every event that waits;
  // an empty value deletes it. `durable` as with store_trade, and in one order with it.
  virtual void store_switch(std::string name, std::string value, std::function<void()> durable) = 0;
  // A request by name, ahead of every event that waits; it replaces the one of its sink and name. `durable`
  // as with store_trade, and in one order with it. It goes once `until` has passed.
  virtual void store_request(RequestRecord request, std::function<void()> durable) = 0;
  // As it was last stored, what is not committed yet included. A damaged one is found as begun.
  virtual void read_request(std::string sink, std::string name,
                            std::function<void(std::optional<RequestRecord>)> then) = 0;
  // Trades that are not open go after this long (`trades.keep`), never before kTradeMemory.
  virtual void set_trades_keep(config::Duration keep) = 0;
  static constexpr WallMicros kTradeMemory = 24LL * 3'600'000'000;

  // Calls `then` once everything given before is durable.
  virtual void barrier(std::function<void()> then) = 0;

  virtual void read(ReadRequest request, std::function<void(ReadResult)> then) = 0;
  // How many events are on disk after this id, from the sparse table (a partly covered commit may be counted
  // whole): for lag figures.
  virtual void count_after(EventId after, std::function<void(std::uint64_t)> then) = 0;

  // Above this id retention deletes nothing unless the size limit forces it: the lowest durable consumer's or
  // sink's cursor; UINT64_MAX: nobody waits for anything. Until it is called, the lowest of the stored
  // cursors holds.
  virtual void hold_from(EventId id) = 0;
  virtual JournalStats stats() const = 0;
  virtual void set_retention(const config::Journal& settings) = 0;
  // Commits what is waiting, marks the stop as clean, joins the threads.
  virtual void close() = 0;
};

}  // namespace bridge55::events
