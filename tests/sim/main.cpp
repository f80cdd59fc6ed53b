// bridge55-sim: the simulated vendor. Parses its options, opens its ports, tells them, and serves until
// SIGTERM.
#include "tests/sim/certificate.hpp"
#include "tests/sim/control.hpp"
#include "tests/sim/listener.hpp"
#include "tests/sim/rest_scraping.hpp"
#include "tests/sim/wire.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

namespace asio = boost::asio;

/// Written beside the target and renamed, so that a reader never sees half of it.
void write_file(const std::string& path, const std::string& content) {
  const std::string draft = path + ".new";
  std::ofstream(draft, std::ios::binary) << content;
  std::filesystem::rename(draft, path);
}

std::optional<asio::ssl::context> make_tls(const Options& options) {
  if (!options.tls) return std::nullopt;
  const Identity identity = make_identity(options.certificate);
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1);
  context.use_certificate_chain(asio::buffer(identity.certificate));
  context.use_private_key(asio::buffer(identity.key), asio::ssl::context::pem);
  SSL_CTX_set_options(context.native_handle(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  // AES-128 first: the cheapest of the three, and the simulator must not be the bottleneck.
  SSL_CTX_set_ciphersuites(context.native_handle(),
                           "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  if (!options.ca_out.empty()) write_file(options.ca_out, identity.ca);
  return context;
}

class Simulator {
 public:
  explicit Simulator(Options options)
      : tls_(make_tls(options)),
        vendor_(std::move(options)),
        hub_(vendor_),
        pacer_(io_.get_executor(), vendor_, hub_),
        housekeeping_(io_),
        signals_(io_, SIGTERM, SIGINT) {
    vendor_.on_login = [this](Api api) { pacer_.on_login(api); };
    vendor_.on_drained = [this](Api) { pacer_.pump(); };
    vendor_.broadcast = [this](const Message& message) { hub_.broadcast(message); };
    vendor_.later = [this](milliseconds time, std::function<void()> work) {
      asio::co_spawn(io_, run_later(time, std::move(work)), asio::detached);
    };
  }

  void run() {
    open_ports();
    announce();
    for (auto* listener : listeners()) {
      asio::ssl::context* tls = tls_ && !listener->service().control ? &*tls_ : nullptr;
      asio::co_spawn(io_, listener->run(vendor_, hub_, tls), asio::detached);
    }
    asio::co_spawn(io_, pacer_.run(), asio::detached);
    asio::co_spawn(io_, keep_house(), asio::detached);
    signals_.async_wait([this](boost::system::error_code, int) { io_.stop(); });
    io_.run();
  }

 private:
  std::vector<Listener*> listeners() {
    std::vector<Listener*> open;
    for (auto* listener : {&abp_, &mm_, &scraping_, &control_}) {
      if (*listener) open.push_back(&**listener);
    }
    return open;
  }

  static asio::awaitable<void> run_later(milliseconds time, std::function<void()> work) {
    co_await pause_for(time);
    work();
  }

  Service vendor_service(bool abp, bool mm) {
    return {
        abp, mm, false, false,
        [this, abp, mm](const HttpRequest& request, const FaultPlan& plan) -> asio::awaitable<HttpResponse> {
          co_return answer_rest(vendor_, rest_api(request.path, abp, mm, false), request, plan);
        }};
  }

  Service scraping_service() {
    return {false, false, true, false,
            [this](const HttpRequest& request, const FaultPlan& plan) -> asio::awaitable<HttpResponse> {
              co_return co_await answer_scraping(vendor_, request, plan);
            }};
  }

  void open_ports() {
    const Options& o = vendor_.options;
    if (!o.abp_listen.empty()) abp_.emplace(io_, o.abp_listen, vendor_service(true, o.one_port));
    if (!o.mm_listen.empty()) mm_.emplace(io_, o.mm_listen, vendor_service(false, true));
    if (!o.scraping_listen.empty()) scraping_.emplace(io_, o.scraping_listen, scraping_service());
    const auto faults_changed = [this] {
      for (auto* listener : listeners())
        listener->apply_faults(vendor_, Clock::now());
    };
    // The closure lives in the listener's service, so its captures outlive the coroutine.
    Service control{false, false, false, true,
                    [this, faults_changed](const HttpRequest& request,
                                           const FaultPlan&) -> asio::awaitable<HttpResponse> {
                      const ControlTargets targets{vendor_, hub_, pacer_, faults_changed};
                      co_return co_await answer_control(targets, request);
                    }};
    control_.emplace(io_, o.control_listen, std::move(control));
  }

  void announce() {
    const Options& o = vendor_.options;
    nlohmann::ordered_json ports;
    const std::string s = o.tls ? "s" : "";
    const auto add = [&](const std::string& name, const Listener& listener, const std::string& path) {
      ports[name] = "http" + s + "://" + listener.address();
      ports[name + "_ws"] = "ws" + s + "://" + listener.address() + path;
    };
    if (abp_) add("abp", *abp_, "/ws");
    if (mm_) add("mm", *mm_, "/ws/subscribe");
    if (o.one_port && abp_) add("mm", *abp_, "/ws/subscribe");
    if (scraping_) add("scraping", *scraping_, "/ws");
    ports["control"] = "http://" + control_->address();
    ports["ca_file"] = o.tls && !o.ca_out.empty() ? nlohmann::ordered_json(o.ca_out) : nullptr;
    const std::string line = ports.dump() + "\n";
    if (!o.ports_file.empty()) write_file(o.ports_file, line);
    std::cout << line << std::flush;
  }

  /// Deadlines and keep-alive of all sessions, often enough for scaled times.
  asio::awaitable<void> keep_house() {
    for (;;) {
      const auto& t = vendor_.options.times;
      const auto shortest = std::min({t.login, t.abp_ping, t.abp_pong, t.heartbeat, t.relay_connect});
      housekeeping_.expires_after(
          std::clamp<milliseconds>(shortest / 20, milliseconds(2), milliseconds(100)));
      boost::system::error_code ignored;
      co_await housekeeping_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      const auto now = Clock::now();
      hub_.tick(now);
      for (auto* listener : listeners())
        listener->apply_faults(vendor_, now);
    }
  }

  // Connections that are still open end with io_, and their sessions then give their slots back to vendor_:
  // so vendor_ and hub_ come before it.
  std::optional<asio::ssl::context> tls_;
  Vendor vendor_;
  Hub hub_;
  asio::io_context io_{1};
  Pacer pacer_;
  asio::steady_timer housekeeping_;
  asio::signal_set signals_;
  std::optional<Listener> abp_, mm_, scraping_, control_;
};

}  // namespace
}  // namespace bridge55::sim

int main(int argc, char** argv) {
  bridge55::sim::Options options;
  if (const auto code = bridge55::sim::parse_options(argc, argv, options)) return *code;
  try {
    bridge55::sim::Simulator(std::move(options)).run();
  } catch (const std::exception& error) {
    std::cerr << "bridge55-sim: " << error.what() << '\n';
    return 69;
  }
  return 0;
}
