#include "daemon/base/log.hpp"

#include "daemon/base/clock.hpp"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <unistd.h>
#include <vector>

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace bridge55::log {
namespace {

constexpr std::size_t kQueue = 8192;

struct State {
  std::mutex mutex;  // guards secrets and the logger's replacement
  std::vector<std::string> secrets;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;
  std::atomic<Level> level{Level::info};
  std::atomic<Format> format{Format::text};
  bool journald =
      std::getenv("JOURNAL_STREAM") != nullptr;  // NOLINT(concurrency-mt-unsafe): read before any thread
  bool terminal = ::isatty(STDERR_FILENO) == 1;
};

State& state() {
  static State s;
  return s;
}

struct Shown {
  const char* name;
  const char* color;
  int priority;  // sd-daemon(3)
};
constexpr Shown kLevels[] = {{"trace", "\x1b[2m", 7},
                             {"debug", "\x1b[2m", 7},
                             {"info", "", 6},
                             {"warning", "\x1b[33m", 4},
                             {"error", "\x1b[31m", 3}};

// One line an event whatever the text holds: control bytes are shown as escapes, in text form and JSON alike.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  static constexpr char digits[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else if (quotes && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, true);
  out += '"';
}

std::string as_json(Level level, std::string_view message, std::initializer_list<Field> fields) {
  std::string out = R"({"time":")" + rfc3339(wall_now()) + R"(","level":")" +
                    kLevels[static_cast<int>(level)].name + R"(","message":)";
  append_json(out, message);
  for (const Field& field : fields) {
    out += ',';
    append_json(out, field.name);
    out += ':';
    if (field.bare) {
      out += field.value;
    } else {
      append_json(out, field.value);
    }
  }
  return out + '}';
}

std::string as_text(Level level, std::string_view message, std::initializer_list<Field> fields) {
  const State& s = state();
  const Shown& shown = kLevels[static_cast<int>(level)];
  std::string out;
  if (!s.journald) out += rfc3339(wall_now()).substr(11, 12) + ' ';  // journald has its own clock
  if (s.terminal) out += shown.color;
  if (!s.journald) {
    out += shown.name;
    out.append(8 - std::string_view(shown.name).size(), ' ');
  }
  append_escaped(out, message, false);
  for (const Field& field : fields) {
    out += "  ";
    out += field.name;
    out += '=';
    const bool quote = !field.bare && field.value.find_first_of(" =\"") != std::string::npos;
    if (quote) out += '"';
    append_escaped(out, field.value, quote);
    if (quote) out += '"';
  }
  if (s.terminal && *shown.color != '\0') out += "\x1b[0m";
  return out;
}

void mask(std::string& line, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    for (std::size_t at = line.find(secret); at != std::string::npos; at = line.find(secret, at + 3))
      line.replace(at, secret.size(), "***");
  }
}

}  // namespace

void start(Level level, Format format) {
  State& s = state();
  s.level = level;
  s.format = format;
  const std::lock_guard lock(s.mutex);
  if (s.logger) return;
  s.pool = std::make_shared<spdlog::details::thread_pool>(kQueue, 1);
  // Overrun, not block: a stuck disk or terminal behind standard error must not stop the event loop.
  s.logger =
      std::make_shared<spdlog::async_logger>("bridge55", std::make_shared<spdlog::sinks::stderr_sink_mt>(),
                                             s.pool, spdlog::async_overflow_policy::overrun_oldest);
  s.logger->set_pattern("%v");
  s.logger->set_level(spdlog::level::trace);
  s.logger->flush_on(spdlog::level::trace);
}

void flush() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.logger.reset();
  s.pool.reset();  // joins its thread once the queue is written
}

void hide(std::string_view secret) {
  if (secret.size() < 4) return;  // masking shorter ones would eat ordinary words
  State& s = state();
  const std::lock_guard lock(s.mutex);
  for (const std::string& known : s.secrets) {
    if (known == secret) return;
  }
  s.secrets.emplace_back(secret);
}

bool enabled(Level level) {
  return level >= state().level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!enabled(level)) return;
  State& s = state();
  std::string line =
      s.format == Format::json ? as_json(level, message, fields) : as_text(level, message, fields);
  const std::lock_guard lock(s.mutex);
  mask(line, s.secrets);
  if (s.journald) line.insert(0, "<" + std::to_string(kLevels[static_cast<int>(level)].priority) + ">");
  if (s.logger) {
    s.logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  } else {
    line += '\n';
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  }
}

}  // namespace bridge55::log
