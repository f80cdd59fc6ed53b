#include "daemon/gateway/sent_window.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;
using Ages = std::vector<std::chrono::microseconds>;

constexpr WallMicros kNow = 1'771'183'909'000'000;
constexpr WallMicros kSecond = 1'000'000;

struct SentWindowTest : testing::Test {
  SentWindowTest() {
    char name[] = "/tmp/sent_window_XXXXXX";
    folder = ::mkdtemp(name);
    path = folder + "/sent";
  }
  ~SentWindowTest() override {
    for (const char* file : {"/sent", "/sent.new", "/other"})
      ::unlink((folder + file).c_str());
    ::rmdir(path.c_str());
    ::rmdir(folder.c_str());
  }
  std::string bytes() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(std::string_view text) const { std::ofstream(path, std::ios::binary) << text; }

  std::string folder, path;
  std::vector<SentWindow::Ring> rings{{"abp", 4}, {"mm", 100}};
};

TEST_F(SentWindowTest, RemembersAnsweredAndInFlightAndForgetsDropped) {
  SentWindow first;
  ASSERT_FALSE(first.open(path, rings, kNow));
  const auto a = first.begin("abp", kNow), b = first.begin("abp", kNow), c = first.begin("mm", kNow);
  first.begin("mm", kNow);
  first.answered(a, kNow + kSecond);
  first.dropped(b);
  first.answered(c, kNow + 2 * kSecond);
  SentWindow second;  // as after a SIGKILL: the first never closed its file
  ASSERT_FALSE(second.open(path, rings, kNow + 5 * kSecond));
  EXPECT_EQ(second.recovered("abp"), Ages{4s});
  EXPECT_EQ(second.recovered("mm"), (Ages{3s, 0s}));
  EXPECT_EQ(second.recovered("nobody"), Ages{});
}

TEST_F(SentWindowTest, ASecondRestartStillKnows) {
  {
    SentWindow first;
    ASSERT_FALSE(first.open(path, rings, kNow));
    first.answered(first.begin("mm", kNow), kNow);
  }
  SentWindow second, third;
  ASSERT_FALSE(second.open(path, rings, kNow + kSecond));
  second.answered(second.begin("mm", kNow + kSecond), kNow + kSecond);
  ASSERT_FALSE(third.open(path, rings, kNow + 2 * kSecond));
  EXPECT_EQ(third.recovered("mm"), (Ages{2s, 1s}));
}

TEST_F(SentWindowTest, SurvivesSigkill) {
  const pid_t child = ::fork();
  if (child == 0) {
    SentWindow window;
    if (window.open(path, rings, kNow)) ::_exit(1);
    for (int i = 0; i < 10; ++i)
      window.answered(window.begin("mm", kNow), kNow + i);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  SentWindow window;
  ASSERT_FALSE(window.open(path, rings, kNow));
  EXPECT_EQ(window.recovered("mm").size(), 10u);
}

TEST_F(SentWindowTest, AFullRingForgetsTheOldestAnsweredAndNeverWhatFlies) {
  SentWindow window;
  ASSERT_FALSE(window.open(path, rings, kNow));
  const auto slow = window.begin("abp", kNow);
  for (int i = 1; i <= 9; ++i)
    window.answered(window.begin("abp", kNow), kNow + i * kSecond);
  window.answered(slow, kNow + 10 * kSecond);
  SentWindow next;
  ASSERT_FALSE(next.open(path, rings, kNow + 10 * kSecond));
  EXPECT_EQ(next.recovered("abp"), (Ages{3s, 2s, 1s, 0s}));
}

TEST_F(SentWindowTest, WithEverySlotInFlightMoreAreNotRemembered) {
  SentWindow window;
  ASSERT_FALSE(window.open(path, rings, kNow));
  for (int i = 0; i < 4; ++i)
    EXPECT_NE(window.begin("abp", kNow), 0u);
  EXPECT_EQ(window.begin("abp", kNow), 0u);
  EXPECT_EQ(window.begin("nobody", kNow), 0u);
  window.answered(0, kNow);
  window.dropped(0);
}

TEST_F(SentWindowTest, AClockSetBackMakesThemJustNow) {
  SentWindow window;
  ASSERT_FALSE(window.open(path, rings, kNow));
  window.answered(window.begin("mm", kNow), kNow);
  SentWindow next;
  ASSERT_FALSE(next.open(path, rings, kNow - 3600 * kSecond));
  EXPECT_EQ(next.recovered("mm"), Ages{0s});
}

TEST_F(SentWindowTest, AReloadKeepsWhatStaysAndIgnoresOldSlots) {
  SentWindow window;
  ASSERT_FALSE(window.open(path, rings, kNow));
  const auto old = window.begin("mm", kNow);
  const std::vector<SentWindow::Ring> more{{"a-new-one", 10}, {"mm", 50}};
  ASSERT_FALSE(window.open(path, more, kNow + kSecond));
  const auto fresh = window.begin("a-new-one", kNow + kSecond);
  EXPECT_NE(fresh, 0u);
  window.dropped(old);
  SentWindow next;
  ASSERT_FALSE(next.open(path, more, kNow + 2 * kSecond));
  EXPECT_EQ(next.recovered("mm"), Ages{1s});
  EXPECT_EQ(next.recovered("a-new-one"), Ages{0s});
}

TEST_F(SentWindowTest, TheFileIsThisUsersAlone) {
  SentWindow window;
  ASSERT_FALSE(window.open(path, rings, kNow));
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0600u);
  EXPECT_NE(::access((path + ".new").c_str(), F_OK), 0);
}

TEST_F(SentWindowTest, ASymbolicLinkOrAFolderIsRefused) {
  std::ofstream(folder + "/other") << "precious";
  ASSERT_EQ(::symlink((folder + "/other").c_str(), path.c_str()), 0);
  SentWindow window;
  EXPECT_EQ(window.open(path, rings, kNow).value(), ELOOP);
  EXPECT_FALSE(window.is_open());
  EXPECT_EQ(window.begin("abp", kNow), 0u);
  ::unlink(path.c_str());
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  EXPECT_EQ(window.open(path, rings, kNow).value(), EISDIR);
}

TEST_F(SentWindowTest, AFailedReloadKeepsWhatWasOpen) {
  SentWindow window;
  ASSERT_FALSE(window.open(path, rings, kNow));
  EXPECT_TRUE(window.open(folder + "/no/such/place", rings, kNow));
  EXPECT_TRUE(window.is_open());
  EXPECT_NE(window.begin("abp", kNow), 0u);
}

TEST_F(SentWindowTest, DamagedAndForeignFilesAreReplaced) {
  {
    SentWindow window;
    ASSERT_FALSE(window.open(path, rings, kNow));
    window.answered(window.begin("mm", kNow), kNow);
  }
  const std::string good = bytes();
  std::mt19937 random(7);
  std::vector<std::string> files{
      "", "hello", std::string(1000, '\0'), good.substr(0, good.size() - 1), good + "x", good.substr(0, 40)};
  for (std::size_t i = 0; i < 32 + 2 * 128; i += 7) {
    files.push_back(good);
    files.back()[i] = static_cast<char>(files.back()[i] ^ (1 << random() % 8));
  }
  for (const std::string& file : files) {
    write(file);
    SentWindow window;
    ASSERT_FALSE(window.open(path, rings, kNow));
    EXPECT_EQ(window.recovered("mm"), Ages{});
    EXPECT_NE(window.begin("mm", kNow), 0u);
  }
}

TEST_F(SentWindowTest, DamagedSlotsGiveAgesThatAreNeverNegative) {
  {
    SentWindow window;
    ASSERT_FALSE(window.open(path, rings, kNow));
  }
  std::string file = bytes();
  std::mt19937 random(7);
  for (std::size_t i = 32 + 2 * 128; i < file.size(); ++i)
    file[i] = static_cast<char>(random());
  write(file);
  SentWindow window;
  ASSERT_FALSE(window.open(path, rings, kNow));
  EXPECT_EQ(window.recovered("abp").size(), 4u);
  for (const auto age : window.recovered("mm"))
    EXPECT_GE(age, 0s);
}

TEST_F(SentWindowTest, NamesAndCountsAreBounded) {
  SentWindow window;
  EXPECT_EQ(window.open(path, std::vector<SentWindow::Ring>{{std::string(120, 'x'), 1}}, kNow).value(),
            ENAMETOOLONG);
  EXPECT_EQ(window.open(path, std::vector<SentWindow::Ring>(65, {"x", 1}), kNow).value(), E2BIG);
  ASSERT_FALSE(
      window.open(path, std::vector<SentWindow::Ring>{{std::string(119, 'x'), 1'000'000'000}}, kNow));
  EXPECT_LT(bytes().size(), 600'000u);
}

}  // namespace
}  // namespace bridge55::gateway
