// Every kind of mistake, with the exact line that an operator reads.
#include "tests/unit/config/fake.hpp"

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::error;
using testing::errors;
using testing::Lines;
using testing::lines;
using testing::working;
using testing::World;

TEST(Errors, TheDocument) {
  EXPECT_EQ(
      errors("a: b: c\n"),
      Lines{"f.yaml:1:5: document: is not valid YAML (illegal map value); expected one plain YAML mapping"});
  EXPECT_EQ(errors("- a\n"),
            Lines{"f.yaml:1:1: document: is not a mapping; expected keys such as upstreams:"});
  EXPECT_EQ(
      errors("a: 'x\n"),
      Lines{"f.yaml:1:4: document: opens a quote that is never closed; expected one plain YAML mapping"});
  EXPECT_EQ(errors("a: 1\n---\n"),
            Lines{"f.yaml:2:1: document: holds a second document; expected one plain YAML mapping"});
}

TEST(Errors, AFileThatCannotBeRead) {
  const Loaded loaded = load_file("/none.yaml", World{}.environment());
  EXPECT_EQ(
      lines(loaded.errors),
      Lines{
          "/none.yaml:1:1: file: cannot be read (No such file or directory); expected a readable YAML file"});
  EXPECT_FALSE(loaded.ok());
}

TEST(Errors, TheProcessReadsItsOwnFiles) {
  const Environment process = Environment::of_process();
  EXPECT_EQ(lines(load_file("/", process).errors),
            Lines{"/:1:1: file: cannot be read (it is a folder); expected a readable YAML file"});
  EXPECT_EQ(process.read_file("/dev/zero", 4096).error, "it is larger than 4 KiB");
  EXPECT_EQ(process.read_file(BRIDGE55_CONFIG_DIR "/vendor.yaml", 4096).error, "");
  EXPECT_FALSE(process.variable("BRIDGE55_NO_SUCH_VARIABLE"));
}

TEST(Errors, NothingAtAllLacksItsUpstreams) {
  const std::string missing = "f.yaml:1:1: upstreams: is missing; expected a mapping of names";
  EXPECT_EQ(errors(""), Lines{missing});
  EXPECT_EQ(errors("# only a comment\n"), Lines{missing});
  EXPECT_EQ(errors("log: {level: info}\n"), Lines{missing});
  EXPECT_EQ(errors("upstreams: {}\n"),
            Lines{"f.yaml:1:12: upstreams: is empty; expected at least one upstream"});
  EXPECT_EQ(errors("upstreams:\n"), Lines{"f.yaml:1:1: upstreams: has no value; expected a mapping"});
}

TEST(Errors, AllOfAFileAtOnceInItsOrder) {
  EXPECT_EQ(
      errors("upstreams:\n  abp:\n    sessions: 9\n    url: ftp://x\nlog:\n  level: loud\nstate: 5\n"),
      (Lines{"f.yaml:2:3: upstreams.abp.api_key: is missing; expected a key without spaces",
             "f.yaml:3:15: upstreams.abp.sessions: `9` is out of range; expected a whole number from 1 to 4",
             "f.yaml:4:10: upstreams.abp.url: does not begin with http:// or https://; expected "
             "http://host[:port][/path] or https://…",
             "f.yaml:6:10: log.level: `loud` is not known here; expected one of trace, debug, info, warning, "
             "error",
             "f.yaml:7:8: state: is a single value; expected a mapping"}));
}

TEST(Errors, UnknownKeysSuggestTheNearest) {
  EXPECT_EQ(
      error("log: {levle: info}\n"),
      "f.yaml:4:7: log.levle: is not a known key, did you mean `level`?; expected one of format, level");
  EXPECT_EQ(error("log: {colour: red}\n"),
            "f.yaml:4:7: log.colour: is not a known key; expected one of format, level");
  EXPECT_EQ(error("jornal: {}\n").substr(0, 70),
            "f.yaml:4:1: jornal: is not a known key, did you mean `journal`?; expec");
  EXPECT_EQ(error("\"a\\nb\": 1\n").substr(0, 35), "f.yaml:4:1: a?b: is not a known key");
}

TEST(Errors, AKeyTwice) {
  EXPECT_EQ(error("log: {level: info}\nlog: {level: info}\n"),
            "f.yaml:5:1: log: is given twice, first on line 4; expected each key once");
  EXPECT_EQ(error("    cache: {/a: 1s, /a: 2s}\n"),
            "f.yaml:4:21: upstreams.abp.cache./a: is given twice, first on line 4; expected each key once");
  EXPECT_EQ(error("    login: {a: {b: 1, b: 2}}\n"),
            "f.yaml:4:23: upstreams.abp.login.a.b: is given twice; expected each key once");
  EXPECT_EQ(error("  abp: {api_key: k}\n"),
            "f.yaml:4:3: upstreams.abp: is given twice, first on line 2; expected each key once");
}

TEST(Errors, WrongTypes) {
  EXPECT_EQ(error("log: [a]\n"), "f.yaml:4:6: log: is a list; expected a mapping");
  EXPECT_EQ(error("log:\n"), "f.yaml:4:1: log: has no value; expected a mapping");
  EXPECT_EQ(error("log: {level: }\n"),
            "f.yaml:4:7: log.level: has no value; expected one of trace, debug, info, warning, error");
  EXPECT_EQ(error("log: {level: [info]}\n"),
            "f.yaml:4:14: log.level: is a list; expected one of trace, debug, info, warning, error");
  EXPECT_EQ(error("    sessions: \"2\"\n"),
            "f.yaml:4:15: upstreams.abp.sessions: is a quoted text; expected a whole number from 1 to 4");
  EXPECT_EQ(error("    sessions: 2.0\n"),
            "f.yaml:4:15: upstreams.abp.sessions: `2.0` is not a whole number; expected a whole number from "
            "1 to 4");
  EXPECT_EQ(
      error("    sessions: 02\n"),
      "f.yaml:4:15: upstreams.abp.sessions: `02` is not a whole number; expected a whole number from 1 to 4");
  EXPECT_EQ(error("    reliable_delivery: yes\n"),
            "f.yaml:4:24: upstreams.abp.reliable_delivery: `yes` is not a boolean; expected true or false");
  EXPECT_EQ(error("    channels: orders\n"),
            "f.yaml:4:15: upstreams.abp.channels: is a single value; expected a list");
  EXPECT_EQ(error("    channels: [a, {}]\n"),
            "f.yaml:4:19: upstreams.abp.channels[1]: is a mapping; expected a text without spaces");
  EXPECT_EQ(error("    login: x\n"),
            "f.yaml:4:12: upstreams.abp.login: is a single value; expected a mapping");
  EXPECT_EQ(error("listen: {tcp: x}\n"), "f.yaml:4:9: listen: is a mapping; expected a list");
  EXPECT_EQ(error("listen: [x]\n"), "f.yaml:4:10: listen[0]: is a single value; expected a mapping");
  EXPECT_EQ(error("sinks: [x]\n"), "f.yaml:4:8: sinks: is a list; expected a mapping");
  EXPECT_EQ(error("sinks: {x: y}\n"), "f.yaml:4:12: sinks.x: is a single value; expected a mapping");
}

TEST(Errors, ValuesOutOfRange) {
  EXPECT_EQ(error("    keep_alive: {interval: 1d}\n").substr(0, 72),
            "f.yaml:4:28: upstreams.abp.keep_alive.interval: `1d` is out of range; ex");
  EXPECT_EQ(error("    timeouts: {total: 5}\n"),
            "f.yaml:4:23: upstreams.abp.timeouts.total: `5` is not a duration; expected a duration from 1ms "
            "to 1h, such as 500ms, 5s, 2min, 1h or 7d");
  EXPECT_EQ(error("    reconcile: never\n"),
            "f.yaml:4:16: upstreams.abp.reconcile: `never` is not a duration; expected a duration from 100ms "
            "to 7d, such as 500ms, 5s, 2min, 1h or 7d, or off");
  EXPECT_EQ(error("    rate_limit: 60/h\n"),
            "f.yaml:4:17: upstreams.abp.rate_limit: `60/h` is not a rate; expected N/s or N/min, N from 1 to "
            "1000000, such as 60/min");
  EXPECT_EQ(error("    cancel_reserve: 95%\n"),
            "f.yaml:4:21: upstreams.abp.cancel_reserve: `95%` is not a reserve; expected a share of the "
            "limit from 0% to 90%, such as 10%, or a count from 1 to 1000000");
  EXPECT_EQ(error("    cache: {bookmakers: 1s}\n"),
            "f.yaml:4:13: upstreams.abp.cache.bookmakers: is not a path; expected a path");
  EXPECT_EQ(error("    auth_header: \"X Key\"\n"),
            "f.yaml:4:18: upstreams.abp.auth_header: `X Key` is not a token; expected a header name, cookie "
            "name or method of RFC 9110");
  EXPECT_EQ(error("    guard: {max_stake: {USD: lots}}\n"),
            "f.yaml:4:30: upstreams.abp.guard.max_stake.USD: `lots` is not an amount; expected an amount "
            "such as 500 or 0.25");
  EXPECT_EQ(error("    kind: bet\n"),
            "f.yaml:4:11: upstreams.abp.kind: `bet` is not known here; expected one of abp, mm, scraping, "
            "websocket");
  EXPECT_EQ(error("journal: {retention: {size: 1KiB}}\n"),
            "f.yaml:4:29: journal.retention.size: `1KiB` is out of range; expected a size from 64KiB to "
            "1024TiB, such as 64KiB or 2GiB");
  EXPECT_EQ(
      error("journal: {path: j.db}\n"),
      "f.yaml:4:17: journal.path: `j.db` is not an absolute path; expected the absolute path of a file");
  EXPECT_EQ(error("http: {allowed_origins: ['*']}\n"),
            "f.yaml:4:26: http.allowed_origins[0]: `*` is not an origin; expected scheme://host[:port] "
            "without a slash at the end");
}

TEST(Errors, MissingKeysStandAtTheirParent) {
  EXPECT_EQ(errors("upstreams:\n  abp: {}\n"),
            Lines{"f.yaml:2:3: upstreams.abp.api_key: is missing; expected a key without spaces"});
  EXPECT_EQ(
      errors("upstreams:\n  odds: {kind: websocket}\n"),
      Lines{"f.yaml:2:3: upstreams.odds.ws_url: is missing; expected ws://host[:port][/path] or wss://…"});
  EXPECT_EQ(
      errors("upstreams:\n  odds: {ws_url: \"wss://h\"}\n"),
      Lines{"f.yaml:2:3: upstreams.odds.kind: is missing; expected one of abp, mm, scraping, websocket"});
  EXPECT_EQ(error("sinks:\n  feed: {path: /x.sock}\n"),
            "f.yaml:5:3: sinks.feed.kind: is missing; expected one of rabbitmq, unix");
  EXPECT_EQ(
      error("sinks:\n  r:\n    kind: rabbitmq\n    queues:\n      - type: quorum\n"),
      "f.yaml:8:9: sinks.r.queues[0].name: is missing; expected 1 to 255 bytes without control characters");
  EXPECT_EQ(error("routes:\n  - match: {}\n"),
            "f.yaml:5:5: routes[0].to: is missing; expected one value or a list");
}

TEST(Errors, KeysOfAnotherKind) {
  EXPECT_EQ(error("sinks: {f: {kind: unix, url: \"amqp://u:secret@h\"}}\n"),
            "f.yaml:4:25: sinks.f.url: does not apply here; expected it only with kind: rabbitmq");
  EXPECT_EQ(error("    fields: {seq: s}\n"),
            "f.yaml:4:5: upstreams.abp.fields: does not apply here; expected it only with kind: websocket");
  EXPECT_EQ(error("    burst: 5\n"),
            "f.yaml:4:5: upstreams.abp.burst: does not apply here; expected it only with kind: scraping");
  EXPECT_EQ(error("listen: [{tcp: \"127.0.0.1:1\", mode: \"0600\"}]\n"),
            "f.yaml:4:31: listen[0].mode: does not apply here; expected it only with unix");
}

TEST(Errors, AWrongKindIsTheOnlyErrorOfItsMapping) {
  EXPECT_EQ(error("sinks: {f: {kind: kafka, url: \"amqp://h\", path: /x.sock}}\n"),
            "f.yaml:4:19: sinks.f.kind: `kafka` is not known here; expected one of rabbitmq, unix");
}

TEST(Errors, Names) {
  const std::string rule =
      "is not a name; expected 1 to 64 letters, digits, _ and -, the first a letter or digit";
  EXPECT_EQ(errors("upstreams:\n  a.b: {kind: abp, api_key: k}\n"),
            Lines{"f.yaml:2:3: upstreams.a.b: " + rule});
  EXPECT_EQ(errors("upstreams:\n  \"\": {kind: abp, api_key: k}\n"),
            Lines{"f.yaml:2:3: upstreams.: " + rule});
  for (const char* name : {"bridge", "events", "state", "status", "trades", "via", "relays", "metrics",
                           "healthz", "livez", "readyz", "admin"}) {
    const Lines all = errors("upstreams:\n  " + std::string(name) + ": {kind: abp, api_key: k}\n");
    ASSERT_EQ(all.size(), 1U) << name;
    EXPECT_EQ(all[0].substr(0, all[0].find(';')),
              "f.yaml:2:3: upstreams." + std::string(name) + ": is a reserved name");
  }
  EXPECT_EQ(error("sinks: {state: {kind: unix}}\n").substr(0, 44),
            "f.yaml:4:9: sinks.state: is a reserved name;");
  EXPECT_EQ(error("sinks: {abp: {kind: unix}}\n"),
            "f.yaml:4:9: sinks.abp: is a name used twice, first in upstreams; expected a name of its own");
}

TEST(Errors, Listeners) {
  const std::string open = "`0.0.0.0` is reachable from other machines; expected a loopback address, or ";
  EXPECT_EQ(error("listen: [{tcp: \"0.0.0.0:1\"}]\n"),
            "f.yaml:4:16: listen[0].tcp: " + open + "clients: and tls: as well");
  EXPECT_EQ(error("listen: [{tcp: \"0.0.0.0:1\"}]\nclients: []\n"),
            "f.yaml:4:16: listen[0].tcp: " + open + "tls: as well");
  EXPECT_EQ(error("listen: [{tcp: \"0.0.0.0:1\", tls: {cert_file: /c, key_file: /k}}]\n"),
            "f.yaml:4:16: listen[0].tcp: " + open + "clients: as well");
  EXPECT_EQ(error("listen: [{tcp: \"127.0.0.1:1\", tls: {cert_file: /c}}]\n"),
            "f.yaml:4:31: listen[0].tls.key_file: is missing; expected the absolute path of a file");
  EXPECT_EQ(error("listen: [{tcp: \"127.0.0.1:1\", tls: {key_file: /k}}]\n"),
            "f.yaml:4:31: listen[0].tls.cert_file: is missing; expected the absolute path of a file");
  EXPECT_EQ(error("listen: [{}]\n"),
            "f.yaml:4:10: listen[0]: has neither tcp nor unix; expected one of them");
  EXPECT_EQ(error("listen: [{tcp: \"127.0.0.1:1\", unix: /a}]\n"),
            "f.yaml:4:10: listen[0]: has both tcp and unix; expected one of them");
  EXPECT_EQ(error("listen: [{tcp: \"127.0.0.1\"}]\n"),
            "f.yaml:4:16: listen[0].tcp: `127.0.0.1` is not an address with a port; expected address:port, "
            "such as 127.0.0.1:5580 or [::1]:5580");
  EXPECT_EQ(error("listen: [{tcp: \"box:1\"}]\n").substr(0, 74),
            "f.yaml:4:16: listen[0].tcp: `box:1` is neither an IP address nor localhost");
  EXPECT_EQ(error("listen: [{tcp: \"127.0.0.1:1\"}, {tcp: \"127.0.0.1:1\"}]\n"),
            "f.yaml:4:38: listen[1].tcp: is used twice, first by listen[0]; expected an address of its own");
  EXPECT_EQ(errors(working("listen: [{tcp: \"127.0.0.1:0\"}, {tcp: \"127.0.0.1:0\"}]\n")), Lines{})
      << "port 0 is a new one each time";
  EXPECT_EQ(error("listen: [{unix: /a}]\nsinks: {f: {kind: unix, path: /a}}\n"),
            "f.yaml:5:31: sinks.f.path: is used twice, first by listen[0]; expected a socket of its own");
  EXPECT_EQ(error("listen: [{unix: /" + std::string(107, 'a') + "}]\n").substr(28, 12), " `/aaaaaaaaa");
}

}  // namespace
}  // namespace bridge55::config
