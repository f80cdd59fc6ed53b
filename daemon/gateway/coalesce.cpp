#include "daemon/gateway/coalesce.hpp"

#include <algorithm>

namespace bridge55::gateway {

namespace {

using std::chrono::milliseconds;

// What a kept answer costs beside its bytes: nodes, strings and the index.
constexpr std::size_t kOverhead = 512;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    c = lower(c);
  return out;
}

// Every field behind its length, so that no two requests can spell the same key.
void add(std::string& key, std::string_view field) {
  key += std::to_string(field.size());
  key += ':';
  key += field;
}

std::string key_of(const Coalesce::Request& request) {
  std::vector<std::pair<std::string, std::string_view>> headers;
  headers.reserve(request.headers.size());
  for (const auto& [name, value] : request.headers) {
    std::string lowered = lower(name);
    if (lowered != "cache-control" && lowered != "pragma") headers.emplace_back(std::move(lowered), value);
  }
  // Values of one name keep their order: it can mean something.
  std::stable_sort(headers.begin(), headers.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string key;
  add(key, request.method);
  add(key, request.path);
  add(key, request.query);
  for (const auto& [name, value] : headers) {
    add(key, name);
    add(key, value);
  }
  return key;
}

bool directive(std::string_view cache_control, std::string_view wanted) {
  while (!cache_control.empty()) {
    const std::size_t comma = std::min(cache_control.find(','), cache_control.size());
    std::string_view item = cache_control.substr(0, comma);
    cache_control.remove_prefix(std::min(comma + 1, cache_control.size()));
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t'))
      item.remove_prefix(1);
    item = item.substr(0, std::min(item.find_last_not_of(" \t") + 1, item.size()));
    if (lower(item) == wanted) return true;
  }
  return false;
}

std::string forwarded(const char* why) {
  return std::string("bridge55; fwd=") + why;
}

}  // namespace

bool path_matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with("/*")) return pattern == path;
  pattern.remove_suffix(1);
  return path.size() > pattern.size() && path.starts_with(pattern);
}

std::size_t SharedAnswer::bytes() const {
  std::size_t sum = body.size();
  for (const auto& [name, value] : headers)
    sum += name.size() + value.size() + sizeof headers.front();
  return sum;
}

void Coalesce::configure(Settings settings) {
  settings_ = std::move(settings);
  clear();
  for (auto& [id, flight] : flights_)
    flight.lifetime = milliseconds(0);
}

Coalesce::Policy Coalesce::policy(std::string_view path) const {
  Policy out;
  for (const std::string& pattern : settings_.share)
    out.share = out.share || path_matches(pattern, path);
  std::size_t longest = 0;  // the most precise pattern decides, and an exact one is the longest that matches
  for (const auto& [pattern, lifetime] : settings_.cache)
    if (pattern.size() >= longest && path_matches(pattern, path))
      longest = pattern.size(), out.lifetime = lifetime;
  return out;
}

Coalesce::Asked Coalesce::ask(const Request& request, SteadyTime now) {
  const Policy policy = request.method == "GET" ? this->policy(request.path) : Policy{};
  if (!policy.share && policy.lifetime == milliseconds(0)) return {};
  if (directive(request.cache_control, "no-store")) return {Way::alone, 0, nullptr, forwarded("request")};
  std::string key = key_of(request);
  if (directive(request.cache_control, "no-cache") || directive(request.cache_control, "max-age=0"))
    return lead(std::move(key), policy, "request");

  const char* why = "uri-miss";
  if (const auto kept = kept_.find(key); kept != kept_.end()) {
    const auto at = kept->second;
    if (now < at->until) {
      order_.splice(order_.begin(), order_, at);
      const auto ttl = std::chrono::floor<std::chrono::seconds>(at->until - now).count();
      return {Way::hit, 0, at->answer, "bridge55; hit; ttl=" + std::to_string(ttl)};
    }
    drop(at);
    why = "stale";
  }
  if (const auto flying = joinable_.find(key); policy.share && flying != joinable_.end()) {
    Flying& flight = flights_.at(flying->second);
    if (flight.epoch == epoch_) {
      ++flight.waiting;
      return {Way::follow, flying->second, nullptr, "bridge55; fwd=miss; collapsed"};
    }
  }
  return lead(std::move(key), policy, why);
}

Coalesce::Asked Coalesce::lead(std::string key, const Policy& policy, const char* why) {
  const Flight flight = ++last_;
  if (policy.share) joinable_[key] = flight;
  flights_.emplace(flight, Flying{std::move(key), epoch_, ended_, policy.lifetime, 1});
  return {Way::lead, flight, nullptr, forwarded(why)};
}

// A write that runs or ran since the flight began may have changed what it saw.
bool Coalesce::keepable(const Flying& flight, unsigned status, std::size_t bytes) const {
  return flight.lifetime > milliseconds(0) && status == 200 && flight.epoch == epoch_ && writing_ == 0 &&
         bytes <= settings_.max_answer;
}

Coalesce::Finished Coalesce::finish(Flight id, SharedAnswerPtr answer, SteadyTime now) {
  const auto found = flights_.find(id);
  if (found == flights_.end()) return {};
  Flying flight = std::move(found->second);
  flights_.erase(found);
  if (const auto own = joinable_.find(flight.key); own != joinable_.end() && own->second == id)
    joinable_.erase(own);
  if (!answer) return {};
  Finished out{.stored = keepable(flight, answer->status, answer->bytes()), .serves = flight.ended == ended_};
  if (out.stored) keep(std::move(flight), std::move(answer), now);
  return out;
}

void Coalesce::keep(Flying flight, SharedAnswerPtr answer, SteadyTime now) {
  if (const auto old = kept_.find(flight.key); old != kept_.end()) drop(old->second);
  const std::size_t bytes = answer->bytes() + flight.key.size() + kOverhead;
  order_.push_front({std::move(flight.key), std::move(answer), now + flight.lifetime, bytes});
  kept_.emplace(order_.front().key, order_.begin());
  bytes_ += bytes;
  while (bytes_ > settings_.max_total)
    drop(std::prev(order_.end()));
}

bool Coalesce::leave(Flight id) {
  const auto found = flights_.find(id);
  if (found == flights_.end()) return false;
  if (--found->second.waiting > 0) return false;
  if (const auto own = joinable_.find(found->second.key); own != joinable_.end() && own->second == id)
    joinable_.erase(own);
  flights_.erase(found);
  return true;
}

void Coalesce::write_began() {
  ++writing_;
  ++epoch_;
  clear();
}

void Coalesce::write_ended() {
  if (writing_ > 0) --writing_;
  ++epoch_;
  ++ended_;
  clear();
}

void Coalesce::drop(Order::iterator kept) {
  bytes_ -= kept->bytes;
  kept_.erase(kept->key);
  order_.erase(kept);
}

void Coalesce::clear() {
  kept_.clear();
  order_.clear();
  bytes_ = 0;
}

}  // namespace bridge55::gateway
