// Settings, texts with padding and a recorder for the pure parts of a session.
#pragma once

#include "bridges/upstream/actions.hpp"
#include "bridges/upstream/protocols.hpp"
#include "config/config.hpp"
#include "daemon/events/json.hpp"

#include <string>
#include <vector>

namespace bridge55::test {

using namespace std::chrono_literals;

inline config::Upstream upstream_of(config::UpstreamKind kind, const std::string& name) {
  config::Upstream settings;
  settings.kind = kind;
  settings.name = name;
  settings.api_key = config::Secret("canary-key");
  return settings;
}

// Text with the readable bytes behind it that the protocols ask for.
class Padded {
 public:
  explicit Padded(std::string_view text) : bytes_(text), size_(text.size()) {
    bytes_.resize(size_ + json::kPadding);
  }
  std::string_view view() const { return std::string_view(bytes_).substr(0, size_); }

 private:
  std::string bytes_;
  std::size_t size_;
};

struct Published {
  std::string source, channel, name, key, seq, ts, subscription, payload, old, raw;
  bool base64 = false, may_repeat = false;
};
struct Said {
  std::string channel, event, payload;
  std::string at(std::string_view path) const { return json::text(json::find(payload, path)); }
};

class Recorder final : public upstream::Actions {
 public:
  void send(std::string_view text) override { sent.emplace_back(text); }
  void send_control(ws::Kind kind, std::string_view data) override {
    controls.emplace_back((kind == ws::Kind::ping ? "ping " : "pong ") + std::string(data));
  }
  events::EventId publish(const events::Facts& f, bool may_repeat) override {
    published.push_back({std::string(f.source), std::string(f.channel), std::string(f.name),
                         std::string(f.key), std::string(f.seq), std::string(f.ts),
                         std::string(f.subscription), std::string(f.payload), std::string(f.old),
                         std::string(f.raw), f.base64, may_repeat});
    return drop_as_duplicate ? 0 : ++next_id;
  }
  void say(std::string_view channel, std::string_view event, std::string_view payload) override {
    said.push_back({std::string(channel), std::string(event), std::string(payload)});
  }
  void log(bool, std::string_view message, std::string_view about) override {
    logged.emplace_back(std::string(message) + "|" + std::string(about));
  }
  void count(upstream::Counter counter) override { ++counts[static_cast<std::size_t>(counter)]; }
  void logged_in(std::string_view subscription, std::string_view) override {
    logins.emplace_back(subscription);
  }

  int counted(upstream::Counter counter) const { return counts[static_cast<std::size_t>(counter)]; }
  std::vector<std::string> events_of(std::string_view channel) const {
    std::vector<std::string> names;
    for (const Said& one : said) {
      if (one.channel == channel) names.push_back(one.event);
    }
    return names;
  }

  std::vector<std::string> sent, controls, logged, logins;
  std::vector<Published> published;
  std::vector<Said> said;
  int counts[5] = {};
  events::EventId next_id = 0;
  bool drop_as_duplicate = false;
};

}  // namespace bridge55::test
