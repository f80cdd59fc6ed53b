#include "bridges/rabbitmq/trouble.hpp"

#include <array>

namespace bridge55::rabbitmq {
namespace {

struct Meaning {
  std::uint16_t code;
  const char* words;
  bool refused;
};

constexpr std::array<Meaning, 9> kMeanings{{
    {311, "a message is larger than the broker allows", true},
    {312, "no route", true},
    {320, "the broker closed the connection", false},
    {402, "the broker does not know the virtual host", true},
    {403, "access refused", true},
    {404, "the exchange or queue does not exist", true},
    {405, "the queue is locked by another connection", true},
    {406, "exchange or queue exists with other arguments", true},
    {530, "the broker does not allow it", true},
}};

}  // namespace

Trouble closed_by_broker(std::uint16_t code, std::string_view text) {
  const char* words = "the broker reported an error";
  bool refused = false;
  for (const Meaning& each : kMeanings) {
    if (each.code != code) continue;
    words = each.words;
    refused = each.refused;
  }
  return {std::string(words) + ": " + std::to_string(code) + " " + std::string(text), refused};
}

}  // namespace bridge55::rabbitmq
