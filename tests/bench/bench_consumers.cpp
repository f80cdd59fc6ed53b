// N consumers in one thread, as cheap as reading can be: they count events by their ends and take latency
// from the `"sentNs"` that the simulated vendor stamps (`--stamp`), so that what is measured is the daemon
// and not the measuring.
//
//   bench_consumers --kind ws|sse|unix|direct --to HOST:PORT|PATH [--path /events] [--consumers 1] [--tls]
//   [--login JSON]
//                   [--events E | --seconds S] [--warmup W] [--sample all|last] [--idle]
//
// `direct` is a WebSocket client of the vendor itself (with --tls; the certificate is not checked): it sends
// --login and counts what comes after the answer. Prints `ready` when all are connected, `begin` when the
// measurement begins (the first event, or W seconds after it) and at the end one line of JSON. Ends after E
// events for each consumer, after S seconds, on SIGTERM, or when nothing has come for twenty seconds
// (`complete` is false then). --idle: connects and waits for SIGTERM.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <openssl/ssl.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kReadBytes = 256u << 10;
constexpr std::size_t kStampWithin =
    160;  // of an event's end: behind the stamp come at most `ts`, `seq` and braces
constexpr auto kPatience = std::chrono::seconds(20);

enum class Kind { ws, sse, lines, direct };

struct Options {
  Kind kind = Kind::lines;
  std::string to, path = "/events", login;
  int consumers = 1;
  bool tls = false, idle = false, sample_all = false;
  std::uint64_t events = 0;
  double seconds = 0, warmup = 0;
};

volatile sig_atomic_t stopped = 0;

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Nanoseconds since the stamp near the end of the event, or -1.
std::int64_t age_of(const char* begin, const char* end, std::int64_t now) {
  static constexpr std::string_view name = "\"sentNs\":";
  const auto size = std::min(static_cast<std::size_t>(end - begin), kStampWithin);
  const auto* found = static_cast<const char*>(memmem(end - size, size, name.data(), name.size()));
  if (found == nullptr) return -1;
  std::int64_t sent = 0;
  for (found += name.size(); found < end && *found >= '0' && *found <= '9'; ++found)
    sent = sent * 10 + (*found - '0');
  return now - sent;
}

// Finds the ends of events in what is read, whatever pieces it comes in.
class Scanner {
 public:
  explicit Scanner(Kind kind) : kind_(kind) {}

  // Calls `event(end)` for each event that ends in [at, end).
  template <typename Event>
  void scan(const char* at, const char* end, Event&& event) {
    kind_ == Kind::ws || kind_ == Kind::direct ? frames(at, end, event) : lines(at, end, event);
  }

 private:
  // SSE: an event is a line that begins with `d` (data:); comments and ids are other lines. UNIX: every line.
  template <typename Event>
  void lines(const char* at, const char* end, Event& event) {
    while (at < end) {
      if (at_line_start_) is_event_ = kind_ == Kind::lines || *at == 'd';
      const auto* stop = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
      at_line_start_ = stop != nullptr;
      if (stop == nullptr) return;
      if (is_event_) event(stop);
      at = stop + 1;
    }
  }

  // RFC 6455, section 5.2: opcode, seven bits of length, 16 or 64 more; a server masks nothing.
  template <typename Event>
  void frames(const char* at, const char* end, Event& event) {
    while (at < end) {
      if (body_ > 0) {
        const auto taken = std::min<std::uint64_t>(body_, static_cast<std::uint64_t>(end - at));
        at += taken;
        body_ -= taken;
        if (body_ == 0 && is_event_) event(at);
        continue;
      }
      header_.push_back(*at++);
      const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(header_[i]); };
      if (header_.size() < 2) continue;
      const unsigned length = byte(1) & 0x7f;
      const std::size_t need = length < 126 ? 2 : length == 126 ? 4 : 10;
      if (header_.size() < need) continue;
      body_ = need == 2 ? length : 0;
      for (std::size_t i = 2; i < need; ++i)
        body_ = body_ << 8 | byte(i);
      is_event_ = (byte(0) & 0x0f) == 1;
      header_.clear();
    }
  }

  Kind kind_;
  bool at_line_start_ = true, is_event_ = false;
  std::string header_;
  std::uint64_t body_ = 0;
};

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

int connect_to(const Options& options) {
  const bool local = options.kind == Kind::lines || options.to.find(':') == std::string::npos;
  const int fd = ::socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  int result = 0;
  if (local) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    options.to.copy(address.sun_path, sizeof address.sun_path - 1);
    result = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  } else {
    const std::size_t colon = options.to.rfind(':');
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(options.to.substr(colon + 1))));
    inet_pton(AF_INET, options.to.substr(0, colon).c_str(), &address.sin_addr);
    result = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (result != 0) fail("connect " + options.to);
  return fd;
}

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

class Connection {
 public:
  Connection(const Options& options, SSL_CTX* tls) : fd_(connect_to(options)), scanner_(options.kind) {
    if (tls != nullptr) {
      ssl_.reset(SSL_new(tls));
      SSL_set_fd(ssl_.get(), fd_);
      if (SSL_connect(ssl_.get()) != 1) throw std::runtime_error("no TLS");
    }
    if (options.kind != Kind::lines) ask(options);
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  }
  ~Connection() {
    ssl_.reset();
    ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  Scanner& scanner() { return scanner_; }
  std::string take_early() { return std::exchange(early_, {}); }

  // Bytes read; 0 where there are none now, -1 at the end.
  ssize_t read(char* into, std::size_t size) {
    if (ssl_) {
      const int got = SSL_read(ssl_.get(), into, static_cast<int>(size));
      if (got > 0) return got;
      return SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    const ssize_t got = ::read(fd_, into, size);
    if (got > 0) return got;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
  }
  bool tls() const { return ssl_ != nullptr; }

 private:
  void write(std::string_view text) {
    const auto size = static_cast<int>(text.size());
    const auto sent = ssl_ ? SSL_write(ssl_.get(), text.data(), size)
                           : static_cast<int>(::write(fd_, text.data(), text.size()));
    if (sent != size) fail("write");
  }

  void ask(const Options& options) {
    std::string request = "GET " + options.path + " HTTP/1.1\r\nHost: localhost\r\n";
    if (options.kind != Kind::sse) {
      request +=
          "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
          "dGhlIHNhbXBsZSBub25jZQ==\r\n";
    }
    write(request + "\r\n");
    std::string answer;
    std::vector<char> room(4096);
    while (answer.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = read(room.data(), room.size());
      if (got <= 0) throw std::runtime_error("no answer to the request: " + answer);
      answer.append(room.data(), static_cast<std::size_t>(got));
    }
    if (answer.find(options.kind == Kind::sse ? " 200 " : " 101 ") > 16) throw std::runtime_error(answer);
    early_ = answer.substr(answer.find("\r\n\r\n") + 4);
    if (options.login.empty()) return;
    // A client's frame is masked; the mask may be zero.
    std::string frame = "\x81";
    frame += static_cast<char>(0x80 | options.login.size());
    frame.append(4, '\0').append(options.login);
    if (options.login.size() > 125) throw std::runtime_error("--login is longer than 125 bytes");
    write(frame);
  }

  int fd_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  Scanner scanner_;
  std::string early_;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options), buffer_(kReadBytes) {}

  void connect();
  void run();
  void report() const;

 private:
  void take(Connection& connection, const char* begin, const char* end);
  void readable(Connection& connection);
  void begin();

  const Options& options_;
  std::unique_ptr<SSL_CTX, FreeSsl> tls_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<char> buffer_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  bool begun_ = false, complete_ = false;
  int open_ = 0;
  std::uint64_t count_ = 0, bytes_ = 0, reads_ = 0, skip_ = 0;
  Clock::time_point first_{}, began_{}, last_{};
  double cpu_ = 0;
  std::vector<std::int64_t> ages_;
};

void Bench::connect() {
  if (options_.tls) {
    tls_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_mode(tls_.get(), SSL_MODE_AUTO_RETRY);
  }
  for (int i = 0; i < options_.consumers; ++i) {
    connections_.push_back(std::make_unique<Connection>(options_, tls_.get()));
    epoll_event event{EPOLLIN, {.ptr = connections_.back().get()}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back()->fd(), &event);
  }
  open_ = options_.consumers;
  // The vendor's answer to a login is no event.
  if (options_.kind == Kind::direct) skip_ = connections_.size();
  ages_.reserve(4'000'000);
}

void Bench::begin() {
  begun_ = true;
  began_ = last_;
  cpu_ = cpu_seconds();
  count_ = bytes_ = reads_ = 0;
  ages_.clear();
  std::puts("begin");
  std::fflush(stdout);
}

void Bench::take(Connection& connection, const char* begin_at, const char* end) {
  last_ = Clock::now();
  const std::int64_t now = wall_ns();
  if (first_ == Clock::time_point{} && skip_ == 0) first_ = last_;
  if (!begun_ && first_ != Clock::time_point{} &&
      last_ - first_ >= std::chrono::duration<double>(options_.warmup))
    begin();
  ++reads_;
  bytes_ += static_cast<std::uint64_t>(end - begin_at);
  const char *before = begin_at, *newest = nullptr;
  connection.scanner().scan(begin_at, end, [&](const char* event_end) {
    if (skip_ > 0) {
      --skip_;
      return;
    }
    ++count_;
    if (options_.sample_all) {
      const std::int64_t age = age_of(before, event_end, now);
      if (age >= 0) ages_.push_back(age);
    }
    before = event_end;
    newest = event_end;
  });
  if (options_.sample_all || newest == nullptr) return;
  const std::int64_t age = age_of(begin_at, newest, now);
  if (age >= 0) ages_.push_back(age);
}

void Bench::readable(Connection& connection) {
  for (;;) {
    const ssize_t got = connection.read(buffer_.data(), buffer_.size());
    if (got > 0) take(connection, buffer_.data(), buffer_.data() + got);
    if (got < 0) {
      epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd(), nullptr);
      --open_;
    }
    if (got <= 0 || !connection.tls()) return;  // TLS may hold what epoll knows nothing of
  }
}

void Bench::run() {
  std::puts("ready");
  std::fflush(stdout);
  for (auto& connection : connections_) {
    const std::string early = connection->take_early();
    if (!early.empty()) take(*connection, early.data(), early.data() + early.size());
  }
  const std::uint64_t wanted = options_.events * connections_.size();
  std::vector<epoll_event> events(256);
  last_ = Clock::now();
  while (!stopped && open_ > 0) {
    const int ready = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 200);
    for (int i = 0; i < ready; ++i)
      readable(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
    const auto now = Clock::now();
    complete_ =
        begun_ && ((wanted != 0 && count_ >= wanted) ||
                   (options_.seconds > 0 && now - began_ >= std::chrono::duration<double>(options_.seconds)));
    if (complete_ || (!options_.idle && now - last_ > kPatience)) return;
  }
}

void Bench::report() const {
  std::vector<std::int64_t> ages = ages_;
  std::sort(ages.begin(), ages.end());
  const auto at = [&](double part) {
    return ages.empty() ? 0.0
                        : static_cast<double>(
                              ages[static_cast<std::size_t>(part * static_cast<double>(ages.size() - 1))]) *
                              1e-3;
  };
  const double seconds = begun_ ? std::chrono::duration<double>(last_ - began_).count() : 0;
  const auto deliveries = static_cast<double>(count_);
  std::printf(
      R"({"complete":%s,"consumers":%zu,"open":%d,"deliveries":%llu,"seconds":%.6f,"per_second":%.0f,"bytes":%llu,"reads":%llu,)"
      R"("cpu_seconds":%.4f,"samples":%zu,"p50_us":%.1f,"p99_us":%.1f,"max_us":%.1f})"
      "\n",
      complete_ ? "true" : "false", connections_.size(), open_, static_cast<unsigned long long>(count_),
      seconds, seconds > 0 ? deliveries / seconds : 0.0, static_cast<unsigned long long>(bytes_),
      static_cast<unsigned long long>(reads_), begun_ ? cpu_seconds() - cpu_ : 0.0, ages.size(), at(0.5),
      at(0.99), at(1));
}

Kind kind_of(const std::string& name) {
  if (name == "ws") return Kind::ws;
  if (name == "sse") return Kind::sse;
  if (name == "unix") return Kind::lines;
  if (name == "direct") return Kind::direct;
  throw std::runtime_error("unknown kind " + name);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--tls")
      options.tls = true;
    else if (name == "--idle")
      options.idle = true;
    else if (i + 1 == argc)
      throw std::runtime_error("a value is missing for " + name);
    else if (name == "--kind")
      options.kind = kind_of(argv[++i]);
    else if (name == "--to")
      options.to = argv[++i];
    else if (name == "--path")
      options.path = argv[++i];
    else if (name == "--login")
      options.login = argv[++i];
    else if (name == "--consumers")
      options.consumers = std::stoi(argv[++i]);
    else if (name == "--events")
      options.events = std::stoull(argv[++i]);
    else if (name == "--seconds")
      options.seconds = std::stod(argv[++i]);
    else if (name == "--warmup")
      options.warmup = std::stod(argv[++i]);
    else if (name == "--sample")
      options.sample_all = std::string_view(argv[++i]) == "all";
    else
      throw std::runtime_error("unknown option " + name);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) try {
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const Options options = parse(argc, argv);
  Bench bench(options);
  bench.connect();
  bench.run();
  bench.report();
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_consumers: %s\n", error.what());
  return 1;
}
