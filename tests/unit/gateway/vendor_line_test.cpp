// The desk's line over a real connection to a vendor on loopback that says nothing, or what the test lets it.
#include "daemon/gateway/vendor_line.hpp"

#include "bridges/apis.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using boost::asio::ip::tcp;
using namespace std::chrono_literals;

struct VendorLineTest : ::testing::Test {
  metrics::Registry metrics;
  Pauses pauses;
  std::string heard;  // by the vendor
  std::optional<boost::asio::io_context> io{std::in_place};
  std::optional<tcp::acceptor> acceptor{std::in_place, *io,
                                        tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::vector<std::unique_ptr<tcp::socket>> accepted;
  std::array<char, 4096> buffer;
  std::optional<VendorLine> line;
  unsigned room = 60;

  ~VendorLineTest() override {
    line.reset();
    accepted.clear();
    acceptor.reset();
    io.reset();
  }
  void listen() {
    acceptor->async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      accepted.push_back(std::make_unique<tcp::socket>(std::move(socket)));
      hear(*accepted.back());
      listen();
    });
  }
  void hear(tcp::socket& socket) {
    socket.async_read_some(boost::asio::buffer(buffer),
                           [this, &socket](boost::system::error_code error, std::size_t n) {
                             if (error) return;
                             heard.append(buffer.data(), n);
                             hear(socket);
                           });
  }
  config::Upstream settings() const {
    config::Upstream out;
    out.name = "abp";
    out.url = "http://127.0.0.1:" + std::to_string(acceptor->local_endpoint().port());
    out.api_key = config::Secret("key");
    out.rate_limit.requests = room;
    return out;
  }
  std::shared_ptr<Upstream> make(config::Upstream wanted) {
    return std::make_shared<Upstream>(
        Upstream::Setup{*io, metrics, std::make_shared<SentWindow>(), pauses, &bridges::make_api},
        std::move(wanted));
  }
  void open() {
    listen();
    line.emplace(make(settings()));
  }
  Placing placing() {
    Placing out;
    out.app = "executor";
    out.request_id = "r-77";
    out.body = "{}";
    out.wait_until = SteadyClock::now() + 20s;
    out.deadline = SteadyClock::now() + 30s;
    out.take_back = std::make_shared<TakeBack>();
    return out;
  }
  std::shared_ptr<std::optional<Reply>> begin(Placing placing) {
    auto out = std::make_shared<std::optional<Reply>>();
    const auto ask = [](VendorLine& at, Placing what,
                        std::shared_ptr<std::optional<Reply>> into) -> net::awaitable<void> {
      Reply reply = co_await at.place(std::move(what));
      *into = std::move(reply);
    };
    boost::asio::co_spawn(*io, ask(*line, std::move(placing), out), boost::asio::detached);
    return out;
  }
  bool until(const std::function<bool()>& there) {
    const auto deadline = SteadyClock::now() + 10s;
    while (!there()) {
      if (SteadyClock::now() > deadline) return false;
      io->restart();
      io->run_one_for(10ms);
    }
    return true;
  }
};

TEST_F(VendorLineTest, TheRequestIdGoesToTheVendorAndWhatLeavesSaysSo) {
  open();
  int left = 0;
  Placing what = placing();
  what.leaving = [&left] { ++left; };
  const auto reply = begin(std::move(what));
  ASSERT_TRUE(until([&] { return heard.find("{}") != heard.npos; }));
  EXPECT_NE(heard.find("X-Request-Id: r-77\r\n"), heard.npos) << heard;
  EXPECT_EQ(left, 1);
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  boost::asio::write(*accepted.at(0), boost::asio::buffer(answer));
  ASSERT_TRUE(until([&] { return reply->has_value(); }));
  EXPECT_EQ((*reply)->status, 200u);
  EXPECT_TRUE((*reply)->sent);
}

TEST_F(VendorLineTest, AfterItsLastMomentNothingLeaves) {
  open();
  Placing what = placing();
  what.leave_until = SteadyClock::now();
  bool left = false;
  what.leaving = [&left] { left = true; };
  const auto reply = begin(std::move(what));
  ASSERT_TRUE(until([&] { return reply->has_value(); }));
  EXPECT_EQ((*reply)->code, "TIMEOUT");
  EXPECT_FALSE((*reply)->sent);
  EXPECT_FALSE(left);
  EXPECT_EQ(heard, "");
}

TEST_F(VendorLineTest, WhatWaitsInTheQueueCanBeTakenBackAndWhatHasLeftCannot) {
  room = 1;
  open();
  Placing sent = placing(), waits = placing();
  const std::shared_ptr<TakeBack> of_sent = sent.take_back, of_waiting = waits.take_back;
  bool gone = false;
  waits.gone = [&gone] { return gone; };
  const auto first = begin(std::move(sent));
  ASSERT_TRUE(until([&] { return heard.find("{}") != heard.npos; }));
  EXPECT_FALSE(of_sent->now);
  const auto second = begin(std::move(waits));
  ASSERT_TRUE(until([&] { return static_cast<bool>(of_waiting->now); }));
  gone = true;
  of_waiting->now();
  ASSERT_TRUE(until([&] { return second->has_value(); }));
  EXPECT_EQ((*second)->code, "TIMEOUT");
  EXPECT_FALSE((*second)->sent);
  EXPECT_FALSE(of_waiting->now);
  EXPECT_FALSE(first->has_value());
}

TEST_F(VendorLineTest, ItMayBeGoneBeforeTheCallsThatTheLoopStillHolds) {
  open();
  Placing what = placing();
  const std::shared_ptr<TakeBack> back = what.take_back;
  const auto reply = begin(std::move(what));
  ASSERT_TRUE(until([&] { return heard.find("{}") != heard.npos; }));
  line.reset();
  accepted.clear();
  acceptor.reset();
  io.reset();  // the frames are destroyed here
  EXPECT_FALSE(reply->has_value());
  EXPECT_FALSE(back->now);
}

TEST_F(VendorLineTest, AnotherKeyOrAddressIsAnotherAccount) {
  const std::shared_ptr<Upstream> upstream = make(settings());
  line.emplace(upstream);
  const std::string before = line->account();
  config::Upstream wanted = settings();
  wanted.rate_limit.requests = 7;
  upstream->apply(wanted);
  EXPECT_EQ(line->account(), before);
  wanted.api_key = config::Secret("another");
  upstream->apply(wanted);
  const std::string of_key = line->account();
  EXPECT_NE(of_key, before);
  EXPECT_EQ(of_key.find("another"), of_key.npos);
  wanted.url += "/v2";
  upstream->apply(wanted);
  EXPECT_NE(line->account(), of_key);
}

}  // namespace
}  // namespace bridge55::gateway
