#include "config/loader.hpp"

#include "config/check.hpp"
#include "config/describe.hpp"
#include "config/reader.hpp"
#include "config/show.hpp"
#include "config/yaml_tree.hpp"

#include <array>
#include <utility>

#include <openssl/sha.h>

namespace bridge55::config {
namespace {

// Over what `show` prints, so that it tells nobody anything about a secret.
std::string hash_of(const Config& config) {
  const std::string text = show(config);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    out += hex[digest[i] >> 4U];
    out += hex[digest[i] & 15U];
  }
  return out;
}

void read(const Tree& tree, Config& config, Reading& reading) {
  if (tree.error) {
    reading.error(tree.error->at, "document", tree.error->what + "; expected one plain YAML mapping");
    return;
  }
  if (tree.root.kind != TreeNode::Kind::mapping && tree.root.kind != TreeNode::Kind::null) {
    reading.error(tree.root.at, "document", "is not a mapping; expected keys such as upstreams:");
    return;
  }
  Reader reader(tree.root, "", {}, reading);
  describe(reader, config);
  reader.finish();
  check(config, reading);
}

}  // namespace

std::string Error::text() const {
  return file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + key_path + ": " + message;
}

Loaded load_text(std::string_view text, const std::string& file_name, const Environment& environment) {
  Loaded loaded;
  Reading reading(file_name, environment);
  read(read_tree(text), loaded.config, reading);
  loaded.errors = reading.take_errors();
  loaded.warnings = reading.take_warnings();
  if (loaded.ok()) loaded.canonical_hash = hash_of(loaded.config);
  return loaded;
}

Loaded load_file(const std::string& path, const Environment& environment) {
  const Environment::File file = environment.read_file(path, max_text);
  if (file.error.empty()) return load_text(file.text, path, environment);
  Loaded loaded;
  loaded.errors.push_back(
      {path, 1, 1, "file", "cannot be read (" + file.error + "); expected a readable YAML file"});
  return loaded;
}

}  // namespace bridge55::config
