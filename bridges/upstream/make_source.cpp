#include "bridges/upstream/make_source.hpp"

#include "bridges/abp/protocol.hpp"
#include "bridges/mm/protocol.hpp"
#include "bridges/upstream/protocols.hpp"
#include "bridges/upstream/ws_session.hpp"
#include "bridges/websocket/protocol.hpp"
#include "daemon/base/log.hpp"

#include <stdexcept>

namespace bridge55 {

std::unique_ptr<upstream::Protocol> upstream::make_protocol(const config::Upstream& settings) {
  switch (settings.kind) {
    case config::UpstreamKind::abp:
      return abp::make_protocol(settings);
    case config::UpstreamKind::mm:
      return mm::make_protocol(settings);
    case config::UpstreamKind::websocket:
      return websocket::make_protocol(settings);
    case config::UpstreamKind::scraping:
      break;
  }
  throw std::invalid_argument("an upstream of this kind has no event socket: " + settings.name);
}

std::unique_ptr<bridges::Source> bridges::make_source(boost::asio::io_context& io,
                                                      const config::Upstream& settings, SourceHost& host,
                                                      metrics::Registry& metrics, std::string opening_gap,
                                                      unsigned slot) {
  if (!settings.tls.verify) {
    log::warning("tls.verify is false: anybody may pose as this upstream", {{"source", settings.name}});
  }
  const upstream::WsSession::Parts parts{io, host, metrics, slot, std::move(opening_gap)};
  return std::make_unique<upstream::WsSession>(parts, settings);
}

}  // namespace bridge55
