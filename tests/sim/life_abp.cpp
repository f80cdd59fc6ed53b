// ABP's life: orders that are placed, filled by bets, and settled later, with balances, odds and scores
// around them.
#include "tests/sim/life.hpp"
#include "tests/sim/rows.hpp"

#include <algorithm>

namespace bridge55::sim {
namespace {

enum Number : unsigned {
  orders,
  bets,
  settlements,
  accounts,
  balance,
  betslip,
  fixtures,
  currencies,
  status,
  emergency
};

enum class Step { processing, bet_insert, bet_confirm, partial, filled, balance, expired, rejected, settle };

/// One order's way through its life; bets are added as it goes.
struct Story {
  AbpOrder order;
  std::vector<AbpBet> placed;
  std::size_t account = 0;
  std::size_t settled = 0;
  std::deque<Step> steps;
};

constexpr std::size_t kStoriesAtOnce = 24;
constexpr std::size_t kOpenBets = 60;  // orders wait unsettled until so many do
constexpr std::int64_t kOrderLifeMs = 5000;
// Escapes, a number beyond 2^53 and odd number forms: whoever passes these on must not have parsed and
// printed them.
constexpr std::string_view kOddMeta =
    R"({"note":"caf\u00e9 \"q\" \/ \ud83d\ude00","big":12345678901234567890,"ratio":1.0E+2,"list":[1.50,-0.0]})";

const std::vector<std::string> kUserRefs{"bettor1234", "jürgen-ü", "strategy \"β\"", "Łukasz_7", "賭け01"};
const std::vector<std::string> kReasons{"Odds changed", "Market suspended — märket élan",
                                        "Stake exceeds limit"};
const std::vector<std::int64_t> kOutcomes{101, 102, 103, 161, 10148};
const std::vector<std::int64_t> kStakes{1000, 2500, 1255, 10000, 5010};

class AbpLife final : public EventSource {
 public:
  AbpLife(const Options& options, Book& book)
      : options_(options), book_(book), random_(options.seed), fixtures_(make_fixtures()) {
    client_ = options.abp_keys.front().client;
    book_.ids_from(326, 72);  // the docs' first order is 327, its bet 73
    for (const char* venue : {"pinnacle", "sharpbet", "betfair-ex"}) {
      Account account{venue, std::string(venue) + "_main", client_, 500000, 10, true, "USD", wall_ms()};
      accounts_.push_back(account);
      put_account(accounts_.back());
    }
    for (const auto& fixture : fixtures_)
      put_fixture(fixture);
  }

  Message next() override {
    now_ = wall_ms();
    body_.clear();
    if (emergency_left_ > 0 && --emergency_left_ == 0) return tell_emergency(false);
    if (emergency_left_ == 0 && random_.one_in(options_.emergency_every)) return tell_emergency(true);
    const auto roll = random_.below(100);
    if (roll < 3) return tell_fixture();
    if (roll < 6 && !options_.abp_earlier_events) return tell_betslip();
    if (roll < 7) return tell_currencies();
    if (roll < 8) return tell_account();
    if (roll < 9 && random_.one_in(4)) return tell_status();
    return advance();
  }

 private:
  Message tell(unsigned channel, std::string_view event, std::string_view payload) {
    body_ = frame_head(Api::abp, channel, event);
    body_ += payload;
    const bool global = channels_of(Api::abp)[channel].global;
    return {Api::abp, channel, body_, now_, global ? std::string_view{} : client_};
  }

  std::string_view status_event() const { return options_.abp_earlier_events ? "STATUS_CHANGE" : "STATUS"; }

  Message advance() {
    const bool settle = unsettled_.size() > kOpenBets && random_.one_in(5);
    if (settle || unsettled_.size() > 4 * kOpenBets) {
      active_.push_back(std::move(unsettled_.front()));
      unsettled_.pop_front();
      active_.back().steps = {Step::settle, Step::balance};
      return step(active_.size() - 1);
    }
    if (active_.size() < kStoriesAtOnce && (active_.empty() || random_.one_in(4))) return begin();
    return step(random_.below(active_.size()));
  }

  Message begin() {
    Story story;
    AbpOrder& order = story.order;
    order.id = book_.new_order_id();
    order.uuid = random_.uuid();
    order.client = client_;
    order.fixture = random_.pick(fixtures_).id;
    order.user_ref = random_.pick(kUserRefs);
    order.outcome = random_.pick(kOutcomes);
    order.price = 150 + static_cast<std::int64_t>(random_.below(200));
    order.stake = random_.pick(kStakes);
    order.back = !random_.one_in(10);
    order.created_ms = order.updated_ms = now_;
    order.expires_ms = now_ + kOrderLifeMs;
    if (random_.one_in(10)) order.meta = kOddMeta;
    story.account = random_.below(accounts_.size());
    story.steps = plan();
    active_.push_back(std::move(story));
    return tell_order(active_.back().order, "INSERT");
  }

  std::deque<Step> plan() {
    const auto roll = random_.below(10);
    if (roll == 0) return {Step::rejected};
    if (roll == 1) return {Step::processing, Step::expired};
    if (roll < 5) {
      return {Step::processing, Step::bet_insert,  Step::bet_confirm, Step::balance, Step::partial,
              Step::bet_insert, Step::bet_confirm, Step::filled,      Step::balance};
    }
    return {Step::processing, Step::bet_insert, Step::filled, Step::bet_confirm, Step::balance};
  }

  Message step(std::size_t index) {
    Story& story = active_[index];
    const Step now = story.steps.front();
    story.steps.pop_front();
    const Message message = perform(story, now);
    if (story.steps.empty()) finish(index);
    return message;
  }

  void finish(std::size_t index) {
    Story story = std::move(active_[index]);
    active_[index] = std::move(active_.back());
    active_.pop_back();
    if (story.settled < story.placed.size()) unsettled_.push_back(std::move(story));
  }

  Message perform(Story& story, Step now) {
    AbpOrder& order = story.order;
    switch (now) {
      case Step::processing:
        return change(order, "PROCESSING");
      case Step::expired:
        return change(order, "EXPIRED", "Order expired");
      case Step::rejected:
        return change(order, "REJECTED", random_.pick(kReasons));
      case Step::bet_insert:
        return insert_bet(story);
      case Step::bet_confirm:
        story.placed.back().status = "CONFIRMED";
        story.placed.back().updated_ms = now_;
        return tell_bet(story.placed.back(), bets, "UPDATE");
      case Step::partial:
        order.filled = order.stake / 2;
        return change(order, "PARTIALLY_FILLED");
      case Step::filled:
        order.filled = order.stake;
        order.filled_ms = now_;
        return change(order, "FILLED");
      case Step::balance:
        return tell_balance(story);
      case Step::settle:
        return settle(story);
    }
    return tell_status();
  }

  Message change(AbpOrder& order, std::string_view to, std::string_view reason = {}) {
    order.status = to;
    order.reason = reason;
    order.updated_ms = now_;
    return tell_order(order, "UPDATE");
  }

  Message insert_bet(Story& story) {
    const AbpOrder& order = story.order;
    const bool half = std::find(story.steps.begin(), story.steps.end(), Step::partial) != story.steps.end();
    AbpBet bet;
    bet.id = book_.new_bet_id();
    bet.order_id = order.id;
    bet.bookmaker = accounts_[story.account].venue;
    bet.bookmaker_id = std::to_string(3332684214ULL + random_.below(1'000'000));
    bet.account = accounts_[story.account].username;
    bet.uuid = order.uuid;
    bet.user_ref = order.user_ref;
    bet.client = client_;
    bet.stake = half ? order.stake / 2 : order.stake - order.filled;
    bet.asked_price = order.price;
    bet.price = order.price + static_cast<std::int64_t>(random_.below(4));
    bet.placed_ms = bet.updated_ms = now_;
    accounts_[story.account].balance -= bet.stake;
    story.placed.push_back(bet);
    return tell_bet(bet, bets, "INSERT");
  }

  Message settle(Story& story) {
    AbpBet& bet = story.placed[story.settled++];
    static constexpr std::array kResults{"WON", "LOST", "VOID", "PUSH", "HALF_WON", "HALF_LOST"};
    bet.settlement = random_.one_in(3) ? random_.pick(kResults) : kResults[random_.below(2)];
    const bool won = bet.settlement == "WON";
    bet.settlement_amount = won ? bet.stake * bet.price / 100 : bet.settlement == "LOST" ? 0 : bet.stake;
    bet.settled_ms = bet.updated_ms = now_;
    accounts_[story.account].balance += bet.settlement_amount;
    if (story.settled < story.placed.size()) story.steps.push_front(Step::settle);
    return tell_bet(bet, settlements, options_.abp_earlier_events ? "UPDATE" : "SETTLED");
  }

  Message tell_order(const AbpOrder& order, std::string_view event) {
    row_.clear();
    write(row_, order);
    book_.put_order(
        {order.id, order.id, order.uuid, order.user_ref, order.status, order.fixture, {}, client_, row_});
    return tell(orders, event, row_);
  }

  Message tell_bet(const AbpBet& bet, unsigned channel, std::string_view event) {
    row_.clear();
    write(row_, bet);
    book_.put_bet(
        {bet.id, bet.order_id, bet.uuid, bet.user_ref, bet.status, {}, bet.bookmaker, client_, row_});
    return tell(channel, event, row_);
  }

  void put_account(const Account& account) {
    row_.clear();
    write_abp(row_, account);
    book_.put_account(account.venue + '/' + account.username,
                      {0, 0, {}, {}, {}, {}, account.venue, client_, row_});
  }

  Message tell_account() {
    Account& account = accounts_[random_.below(accounts_.size())];
    account.priority = 1 + static_cast<std::int64_t>(random_.below(10));
    account.updated_ms = now_;
    put_account(account);
    return tell(accounts, "UPDATE", row_);
  }

  Message tell_balance(const Story& story) {
    const Account& account = accounts_[story.account];
    put_account(account);
    row_.clear();
    write_abp_balance(row_, account, now_);
    return tell(balance, "UPDATE", row_);
  }

  void put_fixture(const Fixture& f) {
    row_.clear();
    ObjectWriter row(row_);
    std::string part;
    row.text("fixtureId", f.id).flag("live", f.minute < 90).number("statusId", 1);
    ObjectWriter(part).number("home", f.home_goals).number("away", f.away_goals).end();
    row.raw("scores", part).number("currentMinute", f.minute).text("tournamentName", f.tournament);
    part.clear();
    ObjectWriter(part).text("participant1Name", f.home).text("participant2Name", f.away).end();
    row.raw("participants", part).end();
    book_.put_fixture(f.id, {0, 0, {}, {}, {}, f.id, {}, {}, row_});
  }

  Message tell_fixture() {
    Fixture& fixture = fixtures_[random_.below(fixtures_.size())];
    fixture.minute = fixture.minute % 95 + 1;
    (random_.one_in(2) ? fixture.home_goals : fixture.away_goals) += random_.one_in(3) ? 1 : 0;
    put_fixture(fixture);
    return tell(fixtures, "UPDATE", row_);
  }

  Message tell_betslip() {
    row_.clear();
    std::string odds = "{";
    for (const auto& account : accounts_) {
      std::string entry;
      ObjectWriter one(entry);
      one.cents("price", 150 + static_cast<std::int64_t>(random_.below(100))).cents("limit", 50000);
      one.cents("limitMin", 100)
          .text("limitCurrency", "USD")
          .cents("limitUsd", 50000)
          .cents("limitMinUsd", 100);
      one.flag("active", true).text("account", account.username).end();
      odds += (odds.size() > 1 ? ",\"" : "\"") + account.venue + R"(":{"odds_12345":)" + entry + '}';
    }
    ObjectWriter row(row_);
    row.text("fixtureId", random_.pick(fixtures_).id).number("outcomeId", 103).number("playerId", 0);
    row.text("client", client_).raw("userRef", "null").raw("odds", odds + "}").end();
    return tell(betslip, "UPDATE", row_);
  }

  Message tell_currencies() {
    row_.clear();
    ObjectWriter(row_)
        .text("base", "USD")
        .raw("rates", R"({"EUR":0.92,"GBP":0.79,"BTC":1.0E-5})")
        .number("ts", now_)
        .end();
    return tell(currencies, "UPDATE", row_);
  }

  Message tell_status() {
    row_.clear();
    ObjectWriter(row_)
        .text("status", "ok")
        .text("component", random_.pick(accounts_).venue)
        .number("ts", now_)
        .end();
    return tell(status, status_event(), row_);
  }

  Message tell_emergency(bool on) {
    emergency_left_ = on ? 20 : 0;
    row_.clear();
    ObjectWriter row(row_);
    row.flag("active", on);
    on ? row.text("reason", "Upstream provider maintenance") : row.raw("reason", "null");
    row.number("ts", now_).end();
    return tell(emergency, status_event(), row_);
  }

  const Options& options_;
  Book& book_;
  Random random_;
  std::string client_;
  std::vector<Fixture> fixtures_;
  std::vector<Account> accounts_;
  std::vector<Story> active_;
  std::deque<Story> unsettled_;
  std::uint64_t emergency_left_ = 0;
  std::int64_t now_ = 0;
  std::string row_, body_;
};

}  // namespace

std::unique_ptr<EventSource> make_abp_life(const Options& options, Book& book) {
  return std::make_unique<AbpLife>(options, book);
}

}  // namespace bridge55::sim
