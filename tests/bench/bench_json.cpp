// What reading an order frame costs. The budget (daemon/events/json.hpp): validation, cutting and one payload
// field below 1 µs.
#include "daemon/events/json.hpp"

#include <benchmark/benchmark.h>
#include <cstring>
#include <string>
#include <string_view>

namespace {

namespace json = bridge55::json;

constexpr std::string_view kOrder =
    R"({"type":"data","channel":"orders","event":"UPDATE","seq":48211,"ts":1771183909789,"subscription":1,"payload":{"orderId":327,)"
    R"("requestUuid":"eb45b192-317b-42d5-9f65-af497b9fa8c1","client":"demo","clientName":"demo","fixtureId":"id1000004461512432",)"
    R"("outcomeId":103,"playerId":0,"orderPrice":1.95,"orderStake":10.0,"filledStake":10.0,"remainingStake":0.0,"orderStatus":"FILLED",)"
    R"("orderCurrency":"USD","userRef":"strategy-7","testOrder":false,"bookmakers":"pinnacle,sbobet","acceptBetterOdds":true,)"
    R"("acceptPartialStake":true,"back":true,"expiresAt":"2026-02-15T19:31:54.789Z","createdAt":"2026-02-15T19:31:49.101Z",)"
    R"("meta":{"model":"v3","edge":0.021,"tags":["a","b"]}}})";

struct Padded {
  explicit Padded(std::string_view text) : bytes(text) {
    bytes.resize(text.size() + json::kPadding, '\0'), size = text.size();
  }
  std::string_view view() const { return {bytes.data(), size}; }
  std::string bytes;
  std::size_t size = 0;
};

struct Cut {
  std::string_view channel, event, seq, ts, payload;
};

Cut cut(std::string_view frame) {
  Cut parts;
  json::members(frame, [&](std::string_view key, std::string_view value) {
    if (key == "channel") parts.channel = value;
    if (key == "event") parts.event = value;
    if (key == "seq") parts.seq = value;
    if (key == "ts") parts.ts = value;
    if (key == "payload") parts.payload = value;
    return true;
  });
  return parts;
}

void bytes_of(benchmark::State& state, std::size_t size) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(size));
}

void order_frame_whole(benchmark::State& state) {
  const Padded frame(kOrder);
  for (auto _ : state) {
    benchmark::DoNotOptimize(json::validate(frame.view()));
    const Cut parts = cut(frame.view());
    benchmark::DoNotOptimize(json::find(parts.payload, "orderId"));
  }
  bytes_of(state, kOrder.size());
}
BENCHMARK(order_frame_whole);

void order_frame_validate(benchmark::State& state) {
  const Padded frame(kOrder);
  for (auto _ : state)
    benchmark::DoNotOptimize(json::validate(frame.view()));
  bytes_of(state, kOrder.size());
}
BENCHMARK(order_frame_validate);

void order_frame_cut(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(cut(kOrder));
}
BENCHMARK(order_frame_cut);

void order_frame_find_last_field(benchmark::State& state) {
  const Cut parts = cut(kOrder);
  for (auto _ : state)
    benchmark::DoNotOptimize(json::find(parts.payload, "meta.edge"));
}
BENCHMARK(order_frame_find_last_field);

// A number beyond 64 bits sends the frame through the check of our own.
void order_frame_with_a_huge_number(benchmark::State& state) {
  std::string text(kOrder);
  text.replace(text.find("48211"), 5, std::string(30, '9'));
  const Padded frame(text);
  for (auto _ : state)
    benchmark::DoNotOptimize(json::validate(frame.view()));
  bytes_of(state, text.size());
}
BENCHMARK(order_frame_with_a_huge_number);

void one_mebibyte_of_orders(benchmark::State& state) {
  std::string text = "[";
  while (text.size() < (1u << 20))
    text.append(kOrder).append(",");
  text.back() = ']';
  const Padded frame(text);
  for (auto _ : state)
    benchmark::DoNotOptimize(json::validate(frame.view()));
  bytes_of(state, text.size());
}
BENCHMARK(one_mebibyte_of_orders);

void compare_two_decimals(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(json::compare_numbers("1771183909789.50", "1771183909789.5e0"));
}
BENCHMARK(compare_two_decimals);

}  // namespace

BENCHMARK_MAIN();
