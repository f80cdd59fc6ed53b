#!/usr/bin/python3
"""`/via/…` as clients see it that know nothing of a scraping network: Socket.IO, graphql-ws, ws, wscat, curl, requests, urllib, node's fetch,
each against a real server of its kind. Between them stand the daemon and the simulated network."""

import json
import os
import socket
import time
import urllib.request

from harness import main, request, wait_for
from relay_harness import APP_KEY, KEY, RelayCase, npm_modules, run
from scripted_upstream import ScriptedUpstream, answer
from ws_peer import BINARY, CLOSE, PING, PONG, TEXT, Refused, close_payload, connect, encode, facts, record

SANDBOX = "sandbox; default-src 'none'"


class Sockets(RelayCase):
    def via(self, target, path="", headers=(), **options):
        peer = connect(self.port, "/via/" + target.url + path, headers, **options)
        self.addCleanup(peer.leave)
        return peer

    def refused(self, url, headers=()):
        with self.assertRaises(Refused) as refused:
            connect(self.port, "/via/" + url, headers)
        return refused.exception

    def url(self, port, path=""):
        return f"ws://127.0.0.1:{self.port}/via/ws://127.0.0.1:{port}{path}"

    # --- programs of others --------------------------------------------------------------------------------------------------------------

    def test_a_socket_io_client_and_server_understand_each_other(self):
        self.world()
        port, server = self.server("socketio_server.js")
        said = self.finished(self.node("socketio_client.js", f"ws://127.0.0.1:{self.port}", f"/via/ws://127.0.0.1:{port}/socket.io/"), "the Socket.IO client")
        self.assertEqual(said, [{"transport": "websocket"}, {"text": "grüße ☃", "json": {"deep": [1.5, None, True]}, "same": True}, {"sum": 42},
                                {"ordered": True, "count": 2000}, {"joined": "a room"}, {"other": "from another namespace"}, {"beats": 2},
                                {"disconnect": "io client disconnect"}])
        server.wait(lambda items: len(items) >= 3, "the server to see the goodbye")
        handshake, left = [json.loads(line) for line in server.items[1:3]]
        self.assertEqual((handshake["transport"], handshake["auth"], handshake["query"]["room"]), ("websocket", {"token": "of-the-app"}, "a b"))
        self.assertEqual((handshake["connected"]["cookie"], handshake["connected"]["origin"]), ("session=abc", "https://shop.example"))
        self.assertIn(left["disconnected"], ("client namespace disconnect", "transport close"))
        self.wait_no_relays()

    def test_a_graphql_ws_client_and_server_understand_each_other(self):
        self.world()
        port, server = self.server("graphql_server.js")
        said = self.finished(self.node("graphql_client.js", self.url(port, "/graphql")), "the graphql-ws client")
        self.assertEqual(said, [{"protocol": "graphql-transport-ws"}, {"query": [{"hello": "hello ☃"}]},
                                {"counts": [501, 301], "last": [{"countdown": 0}, {"countdown": 0}]}, {"closed": 1000, "reason": "Normal Closure"}])
        handshake, params = [json.loads(line) for line in server.items[1:3]]
        self.assertEqual(handshake["protocol"], "graphql-transport-ws")
        self.assertEqual(handshake["headers"]["sec-websocket-protocol"], "graphql-transport-ws")
        self.assertEqual(params, {"params": {"token": "of-the-app"}})

    def test_a_ws_client_and_server_understand_each_other(self):
        self.world()
        port, server = self.server("ws_server.js")
        said = self.finished(self.node("ws_client.js", self.url(port, "/chat?room=a%2Fb"), "chat"), "the ws client")
        self.assertEqual(said, [{"protocol": "chat", "extensions": ""}, {"first": "first"}, {"same": True, "binary": True}, {"pong": "between"},
                                {"joined": "fragment", "binary": False}, {"code": 4321, "reason": "that was all"}])
        server.wait(lambda items: len(items) >= 4, "the server to see the close")
        handshake, ping, closed = [json.loads(line) for line in server.items[1:4]]
        self.assertEqual((handshake["url"], handshake["protocol"], handshake["extensions"]), ("/chat?room=a%2Fb", "chat", ""))
        self.assertEqual((handshake["headers"]["cookie"], handshake["headers"]["user-agent"]), ("a=1; b=2", "shop/1.0"))
        self.assertEqual((ping, closed), ({"ping": "between"}, {"code": 4321, "reason": "that was all"}))

    def test_wscat_talks_through_it(self):
        self.world()
        port, _ = self.server("ws_server.js")
        program = self.terminal([os.path.join(npm_modules(), ".bin", "wscat"), "-c", self.url(port)])
        program.hear("Connected")
        program.type("hello world")
        program.hear("< hello world")

    # --- the handshake --------------------------------------------------------------------------------------------------------------------

    def test_the_clients_own_headers_go_to_the_target_and_no_others(self):
        self.world()
        target = self.target(record)
        forwarded = [("Cookie", "a=1; b=2"), ("User-Agent", "shop/1.0"), ("Referer", "https://shop.example/x"), ("Accept-Language", "de, en;q=0.5"),
                     ("Authorization", "Bearer of-the-target")]
        steering = [("X-Geo", "US,DE"), ("X-Agent", "de1"), ("X-Timeout", "20"), ("X-Expect-JSON", "1"), ("X-Idle-Timeout", "30")]
        other = [("X-Private", "stays"), ("Accept", "text/html"), ("X-API-Key", APP_KEY), ("X-Forwarded-For", "10.0.0.1"), ("Cache-Control", "no-cache")]
        self.via(target, "/x", [*forwarded, *steering, *other, ("X-Forward-Origin", "https://target.example"), ("X-Forward-X-Own", "passed")])
        visit = target.visit()
        for name, value in forwarded:
            self.assertEqual(visit.get(name), value)
        self.assertEqual((visit.get("Origin"), visit.get("X-Own")), ("https://target.example", "passed"))
        for name, _ in (*steering, *other, ("X-Forward-Origin", "")):
            self.assertIsNone(visit.get(name), name)
        relay = self.relays()[0]
        sent = json.loads(relay["connect"])
        self.assertEqual((sent["geo"], sent["agent"], float(sent["idle_timeout"]), sent["url"]), ("US,DE", "de1", 30.0, target.url + "/x"))
        self.assertEqual(relay["agent"], "scraping-de1")
        self.assertNotIn(APP_KEY, json.dumps(self.relays()))

    def test_every_alias_of_the_country_header_selects(self):
        self.world()
        target = self.target(record)
        for number, name in enumerate(("X-Geo", "X-Geo-CC", "X-Geo-Strict", "X-CC", "X-Country")):
            self.via(target, "", [(name, "DE")])
            self.assertIsNone(target.visit(number).get(name))
            self.assertEqual(json.loads(self.relays()[number]["connect"])["geo"], "DE")

    def test_one_subprotocol_passes_and_of_several_the_named_one(self):
        self.world()
        for offered, named, wanted in ((["chat"], None, "chat"), (["a", "b"], None, None), (["a, b"], "b", "b"), (["a", "b"], "a", "a"), ([], None, None)):
            with self.subTest(offered=offered, named=named):
                target = self.target(record, lambda line, headers, wanted=wanted: f"Sec-WebSocket-Protocol: {wanted}\r\n" if wanted else "")
                headers = [("Sec-WebSocket-Protocol", name) for name in offered] + ([("X-Subprotocol", named)] if named else [])
                client = self.via(target, "", headers)
                self.assertEqual([value for name, value in client.headers if name.lower() == "sec-websocket-protocol"], [wanted] if wanted else [])
                self.assertEqual(target.visit().get("Sec-WebSocket-Protocol"), wanted)
                self.assertIsNone(target.visit().get("X-Subprotocol"))
        refused = self.refused(target.url, [("Sec-WebSocket-Protocol", "a, b"), ("X-Subprotocol", "c")])
        self.assertEqual(refused.status, 400)

    def test_what_the_network_refuses_is_502_with_proxy_status(self):
        self.world()
        refusing = self.target(answer=lambda line, headers: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        for url, headers in ((refusing.url, []), ("ws://127.0.0.1:9/", []), (refusing.url, [("X-Agent", "nobody9")]), (refusing.url, [("X-Geo", "Germany")])):
            with self.subTest(url=url, headers=headers):
                refused = self.refused(url, headers)
                self.assertEqual(refused.status, 502)
                self.assertRegex(refused.get("Proxy-Status"), r"^bridge55; ?error=")
                self.assertEqual(refused.get("Content-Security-Policy"), SANDBOX)
                self.assertEqual(refused.get("X-Content-Type-Options"), "nosniff")
                self.assertTrue(refused.get("X-Request-Id"))
                self.assertIn(refused.get("X-Bridge-Sent"), ("yes", "maybe"))
                self.assertIn("message", json.loads(refused.body)["detail"])
        self.net.fault("relay_refuse", count=1)
        self.assertIn("Agent unavailable", json.loads(self.refused(refusing.url).body)["detail"]["message"])

    def test_without_a_token_of_the_limit_it_is_429_with_retry_after(self):
        self.world(settings=", rate_limit: 1/min, burst: 1, max_wait: 200ms")
        target = self.target(record)
        self.via(target)
        refused = self.refused(target.url)
        self.assertEqual(refused.status, 429)
        self.assertGreaterEqual(int(refused.get("Retry-After")), 1)
        self.assertEqual(json.loads(refused.body)["detail"]["code"], "RATE_LIMITED")
        self.assertEqual(refused.get("X-Bridge-Sent"), "no")
        self.assertEqual(len(self.relays()), 1)

    def test_the_networks_own_limit_is_an_error_of_the_network(self):
        self.world("--scraping-rps", "1", "--scraping-burst", "1", limits=True)
        target = self.target(record)
        self.via(target)
        refused = self.refused(target.url)
        self.assertEqual(refused.status, 502)
        self.assertIn("Rate limit exceeded", json.loads(refused.body)["detail"]["message"])

    def test_a_browser_opens_nothing(self):
        self.world()
        target = self.target(record)
        for header in (("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "cross-site")):
            with self.subTest(header=header):
                self.assertEqual(self.refused(target.url, [header]).status, 403)
        with self.assertRaises(Refused) as refused:
            connect(self.port, "/via/" + target.url, [("Host", "evil.example")])
        self.assertIn(refused.exception.status, (400, 421))  # two Hosts
        self.assertEqual(self.relays(), [])

    def test_what_is_no_url_of_a_target_is_refused(self):
        self.world()
        for path in ("", "ws:/127.0.0.1", "ftp://127.0.0.1/", "ws://", "wss:///x", "127.0.0.1:80/"):
            with self.subTest(path=path):
                refused = self.refused(path)
                self.assertIn(refused.status, (400, 404))
                self.assertEqual(refused.get("Content-Security-Policy"), SANDBOX)
        status, headers, _ = request("GET", f"{self.door.url}/via/ws://127.0.0.1:9/")
        self.assertEqual((status, headers["Upgrade"]), (426, "websocket"))
        self.assertEqual(self.relays(), [])

    def test_a_target_behind_tls_is_reached(self):
        self.world()
        target = self.target(tls=self.tls())
        client = self.via(target, "/a")
        client.text("through two TLS connections")
        self.assertEqual(client.payload(TEXT), b"through two TLS connections")
        self.assertEqual(json.loads(self.relays()[0]["connect"])["url"], target.url + "/a")

    def test_paths_and_queries_of_sockets_pass_as_written(self):
        self.world()
        target = self.target(record)
        for number, path in enumerate(("/a%2Fb/%2e%2e/c/../d//e", "/x?token=abc&apiKey=of-the-target", "/?q=%20+;=&u=wss://b.example/", "")):
            with self.subTest(path=path):
                self.via(target, path)
                self.assertEqual(target.visit(number).line, f"GET {path or '/'} HTTP/1.1")
                self.assertEqual(self.relays()[number]["url"], target.url + path)

    def test_connection_headers_are_not_forwarded(self):
        self.world()
        target = self.target(record)
        for name in ("Connection", "Upgrade", "Transfer-Encoding", "Content-Length", "Sec-WebSocket-Key", "Sec-WebSocket-Extensions"):
            with self.subTest(name=name):
                self.assertEqual(self.refused(target.url, [("X-Forward-" + name, "x")]).status, 400)
        self.assertEqual(target.visits, [])

    # --- the frames -----------------------------------------------------------------------------------------------------------------------

    def test_frames_pass_as_they_are_from_the_first_byte_on(self):
        self.world()
        greeting = encode(TEXT, b"welcome", mask=False)
        frames = [(PING, b"x", True), (TEXT, b"a", False), (PONG, b"", True), (0, b"b", True), (BINARY, bytes(65536), True), (CLOSE, close_payload(4999, "☃"), True)]
        target = self.target(lambda visit: (visit.peer.send_raw(greeting), record(visit)))
        client = self.via(target, behind=b"".join(encode(*frame) for frame in frames[:3]))
        client.send_raw(b"".join(encode(*frame) for frame in frames[3:]))
        self.assertEqual(target.visit().wait_frames(len(frames)), [facts(opcode, data, fin, True) for opcode, data, fin in frames])
        self.assertEqual(client.payload(TEXT), b"welcome")
        self.assertEqual(client.closed(), (4999, "☃"))
        self.assertTrue(client.end_and_leave())

    def test_an_app_that_leaves_while_the_target_is_reached_leaves_nothing(self):
        self.world()
        self.net.fault("relay_slow", delay_ms=1500, count=1)
        target = self.target(record)
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.sendall((f"GET /via/{target.url} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        wait_for(lambda: self.relays(), "the relay to be under way")
        sock.close()
        wait_for(lambda: self.relays()[0]["state"] == "closed", "the network to see that the app left")
        self.assertEqual(self.relay_count(), 0)


class Http(RelayCase):
    def page(self, script=None):
        upstream = ScriptedUpstream(script or self.echo)
        self.addCleanup(upstream.close)
        return upstream

    @staticmethod
    def echo(r, _):
        if r.target.startswith("/missing"):
            return answer(404, b"nothing here", "Content-Type: text/plain", reason="Not Found")
        body = b"" if r.method == "HEAD" else b'{"method": "%s",  "n": 1.50, "a": 1, "a": 2, "body": ' % r.method.encode() + json.dumps(r.body.decode()).encode() + b"}"
        return answer(200, body, "Content-Type: application/json", "X-Of-Target: yes")

    def url(self, page, path="/"):
        return f"{self.door.url}/via/{page.url}{path}"

    def assert_sandboxed(self, headers):
        self.assertEqual(headers["Content-Security-Policy"], SANDBOX)
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def curl(self, url, *options):
        """(status, {name: value}, body) as curl has them."""
        done = run(["curl", "-sS", "--path-as-is", "-i", *options, url])
        self.assertEqual(done.returncode, 0, done.stderr)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        return int(first.split()[1]), {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body

    def test_every_method_and_body_and_header_passes_and_the_answer_comes_back(self):
        self.world()
        page = self.page()
        for number, (method, body) in enumerate((("GET", b""), ("POST", "{\"a\": \"grüße\"}".encode()), ("PUT", b"plain \\ \" text\n"), ("PATCH", b"[]"), ("DELETE", b""),
                                                 ("OPTIONS", b""))):
            with self.subTest(method=method):
                call = urllib.request.Request(self.url(page, "/a?b=c"), data=body or None, method=method,
                                              headers={"X-Custom": "kept", "Cookie": "a=1", "Content-Type": "text/x", "Authorization": "Basic abc", "X-Forward-Origin": "https://o.example",
                                                       "X-Geo": "DE", "X-Agent": "de1", "X-Timeout": "20", "X-Expect-JSON": "1", "X-API-Key": KEY})
                with urllib.request.urlopen(call, timeout=30) as got:
                    self.assertEqual(got.status, 200)
                    self.assertEqual(got.read(), b'{"method": "%s",  "n": 1.50, "a": 1, "a": 2, "body": ' % method.encode() + json.dumps(body.decode()).encode() + b"}")
                    self.assertEqual((got.headers["Content-Type"], got.headers["X-Of-Target"]), ("application/json", "yes"))
                    self.assertEqual((got.headers["X-Bridge-Agent"], got.headers["X-Bridge-Blocked"]), ("scraping-de1", "false"))
                    self.assertEqual(got.headers["X-Bridge-Final-URL"], page.url + "/a?b=c")
                    self.assert_sandboxed(got.headers)
                there = page.requests[number]
                self.assertEqual((there.method, there.target, there.body), (method, "/a?b=c", body))
                for name, value in (("X-Custom", "kept"), ("Cookie", "a=1"), ("Authorization", "Basic abc"), ("Origin", "https://o.example")):
                    self.assertEqual(there.get(name), value)
                if body:
                    self.assertEqual(there.get("Content-Type"), "text/x")
                for name in ("X-Geo", "X-Agent", "X-Timeout", "X-Expect-JSON", "X-Forward-Origin", "X-Target-URL", "X-API-Key"):
                    self.assertIsNone(there.get(name), name)
                self.assertEqual(there.get("Host"), page.url[len("http://"):])
                self.assertNotIn(KEY.encode(), there.raw)

    def test_a_key_that_is_nobodys_here_is_the_targets(self):
        self.world()
        page = self.page()
        self.curl(self.url(page), "-H", "X-API-Key: " + APP_KEY, "-H", "Authorization: Bearer other")
        self.assertEqual((page.requests[0].get("X-API-Key"), page.requests[0].get("Authorization")), (APP_KEY, "Bearer other"))

    def test_head_and_errors_of_the_target_pass(self):
        self.world()
        page = self.page()
        status, headers, body = self.curl(self.url(page), "-I")
        self.assertEqual((status, headers["x-of-target"], body), (200, "yes", b""))
        self.assertEqual(page.requests[0].method, "HEAD")
        status, headers, body = self.curl(self.url(page, "/missing"))
        self.assertEqual((status, body, headers["content-type"]), (404, b"nothing here", "text/plain"))
        self.assertEqual((headers["content-security-policy"], headers["x-content-type-options"]), (SANDBOX, "nosniff"))

    def test_a_page_that_blocks_says_so_and_keeps_its_status(self):
        self.world()
        page = self.page(lambda r, c: answer(403, b"Access Denied", "Content-Type: text/html", reason="Forbidden"))
        status, headers, body = self.curl(self.url(page))
        self.assertEqual((status, headers["x-bridge-blocked"], body), (403, "true", b"Access Denied"))

    def test_a_redirect_that_the_network_followed_is_said(self):
        self.world()
        page = self.page(lambda r, c: answer(302, b"", "Location: /there?x=1", reason="Found") if r.target == "/" else answer(200, b"arrived"))
        status, headers, body = self.curl(self.url(page))
        self.assertEqual((status, body, headers["x-bridge-final-url"]), (200, b"arrived", page.url + "/there?x=1"))

    def test_what_would_act_on_this_origin_is_lost(self):
        self.world()
        page = self.page(lambda r, c: answer(200, b"<script>alert(1)</script>", "Content-Type: text/html", "Set-Cookie: a=b", "Clear-Site-Data: \"*\"", "Service-Worker-Allowed: /",
                                             "Content-Security-Policy: default-src *", "X-Content-Type-Options: other", "Access-Control-Allow-Origin: *", "X-Kept: 1"))
        done = run(["curl", "-sS", "-i", self.url(page)])
        head = done.stdout.partition(b"\r\n\r\n")[0].decode().lower()
        for name in ("set-cookie", "clear-site-data", "service-worker-allowed", "access-control-allow-origin"):
            self.assertNotIn("\r\n" + name + ":", head)
        self.assertEqual([line for line in head.split("\r\n") if line.startswith(("content-security-policy:", "x-content-type-options:"))],
                         ["content-security-policy: " + SANDBOX, "x-content-type-options: nosniff"])
        self.assertIn("\r\nx-kept: 1", head)

    def test_paths_and_queries_of_pages_pass_as_written(self):
        self.world()
        page = self.page(lambda r, c: answer(200, r.target))
        for path in ("/a%2Fb/%2e%2e/c", "/a/../b/./c", "/a//b", "/x?token=abc&apiKey=of-the-target&api_key=1", "/%E2%98%83?q=%20+&;=", "/a?url=https://b.example/?c=d", "/?"):
            with self.subTest(path=path):
                self.assertEqual(self.curl(self.url(page, path))[::2], (200, path.encode()))

    def test_bodies_of_every_kind_come_back_byte_for_byte(self):
        self.world()
        bodies = [b'{"a":1.50,  "b" : [1e2, "\\u00e9"], "a": 12345678901234567890}', b"[1, 2 ]", b"5", b'"text"', "<p>grüße ☃\r\n\t\"\\</p>".encode(), b"", b"{broken", b"x" * 3_000_000]
        page = self.page(lambda r, c: answer(200, bodies[int(r.target[1:])], "Content-Type: text/plain"))
        for number, body in enumerate(bodies):
            with self.subTest(body=body[:40]):
                self.assertEqual(self.curl(self.url(page, f"/{number}"))[::2], (200, body))

    def test_statuses_without_a_body_pass(self):
        self.world()
        page = self.page(lambda r, c: answer(204, b"", length=False) if r.target == "/204" else answer(304, b"", "ETag: \"1\"", length=False))
        self.assertEqual(self.curl(self.url(page, "/204"))[::2], (204, b""))
        self.assertEqual(self.curl(self.url(page, "/304"), "-H", 'If-None-Match: "1"')[::2], (304, b""))

    def test_a_body_that_is_no_text_is_415(self):
        self.world()
        page = self.page()
        path = os.path.join(self.folder, "binary")
        with open(path, "wb") as f:
            f.write(b"\xff\xfe\0")
        status, headers, body = self.curl(self.url(page), "-X", "POST", "--data-binary", "@" + path)
        self.assertEqual((status, headers["x-bridge-sent"]), (415, "no"))
        self.assertIn("detail", json.loads(body))
        self.assertEqual(headers["content-security-policy"], SANDBOX)
        self.assertEqual(page.requests, [])

    def test_errors_of_the_network_are_told_from_the_targets(self):
        self.world(settings=", retry: {attempts: 1}")
        status, headers, _ = self.curl(f"{self.door.url}/via/http://127.0.0.1:9/")
        self.assertEqual(status, 502)
        self.assertIn("proxy-status", headers)
        slow = self.page(lambda r, c: time.sleep(3) or answer())
        self.assertEqual(self.curl(self.url(slow), "-H", "X-Timeout: 0.5")[0], 504)
        for status in (502, 504, 429):  # the last one holds everybody back
            with self.subTest(status=status):
                self.net.fault("rest", status=status, body='{"error": "of the network"}', count=1, path="/fetch", headers={"Retry-After": "7"})
                got, headers, body = self.curl(self.url(self.page()), "-H", "X-Bridge-Max-Wait: 100ms")
                self.assertEqual(got, status)
                self.assertRegex(headers["proxy-status"], r"^bridge55; ?error=")
                self.assertEqual(headers["content-security-policy"], SANDBOX)
                self.assertIn("code", json.loads(body)["detail"])
        self.assertIn(int(headers["retry-after"]), range(5, 8))

    def test_a_browser_gets_nothing(self):
        self.world()
        page = self.page()
        for header in ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site", "Origin: https://evil.example", "Origin: null"):
            with self.subTest(header=header):
                self.assertEqual(self.curl(self.url(page), "-H", header)[0], 403)
        self.assertEqual(self.curl(self.url(page), "-H", "Host: evil.example")[0], 421)
        self.assertEqual(page.requests, [])

    def test_node_and_requests_fetch_through_it(self):
        self.world()
        page = self.page()
        said = self.finished(self.node("fetch_client.js", self.url(page, "/get"), self.url(page, "/post"), self.url(page, "/missing")), "node's fetch")
        self.assertEqual([(one["status"], one["type"]) for one in said], [(200, "application/json"), (200, "application/json"), (404, "text/plain")])
        self.assertTrue(all(one["agent"].startswith("scraping-") for one in said), said)
        self.assertEqual(json.loads(json.loads(said[1]["body"])["body"]), {"a": "grüße"})
        import requests  # python3-requests: here alone
        session = requests.Session()
        got = session.post(self.url(page, "/post"), json={"b": 2}, timeout=30)
        self.assertEqual((got.status_code, json.loads(got.json()["body"])), (200, {"b": 2}))
        self.assertEqual(session.get(self.url(page, "/missing"), timeout=30).text, "nothing here")
        self.assertEqual(len(session.cookies), 0)

    def test_an_upload_in_chunks_goes_whole(self):
        self.world()
        page = self.page(lambda r, c: answer(200, str(len(r.body))))
        path = os.path.join(self.folder, "text")
        with open(path, "wb") as f:
            f.write(b"0123456789abcdef" * 100_000)
        self.assertEqual(self.curl(self.url(page), "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "--data-binary", "@" + path)[::2], (200, b"1600000"))

    def test_fetches_take_tokens_of_the_limit(self):
        self.world(settings=", rate_limit: 1/min, burst: 1, max_wait: 100ms")
        page = self.page()
        self.assertEqual(self.curl(self.url(page))[0], 200)
        status, headers, body = self.curl(self.url(page))
        self.assertEqual((status, headers["x-bridge-sent"]), (429, "no"))
        self.assertIn(json.loads(body)["detail"]["code"], ("RATE_LIMITED", "QUEUE_TIMEOUT"))
        self.assertGreaterEqual(int(headers["retry-after"]), 1)
        self.assertEqual(headers["content-security-policy"], SANDBOX)


if __name__ == "__main__":
    main()
