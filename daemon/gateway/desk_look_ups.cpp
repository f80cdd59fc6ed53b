#include "daemon/gateway/desk_look_ups.hpp"

#include "daemon/local/text.hpp"

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55::gateway {

void LookUps::stop() {
  stopped_ = true;
  for (const auto& question : waiting_) {
    question->done = true;
    question->bell.ring();
  }
  waiting_.clear();
}

net::awaitable<LookedUp> LookUps::find(std::vector<std::string> uuids, SteadyTime deadline) {
  if (stopped_) co_return LookedUp{};
  const auto question = std::make_shared<Question>(io_);
  question->uuids = std::move(uuids);
  waiting_.push_back(question);
  if (under_way_ < kAtOnce) {
    ++under_way_;
    // Later, so that what is asked in the same breath is asked together.
    boost::asio::post(io_, [self = shared_from_this()] {
      boost::asio::co_spawn(
          self->io_, [self] { return self->pump(); }, boost::asio::detached);
    });
  }
  std::function<bool()> there = [question] { return question->done; };
  const bool answered = co_await question->bell.wait(std::move(there), deadline);
  // Nobody waits for it any more: it must not take a place in front of everything else.
  if (!answered) std::erase(waiting_, question);
  co_return std::move(question->answer);
}

LookUps::Questions LookUps::take() {
  Questions taken;
  std::size_t count = 0;
  while (!waiting_.empty()) {
    const std::size_t more = waiting_.front()->uuids.size();
    if (!taken.empty() && count + more > Dialect::kLookUpChunk) break;
    count += more;
    taken.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return taken;
}

net::awaitable<void> LookUps::pump() {
  while (!waiting_.empty()) {
    const Questions taken = take();
    std::vector<std::string> uuids;
    for (const auto& question : taken)
      uuids.insert(uuids.end(), question->uuids.begin(), question->uuids.end());
    const LookedUp answer = co_await ask(std::move(uuids));
    for (const auto& question : taken) {
      question->answer = answer;
      question->done = true;
      question->bell.ring();
    }
  }
  --under_way_;
}

net::awaitable<LookedUp> LookUps::ask(std::vector<std::string> uuids) {
  LookedUp out;
  out.whole = true;
  for (std::size_t first = 0; first < uuids.size(); first += Dialect::kLookUpChunk) {
    const std::size_t last = std::min(uuids.size(), first + Dialect::kLookUpChunk);
    const std::vector<std::string> chunk(uuids.begin() + static_cast<std::ptrdiff_t>(first),
                                         uuids.begin() + static_cast<std::ptrdiff_t>(last));
    // Only these are kept, each once: what upstream sends beside them may be any amount.
    std::set<std::string> wanted;
    for (const std::string& uuid : chunk)
      wanted.insert(local::lower(uuid));
    std::set<std::string> cursors;
    std::string cursor;
    bool whole = false;
    for (unsigned page = 0; page < kMaxPages && !whole; ++page) {
      std::string target = dialect_.look_up_target(chunk, cursor);
      const Reply reply = co_await get(std::move(target), SteadyClock::now() + within_);
      std::optional<OrderPage> read;
      if (reply.status == 200) read = dialect_.read_page(reply.body);
      if (!read) break;
      for (Entry& row : read->rows) {
        if (wanted.erase(row.uuid) != 0) out.rows.push_back(std::move(row));
      }
      whole = !read->more;
      cursor = std::move(read->cursor);
      // A page that leads nowhere or back: nobody can say what is not there.
      if (!whole && (cursor.empty() || !cursors.insert(cursor).second)) break;
    }
    out.whole = out.whole && whole;
  }
  co_return out;
}

net::awaitable<Reply> LookUps::get(std::string target, SteadyTime deadline) {
  Line* const line = line_;
  if (line == nullptr || stopped_) co_return Reply{};
  try {
    co_return co_await line->look_up(std::move(target), deadline);
  } catch (const std::exception&) {
    co_return Reply{};  // no more than a look-up that failed: it is repeated
  }
}

}  // namespace bridge55::gateway
