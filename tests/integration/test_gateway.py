#!/usr/bin/python3
"""The gateway as apps see it: what passes, what is changed, what is refused, limits, shared reads, retries, switches. The far side is an
upstream of which every byte is the test's own; trades against the simulated vendor are in test_trades.py."""

import http.client
import json
import os
import socket
import subprocess
import threading
import time

from harness import BIN, Case, main, request, wait_for
from relay_harness import sanitized
from scripted_upstream import ScriptedUpstream, answer


class Gateway(Case):
    def upstream(self, script=None):
        upstream = ScriptedUpstream(script)
        self.addCleanup(upstream.close)
        return upstream

    def door(self, upstream, settings="", extra="", kind="abp", **options):
        socket_url = "" if kind == "scraping" else "ws_url: 'ws://127.0.0.1:9/', "
        rate = "" if "rate_limit" in settings else "rate_limit: 1000/s, "
        return self.daemon(f"upstreams:\n  {kind}: {{url: '{upstream.url}', api_key: the-key, {socket_url}{rate}{settings}}}\n", extra,
                           sinks="", start=False, **options)

    def started(self, *args, **options):
        daemon = self.door(*args, **options)
        daemon.start(up=False)
        return daemon

    def raw(self, daemon, data, unix=False):
        """Bytes in, everything that comes back until the end out."""
        with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as s:
            s.settimeout(20)
            s.connect(daemon.api_socket if unix else ("127.0.0.1", daemon.port))
            s.sendall(data)
            back = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    return back
                back += piece

    def unix(self, daemon, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(daemon.api_socket)
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        return reply.status, reply.headers, data

    # --- passing through -------------------------------------------------------------------------------------------------------

    def test_a_request_passes_with_our_key_and_without_the_apps(self):
        upstream = self.upstream(lambda r, c: answer(201, b'{"a": 1.50}', "X-Some: Thing", "Set-Cookie: a=b", "Set-Cookie: c=d", "Connection: keep-alive, X-Hop", "X-Hop: 1", reason="Made Up"))
        daemon = self.started(upstream, "", "")
        data = self.raw(daemon, b"GET /abp/orders?userRef=a%20b&x=1;2 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: mine\r\nAuthorization: Bearer mine\r\nX-ABP-API-KEY: mine\r\n"
                                b"Accept: text/x, */*;q=0.1\r\nX-Custom: Kept\r\nTE: trailers\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\nX-Request-Id: req-7\r\nX-Bridge-Timeout: 5s\r\n\r\n")
        got = upstream.wait(1)
        self.assertEqual((got.method, got.target, got.version), ("GET", "/orders?userRef=a%20b&x=1;2", "HTTP/1.1"))
        self.assertEqual(got.get("x-api-key"), "the-key")
        self.assertNotIn(b"mine", got.raw)
        self.assertEqual(got.names(), ["accept", "host", "x-api-key", "x-custom", "x-request-id"])
        self.assertEqual(got.get("host"), upstream.url[len("http://"):])
        head, _, body = data.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 201 Made Up\r\n"), head)
        self.assertEqual(body, b'{"a": 1.50}')
        for line in (b"X-Some: Thing", b"Set-Cookie: a=b", b"Set-Cookie: c=d", b"X-Request-Id: req-7", b"X-Bridge-Attempts: 1"):
            self.assertIn(b"\r\n" + line, head)
        self.assertIn(b"\r\nServer-Timing: queue;dur=", head)
        self.assertNotIn(b"X-Hop", head)

    def test_bodies_stream_both_ways(self):
        def script(r, c):
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n")
            self.assertTrue(self.seen.wait(10), "the first piece did not reach the app before the second was sent")
            c.sendall(b"6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n")
        self.seen = threading.Event()
        upstream = self.upstream(script)
        daemon = self.started(upstream)
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
        connection.request("GET", "/abp/markets")
        reply = connection.getresponse()
        self.assertEqual(reply.read(5), b"hello")
        self.seen.set()
        self.assertEqual(reply.read(), b" world")
        self.assertIsNone(reply.getheader("x-trailer"))
        connection.request("GET", "/abp/markets")  # the connection goes on
        self.assertEqual(connection.getresponse().read(), b"hello world")

    def test_a_large_upload_passes_in_bounded_memory(self):
        upstream = self.upstream(lambda r, c: answer(200, str(len(r.body))))
        daemon = self.started(upstream, extra="http: {max_body: 200MiB}\n", kind="scraping")
        size = 100 << 20
        def pieces():
            for _ in range(100):
                yield b"x" * (1 << 20)
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
        connection.request("PUT", "/scraping/fetch", pieces(), {"X-Target-URL": "http://example.com/"}, encode_chunked=True)
        self.assertEqual(connection.getresponse().read(), str(size).encode())
        with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as f:
            peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
        if not sanitized(daemon.process.pid):
            self.assertLess(peak, 120 << 10)

    def test_head_expect_continue_and_pipelining_work(self):
        upstream = self.upstream(lambda r, c: answer(200, b"" if r.method == "HEAD" else b"ab", "Content-Length: 2", length=False) if r.method == "HEAD" else answer(200, r.target))
        daemon = self.started(upstream, kind="scraping")
        data = self.raw(daemon, b"HEAD /scraping/usage HTTP/1.1\r\nHost: localhost\r\n\r\nGET /scraping/a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /scraping/b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(data.count(b"HTTP/1.1 200"), 3)
        self.assertIn(b"Content-Length: 2\r\n", data.partition(b"\r\n\r\n")[0])
        self.assertIn(b"\r\n\r\n/aHTTP/1.1", data)
        self.assertTrue(data.endswith(b"\r\n\r\n/b"))
        self.assertEqual([r.target for r in upstream.requests[:3]], ["/usage", "/a", "/b"])
        with socket.create_connection(("127.0.0.1", daemon.port)) as s:
            s.settimeout(20)
            s.sendall(b"POST /scraping/fetch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 100"))
            s.sendall(b"body")
            post = wait_for(lambda: [r for r in upstream.requests if r.method == "POST"], "the body upstream")[0]
        self.assertEqual(post.body, b"body")
        self.assertIsNone(post.get("expect"))

    def test_the_key_goes_into_the_body_where_the_vendor_reads_it_there(self):
        upstream = self.upstream()
        daemon = self.started(upstream, kind="scraping")
        status, _, _ = request("POST", daemon.url + "/scraping/browser", {"apiKey": "mine", "url": "https://example.com", "key": "mine", "wait": 1.0})
        self.assertEqual(status, 200)
        got = upstream.wait(1)
        self.assertEqual(json.loads(got.body), {"apiKey": "the-key", "url": "https://example.com", "wait": 1.0})
        self.assertEqual(got.get("x-api-key"), "the-key")
        status, _, body = request("POST", daemon.url + "/scraping/amqp", None, {"Content-Length": "0"})
        self.assertIn(status, (200, 422))

    def test_the_vendors_word_on_usage_sets_the_limit(self):
        usage = {"rate_limit": {"rps": 2.0, "burst": 2, "remaining": 2.0}}
        upstream = self.upstream(lambda r, c: answer(200, json.dumps(usage)))
        daemon = self.started(upstream, kind="scraping")
        self.assertEqual(daemon.status()["limits"][0]["limit"], 1000)
        request("GET", daemon.url + "/scraping/network/status")
        wait_for(lambda: daemon.status()["limits"][0]["limit"] == 2, "the daemon to ask what its key may do")

    def test_redirects_are_handed_back_and_never_followed(self):
        elsewhere = self.upstream()
        upstream = self.upstream(lambda r, c: answer(302, b"", f"Location: {elsewhere.url}/accounts", reason="Found"))
        daemon = self.started(upstream)
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
        connection.request("GET", "/abp/accounts")
        reply = connection.getresponse()
        self.assertEqual((reply.status, reply.getheader("location")), (302, elsewhere.url + "/accounts"))
        self.assertEqual(elsewhere.requests, [])

    # --- the strict door -------------------------------------------------------------------------------------------------------

    def test_nothing_smuggles_a_second_request(self):
        upstream = self.upstream()
        daemon = self.started(upstream, kind="scraping")
        tail = b"Host: localhost\r\nConnection: close\r\n"
        for head in (b"POST /scraping/fetch HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                     b"POST /scraping/fetch HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 4\r\n",
                     b"POST /scraping/fetch HTTP/1.1\r\nTransfer-Encoding: identity\r\n",
                     b"POST /scraping/fetch HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n",
                     b"GET http://localhost/scraping/usage HTTP/1.1\r\n",
                     b"GET /scraping/%2e%2e/usage HTTP/1.1\r\n",
                     b"GET /scraping/..%2fusage HTTP/1.1\r\n",
                     b"GET /scraping/usage HTTP/1.1\r\nX: a\r\n b\r\n",
                     b"CONNECT localhost:1 HTTP/1.1\r\n"):
            data = self.raw(daemon, head + tail + b"\r\n0\r\n\r\n")
            self.assertTrue(data.startswith(b"HTTP/1.1 400"), (head, data[:200]))
            self.assertEqual(data.count(b"HTTP/1.1 "), 1, data)
        self.assertEqual(upstream.requests, [])

    def test_a_method_override_does_not_reach_upstream(self):
        upstream = self.upstream()
        daemon = self.started(upstream)
        request("GET", daemon.url + "/abp/place-orders", headers={"X-HTTP-Method-Override": "POST", "X-Original-URL": "/place-orders"})
        self.assertEqual([n for n in upstream.wait(1).names() if n.startswith("x-")], ["x-api-key", "x-request-id"])

    def test_scopes_decide_by_the_decoded_path(self):
        upstream = self.upstream()
        daemon = self.started(upstream)
        for method, path in (("POST", "/abp/place-orders"), ("POST", "/abp/%70lace-orders"), ("POST", "/abp//place-orders/"), ("POST", "/abp/anything"),
                             ("POST", "/abp/cancel-orders"), ("POST", "/abp/cancel-all-orders"), ("POST", "/abp/accounts"), ("PATCH", "/abp/accounts/a/b"),
                             ("DELETE", "/abp/accounts/a/b"), ("PUT", "/abp/accounts"), ("DELETE", "/abp/orders"), ("POST", "/admin/pause"), ("POST", "/admin/resume")):
            status, headers, body = request(method, daemon.url + path, {})
            self.assertEqual(status, 403, (method, path, body))
            self.assertEqual(json.loads(body)["detail"]["code"], "FORBIDDEN")
            self.assertEqual(headers["x-bridge-sent"], "no")
            self.assertIn("bridge55; error=", headers["proxy-status"])
        self.assertEqual(upstream.requests, [])

    def test_clients_get_what_the_config_allows_them(self):
        upstream = self.upstream()
        clients = "clients:\n  - {name: reader, token: reader-token-1234567, allow: [read]}\n  - {name: killer, token: killer-token-1234567, allow: [cancel]}\n"
        daemon = self.started(upstream, extra=clients)
        reader, killer = {"Authorization": "Bearer reader-token-1234567"}, {"X-API-Key": "killer-token-1234567"}
        self.assertEqual(request("GET", daemon.url + "/abp/accounts")[0], 401)
        self.assertEqual(request("GET", daemon.url + "/abp/accounts", headers=reader)[0], 200)
        self.assertEqual(request("GET", daemon.url + "/abp/accounts", headers=killer)[0], 403)
        self.assertEqual(request("POST", daemon.url + "/abp/cancel-all-orders", headers=killer)[0], 200)
        self.assertEqual(request("POST", daemon.url + "/abp/cancel-all-orders", headers=reader)[0], 403)
        self.assertNotIn(b"token-1234567", b"".join(r.raw for r in upstream.requests))

    # --- limits ----------------------------------------------------------------------------------------------------------------

    def test_what_does_not_fit_waits_and_then_gets_429_with_how_long(self):
        upstream = self.upstream()
        daemon = self.started(upstream, "rate_limit: 10/min, max_wait: 300ms")
        statuses = [request("GET", daemon.url + "/abp/accounts")[0] for _ in range(7)]
        self.assertEqual(statuses, [200] * 7)  # 10 less 2 for cancels and 1 for the daemon itself
        status, headers, body = request("GET", daemon.url + "/abp/accounts", headers={"X-Bridge-Max-Wait": "50ms"})
        self.assertEqual((status, json.loads(body)["detail"]["code"]), (429, "QUEUE_TIMEOUT"))
        self.assertGreaterEqual(int(headers["retry-after"]), 1)
        self.assertEqual((headers["x-ratelimit-limit"], headers["x-bridge-sent"], headers["x-bridge-attempts"]), ("10", "no", "0"))
        self.assertEqual(self.unix(daemon, "POST", "/abp/cancel-all-orders")[0], 200)  # never behind reads
        self.assertEqual(len(upstream.requests), 8)
        daemon.kill()
        daemon.start(up=False)
        self.assertEqual(request("GET", daemon.url + "/abp/accounts", headers={"X-Bridge-Max-Wait": "50ms"})[0], 429)  # the last window is remembered

    def test_upstreams_429_is_obeyed_for_everybody_and_reads_are_tried_again(self):
        refused = []
        def script(r, c):
            if len(refused) < 1:
                refused.append(time.monotonic())
                return answer(429, b'{"detail":"Rate limit exceeded"}', "Retry-After: 1", reason="Too Many Requests")
            return answer(200, b"[]")
        upstream = self.upstream(script)
        daemon = self.started(upstream)
        status, headers, _ = request("GET", daemon.url + "/abp/accounts")
        self.assertEqual((status, headers["x-bridge-attempts"]), (200, "2"))
        self.assertGreaterEqual(time.monotonic() - refused[0], 1.0)

    def test_an_app_that_goes_away_leaves_the_queue(self):
        upstream = self.upstream()
        daemon = self.started(upstream, "rate_limit: 10/min, max_wait: 10min")
        for _ in range(7):
            request("GET", daemon.url + "/abp/accounts")
        with socket.create_connection(("127.0.0.1", daemon.port)) as s:
            s.sendall(b"GET /abp/orders HTTP/1.1\r\nHost: localhost\r\nX-Bridge-Timeout: 1h\r\n\r\n")
            wait_for(lambda: daemon.status()["limits"][0]["waiting"] == 1, "the request in the queue")
        wait_for(lambda: daemon.status()["limits"][0]["waiting"] == 0, "the queue to forget it")

    # --- shared reads ----------------------------------------------------------------------------------------------------------

    def test_identical_reads_share_one_request_where_the_config_says_so(self):
        go = threading.Event()
        def script(r, c):
            go.wait(20)
            return answer(200, b'{"n": %d}' % len(upstream.requests))
        upstream = self.upstream(script)
        daemon = self.started(upstream, settings="share: [/bookmakers], cache: {/markets: 1min}")
        results = []
        threads = [threading.Thread(target=lambda: results.append(request("GET", daemon.url + "/abp/bookmakers"))) for _ in range(5)]
        for t in threads:
            t.start()
        upstream.wait(1)
        wait_for(lambda: daemon.metric("bridge55_gateway_queue_seconds_count") is not None, "a request on its way")
        time.sleep(0.2)  # the others join; where they did not, more than one request would be seen below
        go.set()
        for t in threads:
            t.join(20)
        self.assertEqual({r[2] for r in results}, {b'{"n": 1}'})
        self.assertEqual(len(upstream.requests), 1)
        self.assertEqual(sum("collapsed" in (r[1]["cache-status"] or "") for r in results), 4)
        first, second = request("GET", daemon.url + "/abp/markets"), request("GET", daemon.url + "/abp/markets")
        self.assertEqual(first[2], second[2])
        self.assertIn("hit", second[1]["cache-status"])
        third = request("GET", daemon.url + "/abp/markets", headers={"Cache-Control": "no-cache"})
        self.assertNotEqual(third[2], second[2])
        self.unix(daemon, "POST", "/abp/accounts", b"{}")  # a write empties the cache
        self.assertNotIn("hit", request("GET", daemon.url + "/abp/markets")[1]["cache-status"])

    # --- failures --------------------------------------------------------------------------------------------------------------

    def test_reads_and_cancels_are_tried_again_and_other_writes_are_not(self):
        def script(r, c):
            if sum(one.target == r.target for one in upstream.requests) < 3:
                return answer(503, b"{}", reason="Unavailable")
            return answer(200, b'"ok"')
        upstream = self.upstream(script)
        daemon = self.started(upstream, settings="retry: {attempts: 3, backoff: 20ms}, breaker: {failures: 100}")
        self.assertEqual(request("GET", daemon.url + "/abp/accounts")[2], b'"ok"')
        status, headers, _ = self.unix(daemon, "POST", "/abp/cancel-orders", b'{"userRef":"x"}')
        self.assertEqual((status, headers["x-bridge-attempts"]), (200, "3"))
        status, headers, body = self.unix(daemon, "PATCH", "/abp/accounts/a/b", b"{}")
        self.assertEqual((status, headers["x-bridge-attempts"], body), (503, "1", b"{}"))  # the vendor's own words

    def test_an_unreachable_upstream_is_502_with_the_reason_and_nothing_sent(self):
        upstream = self.upstream()
        daemon = self.started(upstream, settings="retry: {attempts: 2, backoff: 10ms}")
        upstream.close()
        status, headers, body = request("GET", daemon.url + "/abp/accounts")
        self.assertEqual((status, json.loads(body)["detail"]["code"], headers["x-bridge-sent"]), (502, "UNREACHABLE", "no"))
        self.assertIn("error=destination_unavailable", headers["proxy-status"])

    def test_a_slow_upstream_ends_at_the_apps_own_limit(self):
        upstream = self.upstream(lambda r, c: time.sleep(20))
        daemon = self.started(upstream)
        began = time.monotonic()
        status, headers, body = request("GET", daemon.url + "/abp/accounts", headers={"X-Bridge-Timeout": "300ms"})
        self.assertEqual((status, json.loads(body)["detail"]["code"], headers["x-bridge-sent"]), (504, "TIMEOUT", "maybe"))
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(request("GET", daemon.url + "/abp/accounts", headers={"X-Bridge-Timeout": "soon"})[0], 400)

    def test_a_cut_answer_is_asked_for_again_or_seen_as_cut(self):
        cut = []
        def script(r, c):
            if len(cut) < 1:
                cut.append(1)
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
                c.shutdown(socket.SHUT_RDWR)
                return None
            return answer(200, b"1234567890")
        upstream = self.upstream(script)
        daemon = self.started(upstream, settings="retry: {backoff: 10ms}")
        self.assertEqual(request("GET", daemon.url + "/abp/accounts")[2], b"1234567890")
        cut.clear()
        status, headers, body = self.unix(daemon, "POST", "/abp/accounts", b"{}")
        self.assertEqual((status, json.loads(body)["detail"]["code"], headers["x-bridge-sent"]), (502, "BAD_GATEWAY", "yes"))

    def test_a_breaker_opens_probes_and_recovers_and_cancels_always_try(self):
        broken = threading.Event()
        broken.set()
        upstream = self.upstream(lambda r, c: answer(500, b"{}") if broken.is_set() else answer(200, b"1"))
        daemon = self.started(upstream, settings="breaker: {failures: 3, open: 500ms}")
        for _ in range(3):
            self.assertEqual(request("GET", daemon.url + "/abp/accounts")[0], 500)
        status, headers, body = request("GET", daemon.url + "/abp/accounts")
        self.assertEqual((status, json.loads(body)["detail"]["code"], headers["x-bridge-sent"]), (503, "BREAKER_OPEN", "no"))
        self.assertGreaterEqual(int(headers["retry-after"]), 1)
        self.assertEqual(self.unix(daemon, "POST", "/abp/cancel-all-orders")[0], 500)
        broken.clear()
        wait_for(lambda: request("GET", daemon.url + "/abp/accounts")[0] == 200, "the breaker to close")

    def test_answers_that_break_the_rules_are_502(self):
        for bad in (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            upstream = self.upstream(lambda r, c, bad=bad: bad)
            daemon = self.started(upstream, settings="retry: {attempts: 1}")
            status, headers, body = request("GET", daemon.url + "/abp/accounts")
            self.assertEqual((status, json.loads(body)["detail"]["code"]), (502, "BAD_GATEWAY"), bad[:60])
            daemon.process.end()
        upstream = self.upstream(lambda r, c: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: " + b"y" * 65536 + b"\r\n\r\n")
        daemon = self.started(upstream, settings="retry: {attempts: 1}")
        self.assertIn(request("GET", daemon.url + "/abp/accounts")[0], (200, 502))
        self.assertEqual(request("GET", daemon.url + "/healthz")[0], 200)

    # --- switches --------------------------------------------------------------------------------------------------------------

    ORDER = {"orders": [{"requestUuid": "eb45b192-317b-42d5-9f65-af497b9fa8c1", "fixtureId": "f", "outcomeId": 1, "playerId": 0, "orderStake": 10.0,
                         "orderPrice": 1.95, "userRef": "t", "testOrder": False}]}

    def test_pause_stops_placements_over_a_restart_and_lets_cancels_pass(self):
        upstream = self.upstream()
        daemon = self.started(upstream)
        done = subprocess.run([os.path.join(BIN, "bridge55"), "pause", "--config", daemon.config_path], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        for _ in range(2):
            status, headers, body = self.unix(daemon, "POST", "/abp/place-orders", json.dumps(self.ORDER))
            self.assertEqual((status, json.loads(body)["detail"]["code"], headers["x-bridge-sent"]), (503, "PAUSED", "no"))
            self.assertEqual(self.unix(daemon, "POST", "/abp/cancel-all-orders")[0], 200)
            self.assertTrue(daemon.status()["paused"])
            daemon.kill()
            daemon.start(up=False)
        self.assertNotIn("/place-orders", [r.target for r in upstream.requests])
        done = subprocess.run([os.path.join(BIN, "bridge55"), "resume", "--socket", daemon.api_socket], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.unix(daemon, "POST", "/abp/place-orders", json.dumps(self.ORDER), {"X-Bridge-Timeout": "1s"})
        self.assertIn("/place-orders", [r.target for r in upstream.requests])
        self.assertEqual([e["event"] for e in daemon.all_events("channel=control")][-2:], ["PAUSED", "RESUMED"])

    def test_a_pause_of_one_upstream_or_app_leaves_the_others(self):
        upstream = self.upstream()
        daemon = self.started(upstream)
        self.assertEqual(self.unix(daemon, "POST", "/admin/pause", b'{"upstream":"nope"}')[0], 404)
        self.assertEqual(self.unix(daemon, "POST", "/admin/pause", b'{"app":"somebody"}')[0], 200)
        status = self.unix(daemon, "POST", "/abp/place-orders", json.dumps(self.ORDER), {"X-Bridge-Timeout": "1s"})[0]
        self.assertNotEqual(status, 503)

    def test_without_a_running_daemon_the_verbs_say_so(self):
        done = subprocess.run([os.path.join(BIN, "bridge55"), "pause", "--socket", os.path.join(self.folder, "none.sock")], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 69)
        self.assertIn("none.sock", done.stderr)


if __name__ == "__main__":
    main()
