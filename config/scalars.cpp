#include "config/scalars.hpp"

#include "config/units.hpp"
#include "config/urls.hpp"

namespace bridge55::config {
namespace {

std::string quoted_json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string string_schema(std::string_view pattern) {
  return R"({"type":"string","pattern":)" + quoted_json(pattern) + "}";
}

template <class T>
Scalar any_integer(Range<unsigned> range, T set, std::function<std::optional<std::string>()> get) {
  Scalar out;
  const std::string from = std::to_string(range.from);
  const std::string to = std::to_string(range.to);
  out.bare = true;
  out.expected = "a whole number from " + from + " to " + to;
  out.schema = R"({"type":"integer","minimum":)" + from + R"(,"maximum":)" + to + "}";
  out.set = [range, set](const std::string& text) -> std::string {
    const auto value = parse_integer(text);
    if (!value) return "is not a whole number";
    if (*value < range.from || *value > range.to) return "is out of range";
    set(static_cast<unsigned>(*value));
    return "";
  };
  out.get = std::move(get);
  return out;
}

std::string duration_fault(const std::optional<Duration>& value, Range<Duration> range) {
  if (!value) return "is not a duration";
  return *value < range.from || *value > range.to ? "is out of range" : "";
}

std::string duration_range(Range<Duration> range) {
  return "a duration from " + print_duration(range.from) + " to " + print_duration(range.to) +
         ", such as 500ms, 5s, 2min, 1h or 7d";
}

constexpr std::string_view duration_pattern = "^(0|[1-9][0-9]*)(ms|s|min|h|d)$";

// A value with a parser and a printer of its own.
template <class T>
Scalar parsed(T& field, std::string wrong, std::optional<T> (*parse)(std::string_view),
              std::string (*print)(const T&)) {
  Scalar out;
  out.set = [&field, wrong = std::move(wrong), parse](const std::string& text) -> std::string {
    const auto value = parse(text);
    if (!value) return wrong;
    field = *value;
    return "";
  };
  out.get = [&field, print] { return std::optional(print(field)); };
  return out;
}

std::string print_octal(const unsigned& mode) {
  return print_mode(mode);
}

}  // namespace

Scalar boolean(bool& field) {
  Scalar out;
  out.bare = true;
  out.expected = "true or false";
  out.schema = R"({"type":"boolean"})";
  out.set = [&field](const std::string& text) -> std::string {
    const auto value = parse_boolean(text);
    if (!value) return "is not a boolean";
    field = *value;
    return "";
  };
  out.get = [&field] { return std::optional<std::string>(field ? "true" : "false"); };
  return out;
}

Scalar integer(unsigned& field, Range<unsigned> range) {
  return any_integer(
      range, [&field](unsigned value) { field = value; },
      [&field] { return std::optional(std::to_string(field)); });
}

Scalar integer(std::uint16_t& field, Range<unsigned> range) {
  return any_integer(
      range, [&field](unsigned value) { field = static_cast<std::uint16_t>(value); },
      [&field] { return std::optional(std::to_string(field)); });
}

Scalar optional_integer(std::optional<unsigned>& field, Range<unsigned> range) {
  const auto get = [&field] { return field ? std::optional(std::to_string(*field)) : std::nullopt; };
  return any_integer(
      range, [&field](unsigned value) { field = value; }, get);
}

Scalar duration(Duration& field, Range<Duration> range) {
  Scalar out;
  out.expected = duration_range(range);
  out.schema = string_schema(duration_pattern);
  out.set = [&field, range](const std::string& text) {
    const auto value = parse_duration(text);
    auto fault = duration_fault(value, range);
    if (fault.empty()) field = *value;
    return fault;
  };
  out.get = [&field] { return std::optional(print_duration(field)); };
  return out;
}

Scalar duration_or_off(std::optional<Duration>& field, Range<Duration> range) {
  Scalar out;
  out.expected = duration_range(range) + ", or off";
  out.schema = string_schema("^(0|[1-9][0-9]*)(ms|s|min|h|d)$|^off$");
  out.set = [&field, range](const std::string& text) {
    const auto value = parse_duration(text);
    auto fault = text == "off" ? std::string() : duration_fault(value, range);
    if (fault.empty()) field = text == "off" ? std::nullopt : value;
    return fault;
  };
  out.get = [&field] { return std::optional(field ? print_duration(*field) : "off"); };
  return out;
}

Scalar size(Bytes& field, Range<Bytes> range) {
  Scalar out;
  out.expected =
      "a size from " + print_size(range.from) + " to " + print_size(range.to) + ", such as 64KiB or 2GiB";
  out.schema = string_schema("^(0|[1-9][0-9]*)(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$");
  out.set = [&field, range](const std::string& text) -> std::string {
    const auto value = parse_size(text);
    if (!value) return "is not a size";
    if (value->count < range.from.count || value->count > range.to.count) return "is out of range";
    field = *value;
    return "";
  };
  out.get = [&field] { return std::optional(print_size(field)); };
  return out;
}

Scalar file_mode(unsigned& field) {
  Scalar out = parsed<unsigned>(field, "is not a file mode", parse_mode, print_octal);
  out.expected = "an octal file mode from 0000 to 0777, such as \"0660\"";
  out.schema = R"({"type":["string","integer"],"pattern":"^0?[0-7]{3}$"})";
  return out;
}

Scalar rate(RateLimit& field) {
  Scalar out = parsed<RateLimit>(field, "is not a rate", parse_rate, print_rate);
  out.set = [&field, parse = out.set](const std::string& text) {
    const unsigned burst = field.burst;
    auto fault = parse(text);
    field.burst = burst;
    return fault;
  };
  out.expected = "N/s or N/min, N from 1 to 1000000, such as 60/min";
  out.schema = string_schema("^[1-9][0-9]*/(s|min)$");
  return out;
}

Scalar reserve(Reserve& field) {
  Scalar out = parsed<Reserve>(field, "is not a reserve", parse_reserve, print_reserve);
  out.expected = "a share of the limit from 0% to 90%, such as 10%, or a count from 1 to 1000000";
  out.schema =
      R"({"anyOf":[{"type":"string","pattern":"^[0-9]+([.][0-9]+)?%$"},{"type":"integer","minimum":1,"maximum":1000000}]})";
  return out;
}

Scalar decimal(std::string& field) {
  Scalar out;
  out.expected = "an amount such as 500 or 0.25";
  out.schema =
      R"({"anyOf":[{"type":"number","minimum":0},{"type":"string","pattern":"^[0-9]+([.][0-9]+)?$"}]})";
  out.set = [&field](const std::string& text) -> std::string {
    if (!is_decimal(text)) return "is not an amount";
    field = text;
    return "";
  };
  out.get = [&field] { return std::optional(field); };
  return out;
}

Scalar text(std::string& field, const TextRule& rule) {
  Scalar out;
  out.expected = rule.expected;
  out.schema = R"({"type":"string"})";
  out.set = [&field, rule](const std::string& value) {
    auto fault = rule.fault(value);
    if (fault.empty()) field = value;
    return fault;
  };
  out.get = [&field] { return std::optional(field); };
  return out;
}

Scalar text_or_none(std::string& field, const TextRule& rule) {
  Scalar out = text(field, rule);
  out.get = [&field] { return field.empty() ? std::nullopt : std::optional(field); };
  return out;
}

Scalar masked_text(std::string& field, const TextRule& rule) {
  Scalar out = text(field, rule);
  out.secret = true;
  out.get = [&field] { return std::optional<std::string>(field.empty() ? "" : "***"); };
  return out;
}

Scalar secret(Secret& field, const TextRule& rule) {
  Scalar out;
  out.secret = true;
  out.expected = rule.expected;
  out.schema = R"({"type":"string"})";
  out.set = [&field, rule](const std::string& value) {
    auto fault = rule.fault(value);
    if (fault.empty()) field = Secret(value);
    return fault;
  };
  out.get = [&field] { return field.empty() ? std::nullopt : std::optional<std::string>("***"); };
  return out;
}

Scalar url(std::string& field, const TextRule& rule) {
  Scalar out = text(field, rule);
  out.secret = true;
  out.get = [&field] { return field.empty() ? std::nullopt : std::optional(masked_url(field)); };
  return out;
}

Scalar secret_url(Secret& field, const TextRule& rule) {
  Scalar out = secret(field, rule);
  out.get = [&field] { return field.empty() ? std::nullopt : std::optional(masked_url(field.reveal())); };
  return out;
}

Scalar choice_of(const std::vector<std::string_view>& words, std::function<void(std::size_t)> set,
                 std::function<std::size_t()> get) {
  Scalar out;
  std::string list;
  std::string json;
  for (const std::string_view word : words) {
    list += (list.empty() ? "" : ", ") + std::string(word);
    json += (json.empty() ? "" : ",") + quoted_json(word);
  }
  out.expected = "one of " + list;
  out.schema = R"({"enum":[)" + json + "]}";
  out.set = [words, set = std::move(set)](const std::string& text) -> std::string {
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) return "is not known here";
    set(static_cast<std::size_t>(found - words.begin()));
    return "";
  };
  out.get = [words, get = std::move(get)]() -> std::optional<std::string> {
    const std::size_t i = get();
    return i < words.size() ? std::optional(std::string(words[i])) : std::nullopt;
  };
  return out;
}

Scalar one_of(std::string& field, std::span<const std::string_view> words) {
  const auto position = [&field, words] {
    return static_cast<std::size_t>(std::find(words.begin(), words.end(), field) - words.begin());
  };
  return choice_of(
      {words.begin(), words.end()}, [&field, words](std::size_t i) { field = words[i]; }, position);
}

namespace {

template <class T>
Scalars scalars_of(std::vector<T>& field, const TextRule& rule, Scalar (*make)(T&, const TextRule&)) {
  Scalars out;
  out.size = [&field] { return field.size(); };
  out.resize = [&field](std::size_t n) { field.resize(n); };
  out.at = [&field, rule, make](std::size_t i) { return make(field[i], rule); };
  return out;
}

}  // namespace

Scalars texts(std::vector<std::string>& field, const TextRule& rule) {
  return scalars_of(field, rule, text);
}

Scalars one_or_more_texts(std::vector<std::string>& field, const TextRule& rule) {
  Scalars out = texts(field, rule);
  out.alone = true;
  return out;
}

Scalars masked_texts(std::vector<std::string>& field, const TextRule& rule) {
  return scalars_of(field, rule, masked_text);
}

Scalars secret_urls(std::vector<Secret>& field, const TextRule& rule) {
  Scalars out = scalars_of(field, rule, secret_url);
  out.alone = true;
  return out;
}

}  // namespace bridge55::config
