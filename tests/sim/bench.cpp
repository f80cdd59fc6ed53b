// Pre-rendered events for benchmarks: a copy and a few digits patched in place for each event.
#include "tests/sim/life.hpp"
#include "tests/sim/rows.hpp"

namespace bridge55::sim {
namespace {

// Stand-ins of constant width that are looked for in the rendered text, so that ids always take ten digits.
constexpr std::int64_t kOrderMark = 8'888'888'881, kBetMark = 8'888'888'882;
constexpr std::string_view kStampMark = "8888888888888888883";
constexpr std::int64_t kFirstId = 1'000'000'000;
constexpr std::string_view kUuid = "eb45b192-317b-42d5-9f65-008888888881";

struct Template {
  unsigned channel = 0;
  std::string body;
  std::vector<std::size_t> order_at, bet_at, stamp_at;
};

std::vector<std::size_t> find_all(const std::string& text, std::string_view mark) {
  std::vector<std::size_t> found;
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + mark.size()))
    found.push_back(at);
  return found;
}

void patch(std::string& text, std::size_t at, std::size_t width, std::int64_t value) {
  for (std::size_t i = width; i-- > 0; value /= 10)
    text[at + i] = static_cast<char>('0' + value % 10);
}

class Bench final : public EventSource {
 public:
  Bench(Api api, const Options& options) : api_(api), options_(options) {
    client_ = (api == Api::abp ? options.abp_keys : options.mm_keys).front().client;
    api == Api::abp ? add_abp() : add_mm();
  }

  Message next() override {
    Template& one = templates_[at_];
    for (const auto at : one.order_at)
      patch(one.body, at, 10, id_);
    for (const auto at : one.bet_at)
      patch(one.body, at, 10, id_);
    const auto now = wall_ns();
    for (const auto at : one.stamp_at)
      patch(one.body, at, kStampMark.size(), now);
    if (++at_ == templates_.size()) {
      at_ = 0;
      ++id_;
    }
    const bool global = channels_of(api_)[one.channel].global;
    return {api_, one.channel, one.body, now / 1'000'000, global ? std::string_view{} : client_};
  }

 private:
  /// Brings the row to the asked size and stamps it; rows too long for it shrink to their ids.
  std::string fit(std::string row) const {
    const std::string stamp = options_.stamp ? ",\"sentNs\":" + std::string(kStampMark) : "";
    const std::size_t target = options_.payload_bytes;
    const std::string pad_name = ",\"pad\":\"\"";
    if (target != 0 && row.size() + stamp.size() > target) {
      row = R"({"orderId":)" + std::to_string(kOrderMark) + R"(,"betId":)" + std::to_string(kBetMark) + "}";
    }
    row.pop_back();
    const std::size_t size = row.size() + 1 + stamp.size();
    if (target > size + pad_name.size()) {
      row += ",\"pad\":\"" + std::string(target - size - pad_name.size(), 'x') + '"';
    }
    return row + stamp + '}';
  }

  void add(unsigned channel, std::string_view event, std::string row, std::string_view old = {}) {
    Template one;
    one.channel = channel;
    one.body = frame_head(api_, channel, event) + fit(std::move(row));
    if (!old.empty()) one.body.append(",\"old\":").append(old);
    one.order_at = find_all(one.body, std::to_string(kOrderMark));
    one.bet_at = find_all(one.body, std::to_string(kBetMark));
    one.stamp_at = find_all(one.body, kStampMark);
    templates_.push_back(std::move(one));
  }

  void add_abp() {
    AbpOrder order;
    order.id = kOrderMark;
    order.uuid = kUuid;
    order.client = client_;
    order.fixture = "id1000004461512432";
    order.user_ref = "bettor1234";
    order.created_ms = order.updated_ms = wall_ms();
    order.expires_ms = order.created_ms + 5000;
    AbpBet bet;
    bet.id = kBetMark;
    bet.order_id = kOrderMark;
    bet.bookmaker_id = "3332684214";
    bet.account = "pinnacle_main";
    bet.uuid = kUuid;
    bet.user_ref = order.user_ref;
    bet.client = client_;
    bet.placed_ms = bet.updated_ms = order.created_ms;
    add(0, "INSERT", rendered(order));
    order.status = "PROCESSING";
    add(0, "UPDATE", rendered(order));
    add(1, "INSERT", rendered(bet));
    order.status = "FILLED";
    order.filled = order.stake;
    order.filled_ms = order.created_ms;
    add(0, "UPDATE", rendered(order));
    bet.status = "CONFIRMED";
    add(1, "UPDATE", rendered(bet));
    bet.settlement = "WON";
    bet.settled_ms = order.created_ms;
    bet.settlement_amount = 1980;
    add(2, options_.abp_earlier_events ? "UPDATE" : "SETTLED", rendered(bet));
  }

  void add_mm() {
    MmOrder order;
    order.id = kOrderMark;
    order.client = client_;
    order.fixture = "id1000000861624412";
    order.exchange_id = "0x" + std::string(64, 'a');
    order.created_ms = order.updated_ms = wall_ms();
    MmBet bet;
    bet.id = kBetMark;
    bet.order_id = kOrderMark;
    bet.client = client_;
    bet.bookmaker_id = "789";
    bet.request_id = "a1b2c3d4";
    bet.placed_ms = bet.updated_ms = order.created_ms;
    add(0, "INSERT", rendered(order));
    order.status = "PLACED";
    add(0, "UPDATE", rendered(order), R"({"orderStatus":"PENDING_PLACEMENT"})");
    order.status = "FILLED";
    order.matched_status = "FULLY_MATCHED";
    order.matched = order.stake;
    order.matched_ms = order.created_ms;
    add(0, "UPDATE", rendered(order),
        R"({"orderStatus":"PLACED","matchedStatus":"NOT_MATCHED","matchedStake":0})");
    add(1, "INSERT", rendered(bet));
    bet.status = "matched";
    add(1, "UPDATE", rendered(bet), R"({"betStatus":"pending"})");
  }

  template <class Data>
  static std::string rendered(const Data& data) {
    std::string row;
    write(row, data);
    return row;
  }

  Api api_;
  const Options& options_;
  std::string client_;
  std::vector<Template> templates_;
  std::size_t at_ = 0;
  std::int64_t id_ = kFirstId;
};

}  // namespace

std::unique_ptr<EventSource> make_bench(Api api, const Options& options) {
  return std::make_unique<Bench>(api, options);
}

}  // namespace bridge55::sim
