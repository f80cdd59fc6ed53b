#include "bridges/scraping/standing/standing.hpp"

#include "daemon/base/countdown.hpp"

#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55::scraping::standing {
namespace {

// Shorter values would be masked in words that have nothing to do with them.
constexpr std::size_t kShortestSecret = 4;

// What of an upstream's settings a connection rests on.
struct Far {
  std::string url, auth_header;
  config::Secret api_key, proxy;
  config::ClientTls tls;
  friend bool operator==(const Far&, const Far&) = default;
};

Far far_of(const config::Upstream& upstream) {
  return {upstream.url, upstream.auth_header, upstream.api_key, upstream.proxy, upstream.tls};
}

std::vector<std::string> secrets_of(const config::Relay& relay, const config::Upstream& upstream) {
  std::vector<std::string> all;
  const auto add = [&all](const config::Secret& secret) {
    if (secret.reveal().size() >= kShortestSecret) all.push_back(secret.reveal());
  };
  add(upstream.api_key);
  add(relay.password);
  for (const auto& [name, value] : relay.headers)
    add(value);
  for (const auto& [name, value] : relay.cookies)
    add(value);
  return all;
}

}  // namespace

// One relay upstream, and what it was made from.
struct Standing::Wanted {
  config::Relay relay;  // without its name
  Far far;
  config::Retry retry;
  std::vector<std::string> secrets, names;
};

struct Standing::Entry {
  config::Relay relay;
  Far far;
  std::shared_ptr<Job> job;
};

std::string_view name_of(config::RelayKind kind) {
  switch (kind) {
    case config::RelayKind::websocket:
      return "websocket";
    case config::RelayKind::amqp:
      return "amqp";
    case config::RelayKind::fetch:
      break;
  }
  return "fetch";
}

Standing::Standing(Setup setup) : setup_(std::move(setup)) {}

Standing::~Standing() {
  *self_ = nullptr;
  for (const auto& entry : entries_)
    entry->job->abandon();
}

// The same target asked for twice is one relay upstream.
std::vector<Standing::Wanted> Standing::wanted(const config::Config& config) const {
  std::vector<Wanted> all;
  for (const config::Relay& given : config.relays) {
    const auto upstream = std::find_if(config.upstreams.begin(), config.upstreams.end(),
                                       [&](const auto& one) { return one.name == given.upstream; });
    if (upstream == config.upstreams.end()) continue;
    config::Relay relay = given;
    relay.name.clear();
    const auto same = std::find_if(all.begin(), all.end(), [&](const Wanted& w) { return w.relay == relay; });
    if (same != all.end()) {
      same->names.push_back(given.name);
      continue;
    }
    std::vector<std::string> secrets = secrets_of(relay, *upstream);
    all.push_back({std::move(relay), far_of(*upstream), upstream->retry, std::move(secrets), {given.name}});
  }
  return all;
}

// Names that are new get their metric, names that are gone lose theirs.
void Standing::name_all(const std::vector<Wanted>& wanted) {
  std::map<std::string, std::shared_ptr<Open>, std::less<>> before = std::exchange(names_, {});
  for (const Wanted& one : wanted) {
    for (const std::string& name : one.names) {
      std::shared_ptr<Open>& open = names_[name];
      if (const auto known = before.find(name); known != before.end()) {
        open = std::move(known->second);
        before.erase(known);
        continue;
      }
      open = std::make_shared<Open>();
      setup_.metrics.computed(
          "bridge55_relay_connections", "Relays that are open.", {{"relay", name}},
          [open] { return (open->up ? 1.0 : 0.0) + static_cast<double>(open->attached); });
    }
  }
  for (const auto& [name, open] : before)
    setup_.metrics.drop("relay", name);
}

std::vector<Named> Standing::named(const Wanted& wanted) const {
  std::vector<Named> all;
  for (const std::string& name : wanted.names)
    all.push_back({name, names_.find(name)->second});
  return all;
}

void Standing::apply(const config::Config& config, const std::string& opening_gap) {
  const std::vector<Wanted> all = wanted(config);
  const auto had = [known = names_](const std::string& name) { return known.find(name) != known.end(); };
  name_all(all);
  order_.clear();
  for (const config::Relay& relay : config.relays) {
    if (names_.contains(relay.name)) order_.push_back(relay.name);
  }
  std::vector<std::unique_ptr<Entry>> before;
  before.swap(entries_);
  std::vector<const Wanted*> fresh;
  for (const Wanted& one : all) {
    const auto same = std::find_if(before.begin(), before.end(), [&](const auto& entry) {
      return entry && entry->relay == one.relay && entry->far == one.far;
    });
    if (same == before.end()) {
      fresh.push_back(&one);
      continue;
    }
    entries_.push_back(std::move(*same));
  }
  for (auto& entry : before) {
    if (!entry) continue;
    entry->job->ledger().set_names({}, "reload");
    remove(std::move(entry), [] {});
  }
  const auto names_now = [&](const Entry& entry) {
    return named(
        *std::find_if(all.begin(), all.end(), [&](const Wanted& w) { return w.relay == entry.relay; }));
  };
  // A name that moves from one to another is let go before it is taken: its last word is its new relay's.
  for (const auto& entry : entries_)
    entry->job->ledger().keep_names(names_now(*entry), "reload");
  for (const auto& entry : entries_)
    entry->job->ledger().set_names(names_now(*entry), "reload");
  for (const Wanted* one : fresh) {
    const bool replaces = std::any_of(one->names.begin(), one->names.end(), had);
    // A poll reads what is there now, whatever was there before.
    const bool streams = one->relay.kind != config::RelayKind::fetch;
    start(*one, !streams ? std::string{} : replaces ? std::string("reload") : opening_gap);
  }
}

void Standing::start(const Wanted& wanted, std::string opening_gap) {
  Job::Parts parts{
      setup_.io,
      [find = setup_.upstream, name = wanted.relay.upstream] { return find(name); },
      {setup_.hub, setup_.metrics, wanted.relay, wanted.retry, wanted.secrets, std::move(opening_gap)}};
  auto entry = std::make_unique<Entry>();
  entry->relay = wanted.relay;
  entry->far = wanted.far;
  entry->job = make_job(std::move(parts));
  entry->job->ledger().set_names(named(wanted), {});
  entry->job->start();
  entries_.push_back(std::move(entry));
}

void Standing::remove(std::unique_ptr<Entry> entry, std::function<void()> removed) {
  const std::shared_ptr<Job> job = entry->job;
  // The job may be on the stack when it calls back: it goes from the loop.
  job->stop([io = &setup_.io, job, removed = std::move(removed)] {
    boost::asio::post(*io, [job, removed] { removed(); });
  });
}

void Standing::resume() {
  for (const auto& entry : entries_)
    entry->job->resume();
}

void Standing::stop(std::function<void()> stopped) {
  const auto one_done = countdown(entries_.size() + 1, std::move(stopped));
  std::vector<std::unique_ptr<Entry>> before;
  before.swap(entries_);
  for (auto& entry : before)
    remove(std::move(entry), one_done);
  one_done();
}

Job* Standing::job(std::string_view name) const {
  for (const auto& entry : entries_) {
    for (const Named& one : entry->job->ledger().names()) {
      if (one.name == name) return entry->job.get();
    }
  }
  return nullptr;
}

std::vector<RelayStatus> Standing::status() const {
  std::vector<RelayStatus> all;
  for (const std::string& name : order_) {
    const Job* const job = this->job(name);
    if (job == nullptr) continue;
    const Ledger& ledger = job->ledger();
    const Life& life = ledger.life();
    const Figures& figures = ledger.figures();
    RelayStatus one;
    one.name = name;
    one.source = ledger.relay().upstream;
    one.kind = ledger.relay().kind;
    one.state = life.state();
    one.reason = life.reason();
    one.node_id = life.node();
    one.since = life.since();
    one.last_event_at = figures.last_event_at;
    one.reconnects = life.reconnects();
    one.attached = names_.find(name)->second->attached;
    one.received = figures.received;
    one.sent = figures.sent;
    one.quarantined = figures.quarantined;
    one.polls = figures.polls;
    one.unchanged = figures.unchanged;
    one.blocked = figures.blocked;
    one.failed = figures.failed;
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<RelayGap> Standing::open_gaps() const {
  std::vector<RelayGap> all;
  for (const auto& entry : entries_) {
    const Ledger& ledger = entry->job->ledger();
    if (ledger.life().gap().empty()) continue;
    for (const Named& one : ledger.names())
      all.push_back({ledger.relay().upstream, one.name, ledger.life().gap(), ledger.life().gap_since()});
  }
  return all;
}

}  // namespace bridge55::scraping::standing
