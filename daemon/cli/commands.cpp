#include "daemon/cli/commands.hpp"

#include "config/loader.hpp"
#include "config/schema.hpp"
#include "config/show.hpp"
#include "config/starter.hpp"
#include "daemon/app.hpp"
#include "daemon/cli/ask.hpp"
#include "daemon/cli/connect.hpp"
#include "daemon/events/json.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <optional>
#include <unistd.h>
#include <vector>

namespace bridge55::cli {
namespace {

constexpr int kNoPermission = 77, kBadConfig = 78, kUnavailable = 69;

// Settings that are read and checked but not served yet: nobody must rely on them.
std::vector<std::string> without_effect(const config::Config& config) {
  std::vector<std::string> keys;
  for (const config::Upstream& upstream : config.upstreams) {
    const std::string at = "upstreams." + upstream.name;
    if (upstream.sessions > 1) keys.push_back(at + ".sessions");
  }
  return keys;
}

std::optional<config::Loaded> load(const std::string& path) {
  auto loaded = config::load_file(path, config::Environment::of_process());
  for (const auto& warning : loaded.warnings)
    std::cerr << "warning: " << warning.text() << '\n';
  for (const auto& error : loaded.errors)
    std::cerr << error.text() << '\n';
  if (!loaded.ok()) return std::nullopt;
  for (const auto& key : without_effect(loaded.config)) {
    std::cerr << "warning: " << path << ": " << key << ": has no effect in this version\n";
  }
  return loaded;
}

}  // namespace

int run_verb(const std::string& config_path) {
  auto loaded = load(config_path);
  if (!loaded) return kBadConfig;
  return run_daemon({std::move(loaded->config), config_path, loaded->canonical_hash});
}

int check_verb(const std::string& config_path, bool connect) {
  const auto loaded = load(config_path);
  if (!loaded) return kBadConfig;
  std::cout << config_path << ": ok\n";
  if (!connect) return 0;
  bool all = true;
  for (const Reached& reached : try_connections(loaded->config)) {
    std::cout << reached.name << ": " << (reached.ok ? "ok" : reached.trouble) << '\n';
    all = all && reached.ok;
  }
  return all ? 0 : kUnavailable;
}

int init_verb(const std::string& path) {
  const std::string_view text = config::starter_config();
  if (path.empty()) {
    std::cout << text;
    return 0;
  }
  // 0640: it may come to hold a key; O_EXCL: never over an existing file.
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  const bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (file >= 0) ::close(file);
  if (written) {
    std::cout << "wrote " << path
              << "\nnext: set your keys in it or in the environment, then: bridge55 check --config " << path
              << '\n';
    return 0;
  }
  std::fprintf(stderr, "bridge55 init: %s: %s%s\n", path.c_str(), std::strerror(error),
               error == EEXIST ? "; it is left as it is, name another path or move it away first" : "");
  return error == EACCES || error == EPERM || error == EROFS ? kNoPermission : kUnavailable;
}

int show_verb(const std::string& config_path) {
  const auto loaded = load(config_path);
  if (!loaded) return kBadConfig;
  std::cout << config::show(loaded->config);
  return 0;
}

int reload_verb(const Daemon& daemon) {
  return post(daemon, "/admin/reload", "");
}

namespace {
std::string switch_body(const SwitchScope& scope) {
  std::string body = "{";
  if (!scope.app.empty()) body += R"("app":)" + json::quoted(scope.app);
  if (!scope.upstream.empty())
    body += (body.size() > 1 ? "," : "") + (R"("upstream":)" + json::quoted(scope.upstream));
  if (scope.emergency) body += std::string(body.size() > 1 ? "," : "") + R"("emergency":true)";
  return body + '}';
}
}  // namespace

int pause_verb(const Daemon& daemon, const SwitchScope& scope) {
  return post(daemon, "/admin/pause", switch_body(scope));
}

int resume_verb(const Daemon& daemon, const SwitchScope& scope) {
  return post(daemon, "/admin/resume", switch_body(scope));
}

int schema_verb() {
  std::cout << config::schema() << '\n';
  return 0;
}

}  // namespace bridge55::cli
