#include "daemon/net/edges.hpp"

#include <array>
#include <cerrno>
#include <stdexcept>
#include <sys/epoll.h>
#include <utility>
#include <vector>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

namespace bridge55::net {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t kAlways = EPOLLIN | EPOLLRDHUP | EPOLLET;  // and errors and hang-ups, unasked
constexpr std::size_t kBatch = 32;                                 // then other sockets get their turn

class Poller final : public asio::execution_context::service, public EdgePoller {
 public:
  using key_type = Poller;
  static inline asio::execution_context::id id;

  explicit Poller(asio::execution_context& context)
      : service(context), io_(static_cast<asio::io_context&>(context)), epoll_(io_) {
    const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
    if (descriptor < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll");
    epoll_.assign(descriptor);
  }

  EdgePlace add(int descriptor, std::shared_ptr<EdgeWaiter> waiter, int which) override {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    Slot& slot = slots_[index];
    slot.waiter = std::move(waiter);
    slot.which = which;
    slot.descriptor = descriptor;
    ++used_;
    const EdgePlace place{index, slot.turn};
    control(EPOLL_CTL_ADD, descriptor, place, kAlways);
    wait();
    return place;
  }

  void want_writable(EdgePlace place) override {
    control(EPOLL_CTL_MOD, slots_[place.index].descriptor, place, kAlways | EPOLLOUT);
  }

  void remove(EdgePlace place) override {
    if (place.index >= slots_.size() || slots_[place.index].turn != place.turn) return;
    Slot& slot = slots_[place.index];
    ++slot.turn;
    free_.push_back(place.index);
    // A loop with nothing else to do may end.
    if (--used_ == 0) epoll_.cancel();
    const auto gone = std::exchange(slot.waiter, nullptr);
  }

 private:
  struct Slot {
    std::shared_ptr<EdgeWaiter> waiter;
    int which = 0, descriptor = -1;
    std::uint32_t turn = 0;
  };

  // The loop is destroyed, and with it whoever waits.
  void shutdown() override {
    const auto gone = std::exchange(slots_, {});
    free_.clear();
  }

  void control(int operation, int descriptor, EdgePlace place, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = static_cast<std::uint64_t>(place.turn) << 32 | place.index;
    if (::epoll_ctl(epoll_.native_handle(), operation, descriptor, &event) == 0) return;
    asio::post(io_, [this, place] {
      if (place.index >= slots_.size() || slots_[place.index].turn != place.turn) return;
      const std::shared_ptr<EdgeWaiter> waiter = slots_[place.index].waiter;
      waiter->edge(slots_[place.index].which, {true, true, true, true});
    });
  }

  void wait() {
    if (std::exchange(waiting_, true)) return;
    epoll_.async_wait(Descriptor::wait_read, [this](boost::system::error_code) {
      waiting_ = false;
      if (used_ == 0) return;
      tell();
      if (used_ > 0) wait();
    });
  }

  void tell() {
    std::array<epoll_event, kBatch> events;
    const int count = ::epoll_wait(epoll_.native_handle(), events.data(), kBatch, 0);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      const auto index = static_cast<std::uint32_t>(event.data.u64);
      if (index >= slots_.size() || slots_[index].turn != event.data.u64 >> 32) continue;
      const std::shared_ptr<EdgeWaiter> waiter = slots_[index].waiter;
      if ((event.events & EPOLLOUT) != 0)
        control(EPOLL_CTL_MOD, slots_[index].descriptor, {index, slots_[index].turn}, kAlways);
      const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
      waiter->edge(slots_[index].which, {broken || (event.events & (EPOLLIN | EPOLLRDHUP)) != 0,
                                         broken || (event.events & EPOLLOUT) != 0,
                                         broken || (event.events & EPOLLRDHUP) != 0, broken});
    }
  }

  using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;
  asio::io_context& io_;
  Descriptor epoll_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
  bool waiting_ = false;
};

}  // namespace

EdgePoller& edges_of(asio::io_context& io) {
  return asio::use_service<Poller>(io);
}

}  // namespace bridge55::net
