#include "daemon/events/journal_log.hpp"

#include "daemon/events/journal_files.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

namespace bridge55::events {
namespace {

constexpr std::size_t kHeader = 32, kFrameHeader = 24, kSector = 512;
constexpr std::uint32_t kMagic = 0x377f0682;  // its lowest bit: sums over big-endian words
constexpr std::uintmax_t kMost = 512u << 20;  // longer only where another program kept it from starting over

std::uint32_t get(const char* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap32(value);
}

void put(char* at, std::uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(at, &value, sizeof value);
}

struct LogSum {
  std::uint32_t a = 0, b = 0;
  bool operator==(const LogSum&) const = default;
  static LogSum at(const char* where) { return {get(where), get(where + 4)}; }
  void store(char* where) const {
    put(where, a);
    put(where + 4, b);
  }
  LogSum over(std::string_view bytes, bool big) const {
    LogSum sum = *this;
    for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      std::uint32_t words[2];
      std::memcpy(words, bytes.data() + i, sizeof words);
      sum.a += (big ? __builtin_bswap32(words[0]) : words[0]) + sum.b;
      sum.b += (big ? __builtin_bswap32(words[1]) : words[1]) + sum.a;
    }
    return sum;
  }
};

class Log {
 public:
  Log(std::string bytes, std::uint32_t page_bytes) : bytes_(std::move(bytes)), page_(page_bytes) {}

  bool blank() const {
    return bytes_.size() < kHeader + kFrameHeader ||
           std::all_of(bytes_.begin(), bytes_.begin() + kHeader, [](char c) { return c == 0; });
  }
  void scan();
  // The first frame at which SQLite stops though frames of this round follow; nothing where there is none.
  std::optional<std::size_t> first_bad() const {
    return head_sound_ ? first_bad_ : std::optional<std::size_t>(0);
  }
  // Whether a commit that can only have followed a sync lies behind the bad frame.
  bool surely_damaged() const;
  bool ends_with_commit() const { return end_ > 0 && frames_[end_ - 1].commit != 0; }
  std::uint64_t offset(std::size_t frame) const { return kHeader + frame * (kFrameHeader + page_); }
  std::size_t unusable() const {
    return static_cast<std::size_t>(std::count_if(frames_.begin(),
                                                  frames_.begin() + static_cast<std::ptrdiff_t>(end_),
                                                  [](const Frame& f) { return !f.sound; }));
  }
  std::string mended() const;

 private:
  bool repeats(std::size_t frame) const;
  std::size_t last_commit_end() const;
  // A disk writes whole sectors: where one ends between the commit mark and the salts, a torn write can leave
  // an older round's mark with this round's salts.
  bool may_be_mixed(std::size_t i) const { return (offset(i) + 8) % kSector == 0; }
  struct Frame {
    std::uint32_t commit = 0;  // pages of the file after it, where it ends a commit
    bool ours = false;         // of this round of the log
    bool sound = false;
  };
  void read_head();
  std::string_view frame(std::size_t i) const {
    return std::string_view(bytes_).substr(offset(i), kFrameHeader + page_);
  }
  LogSum sum(LogSum seed, std::string_view whole) const {
    return seed.over(whole.substr(0, 8), big_).over(whole.substr(kFrameHeader), big_);
  }

  std::string bytes_, salts_;
  std::uint32_t page_;
  bool head_sound_ = false, big_ = false;
  std::vector<Frame> frames_;
  std::size_t end_ = 0;  // frames of this round
  std::optional<std::size_t> first_bad_;
};

void Log::read_head() {
  const char* head = bytes_.data();
  const std::uint32_t magic = get(head), page = get(head + 8);
  big_ = (magic & 1) != 0;
  head_sound_ = (magic & ~1u) == kMagic && LogSum{}.over({head, 24}, big_) == LogSum::at(head + 24);
  if (head_sound_) {
    page_ = page;
    salts_.assign(head + 16, 8);
    return;
  }
  big_ = false;
  if (bytes_.size() >= offset(1) + kFrameHeader) salts_.assign(bytes_.data() + offset(0) + 8, 8);
}

void Log::scan() {
  read_head();
  frames_.resize((bytes_.size() - kHeader) / (kFrameHeader + page_));
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    frames_[i].ours = frame(i).substr(8, 8) == salts_;
    frames_[i].commit = get(frame(i).data() + 4);
    if (frames_[i].ours) end_ = i + 1;
  }
  // A sum continues the one before it. Where that one was altered itself, what it should have been fits.
  LogSum said = LogSum::at(bytes_.data() + 24), worked_out = said;
  for (std::size_t i = 0; i < end_; ++i) {
    const LogSum own = LogSum::at(frame(i).data() + 16), from_said = sum(said, frame(i)),
                 from_worked_out = sum(worked_out, frame(i));
    const bool fits = own == from_said;
    frames_[i].sound = fits || own == from_worked_out || (i == 0 && !head_sound_);
    if (!fits && own == from_worked_out && i > 0) frames_[i - 1].sound = true;
    if ((!fits || !frames_[i].ours) && !first_bad_) first_bad_ = i;
    worked_out = fits ? from_said : from_worked_out;
    said = own;
  }
}

// Where a disk may tear what lies beside a write, SQLite repeats a commit's last frame up to the sector's end
// (https://sqlite.org/c3ref/c_iocap_atomic.html, POWERSAFE_OVERWRITE): no commits of their own. The sync
// comes in the midst of the last of them, so that its end may be torn by whatever follows.
bool Log::repeats(std::size_t i) const {
  return i > 0 && frames_[i].commit != 0 && frames_[i - 1].commit != 0 &&
         get(frame(i).data()) == get(frame(i - 1).data()) &&
         (!frames_[i].sound || frame(i).substr(kFrameHeader) == frame(i - 1).substr(kFrameHeader));
}

std::size_t Log::last_commit_end() const {
  std::size_t end = end_;
  while (end > 1 && repeats(end - 1))
    --end;
  return end;
}

bool Log::surely_damaged() const {
  if (!head_sound_) return end_ > 1;
  for (std::size_t i = *first_bad_; i + 1 < last_commit_end(); ++i) {
    if (repeats(i)) continue;
    // A frame whose salts are an older round's and whose sum does not fit was not written: its mark is that
    // round's.
    if (frames_[i].commit != 0 && (frames_[i].sound || (frames_[i].ours && !may_be_mixed(i)))) return true;
  }
  return false;
}

std::string Log::mended() const {
  std::string out = bytes_.substr(0, kHeader);
  put(out.data(), kMagic);
  put(out.data() + 4, 3007000);
  put(out.data() + 8, page_);
  out.replace(16, 8, salts_);
  LogSum chain = LogSum{}.over({out.data(), 24}, false);
  chain.store(out.data() + 24);

  std::size_t last = end_;
  while (last > 0 && frames_[last - 1].commit == 0)
    --last;
  std::uint32_t pages = 0;
  std::size_t last_sound = 0;
  for (std::size_t i = 0; i < last; ++i) {
    if (!frames_[i].sound) continue;
    pages = std::max(pages, frames_[i].commit);
    last_sound = i;
  }
  for (std::size_t i = 0; i < last; ++i) {
    if (!frames_[i].sound) continue;
    std::string copy(frame(i));
    copy.replace(8, 8, salts_);
    if (i == last_sound && frames_[i].commit == 0) put(copy.data() + 4, pages);
    chain = chain.over({copy.data(), 8}, false).over(std::string_view(copy).substr(kFrameHeader), false);
    chain.store(copy.data() + 16);
    out += copy;
  }
  return out;
}

void replace(const std::string& path, const std::string& bytes) {
  const std::string fresh = path + ".mended";
  std::filesystem::remove(fresh);
  create_file(fresh);
  {
    std::ofstream file(fresh, std::ios::binary);
    file << bytes;
    if (!file.flush())
      throw std::filesystem::filesystem_error("write", fresh, std::make_error_code(std::errc::io_error));
  }
  std::filesystem::rename(fresh, path);
}

}  // namespace

LogCheck check_log(const std::string& log, const std::string& keep_as, std::uint32_t page_bytes) {
  std::error_code absent;
  const std::uintmax_t size = std::filesystem::file_size(log, absent);
  if (absent || size == 0 || size > kMost) return {};
  std::ifstream file(log, std::ios::binary);
  Log found({std::istreambuf_iterator<char>(file), {}}, page_bytes);
  if (found.blank()) return {};
  found.scan();
  const auto bad = found.first_bad();
  if (!bad) return {};
  const std::string place = " at byte " + std::to_string(found.offset(*bad));
  if (!found.surely_damaged()) {
    if (!found.ends_with_commit()) return {};
    return {LogCheck::State::unclear, "the last write of the journal's log was cut off or damaged" + place +
                                          ": what it held is not there"};
  }
  std::filesystem::copy_file(log, keep_as, std::filesystem::copy_options::overwrite_existing);
  replace(log, found.mended());
  return {LogCheck::State::damaged, "the journal's log was damaged" + place + ": it is kept as " + keep_as +
                                        ", " + std::to_string(found.unusable()) +
                                        " of its pages could not be used"};
}

}  // namespace bridge55::events
