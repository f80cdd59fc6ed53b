#include "daemon/local/http_head.hpp"

#include "daemon/local/text.hpp"

#include <algorithm>
#include <array>

namespace bridge55::local {
namespace {

constexpr std::size_t kMaxHeaders = 100;
constexpr std::size_t kMaxMethod = 32;

// A second line of any of these would let two readers see two requests.
constexpr std::array<std::string_view, 12> kSingle = {
    "host",           "content-length",    "transfer-encoding",     "authorization",
    "origin",         "content-type",      "last-event-id",         "x-api-key",
    "sec-fetch-site", "sec-websocket-key", "sec-websocket-version", "expect"};

bool visible(char c) {
  return c > 0x20 && c < 0x7f;
}

bool path_char(char c) {
  const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return alnum || std::string_view("-._~%!$&'()*+,;=:@/").find(c) != std::string_view::npos;
}

// Browsers send `^`, `|`, `{` and the like unescaped in a query, so only what RFC 3986 and WHATWG URLs both
// escape is refused.
bool query_char(char c) {
  return visible(c) && c != '#' && c != '"' && c != '<' && c != '>';
}

// Empty where the target is in origin form (RFC 9112, 3.2.1) and unambiguous.
std::string_view target_fault(std::string_view target) {
  if (target.empty() || target.front() != '/')
    return "the target must be a path (absolute-form, authority-form and * are not served)";
  const std::size_t question = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, question), query = target.substr(question);
  // Below /via/ a whole URL stands, whose host may be an IPv6 address in brackets.
  const bool url = path.starts_with("/via/");
  if (!std::all_of(path.begin(), path.end(),
                   [url](char c) { return path_char(c) || (url && (c == '[' || c == ']')); }))
    return "the path holds a character that must be percent-encoded";
  if (!std::all_of(query.begin(), query.end(), query_char))
    return "the query holds a character that must be percent-encoded";
  return {};
}

std::string read_request_line(std::string_view line, Head& head) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return "the request line is not `METHOD /path HTTP/1.1`";
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(head.method) || head.method.size() > kMaxMethod) return "the method is not a token";
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return "only HTTP/1.1 and HTTP/1.0 are spoken here";
  head.minor = version.back() - '0';
  if (head.method == "CONNECT") return "CONNECT is not served";
  // It would bring the upstream's key back in its answer (RFC 9110, 9.3.8).
  if (head.method == "TRACE") return "TRACE is not served";
  return std::string(target_fault(head.target));
}

std::string read_header_line(std::string_view line, Head& head) {
  if (line.front() == ' ' || line.front() == '\t') return "a header is folded over two lines";
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return "a header's name is not a token followed by a colon";
  if (head.headers.size() == kMaxHeaders) return "there are more than 100 headers";
  Header header{std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))};
  for (const std::string_view single : kSingle) {
    if (same_ignoring_case(header.name, single) && head.find(single))
      return "the header " + std::string(single) + " is there twice";
  }
  head.headers.push_back(std::move(header));
  return {};
}

// RFC 9112, 6: how long the body is. Anything that two servers might read differently is refused.
std::string read_framing(Head& head) {
  const std::string* length = head.find("content-length");
  const std::string* encoding = head.find("transfer-encoding");
  if (length && encoding) return "Content-Length and Transfer-Encoding exclude each other";
  if (encoding) {
    if (head.minor == 0) return "HTTP/1.0 knows no Transfer-Encoding";
    if (!same_ignoring_case(*encoding, "chunked"))
      return "the only Transfer-Encoding served is one `chunked`";
    head.chunked = true;
  }
  if (length) {
    const auto value = length->size() <= 18 ? parse_decimal(*length) : std::nullopt;
    if (!value) return "Content-Length is not a plain number";
    head.content_length = *value;
  }
  return {};
}

std::string read_connection(Head& head) {
  head.keep_alive =
      head.minor == 1 ? !head.lists("connection", "close") : head.lists("connection", "keep-alive");
  const std::string* expect = head.find("expect");
  if (expect && !same_ignoring_case(*expect, "100-continue"))
    return "the only expectation served is 100-continue";
  head.expects_continue = expect && head.minor == 1;
  if (!head.find("host")) return "there is no Host header";
  return {};
}

}  // namespace

const std::string* Head::find(std::string_view name) const {
  const auto it = std::find_if(headers.begin(), headers.end(),
                               [&](const Header& h) { return same_ignoring_case(h.name, name); });
  return it == headers.end() ? nullptr : &it->value;
}

std::string_view Head::get(std::string_view name) const {
  const std::string* value = find(name);
  return value ? std::string_view(*value) : std::string_view{};
}

bool Head::lists(std::string_view name, std::string_view token) const {
  for (const Header& header : headers) {
    if (!same_ignoring_case(header.name, name)) continue;
    for (const std::string_view part : split_list(header.value)) {
      if (same_ignoring_case(part, token)) return true;
    }
  }
  return false;
}

HeadScanner::State HeadScanner::refuse(std::string message, std::string code) {
  refusal_ = bad_request(std::move(message));
  refusal_.code = std::move(code);
  return State::refused;
}

HeadScanner::State HeadScanner::scan(std::string_view bytes) {
  for (; at_ < bytes.size(); ++at_) {
    if (at_ >= max_header_) return refuse("the header is larger than http.max_header", "TOO_LARGE");
    const unsigned char c = static_cast<unsigned char>(bytes[at_]);
    if (c == '\n') {
      if (at_ == 0 || bytes[at_ - 1] != '\r') return refuse("a line ends without a carriage return");
      if (at_ - 1 == line_start_) {
        // RFC 9112, 2.2: one empty line before the request is forgiven; the parser skips it.
        if (line_start_ != 0) {
          size_ = at_ + 1;
          return State::complete;
        }
      }
      line_start_ = at_ + 1;
    } else if (at_ > 0 && bytes[at_ - 1] == '\r') {
      return refuse("a carriage return stands alone");
    } else if (c != '\r' && ((c < 0x20 && c != '\t') || c == 0x7f)) {
      return refuse("a control character: this port speaks HTTP/1.1 without TLS");
    }
  }
  return State::more;
}

std::variant<Head, Refusal> parse_head(std::string_view bytes) {
  Head head;
  if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  bool first = true;
  while (!bytes.starts_with("\r\n")) {
    const std::size_t end = bytes.find("\r\n");
    if (end == std::string_view::npos) return bad_request("the head does not end with an empty line");
    const std::string_view line = bytes.substr(0, end);
    std::string fault = first ? read_request_line(line, head) : read_header_line(line, head);
    if (!fault.empty()) return bad_request(std::move(fault));
    first = false;
    bytes.remove_prefix(end + 2);
  }
  if (first) return bad_request("there is no request line");
  std::string fault = read_framing(head);
  if (fault.empty()) fault = read_connection(head);
  if (!fault.empty()) return bad_request(std::move(fault));
  return head;
}

}  // namespace bridge55::local
