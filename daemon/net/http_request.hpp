// The head of an HTTP/1.1 request, built anew from checked parts (RFC 9112, section 3): nothing of it can end
// a line early or frame the body twice. Pure.
#pragma once

#include "daemon/net/http_response.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bridge55::net {

struct HttpRequest {
  std::string_view method = "GET";
  std::string_view target = "/";                // path and query, from `/`
  std::string_view host;                        // the Host field: Endpoint::host_header
  std::span<const HttpField> fields;            // end to end; Host, framing and connection fields are refused
  std::optional<std::uint64_t> content_length;  // none and not chunked: no body, no framing field
  bool chunked = false;                         // a body of unknown length
};

// Kept by the caller and built over, so that its memory is reused; may be sent any number of times.
struct BuiltRequest {
  std::string head;
  std::uint64_t length = 0;  // of the body, where not chunked
  bool chunked = false;
  bool to_head = false;  // the method is HEAD
};

// Replaces what `out` held. Empty on success, else what cannot stand in a request, in words; `out` is empty
// then.
std::string_view build_request(const HttpRequest& request, BuiltRequest& out);

}  // namespace bridge55::net
