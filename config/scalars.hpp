// The kinds of values of the config file: each makes a Scalar that reads, prints and describes one field.
#pragma once

#include "config/config.hpp"
#include "config/visitor.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::config {

template <class T>
struct Range {
  T from, to;
};

Scalar boolean(bool& field);
Scalar integer(unsigned& field, Range<unsigned> range);
Scalar integer(std::uint16_t& field, Range<unsigned> range);
Scalar optional_integer(std::optional<unsigned>& field, Range<unsigned> range);
Scalar duration(Duration& field, Range<Duration> range);
Scalar duration_or_off(std::optional<Duration>& field, Range<Duration> range);
Scalar size(Bytes& field, Range<Bytes> range);
Scalar file_mode(unsigned& field);
Scalar rate(RateLimit& field);
Scalar reserve(Reserve& field);
Scalar decimal(std::string& field);

// What a text must be: `fault` tells what is wrong with it, empty where nothing is.
struct TextRule {
  std::string_view expected;
  std::string (*fault)(const std::string& text);
};
Scalar text(std::string& field, const TextRule& rule);
Scalar text_or_none(std::string& field, const TextRule& rule);  // left out of what is shown where it is empty
Scalar secret(Secret& field, const TextRule& rule);
Scalar masked_text(std::string& field, const TextRule& rule);  // a plain string that may hold a secret
Scalar url(std::string& field, const TextRule& rule);  // never quoted; shown without password and query
Scalar secret_url(Secret& field, const TextRule& rule);

namespace rules {
extern const TextRule any;        // any text, empty too
extern const TextRule not_empty;  // no control characters
extern const TextRule word;       // not empty, no white space
extern const TextRule name;       // units.hpp: is_name
extern const TextRule api_key;    // goes into a header line
extern const TextRule absolute_path;
extern const TextRule socket_path;  // absolute, at most 107 bytes (sun_path)
extern const TextRule http_token;
extern const TextRule header_value;
extern const TextRule host;
extern const TextRule url_path;  // begins with `/`, may end in `*`
extern const TextRule http_url, ws_url, http_target, ws_target, proxy_url, amqp_url;
extern const TextRule origin;
extern const TextRule amqp_name;     // 1 to 255 bytes
extern const TextRule amqp_pattern;  // 0 to 255 bytes
extern const TextRule exchange_type;
extern const TextRule envelope_path;  // dotted, begins with a member of the envelope
extern const TextRule frame_path;     // dotted
extern const TextRule message_template;
extern const TextRule regex;
extern const TextRule method;
extern const TextRule scope;
}  // namespace rules

// A word out of a table; the first row with a value is the one that is printed.
template <class E>
using Words = std::span<const std::pair<std::string_view, E>>;

Scalar choice_of(const std::vector<std::string_view>& words, std::function<void(std::size_t)> set,
                 std::function<std::size_t()> get);
// The same for a field that holds the word itself.
Scalar one_of(std::string& field, std::span<const std::string_view> words);

template <class E>
Scalar choice(E& field, Words<E> words) {
  std::vector<std::string_view> names;
  names.reserve(words.size());
  for (const auto& word : words)
    names.push_back(word.first);
  const auto position = [&field, words] {
    const auto found =
        std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.second == field; });
    return static_cast<std::size_t>(found - words.begin());
  };
  return choice_of(
      std::move(names), [&field, words](std::size_t i) { field = words[i].second; }, position);
}

Scalars texts(std::vector<std::string>& field, const TextRule& rule);
Scalars one_or_more_texts(std::vector<std::string>& field, const TextRule& rule);
Scalars masked_texts(std::vector<std::string>& field, const TextRule& rule);
Scalars secret_urls(std::vector<Secret>& field, const TextRule& rule);

template <class T>
Dictionary dictionary_of(std::map<std::string, T>& field, std::string_view key_help, const TextRule& names,
                         Scalar (*make)(T& value)) {
  Dictionary out;
  out.key_help = key_help;
  out.refuse = [names](const std::string& name) { return names.fault(name); };
  out.names = [&field] {
    std::vector<std::string> all;
    all.reserve(field.size());
    for (const auto& entry : field)
      all.push_back(entry.first);
    return all;
  };
  out.at = [&field, make](const std::string& name) { return make(field[name]); };
  return out;
}

template <class T>
Sections list_of(std::vector<T>& field, void (*describe)(Visitor&, T&)) {
  Sections out;
  out.size = [&field] { return field.size(); };
  out.add = [&field](const std::string&) { field.emplace_back(); };
  out.describe = [&field, describe](std::size_t i, Visitor& visitor) { describe(visitor, field[i]); };
  return out;
}

template <class T>
Sections named(std::vector<T>& field, void (*describe)(Visitor&, T&)) {
  Sections out = list_of(field, describe);
  out.named = true;
  out.add = [&field](const std::string& name) { field.emplace_back().name = name; };
  out.name = [&field](std::size_t i) { return field[i].name; };
  return out;
}

template <class T>
Sections optional_list_of(std::optional<std::vector<T>>& field, void (*describe)(Visitor&, T&)) {
  Sections out;
  out.begin = [&field] { field.emplace(); };
  out.present = [&field] { return field.has_value(); };
  out.size = [&field] { return field->size(); };
  out.add = [&field](const std::string&) { field->emplace_back(); };
  out.describe = [&field, describe](std::size_t i, Visitor& visitor) { describe(visitor, (*field)[i]); };
  return out;
}

}  // namespace bridge55::config
