#pragma once
// Server-Sent Events as the AMQP consumer writes them, and the odd forms that the standard allows as well
// (WHATWG HTML, "Parsing an event stream"). No sockets here.

#include <string>
#include <string_view>

namespace bridge55::sim {

/// How events look; the plain form is the documented one.
struct SseStyle {
  std::string line_end = "\n";  ///< LF, CR LF or CR
  bool comments = false;        ///< comment lines before and inside events
  bool multiline = false;       ///< data in several lines, which the reader joins with LF
  bool tight = false;           ///< no space behind the colon
  bool fields = false;          ///< id, retry and a field that nobody knows
  bool ascii = false;           ///< JSON strings with \u escapes for all that is not ASCII
  bool bom = false;             ///< a byte order mark before the first event
};

/// Appends one event; `data` is JSON in one line.
void append_event(std::string& out, const SseStyle& style, std::string_view event, std::string_view data);

/// Appends a JSON string, quotes included. Bytes that are no UTF-8 become U+FFFD, one each.
void append_json_string(std::string& out, std::string_view text, bool ascii);

}  // namespace bridge55::sim
