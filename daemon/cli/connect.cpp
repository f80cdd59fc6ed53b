#include "daemon/cli/connect.hpp"

#include "bridges/rabbitmq/make_rabbitmq.hpp"
#include "config/urls.hpp"
#include "daemon/net/stream.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/url/parse.hpp>

namespace bridge55::cli {
namespace {

struct Goal {
  std::string label, host;
  std::uint16_t port = 0;
  bool tls = false;
  config::ClientTls settings;
  std::chrono::milliseconds timeout{10'000};
};

Goal goal(const std::string& name, const std::string& url, const config::ClientTls& settings) {
  const auto parsed = boost::urls::parse_uri(url).value();  // the loader has checked it
  Goal goal{name + ' ' + config::masked_url(url), parsed.host_name(), 0, false, settings};
  if (goal.host.empty()) goal.host = parsed.host_address();
  const std::string scheme = parsed.scheme();
  goal.tls = scheme == "https" || scheme == "wss";
  const std::uint16_t usual = goal.tls ? 443 : 80;
  goal.port = parsed.port_number() != 0 ? parsed.port_number() : usual;
  return goal;
}

boost::asio::awaitable<void> reach(boost::asio::io_context& io, Goal goal, Reached& reached) {
  net::Stream stream(io);
  const SteadyTime deadline = SteadyClock::now() + goal.timeout;
  net::error_code error = co_await stream.connect(goal.host, goal.port, deadline);
  if (!error && goal.tls) {
    auto context = net::TlsContext::client(goal.settings);
    error = co_await stream.tls_client(context, goal.host, true, deadline);
  }
  reached.ok = !error;
  reached.trouble = stream.trouble().empty() ? error.message() : stream.trouble();
}

}  // namespace

std::vector<Reached> try_connections(const config::Config& config) {
  std::vector<Goal> goals;
  for (const config::Upstream& upstream : config.upstreams) {
    const std::string& url = upstream.ws_url.empty() ? upstream.url : upstream.ws_url;
    goals.push_back(goal(upstream.name, url, upstream.tls));
    goals.back().timeout = upstream.timeouts.connect;
  }
  boost::asio::io_context io{1};
  std::vector<Reached> all(goals.size());
  for (std::size_t i = 0; i < goals.size(); ++i) {
    all[i].name = goals[i].label;
    boost::asio::co_spawn(io, reach(io, std::move(goals[i]), all[i]),
                          [&trouble = all[i].trouble](std::exception_ptr failed) {
                            try {
                              if (failed) std::rethrow_exception(failed);
                            } catch (const std::exception& error) {
                              trouble = error.what();
                            }
                          });
  }
  io.run();
  for (const config::Sink& sink : config.sinks) {
    if (sink.kind != config::SinkKind::rabbitmq) continue;
    const std::string trouble = bridges::try_rabbitmq(sink);
    all.push_back(
        {sink.name + ' ' + config::masked_url(sink.urls.front().reveal()), trouble.empty(), trouble});
  }
  return all;
}

}  // namespace bridge55::cli
