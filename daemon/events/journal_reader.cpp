#include "daemon/events/journal_reader.hpp"

#include "daemon/events/journal_open.hpp"

#include <algorithm>
#include <pthread.h>
#include <utility>

namespace bridge55::events {
namespace {

constexpr std::size_t kSliceRows = 1000;
constexpr WallMicros kSlack =
    60'000'000;  // how far an event's id and its time may lie apart, and a clock may have been set back
constexpr std::size_t kCommitsLooked = 20'000;
constexpr std::size_t kDamageNamed = 5;

bool in_window(const ReadRequest& request, WallMicros from, WallMicros to) {
  return (request.from == 0 || to >= request.from) && (request.to == 0 || from <= request.to);
}

}  // namespace

Reader::Reader(const std::string& path, std::mutex& gate, std::function<void(const std::string&)> failed)
    : connection_(path, sqlite::Connection::Mode::read),
      begin_(connection_, "BEGIN"),
      end_(connection_, "COMMIT"),
      rows_(
          connection_,
          ("SELECT " + std::string(kEventColumns) + " FROM events WHERE id>? AND id<? ORDER BY id").c_str()),
      gone_(connection_, "SELECT value FROM notes WHERE name='gone_through'"),
      oldest_(connection_, "SELECT id FROM events ORDER BY id LIMIT 1"),
      commit_before_(connection_,
                     "SELECT first_id FROM commits WHERE first_id<=? ORDER BY first_id DESC LIMIT 1"),
      commits_(connection_,
               "SELECT first_id, last_id, received_from, received_to FROM commits WHERE first_id>=? ORDER BY "
               "first_id"),
      commit_at_(connection_,
                 "SELECT last_id, appended FROM commits WHERE first_id<=? ORDER BY first_id DESC LIMIT 1"),
      first_commit_(connection_, "SELECT appended-count FROM commits ORDER BY first_id LIMIT 1"),
      last_commit_(connection_, "SELECT appended FROM commits ORDER BY first_id DESC LIMIT 1"),
      count_(connection_, "SELECT count(*) FROM events WHERE id>? AND id<=?"),
      trades_(connection_),
      requests_(connection_),
      gate_(gate),
      failed_(std::move(failed)) {
  connection_.run("PRAGMA cache_size=-4096; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON");
}

Reader::~Reader() {
  stop();
}

void Reader::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "journal-read");
    run();
  });
}

void Reader::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Reader::add(ReadRequest request, Done done) {
  Job job;
  job.position = request.after;
  job.request = std::move(request);
  job.done = std::move(done);
  push(std::move(job));
}

void Reader::count_after(EventId after, std::function<void(std::uint64_t)> done) {
  Job job;
  job.position = after;
  job.count = std::move(done);
  push(std::move(job));
}

void Reader::find_trade(std::string uuid, std::function<void(std::optional<TradeRecord>)> done) {
  Job job;
  job.uuid = std::move(uuid);
  job.trade = std::move(done);
  push(std::move(job), true);
}

void Reader::find_request(std::string sink, std::string name,
                          std::function<void(std::optional<RequestRecord>)> done) {
  Job job;
  job.sink = std::move(sink);
  job.name = std::move(name);
  job.named = std::move(done);
  push(std::move(job), true);
}

void Reader::push(Job job, bool first) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.insert(first ? jobs_.begin() : jobs_.end(), std::move(job));
  }
  wake_.notify_one();
}

void Reader::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    const bool finished = slice(job);
    if (finished) answer(job);
    lock.lock();
    if (!finished) jobs_.push_back(std::move(job));
  }
}

void Reader::answer(Job& job) {
  if (job.count) return job.count(job.scanned);
  if (job.trade) return job.trade(std::move(job.found));
  if (job.named) return job.named(std::move(job.named_found));
  job.done(std::move(job.result));
}

// Every row of `commits` says how many events there ever were: a subtraction, and the rest of one commit.
std::uint64_t Reader::count(EventId after) {
  const auto first = [](sqlite::Statement& statement) -> std::pair<EventId, std::uint64_t> {
    if (!statement.row()) return {};
    const std::pair<EventId, std::uint64_t> found{statement.id(0), statement.id(1)};
    statement.reset();
    return found;
  };
  const std::uint64_t appended = first(last_commit_).first;
  const auto [last_id, before] = first(commit_at_.bind(1, std::min<EventId>(after, INT64_MAX)));
  if (last_id == 0) return appended - std::min(appended, first(first_commit_).first);
  const std::uint64_t rest = last_id > after ? first(count_.bind(1, after).bind(2, last_id)).first : 0;
  return appended - std::min(appended, before) + rest;
}

// True where the job is done.
bool Reader::slice(Job& job) {
  const std::lock_guard snapshot(gate_);
  bool finished = true;
  try {
    begin_.run();
    finished = perform(job);
  } catch (const sqlite::Error& error) {
    finished = survive(job, error);
  }
  try {
    if (connection_.in_transaction()) end_.run();
  } catch (const sqlite::Error&) {
    // A read transaction has nothing to lose.
  }
  job.result.scanned_through = job.position;
  return finished;
}

bool Reader::perform(Job& job) {
  if (job.trade) {
    job.found = trades_.newest(job.uuid);
    return true;
  }
  if (job.named) {
    job.named_found = requests_.find(job.sink, job.name);
    return true;
  }
  if (job.count) {
    job.scanned = count(job.position);
    return true;
  }
  note_state(job);
  return rows(job);
}

// What cannot be read is leapt over; true where the job ends there.
bool Reader::survive(Job& job, const sqlite::Error& error) {
  rows_.reset();
  commits_.reset();
  if (error.trouble == sqlite::Trouble::busy)
    return false;  // another program has the file for itself: again, in turn
  if (job.count || job.trade || job.named) {
    // It may be there: nobody must take what cannot be read for what never was.
    if (job.named) job.named_found = RequestRecord{job.sink, job.name, 0, 0, 0, {}};
    if (!job.count && error.trouble == sqlite::Trouble::io) failed_(error.what());
    return true;
  }
  if (leap(job, error.what())) return false;
  if (error.trouble == sqlite::Trouble::io && job.result.events.empty()) {
    // Not a place but the disk: whoever asked must not take it for the journal's end.
    job.result.more = true;
    failed_(error.what());
  }
  return true;
}

// Retention may pass the place where a scan stands between two slices.
void Reader::note_state(Job& job) {
  const EventId gone = gone_.row() ? gone_.id(0) : 0;
  gone_.reset();
  if (job.scanned == 0 || gone > job.position) job.result.gone_through = gone;
  job.result.oldest_id = oldest_.row() ? oldest_.id(0) : 0;
  oldest_.reset();
}

bool Reader::rows(Job& job) {
  const ReadRequest& request = job.request;
  const bool timed = request.from != 0 || request.to != 0;
  if (timed && job.in_window_through <= job.position && !seek_window(job)) return true;
  const EventId before = request.before != 0 ? std::min<EventId>(request.before, INT64_MAX) : INT64_MAX;
  rows_.bind(1, std::min<EventId>(job.position, INT64_MAX)).bind(2, before);
  const EventId begun = job.position;
  for (std::size_t looked = 0; looked < kSliceRows; ++looked) {
    if (!rows_.row()) return true;
    const Step step = take(job);
    if (step == Step::go_on) continue;
    rows_.reset();
    return step == Step::finished;
  }
  rows_.reset();
  return job.position == begun && !leap(job, "ids go backwards");
}

// One row: checked against its checksum and its predecessor, then against what was asked for.
Reader::Step Reader::take(Job& job) {
  const ReadRequest& request = job.request;
  ReadResult& result = job.result;
  const EventRow found = event_row(rows_);
  const EventId id = found.row.id;
  if (result.events.size() >= request.max_events || job.bytes >= request.max_bytes ||
      (request.wants && job.scanned >= request.max_scanned)) {
    result.more = true;
    return Step::finished;
  }
  ++job.scanned;
  const EventId last = std::exchange(job.position, std::max(job.position, id));
  if (!found.sound || id <= last) {
    damage(job, last, id, "a checksum does not fit");
    return Step::go_on;
  }
  if (found.before > last && found.before > result.gone_through) damage(job, last, id, "rows are missing");
  if (!in_window(request, found.row.received_at, found.row.received_at)) {
    return id < job.in_window_through ? Step::go_on : Step::next_slice;
  }
  EventPtr event = Event::from_row(found.row);
  if (event == nullptr) {
    damage(job, last, id, "its parts do not fit");
    return Step::go_on;
  }
  if (request.wants && !request.wants(*event)) return Step::go_on;
  job.bytes += event->memory_bytes();
  result.events.push_back(std::move(event));
  return Step::go_on;
}

// Moves on to the next commit that holds events of the times asked for; false where there is none.
bool Reader::seek_window(Job& job) {
  const ReadRequest& request = job.request;
  if (request.from > kSlack)
    job.position = std::max(job.position, static_cast<EventId>(request.from - kSlack));
  commit_before_.bind(1, std::min<EventId>(job.position + 1, INT64_MAX));
  const EventId first = commit_before_.row() ? commit_before_.id(0) : 0;
  commit_before_.reset();
  commits_.bind(1, first);
  for (std::size_t looked = 0; commits_.row(); ++looked) {
    const EventId first_id = commits_.id(0), last_id = commits_.id(1);
    const WallMicros from = commits_.number(2), to = commits_.number(3);
    if (last_id <= job.position) continue;
    const bool past = request.to != 0 && from > request.to + kSlack;
    const bool beyond = request.before != 0 && first_id >= request.before;
    if (past || beyond) break;
    if (in_window(request, from, to)) {
      job.position = std::max(job.position, first_id - 1);
      job.in_window_through = last_id;
      commits_.reset();
      return true;
    }
    job.position = last_id;
    if (looked == kCommitsLooked) {
      job.result.more = true;
      break;
    }
  }
  commits_.reset();
  return false;
}

// Over a place that SQLite cannot read. False where nothing behind it can be reached.
bool Reader::leap(Job& job, const char* why) {
  const EventId last = job.position;
  EventId next = 0;
  try {
    next = next_reachable(connection_, last);
  } catch (const sqlite::Error&) {
    next = 0;
  }
  damage(job, last, next, why);
  if (next == 0 || (job.request.before != 0 && next >= job.request.before)) return false;
  try {
    rows_.bind(1, next - 1).bind(2, next + 1);
    const bool readable = rows_.row() && event_row(rows_).sound;
    rows_.reset();
    job.position = readable && next - 1 > last ? next - 1 : next;
  } catch (const sqlite::Error&) {
    job.position = next;
  }
  return true;
}

void Reader::damage(Job& job, EventId from, EventId to, const char* why) {
  if (job.damaged++ >= kDamageNamed) return;
  std::string& text = job.result.damage;
  if (!text.empty()) text += "; ";
  text += "after " + std::to_string(from) + (to > from ? " through " + std::to_string(to) : "") + ": " + why;
}

}  // namespace bridge55::events
