#pragma once
// What the simulated vendor can be told on its command line; some of it may be changed through the control
// API.

#include "tests/sim/types.hpp"

#include <optional>
#include <string>
#include <vector>

namespace bridge55::sim {

/// The vendor's documented times; all are multiplied by `--time-scale`.
struct Times {
  milliseconds login{30'000};      ///< from connect to login or subscribe
  milliseconds abp_ping{30'000};   ///< ABP server ping interval
  milliseconds abp_pong{120'000};  ///< ABP: no pong (heartbeat edition: no client ping) for this long closes
  milliseconds heartbeat{60'000};  ///< MM heartbeat, and ABP's in the heartbeat edition
  milliseconds limit_window{60'000};   ///< sliding window of the REST limits
  milliseconds order_life{5'000};      ///< an order without expiresAt
  milliseconds dedup{1'800'000};       ///< a requestUuid is remembered for so long
  milliseconds relay_connect{10'000};  ///< from a relay's 101 to its connect message
  milliseconds relay_target{30'000};   ///< an agent's attempt to reach a relay's target
};

/// An API key and the client it belongs to.
struct Key {
  enum class State { active, inactive, expired };
  std::string key;
  std::string client;
  State state = State::active;
};

/// How placements go. POST /placing changes it.
struct Placing {
  std::string fill = "filled";  ///< filled, partial, pending or rejected
  std::string duplicates =
      "documented";       ///< documented, 409 or declined: how a duplicate requestUuid is told
  milliseconds delay{0};  ///< the answer to a placement comes that much later
};

enum class AbpKeepAlive { ping, heartbeat };
enum class MmEdition { both, snake, camel };
enum class Certificate { good, expired, wrong_name, unknown_ca };

struct Options {
  std::string abp_listen = "127.0.0.1:0";  ///< empty = not served
  std::string mm_listen = "127.0.0.1:0";
  bool one_port = false;  ///< ABP's port serves MM too
  std::string scraping_listen = "127.0.0.1:0";
  std::string control_listen = "127.0.0.1:0";
  bool tls = false;
  Certificate certificate = Certificate::good;
  std::string ca_out;
  std::string ports_file;

  std::vector<Key> abp_keys;
  std::vector<Key> mm_keys;
  std::vector<Key> scraping_keys;
  unsigned connections_per_key = 5;
  AbpKeepAlive abp_keepalive = AbpKeepAlive::ping;
  bool abp_earlier_events = false;  ///< earlier edition: STATUS_CHANGE, settlements as UPDATE, no betslip
  MmEdition mm_edition = MmEdition::both;
  bool mm_lists_in_object = false;  ///< MM lists as {"data":[…]} instead of bare
  bool batch_ack = false;
  std::string auth_errors = "current";  ///< current, earlier or later edition of the 401 shapes
  bool limit_headers = false;           ///< later edition's 429 with Retry-After
  unsigned abp_limit = 60;              ///< REST requests a window, 0 = no limit
  unsigned mm_limit = 100;
  double scraping_rps = 10;           ///< tokens a second, 0 = no limit
  double scraping_burst = 0;          ///< capacity of the bucket, 0 = scraping_rps
  std::size_t page_size = 100;        ///< rows a page where the request names no limit
  std::size_t request_log = 100'000;  ///< requests kept for GET /requests
  Placing placing;
  Times times;

  std::size_t window = 100;  ///< unacknowledged messages under reliable delivery
  std::size_t queue = 2000;  ///< messages waiting for one client; beyond: close 1013
  int send_buffer = 0;       ///< SO_SNDBUF of client sockets, 0 = the system's

  double rate = 0;          ///< events a second in total
  bool rate_max = false;    ///< as fast as the slowest subscriber reads
  std::uint64_t burst = 0;  ///< so many events at full speed after the first login
  bool at_boot = false;     ///< life starts at once, not with an API's first login
  double mm_share = 0.33;   ///< MM's part of the rate while both APIs are alive
  std::uint64_t seed = 55;
  std::uint64_t emergency_every = 20'000;  ///< about one emergency in so many events, 0 = never
  bool bench = false;                      ///< pre-rendered events without a book
  std::size_t payload_bytes = 0;           ///< bench: exact payload size, 0 = natural
  bool stamp = false;                      ///< bench: `"sentNs"` in each payload
  std::optional<std::size_t> journal;      ///< frames kept for GET /sent
  std::size_t book = 20'000;               ///< orders (and bets) that REST remembers
};

/// Parses the command line. Returns the exit code where the process should end at once (help, bad usage).
std::optional<int> parse_options(int argc, char** argv, Options& options);

/// Frames that `GET /sent` keeps: what was asked for, else none in bench mode and 10,000 otherwise.
std::size_t journal_size(const Options& options);

}  // namespace bridge55::sim
