#include "config/expand.hpp"

#include "config/source_text.hpp"

#include <algorithm>

namespace bridge55::config {
namespace {

constexpr std::string_view forms =
    "expected ${NAME}, ${NAME:-default}, ${file:/path} or ${credential:name} ($${ writes a literal ${)";

struct Piece {
  std::string text;
  std::string error;
};

bool is_variable_name(std::string_view name) {
  const auto allowed = [](unsigned char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), allowed);
}

Piece checked(std::string text, const std::string& what) {
  if (!valid_utf8(text)) return {{}, what + " is not UTF-8; expected text"};
  if (text.find('\0') != std::string::npos) return {{}, what + " holds a NUL byte; expected text"};
  return {std::move(text), {}};
}

Piece from_file(const std::string& path, const std::string& what, const Environment& environment) {
  Environment::File file = environment.read_file(path, max_expansion);
  if (!file.error.empty())
    return {{}, what + " cannot be read (" + file.error + "); expected a readable file"};
  while (file.text.ends_with('\n') || file.text.ends_with('\r'))
    file.text.pop_back();
  return checked(std::move(file.text), what);
}

Piece from_credential(const std::string& name, const Environment& environment) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    return {{}, "names no credential; expected ${credential:name} with a plain file name"};
  if (environment.credentials_directory.empty())
    return {{},
            "credential " + name +
                " is not there (CREDENTIALS_DIRECTORY is not set); expected LoadCredential= of systemd"};
  return from_file(environment.credentials_directory + "/" + name, "credential " + name, environment);
}

Piece from_variable(std::string_view inside, const Environment& environment) {
  const std::size_t colon = inside.find(":-");
  const std::string name(inside.substr(0, colon));
  if (!is_variable_name(name)) return {{}, "holds a `${…}` that names nothing; " + std::string(forms)};
  auto value = environment.variable(name);
  if (colon != std::string_view::npos && (!value || value->empty()))
    value = std::string(inside.substr(colon + 2));
  if (!value)
    return {{},
            "environment variable " + name + " is not set; expected it in the environment, or ${" + name +
                ":-default}"};
  return checked(std::move(*value), "environment variable " + name);
}

Piece resolve(std::string_view inside, const Environment& environment) {
  if (inside.find("${") != std::string_view::npos)
    return {{}, "holds a `${` inside another; " + std::string(forms)};
  if (inside.starts_with("file:")) {
    const std::string path(inside.substr(5));
    if (!path.starts_with('/')) return {{}, "names a file by a relative path; expected ${file:/path}"};
    return from_file(path, "file " + path, environment);
  }
  if (inside.starts_with("credential:")) return from_credential(std::string(inside.substr(11)), environment);
  return from_variable(inside, environment);
}

}  // namespace

Expanded expand(std::string_view text, const Environment& environment) {
  Expanded out;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("$${")) {
      out.text += "${";
      at += 3;
    } else if (rest.starts_with("${")) {
      out.from_outside = true;
      const std::size_t close = rest.find('}');
      if (close == std::string_view::npos) {
        out.error = "holds a `${` that is never closed; " + std::string(forms);
        return out;
      }
      Piece piece = resolve(rest.substr(2, close - 2), environment);
      out.text += piece.text;
      out.error = std::move(piece.error);
      if (!out.error.empty() || out.text.size() > max_text) break;
      at += close + 1;
    } else {
      out.text += text[at++];
    }
  }
  if (out.error.empty() && out.text.size() > max_text)
    out.error = "expands to more than 1 MiB; expected less";
  return out;
}

}  // namespace bridge55::config
