// The requests queue against brokers that do what no real one does: a request is acknowledged after its reply
// is confirmed, and only then.
#include "bridges/rabbitmq/requests.hpp"
#include "daemon/base/metrics.hpp"
#include "tests/support/fake_journal.hpp"
#include "tests/unit/rabbitmq/fake_broker.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using namespace std::chrono_literals;

std::string short_text(const std::string& text) {
  return be(text.size(), 1) + text;
}

// A request under tag and message_id that asks for a reply.
std::string request(std::uint64_t tag, const std::string& id, const std::string& body = R"({"path":"/x"})") {
  return method(1, 60, 60, short_text("t") + be(tag, 8) + be(0, 1) + short_text("") + short_text("q")) +
         frame(2, 1,
               be(60, 2) + be(0, 2) + be(body.size(), 8) + be(0x0280, 2) + short_text("replies") +
                   short_text(id)) +
         frame(3, 1, body);
}

bool is(const Peer::Frame& frame, int class_id, int method_id) {
  return frame.type == 1 && frame.class_id() == class_id && frame.method_id() == method_id;
}

// Lets the client in until it consumes.
bool consumed(Peer& peer) {
  Peer::Frame got;
  if (!peer.log_in()) return false;
  do {
    if (!peer.read_frame(got)) return false;
  } while (!is(got, 60, 20));
  peer.send(method(1, 60, 11) + method(1, 60, 21, short_text("t")));
  return true;
}

class RequestsSessionTest : public ::testing::Test {
 protected:
  void start(const FakeBroker& broker, std::chrono::milliseconds confirm_timeout = 30s) {
    config::Sink sink;
    sink.name = "rabbit";
    sink.urls = {config::Secret(broker.url())};
    sink.declare = config::Declare::none;
    sink.confirm_timeout = confirm_timeout;
    sink.requests.emplace();
    sink.requests->queue = "q";
    rabbitmq::InnerDoor door;
    door.scopes = [](std::string_view, std::string_view) { return std::optional<unsigned>(2); };
    door.ask = [this](const local::InnerRequest&, const std::function<void(local::InnerAnswer)>& then) {
      ++performed;
      if (hold) {
        held.push_back(then);
      } else {
        then({200, {}, "{}"});
      }
    };
    requests = std::make_unique<rabbitmq::Requests>(
        rabbitmq::Requests::Setup{io, registry, desk, std::move(door), 1 << 20}, sink);
    requests->start();
  }
  bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      io.restart();
      io.run_one_for(5ms);
    }
    return condition();
  }
  bool stop(std::chrono::milliseconds deadline = 2s) {
    bool stopped = false;
    requests->stop(deadline, [&] { stopped = true; });
    return until([&] { return stopped; });
  }

  // What the script has seen, in order: `reply`, `ack <tag>`.
  void note(const std::string& what) {
    const std::lock_guard lock(mutex);
    seen.push_back(what);
  }
  std::vector<std::string> notes() {
    const std::lock_guard lock(mutex);
    return seen;
  }
  // Reads until there were so many replies and acknowledgements more.
  bool watch(Peer& peer, std::size_t count) {
    Peer::Frame got;
    while (count > 0) {
      if (!peer.read_frame(got)) return false;
      const bool reply = is(got, 60, 40), acknowledged = is(got, 60, 80);
      if (reply) note("reply");
      if (acknowledged) note("ack " + std::to_string(static_cast<unsigned char>(got.payload[11])));
      if (reply || acknowledged) --count;
    }
    return true;
  }

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  metrics::Registry registry;
  tests::FakeJournal journal;
  rabbitmq::RequestDesk desk{io, journal};
  std::unique_ptr<rabbitmq::Requests> requests;
  int performed = 0;
  bool hold = false;
  std::vector<std::function<void(local::InnerAnswer)>> held;
  std::atomic<bool> taken{false};
  std::mutex mutex;
  std::vector<std::string> seen;
};

using Notes = std::vector<std::string>;

TEST_F(RequestsSessionTest, a_request_is_acknowledged_after_its_reply_is_confirmed) {
  FakeBroker broker([this](Peer& peer, int) {
    if (!consumed(peer)) return;
    peer.send(request(7, "m-1") + request(9, "m-2"));
    if (!watch(peer, 2)) return;
    note("confirm");
    peer.send(ack(2));
    if (!watch(peer, 1)) return;
    peer.send(ack(1));
    watch(peer, 1);
    peer.until_closed();
  });
  start(broker);
  EXPECT_TRUE(until([&] { return notes().size() == 5; }));
  EXPECT_EQ(notes(), (Notes{"reply", "reply", "confirm", "ack 9", "ack 7"}));
  EXPECT_TRUE(stop());
}

TEST_F(RequestsSessionTest, a_refused_reply_is_sent_again_and_after_five_times_given_up) {
  FakeBroker broker([this](Peer& peer, int) {
    if (!consumed(peer)) return;
    peer.send(request(7, "m-1"));
    for (std::uint64_t tag = 1; tag <= 5 && watch(peer, 1); ++tag)
      peer.send(nack(tag));
    watch(peer, 1);
    peer.until_closed();
  });
  start(broker);
  EXPECT_TRUE(until([&] { return notes().size() == 6; }));
  EXPECT_EQ(notes(), (Notes{"reply", "reply", "reply", "reply", "reply", "ack 7"}));
  EXPECT_EQ(performed, 1);
  EXPECT_TRUE(until([&] {
    return registry.render().find("requests_unroutable_total{sink=\"rabbit\"} 1") != std::string::npos;
  }));
}

// Whatever ends a connection, the request comes again and gets the answer of its first time.
class RequestsBrokenTest : public RequestsSessionTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(RequestsBrokenTest, what_breaks_the_connection_costs_no_request_and_performs_none_twice) {
  FakeBroker broker([this](Peer& peer, int number) {
    if (!consumed(peer)) return;
    peer.send(request(1, "m-1"));
    if (!watch(peer, 1)) return;
    if (number == 0) {
      if (!GetParam().empty()) peer.send(GetParam());
      return peer.until_closed();
    }
    peer.send(ack(1));
    watch(peer, 1);
    peer.until_closed();
  });
  start(broker, 500ms);
  EXPECT_TRUE(until([&] { return notes().size() == 3; }));
  EXPECT_EQ(notes(), (Notes{"reply", "reply", "ack 1"}));
  EXPECT_EQ(performed, 1);
  EXPECT_TRUE(stop());
}

INSTANTIATE_TEST_SUITE_P(
    All, RequestsBrokenTest,
    ::testing::Values(std::string(),                                  // no confirm
                      ack(99),                                        // of nothing
                      method(1, 60, 30, short_text("t") + be(1, 1)),  // the queue is gone
                      frame(3, 1, "a body without a head"), "\xff\xff\xff\xff\xff\xff\xff\xff",
                      method(1, 20, 40, be(404, 2) + short_text("NOT_FOUND") + be(0, 4)),
                      method(0, 10, 50, be(320, 2) + short_text("going down") + be(0, 4)),
                      method(1, 60, 60)));

TEST_F(RequestsSessionTest, a_write_under_way_outlives_its_connection) {
  hold = true;
  FakeBroker broker([this](Peer& peer, int number) {
    if (!consumed(peer)) return;
    peer.send(request(3, "m-1", R"({"method":"POST","path":"/x"})"));
    if (number == 0) {
      while (!taken)
        std::this_thread::yield();
      return;
    }
    if (!watch(peer, 1)) return;
    peer.send(ack(1));
    watch(peer, 1);
    peer.until_closed();
  });
  start(broker);
  ASSERT_TRUE(until([&] { return held.size() == 1; }));
  taken = true;
  ASSERT_TRUE(until([&] { return broker.connections() == 2; }));
  held[0]({201, {}, "{}"});
  EXPECT_TRUE(until([&] { return notes().size() == 2; }));
  EXPECT_EQ(performed, 1);
}

TEST_F(RequestsSessionTest, a_stop_waits_for_what_was_taken_and_takes_no_more) {
  hold = true;
  std::atomic<bool> cancelled{false};
  FakeBroker broker([&](Peer& peer, int) {
    if (!consumed(peer)) return;
    peer.send(request(3, "m-1"));
    Peer::Frame got;
    while (peer.read_frame(got) && !is(got, 60, 30)) {  // the consumer is cancelled
    }
    peer.send(request(4, "m-2"));
    cancelled = true;
    if (!watch(peer, 1)) return;
    peer.send(ack(1));
    watch(peer, 1);
    peer.until_closed();
  });
  start(broker);
  ASSERT_TRUE(until([&] { return held.size() == 1; }));
  bool stopped = false;
  requests->pause();
  requests->stop(10s, [&] { stopped = true; });
  ASSERT_TRUE(until([&] { return cancelled.load(); }));  // else the reply may go ahead of the cancel
  EXPECT_FALSE(stopped);
  held[0]({200, {}, "{}"});
  EXPECT_TRUE(until([&] { return stopped; }));
  EXPECT_EQ(notes(), (Notes{"reply", "ack 3"}));
  EXPECT_EQ(performed, 1);
}

}  // namespace
}  // namespace bridge55::test
