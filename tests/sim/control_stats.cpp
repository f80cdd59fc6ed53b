// GET /stats
#include "tests/sim/control.hpp"

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

json sent_by_channel(Api api, const ApiStats& stats) {
  json sent = json::object();
  const auto channels = channels_of(api);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < stats.sent.size(); ++i) {
    total += stats.sent[i];
    if (i < channels.size()) sent[std::string(channels[i].name)] = stats.sent[i];
  }
  sent["unknown"] = stats.sent[kUnknownChannel];
  sent["total"] = total;
  return sent;
}

json keys_of(const std::deque<KeyEntry>& entries) {
  json keys = json::array();
  for (const auto& entry : entries) {
    keys.push_back({{"key", masked(entry.key.key)},
                    {"client", entry.key.client},
                    {"connections", entry.connections},
                    {"undelivered", entry.undelivered.size()},
                    {"rest_in_window", entry.rest_calls.size()},
                    {"most_in_window", entry.most_in_window}});
  }
  return keys;
}

json connections_of(Hub& hub, Api api) {
  json list = json::array();
  hub.each(api, [&list](Connection& connection) {
    const Session& session = *connection.session();
    json one{{"conn", connection.id()}, {"subscribed", session.subscribed()}};
    if (session.subscribed()) {
      one["key"] = masked(session.key()->key.key);
      one["subscription"] = session.subscription();
      one["channels"] = json::parse(session.channels_json());
      one["reliable"] = session.reliable();
      one["next_seq"] = session.next_seq();
      one["unacked"] = session.unacked();
      one["waiting"] = session.waiting();
    }
    one["queued"] = connection.queued();
    one["stalled"] = connection.stalled();
    list.push_back(std::move(one));
  });
  return list;
}

json logins_of(const ApiStats& stats) {
  json logins = json::array();
  for (const auto& text : stats.last_logins)
    logins.push_back(json::parse(text));
  return logins;
}

json api_stats(const ControlTargets& targets, Api api) {
  const ApiStats& s = targets.vendor.stats_of(api);
  const Book& book = targets.vendor.book_of(api);
  return {{"accepted", s.accepted},
          {"logins", s.logins},
          {"refused", s.refused},
          {"login_timeouts", s.login_timeouts},
          {"pong_timeouts", s.pong_timeouts},
          {"overflows", s.overflows},
          {"dropped", s.dropped},
          {"acked", s.acked},
          {"redelivered", s.redelivered},
          {"pings_in", s.pings_in},
          {"pongs_in", s.pongs_in},
          {"errors_out", s.errors_out},
          {"frames", s.frames},
          {"bytes", s.bytes},
          {"rest_requests", s.rest_requests},
          {"rest_limited", s.rest_limited},
          {"sent", sent_by_channel(api, s)},
          {"book", {{"orders", book.orders().size()}, {"bets", book.bets().size()}}},
          {"keys", keys_of(targets.vendor.keys_of(api))},
          {"connections", connections_of(targets.hub, api)},
          {"last_logins", logins_of(s)}};
}

}  // namespace

HttpResponse show_stats(const ControlTargets& targets) {
  const json stats{{"events", targets.pacer.events()},
                   {"rate", targets.pacer.at_max() ? json("max") : json(targets.pacer.rate())},
                   {"burst_left", targets.pacer.burst_left()},
                   {"journal_last", targets.vendor.journal.last()},
                   {"requests_last", targets.vendor.requests.last()},
                   {"relays_open", targets.vendor.relay_log.relays.open().size()},
                   {"relays_last", targets.vendor.relay_log.relays.last()},
                   {"amqp_open", targets.vendor.relay_log.streams.open().size()},
                   {"amqp_last", targets.vendor.relay_log.streams.last()},
                   {"abp", api_stats(targets, Api::abp)},
                   {"mm", api_stats(targets, Api::mm)},
                   {"scraping", api_stats(targets, Api::scraping)}};
  return json_response(200, stats.dump());
}

}  // namespace bridge55::sim
