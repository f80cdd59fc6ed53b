// The thread that reads the journal: pages and catch-up. A read sees one snapshot a slice of at most 1,000
// rows, and readers take turns slice by slice: a scan over many rows holds up neither the others nor a
// checkpoint.
#pragma once

#include "daemon/events/journal.hpp"
#include "daemon/events/journal_store.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace bridge55::events {

class Reader {
 public:
  using Done = std::function<void(ReadResult)>;
  // `gate` is held while a snapshot is: who holds it knows that the log is not being read.
  // `failed` is told, on the reader's thread, where nothing can be read any more.
  Reader(const std::string& path, std::mutex& gate, std::function<void(const std::string&)> failed);
  ~Reader();

  void start();
  void stop();                               // what was asked for and not begun is dropped
  void add(ReadRequest request, Done done);  // any thread; `done` is called on the reader's
  void count_after(EventId after, std::function<void(std::uint64_t)> done);
  void find_trade(std::string uuid,
                  std::function<void(std::optional<TradeRecord>)> done);  // ahead of the rest
  void find_request(std::string sink, std::string name,
                    std::function<void(std::optional<RequestRecord>)> done);  // the same

 private:
  struct Job {
    ReadRequest request;
    Done done;
    std::function<void(std::uint64_t)> count;               // instead of `done`: how many there are
    std::function<void(std::optional<TradeRecord>)> trade;  // instead of `done`: the newest with the order
    std::string uuid;
    std::optional<TradeRecord> found;
    std::function<void(std::optional<RequestRecord>)> named;  // instead of `done`: the one of that name
    std::string sink, name;
    std::optional<RequestRecord> named_found;
    ReadResult result;
    EventId position = 0;
    std::size_t bytes = 0, scanned = 0, damaged = 0;
    EventId in_window_through = 0;  // rows up to here are of a commit that overlaps the times asked for
  };
  enum class Step { go_on, finished, next_slice };

  void push(Job job, bool first = false);
  void run();
  bool slice(Job& job);
  bool survive(Job& job, const sqlite::Error& error);
  static void answer(Job& job);
  std::uint64_t count(EventId after);
  bool perform(Job& job);
  bool rows(Job& job);
  Step take(Job& job);
  bool seek_window(Job& job);
  bool leap(Job& job, const char* why);
  void note_state(Job& job);
  static void damage(Job& job, EventId from, EventId to, const char* why);

  sqlite::Connection connection_;
  sqlite::Statement begin_, end_, rows_, gone_, oldest_, commit_before_, commits_, commit_at_, first_commit_,
      last_commit_, count_;
  TradeReader trades_;
  RequestReader requests_;
  std::mutex& gate_;
  std::function<void(const std::string&)> failed_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace bridge55::events
