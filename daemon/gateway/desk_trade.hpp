// One placement on its way: what was asked, how far it is, who waits for it. Owned by the coroutine that
// follows it and by the desk's list while its end is open. Internal to the desk; I/O thread only.
#pragma once

#include "daemon/events/trade_record.hpp"
#include "daemon/gateway/desk.hpp"
#include "daemon/gateway/desk_bell.hpp"
#include "daemon/gateway/settlement.hpp"

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::gateway {

struct Trade {
  Trade(boost::asio::io_context& io, Settlement course) : settlement(std::move(course)), bell(io) {}

  std::uint64_t id = 0;
  std::string upstream, app, request_id;
  WallMicros at = 0;
  SteadyTime arrived, deadline;
  std::chrono::milliseconds max_wait{500};
  Placement placement;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string method, target;
  std::string account;  // of upstream, to which it was sent

  Settlement settlement;
  std::list<std::function<bool()>> waiting;  // who waits for it: true once it has gone
  std::shared_ptr<TakeBack> take_back = std::make_shared<TakeBack>();
  Bell bell;               // rung when it is durable, answered, or something more is known
  bool on_record = false;  // its intent was handed to the record
  bool durable = false;
  bool resumed = false;   // sent, perhaps, by a process before this one
  bool ended = false;     // nobody follows it any more
  bool open_end = false;  // the app was told that something is unknown
  Reply refused;          // why its last send did not leave
  std::optional<DeskAnswer> answer;
  std::optional<local::Refusal> not_sent;  // why no byte of it left
  std::chrono::microseconds queued{0}, upstream_time{0};

  // Of the record: what the app was told.
  unsigned status = 0;
  std::string content_type, told;
  std::string steps;  // JSON objects, comma separated

  bool somebody_waits() const;
  std::vector<std::string> uuids() const;
  // In the spelling that upstream was given.
  std::vector<std::string> spelled(const std::vector<std::size_t>& which) const;
  void step(std::string_view name, std::string_view members = {});
  events::TradeRecord record() const;
};
using TradePtr = std::shared_ptr<Trade>;

// The words that the desk finds for trades. Pure but for the time of a step.

// An answer out of what is known of each order; `reached`: whether upstream certainly got some of it.
struct Known {
  std::vector<Settlement::OrderState> orders;
  bool settled = false, reached = false;
  // Of orders whose fate is open: the record of some could not be read, the look-ups for some have ended.
  bool unread = false, given_up = false;
};
DeskAnswer compose_answer(const Known& known, const Dialect& dialect);
DeskAnswer answer_of(const Trade& trade, const Dialect& dialect);
// A placement that never left, in the words of the line.
local::Refusal refusal_of(const Reply& reply);
// An answer of our own on record (not placed, unknown) is composed again from what is known now.
bool is_own_answer(const events::TradeRecord& record);

std::string quoted_list(const std::vector<std::string>& texts);
// The bytes as they are where they are JSON, else as a JSON string.
std::string as_json(std::string_view bytes);
std::string answer_member(unsigned status, std::string_view body);
// The payload of a `bridge`/`trade` event; `members` are further ones, each with a comma in front.
std::string event_payload(const Trade& trade, const std::vector<std::string>& uuids, std::string_view body,
                          std::string_view members);
std::string story_of(const events::TradeRecord& record, const std::string& uuid);
std::string_view name_of(events::Fate fate);

}  // namespace bridge55::gateway
