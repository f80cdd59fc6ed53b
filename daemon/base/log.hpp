// Structured logging over spdlog, whose headers stay out of here. One line an event on standard error: text
// for people on a terminal, JSON with `log.format: json`, journald priority prefixes under systemd. Values
// are escaped: control bytes in a payload cannot break a line. Never give it a secret; api keys registered
// with `hide` are masked even so. Thread-safe. The queue is bounded and overruns its oldest lines, so that a
// stuck disk never stops a caller.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace bridge55::log {

enum class Level { trace, debug, info, warning, error };
enum class Format { text, json };

// A named value beside the message: `{"source", name}`. Numbers are printed bare in JSON.
struct Field {
  std::string_view name;
  std::string value;
  bool bare = false;
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(v) {}
  Field(std::string_view n, const std::string& v) : name(n), value(v) {}
  template <class T>
  requires std::is_arithmetic_v<T> Field(std::string_view n, T v)
      : name(n), value(std::to_string(v)), bare(true) {}
};

void start(Level level, Format format);  // once, and again on reload
void flush();                            // at exit: waits until everything is written
void hide(std::string_view secret);      // masks this text as *** in all lines from now on
bool enabled(Level level);

void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void trace(std::string_view m, std::initializer_list<Field> f = {}) {
  if (enabled(Level::trace)) write(Level::trace, m, f);
}
inline void debug(std::string_view m, std::initializer_list<Field> f = {}) {
  if (enabled(Level::debug)) write(Level::debug, m, f);
}
inline void info(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::info, m, f);
}
inline void warning(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::warning, m, f);
}
inline void error(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::error, m, f);
}

}  // namespace bridge55::log
