// Kind fetch: a page polled through POST /fetch, inside the rate limit and behind everybody else.
#include "bridges/scraping/standing/job.hpp"
#include "bridges/scraping/standing/page.hpp"
#include "bridges/scraping/standing/refusals.hpp"
#include "daemon/gateway/errand.hpp"
#include "daemon/gateway/flight.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/error.hpp>

namespace bridge55::scraping::standing {
namespace {

using namespace std::chrono_literals;
using local::Refusal;

// One poll that fails is an ordinary thing of a page far away.
constexpr unsigned kDownAfter = 3;
constexpr auto kBeyondTimeout = 5s;                         // contract, section 6, "Failures"
constexpr std::size_t kMaxAnswer = kMaxFrame + (1u << 20);  // of /fetch: a page and what is told about it

class FetchJob final : public Job {
 public:
  explicit FetchJob(Parts parts)
      : Job(std::move(parts)), ask_(ask_for_page(relay())), changes_(relay().emit_always) {}

 private:
  awaitable<void> run() override;
  awaitable<End> live() override;
  void wake() override;
  awaitable<std::optional<End>> obtain(gateway::Errand& errand, std::string& answer);
  std::optional<End> judge(const std::string& answer);
  std::optional<End> tell(const FetchedPage& page);
  SteadyTime failed(End end, SteadyTime next);
  gateway::Wish wish(const gateway::Upstream& upstream) const;

  const PageAsk ask_;
  Changes changes_;
  gateway::Errand* errand_ = nullptr;
  Polled polled_ = Polled::failed;
  unsigned failures_ = 0;  // in a row
  std::string relay_json_;
};

awaitable<void> FetchJob::run() {
  while (!stopping_) {
    if (ledger_.must_pause()) {
      co_await pause();
      continue;
    }
    if (!ledger_.is_up()) ledger_.trying();
    const SteadyTime began = SteadyClock::now();
    polled_ = Polled::failed;
    End end = co_await live();
    if (stopping_) break;
    ledger_.polled(polled_);
    SteadyTime next = began + relay().every;
    if (polled_ == Polled::failed || polled_ == Polled::blocked) {
      next = failed(std::move(end), next);
    } else {
      failures_ = 0;
    }
    co_await wait(std::max(next, SteadyClock::now()));
  }
  finished();
}

// When to poll again.
SteadyTime FetchJob::failed(End end, SteadyTime next) {
  ++failures_;
  ledger_.warn_once(polled_ == Polled::blocked ? "the target blocks a polled page" : "a poll failed",
                    end.reason);
  const bool at_once = end.cause == Cause::refused || !ledger_.is_up();
  if (!at_once && failures_ < kDownAfter) return std::max(next, SteadyClock::now() + end.retry_after);
  const bool refused = end.cause == Cause::refused;
  const auto asked = end.retry_after;
  const config::Duration delay = ledger_.ended(std::move(end));
  return std::max(next, SteadyClock::now() + (refused ? delay : asked));
}

gateway::Wish FetchJob::wish(const gateway::Upstream& upstream) const {
  gateway::Wish wish;
  wish.rank = gateway::Rank::own;
  wish.method = "POST";
  wish.target = "/fetch";
  for (const auto& [name, value] : ask_.headers)
    wish.fields.push_back({name, value});
  wish.app = who();
  wish.has_body = true;
  wish.body = ask_.body;
  wish.started = SteadyClock::now();
  wish.max_wait = upstream.settings.max_wait;
  wish.deadline = wish.started + wish.max_wait + relay().timeout + kBeyondTimeout;
  wish.once = !ask_.repeatable;
  return wish;
}

// One poll; what became of it is in `polled_`.
awaitable<End> FetchJob::live() {
  const gateway::UpstreamPtr upstream = upstream_();
  if (!upstream) co_return End{Cause::unreachable, "the upstream is gone", 0, {}};
  gateway::Errand errand(upstream, wish(*upstream));
  errand_ = &errand;
  std::string answer;
  std::optional<End> end = co_await obtain(errand, answer);
  errand_ = nullptr;
  if (!end && !stopping_) end = judge(answer);
  if (!end) end.emplace();
  co_return std::move(*end);
}

awaitable<std::optional<End>> FetchJob::obtain(gateway::Errand& errand, std::string& answer) {
  using Failed = std::optional<End>;
  const std::optional<Refusal> refusal = co_await errand.obtain();
  if (refusal) co_return Failed(end_of_refusal(*refusal));
  const unsigned status = errand.call().head().status;
  const auto retry_after = asked_delay(errand.call().head());
  const net::error_code error = co_await gateway::collect(errand, kMaxAnswer, answer);
  if (error == boost::asio::error::message_size) {
    ledger_.quarantine({"too large", std::string_view(answer).substr(0, 4096), false, answer.size()});
    co_return Failed(End{Cause::target, "the page is larger than 16 MiB", 0, {}});
  }
  if (error) co_return Failed(End{Cause::lost, "the answer broke: " + errand.call().trouble(), 0, {}});
  if (status == 200) co_return Failed{};
  End end = end_of_status(status, answer);
  end.retry_after = retry_after;
  if (end.cause == Cause::limited && retry_after.count() == 0)
    end.retry_after = errand.upstream().gate.figures(gateway::Rank::own).retry_after;
  co_return Failed(std::move(end));
}

std::optional<End> FetchJob::judge(const std::string& answer) {
  FetchedPage page;
  const std::string_view fault = read_fetched_page(answer, page);
  if (!fault.empty()) {
    const bool is_text = fault.find("UTF-8") == fault.npos;
    ledger_.quarantine({fault, std::string_view(answer).substr(0, 64u << 10), is_text, answer.size()});
    return End{Cause::protocol, "an answer that cannot be understood: " + std::string(fault), 0, {}};
  }
  if (page.blocked) {
    polled_ = Polled::blocked;
    return End{Cause::target, "blocked by the target (status " + std::string(page.status) + ")", 0, {}};
  }
  if (page.status_code() < 200 || page.status_code() >= 400)
    return End{Cause::target, "the target answered " + std::string(page.status), 0, {}};
  return tell(page);
}

std::optional<End> FetchJob::tell(const FetchedPage& page) {
  const std::string_view body = page.body();
  if (!ledger_.is_up()) ledger_.came_up(page.node_id);
  polled_ = Polled::unchanged;
  if (!changes_.is_news(body)) return {};
  events::Facts facts;
  relay_json_.clear();
  append_page_relay(relay_json_, page);
  facts.relay = relay_json_;
  const std::string_view fault = framing_.text_copy(body, facts);
  if (fault.empty()) {
    polled_ = Polled::fresh;
    ledger_.publish(facts);
  } else {
    ledger_.quarantine({fault, body, true, body.size()});
  }
  ledger_.flush();
  return {};
}

void FetchJob::wake() {
  if (errand_ != nullptr) errand_->cancel();
}

}  // namespace

std::shared_ptr<Job> make_fetch_job(Job::Parts parts) {
  return std::make_shared<FetchJob>(std::move(parts));
}

}  // namespace bridge55::scraping::standing
