// A disk that a test can fill, break, slow down or cut the power of: an SQLite VFS around the system's own,
// the default one while it lives (https://sqlite.org/vfs.html). One at a time, made before the journal is
// opened.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

struct sqlite3_file;
struct sqlite3_vfs;

namespace bridge55::events {

class FaultyDisk {
 public:
  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  std::atomic<std::int64_t> space{INT64_MAX};  // bytes by which files may still grow
  std::atomic<bool> syncs_fail{false}, writes_fail{false}, reads_fail{false};
  std::atomic<bool> held{false};  // syncs wait while this is set
  std::atomic<std::uint64_t> syncs{0};

  // What would be on the disk if the power went now: of what was written and not synced, each 512 bytes are
  // there or are not, by chance. Copies the journal (file and log) into another directory like that.
  void cut_power(const std::string& from, const std::string& to, std::mt19937& chance);

  // For the VFS's functions.
  struct Write {
    std::int64_t offset;
    std::string bytes, before;
  };
  void wrote(const std::string& path, Write write);
  void synced(const std::string& path);
  static FaultyDisk* current;
  std::mutex mutex;  // held over each write, so that a cut falls between two

 private:
  std::map<std::string, std::vector<Write>> unsynced_;
  sqlite3_vfs* vfs_ = nullptr;
};

}  // namespace bridge55::events
