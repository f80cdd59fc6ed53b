// An upstream's event feed whose subscription can grow without losing an event: a second session with more
// channels logs in beside the first, what both bring is merged, and a few seconds later, once the first is
// not behind, that is closed.
// To its host it is one session all the while. I/O thread only.
#pragma once

#include "bridges/source.hpp"
#include "bridges/upstream/hand_over.hpp"
#include "config/config.hpp"
#include "daemon/base/metrics.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace bridge55::upstream {

// How a growth ended. `unavailable`: the second session could not be had, for another reason than the
// vendor's limit of connections; the first one goes on in any case.
enum class Grown { done, connection_limit, unavailable };

class GrowingSource final : public bridges::Source {
 public:
  struct Parts {
    boost::asio::io_context& io;  // these three must outlive it
    bridges::SourceHost& host;
    metrics::Registry& metrics;
    std::string opening_gap;
  };
  GrowingSource(const Parts& parts, config::Upstream settings);
  ~GrowingSource() override;

  void start() override;
  void durable(events::EventId id) override;
  void resume() override;
  bridges::SessionStatus status() const override;        // of the first
  std::vector<bridges::SessionStatus> statuses() const;  // both, while both are up
  void stop(std::function<void()> stopped) override;

  // Asks upstream for other channels instead of those of the settings; not again before `done`, which is
  // called once, from the loop, unless the source is stopped before. `channels` is called when the second
  // session begins, which waits while the last one still takes over. If that is granted nothing that the
  // first does not have it goes, and the first stays.
  using Channels = std::function<std::vector<std::string>()>;
  void grow(Channels channels, std::function<void(Grown)> done);

 private:
  struct Link;
  struct Timer;
  std::unique_ptr<Link> make_link(const config::Upstream& settings, std::string opening_gap, unsigned slot);
  bool only_joining_has(std::string_view channel) const;
  void take_word(Link& link, std::string_view channel, std::string_view event, std::string_view payload);
  void take_joining(std::string_view channel, std::string_view event, std::string_view payload);
  events::EventId publish(Link& link, const events::Facts& facts, bool may_repeat);
  void say(std::string_view channel, std::string_view event, std::string_view payload);
  void joined(std::string_view payload);
  void not_joined(Grown why);
  bool of_the_last(const events::Facts& facts, SteadyTime now);
  events::EventId publish_joining(const events::Facts& facts, SteadyTime now);
  events::EventId pass_on(const events::Facts& facts, bool may_repeat);
  void settle(std::uint64_t ticket, events::EventId id);
  void release(const events::Facts& facts, std::uint64_t ticket);
  void look_again(SteadyClock::duration in);
  void begin_growing(std::vector<std::string> channels);
  bool joining_has_more() const;
  void drop_joining();
  void release_held();
  void replace();
  void retire(std::unique_ptr<Link> link);
  void ended(Grown how);
  void one_stopped();

  boost::asio::io_context& io_;
  bridges::SourceHost& host_;
  metrics::Registry& metrics_;
  const config::Upstream settings_;
  std::unique_ptr<Link> link_, joining_;
  std::vector<std::unique_ptr<Link>> leaving_;
  std::unique_ptr<HandOver> hand_over_;  // while two sessions bring the same
  std::unique_ptr<Timer> timer_;
  std::function<void(Grown)> grown_;
  bool joining_was_up_ = false;
  bool gap_open_ = false;  // said to the host
  std::string gap_reason_;
  Channels next_channels_;          // of a growth that waits for the last one's end
  std::unique_ptr<HandOver> last_;  // remembered for a while
  SteadyTime joined_at_{}, last_until_{};
  events::EventId last_id_ = 0, durable_ = 0;
  std::size_t stopping_ = 0;
  bool stop_asked_ = false;
  std::function<void()> stopped_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace bridge55::upstream
