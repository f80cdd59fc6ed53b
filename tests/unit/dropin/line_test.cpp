#include "tests/unit/dropin/stage.hpp"

namespace bridge55::test {
namespace {

class DropInLine : public DropInStage {};

TEST_F(DropInLine, BeforeTheFirstLoginThereIsNothingToLose) {
  EXPECT_FALSE(line->up());
  EXPECT_TRUE(line->out(now));
  upstream_up();
  EXPECT_FALSE(line->out(now));
}

TEST_F(DropInLine, HeadsAreMadeOnceAndTheirNumberIsBounded) {
  const std::string_view head = line->head("orders", "UPDATE");
  EXPECT_EQ(head, R"({"type":"data","channel":"orders","event":"UPDATE","payload":)");
  EXPECT_EQ(line->head("orders", "UPDATE").data(), head.data());
  for (int i = 0; i < 1000; ++i)
    EXPECT_NE(line->head("c" + std::to_string(i), "E").find("\"c" + std::to_string(i) + '"'),
              std::string_view::npos);
}

TEST_F(DropInLine, SessionsComeAndGo) {
  begin();
  EXPECT_EQ(line->sessions(), 1u);
  session.reset();
  EXPECT_EQ(line->sessions(), 0u);
  line->lost_events();
  line->close_all();
}

TEST_F(DropInLine, ANewConfigIsAskedForAnew) {
  settings.channels = {"orders"};
  line->configured(settings);
  EXPECT_FALSE(line->was_asked("bets"));
  EXPECT_TRUE(line->was_asked("emergency"));
  settings.channels.clear();
  line->configured(settings);
  EXPECT_TRUE(line->was_asked("bets"));
}

}  // namespace
}  // namespace bridge55::test
