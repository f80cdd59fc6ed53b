// A feed that speaks another protocol: what its tongue may do, and how events become its frames.
#include "daemon/local/context.hpp"
#include "daemon/local/feed.hpp"
#include "daemon/local/introduction.hpp"
#include "daemon/local/web_socket.hpp"

#include <algorithm>
#include <sys/socket.h>
#include <utility>

namespace bridge55::local {
namespace {

constexpr std::size_t kMaxControl = 64u << 10;  // answers to a peer that sends and does not read
constexpr int kStreamBuffer = 128 << 10;        // as for /events: see endpoints.cpp

}  // namespace

void Frames::text(std::string_view head, std::span<const std::string_view> views, std::string_view tail) {
  std::size_t size = head.size() + tail.size();
  for (const std::string_view view : views)
    size += view.size();
  char header[10];
  put({header, ws::server_text_header(size, header)}, head);
  for (const std::string_view view : views)
    batch_.add(view, index_);
  if (!tail.empty()) batch_.add(batch_.keep(tail, {}), index_);
}

void Frames::binary(std::string bytes) {
  char header[10];
  const std::size_t size = ws::server_text_header(bytes.size(), header);
  constexpr char kFinalBinary = static_cast<char>(0x82);  // RFC 6455, 5.2
  header[0] = kFinalBinary;
  put({header, size}, {});
  if (!bytes.empty()) batch_.add(batch_.built.emplace_back(std::move(bytes)), index_);
}

void Frames::put(std::string_view header, std::string_view text) {
  batch_.add(batch_.keep(header, text), index_);
}

void Feed::take_word(const ws::Message& message) {
  if (closing_) return;
  const SteadyTime at = SteadyClock::now();
  if (message.kind == ws::Kind::binary) {
    tongue_->heard_binary(message.data, at);
  } else if (message.kind == ws::Kind::text) {
    message.valid_utf8 ? tongue_->heard(message.data, at) : close(1007, "a text frame is not UTF-8");
  } else if (message.size > context_.http.max_frame.count) {
    close(1009, "the frame is larger than http.max_frame");
  } else {
    tongue_->heard_too_much(message.size, at);
  }
}

void Feed::gather_words(std::size_t max_bytes) {
  Batch& batch = context_.feeds.batch();
  for (const events::EventPtr& event : batch.events) {
    if (batch.full() || batch.bytes >= max_bytes) return;
    if (tongue_->take(*event, Frames(batch, static_cast<std::uint32_t>(batch.seen))) == Tongue::Take::held)
      break;
    ++batch.seen;
  }
  // Held for as long as the app likes: the piece of the journal that was read must not stay so long.
  if (batch.seen == 0 && batch.count == 0 && cursor_ && cursor_->behind() && tongue_->holds())
    cursor_->release();
}

void Feed::say(std::string_view text) {
  if (closing_ || ended_) return;
  if (control_.size() + text.size() <= kMaxControl)
    control_ += ws::frame(ws::Role::server, ws::Kind::text, text);
}

std::variant<App, Refusal> Feed::sign_in(std::string_view key, unsigned any_of) {
  std::variant<App, Refusal> known = context_.clients.identify(introduction_->peer, introduction_->head, key);
  const App* app = std::get_if<App>(&known);
  if (app == nullptr) return known;
  if (auto refusal = context_.clients.require(*app, any_of, introduction_->peer)) return *std::move(refusal);
  app_ = *app;
  scopes_ = any_of;
  return known;
}

void Feed::listen() {
  if (closing_ || ended_) return;
  from_now_ = context_.hub.last_id();
  cursor_.emplace(context_.hub, from_now_, events::Cursor::Reads::live, [this] { woken(); });
}

bool Feed::listen_as(const std::string& consumer) {
  if (closing_ || ended_) return false;
  from_now_ = context_.hub.last_id();
  return open_consumer(consumer, {});
}

void Feed::stop_listening() {
  let_chunk_go();
  cursor_.reset();
  if (entry_) context_.consumers.close(*std::exchange(entry_, nullptr), this, now());
}

void Feed::acknowledge(events::EventId id) {
  if (entry_) context_.consumers.ack(*entry_, id, now());
}

void Feed::go_on() {
  pump();
}

net::awaitable<void> serve_tongue(Exchange& exchange, std::unique_ptr<Tongue> tongue) {
  std::optional<Refusal> refusal;
  if (wants_web_socket(exchange.head)) {
    refusal = check_upgrade(exchange.head);
  } else {
    refusal = upgrade_required();
  }
  if (refusal) {
    co_await exchange.refuse(*refusal);
    co_return;
  }
  std::string greeting = render_stream_head(switching_answer(exchange.head), exchange.wrapping);
  auto introduction = std::make_unique<Introduction>(Introduction{exchange.peer(), exchange.head});
  Context& context = exchange.context();
  Exchange::Taken taken = exchange.take_over();
  ::setsockopt(taken.stream.descriptor(), SOL_SOCKET, SO_SNDBUF, &kStreamBuffer, sizeof kStreamBuffer);
  Feed::Setup setup{std::move(taken.stream),
                    FeedKind::websocket,
                    exchange.app,
                    {},
                    std::move(greeting),
                    std::move(taken.received),
                    nullptr,
                    !exchange.peer().unix_socket,
                    exchange.routed.scopes,
                    std::move(tongue),
                    std::move(introduction)};
  std::make_shared<Feed>(context.shared_from_this(), std::move(setup))->start();
}

}  // namespace bridge55::local
