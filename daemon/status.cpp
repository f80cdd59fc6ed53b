#include "daemon/status.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55 {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(bridges::SessionState state) {
  switch (state) {
    case bridges::SessionState::connecting:
      return "CONNECTING";
    case bridges::SessionState::up:
      return "UP";
    case bridges::SessionState::rejected:
      return "REJECTED";
    case bridges::SessionState::down:
      break;
  }
  return "DOWN";
}

const char* name_of(bridges::SinkState state) {
  switch (state) {
    case bridges::SinkState::connecting:
      return "CONNECTING";
    case bridges::SinkState::up:
      return "UP";
    case bridges::SinkState::blocked:
      return "BLOCKED";
    case bridges::SinkState::down:
      break;
  }
  return "DOWN";
}

Json time_or_null(WallMicros at) {
  return at == 0 ? Json() : Json(rfc3339(at));
}

// The vendor's own digits: a number where they fit one exactly, else the text.
Json counter(const std::string& token) {
  if (token.empty()) return {};
  const bool digits = token.size() <= 15 && token.find_first_not_of("0123456789") == std::string::npos;
  return digits ? Json(std::stoll(token)) : Json(json::text(token));
}

Json of(const bridges::SessionStatus& session) {
  return {{"source", session.source},
          {"slot", session.slot},
          {"state", name_of(session.state)},
          {"reason", session.reason},
          {"since", time_or_null(session.since)},
          {"last_event_at", time_or_null(session.last_event_at)},
          {"seq", counter(session.seq)},
          {"reconnects", session.reconnects}};
}

Json of(const events::SinkPump::Status& sink) {
  return {{"name", sink.name},
          {"state", name_of(sink.state)},
          {"reason", sink.reason},
          {"since", time_or_null(sink.since)},
          {"confirmed_id", std::to_string(sink.confirmed_id)},
          {"lag_events", sink.lag_events},
          {"lag_seconds", sink.lag_seconds}};
}

Json of(const scraping::standing::RelayStatus& relay) {
  Json out = {{"name", relay.name},
              {"source", relay.source},
              {"kind", scraping::standing::name_of(relay.kind)},
              {"state", name_of(relay.state)},
              {"reason", relay.reason},
              {"since", time_or_null(relay.since)},
              {"last_event_at", time_or_null(relay.last_event_at)},
              {"node_id", relay.node_id.empty() ? Json() : Json(relay.node_id)},
              {"reconnects", relay.reconnects},
              {"attached", relay.attached},
              {"received", relay.received},
              {"sent", relay.sent},
              {"quarantined", relay.quarantined}};
  if (relay.kind == config::RelayKind::fetch) {
    out["polls"] = {{"all", relay.polls},
                    {"unchanged", relay.unchanged},
                    {"blocked", relay.blocked},
                    {"failed", relay.failed}};
  }
  return out;
}

Json of(const local::ConsumerStatus& consumer, bool named) {
  Json out = {{"endpoint", consumer.endpoint},
              {"cursor", std::to_string(consumer.cursor)},
              {"lag_events", consumer.lag_events}};
  if (named) {
    out["name"] = consumer.name;
    out["app"] = consumer.app;
  }
  return out;
}

Json of(const events::JournalStats& journal) {
  return {{"bytes", journal.file_bytes},
          {"events", journal.events},
          {"oldest_id", std::to_string(journal.oldest_id)},
          {"durable_id", std::to_string(journal.durable_id)},
          {"gone_through", std::to_string(journal.gone_through)},
          {"writable", journal.writable},
          {"trouble", journal.trouble}};
}

template <class List>
Json each(const List& list) {
  Json out = Json::array();
  for (const auto& item : list)
    out.push_back(of(item));
  return out;
}

}  // namespace

std::string status_json(const Snapshot& now, bool name_consumers) {
  Json out = {
      {"version", now.version}, {"uptime_seconds", now.uptime.count()}, {"config_hash", now.config_hash}};
  out["sessions"] = each(now.sessions);
  out["sinks"] = each(now.sinks);
  out["consumers"] = Json::array();
  for (const auto& consumer : now.consumers)
    out["consumers"].push_back(of(consumer, name_consumers));
  out["relays"] = each(now.relays);
  out["gaps"] = Json::array();
  for (const auto& gap : now.gaps) {
    out["gaps"].push_back(
        {{"source", gap.source}, {"reason", gap.reason}, {"since", time_or_null(gap.since)}});
  }
  for (const auto& gap : now.relay_gaps) {
    out["gaps"].push_back({{"source", gap.source},
                           {"relay", gap.relay},
                           {"reason", gap.reason},
                           {"since", time_or_null(gap.since)}});
  }
  out["limits"] = Json::parse(now.limits, nullptr, false);
  out["journal"] = of(now.journal);
  out["draining"] = now.draining;
  out["paused"] = Json::parse(now.paused, nullptr, false);
  out["emergency"] = Json::parse(now.emergency, nullptr, false);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<local::Check> readiness(const Snapshot& now, const std::vector<std::string>& require) {
  const bool all = std::find(require.begin(), require.end(), "all") != require.end();
  const auto counts = [&](const std::string& name) {
    return all || std::find(require.begin(), require.end(), name) != require.end();
  };
  std::vector<local::Check> checks;
  checks.push_back({"listeners", true, "", true});
  checks.push_back({"journal", now.journal.writable, now.journal.trouble, true});
  checks.push_back({"draining", !now.draining, now.draining ? "the daemon is stopping" : "", true});
  for (const auto& session : now.sessions) {
    const bool up = session.state == bridges::SessionState::up;
    const std::string why =
        std::string(name_of(session.state)) + (session.reason.empty() ? "" : ": " + session.reason);
    checks.push_back({session.source, up, up ? "" : why, counts(session.source)});
  }
  for (const auto& sink : now.sinks) {
    const bool up = sink.state == bridges::SinkState::up;
    const std::string why =
        std::string(name_of(sink.state)) + (sink.reason.empty() ? "" : ": " + sink.reason);
    checks.push_back({sink.name, up, up ? "" : why, counts(sink.name)});
  }
  // `all` is every session and sink; a target far away must not decide over all of them.
  for (const auto& relay : now.relays) {
    if (std::find(require.begin(), require.end(), relay.name) == require.end()) continue;
    const bool up = relay.state == bridges::SessionState::up;
    const std::string why =
        std::string(name_of(relay.state)) + (relay.reason.empty() ? "" : ": " + relay.reason);
    checks.push_back({relay.name, up, up ? "" : why, true});
  }
  for (const std::string& name : require) {
    const bool known = name == "all" || std::any_of(checks.begin(), checks.end(),
                                                    [&](const auto& check) { return check.name == name; });
    if (!known) checks.push_back({name, false, "no session, sink or relay has this name", true});
  }
  return checks;
}

std::string status_line(const Snapshot& now) {
  std::string line = now.draining ? "stopping" : "serving";
  for (const auto& session : now.sessions)
    line += "; " + session.source + ' ' + name_of(session.state);
  for (const auto& sink : now.sinks) {
    line += "; " + sink.name + ' ' + name_of(sink.state);
    if (sink.lag_events > 0) line += " lag " + std::to_string(sink.lag_events);
  }
  if (!now.journal.writable) line += "; journal: " + now.journal.trouble;
  return line;
}

}  // namespace bridge55
