#include "daemon/local/inner.hpp"

#include "daemon/local/context.hpp"
#include "daemon/local/handler.hpp"
#include "daemon/local/text.hpp"
#include "daemon/net/http_request.hpp"
#include "daemon/net/http_response.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kReadSize = 64u << 10;
// Of this connection, not of the answer.
constexpr std::array<std::string_view, 5> kFraming = {"connection", "keep-alive", "content-length",
                                                      "transfer-encoding", "trailer"};

bool is_framing(std::string_view name) {
  return std::any_of(kFraming.begin(), kFraming.end(),
                     [&](std::string_view one) { return same_ignoring_case(one, name); });
}

Refusal no_stream() {
  return bad_request("this would be answered by a stream; ask for it over HTTP or a WebSocket");
}

Refusal broken(std::string message) {
  Refusal refusal{502, "BAD_GATEWAY", std::move(message), {}, {}};
  refusal.sent = "maybe";
  return refusal;
}

// Our end of one request: writes it and reads the answer, beside each other, since neither end of a socket
// pair takes more than its buffer holds.
class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(std::shared_ptr<Context> context, int descriptor, std::function<void(InnerAnswer)> then)
      : context_(std::move(context)), stream_(context_->io, descriptor), then_(std::move(then)) {}

  void start(net::BuiltRequest head, std::string body) {
    to_send_ = std::move(head.head) + body;
    parser_.reset(head.to_head);
    asio::co_spawn(context_->io, send(shared_from_this()), asio::detached);
    asio::co_spawn(context_->io, run(shared_from_this()), asio::detached);
  }

 private:
  static net::awaitable<void> send(std::shared_ptr<Call> self) {
    // A door that refuses does not read on: its answer says so, not this write.
    const error_code ignored = co_await self->stream_.write_all(self->to_send_);
    static_cast<void>(ignored);
    std::string().swap(self->to_send_);
  }

  static net::awaitable<void> run(std::shared_ptr<Call> self) {
    std::string buffer(kReadSize, '\0');
    std::optional<Refusal> fault;
    for (bool whole = false; !whole && !fault;) {
      const net::Transfer read = co_await self->stream_.read_some(buffer);
      std::string_view input(buffer.data(), read.bytes);
      whole = read.error ? self->ended(fault) : self->take(input, fault);
    }
    self->stream_.cancel();
    self->stream_.close();
    if (fault) {
      self->then_(inner_answer(*fault));
    } else {
      self->then_(std::move(self->answer_));
    }
  }

  // Whether the answer is whole.
  bool take(std::string_view input, std::optional<Refusal>& fault) {
    if (!headed_) {
      const auto state = parser_.feed(input);
      if (state == net::ResponseParser::State::failed) fault = broken(std::string(parser_.trouble()));
      if (state != net::ResponseParser::State::complete) return false;
      headed_ = true;
      fault = take_head();
      if (fault) return false;
    }
    for (;;) {
      std::string_view piece;
      switch (body_.next(input, piece)) {
        case net::BodyDecoder::State::end:
          return true;
        case net::BodyDecoder::State::more:
          return false;
        case net::BodyDecoder::State::failed:
          fault = broken(std::string(body_.trouble()));
          return false;
        case net::BodyDecoder::State::piece:
          break;
      }
      if (answer_.body.size() + piece.size() > context_->http.max_body.count) {
        fault = broken("the answer is larger than http.max_body");
        fault->code = "TOO_LARGE";
        fault->sent = "yes";
        return false;
      }
      answer_.body.append(piece);
    }
  }

  std::optional<Refusal> take_head() {
    const net::ResponseHead& head = parser_.head();
    answer_.status = head.status;
    for (const net::HttpField& field : head.fields) {
      if (!is_framing(field.name)) answer_.headers.emplace_back(field.name, field.value);
    }
    const std::string_view type = head.get("content-type");
    if (same_ignoring_case(trim(type.substr(0, type.find(';'))), "text/event-stream")) {
      Refusal refusal = no_stream();
      refusal.sent = "yes";
      return refusal;
    }
    body_.begin(head.body, head.length);
    return {};
  }

  bool ended(std::optional<Refusal>& fault) {
    if (headed_ && body_.closed() == net::BodyDecoder::State::end) return true;
    fault = broken("the answer was cut");
    return false;
  }

  std::shared_ptr<Context> context_;
  net::Stream stream_;
  std::function<void(InnerAnswer)> then_;
  std::string to_send_;
  net::ResponseParser parser_;
  net::BodyDecoder body_;
  bool headed_ = false;
  InnerAnswer answer_;
};

}  // namespace

InnerAnswer inner_answer(const Refusal& refusal) {
  Answer answer = answer_of(refusal);
  InnerAnswer out{answer.status, std::move(answer.headers), std::move(answer.body)};
  out.headers.emplace_back("Content-Type", answer.content_type);
  return out;
}

std::optional<unsigned> Inner::scopes(std::string_view method, std::string_view path) const {
  Head head;
  head.method = method;
  head.target = path;
  const auto parsed = parse_target(path);
  const Target* target = std::get_if<Target>(&parsed);
  if (target == nullptr) return {};
  for (const Handler* handler : context_->providers.handlers) {
    const auto found = handler->find(head, *target);
    if (!found) continue;
    const unsigned* opened_by = std::get_if<unsigned>(&*found);
    return opened_by == nullptr ? std::nullopt : std::optional(*opened_by);
  }
  const auto routed = route(method, target->path);
  const Routed* found = std::get_if<Routed>(&routed);
  return found == nullptr ? std::nullopt : std::optional(found->scopes);
}

void Inner::ask(InnerRequest request, std::function<void(InnerAnswer)> then) const {
  const auto refuse = [this, &then](const Refusal& why) {
    asio::post(context_->io,
               [answer = inner_answer(why), then = std::move(then)]() mutable { then(std::move(answer)); });
  };
  std::vector<net::HttpField> fields;
  for (const auto& [name, value] : request.headers)
    fields.push_back({name, value});
  net::HttpRequest parts{request.method, request.path, "localhost", fields, {}, false};
  if (request.body) parts.content_length = request.body->size();
  net::BuiltRequest head;
  if (const std::string_view why = net::build_request(parts, head); !why.empty())
    return refuse(bad_request("this cannot be a request: " + std::string(why)));
  const auto parsed = parse_target(request.path);
  const Target* target = std::get_if<Target>(&parsed);
  if (target != nullptr && target->path == "/events") return refuse(no_stream());

  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return refuse(
        Refusal{503, "RATE_LIMITED", std::string("no room for a request: ") + std::strerror(errno), {}, {}});
  }
  Peer peer;
  peer.unix_socket = true;
  peer.app = app_;
  auto door = std::make_shared<const Door>(Door{true, false, {}, 0});
  Connection::Setup far{net::Stream(context_->io, ends[0]), std::move(peer), std::move(door), nullptr, false};
  std::make_shared<Call>(context_, ends[1], std::move(then))
      ->start(std::move(head), std::move(request.body).value_or(std::string()));
  std::make_shared<Connection>(context_, std::move(far))->start();
}

}  // namespace bridge55::local
