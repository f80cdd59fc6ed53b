#pragma once
// What all connections of the simulated vendor share: settings, keys, counters, standing faults. One thread.

#include "tests/sim/book.hpp"
#include "tests/sim/options.hpp"
#include "tests/sim/placements.hpp"
#include "tests/sim/relay_log.hpp"
#include "tests/sim/request_log.hpp"
#include "tests/sim/rest_faults.hpp"
#include "tests/sim/scraping.hpp"
#include "tests/sim/sent_journal.hpp"
#include "tests/sim/sse.hpp"
#include "tests/sim/types.hpp"

#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace bridge55::sim {

/// A message under reliable delivery that a client has not acknowledged.
struct Held {
  std::uint64_t seq = 0;  ///< in the subscription that sent it last; 0 = not sent yet
  unsigned channel = 0;
  std::int64_t ts_ms = 0;
  std::string body;
  bool again = false;  ///< was part of an earlier subscription
};

/// A key with its live sessions and what its last reliable session left unacknowledged.
struct KeyEntry {
  Key key;
  unsigned connections = 0;
  std::deque<Held> undelivered = {};
  std::deque<TimePoint> rest_calls = {};  ///< inside the sliding limit window
  std::deque<TimePoint> arrivals = {};    ///< the same for every request that arrived, refused ones included
  std::size_t most_in_window = 0;         ///< the most that `arrivals` ever held
};

/// A fault that stays until a time, a number of uses, or POST /clear.
struct Standing {
  bool on = false;
  TimePoint until = TimePoint::max();
  std::uint64_t uses = std::numeric_limits<std::uint64_t>::max();
  std::string message;
  std::uint16_t code = 1008;
  milliseconds delay{0};

  bool active(TimePoint now) const { return on && now < until && uses > 0; }
  /// Whether the fault strikes now; a strike uses one of its lives.
  bool strike(TimePoint now) {
    if (!active(now)) return false;
    --uses;
    return true;
  }
};

struct ApiFaults {
  Standing refuse_logins, hang_login, refuse_connect, hang_handshake;
  Standing relay_refuse, relay_hang, relay_slow;  ///< of connect messages
  Standing amqp_error, amqp_slow;                 ///< of new streams, of writes
  RestFaults rest;
};

struct ApiStats {
  std::uint64_t accepted = 0, logins = 0, refused = 0, login_timeouts = 0, pong_timeouts = 0, overflows = 0;
  std::uint64_t acked = 0, redelivered = 0, dropped = 0, pings_in = 0, pongs_in = 0, errors_out = 0;
  std::uint64_t rest_requests = 0, rest_limited = 0, frames = 0, bytes = 0;
  std::map<unsigned, std::uint64_t> other;  ///< data messages of channels without a number
  std::array<std::uint64_t, 32> sent{};     ///< data messages by channel number
  std::deque<std::string> last_logins;      ///< keys masked
};

/// How AMQP streams are written (the amqp_split fault).
struct SseWriting {
  SseStyle style;
  std::size_t piece = 0;  ///< bytes a chunk, 0 = whole events
  milliseconds step{0};   ///< between chunks
};

struct Vendor {
  explicit Vendor(Options given);

  std::deque<KeyEntry>& keys_of(Api api);
  KeyEntry* find_key(Api api, std::string_view key);
  ApiStats& stats_of(Api api) { return stats[static_cast<std::size_t>(api)]; }
  ApiFaults& faults_of(Api api) { return faults[static_cast<std::size_t>(api)]; }
  Book& book_of(Api api) { return books[static_cast<std::size_t>(api)]; }

  Options options;
  std::deque<KeyEntry> abp_keys, mm_keys, scraping_keys;  // deque: entries keep their address
  std::array<ApiStats, kApis> stats;
  std::array<ApiFaults, kApis> faults;
  std::array<Book, kApis> books;
  SentJournal journal;
  RequestLog requests;
  Placements placements;
  ScrapingNetwork scraping;
  RelayLog relay_log;
  SseWriting sse;
  std::map<std::string, std::string> trading;  ///< MM: client to running, paused or stopped
  std::uint64_t last_subscription = 0;
  std::function<void(Api)> on_login;    ///< after each login, when the answer is queued
  std::function<void(Api)> on_drained;  ///< a connection has nothing more to write
  std::function<void(const Message&)> broadcast = [](const Message&) {};
  /// Does the work that much later, on the one thread.
  std::function<void(milliseconds, std::function<void()>)> later = [](milliseconds, std::function<void()>) {};
};

/// Takes a token of a scraping key's bucket; counts where there is none.
bool take_token(Vendor& vendor, const std::string& key);

/// The text with every known scraping key masked.
std::string masked_keys(const Vendor& vendor, std::string text);

/// The fields with those masked that carry keys.
Fields masked_fields(const Fields& fields);

/// `abp-demo-key` as `abp-…`: enough to tell keys apart, too little to use.
std::string masked(std::string_view key);

}  // namespace bridge55::sim
