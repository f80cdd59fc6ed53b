#include "tests/support/rabbit_broker.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

extern char** environ;  // NOLINT: POSIX

namespace bridge55::test {
namespace {

// The value of a member in the script's one-line JSON: `{"ok": true, "out": "…"}`. Escapes stay but for line
// ends and quotes, which is all that tests look at.
std::string member(const std::string& line, const std::string& name) {
  const std::string key = '"' + name + "\": ";
  std::size_t at = line.find(key);
  if (at == std::string::npos) return {};
  at += key.size();
  if (line[at] != '"') return line.substr(at, line.find_first_of(",}", at) - at);
  std::string out;
  for (++at; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] == '\\' && ++at < line.size()) {
      out += line[at] == 'n' ? '\n' : line[at] == 't' ? '\t' : line[at];
    } else {
      out += line[at];
    }
  }
  return out;
}

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    read = fds[0];
    write = fds[1];
  }
};

}  // namespace

RabbitBroker::RabbitBroker(const std::vector<std::string>& conf) {
  std::vector<std::string> arguments{"/usr/bin/python3", RABBIT_BROKER_SCRIPT, "--stdin"};
  for (const std::string& line : conf) {
    arguments.emplace_back("--conf");
    arguments.push_back(line);
  }
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& each : arguments)
    argv.push_back(each.data());
  argv.push_back(nullptr);

  const Pipe in, out;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  const int error = posix_spawn(&child_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in.read);
  ::close(out.write);
  to_ = fdopen(in.write, "w");
  from_ = fdopen(out.read, "r");
  if (error != 0) throw std::system_error(error, std::generic_category(), "posix_spawn");
  port_ = static_cast<std::uint16_t>(std::stoi(member(answer(), "port")));
}

RabbitBroker::~RabbitBroker() {
  if (to_ != nullptr) std::fclose(to_);
  if (from_ != nullptr) std::fclose(from_);
  if (child_ > 0) waitpid(child_, nullptr, 0);
}

std::string RabbitBroker::url(const std::string& user, const std::string& password,
                              const std::string& query) const {
  return "amqp://" + user + ':' + password + "@127.0.0.1:" + std::to_string(port_) + "/%2F" + query;
}

std::string RabbitBroker::answer() {
  char* line = nullptr;
  std::size_t capacity = 0;
  const ssize_t size = getline(&line, &capacity, from_);
  const std::unique_ptr<char, decltype(&std::free)> owner(line, &std::free);
  if (size <= 0) throw std::runtime_error("the broker's script ended");
  std::string text(line, static_cast<std::size_t>(size));
  if (member(text, "ok") != "true") throw std::runtime_error(member(text, "out"));
  return text;
}

std::string RabbitBroker::command(const std::string& line) {
  std::fprintf(to_, "%s\n", line.c_str());
  std::fflush(to_);
  return member(answer(), "out");
}

void RabbitBroker::start() {
  command("start");
}
void RabbitBroker::stop() {
  command("stop");
}
void RabbitBroker::kill() {
  command("kill");
}
void RabbitBroker::freeze() {
  command("freeze");
}
void RabbitBroker::thaw() {
  command("thaw");
}
std::string RabbitBroker::ctl(const std::string& arguments) {
  return command("ctl " + arguments);
}

}  // namespace bridge55::test
