#pragma once
// The test author's hand in the vendor: counters, the journal of sent frames, events on demand, faults, pace.
// Plain HTTP with JSON; README.md beside this file describes it.

#include "tests/sim/http.hpp"
#include "tests/sim/hub.hpp"
#include "tests/sim/pacer.hpp"

#include <functional>

namespace bridge55::sim {

/// What the control API acts on. All outlive it.
struct ControlTargets {
  Vendor& vendor;
  Hub& hub;
  Pacer& pacer;
  std::function<void()> faults_changed;  ///< lets listeners look at refuse_connect
};

boost::asio::awaitable<HttpResponse> answer_control(const ControlTargets& targets,
                                                    const HttpRequest& request);

/// The bodies' meaning, one function a route. They throw std::exception on a body they cannot read.
HttpResponse show_stats(const ControlTargets& targets);
HttpResponse show_sent(const ControlTargets& targets, const HttpRequest& request);
boost::asio::awaitable<HttpResponse> emit_events(const ControlTargets& targets, const std::string& body);
HttpResponse apply_fault(const ControlTargets& targets, const std::string& body);
HttpResponse clear_faults(const ControlTargets& targets);
HttpResponse show_requests(const ControlTargets& targets, const HttpRequest& request);
HttpResponse show_placements(const ControlTargets& targets, const HttpRequest& request);
HttpResponse show_relays(const ControlTargets& targets, const HttpRequest& request);
/// POST /fault with a relay's or AMQP stream's fault; nothing if the body names none of these.
std::optional<HttpResponse> apply_relay_fault(const ControlTargets& targets, const std::string& body);
HttpResponse set_placing(const ControlTargets& targets, const std::string& body);

std::string encode_base64(std::string_view bytes);
/// Throws std::invalid_argument on bad input.
std::string decode_base64(std::string_view text);

}  // namespace bridge55::sim
