#include "tests/sim/life.hpp"

namespace bridge55::sim {

std::uint64_t Random::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::string Random::hex(std::size_t digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(digits, '0');
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (i % 16 == 0) bits = next();
    text[i] = kDigits[bits & 15];
    bits >>= 4;
  }
  return text;
}

std::string Random::uuid() {
  std::string text = hex(8) + '-' + hex(4) + "-4" + hex(3) + "-8" + hex(3) + '-';
  return text + hex(12);
}

std::vector<Fixture> make_fixtures() {
  return {{"id1000004461512432", "AS Roma", "Cagliari Calcio", "Serie A"},
          {"id1000000861624412", "Beşiktaş JK", "Fenerbahçe", "Süper Lig"},
          {"id1000002361061419", "東京ヴェルディ", "横浜F・マリノス", "J1リーグ"},
          {"id1000007712345601", "FC København", "Brøndby IF", "Superliga"},
          {"id1000005530011277", "Śląsk Wrocław", "Legia Warszawa", "Ekstraklasa"},
          {"id1000009900142035", "Спартак", "Зенит ⚽", "Премьер-лига"}};
}

std::string frame_head(Api api, unsigned channel, std::string_view event) {
  std::string head = api == Api::abp ? R"({"type":"data","channel":")" : R"({"type":"broadcast","channel":")";
  head += channels_of(api)[channel].name;
  head += R"(","event":")";
  head += event;
  return head + R"(","payload":)";
}

}  // namespace bridge55::sim
