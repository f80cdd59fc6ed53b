#include "daemon/events/journal_files.hpp"

#include "daemon/base/crash_point.hpp"
#include "daemon/events/journal.hpp"
#include "daemon/events/journal_checksum.hpp"
#include "daemon/events/journal_schema.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bridge55::events {
namespace {

constexpr int kUnavailable = 69, kNoPermission = 77;

[[noreturn]] void fail(const std::string& doing, int error) {
  const bool denied = error == EACCES || error == EPERM || error == EROFS || error == ELOOP;
  const std::string why = error == ELOOP ? "it is a symbolic link" : std::generic_category().message(error);
  throw JournalError(denied ? kNoPermission : kUnavailable, "journal: cannot " + doing + ": " + why);
}

void refuse_link(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno != ENOENT) fail("look at " + path, errno);
    return;
  }
  if (S_ISLNK(found.st_mode))
    throw JournalError(kNoPermission, "journal: " + path + " is a symbolic link: refused");
}

void make_directory(const std::filesystem::path& directory) {
  if (directory.empty() || exists(directory.string())) return;
  make_directory(directory.parent_path());
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    fail("make the directory " + directory.string(), errno);
  sync_directory(directory.string());
}

std::string resolved(const std::string& directory) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(directory.c_str(), nullptr), &std::free);
  if (real == nullptr) fail("use the directory " + directory, errno);
  return real.get();
}

std::string damaged_name(const std::string& journal, WallMicros now) {
  const std::string base = journal + ".damaged-" + std::to_string(now / 1'000'000);
  std::string name = base;
  for (int n = 2; exists(name) || exists(name + "-wal"); ++n)
    name = base + "-" + std::to_string(n);
  return name;
}

void rename_if_there(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) fail("rename " + from, errno);
}

}  // namespace

bool exists(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0;
}

std::string prepare_path(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::absolute(path);
  if (!whole.has_filename()) throw JournalError(78, "journal: " + path + " names no file");
  const std::string directory = whole.parent_path().string();
  refuse_link(directory);
  make_directory(directory);
  std::string file = resolved(directory) + "/" + whole.filename().string();
  for (const char* suffix : {"", "-wal", "-shm", ".lock"})
    refuse_link(file + suffix);
  struct stat found {};
  if (::lstat(file.c_str(), &found) == 0) {
    if (!S_ISREG(found.st_mode))
      throw JournalError(kUnavailable, "journal: " + file + " is not a regular file");
    if (::access(file.c_str(), R_OK | W_OK) != 0) fail("read and write " + file, errno);
  } else if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    fail("write in " + directory, errno);
  }
  return file;
}

bool create_file(const std::string& path) {
  // SQLite gives its log and index the mode of this file. Closed before SQLite opens it: closing any
  // descriptor of a file drops all of the process's POSIX locks on it.
  const int descriptor = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0 && errno == EEXIST) return false;
  if (descriptor < 0) fail("create " + path, errno);
  ::close(descriptor);
  sync_directory(path);
  return true;
}

void sync_directory(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a directory that may be written but not read
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (result != 0 && error != EINVAL) fail("sync the directory " + directory, error);
}

JournalLock::JournalLock(const std::string& journal_path) : path_(journal_path + ".lock") {
  descriptor_ = ::open(path_.c_str(), O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor_ < 0) fail("open " + path_, errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
    read();
    keep_ceiling(ceiling_found_, false);  // with this process's pid
    return;
  }
  const int error = errno;
  char text[64] = {};
  const ssize_t size = ::pread(descriptor_, text, sizeof text - 1, 0);
  ::close(descriptor_);
  descriptor_ = -1;
  if (error != EWOULDBLOCK) fail("lock " + path_, error);
  long pid = 0;
  if (size > 4) std::sscanf(text, "pid %ld", &pid);
  const std::string holder = pid > 0 ? "process " + std::to_string(pid) : "another process";
  throw JournalError(kUnavailable, "journal: " + journal_path + " is in use by " + holder);
}

JournalLock::~JournalLock() {
  ::close(descriptor_);
}

// One line of fixed width: `pid 0000004711 ceiling 00001771183909789001 sum 0123456789abcdef`.
void JournalLock::read() {
  char text[96] = {};
  if (::pread(descriptor_, text, sizeof text - 1, 0) <= 0) return;
  unsigned long pid = 0;
  unsigned long long ceiling = 0, sum = 0;
  if (std::sscanf(text, "pid %lu ceiling %llu sum %llx", &pid, &ceiling, &sum) != 3) return;
  if (static_cast<std::uint64_t>(Checksum().number(ceiling).value()) == sum) ceiling_found_ = ceiling;
}

bool JournalLock::keep_ceiling(EventId ceiling, bool sync) {
  char text[96];
  const auto sum = static_cast<std::uint64_t>(Checksum().number(ceiling).value());
  const int size = std::snprintf(text, sizeof text, "pid %010ld ceiling %020llu sum %016llx\n",
                                 static_cast<long>(::getpid()), static_cast<unsigned long long>(ceiling),
                                 static_cast<unsigned long long>(sum));
  if (::pwrite(descriptor_, text, static_cast<std::size_t>(size), 0) != size) return false;
  return !sync || ::fdatasync(descriptor_) == 0;
}

bool mend_head(const std::string& path) {
  struct Constant {
    std::size_t at;
    std::string_view bytes;
  };
  using namespace std::string_view_literals;
  // Magic, 16 KiB pages, WAL for readers and writers, payload fractions, schema format 4, no auto-vacuum,
  // UTF-8, the reserved part.
  static constexpr Constant constants[] = {{0, "SQLite format 3\0\x40\0\2\2\0\x40\x20\x20"sv},
                                           {44, "\0\0\0\4"sv},
                                           {52, "\0\0\0\0\0\0\0\1"sv},
                                           {64, "\0\0\0\0"sv},
                                           {72, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"sv}};
  constexpr std::size_t few = 4;
  if (exists(path + "-journal")) return false;  // not even made completely: SQLite takes it back
  const int descriptor = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return false;
  char head[100];
  std::size_t wrong = 0;
  const bool whole = ::pread(descriptor, head, sizeof head, 0) == static_cast<ssize_t>(sizeof head);
  for (const auto& [at, bytes] : constants) {
    for (std::size_t i = 0; whole && i < bytes.size(); ++i)
      wrong += head[at + i] != bytes[i] ? 1 : 0;
    std::memcpy(head + at, bytes.data(), bytes.size());
  }
  const bool ours = std::memcmp(head + 68, kApplicationBytes, 4) == 0;
  const bool mended = whole && ours && wrong > 0 && wrong <= few &&
                      ::pwrite(descriptor, head, sizeof head, 0) == static_cast<ssize_t>(sizeof head);
  ::close(descriptor);
  return mended;
}

void mark_suspect(const std::string& journal) {
  const int descriptor =
      ::open(RepairNames(journal).suspect.c_str(), O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor >= 0) ::close(descriptor);
}

void remove_journal(const std::string& path) {
  for (const char* suffix : {"-shm", "-wal", ""})
    ::unlink((path + suffix).c_str());
}

std::string swap_in(const std::string& journal, WallMicros now) {
  const RepairNames names(journal);
  if (!exists(names.ready)) return {};
  std::string damaged = damaged_name(journal, now);
  ::unlink((journal + "-shm").c_str());
  rename_if_there(journal + "-wal", damaged + "-wal");
  crash_point("journal.repair.log_moved");
  rename_if_there(journal, damaged);
  crash_point("journal.repair.moved");
  for (const char* suffix : {"-shm", "-wal"})
    ::unlink((names.ready + suffix).c_str());  // empty: it was closed cleanly
  rename_if_there(names.ready, journal);
  sync_directory(journal);
  ::unlink(names.suspect.c_str());
  return damaged;
}

}  // namespace bridge55::events
