#include "tests/unit/journal/faulty_disk.hpp"

#include "tests/unit/journal/journal_fixture.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <new>
#include <string_view>
#include <thread>

#include <sqlite3.h>

namespace bridge55::events {

FaultyDisk* FaultyDisk::current = nullptr;

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kSector = 512;

// SQLite hands out zeroed memory for it and expects no destructor but xClose.
struct File {
  sqlite3_file base;
  std::string* path;
  sqlite3_file* real;  // right behind this struct
};

sqlite3_vfs* system_vfs = nullptr;

File& file(sqlite3_file* given) {
  return *reinterpret_cast<File*>(given);
}
sqlite3_file* real(sqlite3_file* given) {
  return file(given).real;
}

int close_file(sqlite3_file* f) {
  const int code = real(f)->pMethods->xClose(real(f));
  delete file(f).path;
  file(f).path = nullptr;
  return code;
}

int read_file(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  if (FaultyDisk::current->reads_fail) return SQLITE_IOERR_READ;
  return real(f)->pMethods->xRead(real(f), to, size, at);
}

int write_file(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  FaultyDisk& disk = *FaultyDisk::current;
  if (disk.writes_fail) return SQLITE_IOERR_WRITE;
  const std::lock_guard lock(disk.mutex);
  sqlite3_int64 length = 0;
  real(f)->pMethods->xFileSize(real(f), &length);
  const std::int64_t growth = std::max<std::int64_t>(at + size - length, 0);
  if (growth > disk.space) return SQLITE_FULL;
  disk.space -= disk.space == INT64_MAX ? 0 : growth;
  FaultyDisk::Write write{
      at, std::string(static_cast<const char*>(from), static_cast<std::size_t>(size)), {}};
  if (at < length) {
    write.before.resize(static_cast<std::size_t>(std::min<std::int64_t>(size, length - at)));
    real(f)->pMethods->xRead(real(f), write.before.data(), static_cast<int>(write.before.size()), at);
  }
  disk.wrote(*file(f).path, std::move(write));
  return real(f)->pMethods->xWrite(real(f), from, size, at);
}

int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  const std::lock_guard lock(FaultyDisk::current->mutex);
  FaultyDisk::current->synced(*file(f).path);
  return real(f)->pMethods->xTruncate(real(f), size);
}

int sync_file(sqlite3_file* f, int flags) {
  FaultyDisk& disk = *FaultyDisk::current;
  while (disk.held)
    std::this_thread::sleep_for(1ms);
  if (disk.syncs_fail) return SQLITE_IOERR_FSYNC;
  ++disk.syncs;
  const std::lock_guard lock(disk.mutex);
  disk.synced(*file(f).path);
  static_cast<void>(flags);
  return SQLITE_OK;  // no test cuts the real power
}

int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return real(f)->pMethods->xFileSize(real(f), size);
}
int lock_file(sqlite3_file* f, int level) {
  return real(f)->pMethods->xLock(real(f), level);
}
int unlock_file(sqlite3_file* f, int level) {
  return real(f)->pMethods->xUnlock(real(f), level);
}
int check_lock(sqlite3_file* f, int* out) {
  return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
int control(sqlite3_file* f, int op, void* arg) {
  return real(f)->pMethods->xFileControl(real(f), op, arg);
}
int sector_size(sqlite3_file* f) {
  return real(f)->pMethods->xSectorSize(real(f));
}
int traits(sqlite3_file*) {
  return 0;
}  // no promise about the order or the wholeness of writes
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
int shm_lock(sqlite3_file* f, int at, int count, int flags) {
  return real(f)->pMethods->xShmLock(real(f), at, count, flags);
}
void shm_barrier(sqlite3_file* f) {
  real(f)->pMethods->xShmBarrier(real(f));
}
int shm_unmap(sqlite3_file* f, int remove) {
  return real(f)->pMethods->xShmUnmap(real(f), remove);
}

const sqlite3_io_methods methods = {2,           close_file,  read_file, write_file,  truncate_file,
                                    sync_file,   file_size,   lock_file, unlock_file, check_lock,
                                    control,     sector_size, traits,    shm_map,     shm_lock,
                                    shm_barrier, shm_unmap,   nullptr,   nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* out, int flags, int* out_flags) {
  File& opened = file(out);
  opened.base.pMethods = nullptr;
  opened.real = reinterpret_cast<sqlite3_file*>(&opened + 1);
  const int code = system_vfs->xOpen(system_vfs, name, opened.real, flags, out_flags);
  if (code != SQLITE_OK) return code;
  opened.path = new std::string(name == nullptr ? "" : name);
  opened.base.pMethods = &methods;
  return SQLITE_OK;
}

}  // namespace

FaultyDisk::FaultyDisk() {
  current = this;
  system_vfs = sqlite3_vfs_find("unix");
  vfs_ = new sqlite3_vfs(*system_vfs);
  vfs_->zName = "faulty";
  vfs_->szOsFile = static_cast<int>(sizeof(File)) + system_vfs->szOsFile;
  vfs_->xOpen = open_file;
  sqlite3_vfs_register(vfs_, 1);
}

FaultyDisk::~FaultyDisk() {
  sqlite3_vfs_unregister(vfs_);
  sqlite3_vfs_register(system_vfs, 1);
  delete vfs_;
  current = nullptr;
}

void FaultyDisk::wrote(const std::string& path, Write write) {
  unsynced_[path].push_back(std::move(write));
}

void FaultyDisk::synced(const std::string& path) {
  unsynced_.erase(path);
}

void FaultyDisk::cut_power(const std::string& from, const std::string& to, std::mt19937& chance) {
  const std::lock_guard lock(mutex);
  std::filesystem::create_directories(to);
  for (const char* name : {"/journal.db", "/journal.db-wal"}) {
    std::string image = slurp(from + name);
    const std::vector<Write>& writes = unsynced_[from + name];
    for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
      // Back to what the last sync left; a file that has not grown on the disk holds zeros there at best.
      std::string before = write->before;
      before.resize(write->bytes.size(), '\0');
      image.replace(static_cast<std::size_t>(write->offset), before.size(), before);
    }
    for (const Write& write : writes) {
      const auto size = static_cast<std::int64_t>(write.bytes.size());
      for (std::int64_t at = 0; at < size; at += kSector - (write.offset + at) % kSector) {
        if (chance() % 2 == 0) continue;
        const std::int64_t part = std::min(kSector - (write.offset + at) % kSector, size - at);
        image.replace(static_cast<std::size_t>(write.offset + at), static_cast<std::size_t>(part),
                      write.bytes, static_cast<std::size_t>(at), static_cast<std::size_t>(part));
      }
    }
    spit(to + name, image);
  }
}

}  // namespace bridge55::events
