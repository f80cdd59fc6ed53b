// Reads that are answered together, one object an upstream. Identical GETs in flight on a path that `share`
// names are one upstream request; `cache` gives complete 200 answers a lifetime. No read is answered by one
// that began before the last write to that upstream ended. Pure: it knows flights by number, not sockets.
#pragma once

#include "daemon/base/clock.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bridge55::gateway {

using HeaderView = std::pair<std::string_view, std::string_view>;

// A whole answer, kept for those who share it and for the cache.
struct SharedAnswer {
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::size_t bytes() const;
};
using SharedAnswerPtr =
    std::shared_ptr<const SharedAnswer>;  // held by the cache and by answers being written

class Coalesce {
 public:
  struct Settings {
    std::vector<std::string> share;                          // exact paths, or `/network/*`
    std::map<std::string, std::chrono::milliseconds> cache;  // the same, with a lifetime
    std::size_t max_answer = 1 << 20;                        // larger ones are neither cached nor shared
    std::size_t max_total = 32 << 20;                        // of the cache; the least recently used go first
  };
  explicit Coalesce(Settings settings) : settings_(std::move(settings)) {}
  void configure(Settings settings);  // a reload; flights go on, what is cached goes

  // What makes two reads the same one: method, path, query and every header that goes upstream, whatever
  // their order; Cache-Control and Pragma ask for freshness and say nothing about the answer: left out.
  struct Request {
    std::string_view method, path, query;
    std::span<const HeaderView> headers;
    std::string_view cache_control;  // the app's, empty where absent
  };

  using Flight = std::uint64_t;
  enum class Way : std::uint8_t {
    alone,   // nothing is shared on this path: forward it; there is no flight and no `finish`
    lead,    // forward it, then `finish` the flight
    follow,  // wait until the flight is finished
    hit,     // `answer` is the answer
  };
  struct Asked {
    Way way = Way::alone;
    Flight flight = 0;
    SharedAnswerPtr answer;
    std::string status;  // Cache-Status (RFC 9211); empty where neither `share` nor `cache` names the path;
                         // for `lead` without `; stored`, which `finish` decides
  };
  Asked ask(const Request& request, SteadyTime now);

  // The flight's upstream request is over. `answer`: complete, whatever its status; null where it failed, was
  // cut or grew past `max_answer`: followers then go alone. `serves` false with an answer: a write ended
  // meanwhile, and followers ask again.
  struct Finished {
    bool stored = false, serves = false;
  };
  Finished finish(Flight flight, SharedAnswerPtr answer, SteadyTime now);
  // One who led or followed went away. True: nobody waits for the flight any more (and it is forgotten).
  bool leave(Flight flight);

  // Around every write to this upstream, whatever its outcome.
  void write_began();
  void write_ended();

  std::size_t cached_bytes() const { return bytes_; }
  std::size_t max_answer() const { return settings_.max_answer; }

 private:
  struct Flying {
    std::string key;
    std::uint64_t epoch;
    std::uint64_t ended;                 // how many writes had
    std::chrono::milliseconds lifetime;  // zero: not cached
    std::size_t waiting;
  };
  struct Kept {
    std::string key;
    SharedAnswerPtr answer;
    SteadyTime until;
    std::size_t bytes;
  };
  using Order = std::list<Kept>;  // most recently used first

  struct Policy {
    bool share = false;
    std::chrono::milliseconds lifetime{0};
  };
  Policy policy(std::string_view path) const;
  Asked lead(std::string key, const Policy& policy, const char* why);
  bool keepable(const Flying& flight, unsigned status, std::size_t bytes) const;
  void keep(Flying flight, SharedAnswerPtr answer, SteadyTime now);
  void drop(Order::iterator kept);
  void clear();

  Settings settings_;
  std::unordered_map<Flight, Flying> flights_;
  std::unordered_map<std::string, Flight> joinable_;  // by key: the newest flight that others may follow
  std::unordered_map<std::string_view, Order::iterator> kept_;
  Order order_;
  std::size_t bytes_ = 0;
  Flight last_ = 0;
  std::uint64_t epoch_ = 0;  // counts the beginnings and ends of writes
  std::uint64_t ended_ = 0;  // counts the ends
  std::size_t writing_ = 0;
};

// `/network/*` matches what is below /network, `/markets` itself alone.
bool path_matches(std::string_view pattern, std::string_view path);

}  // namespace bridge55::gateway
