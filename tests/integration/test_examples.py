#!/usr/bin/python3
"""The vendor's documented curl calls, run as curl commands through the daemon: only host and path prefix change, and whatever key a call
carries (or none). Each is held against what the same call gets from a second simulated vendor of the same seed directly."""

import http.server
import json
import os
import re
import subprocess
import threading

from harness import ABP_KEY, MM_KEY, Case, Daemon, Sim, main

SCRAPING_KEY = "scraping-demo-key"
KEYS = {"abp": ABP_KEY, "mm": MM_KEY, "scraping": SCRAPING_KEY}
KEY = ("-H", "X-API-Key: YOUR_API_KEY")
POST_JSON = ("-X", "POST", *KEY, "-H", "Content-Type: application/json")
UUID = "eb45b192-317b-42d5-9f65-af497b9fa8c1"
ORDER = '''{
  "orders": [
    {
      "requestUuid": "eb45b192-317b-42d5-9f65-af497b9fa8c1",
      "fixtureId": "id1000004461512432",
      "outcomeId": 103,
      "playerId": 0,
      "orderStake": 10.0,
      "orderPrice": 1.95,
      "userRef": "my-strategy-1",
      "testOrder": false
    }
  ]
}'''
ACCOUNT = '{"bookmaker": "pinnacle", "username": "pinnacle_second", "password": "p", "priority": 10}'
FETCH = '''{
  "headers": {
    "Authorization": "Bearer my-token",
    "Accept": "application/json"
  },
  "body": "{\\"key\\": \\"value\\"}",
  "timeout": 30
}'''
AMQP = '{"host": "127.0.0.1", "port": 9, "ssl": false, "username": "user", "password": "pass", "exchange": "my_exchange", "routing_key": "#"}'
MM = "/api/v1"

# (api, options, path and query); "unix" in front: through the UNIX socket, because TCP may not trade.
ABP_EXAMPLES = [
    ("abp", KEY, "/accounts"),
    ("abp", (), "/accounts"),
    ("abp", ("-H", "X-API-Key: wrong-key"), "/accounts"),
    ("abp", KEY, "/betslip?fixtureId=id1000002361061419&outcomeId=101&playerId=0"),
    ("abp", KEY, "/betslip?fixtureId=ID&outcomeId=161&playerId=0"),
    ("abp", KEY, "/betslip"),
    ("unix abp", (*POST_JSON, "-d", ORDER), "/place-orders"),
    ("abp", KEY, "/orders?userRef=my-strategy-1"),
    ("abp", KEY, "/orders?requestUuids=" + UUID),
    ("abp", KEY, "/orders"),
    ("abp", KEY, "/bets?orderIds=327"),
    ("abp", KEY, "/bets?userRef=my-strategy-1"),
    ("abp", KEY, "/bets/999999"),
    ("abp", KEY, "/positions"),
    ("abp", KEY, "/positions?groupBy=userRef"),
    ("abp", KEY, "/pnl"),
    ("abp", KEY, "/markets"),
    ("abp", KEY, "/bookmakers"),
    ("unix abp", (*POST_JSON, "-d", '{"requestUuids": ["%s"]}' % UUID), "/cancel-orders"),
    ("unix abp", (*POST_JSON, "-d", "{}"), "/cancel-orders"),
    ("unix abp", ("-X", "POST", *KEY), "/cancel-all-orders"),
    ("unix abp", (*POST_JSON, "-d", ACCOUNT), "/accounts"),
    ("unix abp", (*POST_JSON, "-d", ACCOUNT), "/accounts"),
    ("unix abp", ("-X", "PATCH", *KEY, "-H", "Content-Type: application/json", "-d", '{"priority": 5}'), "/accounts/pinnacle/pinnacle_second"),
    ("abp", KEY, "/accounts/pinnacle/pinnacle_second"),
    ("unix abp", ("-X", "DELETE", *KEY), "/accounts/pinnacle/pinnacle_second"),
    ("abp", KEY, "/accounts/pinnacle/pinnacle_second"),
    ("abp", (), "/health"),
    ("abp", (), "/ready"),
    ("abp", KEY, "/no-such-path"),
    ("abp", ("-I", *KEY), "/accounts"),
    ("abp", KEY, "/ws"),
]
MM_EXAMPLES = [
    ("mm", KEY, MM + "/me"),
    ("mm", ("-H", "Authorization: Bearer your-key"), MM + "/me"),
    ("mm", (), MM + "/me"),
    ("mm", KEY, MM + "/orders"),
    ("mm", KEY, MM + "/orders?exchange=polymarket&status=FILLED"),
    ("mm", KEY, MM + "/orders/open?fixture_id=id1000000861624412"),
    ("mm", KEY, MM + "/orders/123"),
    ("mm", KEY, MM + "/orders/999999"),
    ("mm", KEY, MM + "/orders/summary"),
    ("mm", KEY, MM + "/bets"),
    ("mm", KEY, MM + "/positions"),
    ("mm", KEY, MM + "/positions/summary"),
    ("mm", KEY, MM + "/pnl"),
    ("mm", KEY, MM + "/pnl?from_date=2026-01-01&to_date=2026-01-31"),
    ("mm", KEY, MM + "/fixtures"),
    ("mm", KEY, MM + "/fixtures?live=true"),
    ("mm", KEY, MM + "/fixtures?tournament_id=17"),
    ("mm", KEY, MM + "/accounts"),
    ("mm", KEY, MM + "/trading/status"),
    ("unix mm", ("-X", "POST", *KEY), MM + "/orders/123/cancel"),
    ("unix mm", ("-X", "POST", *KEY), MM + "/orders/cancel-all"),
    ("unix mm", ("-X", "POST", *KEY), MM + "/trading/pause"),
    ("unix mm", ("-X", "POST", *KEY), MM + "/trading/resume"),
    ("unix mm", ("-X", "POST", *KEY), MM + "/trading/stop"),
    ("unix mm", ("-X", "POST", *KEY), MM + "/trading/start"),
    ("mm", KEY, "/ws/subscribe"),
]
HEADERS = ("-H", "X-Target-URL: TARGET/headers")
SCRAPING_EXAMPLES = [
    ("scraping", (), "/network/status"),
    ("scraping", KEY, "/network/status"),
    ("scraping", (*KEY, "-H", "X-Target-URL: TARGET"), "/fetch"),
    ("scraping", (*KEY, *HEADERS), "/fetch"),
    ("scraping", (*KEY, "-H", "X-Target-URL: TARGET", "-H", "X-Geo: DE"), "/fetch"),
    ("scraping", (*KEY, *HEADERS, "-H", "X-Geo: US"), "/fetch"),
    ("scraping", (*KEY, *HEADERS, "-H", "X-Agent: de1"), "/fetch"),
    ("scraping", (*KEY, *HEADERS, "-H", "X-Agent: de1,at5,us3"), "/fetch"),
    ("scraping", (*KEY, "-H", "X-Target-URL: TARGET", "-H", "X-Geo: Germany"), "/fetch"),
    ("scraping", ("-H", "X-API-Key: YOUR_KEY"), "/fetch"),
    ("scraping", ("-X", "POST", *KEY, "-H", "X-Target-URL: TARGET/post", "-H", "Content-Type: application/json", "-d", FETCH), "/fetch"),
    ("scraping", ("-X", "PUT", *KEY, "-H", "X-Target-URL: TARGET/put", "-d", "plain text"), "/fetch"),
    ("scraping", (*KEY, "-H", "X-Target-URL: TARGET/status/403"), "/fetch"),
    ("scraping", (*POST_JSON, "-d", '{"apiKey": "YOUR_API_KEY", "url": "TARGET/page", "timeout": 30}'), "/browser"),
    ("scraping", (*POST_JSON, "-d", '{"url": "TARGET/page", "expectContains": "not there"}'), "/browser"),
    ("scraping", KEY, "/network/health/example.com"),
    ("scraping", KEY, "/network/agents"),
    ("scraping", KEY, "/network/geo"),
    ("scraping", (*KEY, "-H", "X-Geo: US"), "/debug/pick?url=https://example.com"),
    ("scraping", KEY, "/usage"),
    ("scraping", ("-N", "-X", "POST", "-H", "Content-Type: application/json", *KEY[:2], "-d", AMQP), "/amqp"),
    ("scraping", (), "/ws/docs"),
    ("scraping", (), "/healthz"),
    ("scraping", KEY, "/ws"),
    # Last: the daemon tries it again, and the vendor goes on to another agent.
    ("scraping", (*KEY, "-H", "X-Target-URL: http://127.0.0.1:9/"), "/fetch"),
]
# Between two calls these differ by themselves.
CHANGING = re.compile(rb'("(?:elapsed_ms|valid_until_epoch_ms|remaining|uptime|uptime_seconds|timestamp|total_bytes|bytes_transferred|lastUpdate|expires_at_ms)": ?)-?[\d.]+'
                      rb'|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:Z|\+00:00)?|(?i:date: [^"]*)|"date": ?"[^"]*"')


class Target(http.server.BaseHTTPRequestHandler):
    """Where /fetch goes: tells what it got; keys of the vendor must not be among it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = json.dumps({"method": self.command, "path": self.path, "body": body.decode(),
                           "headers": sorted((k.lower(), v) for k, v in self.headers.items() if k.lower() not in ("host", "x-request-id"))}).encode()
        self.send_response(403 if self.path == "/status/403" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Examples(Case):
    def setUp(self):
        super().setUp()
        options = ("--seed", "7", "--emergency-every", "0", "--no-limits")
        self.vendor = self.sim(*options, tls=False)
        straight = os.path.join(self.folder, "straight")
        os.mkdir(straight)
        self.straight = Sim(straight, *options, tls=False)
        self.addCleanup(self.straight.process.end)
        upstreams = "".join(f'  {api}: {{url: "{self.vendor.urls[api]}", ws_url: "{self.vendor.urls[api + "_ws"]}", api_key: "{KEYS[api]}", rate_limit: 1000/s}}\n'
                            for api in ("abp", "mm"))
        upstreams += f'  scraping: {{url: "{self.vendor.urls["scraping"]}", api_key: "{SCRAPING_KEY}", rate_limit: 1000/s}}\n'
        self.bridge = Daemon(self.folder, "upstreams:\n" + upstreams, sinks="", start=False)
        self.bridge.start(up=False)
        self.addCleanup(self.bridge.process.end)
        self.bridge.wait_up("abp", "mm")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.target = "http://127.0.0.1:%d" % server.server_address[1]
        for sim in (self.vendor, self.straight):
            sim.emit({"api": "mm", "channel": "orders", "event": "INSERT",
                      "payload": {"orderId": 123, "fixtureId": "id1000000861624412", "outcomeId": 161, "exchange": "polymarket", "orderStatus": "OPEN", "orderCents": 0.45}},
                     {"api": "mm", "channel": "bets", "event": "INSERT", "payload": {"betId": 456, "orderId": 123, "bookmaker": "vertex", "placedPrice": 1.808}})

    def curl(self, options, url):
        """(status, interesting headers, body) of one curl command."""
        done = subprocess.run(["curl", "-sS", "-D", os.path.join(self.folder, "head"), *options, url], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, (options, url, done.stderr))
        with open(os.path.join(self.folder, "head"), encoding="latin-1", newline="") as f:
            lines = f.read().split("\r\n")
        fields = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if ":" in line}
        body = b"" if "-I" in options else done.stdout
        return int(lines[0].split(" ")[1]), fields, body

    def with_own_key(self, api, options):
        """The command with the key that a customer would have put in."""
        kept, rest = [], list(options)
        while rest:
            one = rest.pop(0)
            if one == "-H" and re.match("X-API-Key:|Authorization:", rest[0]):
                rest.pop(0)
                continue
            kept.append(one.replace("YOUR_API_KEY", KEYS[api]))
        return [*kept, "-H", "X-API-Key: " + KEYS[api]]

    def run_examples(self, examples):
        for door, options, path in examples:
            api = door.split(" ")[-1]
            options = [option.replace("TARGET", self.target) for option in options]
            with self.subTest(f"{door} {options} {path}"):
                expected = self.curl(self.with_own_key(api, options), self.straight.urls[api] + path)
                if door.startswith("unix"):
                    got = self.curl([*options, "--unix-socket", self.bridge.api_socket], f"http://localhost/{api}{path}")
                else:
                    got = self.curl(options, f"{self.bridge.url}/{api}{path}")
                if expected[0] == 426:  # the sockets are the daemon's own
                    self.assertEqual((got[0], got[1].get("upgrade")), (426, "websocket"))
                    continue
                shown = expected[2].replace(b"scraping-demo-key", b"*" * 17)  # an app does not get the key to see
                self.assertEqual((got[0], CHANGING.sub(rb"\1", got[2])), (expected[0], CHANGING.sub(rb"\1", shown)))
                self.assertNotIn("proxy-status", got[1], "the answer is the vendor's own")
                for name in ("content-type", "retry-after", "location", "www-authenticate"):
                    self.assertEqual(got[1].get(name), expected[1].get(name), name)
                for name in ("x-request-id", "x-bridge-attempts", "server-timing"):
                    self.assertIn(name, got[1])
                if path != "/usage":  # which tells the key that asks, as documented
                    self.assertNotIn(KEYS[api].encode(), got[2])
        for sent in self.vendor.control("GET", "/requests?limit=100000")["requests"]:
            text = json.dumps(sent)
            self.assertTrue(sent["key_ok"], text)
            for theirs in ("YOUR_", "your-key", "wrong-key"):
                self.assertNotIn(theirs, text)
        return True

    def test_every_abp_example_gets_what_the_vendor_answers(self):
        self.run_examples(ABP_EXAMPLES)
        ledger = self.vendor.control("GET", "/placements")
        self.assertEqual([(o["requestUuid"], o["processed"]) for o in ledger["orders"]], [(UUID, 1)])

    def test_every_mm_example_gets_what_the_vendor_answers(self):
        self.run_examples(MM_EXAMPLES)

    def test_every_scraping_example_gets_what_the_vendor_answers(self):
        self.run_examples(SCRAPING_EXAMPLES)

    def test_an_example_without_a_request_uuid_is_422_and_does_not_leave(self):
        text = '{"orders": [{"fixtureId": "...", "outcomeId": 161, "playerId": 0, "stake": 10, "minPrice": 1.5}]}'
        options = [*POST_JSON, "-d", text]
        expected = self.curl(self.with_own_key("abp", options), self.straight.urls["abp"] + "/place-orders")
        got = self.curl([*options, "--unix-socket", self.bridge.api_socket], "http://localhost/abp/place-orders")
        self.assertEqual((got[0], expected[0]), (422, 422))
        self.assertEqual(json.loads(got[2])["detail"]["code"], "BAD_REQUEST")
        self.assertEqual(self.vendor.control("GET", "/requests?method=POST")["requests"], [])


if __name__ == "__main__":
    main()
