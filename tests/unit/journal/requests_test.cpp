// Requests by name and their answers: found again after a restart, never said to be durable before they are,
// and never taken for unknown where they cannot be read.
#include "tests/unit/journal/journal_fixture.hpp"

namespace bridge55::events {
namespace {

constexpr WallMicros kHour = 3'600'000'000;

RequestRecord request(const std::string& name, unsigned status, const std::string& answer,
                      WallMicros until = wall_now() + kHour) {
  return {"rabbit", name, until, 77, status, answer};
}

class RequestTest : public JournalTest {
 protected:
  static bool store(Running& running, const RequestRecord& record) {
    bool durable = false;
    running.journal().store_request(record, [&] { durable = true; });
    return running.until([&] { return durable; });
  }
  static std::optional<RequestRecord> find(Running& running, const std::string& name,
                                           const std::string& sink = "rabbit") {
    std::optional<RequestRecord> found;
    bool done = false;
    running.journal().read_request(sink, name, [&](std::optional<RequestRecord> one) {
      found = std::move(one);
      done = true;
    });
    EXPECT_TRUE(running.until([&] { return done; }));
    return found;
  }
};

TEST_F(RequestTest, an_answer_comes_back_byte_for_byte_over_a_restart) {
  const std::string answer =
      std::string("{\"status\":200,\"body\":1e400}\xff\0x", 29) + std::string(40'000, 'y');
  {
    Running running(directory);
    ASSERT_TRUE(store(running, request("m-1", 0, "")));
    EXPECT_EQ(find(running, "m-1")->status, 0u);
    ASSERT_TRUE(store(running, request("m-1", 200, answer)));
    running.close();
  }
  Running running(directory);
  const auto found = find(running, "m-1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status, 200u);
  EXPECT_EQ(found->print, 77u);
  EXPECT_EQ(found->answer, answer);
  EXPECT_FALSE(find(running, "m-2"));
  EXPECT_FALSE(find(running, "m-1", "other")) << "each sink has names of its own";
  EXPECT_EQ(sql_number(path(), "SELECT count(*) FROM requests"), 1);
}

TEST_F(RequestTest, what_is_not_durable_yet_is_found_too) {
  Running running(directory);
  running.journal().store_request(request("m-1", 0, ""), {});
  running.journal().store_request(request("m-1", 201, "{}"), {});
  EXPECT_EQ(find(running, "m-1")->status, 201u);
}

TEST_F(RequestTest, a_kill_leaves_what_was_said_to_be_durable) {
  {
    Running running(directory);
    ASSERT_TRUE(store(running, request("m-1", 0, "")));
    running.abandon();
  }
  Running running(directory);
  EXPECT_EQ(find(running, "m-1").value().status, 0u);
}

TEST_F(RequestTest, what_is_past_its_time_goes_and_the_rest_stays) {
  Running running(directory);
  for (int i = 0; i < 200; ++i)
    running.journal().store_request(request("old-" + std::to_string(i), 200, "{}", wall_now() - kHour), {});
  ASSERT_TRUE(store(running, request("young", 200, "{}")));
  EXPECT_TRUE(running.until([&] { return sql_number(path(), "SELECT count(*) FROM requests") == 1; }));
  EXPECT_TRUE(find(running, "young"));
}

TEST_F(RequestTest, a_damaged_answer_is_never_given_but_is_not_forgotten) {
  {
    Running running(directory);
    ASSERT_TRUE(store(running, request("m-1", 200, "{\"placed\":true}")));
    running.close();
  }
  sql(path(), "UPDATE requests SET answer='{\"placed\":fals}'");
  Running running(directory);
  const auto found = find(running, "m-1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status, 0u);
  EXPECT_TRUE(found->answer.empty());
}

TEST_F(RequestTest, a_rebuilt_journal_keeps_them) {
  {
    Running running(directory);
    ASSERT_TRUE(store(running, request("m-1", 200, "{}")));
    ASSERT_TRUE(store(running, request("m-2", 0, "")));
    running.close();
  }
  spit(path() + ".suspect", "");
  Running running(directory);
  EXPECT_EQ(find(running, "m-1").value().answer, "{}");
  EXPECT_EQ(find(running, "m-2").value().status, 0u);
}

}  // namespace
}  // namespace bridge55::events
