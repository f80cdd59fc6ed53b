// Requests that come from inside the daemon, such as those of a RabbitMQ queue, through the very code that
// serves apps: a connection without a listener, so that parsing, routes, scopes, gateway and errors are the
// same. I/O thread only.
#pragma once

#include "daemon/local/app.hpp"
#include "daemon/local/refusal.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::local {

struct Context;

struct InnerRequest {
  std::string method = "GET", path;  // `path`: origin form (RFC 9112, 3.2.1), with its query
  std::vector<std::pair<std::string, std::string>>
      headers;  // end to end ones; framing and Host are made here
  std::optional<std::string> body;
};

struct InnerAnswer {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // as sent, but for those of the connection
  std::string body;
};

// An error of the daemon's own, as the door would send it.
InnerAnswer inner_answer(const Refusal& refusal);

class Inner {
 public:
  // `app`: who asks, for scopes, fairness and the record.
  Inner(std::shared_ptr<Context> context, App app) : context_(std::move(context)), app_(std::move(app)) {}

  // The scopes any of which opens a request (0: anybody); nothing where it would be refused whoever asks.
  std::optional<unsigned> scopes(std::string_view method, std::string_view path) const;
  // `then` is called once, not from inside the call. What cannot be a request, and what would be a stream
  // (events, server-sent events, a WebSocket), is answered with 400 in the shape of all errors.
  void ask(InnerRequest request, std::function<void(InnerAnswer)> then) const;

 private:
  std::shared_ptr<Context> context_;
  App app_;
};

}  // namespace bridge55::local
