#include "bridges/websocket/protocol.hpp"

#include "daemon/events/json.hpp"

namespace bridge55::websocket {
namespace {

// A field's text, or the default where the path is not given or leads nowhere; numbers keep their digits.
std::string_view text_at(std::string_view frame, std::string_view path, std::string_view otherwise,
                         std::string& buffer) {
  if (path.empty()) return otherwise;
  const std::string_view token = json::find(frame, path);
  if (!json::is_string(token) && !json::is_number(token)) return otherwise;
  buffer = json::text(token);
  return buffer.empty() ? otherwise : std::string_view(buffer);
}

std::string_view token_at(std::string_view frame, std::string_view path) {
  return path.empty() ? std::string_view{} : json::find(frame, path);
}

class FeedProtocol final : public upstream::Protocol {
 public:
  explicit FeedProtocol(const config::Upstream& settings) : settings_(settings) {}

  std::string login(bool) const override {
    bool empty = true;
    json::members(settings_.login, [&](std::string_view, std::string_view) { return empty = false; });
    return empty ? std::string{} : settings_.login;
  }
  bool login_is_answered() const override { return false; }
  std::string_view ping() const override { return {}; }
  std::string_view pong() const override { return {}; }

  void read(std::string_view frame, upstream::Incoming& into) const override {
    into.clear();
    into.reason = json::validate(frame);
    if (!into.reason.empty()) {
      into.type = upstream::Incoming::Type::broken;
      return;
    }
    into.type = upstream::Incoming::Type::data;
    const config::FeedFields& fields = settings_.fields;
    events::Facts& facts = into.facts;
    facts.channel = text_at(frame, fields.channel, settings_.name, into.channel_text);
    facts.name = text_at(frame, fields.event, "MESSAGE", into.name_text);
    facts.seq = token_at(frame, fields.seq);
    facts.ts = token_at(frame, fields.ts);
    facts.payload = token_at(frame, fields.payload);
    if (facts.payload.empty()) facts.payload = frame;
    facts.raw = frame;
  }
  bool takes_binary() const override { return true; }

 private:
  const config::Upstream& settings_;
};

}  // namespace

std::unique_ptr<upstream::Protocol> make_protocol(const config::Upstream& settings) {
  return std::make_unique<FeedProtocol>(settings);
}

}  // namespace bridge55::websocket
