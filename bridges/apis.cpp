#include "bridges/apis.hpp"

#include "bridges/abp/api.hpp"
#include "bridges/mm/api.hpp"
#include "bridges/scraping/api.hpp"

namespace bridge55::bridges {

std::unique_ptr<gateway::Api> make_api(config::UpstreamKind kind) {
  switch (kind) {
    case config::UpstreamKind::abp:
      return abp::make_api();
    case config::UpstreamKind::mm:
      return mm::make_api();
    case config::UpstreamKind::scraping:
      return scraping::make_api();
    case config::UpstreamKind::websocket:
      break;
  }
  return nullptr;
}

}  // namespace bridge55::bridges
