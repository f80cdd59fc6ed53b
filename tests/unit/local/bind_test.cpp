// Safe binding of UNIX sockets, and TCP listeners.
#include "daemon/local/bind.hpp"

#include "daemon/local/server.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

class Bind : public ::testing::Test {
 protected:
  Bind() {
    std::string pattern = (std::filesystem::temp_directory_path() / "b55-bind-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
  }
  ~Bind() override { std::filesystem::remove_all(directory); }
  std::string path(const char* name) const { return directory + "/" + name; }
  int refused_with(const std::string& where) {
    try {
      BoundSocket::unix_path(where, 0660, {});
    } catch (const ListenError& error) {
      EXPECT_NE(std::string(error.what()).find(where), std::string::npos) << error.what();
      return error.exit_code;
    }
    return 0;
  }
  std::string directory;
};

TEST_F(Bind, ASocketHasItsModeAndGoesWithItsOwner) {
  {
    const BoundSocket bound = BoundSocket::unix_path(path("a.sock"), 0620, {});
    struct stat found {};
    ASSERT_EQ(::lstat(path("a.sock").c_str(), &found), 0);
    EXPECT_TRUE(S_ISSOCK(found.st_mode));
    EXPECT_EQ(found.st_mode & 07777, 0620u);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1)
        << "no other name stays behind";
  }
  EXPECT_FALSE(std::filesystem::exists(path("a.sock")));
}

TEST_F(Bind, AStaleSocketIsReplacedAndALiveOneIsNot) {
  {
    BoundSocket first = BoundSocket::unix_path(path("a.sock"), 0660, {});
    EXPECT_EQ(refused_with(path("a.sock")), 69);
    ::close(first.release_descriptor());
    const BoundSocket second = BoundSocket::unix_path(path("a.sock"), 0660, {});
    first = BoundSocket();  // the stale one's end does not take the new one's file
    EXPECT_TRUE(std::filesystem::exists(path("a.sock")));
  }
  EXPECT_FALSE(std::filesystem::exists(path("a.sock")));
}

TEST_F(Bind, SymbolicLinksAndOtherFilesAreRefused) {
  std::ofstream(path("file")) << "precious";
  std::filesystem::create_symlink(path("file"), path("link"));
  std::filesystem::create_symlink(path("nowhere"), path("dangling"));
  std::filesystem::create_directory(path("real"));
  std::filesystem::create_directory_symlink(path("real"), path("linked"));
  EXPECT_EQ(refused_with(path("file")), 78);
  EXPECT_EQ(refused_with(path("link")), 78);
  EXPECT_EQ(refused_with(path("dangling")), 78);
  EXPECT_EQ(refused_with(path("linked/a.sock")), 78);
  EXPECT_TRUE(std::filesystem::exists(path("file")));
}

TEST_F(Bind, PathsThatAreTooLongAndGroupsThatDoNotExistAreRefused) {
  EXPECT_EQ(refused_with(path(std::string(120, 'x').c_str())), 78);
  EXPECT_THROW(BoundSocket::unix_path(path("a.sock"), 0660, "no-such-group-here"), ListenError);
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST_F(Bind, AMissingDirectoryIsMadeButNotATree) {
  EXPECT_EQ(BoundSocket::unix_path(path("run/a.sock"), 0660, {}).path(), path("run/a.sock"));
  EXPECT_EQ(refused_with(path("x/y/a.sock")), 69);
}

TEST_F(Bind, TcpPortsAreResolvedAndTakenOnesRefused) {
  config::Listen settings;
  settings.host = "127.0.0.1";
  const BoundSocket bound = BoundSocket::tcp(settings);
  EXPECT_NE(bound.port(), 0);
  EXPECT_EQ(bound.text(), "127.0.0.1:" + std::to_string(bound.port()));
  settings.port = bound.port();
  EXPECT_TRUE(bound.serves(settings));
  try {
    BoundSocket::tcp(settings);
    FAIL() << "two listeners on one port";
  } catch (const ListenError& error) {
    EXPECT_EQ(error.exit_code, 69);
  }
}

TEST_F(Bind, AnInheritedSocketKeepsItsFile) {
  BoundSocket systemd = BoundSocket::unix_path(path("a.sock"), 0660, {});
  {
    const BoundSocket bound = BoundSocket::inherited(systemd.release_descriptor());
    EXPECT_EQ(bound.path(), path("a.sock"));
    config::Listen settings;
    settings.unix_path = path("a.sock");
    EXPECT_TRUE(bound.serves(settings));
  }
  EXPECT_TRUE(std::filesystem::exists(path("a.sock")));
}

}  // namespace
}  // namespace bridge55::local
