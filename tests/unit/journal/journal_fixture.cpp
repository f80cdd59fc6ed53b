#include "tests/unit/journal/journal_fixture.hpp"

#include "daemon/base/metrics.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <sqlite3.h>

namespace bridge55::events {

using namespace std::chrono_literals;

struct Running::Parts {
  boost::asio::io_context io;
  metrics::Registry metrics;
  std::unique_ptr<Journal> journal;
};

Running::Running(const std::string& directory, config::Journal settings) : parts_(std::make_unique<Parts>()) {
  if (settings.path == config::Journal{}.path) settings.path = directory + "/journal.db";
  parts_->journal = Journal::open(settings, parts_->io, parts_->metrics, recovered_);
  Journal::Handlers handlers;
  handlers.durable = [this](EventId id) { durable_id = id; };
  handlers.writable = [this](bool can, const std::string& why) { writable.emplace_back(can, why); };
  handlers.fatal = [this](const std::string& why) { fatal.push_back(why); };
  handlers.forced = [this](EventId through, const std::string&) { forced.push_back(through); };
  handlers.skipped = [this](EventId first, EventId last, std::uint64_t count) {
    skipped.push_back({first, last, count});
  };
  parts_->journal->start(std::move(handlers));
}

Running::~Running() = default;

Journal& Running::journal() {
  return *parts_->journal;
}

EventPtr make_event(EventId id, const Sample& sample) {
  Facts facts;
  facts.source = sample.source;
  facts.channel = sample.channel;
  facts.name = sample.name;
  facts.key = sample.key;
  facts.payload = sample.payload;
  facts.relay = sample.relay;
  facts.old = sample.old;
  MessageId message{};
  for (std::size_t i = 0; i < 8; ++i)
    message[i] = static_cast<std::uint8_t>(id >> (8 * i));
  return Event::make({id, static_cast<WallMicros>(id), message}, facts);
}

EventPtr Running::append(EventId id, const Sample& sample, Fingerprint print) {
  EventPtr event = make_event(id, sample);
  parts_->journal->append(event, print);
  return event;
}

void Running::append_many(EventId first, std::size_t count, EventId step, const Sample& sample) {
  for (std::size_t i = 0; i < count; ++i)
    append(first + i * step, sample);
}

bool Running::until(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!done() && std::chrono::steady_clock::now() < deadline) {
    parts_->io.restart();
    parts_->io.run_one_for(5ms);
  }
  return done();
}

bool Running::barrier() {
  auto passed = std::make_shared<bool>(false);
  parts_->journal->barrier([passed] { *passed = true; });
  return until([&] { return *passed; });
}

ReadResult Running::read(ReadRequest request) {
  auto answer = std::make_shared<std::optional<ReadResult>>();
  parts_->journal->read(std::move(request), [answer](ReadResult result) { *answer = std::move(result); });
  EXPECT_TRUE(until([&] { return answer->has_value(); }));
  return answer->has_value() ? std::move(**answer) : ReadResult{};
}

std::vector<EventId> Running::ids(EventId after) {
  std::vector<EventId> all;
  for (bool more = true; more;) {
    ReadRequest request;
    request.after = after;
    const ReadResult result = read(request);
    for (const EventPtr& event : result.events)
      all.push_back(event->id());
    more = result.more;
    after = result.scanned_through;
  }
  return all;
}

std::optional<TradeRecord> Running::read_trade(const std::string& uuid) {
  auto answer = std::make_shared<std::optional<std::optional<TradeRecord>>>();
  parts_->journal->read_trade(uuid, [answer](auto found) { *answer = std::move(found); });
  EXPECT_TRUE(until([&] { return answer->has_value(); }));
  return answer->value_or(std::nullopt);
}

bool Running::store(const TradeRecord& trade) {
  auto durable = std::make_shared<bool>(false);
  parts_->journal->store_trade(trade, [durable] { *durable = true; });
  return until([&] { return *durable; });
}

TradeRecord make_trade(std::uint64_t id, std::size_t orders) {
  TradeRecord trade;
  trade.id = id;
  trade.upstream = "abp";
  trade.app = "risk";
  trade.request_id = "request " + std::to_string(id);
  trade.at = wall_now();
  trade.body = R"({"orders": [{"stake": 1.50}]})";
  for (std::size_t i = 0; i < orders; ++i)
    trade.orders.push_back({std::to_string(id) + "-" + std::to_string(i), Fate::open, ""});
  return trade;
}

std::string shown(const TradeRecord& trade) {
  std::string text = std::to_string(trade.id) + "|" + trade.upstream + "|" + trade.app + "|" +
                     trade.request_id + "|" + std::to_string(trade.at) + "|" +
                     (trade.open ? "open" : "closed") + "|" + trade.body + "|" +
                     std::to_string(trade.status) + "|" + (trade.settled ? "settled" : "") + "|" +
                     trade.content_type + "|" + trade.answer + "|" + trade.steps;
  for (const TradeOrder& order : trade.orders)
    text += "|" + order.uuid + "=" + std::to_string(static_cast<int>(order.fate)) + order.entry;
  return text;
}

void Running::close() {
  parts_->journal->close();
  parts_->io.restart();
  parts_->io.poll();
}

void Running::abandon() {
  parts_->journal.reset();
}

JournalTest::JournalTest() {
  std::string name = (std::filesystem::temp_directory_path() / "bridge55-journal-XXXXXX").string();
  directory = ::mkdtemp(name.data());
}

JournalTest::~JournalTest() {
  std::filesystem::remove_all(directory);
}

std::vector<std::string> JournalTest::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void spit(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
}

std::int64_t sql_number(const std::string& path, const std::string& statement) {
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_stmt* prepared = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(db, statement.c_str(), -1, &prepared, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  const std::int64_t number = sqlite3_step(prepared) == SQLITE_ROW ? sqlite3_column_int64(prepared, 0) : 0;
  sqlite3_finalize(prepared);
  sqlite3_close(db);
  return number;
}

void sql(const std::string& path, const std::string& statement) {
  sql_number(path, statement);
}

}  // namespace bridge55::events
