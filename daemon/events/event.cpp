#include "daemon/events/event.hpp"

#include "daemon/events/json.hpp"
#include "daemon/net/ws_frames.hpp"

#include <charconv>
#include <cstring>

namespace bridge55::events {
namespace {

constexpr char kMetaVersion = 1;

// Seconds change once a million events: the date part of `received_at` is worked out once a second.
void append_received_at(std::string& out, WallMicros at) {
  thread_local std::int64_t cached_second = -1;
  thread_local std::string cached_text;
  const std::int64_t second = at / 1'000'000;
  if (second != cached_second) {
    cached_text = rfc3339(second * 1'000'000).substr(0, 20);  // up to and with the dot
    cached_second = second;
  }
  char micros[6];
  std::int64_t rest = at % 1'000'000;
  for (int i = 5; i >= 0; --i, rest /= 10)
    micros[i] = static_cast<char>('0' + rest % 10);
  out += cached_text;
  out.append(micros, 6);
  out += 'Z';
}

void append_hex(std::string& out, const MessageId& id) {
  static constexpr char digits[] = "0123456789abcdef";
  for (const std::uint8_t byte : id) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
}

void append_number(std::string& out, std::uint64_t value) {
  char text[20];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

// Section 3 of the contract, member by member.
void append_envelope(std::string& out, const Event::Stamp& stamp, const Facts& facts) {
  out += R"({"id":")";
  append_number(out, stamp.id);
  out += R"(","message_id":")";
  append_hex(out, stamp.message_id);
  out += R"(","source":)";
  json::append_quoted(out, facts.source);
  out += R"(,"channel":)";
  json::append_quoted(out, facts.channel);
  out += R"(,"event":)";
  json::append_quoted(out, facts.name);
  if (!facts.key.empty()) {
    out += R"(,"key":)";
    json::append_quoted(out, facts.key);
  }
  out += R"(,"received_at":")";
  append_received_at(out, stamp.received_at);
  out += '"';
  if (!facts.seq.empty() || !facts.ts.empty() || !facts.subscription.empty()) {
    const char* separator = R"(,"upstream":{)";
    for (const auto& [name, token] :
         {std::pair{"seq", facts.seq}, {"ts", facts.ts}, {"subscription", facts.subscription}}) {
      if (token.empty()) continue;
      out += separator;
      out += '"';
      out += name;
      out += "\":";
      out += token;
      separator = ",";
    }
    out += '}';
  }
  if (facts.recovered) out += R"(,"recovered":true)";
  if (facts.base64) out += R"(,"encoding":"base64")";
  if (!facts.relay.empty()) {
    out += R"(,"relay":)";
    out += facts.relay;
  }
  out += R"(,"payload":)";
  out += facts.payload;
  if (!facts.old.empty()) {
    out += R"(,"old":)";
    out += facts.old;
  }
  out += '}';
}

bool has_line_break(std::string_view text) {
  return std::memchr(text.data(), '\n', text.size()) != nullptr ||
         std::memchr(text.data(), '\r', text.size()) != nullptr;
}

bool inside(std::string_view part, std::string_view whole) {
  return !part.empty() && part.data() >= whole.data() &&
         part.data() + part.size() <= whole.data() + whole.size();
}

}  // namespace

EventPtr Event::make(const Stamp& stamp, const Facts& facts) {
  auto event = std::make_shared<Event>(Private{});
  event->stamp_ = stamp;
  event->lay_out(facts);
  return event;
}

void Event::lay_out(const Facts& given) {
  thread_local std::string scratch;
  scratch.clear();
  append_envelope(scratch, stamp_, given);
  const std::string_view raw = given.raw.empty() ? given.payload : given.raw;
  const bool breaks = has_line_break(scratch);

  char id_text[20];
  const std::string_view id{
      id_text, static_cast<std::size_t>(std::to_chars(id_text, id_text + 20, stamp_.id).ptr - id_text)};
  char header[10];
  const std::size_t header_size = ws::server_text_header(scratch.size(), header);
  constexpr std::string_view sse_id = "id: ", sse_data = "\ndata: ", sse_end = "\n\n";
  const std::size_t prefix = sse_id.size() + id.size() + sse_data.size();

  std::size_t size = raw.size() + given.source.size() + given.channel.size() + given.name.size() +
                     given.key.size() + given.seq.size() + given.ts.size() + given.subscription.size() +
                     given.relay.size() + given.about.size() + prefix + header_size + scratch.size() +
                     sse_end.size();
  if (!inside(given.payload, raw)) size += given.payload.size();
  if (!inside(given.old, raw)) size += given.old.size();
  if (breaks) size += scratch.size() + sse_end.size();

  block_ = std::make_unique_for_overwrite<char[]>(size);
  bytes_ = size + sizeof(Event);
  char* at = block_.get();
  const auto put = [&at](std::string_view text) {
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    const std::string_view view{at, text.size()};
    at += text.size();
    return view;
  };

  facts_ = given;
  facts_.raw = put(raw);
  const auto within = [&](std::string_view part) {
    return inside(part, raw)
               ? facts_.raw.substr(static_cast<std::size_t>(part.data() - raw.data()), part.size())
               : put(part);
  };
  facts_.payload = within(given.payload);
  facts_.old = within(given.old);
  facts_.source = put(given.source);
  facts_.channel = put(given.channel);
  facts_.name = put(given.name);
  facts_.key = put(given.key);
  facts_.seq = put(given.seq);
  facts_.ts = put(given.ts);
  facts_.subscription = put(given.subscription);
  facts_.relay = put(given.relay);
  facts_.about = put(given.about);

  const auto tail = [&] {  // an envelope and what a stream puts behind it
    const std::string_view envelope = put(scratch);
    put(sse_end);
    return envelope;
  };
  const char* sse_begin = at;
  put(sse_id);
  put(id);
  put(sse_data);
  sse_head_ = {sse_begin, static_cast<std::size_t>(at - sse_begin)};
  ws_frame_ = put({header, header_size});
  envelope_ = tail();
  ws_frame_ = {ws_frame_.data(), header_size + envelope_.size()};
  line_ = {envelope_.data(), envelope_.size() + 1};
  if (!breaks) return;
  char* copy = at;
  line_ = {copy, tail().size() + 1};
  for (char* c = copy; c != copy + scratch.size(); ++c) {
    if (*c == '\n' || *c == '\r') *c = ' ';
  }
}

std::string Event::message_id_hex() const {
  std::string out;
  append_hex(out, stamp_.message_id);
  return out;
}

// version, flags, message id, then for each view its length (32 bit) and, for payload and old, where in `raw`
// they begin (0xffffffff: in the bytes that follow). What is not in a column of its own follows.
std::string Event::encode_meta() const {
  std::string out;
  const auto number = [&out](std::uint64_t value) { out.append(reinterpret_cast<const char*>(&value), 4); };
  out += kMetaVersion;
  out += static_cast<char>((facts_.recovered ? 1 : 0) | (facts_.base64 ? 2 : 0));
  out.append(reinterpret_cast<const char*>(stamp_.message_id.data()), stamp_.message_id.size());
  const auto offset = [&](std::string_view part) -> std::uint64_t {
    return inside(part, facts_.raw) ? static_cast<std::uint64_t>(part.data() - facts_.raw.data())
                                    : 0xffffffffu;
  };
  number(offset(facts_.payload));
  number(facts_.payload.size());
  number(offset(facts_.old));
  number(facts_.old.size());
  for (const auto part : {facts_.seq, facts_.ts, facts_.subscription, facts_.relay, facts_.about})
    number(part.size());
  for (const auto part : {facts_.seq, facts_.ts, facts_.subscription, facts_.relay, facts_.about})
    out += part;
  if (!inside(facts_.payload, facts_.raw)) out += facts_.payload;
  if (!inside(facts_.old, facts_.raw)) out += facts_.old;
  return out;
}

EventPtr Event::from_row(const Row& row) {
  constexpr std::size_t fixed = 2 + 16 + 9 * 4;
  const std::string_view meta = row.meta;
  if (meta.size() < fixed || meta[0] != kMetaVersion) return nullptr;
  Stamp stamp{row.id, row.received_at, {}};
  std::memcpy(stamp.message_id.data(), meta.data() + 2, 16);
  std::uint32_t numbers[9];
  std::memcpy(numbers, meta.data() + 18, sizeof numbers);
  std::size_t at = fixed;
  bool sound = true;
  const auto take = [&](std::size_t size) {
    sound = sound && size <= meta.size() - at;
    if (!sound) return std::string_view{};
    at += size;
    return meta.substr(at - size, size);
  };
  const auto part = [&](std::uint32_t offset, std::uint32_t size) {
    if (offset == 0xffffffffu) return take(size);
    sound = sound && offset <= row.raw.size() && size <= row.raw.size() - offset;
    return sound ? row.raw.substr(offset, size) : std::string_view{};
  };
  Facts facts;
  facts.source = row.source;
  facts.channel = row.channel;
  facts.name = row.name;
  facts.key = row.key;
  facts.raw = row.raw;
  facts.recovered = (meta[1] & 1) != 0;
  facts.base64 = (meta[1] & 2) != 0;
  facts.seq = take(numbers[4]);
  facts.ts = take(numbers[5]);
  facts.subscription = take(numbers[6]);
  facts.relay = take(numbers[7]);
  facts.about = take(numbers[8]);
  facts.payload = part(numbers[0], numbers[1]);
  facts.old = part(numbers[2], numbers[3]);
  if (!sound || at != meta.size()) return nullptr;
  return make(stamp, facts);
}

}  // namespace bridge55::events
