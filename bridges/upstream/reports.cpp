#include "bridges/upstream/reports.hpp"

#include "daemon/events/json.hpp"

namespace bridge55::upstream {

Report::Report(const Speaker& speaker) : out_("{\"source\":" + json::quoted(speaker.source)) {
  number("slot", speaker.slot);
}

Report& Report::token(std::string_view name, std::string_view token) {
  if (token.empty()) return *this;
  out_ += ',';
  json::append_quoted(out_, name);
  out_ += ':';
  out_ += token;
  return *this;
}

Report& Report::text(std::string_view name, std::string_view value) {
  return token(name, json::quoted(value));
}
Report& Report::number(std::string_view name, std::uint64_t value) {
  return token(name, std::to_string(value));
}
Report& Report::time(std::string_view name, WallMicros value) {
  return value == 0 ? *this : text(name, rfc3339(value));
}
std::string Report::take() && {
  return std::move(out_) + "}";
}

std::string seq_gap_json(const Speaker& speaker, const SeqHole& hole) {
  Report report(speaker);
  report.text("reason", hole.reason).token("subscription", hole.subscription);
  report.number("expected", hole.expected).number("received", hole.received);
  if (hole.received > hole.expected) report.number("missed", hole.received - hole.expected);
  report.time("from", hole.from).time("to", hole.to);
  return std::move(report).take();
}

std::string quarantine_json(const Speaker& speaker, const QuarantinedFrame& frame, std::string_view secret) {
  Report report(speaker);
  report.text("reason", frame.reason).number("size", frame.size);
  if (frame.is_text) {
    report.text("text", masked(frame.bytes, secret));
  } else {
    report.text("base64", json::base64(frame.bytes));
  }
  return std::move(report).take();
}

std::string masked(std::string_view text, std::string_view secret) {
  std::string out(text);
  if (secret.empty()) return out;
  for (std::size_t at = out.find(secret); at != out.npos; at = out.find(secret, at + 3))
    out.replace(at, secret.size(), "***");
  return out;
}

}  // namespace bridge55::upstream
