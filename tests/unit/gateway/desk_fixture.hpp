// A desk with a scripted line to an upstream that remembers what it took, and a record in memory.
#pragma once

#include "bridges/abp/placements.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/desk.hpp"
#include "daemon/gateway/desk_bell.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

namespace bridge55::gateway {

using events::Fate;
using events::TradeRecord;
using namespace std::chrono_literals;

inline const std::string kA = "aaaaaaaa-0000-4000-8000-000000000001";
inline const std::string kB = "bbbbbbbb-0000-4000-8000-000000000002";
inline const std::string kC = "cccccccc-0000-4000-8000-000000000003";

inline std::string order_json(const std::string& uuid, const std::string& more = "") {
  return R"({"requestUuid":")" + uuid + R"(","orderStake":10.0,"orderPrice":1.95)" + more + "}";
}
inline std::string body_of(const std::vector<std::string>& uuids) {
  std::string out = R"({"orders":[)";
  for (const std::string& uuid : uuids)
    out += (out.back() == '[' ? "" : ",") + order_json(uuid);
  return out + "]}";
}
inline std::string row_of(const std::string& uuid) {
  return R"({"orderId":7,"requestUuid":")" + uuid + R"(","orderStatus":"FILLED"})";
}

// What the next placement meets: `ok` where nothing is scripted.
struct Meeting {
  enum class What { ok, lost_after, lost_before, error_after, error_before, unsent, hang } what = What::ok;
  unsigned status = 0;
  std::string body, code;
  std::chrono::milliseconds queued{0};  // before it leaves, unless it is taken back
};

class ScriptedLine final : public Line {
 public:
  explicit ScriptedLine(boost::asio::io_context& io) : released(io) {}

  net::awaitable<Reply> place(Placing placing) override {
    placed.push_back(placing);
    if (on_place) on_place();
    Meeting meeting;
    if (!script.empty()) {
      meeting = script.front();
      script.pop_front();
    }
    Reply reply;
    if (meeting.queued > 0ms) {
      const auto back = std::make_shared<bool>(false);
      placing.take_back->now = [this, back] {
        *back = true;
        released.ring();
      };
      std::function<bool()> there = [this, back] { return *back || free; };
      const bool taken_back = co_await released.wait(std::move(there), SteadyClock::now() + meeting.queued);
      placing.take_back->now = nullptr;
      reply.code = "TIMEOUT";
      if (taken_back || SteadyClock::now() >= placing.leave_until) co_return reply;
    }
    if (meeting.what == Meeting::What::unsent) {
      reply.code = meeting.code;
      reply.message = "in the test's words";
      reply.retry_after = 1500ms;
      co_return reply;
    }
    left_at.push_back(SteadyClock::now());
    if (placing.leaving) placing.leaving();
    reply.sent = true;
    const bool arrives =
        meeting.what != Meeting::What::lost_before && meeting.what != Meeting::What::error_before;
    const std::string answer = arrives ? take(placing.body) : "";
    if (meeting.what == Meeting::What::hang) {
      std::function<bool()> there = [this] { return free; };
      const bool in_time = co_await released.wait(std::move(there), placing.deadline);
      if (!in_time) meeting.what = Meeting::What::lost_after;
    }
    if (meeting.what == Meeting::What::lost_after || meeting.what == Meeting::What::lost_before) {
      reply.code = "TIMEOUT";
      co_return reply;
    }
    reply.status = meeting.status == 0 ? 200 : meeting.status;
    reply.headers = {{"Content-Type", "application/json"}, {"X-Of-Upstream", "1"}};
    reply.body = meeting.status == 0 ? answer : meeting.body;
    co_return reply;
  }

  net::awaitable<Reply> look_up(std::string target, SteadyTime) override {
    looked_up.push_back(target);
    looked_up_at.push_back(SteadyClock::now());
    Reply reply;
    if (look_ups_fail) co_return reply;
    if (page_leads_nowhere) {
      reply.status = 200;
      reply.body = R"({"orders":[],"hasMore":true,"nextCursor":7})";
      co_return reply;
    }
    const std::size_t after = target.find("&afterOrderId=");
    const std::size_t first = after == target.npos ? 0 : std::stoul(target.substr(after + 14));
    std::vector<std::string> rows;
    for (const std::string& uuid : taken) {
      if (target.find(uuid) != target.npos) rows.push_back(row_of(uuid));
    }
    reply.status = 200;
    reply.body = R"({"orders":[)";
    const std::size_t last = page_size == 0 ? rows.size() : std::min(rows.size(), first + page_size);
    for (std::size_t i = first; i < last; ++i)
      reply.body += (i == first ? "" : ",") + rows[i];
    const bool more = last < rows.size();
    reply.body += R"(],"hasMore":)" + std::string(more ? "true" : "false") + R"(,"nextCursor":)" +
                  (more ? std::to_string(last) : "null") + "}";
    co_return reply;
  }

  std::string account() const override { return whose; }

  void release() {
    free = true;
    released.ring();
  }

  std::function<void()> on_place;
  std::deque<Meeting> script;
  std::set<std::string> taken;
  std::map<std::string, int> sent;  // how often each uuid reached upstream
  std::vector<Placing> placed;
  std::vector<std::string> looked_up;
  std::vector<SteadyTime> left_at, looked_up_at;
  bool look_ups_fail = false, page_leads_nowhere = false, free = false;
  std::size_t page_size = 0;
  std::string whose = "the first";
  Bell released;

 private:
  std::string take(const std::string& body) {
    std::string accepted, declined;
    json::elements(json::find(body, "orders"), [&](std::string_view order) {
      const std::string uuid = json::text(json::find(order, "requestUuid"));
      ++sent[uuid];
      if (taken.insert(uuid).second) {
        accepted += (accepted.empty() ? "" : ",") + row_of(uuid);
      } else {
        declined += (declined.empty() ? "" : ",") +
                    (R"({"requestUuid":")" + uuid + R"(","declineReason":"Duplicate requestUuid"})");
      }
      return true;
    });
    return R"({"status":"as upstream says", "acceptedOrders":[)" + accepted + R"(],"declinedOrders":[)" +
           declined + "]}";
  }
};

struct DeskTest : ::testing::Test {
  boost::asio::io_context io;
  ScriptedLine line{io};
  std::map<std::uint64_t, TradeRecord> stored;
  std::vector<std::function<void()>> undurable;  // of a disk that is slow
  bool disk_is_slow = false, record_is_deaf = false;
  std::vector<std::pair<std::string, std::string>> said;
  DeskOptions options;
  std::optional<Desk> desk;

  DeskTest() {
    options.intent_within = 40ms;
    options.look_up_within = 1s;
    options.settlement = SettlementTiming{200ms, 60ms, 5ms, 20ms, 40ms, 20s};
  }
  ~DeskTest() override {
    if (desk) desk->stop();
    line.release();
    io.restart();
    io.run_for(50ms);
  }

  void open_desk() {
    Records records;
    records.store = [this](TradeRecord record, std::function<void()> durable) {
      stored[record.id] = std::move(record);
      if (!durable) return;
      if (disk_is_slow) {
        undurable.push_back(std::move(durable));
      } else {
        boost::asio::post(io, std::move(durable));
      }
    };
    records.read = [this](std::string uuid, std::function<void(std::optional<TradeRecord>)> then) {
      if (record_is_deaf) return;
      std::optional<TradeRecord> found;
      for (const auto& [id, record] : stored) {
        for (const auto& order : record.orders) {
          if (order.uuid == uuid) found = record;
        }
      }
      boost::asio::post(io, [then = std::move(then), found] { then(found); });
    };
    desk.emplace(
        io, std::move(records),
        [this](std::string_view event, std::string_view payload) {
          EXPECT_TRUE(json::validate_copy(payload).empty()) << payload;
          said.emplace_back(event, payload);
        },
        options);
    desk->attach("abp", line, bridge55::abp::placements());
  }

  DeskRequest request(std::string body, std::string app = "executor") {
    DeskRequest out;
    out.upstream = "abp";
    out.app = std::move(app);
    out.request_id = "r-1";
    out.body = std::move(body);
    out.headers = {{"Content-Type", "application/json"}};
    out.deadline = SteadyClock::now() + 5s;
    return out;
  }
  // The answer goes to where it points to.
  std::shared_ptr<std::optional<DeskAnswer>> begin(DeskRequest request) {
    auto out = std::make_shared<std::optional<DeskAnswer>>();
    const auto ask = [](Desk& at, DeskRequest what,
                        std::shared_ptr<std::optional<DeskAnswer>> into) -> net::awaitable<void> {
      DeskAnswer answer = co_await at.place(std::move(what));
      *into = std::move(answer);
    };
    boost::asio::co_spawn(io, ask(*desk, std::move(request), out), boost::asio::detached);
    return out;
  }
  bool until(const std::function<bool()>& there, std::chrono::milliseconds limit = 10s) {
    const auto deadline = SteadyClock::now() + limit;
    while (!there()) {
      if (SteadyClock::now() > deadline) return false;
      io.restart();
      io.run_one_for(10ms);
    }
    return true;
  }
  DeskAnswer place(DeskRequest what) {
    const auto answer = begin(std::move(what));
    EXPECT_TRUE(until([&] { return answer->has_value(); }));
    return answer->value_or(DeskAnswer{});
  }
  DeskAnswer trade(const std::vector<std::string>& uuids, std::string app = "executor") {
    return place(request(body_of(uuids), std::move(app)));
  }
  Story ask_story(std::string uuid, std::string app, bool admin = false) {
    std::optional<Story> out;
    const auto ask = [](Desk& at, std::string of, std::string by, bool as_admin,
                        std::optional<Story>& into) -> net::awaitable<void> {
      Story told = co_await at.story(std::move(of), std::move(by), as_admin);
      into = std::move(told);
    };
    boost::asio::co_spawn(io, ask(*desk, std::move(uuid), std::move(app), admin, out), boost::asio::detached);
    EXPECT_TRUE(until([&] { return out.has_value(); }));
    return out.value_or(Story{});
  }
  std::optional<std::string> story(std::string uuid, std::string app, bool admin = false) {
    return ask_story(std::move(uuid), std::move(app), admin).json;
  }
  std::string events() const {
    std::string out;
    for (const auto& [event, payload] : said)
      out += (out.empty() ? "" : " ") + event;
    return out;
  }
  static std::string header(const DeskAnswer& answer, std::string_view name) {
    const auto& list = answer.refusal ? answer.refusal->headers : answer.headers;
    const auto it = std::find_if(list.begin(), list.end(), [&](const auto& h) { return h.first == name; });
    return it == list.end() ? "" : it->second;
  }
  static std::string detail(const DeskAnswer& answer, std::string_view name) {
    if (!answer.refusal) return "";
    const auto& list = answer.refusal->detail_json;
    const auto it = std::find_if(list.begin(), list.end(), [&](const auto& d) { return d.first == name; });
    return it == list.end() ? "" : it->second;
  }
  static std::string code(const DeskAnswer& answer) { return answer.refusal ? answer.refusal->code : ""; }
};

}  // namespace bridge55::gateway
