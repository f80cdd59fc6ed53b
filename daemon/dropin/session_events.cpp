// Events on their way to an app of a drop-in endpoint.
#include "daemon/dropin/session.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace bridge55::dropin {
namespace {

// A wild jump of the vendor's counter says nothing about how much is missing.
constexpr std::uint64_t kLargestHole = 1'000'000;

// The short end of a frame, without an allocation.
class Tail {
 public:
  void add(std::string_view text) {
    std::memcpy(bytes_ + size_, text.data(), text.size());
    size_ += text.size();
  }
  void add(std::uint64_t number) {
    size_ =
        static_cast<std::size_t>(std::to_chars(bytes_ + size_, bytes_ + sizeof bytes_, number).ptr - bytes_);
  }
  std::string_view view() const { return {bytes_, size_}; }

 private:
  char bytes_[96];
  std::size_t size_ = 0;
};

}  // namespace

bool Session::wants(const events::Event& event) const {
  if (event.source() != line_->source() || event.facts().base64) return false;
  const auto names = [&event](const std::vector<std::string>& list) {
    return std::ranges::find(list, event.channel()) != list.end();
  };
  if (!asked_.all_channels) return names(asked_.channels);
  // Of another app's wish, made later, this one was told nothing.
  return !line_->was_added(event.channel()) || names(channels_);
}

// How many numbers a gap of this upstream leaves out (`missed`, of a hole in its `seq`).
std::uint64_t Session::hole_of(const events::Event& event) const {
  if (!event.is_gap() || event.name() != "DETECTED") return 0;
  if (json::text(json::find(event.payload(), "source")) != line_->source()) return 0;
  const std::string_view missed = json::find(event.payload(), "missed");
  std::uint64_t size = 0;
  std::from_chars(missed.data(), missed.data() + missed.size(), size);
  return std::min(size, kLargestHole);
}

Session::Take Session::take(const events::Event& event, local::Frames frames) {
  if (!wants(event)) {
    if (const std::uint64_t hole = hole_of(event)) {
      offered_seq_ += hole;
      line_->offered().push_back({event.id(), offered_seq_, false});
    }
    return Take::skipped;
  }
  if (asked_.reliable && unacked_.open() + offered_frames_ >= kWindow) return Take::held;
  ++offered_seq_;
  ++offered_frames_;
  line_->offered().push_back({event.id(), offered_seq_, true});
  add_frame(event, offered_seq_, frames);
  return Take::added;
}

void Session::add_frame(const events::Event& event, std::uint64_t seq, local::Frames& frames) {
  const events::Facts& facts = event.facts();
  constexpr std::string_view kOld = R"(,"old":)", kTs = R"(,"ts":)";
  std::string_view views[local::Frames::kMostViews] = {facts.payload};
  std::size_t count = 1;
  if (!facts.old.empty()) {
    views[count++] = kOld;
    views[count++] = facts.old;
  }
  Tail tail;
  const bool ts = !facts.ts.empty() && facts.ts.size() <= 32;  // nobody's clock has more digits
  if (ts) {
    tail.add(kTs);
    tail.add(facts.ts);
  }
  if (words_.always_counts || asked_.acknowledges()) {
    tail.add(R"(,"seq":)");
    tail.add(seq);
  }
  if (asked_.reliable) tail.add(R"(,"requireAck":true)");
  tail.add("}");
  frames.text(line_->head(facts.channel, facts.name), {views, count}, tail.view());
}

void Session::taken(events::EventId through) {
  for (const Line::Offered& offered : line_->offered()) {
    if (offered.id > through) break;
    seq_ = offered.seq;
    if (offered.frame && asked_.acknowledges()) unacked_.sent(offered.seq, offered.id);
  }
  line_->offered().clear();
  offered_frames_ = 0;
  offered_seq_ = seq_;
}

bool Session::holds() const {
  return asked_.reliable && unacked_.open() >= kWindow;
}

// Section 5: what retention took from a durable consumer is gone for good; it goes on with what is held.
void Session::lost(const events::Cursor::Loss& loss) {
  voice_->acknowledge(loss.gone_through);
  offered_seq_ = ++seq_;
}

}  // namespace bridge55::dropin
