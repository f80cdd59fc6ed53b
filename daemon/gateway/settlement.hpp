// What is to be done next about one placement until the fate of each order is known: sending, looking up,
// waiting, answering (contract, section 6, "A trade happens once"). Pure: time is a parameter, and the owner
// performs one step at a time and reports how it ended before it asks for the next.
//
// An order that was sent is never called unplaced before a look-up that began after its time says so, and is
// sent again only after a look-up did not know it.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/events/trade_record.hpp"
#include "daemon/gateway/placement.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::gateway {

struct SettlementTiming {
  std::chrono::milliseconds lifetime{
      5000};  // of an order without `expiresAt`, and how long it may be sent again
  std::chrono::milliseconds margin{2000};             // after its time, before "not placed" may be said
  std::chrono::milliseconds first_pause{250};         // doubles
  std::chrono::milliseconds waiting_pause{2000};      // its limit while the app waits
  std::chrono::milliseconds background_pause{30000};  // and afterwards
  std::chrono::milliseconds give_up{std::chrono::hours(24)};  // after the last order's time
};

class Settlement {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  struct Start {
    SteadyTime arrived;
    SteadyTime deadline;                             // of the app's wait; now, where none waits
    std::vector<std::optional<SteadyTime>> expires;  // one an order
    bool sent_before = false;                        // by a process before this one: look up only
  };
  enum class Do { send, look_up, wait, answer, done };
  struct Step {
    Do what = Do::done;
    std::vector<std::size_t> orders;  // to send or look up, ascending
    SteadyTime until{};               // of a wait; a send must have left by then
  };
  // A whole answer to a placement; `read` where it is a 2xx that could be understood.
  struct Answered {
    unsigned status = 0;
    Headers headers;
    std::string body;
    std::optional<PlaceAnswer> read;
  };
  struct OrderState {
    std::string uuid;
    events::Fate fate = events::Fate::open;
    std::string entry;  // upstream's JSON about it; of an unplaced one what upstream said when it refused it
  };
  // What the answer to the app is made of.
  enum class Verdict {
    undisturbed,     // upstream's one answer as it came
    unsent,          // no byte left
    composed,        // out of the entries
    upstream_error,  // nothing placed: upstream's own error, confirmed by look-ups
    not_placed,      // nothing placed, and upstream never said why
    unknown,         // some fate is open
  };

  // Orders whose fate is no longer open are left as they are.
  Settlement(std::vector<OrderState> orders, Start start, SettlementTiming timing = {});

  // Always the same until something is reported or time passes; `answer` is given once.
  Step next(SteadyTime now);

  // The bytes of the send under way are about to leave; the last call counts.
  void leaving(SteadyTime now) { left_at_ = now; }
  // How the last send or look-up ended.
  void unsent(SteadyTime now);  // no byte of it left
  void lost();                  // something may have left, no whole answer came
  void answered(Answered answer);
  // `whole`: every page of every order asked for was read, so that what is not found is unknown to upstream.
  void looked_up(const std::vector<Entry>& found, bool whole, SteadyTime now);
  // Nothing is sent any more for its sake.
  void app_gone() { app_waits_ = false; }

  Verdict verdict() const;
  const std::vector<OrderState>& orders() const { return orders_; }
  std::vector<std::string> uuids(events::Fate fate) const;
  bool all_known() const;
  bool settled() const { return settled_; }       // a look-up decided some of it
  bool gave_up() const { return gave_up_; }       // ended with something unknown
  unsigned sends() const { return sends_; }       // that may have reached upstream
  bool reached() const { return reached_; }       // upstream has answered one of them
  const Answered& said() const { return said_; }  // upstream's undisturbed answer, or its latest error

 private:
  struct Course {  // of one order
    SteadyTime expires{};
    bool dated = false;    // `expiresAt` was given
    bool absent = false;   // the latest look-up did not know it; a send clears it
    bool refused = false;  // upstream refused it, which is no last word: it is not sent again
    unsigned sends = 0;
    SteadyTime last_sent{};
  };

  bool may_send(const Course& course, SteadyTime now) const;
  SteadyTime leave_until() const;
  SteadyTime quiet_at(const Course& course) const;
  void pause(SteadyTime now);
  void left();
  void close_unsent();
  void take(const PlaceAnswer& read);
  void refuse_whole(bool final, unsigned status);

  SettlementTiming timing_;
  SteadyTime arrived_, deadline_, give_up_{};
  std::vector<OrderState> orders_;
  std::vector<Course> courses_;
  std::vector<std::size_t> asked_;  // of the step under way
  SteadyTime asked_at_{}, left_at_{};
  Answered said_;
  std::chrono::milliseconds pause_;
  std::optional<SteadyTime> not_before_;  // of the next send or look-up
  bool undisturbed_ = false, settled_ = false, app_waits_ = true, answered_ = false, gave_up_ = false;
  bool reached_ = false;
  unsigned sends_ = 0;
};

}  // namespace bridge55::gateway
