#include "bridges/scraping/standing/attached.hpp"

#include "bridges/scraping/standing/standing.hpp"

namespace bridge55::scraping::standing {
namespace {

constexpr std::uint16_t kAway = 1001, kNotTaken = 1003, kTooLarge = 1009, kTryLater = 1013;

class Attached final : public local::Tongue {
 public:
  Attached(std::shared_ptr<Standing*> standing, std::string name, std::shared_ptr<Open> open)
      : standing_(std::move(standing)), name_(std::move(name)), open_(std::move(open)) {
    ++open_->attached;
  }
  ~Attached() override { --open_->attached; }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

  void begin(local::Voice& voice, SteadyTime) override {
    voice_ = &voice;
    voice.listen();
  }
  void heard(std::string_view text, SteadyTime) override { send(ws::Kind::text, text); }
  void heard_binary(std::string_view data, SteadyTime) override { send(ws::Kind::binary, data); }
  void heard_too_much(std::uint64_t, SteadyTime) override {
    voice_->close(kTooLarge, "a relay takes frames of at most 16 MiB");
  }
  std::size_t max_heard() const override { return kMaxFrame; }

  // Names are of one relay each, and only relays' events have the facts of one.
  Take take(const events::Event& event, local::Frames frames) override {
    if (event.facts().relay.empty() || event.channel() != name_) return Take::skipped;
    const events::Facts& facts = event.facts();
    if (facts.base64) {
      const bool empty = facts.payload == "\"\"";
      frames.binary(empty ? std::string{} : std::string(event.raw()));
    } else {
      frames.text(facts.relay.ends_with(kEmptyMark) ? std::string_view{} : event.raw());
    }
    return Take::added;
  }
  void taken(events::EventId) override {}
  void tick(SteadyTime) override {
    if (job() == nullptr) voice_->close(kAway, "the relay is gone");
  }
  std::string_view endpoint() const override { return "/relays"; }

 private:
  Job* job() const { return *standing_ == nullptr ? nullptr : (*standing_)->job(name_); }

  // A frame that cannot go out is never dropped in silence.
  void send(ws::Kind kind, std::string_view data) {
    Job* const to = job();
    if (to == nullptr) return voice_->close(kAway, "the relay is gone");
    if (to->ledger().relay().kind != config::RelayKind::websocket)
      return voice_->close(kNotTaken, "this relay takes no frames; only kind websocket does");
    const Sent sent = to->send(kind, data);
    if (sent == Sent::down) voice_->close(kTryLater, "the relay is down; the frame was not sent");
    if (sent == Sent::full) voice_->close(kTryLater, "the far side does not read; the frame was not sent");
  }

  const std::shared_ptr<Standing*> standing_;
  const std::string name_;
  const std::shared_ptr<Open> open_;
  local::Voice* voice_ = nullptr;
};

}  // namespace

std::unique_ptr<local::Tongue> attach(std::shared_ptr<Standing*> standing, std::string name,
                                      std::shared_ptr<Open> open) {
  return std::make_unique<Attached>(std::move(standing), std::move(name), std::move(open));
}

}  // namespace bridge55::scraping::standing
