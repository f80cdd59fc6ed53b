#include "daemon/dropin/dropins.hpp"

#include "daemon/dropin/message.hpp"
#include "daemon/dropin/session.hpp"
#include "daemon/local/exchange.hpp"
#include "daemon/local/tongue.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55::dropin {

DropIns::DropIns(Setup setup) : setup_(std::move(setup)) {}
DropIns::~DropIns() = default;

void DropIns::apply(const std::vector<config::Upstream>& upstreams) {
  std::map<std::string, Served, std::less<>> before;
  before.swap(served_);
  for (const config::Upstream& settings : upstreams) {
    std::unique_ptr<Dialect> dialect = setup_.dialect(settings.kind);
    if (!dialect) continue;
    Served served{settings, nullptr};
    const auto known = before.find(settings.name);
    if (known != before.end() && known->second.settings.kind == settings.kind) {
      served.line = std::exchange(known->second.line, nullptr);
      if (known->second.settings != settings) served.line->configured(settings);
    } else {
      const auto grow = [this, name = settings.name] {
        const std::weak_ptr<Line> line = line_of(name);
        const auto channels = [line] {
          const std::shared_ptr<Line> held = line.lock();
          return held ? held->next_channels() : std::vector<std::string>{};
        };
        setup_.grow(name, channels, [this, line](Growth how) {
          const std::shared_ptr<Line> held = line.lock();
          if (!held) return;
          held->grown(how, SteadyClock::now());
          admit(held);
        });
      };
      served.line = std::make_shared<Line>(settings.name, std::move(dialect), grow);
      served.line->configured(settings);
    }
    served_.emplace(settings.name, std::move(served));
  }
  for (const auto& [name, served] : before) {
    if (served.line) served.line->close_all();
  }
}

// A session's words come from inside its reading: apps are answered from the loop, behind all that it says.
void DropIns::admit(std::shared_ptr<Line> line) {
  boost::asio::post(setup_.io, [line = std::move(line)] { line->admit(SteadyClock::now()); });
}

void DropIns::session_changed(std::string_view source, bool up) {
  const std::shared_ptr<Line> line = line_of(source);
  if (!line) return;
  if (!up) return line->went_down(SteadyClock::now());
  line->come_up();
  admit(line);
}

void DropIns::login_answered(std::string_view source, std::string_view answer) {
  if (const std::shared_ptr<Line> line = line_of(source))
    line->granted(read_granted(answer), SteadyClock::now());
}

void DropIns::events_lost(std::string_view source) {
  if (const std::shared_ptr<Line> line = line_of(source)) line->lost_events();
}

std::shared_ptr<Line> DropIns::line_of(std::string_view source) const {
  const auto at = served_.find(source);
  return at == served_.end() ? nullptr : at->second.line;
}

std::shared_ptr<Line> DropIns::line_at(std::string_view path) const {
  const std::size_t end = path.find('/', 1);
  if (end == std::string_view::npos) return nullptr;
  std::shared_ptr<Line> line = line_of(path.substr(1, end - 1));
  return line && path.substr(end) == line->dialect().words().path ? line : nullptr;
}

// The app signs in with its first message: until then it is anybody.
std::optional<std::variant<unsigned, local::Refusal>> DropIns::find(const local::Head& head,
                                                                    const local::Target& target) const {
  if ((head.method != "GET" && head.method != "HEAD") || !line_at(target.path)) return {};
  return 0u;
}

net::awaitable<void> DropIns::serve(local::Exchange& exchange) {
  std::shared_ptr<Line> line = line_at(exchange.target.path);
  if (!line) {  // a reload came between
    const local::Refusal gone{404, "NOT_FOUND", "there is no such upstream", {}, {}};
    co_await exchange.refuse(gone);
    co_return;
  }
  std::unique_ptr<local::Tongue> session = std::make_unique<Session>(std::move(line));
  co_await local::serve_tongue(exchange, std::move(session));
}

}  // namespace bridge55::dropin
