#include "bridges/scraping/standing/life.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace bridge55::scraping::standing {
namespace {

using namespace std::chrono_literals;
using bridges::SessionState;

struct Recorder final : Voice {
  void say(std::string_view channel, std::string_view event, std::string_view members) override {
    said.push_back(std::string(channel) + ' ' + std::string(event));
    last = members;
  }
  std::vector<std::string> take() { return std::exchange(said, {}); }
  std::vector<std::string> said;
  std::string last;
};
using Said = std::vector<std::string>;

struct LifeTest : testing::Test {
  void begin(std::string gap = {}) { life.emplace(Life::Parts{{3, 250ms, 4s}, voice, std::move(gap), 7}); }
  void pass(std::chrono::milliseconds time) {
    now.steady += time;
    now.wall += time.count() * 1000;
  }
  config::Duration end(Cause cause, std::string reason = "why", std::chrono::milliseconds after = {}) {
    return life->ended({cause, std::move(reason), 0, after}, now, now.wall);
  }
  void come_up() {
    life->trying(now);
    life->came_up(now, "scraping-de1");
  }
  Recorder voice;
  std::optional<Life> life;
  Now now{SteadyTime(1000s), 1'771'183'909'789'001};
};

TEST_F(LifeTest, TheFirstStartOpensNoGap) {
  begin();
  come_up();
  EXPECT_EQ(voice.take(), (Said{"session CONNECTING", "session UP"}));
  EXPECT_EQ(voice.last, R"(,"node_id":"scraping-de1")");
  EXPECT_EQ(life->state(), SessionState::up);
}

TEST_F(LifeTest, ALaterStartOpensAGapThatIsClosedAsUnrecovered) {
  begin("restart");
  come_up();
  EXPECT_EQ(voice.take(), (Said{"session CONNECTING", "gap DETECTED", "session UP", "gap UNRECOVERED"}));
  EXPECT_EQ(life->gap(), "");
}

TEST_F(LifeTest, ARelayThatBreaksIsDownAndAGap) {
  begin();
  come_up();
  voice.take();
  pass(10s);
  end(Cause::agent);
  EXPECT_EQ(voice.take(), (Said{"session DOWN", "gap DETECTED"}));
  EXPECT_EQ(life->gap(), "disconnected");
  life->trying(now);
  life->came_up(now, "");
  EXPECT_EQ(voice.take(), (Said{"session CONNECTING", "session UP", "gap UNRECOVERED"}));
  EXPECT_EQ(life->reconnects(), 1u);
}

TEST_F(LifeTest, OneThatWasNeverUpHasMissedNothing) {
  begin();
  life->trying(now);
  end(Cause::unreachable);
  EXPECT_EQ(voice.take(), (Said{"session CONNECTING", "session DOWN"}));
}

TEST_F(LifeTest, AnOutageIsSaidOnceForEachReason) {
  begin();
  come_up();
  end(Cause::lost, "a");
  voice.take();
  for (int i = 0; i < 10; ++i) {
    life->trying(now);
    end(Cause::unreachable, i % 2 == 0 ? "b" : "c");
  }
  EXPECT_EQ(voice.take(), (Said{"session CONNECTING", "session DOWN", "session DOWN"}));
  EXPECT_EQ(life->reconnects(), 10u);
}

TEST_F(LifeTest, TheDelayIsJitteredFrom250MillisecondsToFourSeconds) {
  begin();
  config::Duration longest{0};
  for (int i = 0; i < 40; ++i) {
    life->trying(now);
    const config::Duration delay = end(Cause::lost);
    EXPECT_LT(delay, i == 0 ? 250ms : i == 1 ? 500ms : 4000ms);
    longest = std::max(longest, delay);
  }
  EXPECT_GT(longest, 1s);
}

TEST_F(LifeTest, OneThatHeldBeginsItsBackoffAnew) {
  begin();
  for (int i = 0; i < 10; ++i)
    end(Cause::lost);
  come_up();
  pass(5s);
  EXPECT_LT(end(Cause::lost), 250ms);
}

TEST_F(LifeTest, ARefusedKeyWaitsAMinute) {
  begin();
  life->trying(now);
  EXPECT_EQ(end(Cause::refused), 60s);
  EXPECT_EQ(life->state(), SessionState::rejected);
  EXPECT_EQ(voice.take(), (Said{"session CONNECTING", "session REJECTED"}));
  life->trying(now);
  EXPECT_EQ(end(Cause::refused), 60s);
  EXPECT_EQ(voice.take(), Said{});
}

TEST_F(LifeTest, ALimitWaitsAsLongAsItSays) {
  begin();
  EXPECT_GE(end(Cause::limited, "limit", 17s), 17s);
}

TEST_F(LifeTest, ALongPauseOfOursIsAGap) {
  begin();
  come_up();
  voice.take();
  life->paused(now);
  life->paused(now);
  life->resumed(now);
  EXPECT_EQ(voice.take(), (Said{"gap DETECTED", "gap UNRECOVERED"}));
}

TEST_F(LifeTest, AStopIsSaid) {
  begin();
  come_up();
  voice.take();
  life->stopped(now);
  EXPECT_EQ(voice.take(), Said{"session DOWN"});
  EXPECT_EQ(life->state(), SessionState::down);
}

}  // namespace
}  // namespace bridge55::scraping::standing
