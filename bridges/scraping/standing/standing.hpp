// The standing relays of a config: scraping jobs whose output becomes events (contract, sections 4 and 5,
// "Relays"). Starts, stops and replaces them, and serves /relays/{name}. Two names that ask for the same are
// one relay upstream. Made before the server, outlives it; I/O thread only.
#pragma once

#include "bridges/scraping/standing/job.hpp"
#include "bridges/scraping/standing/relay_status.hpp"
#include "config/config.hpp"
#include "daemon/local/handler.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::scraping::standing {

class Standing final : public local::Handler {
 public:
  struct Setup {
    boost::asio::io_context& io;
    events::Hub& hub;
    metrics::Registry& metrics;
    // A scraping upstream by name; null where there is none.
    std::function<gateway::UpstreamPtr(std::string_view name)> upstream;
  };
  explicit Standing(Setup setup);
  ~Standing() override;

  // Starts what is new, replaces what changed, stops what is gone; a relay whose settings and whose
  // upstream's address and key did not change is not touched. `opening_gap`: new streams begin with a gap for
  // this reason (empty: nothing was missed).
  void apply(const config::Config& config, const std::string& opening_gap = {});
  void resume();  // the journal takes events again
  void stop(std::function<void()> stopped);

  std::vector<RelayStatus> status() const;
  std::vector<RelayGap> open_gaps() const;

  std::optional<std::variant<unsigned, local::Refusal>> find(const local::Head& head,
                                                             const local::Target& target) const override;
  net::awaitable<void> serve(local::Exchange& exchange) override;

  // For the sockets that are attached.
  Job* job(std::string_view name) const;  // null: there is no relay of that name

 private:
  struct Entry;
  struct Wanted;
  std::vector<Wanted> wanted(const config::Config& config) const;
  void name_all(const std::vector<Wanted>& wanted);
  std::vector<Named> named(const Wanted& wanted) const;
  void start(const Wanted& wanted, std::string opening_gap);
  void remove(std::unique_ptr<Entry> entry, std::function<void()> removed);
  net::awaitable<void> post(local::Exchange& exchange, std::string name);
  std::string list_json() const;

  Setup setup_;
  std::map<std::string, std::shared_ptr<Open>, std::less<>> names_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<std::string> order_;  // of the names in the config
  // Null once this is gone: sockets may end later.
  std::shared_ptr<Standing*> self_ = std::make_shared<Standing*>(this);
};

}  // namespace bridge55::scraping::standing
