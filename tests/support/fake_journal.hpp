// A journal in memory for tests of what stands around it: commits and reads happen when the test says so, or
// at once.
#pragma once

#include "daemon/events/journal.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bridge55::tests {

class FakeJournal : public events::Journal {
 public:
  bool commit_at_once = true;  // else `commit` does it
  bool read_at_once = false;   // reads are answered from inside `read`; else `answer_reads` does it
  std::uint64_t ceiling_value = UINT64_MAX / 2;
  std::size_t inbox = 0;
  events::JournalStats stats_value;
  std::map<std::string, events::EventId> cursors;
  std::map<std::string, events::ConsumerRecord> consumers;
  std::vector<events::EventPtr> rows;  // durable, in id order
  std::vector<events::EventId> wanted_ceilings;
  events::EventId held_from = 0;
  bool trades_at_once =
      true;  // store_trade and store_switch are durable inside the call; else `commit_trades` does it
  bool trade_reads_at_once =
      true;  // read_trade is answered inside the call; else `answer_trade_reads` does it
  std::map<std::uint64_t, events::TradeRecord> trades;          // as they were last stored
  std::map<std::uint64_t, events::TradeRecord> durable_trades;  // what a crash would leave
  std::map<std::string, std::string> switches, durable_switches;
  std::map<std::string, events::RequestRecord> requests;  // by sink and name, as `sink/name`
  std::vector<events::RequestRecord> stored_requests;     // every call, in order
  std::vector<events::TradeRecord> stored_trades;         // every call, in order
  config::Duration trades_keep{};
  bool closed = false;
  Handlers handlers;

  void commit() {
    if (waiting_.empty()) return;
    const events::EventId last = waiting_.back()->id();
    rows.insert(rows.end(), waiting_.begin(), waiting_.end());
    waiting_.clear();
    stats_value.durable_id = last;
    if (handlers.durable) handlers.durable(last);
    run_barriers();
  }
  // Deletes up to and with this id, as retention does.
  void forget_through(events::EventId id) {
    std::erase_if(rows, [id](const auto& row) { return row->id() <= id; });
    stats_value.gone_through = id;
  }
  // How many stores became durable; those that they lead to wait for the next call.
  std::size_t commit_trades() {
    std::vector<std::function<void()>> now;
    now.swap(urgent_);
    for (auto& store : now)
      store();
    return now.size();
  }
  std::size_t answer_trade_reads() {
    std::vector<std::function<void()>> now;
    now.swap(trade_reads_);
    for (auto& answer : now)
      answer();
    return now.size();
  }
  std::size_t answer_reads() {
    std::size_t count = 0;
    for (; !reads_.empty(); ++count) {
      auto [request, then] = std::move(reads_.front());
      reads_.pop_front();
      then(look(request));
    }
    return count;
  }

  void start(Handlers given) override { handlers = std::move(given); }
  void append(events::EventPtr event, events::Fingerprint) override {
    waiting_.push_back(std::move(event));
    if (commit_at_once) commit();
  }
  std::size_t inbox_bytes() const override { return inbox; }
  events::EventId ceiling() const override { return ceiling_value; }
  void want_ceiling(events::EventId at_least) override { wanted_ceilings.push_back(at_least); }
  void store_cursor(const std::string& sink, events::EventId id) override { cursors[sink] = id; }
  void store_consumer(const events::ConsumerRecord& consumer) override {
    consumers[consumer.name] = consumer;
  }
  void drop_consumer(const std::string& name) override { consumers.erase(name); }
  void drop_cursor(const std::string& sink) override { cursors.erase(sink); }
  void store_trade(events::TradeRecord trade, std::function<void()> durable) override {
    trades[trade.id] = trade;
    stored_trades.push_back(trade);
    urgent([this, trade = std::move(trade), durable = std::move(durable)] {
      durable_trades[trade.id] = trade;
      if (durable) durable();
    });
  }
  void read_trade(std::string uuid, std::function<void(std::optional<events::TradeRecord>)> then) override {
    trade_reads_.push_back([found = newest_trade(uuid), then = std::move(then)] { then(found); });
    if (trade_reads_at_once) answer_trade_reads();
  }
  void store_switch(std::string name, std::string value, std::function<void()> durable) override {
    put(switches, name, value);
    urgent([this, name = std::move(name), value = std::move(value), durable = std::move(durable)] {
      put(durable_switches, name, value);
      if (durable) durable();
    });
  }
  void store_request(events::RequestRecord request, std::function<void()> durable) override {
    requests[request.sink + '/' + request.name] = request;
    stored_requests.push_back(std::move(request));
    urgent([durable = std::move(durable)] {
      if (durable) durable();
    });
  }
  void read_request(std::string sink, std::string name,
                    std::function<void(std::optional<events::RequestRecord>)> then) override {
    const auto found = requests.find(sink + '/' + name);
    then(found == requests.end() ? std::nullopt : std::optional(found->second));
  }
  void set_trades_keep(config::Duration keep) override { trades_keep = keep; }
  void barrier(std::function<void()> then) override {
    barriers_.push_back(std::move(then));
    if (waiting_.empty()) run_barriers();
  }
  void read(events::ReadRequest request, std::function<void(events::ReadResult)> then) override {
    if (read_at_once) return then(look(request));
    reads_.emplace_back(std::move(request), std::move(then));
  }
  void count_after(events::EventId after, std::function<void(std::uint64_t)> then) override {
    then(static_cast<std::uint64_t>(
        std::count_if(rows.begin(), rows.end(), [&](const auto& row) { return row->id() > after; })));
  }
  void hold_from(events::EventId id) override { held_from = id; }
  events::JournalStats stats() const override { return stats_value; }
  void set_retention(const config::Journal&) override {}
  void close() override { closed = true; }

 private:
  using Switches = std::map<std::string, std::string>;
  static void put(Switches& all, const std::string& name, const std::string& value) {
    if (value.empty()) {
      all.erase(name);
    } else {
      all[name] = value;
    }
  }
  void urgent(std::function<void()> store) {
    urgent_.push_back(std::move(store));
    if (trades_at_once) commit_trades();
  }
  std::optional<events::TradeRecord> newest_trade(const std::string& uuid) const {
    for (auto trade = trades.rbegin(); trade != trades.rend(); ++trade) {
      const auto& orders = trade->second.orders;
      if (std::ranges::find(orders, uuid, &events::TradeOrder::uuid) != orders.end()) return trade->second;
    }
    return std::nullopt;
  }
  void run_barriers() {
    std::vector<std::function<void()>> now;
    now.swap(barriers_);
    for (auto& then : now)
      then();
  }
  events::ReadResult look(const events::ReadRequest& request) const {
    events::ReadResult result;
    result.gone_through = stats_value.gone_through;
    result.oldest_id = rows.empty() ? 0 : rows.front()->id();
    result.scanned_through = request.after;
    std::size_t bytes = 0, scanned = 0;
    for (const auto& row : rows) {
      if (row->id() <= request.after || (request.before != 0 && row->id() >= request.before)) continue;
      if ((request.from != 0 && row->received_at() < request.from) ||
          (request.to != 0 && row->received_at() >= request.to))
        continue;
      if (result.events.size() >= request.max_events || bytes >= request.max_bytes ||
          scanned >= request.max_scanned) {
        result.more = true;
        return result;
      }
      if (request.wants) ++scanned;
      result.scanned_through = row->id();
      if (request.wants && !request.wants(*row)) continue;
      bytes += row->memory_bytes();
      result.events.push_back(row);
    }
    return result;
  }

  std::vector<events::EventPtr> waiting_;
  std::deque<std::pair<events::ReadRequest, std::function<void(events::ReadResult)>>> reads_;
  std::vector<std::function<void()>> barriers_, urgent_, trade_reads_;
};

}  // namespace bridge55::tests
