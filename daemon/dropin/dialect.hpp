// What one vendor's event protocol looks like from the server's side: what the apps of a drop-in endpoint
// send and hear (contract, section 5). Pure: text in, text out. Everything that the vendors share (windows,
// timers, outages, channels) is in session.hpp.
#pragma once

#include "config/config.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::dropin {

// A login or subscribe message, taken apart.
struct SignOn {
  bool has_key = false;               // the member is there and not null
  std::string key;                    // empty where it is no string
  bool snake = false, camel = false;  // `api_key`, `apiKey`: how the app spells
  bool all_channels = true;           // none were named
  std::vector<std::string> channels;  // each once, in the app's order
  bool reliable = false;
  std::string consumer;  // durable name; empty: none
  bool acknowledges() const { return reliable || !consumer.empty(); }
};

// What upstream granted to the daemon itself, in its own words.
struct Granted {
  std::string client_name, access;  // JSON tokens; empty: not told
  std::vector<std::string> channels;
  bool tells_channels = false;
};

struct Confirmation {
  const SignOn& asked;
  const Granted& granted;
  const std::vector<std::string>& channels;
  std::uint64_t subscription = 0;
};

// Why a sign-on was refused: nobody of that key, or somebody who may not read events.
enum class Stranger { unknown, forbidden };

class Dialect {
 public:
  virtual ~Dialect() = default;

  struct Words {
    std::string_view path;                       // below the upstream's name
    std::span<const std::string_view> channels;  // that the vendor documents
    std::string_view sign_on, data;              // types of the first message, and of an event
    std::string_view timed_out, required, twice;
    std::string_view beat;  // what the server sends on its own
    std::chrono::seconds beat_every{30};
    std::chrono::seconds pong_within{0};  // 0: no answer to a beat is asked for
    bool unsubscribes = false;
    bool always_counts = false;  // `seq` on every message, not only on those to be acknowledged
  };
  virtual const Words& words() const = 0;

  // Where the key stands in a sign-on message.
  virtual void read_key(std::string_view message, SignOn& into) const = 0;
  virtual std::string refusal(const SignOn& asked, Stranger why) const = 0;
  virtual std::string confirmation(const Confirmation& of) const = 0;
  virtual std::string unsubscribed(const SignOn& asked, std::uint64_t subscription) const = 0;
  // The channels that the daemon's own login asks for with these settings; nothing: all there are.
  virtual std::optional<std::vector<std::string>> asks_for(const config::Upstream& settings) const = 0;
};

// `{"type":"data","channel":…,"event":…,"payload":` for one kind of event.
std::string data_head(std::string_view type, std::string_view channel, std::string_view event);

}  // namespace bridge55::dropin
