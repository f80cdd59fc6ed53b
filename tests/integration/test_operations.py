#!/usr/bin/python3
"""What an operator sees: config errors and exit codes, health, metrics, logs, reload, two daemons, browsers at the door."""

import json
import os
import signal
import socket
import subprocess

from harness import ABP_KEY, BIN, Case, main, request, wait_for

BINARY = os.path.join(BIN, "bridge55")


def run(*args, env=None, deadline=30):
    return subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=deadline, env={**os.environ, **(env or {})})


class CommandLine(Case):
    def test_every_error_of_a_config_is_told_at_once_with_its_place_and_exit_78(self):
        path = os.path.join(self.folder, "bad.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("upstreams:\n  abp:\n    api_key: ${NOT_SET_ANYWHERE}\n    sesions: 2\njournal: {retention: {age: 7x}}\n")
        for verb in ("check", "run"):
            done = run(verb, "--config", path)
            self.assertEqual(done.returncode, 78)
            lines = done.stderr.splitlines()
            self.assertEqual(len(lines), 3, done.stderr)
            self.assertTrue(lines[0].startswith(f"{path}:3:14: upstreams.abp.api_key: "), lines[0])
            self.assertIn("NOT_SET_ANYWHERE", lines[0])
            self.assertTrue(lines[1].startswith(f"{path}:4:5: upstreams.abp.sesions: "), lines[1])
            self.assertIn("sessions", lines[1])
            self.assertTrue(lines[2].startswith(f"{path}:5:28: journal.retention.age: "), lines[2])

    def test_a_missing_file_is_78_and_bad_usage_64(self):
        self.assertEqual(run("check", "--config", "/nowhere/at/all.yaml").returncode, 78)
        self.assertEqual(run("chek").returncode, 64)
        self.assertEqual(run().returncode, 64)
        self.assertEqual(run("--help").returncode, 0)

    def test_init_writes_a_config_that_checks_and_never_over_a_file(self):
        path = os.path.join(self.folder, "bridge55.yaml")
        self.assertEqual(run("init", path).returncode, 0)
        keys = {"ABP_API_KEY": "k", "MM_API_KEY": "55555555-5555-4555-8555-555555555555", "SCRAPING_API_KEY": "s"}
        done = run("check", "--config", path, env=keys)
        self.assertEqual(done.returncode, 0, done.stderr)
        again = run("init", path)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("left as it is", again.stderr)

    def test_settings_that_are_not_served_yet_are_said(self):
        path = os.path.join(self.folder, "c.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("upstreams: {abp: {api_key: k, sessions: 2, guard: {test_only: true}}, scraping: {api_key: s}}\n"
                    "relays: {odds: {kind: websocket, upstream: scraping, url: 'wss://example.com/'}}\n")
        done = run("check", "--config", path)
        self.assertEqual(done.returncode, 0)
        self.assertIn("upstreams.abp.sessions: has no effect", done.stderr)
        self.assertNotIn("relays", done.stderr)
        self.assertNotIn("guard", done.stderr)

    def test_config_show_masks_secrets_and_the_schema_is_json(self):
        path = os.path.join(self.folder, "c.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("upstreams: {abp: {api_key: canary-123456}}\nsinks: {r: {kind: rabbitmq, url: 'amqp://u:canary-pw@h/'}}\n")
        shown = run("config", "show", "--config", path)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertNotIn("canary", shown.stdout)
        self.assertIn("retention", shown.stdout)
        self.assertEqual(json.loads(run("config", "schema").stdout)["type"], "object")


class Running(Case):
    def test_health_readiness_and_status_tell_what_is_up(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream())
        self.assertEqual(json.loads(request("GET", daemon.url + "/healthz")[2]), {"ok": True})
        self.assertEqual(request("GET", daemon.url + "/livez")[0], 200)
        self.assertEqual(request("GET", daemon.url + "/readyz?require=all")[0], 200)
        sim.fault("refuse_connect")
        sim.fault("drop")
        wait_for(lambda: request("GET", daemon.url + "/readyz?require=abp")[0] == 503, "abp to be missed")
        self.assertEqual(request("GET", daemon.url + "/readyz")[0], 200, "the far side's state does not count on its own")
        status = daemon.status()
        for key in ("version", "uptime_seconds", "config_hash", "sessions", "sinks", "consumers", "relays", "gaps", "limits", "journal",
                    "paused", "emergency"):
            self.assertIn(key, status)
        self.assertEqual({s["source"] for s in status["sessions"]}, {"abp", "mm"})
        self.assertEqual({g["source"] for g in status["gaps"]}, {"abp", "mm"})

    def test_metrics_are_clean_for_promtool_and_hold_what_is_promised(self):
        sim = self.sim("--rate", "50")
        daemon = self.daemon(sim.upstream())
        feed = self.feed(daemon.events_socket)
        feed.wait(lambda items: len(items) > 50, "events")
        text = request("GET", daemon.url + "/metrics")[2]
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        self.assertEqual((lint.returncode, lint.stderr), (0, b""))
        for name in ("build_info", "events_total", "session_up", "session_reconnects_total", "session_last_message_timestamp_seconds",
                     "consumers", "delivery_seconds_count", "journal_bytes", "journal_commit_seconds_count", "config_last_reload_successful"):
            self.assertTrue(("bridge55_" + name).encode() in text, name)

    def test_a_refused_key_is_said_and_not_tried_again_at_once(self):
        sim = self.sim()
        sim.fault("refuse_logins")
        daemon = self.daemon(sim.upstream("abp"), start=False)
        daemon.start(up=False)
        wait_for(lambda: ("session", "REJECTED") in [(e["channel"], e["event"]) for e in daemon.all_events("source=bridge")], "REJECTED")
        self.assertEqual(daemon.status()["sessions"][0]["state"], "REJECTED")
        self.assertIn("Invalid API key", daemon.status()["sessions"][0]["reason"])
        self.assertEqual(sim.stats()["abp"]["refused"], 1)

    def test_no_secret_is_in_logs_status_metrics_journal_or_events(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream(), extra="log: {level: trace}\n")
        sim.orders(3)
        wait_for(lambda: len(daemon.all_events("channel=orders")) == 3, "orders")
        everything = daemon.process.log() + json.dumps(daemon.status()) + json.dumps(daemon.all_events())
        everything += request("GET", daemon.url + "/metrics")[2].decode()
        with open(f"/proc/{daemon.process.pid}/cmdline", encoding="utf-8") as f:
            everything += f.read()
        daemon.stop()
        with open(daemon.journal, "rb") as f:
            everything += f.read().decode("latin-1")
        self.assertNotIn(ABP_KEY, everything)
        self.assertNotIn("5555-4555-8555", everything)

    def test_a_reload_applies_a_good_file_without_dropping_anyone_and_refuses_a_bad_one(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        stream = self.sse(daemon.url + "/events?source=bridge&channel=control")
        wait_for(lambda: daemon.metric("bridge55_consumers") == 1, "the consumer")
        logins = sim.stats()["abp"]["logins"]
        daemon.upstreams = sim.upstream("abp", "mm")
        daemon.write_config()
        daemon.process.kill(signal.SIGHUP)
        daemon.wait_up("abp", "mm")
        self.assertEqual(sim.stats()["abp"]["logins"], logins)
        daemon.extra = "log: {level: lowd}\n"
        daemon.write_config()
        daemon.process.kill(signal.SIGHUP)
        stream.wait(lambda items: len(items) == 2, "two control events")
        self.assertEqual([e["event"] for e in stream.events()], ["RELOADED", "REJECTED"])
        self.assertIn("log.level", stream.events()[1]["payload"]["errors"])
        self.assertEqual(daemon.metric("bridge55_config_last_reload_successful"), 0)
        self.assertEqual(request("GET", daemon.url + "/readyz?require=abp,mm")[0], 200)

    def test_a_second_daemon_on_the_same_state_ends_with_69_and_leaves_the_first_alone(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        second = run("run", "--config", daemon.config_path)
        self.assertEqual(second.returncode, 69, second.stderr)
        self.assertIn("journal", second.stderr)
        sim.orders(1)
        wait_for(lambda: len(daemon.all_events("channel=orders")) == 1, "the first goes on")
        self.assertTrue(os.path.exists(daemon.events_socket))

    def test_a_page_in_a_browser_on_this_machine_gets_nowhere(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        for headers, expected in (({"Origin": "https://evil.example"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
                                  ({"Host": "evil.example"}, 421), ({"Origin": daemon.url}, 200), ({"Sec-Fetch-Site": "none"}, 200)):
            status, answer, body = request("GET", daemon.url + "/status", headers=headers)
            self.assertEqual(status, expected, headers)
            self.assertNotIn("Access-Control-Allow-Origin", answer)
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "https://evil.example"}
        self.assertEqual(request("GET", daemon.url + "/events", headers=upgrade)[0], 403)
        status, _, body = request("GET", daemon.url + "/events?token=abc")
        self.assertEqual(status, 400)
        self.assertEqual(set(json.loads(body)["detail"]), {"message", "code"})

    def test_garbage_at_the_door_is_refused_and_others_are_served(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 5000,
                     b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
                     b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
                     b"POST /events/ack HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as client:
                try:
                    client.sendall(junk)
                    answer = client.recv(4096)
                except ConnectionError:
                    answer = b""
                self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:80])
        self.assertEqual(request("GET", daemon.url + "/healthz")[0], 200)

    def test_json_logs_are_one_object_a_line(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"), extra="log: {format: json}\n")
        daemon.stop()
        lines = [json.loads(line) for line in daemon.process.log().splitlines()]
        self.assertIn("ready", [line["message"] for line in lines])

    def test_ready_is_told_to_the_service_manager_without_waiting_for_the_vendor(self):
        path = os.path.join(self.folder, "notify.sock")
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(path)
        manager.settimeout(20)
        upstreams = 'upstreams:\n  abp: {ws_url: "ws://127.0.0.1:1/ws", url: "http://127.0.0.1:1", api_key: k}\n'
        daemon = self.daemon(upstreams, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"}, start=False)
        daemon.start(up=False)
        seen = set()
        while not {"READY=1", "WATCHDOG=1"} <= seen:
            seen |= set(manager.recv(4096).decode().splitlines())
        daemon.process.kill(signal.SIGTERM)
        while "STOPPING=1" not in seen:
            seen |= set(manager.recv(4096).decode().splitlines())
        self.assertEqual(daemon.process.wait(), 0)


if __name__ == "__main__":
    main()
