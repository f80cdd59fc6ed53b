#include "daemon/base/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bridge55::metrics {
namespace {

constexpr std::size_t kMostSeries = 10'000;
constexpr std::int64_t kBounds[] = {25,        50,        100,       250,        500,       1'000,   2'500,
                                    5'000,     10'000,    25'000,    50'000,     100'000,   250'000, 500'000,
                                    1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000};
constexpr std::size_t kBuckets = std::size(kBounds);

std::string number(double value) {
  char text[40];
  if (value == std::floor(value) && std::fabs(value) < 1e15) {
    std::snprintf(text, sizeof text, "%.0f", value);
  } else {
    std::snprintf(text, sizeof text, "%.9g", value);
  }
  return text;
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (quotes && c == '"') {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string render_labels(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out += out.empty() ? "" : ",";
    out += name + "=\"" + escaped(value, true) + '"';
  }
  return out;
}

std::string braced(const std::string& labels) {
  return labels.empty() ? "" : '{' + labels + '}';
}

}  // namespace

struct Registry::Family {
  struct Series {
    Labels labels;
    Value value;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> read;
  };
  std::string help, type;
  std::map<std::string, std::unique_ptr<Series>> series;  // by rendered labels
  std::vector<std::unique_ptr<Series>> dropped;  // somebody may still hold a reference: kept, not shown

  Series& at(const Labels& labels) {
    std::string key = render_labels(labels);
    auto found = series.find(key);
    if (found == series.end() && series.size() >= kMostSeries) {
      Labels folded = labels;
      for (auto& label : folded)
        label.second = "other";
      key = render_labels(folded);
      found = series.find(key);
      if (found == series.end()) found = series.emplace(key, std::make_unique<Series>()).first;
      found->second->labels = folded;
      return *found->second;
    }
    if (found == series.end()) {
      found = series.emplace(key, std::make_unique<Series>()).first;
      found->second->labels = labels;
    }
    return *found->second;
  }
};

Histogram::Histogram() : buckets_(kBuckets + 1) {}

void Histogram::record_micros(std::int64_t micros) {
  const auto bucket = static_cast<std::size_t>(
      std::lower_bound(std::begin(kBounds), std::end(kBounds), micros) - std::begin(kBounds));
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_micros_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(micros, 0)),
                        std::memory_order_relaxed);
}

Registry::Registry() = default;
Registry::~Registry() = default;

Registry::Family& Registry::family(std::string_view name, std::string_view help, std::string_view type) {
  auto found = families_.find(name);
  if (found == families_.end()) {
    found = families_.emplace(std::string(name), std::make_unique<Family>()).first;
    found->second->help = help;
    found->second->type = type;
  }
  return *found->second;
}

Value& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return family(name, help, "counter").at(labels).value;
}

Value& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return family(name, help, "gauge").at(labels).value;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, const Labels& labels) {
  auto& series = family(name, help, "histogram").at(labels);
  if (!series.histogram) series.histogram = std::make_unique<Histogram>();
  return *series.histogram;
}

void Registry::computed(std::string_view name, std::string_view help, const Labels& labels,
                        std::function<double()> read) {
  family(name, help, "gauge").at(labels).read = std::move(read);
}

void Registry::drop(std::string_view label, std::string_view value) {
  for (auto& [name, family] : families_) {
    for (auto it = family->series.begin(); it != family->series.end();) {
      const auto& labels = it->second->labels;
      const bool hit = std::any_of(labels.begin(), labels.end(),
                                   [&](const auto& l) { return l.first == label && l.second == value; });
      if (!hit) {
        ++it;
        continue;
      }
      it->second->read = nullptr;  // what it looks at may be gone
      family->dropped.push_back(std::move(it->second));
      it = family->series.erase(it);
    }
  }
}

std::string Registry::render() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    out += "# HELP " + name + ' ' + escaped(family->help, false) + "\n# TYPE " + name + ' ' + family->type +
           '\n';
    for (const auto& [labels, series] : family->series) {
      if (!series->histogram) {
        const double value = series->read ? series->read() : static_cast<double>(series->value.get());
        out += name + braced(labels) + ' ' + number(value) + '\n';
        continue;
      }
      const std::string separator = labels.empty() ? "" : labels + ",";
      std::uint64_t total = 0;
      for (std::size_t i = 0; i <= kBuckets; ++i) {
        total += series->histogram->buckets_[i].load(std::memory_order_relaxed);
        const std::string bound = i == kBuckets ? "+Inf" : number(static_cast<double>(kBounds[i]) / 1e6);
        out += name + "_bucket{" + separator + "le=\"" + bound + "\"} " + std::to_string(total) + '\n';
      }
      out +=
          name + "_sum" + braced(labels) + ' ' +
          number(static_cast<double>(series->histogram->sum_micros_.load(std::memory_order_relaxed)) / 1e6) +
          '\n';
      out += name + "_count" + braced(labels) + ' ' + std::to_string(total) + '\n';
    }
  }
  return out;
}

}  // namespace bridge55::metrics
