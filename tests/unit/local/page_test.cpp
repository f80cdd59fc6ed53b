// GET /events/page over a journal in memory.
#include "door.hpp"

namespace bridge55::test {
namespace {

class Pages : public LocalDoor {
 protected:
  std::string page(const std::string& query) {
    const std::string answer = request("GET /events/page?" + query);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }
  static std::string tail(events::EventId next, bool more) {
    return R"(],"next":")" + std::to_string(next) + R"(","more":)" + (more ? "true" : "false") + "}\n";
  }
};

TEST_F(Pages, AscendFromTheEarliestAndSayWhereTheNextBegins) {
  start();
  std::vector<events::EventId> ids;
  for (int i = 0; i < 5; ++i)
    ids.push_back(publish("orders", std::to_string(i)));
  const std::string first = page("limit=2");
  EXPECT_EQ(ids_of(first), (std::vector{ids[0], ids[1]}));
  EXPECT_TRUE(first.ends_with(tail(ids[1], true))) << first;
  const std::string rest = page("after=" + std::to_string(ids[1]));
  EXPECT_EQ(ids_of(rest), (std::vector{ids[2], ids[3], ids[4]}));
  EXPECT_TRUE(rest.ends_with(tail(ids[4], false))) << rest;
  EXPECT_EQ(page("after=" + std::to_string(ids[4])), "{\"events\":[" + tail(ids[4], false));
  EXPECT_EQ(ids_of(page("after=" + std::to_string(ids[0]) + "&before=" + std::to_string(ids[3]))),
            (std::vector{ids[1], ids[2]}));
  EXPECT_EQ(page("after=latest"), "{\"events\":[" + tail(ids[4], false));
}

TEST_F(Pages, AnEmptyJournalIsAnEmptyPage) {
  start();
  EXPECT_EQ(page(""), "{\"events\":[],\"next\":\"0\",\"more\":false}\n");
}

TEST_F(Pages, EnvelopesAreByteForByte) {
  start();
  publish("orders", "{\"a\":\n 1.10, \"a\":2}");
  EXPECT_NE(page("").find("\"payload\":{\"a\":\n 1.10, \"a\":2}}"), std::string::npos);
}

TEST_F(Pages, FiltersAndTimesSelect) {
  start();
  publish("orders", "1");
  const events::EventId bet = publish("bets", "2");
  EXPECT_EQ(ids_of(page("channel=bets")), std::vector{bet});
  EXPECT_EQ(ids_of(page("channel=bets&from=2001-01-01T00:00:00Z&to=2101-01-01T00:00:00Z")), std::vector{bet});
  EXPECT_TRUE(ids_of(page("to=2001-01-01T00:00:00Z")).empty());
  EXPECT_TRUE(ids_of(page("from=2101-01-01T00:00:00Z")).empty());
  EXPECT_EQ(ids_of(page("from=" + rfc3339(journal.rows[1]->received_at()))), std::vector{bet});
}

TEST_F(Pages, AnAfterOlderThanRetentionIs410WithTheOldestId) {
  start();
  std::vector<events::EventId> ids;
  for (int i = 0; i < 3; ++i)
    ids.push_back(publish("orders", std::to_string(i)));
  journal.forget_through(ids[1]);
  const std::string answer = request("GET /events/page?after=" + std::to_string(ids[0]));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 410 Gone\r\n")) << answer;
  EXPECT_NE(answer.find("\"oldest\":\"" + std::to_string(ids[2]) + "\""), std::string::npos);
  EXPECT_EQ(ids_of(page("after=" + std::to_string(ids[1]))), std::vector{ids[2]})
      << "nothing after it is gone";
  EXPECT_EQ(ids_of(page("after=earliest")), std::vector{ids[2]});
  EXPECT_EQ(ids_of(page("")), std::vector{ids[2]});
}

}  // namespace
}  // namespace bridge55::test
