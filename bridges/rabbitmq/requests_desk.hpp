// What becomes of a message of a requests queue: read, looked up among those that were answered before, asked
// at the local door, its answer stored (contract, section 6, "Over AMQP"). A request that has a message_id is
// performed once: also over restarts, and while the queue's connection comes and goes. I/O thread only.
#pragma once

#include "bridges/rabbitmq/requests_message.hpp"
#include "config/config.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/events/journal.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bridge55::rabbitmq {

// The local door, as the queue's app.
struct InnerDoor {
  // The scopes any of which opens it; nothing where it would be refused whoever asks.
  std::function<std::optional<unsigned>(std::string_view method, std::string_view path)> scopes;
  std::function<void(local::InnerRequest, std::function<void(local::InnerAnswer)>)> ask;
};

struct RequestQueue {
  std::string sink;
  config::Duration keep;
  InnerDoor door;
};

// A message, as far as it counts here.
struct Asked {
  std::string message;
  bool too_large = false;                  // and therefore not held
  std::string message_id;                  // empty: none
  std::optional<std::uint64_t> timestamp;  // of the property: seconds since 1970
};

class RequestDesk {
 public:
  using Reply = std::function<void(unsigned status, const std::string& text)>;

  RequestDesk(boost::asio::io_context& io, events::Journal& journal);
  ~RequestDesk();

  // `reply` is called once, perhaps from inside the call; never where the journal fails first.
  void take(std::shared_ptr<const RequestQueue> queue, Asked asked, Reply reply);
  std::size_t under_way() const { return under_way_.size(); }  // of those with a message_id

 private:
  struct Work;
  using WorkPtr = std::shared_ptr<Work>;

  void look(const WorkPtr& work, std::optional<events::RequestRecord> found);
  void begin(const WorkPtr& work);
  void begun(const WorkPtr& work, bool durable);
  void begin_again(const WorkPtr& work);
  void perform(const WorkPtr& work);
  void performed(const WorkPtr& work, const local::InnerAnswer& answer);
  void refuse(const WorkPtr& work, const local::Refusal& why);
  void give(const WorkPtr& work, unsigned status, const std::string& text);
  void store(const WorkPtr& work, unsigned status, const std::string& text, std::function<void(bool)> then);

  boost::asio::io_context& io_;
  events::Journal& journal_;
  std::map<std::pair<std::string, std::string>, WorkPtr> under_way_;  // by sink and message_id
};

// Whether a placement of that `timestamp` is too old to be sent.
bool too_old(std::optional<std::uint64_t> timestamp, WallMicros now);

}  // namespace bridge55::rabbitmq
