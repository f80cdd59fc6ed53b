// The form of routing key and exchange templates, and of dotted paths: what the config can refuse before any
// event is seen.
#pragma once

#include <string>
#include <string_view>

namespace bridge55::config {

// What is wrong with `fills.{payload.orderCurrency}.{event|lower}`, empty where nothing is.
std::string template_fault(std::string_view text);

// A dotted path whose first segment is a member of the envelope (contract, section 3).
std::string envelope_path_fault(std::string_view path);

std::string path_fault(std::string_view path);  // a dotted path into anything

}  // namespace bridge55::config
