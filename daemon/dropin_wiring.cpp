#include "daemon/dropin_wiring.hpp"

#include "bridges/abp/dropin.hpp"
#include "bridges/mm/dropin.hpp"

#include <utility>

namespace bridge55 {
namespace {

std::unique_ptr<dropin::Dialect> dialect_of(config::UpstreamKind kind) {
  if (kind == config::UpstreamKind::abp) return abp::make_dropin();
  if (kind == config::UpstreamKind::mm) return mm::make_dropin();
  return nullptr;
}

dropin::Growth growth_of(upstream::Grown how) {
  switch (how) {
    case upstream::Grown::done:
      return dropin::Growth::done;
    case upstream::Grown::connection_limit:
      return dropin::Growth::connection_limit;
    case upstream::Grown::unavailable:
      break;
  }
  return dropin::Growth::unavailable;
}

}  // namespace

std::unique_ptr<dropin::DropIns> make_dropins(boost::asio::io_context& io,
                                              std::function<Upstreams&()> upstreams) {
  const auto grow = [upstreams = std::move(upstreams)](const std::string& source,
                                                       dropin::DropIns::Setup::Channels channels,
                                                       std::function<void(dropin::Growth)> done) {
    upstreams().grow(source, std::move(channels),
                     [done = std::move(done)](upstream::Grown how) { done(growth_of(how)); });
  };
  return std::make_unique<dropin::DropIns>(dropin::DropIns::Setup{io, dialect_of, grow});
}

void listen(Upstreams::Watch& watch, dropin::DropIns& dropins) {
  watch.session = [&dropins](std::string_view source, bool up) { dropins.session_changed(source, up); };
  watch.login_answered = [&dropins](std::string_view source, std::string_view answer) {
    dropins.login_answered(source, answer);
  };
  watch.events_lost = [&dropins](std::string_view source) { dropins.events_lost(source); };
}

}  // namespace bridge55
