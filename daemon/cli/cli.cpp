#include "daemon/cli/cli.hpp"

#include "daemon/cli/commands.hpp"

#include <cstdio>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

namespace bridge55::cli {
namespace {

constexpr int kUsage = 64, kBug = 70;

int parse_and_run(int argc, char** argv) {
  CLI::App app{"bridge55: one local door to 55-Tech's ABP, MM and Scraping APIs", "bridge55"};
  app.set_version_flag("--version", "bridge55 " BRIDGE55_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  std::string config = "/etc/bridge55/bridge55.yaml";
  std::string socket;
  app.add_option("--config", config, "The config file")->capture_default_str();
  app.add_option(
      "--socket", socket,
      "The daemon's UNIX socket, for verbs that talk to a running daemon (default: as the config says)");

  std::function<int()> verb;
  app.add_subcommand("run", "Run the daemon in the foreground")->callback([&] {
    verb = [&] { return run_verb(config); };
  });

  bool connect = false;
  auto* check =
      app.add_subcommand("check", "Validate the config and print every error with its line and column");
  check->add_flag("--connect", connect, "Also try to reach each upstream and broker");
  check->callback([&] { verb = [&] { return check_verb(config, connect); }; });

  std::string path;
  auto* init = app.add_subcommand(
      "init", "Write a commented config to PATH (never over an existing file) or standard output");
  init->add_option("PATH", path, "Where to write it");
  init->callback([&] { verb = [&] { return init_verb(path); }; });

  auto* show = app.add_subcommand("config", "The config in force, or its schema");
  show->require_subcommand(1);
  show->add_subcommand("show", "Every setting with its value, secrets masked")->callback([&] {
    verb = [&] { return show_verb(config); };
  });
  show->add_subcommand("schema", "The JSON Schema of the config file, for editors")->callback([&] {
    verb = [] { return schema_verb(); };
  });

  app.add_subcommand("reload", "Apply the changed config file")->callback([&] {
    verb = [&] { return reload_verb({socket, config}); };
  });
  SwitchScope scope;
  auto* pause =
      app.add_subcommand("pause", "Stop placements until `resume`, restarts included; cancels pass");
  auto* resume = app.add_subcommand("resume", "Allow placements again");
  for (auto* one : {pause, resume}) {
    one->add_option("--app", scope.app, "Only those of this client");
    one->add_option("--upstream", scope.upstream, "Only those to this upstream");
  }
  resume->add_flag("--emergency", scope.emergency, "Overrule the vendor's emergency until it changes");
  pause->callback([&] { verb = [&] { return pause_verb({socket, config}, scope); }; });
  resume->callback([&] { verb = [&] { return resume_verb({socket, config}, scope); }; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;  // help and version are no errors
  }
  return verb();
}

}  // namespace

int run(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bridge55: a bug: %s\n", error.what());
    return kBug;
  }
}

}  // namespace bridge55::cli
