// Counters, gauges and histograms in Prometheus' text format
// (https://prometheus.io/docs/instrumenting/exposition_formats/). A value lives as long as the registry, so
// callers keep the reference and bump it without a look-up. Increments are relaxed atomics and may come from
// any thread; families and series are made on the I/O thread only. The registry caps the series of a family
// at 10,000 (labels can come from upstream); what is beyond is counted under the label values "other".
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Value {  // counter or gauge
 public:
  void add(std::int64_t n = 1) { v_.fetch_add(n, std::memory_order_relaxed); }
  void set(std::int64_t n) { v_.store(n, std::memory_order_relaxed); }
  std::int64_t get() const { return v_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> v_{0};
};

// Fixed bucket bounds in microseconds; printed in seconds.
class Histogram {
 public:
  Histogram();
  void record_micros(std::int64_t micros);

 private:
  friend class Registry;
  std::vector<std::atomic<std::uint64_t>> buckets_;
  std::atomic<std::uint64_t> sum_micros_{0};
};

class Registry {
 public:
  Registry();
  ~Registry();
  Value& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Value& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {});
  // Announces a family before it has a series, so that a scrape shows its HELP and TYPE from the start.
  void declare(std::string_view name, std::string_view help, std::string_view type) {
    family(name, help, type);
  }
  // A gauge that is computed when somebody looks; `scale` divides (1e6 for microseconds shown as seconds).
  void computed(std::string_view name, std::string_view help, const Labels& labels,
                std::function<double()> read);
  // Removes every series of every family that has this label pair: for a sink or session that a reload took
  // away.
  void drop(std::string_view label, std::string_view value);
  std::string render() const;

 private:
  struct Family;
  Family& family(std::string_view name, std::string_view help, std::string_view type);
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;
};

}  // namespace bridge55::metrics
