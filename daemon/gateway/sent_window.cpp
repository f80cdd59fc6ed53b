#include "daemon/gateway/sent_window.hpp"

#include "daemon/events/journal_checksum.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace bridge55::gateway {

namespace {

using boost::system::error_code;
using Last = std::map<std::string, std::vector<WallMicros>, std::less<>>;

constexpr std::size_t kMostSlots = 65'536, kMostRings = 64;
constexpr std::uint32_t kVersion = 1, kIndexBits = 24;  // of a Slot; the rest is the generation

// The file: Head, `rings` names, then slots. A slot is 0 (empty), the wall time at which its place was
// answered, or the negated wall time at which it was taken. A store of eight aligned bytes is never seen by
// halves.
struct Head {
  char magic[8] = {'b', '5', '5', 's', 'e', 'n', 't', '\n'};
  std::uint32_t version = kVersion, rings = 0;
  std::uint64_t slots = 0, checksum = 0;  // the latter of what is before it and of the names
};
struct Named {
  char name[120] = {};
  std::uint32_t first = 0, count = 0;
};
static_assert(sizeof(Head) == 32 && sizeof(Named) == 128);

std::uint64_t checksum(const std::byte* file, std::size_t rings) {
  events::Checksum sum;
  sum.text({reinterpret_cast<const char*>(file), offsetof(Head, checksum)});
  sum.text({reinterpret_cast<const char*>(file + sizeof(Head)), rings * sizeof(Named)});
  return static_cast<std::uint64_t>(sum.value());
}

std::size_t file_size(std::size_t rings, std::size_t slots) {
  return sizeof(Head) + rings * sizeof(Named) + slots * sizeof(std::int64_t);
}

error_code error(int number) {
  return {number, boost::system::system_category()};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Empty where there is nothing that this program wrote.
error_code read_file(const std::string& path, std::vector<std::byte>& bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return errno == ENOENT || errno == EACCES ? error_code() : error(errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return error(errno);
  if (S_ISDIR(info.st_mode)) return error(EISDIR);
  const std::size_t most = file_size(kMostRings, kMostRings * kMostSlots + 1);
  const auto size = static_cast<std::size_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || size > most) return {};
  bytes.resize(size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::pread(file.get(), bytes.data() + have, size - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return {};
}

bool sound(const std::vector<std::byte>& file, const Head& head) {
  const Head expected;
  return std::memcmp(head.magic, expected.magic, sizeof head.magic) == 0 && head.version == kVersion &&
         head.rings <= kMostRings && head.slots <= kMostRings * kMostSlots + 1 &&
         file.size() == file_size(head.rings, head.slots) &&
         checksum(file.data(), head.rings) == head.checksum;
}

// What was in flight when the last run ended may have been counted until now, and so may what a clock that
// was set back puts into the future.
Last sends_of(const std::vector<std::byte>& file, WallMicros now) {
  Last out;
  Head head;
  if (file.size() < sizeof head) return out;
  std::memcpy(&head, file.data(), sizeof head);
  if (!sound(file, head)) return out;
  const std::byte* slots = file.data() + file_size(head.rings, 0);
  for (std::size_t r = 0; r < head.rings; ++r) {
    Named named;
    std::memcpy(&named, file.data() + sizeof head + r * sizeof named, sizeof named);
    if (named.first + std::uint64_t(named.count) > head.slots) continue;
    std::vector<WallMicros>& sends = out[std::string(named.name, ::strnlen(named.name, sizeof named.name))];
    for (std::size_t i = named.first; i < named.first + std::size_t(named.count); ++i) {
      std::int64_t value = 0;
      std::memcpy(&value, slots + i * sizeof value, sizeof value);
      if (value != 0) sends.push_back(value < 0 ? now : std::min(value, now));
    }
    std::sort(sends.begin(), sends.end());
  }
  return out;
}

// A file of its own that is put in the old one's place when it is whole. Its blocks are asked for now: a
// store to a mapping on a full disk would kill the process.
error_code map_new(const std::string& path, std::size_t size, std::byte*& data) {
  ::unlink(path.c_str());
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) return error(errno);
  int failed = 0;
  do
    failed = ::posix_fallocate(file.get(), 0, static_cast<off_t>(size));
  while (failed == EINTR);
  if (failed == 0) {
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (mapped != MAP_FAILED) {
      data = static_cast<std::byte*>(mapped);
      return {};
    }
    failed = errno;
  }
  ::unlink(path.c_str());
  return error(failed);
}

void store(std::int64_t& slot, std::int64_t value) {
  std::atomic_ref<std::int64_t>(slot).store(value, std::memory_order_relaxed);
}

std::size_t slots_of(const SentWindow::Ring& ring) {
  return std::clamp<std::size_t>(ring.capacity, 1, kMostSlots);
}

}  // namespace

error_code SentWindow::open(const std::string& path, std::span<const Ring> rings, WallMicros now) {
  if (rings.size() > kMostRings) return error(E2BIG);
  std::size_t slots = 1;  // slot 0 is nobody's
  for (const Ring& ring : rings) {
    if (ring.upstream.size() >= sizeof(Named::name)) return error(ENAMETOOLONG);
    slots += slots_of(ring);
  }
  std::vector<std::byte> old;
  if (const error_code failed = read_file(path, old)) return failed;

  SentWindow next;
  next.size_ = file_size(rings.size(), slots);
  const std::string fresh = path + ".new";
  if (const error_code failed = map_new(fresh, next.size_, next.data_)) return failed;
  next.opened_ = now;
  next.last_ = sends_of(old, now);
  next.generation_ = (generation_ + 1) & ((1u << (32 - kIndexBits)) - 1);
  next.lay_out(rings);
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    const error_code failed = error(errno);
    ::unlink(fresh.c_str());
    return failed;
  }
  swap(next);
  return {};
}

void SentWindow::swap(SentWindow& other) {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(slots_, other.slots_);
  std::swap(rings_, other.rings_);
  std::swap(last_, other.last_);
  std::swap(opened_, other.opened_);
  std::swap(generation_, other.generation_);
}

void SentWindow::lay_out(std::span<const Ring> rings) {
  slots_ = reinterpret_cast<std::int64_t*>(data_ + file_size(rings.size(), 0));
  Head head;
  head.rings = static_cast<std::uint32_t>(rings.size());
  head.slots = 1;
  for (std::size_t r = 0; r < rings.size(); ++r) {
    Named named;
    std::memcpy(named.name, rings[r].upstream.data(), rings[r].upstream.size());
    named.first = static_cast<std::uint32_t>(head.slots);
    named.count = static_cast<std::uint32_t>(slots_of(rings[r]));
    head.slots += named.count;
    std::memcpy(data_ + sizeof head + r * sizeof named, &named, sizeof named);
    Live& ring = rings_[rings[r].upstream] = Live{named.first, named.count, {}};
    const auto last = last_.find(rings[r].upstream);
    carry(ring, last == last_.end() ? std::vector<WallMicros>() : last->second);
  }
  std::memcpy(data_, &head, sizeof head);
  head.checksum = checksum(data_, rings.size());
  std::memcpy(data_, &head, sizeof head);
}

// The last run's sends stay in the file, so that a second restart within the window knows them too.
void SentWindow::carry(Live& ring, const std::vector<WallMicros>& last) {
  const auto kept = static_cast<std::uint32_t>(std::min<std::size_t>(last.size(), ring.count));
  for (std::uint32_t i = kept; i < ring.count; ++i)
    ring.reusable.push_back(ring.first + i);
  for (std::uint32_t i = 0; i < kept; ++i) {
    slots_[ring.first + i] = last[last.size() - kept + i];
    ring.reusable.push_back(ring.first + i);
  }
}

void SentWindow::close() {
  if (data_ != nullptr) ::munmap(data_, size_);
  data_ = nullptr;
  slots_ = nullptr;
  rings_.clear();
}

SentWindow::Slot SentWindow::begin(std::string_view upstream, WallMicros now) {
  const auto found = rings_.find(upstream);
  if (found == rings_.end() || found->second.reusable.empty()) return 0;
  const std::uint32_t index = found->second.reusable.front();
  found->second.reusable.pop_front();
  store(slots_[index], -std::max<WallMicros>(now, 1));
  return generation_ << kIndexBits | index;
}

void SentWindow::answered(Slot slot, WallMicros now) {
  std::int64_t* at = in_flight(slot);
  if (at == nullptr) return;
  store(*at, std::max<WallMicros>(now, 1));
  const auto index = static_cast<std::uint32_t>(at - slots_);
  owner(index)->reusable.push_back(index);
}

void SentWindow::dropped(Slot slot) {
  std::int64_t* at = in_flight(slot);
  if (at == nullptr) return;
  store(*at, 0);
  const auto index = static_cast<std::uint32_t>(at - slots_);
  owner(index)->reusable.push_front(index);
}

std::int64_t* SentWindow::in_flight(Slot slot) {
  const std::uint32_t index = slot & ((1u << kIndexBits) - 1);
  if (index == 0 || slot >> kIndexBits != generation_ || owner(index) == nullptr) return nullptr;
  return slots_[index] < 0 ? slots_ + index : nullptr;
}

SentWindow::Live* SentWindow::owner(std::uint32_t index) {
  for (auto& [name, ring] : rings_)
    if (index >= ring.first && index - ring.first < ring.count) return &ring;
  return nullptr;
}

std::vector<std::chrono::microseconds> SentWindow::recovered(std::string_view upstream) const {
  std::vector<std::chrono::microseconds> ages;
  const auto found = last_.find(upstream);
  if (found == last_.end()) return ages;
  for (const WallMicros at : found->second)
    ages.emplace_back(opened_ - at);
  return ages;
}

}  // namespace bridge55::gateway
