#include "daemon/events/journal.hpp"

#include "daemon/base/metrics.hpp"
#include "daemon/events/journal_inbox.hpp"
#include "daemon/events/journal_open.hpp"
#include "daemon/events/journal_reader.hpp"
#include "daemon/events/journal_writer.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55::events {
namespace {

// Brings what the journal's threads report to the I/O thread, and nothing once the journal is gone.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  explicit Mailbox(boost::asio::io_context& io) : io_(io) {}

  template <class Call>
  void post(Call call) {
    boost::asio::post(io_, [self = shared_from_this(), call = std::move(call)]() mutable {
      if (self->open_) call();
    });
  }

  // Commits can outrun the I/O thread: it hears of the newest.
  void durable(EventId id) {
    durable_.store(id, std::memory_order_release);
    if (durable_posted_.exchange(true, std::memory_order_acq_rel)) return;
    post([this] {
      durable_posted_.store(false, std::memory_order_release);
      if (handlers.durable) handlers.durable(durable_.load(std::memory_order_acquire));
    });
  }

  void fatal(const std::string& why) {
    post([this, why] {
      if (handlers.fatal) handlers.fatal(why);
    });
  }

  void close() {  // I/O thread
    open_ = false;
    handlers = {};
  }

  Journal::Handlers handlers;  // I/O thread

 private:
  boost::asio::io_context& io_;
  bool open_ = true;  // I/O thread
  std::atomic<EventId> durable_{0};
  std::atomic<bool> durable_posted_{false};
};

class SqliteJournal : public Journal {
 public:
  SqliteJournal(OpenedJournal opened, boost::asio::io_context& io, JournalMetrics metrics)
      : mailbox_(std::make_shared<Mailbox>(io)),
        inbox_(kInboxLimit, *metrics.inbox_bytes),
        reader_(std::make_unique<Reader>(
            opened.path, gate_, [box = mailbox_.get()](const std::string& why) { box->fatal(why); })),
        writer_(std::make_unique<Writer>(std::move(opened), inbox_, gate_, metrics)) {}

  ~SqliteJournal() override {
    stop();
    mailbox_->close();
  }

  void start(Handlers handlers) override {
    mailbox_->handlers = std::move(handlers);
    reader_->start();
    writer_->start(signals());
  }

  void append(EventPtr event, Fingerprint fingerprint) override {
    inbox_.append(std::move(event), fingerprint);
  }
  std::size_t inbox_bytes() const override { return inbox_.bytes(); }
  EventId ceiling() const override { return writer_->ceiling(); }

  void want_ceiling(EventId at_least) override {
    if (at_least <= std::max(wanted_ceiling_, ceiling())) return;
    wanted_ceiling_ = at_least;
    inbox_.order(
        [at_least](Orders& orders) { orders.wanted_ceiling = std::max(orders.wanted_ceiling, at_least); });
  }

  void store_cursor(const std::string& sink, EventId id) override {
    inbox_.order([&](Orders& orders) { orders.cursors[sink] = id; });
  }
  void drop_cursor(const std::string& sink) override {
    inbox_.order([&](Orders& orders) { orders.cursors[sink] = std::nullopt; });
  }
  void store_consumer(const ConsumerRecord& consumer) override {
    inbox_.order([&](Orders& orders) { orders.consumers[consumer.name] = consumer; });
  }
  void drop_consumer(const std::string& name) override {
    inbox_.order([&](Orders& orders) { orders.consumers[name] = std::nullopt; });
  }
  void store_trade(TradeRecord trade, std::function<void()> durable) override {
    auto shared = std::make_shared<const TradeRecord>(std::move(trade));
    unstored_.push_back({shared, std::move(durable)});
    inbox_.hurry({std::move(shared), {}, {}});
  }
  void store_switch(std::string name, std::string value, std::function<void()> durable) override {
    unstored_.push_back({nullptr, std::move(durable)});
    inbox_.hurry({nullptr, std::move(name), std::move(value)});
  }
  void store_request(RequestRecord request, std::function<void()> durable) override {
    auto shared = std::make_shared<const RequestRecord>(std::move(request));
    unstored_.push_back({nullptr, std::move(durable), shared});
    inbox_.hurry({nullptr, {}, {}, std::move(shared)});
  }
  void read_request(std::string sink, std::string name,
                    std::function<void(std::optional<RequestRecord>)> then) override {
    for (auto item = unstored_.rbegin(); item != unstored_.rend(); ++item) {
      const RequestRecord* request = item->request.get();
      if (request == nullptr || request->sink != sink || request->name != name) continue;
      mailbox_->post([found = *request, then = std::move(then)]() mutable { then(std::move(found)); });
      return;
    }
    reader_->find_request(
        std::move(sink), std::move(name),
        [mailbox = mailbox_, then = std::move(then)](std::optional<RequestRecord> found) {
          mailbox->post([then, found = std::move(found)]() mutable { then(std::move(found)); });
        });
  }
  void read_trade(std::string uuid, std::function<void(std::optional<TradeRecord>)> then) override {
    auto waiting = newest_unstored(uuid);
    auto choose = [waiting = std::move(waiting), then = std::move(then)](std::optional<TradeRecord> found) {
      if (waiting != nullptr && (!found || found->id <= waiting->id)) found = *waiting;
      then(std::move(found));
    };
    reader_->find_trade(std::move(uuid), [mailbox = mailbox_, choose = std::move(choose)](
                                             std::optional<TradeRecord> found) mutable {
      mailbox->post(
          [choose = std::move(choose), found = std::move(found)]() mutable { choose(std::move(found)); });
    });
  }
  void set_trades_keep(config::Duration keep) override { writer_->set_trades_keep(keep); }

  void barrier(std::function<void()> then) override {
    inbox_.order([&](Orders& orders) { orders.barriers.push_back(std::move(then)); });
  }

  void read(ReadRequest request, std::function<void(ReadResult)> then) override {
    reader_->add(std::move(request), [mailbox = mailbox_, then = std::move(then)](ReadResult result) {
      mailbox->post([then, result = std::move(result)]() mutable { then(std::move(result)); });
    });
  }

  void count_after(EventId after, std::function<void(std::uint64_t)> then) override {
    reader_->count_after(after, [mailbox = mailbox_, then = std::move(then)](std::uint64_t count) {
      mailbox->post([then, count] { then(count); });
    });
  }

  void hold_from(EventId id) override { writer_->hold_from(id); }
  void set_retention(const config::Journal& settings) override { writer_->set_retention(settings); }
  JournalStats stats() const override { return writer_->stats(); }

  void close() override {
    if (std::exchange(closed_, true)) return;
    stop();
    writer_->close_cleanly();
  }

 private:
  void stop() {
    inbox_.stop();
    writer_->join();
    reader_->stop();
  }

  // Stored and not durable yet, oldest first. The callbacks stay on this thread.
  struct Unstored {
    std::shared_ptr<const TradeRecord> trade;  // else a request, or a switch
    std::function<void()> durable;
    std::shared_ptr<const RequestRecord> request = nullptr;
  };

  std::shared_ptr<const TradeRecord> newest_unstored(const std::string& uuid) const {
    std::shared_ptr<const TradeRecord> newest;
    for (const Unstored& item : unstored_) {
      if (item.trade == nullptr || (newest != nullptr && item.trade->id < newest->id)) continue;
      if (holds(*item.trade, uuid)) newest = item.trade;
    }
    return newest;
  }

  void stored(std::size_t count) {
    for (; count > 0; --count) {
      const std::function<void()> durable = std::move(unstored_.front().durable);
      unstored_.pop_front();
      if (durable) durable();
    }
  }

  Writer::Signals signals() {
    Mailbox* box = mailbox_.get();  // the threads end before it does
    Writer::Signals out;
    out.durable = [box](EventId id) { box->durable(id); };
    out.writable = [box](bool writable, const std::string& why) {
      box->post([box, writable, why] {
        if (box->handlers.writable) box->handlers.writable(writable, why);
      });
    };
    out.fatal = [box](const std::string& why) { box->fatal(why); };
    out.forced = [box](EventId through, const std::string& why) {
      box->post([box, through, why] {
        if (box->handlers.forced) box->handlers.forced(through, why);
      });
    };
    out.skipped = [box](const Skipped& hole) {
      box->post([box, hole] {
        if (box->handlers.skipped) box->handlers.skipped(hole.first, hole.last, hole.count);
      });
    };
    out.passed = [box](std::vector<std::function<void()>> barriers) {
      box->post([barriers = std::move(barriers)] {
        for (const auto& then : barriers)
          then();
      });
    };
    out.stored = [this, box](std::size_t count) { box->post([this, count] { stored(count); }); };
    return out;
  }

  std::shared_ptr<Mailbox> mailbox_;
  std::mutex gate_;
  Inbox inbox_;
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<Writer> writer_;
  std::deque<Unstored> unstored_;
  EventId wanted_ceiling_ = 0;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<Journal> Journal::open(const config::Journal& settings, boost::asio::io_context& io,
                                       metrics::Registry& metrics, Recovered& recovered) {
  OpenedJournal opened = open_journal(settings, recovered);
  const JournalMetrics series{
      &metrics.gauge("bridge55_journal_bytes", "Bytes of the journal's file and log."),
      &metrics.gauge("bridge55_journal_inbox_bytes", "Bytes waiting for the disk."),
      &metrics.counter("bridge55_journal_events_total", "Events made durable."),
      &metrics.histogram("bridge55_journal_commit_seconds", "How long commits took, their sync included.")};
  std::unique_ptr<SqliteJournal> journal;
  try {
    journal = std::make_unique<SqliteJournal>(std::move(opened), io, series);
  } catch (const sqlite::Error& error) {
    throw JournalError(69, std::string("journal: ") + error.what());
  }
  journal->set_retention(settings);
  // Until it is told, retention spares what any stored cursor has not read.
  EventId hold = UINT64_MAX;
  for (const auto& [sink, id] : recovered.cursors)
    hold = std::min(hold, id);
  for (const ConsumerRecord& consumer : recovered.consumers)
    hold = std::min(hold, consumer.cursor);
  journal->hold_from(hold);
  return journal;
}

}  // namespace bridge55::events
