// A journal in a directory of its own, driven like the daemon drives it: one I/O thread (the test's),
// callbacks by its event loop.
#pragma once

#include "daemon/events/journal.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::events {

// What a test appends: the interesting parts of a fact, all of which a read must give back.
struct Sample {
  std::string source = "abp", channel = "orders", name = "UPDATE", key = "327";
  std::string payload = R"({"orderId":327,"odds":1.910})";
  std::string relay, old;
};

class Running {
 public:
  // Opens and starts; `at` is the directory, made if need be.
  explicit Running(const std::string& directory, config::Journal settings = {});
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  Journal& journal();
  const Recovered& recovered() const { return recovered_; }

  EventPtr append(EventId id, const Sample& sample = {}, Fingerprint print = 0);
  // As many events as asked for, ids rising by `step` from the first.
  void append_many(EventId first, std::size_t count, EventId step = 10, const Sample& sample = {});
  // Runs the event loop until `done`, at most 20 s; whether it came to be.
  bool until(const std::function<bool()>& done);
  bool durable(EventId id) {
    return until([&] { return durable_id >= id; });
  }
  bool barrier();
  ReadResult read(ReadRequest request);
  std::vector<EventId> ids(EventId after = 0);  // everything that is held, chunk by chunk
  std::optional<TradeRecord> read_trade(const std::string& uuid);
  bool store(const TradeRecord& trade);  // and waits until it is durable
  void close();                          // as the daemon stops
  void abandon();                        // as if it had been killed: nothing is said to the file any more

  // What the handlers were told.
  EventId durable_id = 0;
  std::vector<std::pair<bool, std::string>> writable;
  std::vector<std::string> fatal;
  std::vector<EventId> forced;
  struct Hole {
    EventId first, last;
    std::uint64_t count;
  };
  std::vector<Hole> skipped;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  Recovered recovered_;
};

EventPtr make_event(EventId id, const Sample& sample = {});
// A trade of so many open orders, their uuids "<id>-0" and so on; of now.
TradeRecord make_trade(std::uint64_t id, std::size_t orders = 2);
// All that a test holds against another, in one text.
std::string shown(const TradeRecord& trade);

class JournalTest : public testing::Test {
 protected:
  JournalTest();
  ~JournalTest() override;
  std::string path() const { return directory + "/journal.db"; }
  std::vector<std::string> files() const;  // names in the directory, sorted
  std::string directory;
};

std::string slurp(const std::string& path);
void spit(const std::string& path, const std::string& bytes);
// Runs one statement with a connection of its own.
void sql(const std::string& path, const std::string& statement);
std::int64_t sql_number(const std::string& path, const std::string& statement);

}  // namespace bridge55::events
