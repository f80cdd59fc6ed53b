// MM's life: exchange orders that match, hedge bets that follow, account balances and scores. Updates carry
// `old`.
#include "tests/sim/life.hpp"
#include "tests/sim/rows.hpp"

namespace bridge55::sim {
namespace {

enum Number : unsigned { orders, bets, accounts, scores, emergency };

enum class Step { placed, part, filled, bet_insert, bet_matched, account, cancelled, expired, bet_settle };

struct Story {
  MmOrder order;
  MmBet bet;
  std::deque<Step> steps;
};

constexpr std::size_t kStoriesAtOnce = 24;
const std::vector<std::int64_t> kOutcomes{111, 112, 121, 122, 131, 161, 162, 171, 172};
const std::vector<std::string> kExchanges{"polymarket", "kalshi", "sx.bet", "prophetx"};

class MmLife final : public EventSource {
 public:
  MmLife(const Options& options, Book& book)
      : options_(options), book_(book), random_(options.seed ^ 0x4d4dULL), fixtures_(make_fixtures()) {
    client_ = options.mm_keys.front().client;
    book_.ids_from(122, 455);  // as in the docs
    for (const auto& venue : kExchanges) {
      accounts_.push_back({venue, "0x1234…" + random_.hex(4), client_, 5000000, 0, true, "USD", wall_ms()});
      put_account(accounts_.back());
    }
    for (const auto& fixture : fixtures_)
      put_fixture(fixture);
  }

  Message next() override {
    now_ = wall_ms();
    old_.clear();
    if (emergency_left_ > 0 && --emergency_left_ == 0) return tell_emergency(false);
    if (emergency_left_ == 0 && random_.one_in(options_.emergency_every)) return tell_emergency(true);
    if (random_.below(100) < 8) return tell_score();
    if (active_.size() < kStoriesAtOnce && (active_.empty() || random_.one_in(4))) return begin();
    return step(random_.below(active_.size()));
  }

 private:
  Message tell(unsigned channel, std::string_view event, std::string_view payload) {
    body_ = frame_head(Api::mm, channel, event);
    body_ += payload;
    if (!old_.empty()) body_.append(",\"old\":").append(old_);
    const bool global = channels_of(Api::mm)[channel].global;
    return {Api::mm, channel, body_, now_, global ? std::string_view{} : client_};
  }

  Message begin() {
    Story story;
    MmOrder& order = story.order;
    order.id = book_.new_order_id();
    order.client = client_;
    order.fixture = random_.pick(fixtures_).id;
    order.exchange = random_.pick(kExchanges);
    order.exchange_id = "0x" + random_.hex(64);
    order.outcome = random_.pick(kOutcomes);
    order.price_cents = 5 + static_cast<std::int64_t>(random_.below(90));
    order.stake = 5000 + static_cast<std::int64_t>(random_.below(10)) * 1255;
    order.created_ms = order.updated_ms = now_;
    if (random_.one_in(10)) order.meta = R"({"note":"M\u00fcnchen – 東京","sequence":9007199254740993})";
    story.steps = plan();
    active_.push_back(std::move(story));
    return tell_order(active_.back().order, "INSERT");
  }

  std::deque<Step> plan() {
    const auto roll = random_.below(10);
    if (roll == 0) return {Step::placed, Step::cancelled};
    if (roll == 1) return {Step::placed, Step::expired};
    std::deque<Step> steps{Step::placed,  Step::filled,      Step::bet_insert,
                           Step::account, Step::bet_matched, Step::bet_settle};
    if (roll < 5) steps.insert(steps.begin() + 1, Step::part);
    return steps;
  }

  Message step(std::size_t index) {
    Story& story = active_[index];
    const Step now = story.steps.front();
    story.steps.pop_front();
    const Message message = perform(story, now);
    if (story.steps.empty()) {
      active_[index] = std::move(active_.back());
      active_.pop_back();
    }
    return message;
  }

  Message perform(Story& story, Step now) {
    MmOrder& order = story.order;
    switch (now) {
      case Step::placed:
        return change(order, "PLACED", "NOT_MATCHED", 0);
      case Step::part:
        return change(order, "PARTIAL", "PARTIALLY_MATCHED", order.stake / 2);
      case Step::filled:
        return change(order, "FILLED", "FULLY_MATCHED", order.stake);
      case Step::cancelled:
        return change(order, "CANCELLED", "NOT_MATCHED", 0);
      case Step::expired:
        return change(order, "EXPIRED", "NOT_MATCHED", 0);
      case Step::bet_insert:
        return insert_bet(story);
      case Step::bet_matched:
        return change_bet(story.bet, "matched", {});
      case Step::bet_settle:
        return change_bet(story.bet, "matched", random_.one_in(2) ? "WON" : "LOST");
      case Step::account:
        return tell_account();
    }
    return tell_score();
  }

  Message change(MmOrder& order, std::string_view to, std::string_view matched_status, std::int64_t matched) {
    ObjectWriter old(old_);
    old.text("orderStatus", order.status);
    if (order.matched_status != matched_status) old.text("matchedStatus", order.matched_status);
    if (order.matched != matched)
      order.matched == 0 ? old.raw("matchedStake", "0") : old.cents("matchedStake", order.matched);
    old.end();
    order.status = to;
    order.matched_status = matched_status;
    order.matched = matched;
    order.updated_ms = now_;
    if (matched != 0) order.matched_ms = now_;
    return tell_order(order, "UPDATE");
  }

  Message insert_bet(Story& story) {
    MmBet& bet = story.bet;
    bet.id = book_.new_bet_id();
    bet.order_id = story.order.id;
    bet.client = client_;
    bet.bookmaker_id = std::to_string(700 + random_.below(100'000));
    bet.request_id = random_.hex(8);
    bet.stake = story.order.matched;
    bet.placed_ms = bet.updated_ms = now_;
    return tell_bet(bet, "INSERT");
  }

  Message change_bet(MmBet& bet, std::string_view to, std::string_view settlement) {
    ObjectWriter old(old_);
    if (bet.status != to) old.text("betStatus", bet.status);
    if (bet.settlement != settlement) old.raw("settlementStatus", "null");
    old.end();
    bet.status = to;
    bet.settlement = settlement;
    bet.updated_ms = now_;
    return tell_bet(bet, "UPDATE");
  }

  /// The book always holds the full row; one update in five goes out as the docs' short example does.
  Message tell_order(const MmOrder& order, std::string_view event) {
    row_.clear();
    write(row_, order);
    book_.put_order({order.id, order.id, {}, {}, order.status, order.fixture, order.exchange, client_, row_});
    if (event == "UPDATE" && random_.one_in(5)) {
      row_.clear();
      ObjectWriter row(row_);
      row.number("orderId", order.id)
          .text("orderStatus", order.status)
          .text("matchedStatus", order.matched_status);
      row.cents("matchedStake", order.matched).time("matchedAt", order.matched_ms, "Z");
      row.time("updatedAt", order.updated_ms, "Z").end();
    }
    return tell(orders, event, row_);
  }

  Message tell_bet(const MmBet& bet, std::string_view event) {
    row_.clear();
    write(row_, bet);
    book_.put_bet({bet.id, bet.order_id, {}, {}, bet.status, {}, bet.bookmaker, client_, row_});
    return tell(bets, event, row_);
  }

  void put_account(const Account& account) {
    row_.clear();
    write_mm(row_, account);
    book_.put_account(account.venue + '/' + account.username,
                      {0, 0, {}, {}, {}, {}, account.venue, client_, row_});
  }

  Message tell_account() {
    Account& account = accounts_[random_.below(accounts_.size())];
    ObjectWriter(old_).cents("balance", account.balance).end();
    account.balance += 1255 - static_cast<std::int64_t>(random_.below(2500));
    put_account(account);
    return tell(accounts, "UPDATE", row_);
  }

  void put_fixture(const Fixture& f) {
    row_.clear();
    ObjectWriter row(row_);
    std::string part;
    row.text("fixtureId", f.id).flag("live", f.minute < 90).number("statusId", 1);
    row.text("currentPeriod", f.minute < 46 ? "1st Half" : "2nd Half").number("currentMinute", f.minute);
    ObjectWriter score(part);
    score.number("home", f.home_goals).number("away", f.away_goals).number("period1Home", f.home_goals / 2);
    score.number("period1Away", f.away_goals / 2).end();
    row.raw("scores", part).text("participant1Name", f.home).text("participant2Name", f.away).end();
    book_.put_fixture(f.id, {0, 0, {}, {}, {}, f.id, {}, {}, row_});
  }

  Message tell_score() {
    Fixture& fixture = fixtures_[random_.below(fixtures_.size())];
    fixture.minute = fixture.minute % 95 + 1;
    (random_.one_in(2) ? fixture.home_goals : fixture.away_goals) += random_.one_in(3) ? 1 : 0;
    put_fixture(fixture);
    return tell(scores, "UPDATE", row_);
  }

  Message tell_emergency(bool on) {
    emergency_left_ = on ? 20 : 0;
    row_.clear();
    ObjectWriter row(row_);
    row.flag("emergency", on);
    on ? row.text("reason", "Manual trigger") : row.raw("reason", "null");
    row.time("triggeredAt", now_, "Z").end();
    return tell(emergency, "UPDATE", row_);
  }

  const Options& options_;
  Book& book_;
  Random random_;
  std::string client_;
  std::vector<Fixture> fixtures_;
  std::vector<Account> accounts_;
  std::vector<Story> active_;
  std::uint64_t emergency_left_ = 0;
  std::int64_t now_ = 0;
  std::string row_, old_, body_;
};

}  // namespace

std::unique_ptr<EventSource> make_mm_life(const Options& options, Book& book) {
  return std::make_unique<MmLife>(options, book);
}

}  // namespace bridge55::sim
