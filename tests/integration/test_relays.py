#!/usr/bin/python3
"""`/scraping/ws` as its clients see it: the relay protocol with the daemon's key put in, then frames untouched, held against what the
simulated network says to the same client directly. Frames are looked at one by one at both ends; programs of others are npm's and the
vendor's documentation's own."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from harness import main, request, wait_for
from relay_harness import APP_KEY, KEY, RelayCase, documented, indented, npm_modules, resident
from ws_peer import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Refused, close_payload, connect, encode, facts, record,
                     relay)

MESSAGES = [b"", b"a", b"\0", "grüße ☃ \U0001f600".encode(), b"x" * 125, b"y" * 126, b"z" * 65535, bytes(range(256)) * 256]
CODES = [(1000, ""), (1000, "done"), (1001, "going away"), (1008, "policy"), (1011, "broke ☃"), (3000, "r" * 123), (4999, "own"), (None, "")]


def say_when_asked(frames):
    """A target that keeps what it gets, and says its own frames when it gets the text `now`."""
    def serve(visit):
        while True:
            frame, payload = visit.peer.frame()
            if payload == b"now":
                visit.peer.send_raw(b"".join(encode(*f, mask=False) for f in frames))
                continue
            visit.keep(frame, payload)
            if frame.opcode == CLOSE:
                visit.peer.send(CLOSE, payload)
                return
    return serve


class Relays(RelayCase):
    def direct(self, message):
        """What the network itself says to a client: [text or close, ...]."""
        url = urllib.parse.urlsplit(self.net.urls["scraping_ws"])
        raw = socket.create_connection((url.hostname, url.port))
        context = ssl.create_default_context(cafile=self.net.ca)
        peer = connect(url.port, "/ws", sock=context.wrap_socket(raw, server_hostname="localhost"))
        peer.text(message)
        return self.answers(peer)

    def through(self, message):
        peer = connect(self.port, "/scraping/ws")
        peer.text(message)
        return self.answers(peer)

    def answers(self, peer):
        """Texts until the close frame, and its code."""
        said = []
        while True:
            frame, payload = peer.frame()
            if frame.opcode == CLOSE:
                said.append(int.from_bytes(payload[:2], "big"))
                peer.send(CLOSE, payload)
                peer.leave()
                return said
            said.append(payload.decode())

    # --- frames --------------------------------------------------------------------------------------------------------------------

    def test_messages_of_every_size_pass_both_ways_as_they_are(self):
        self.world(extra="http: {max_frame: 64KiB}\n")  # a limit of the door's own streams, not of relays
        def fits(opcode, data):
            try:
                data.decode()
                return True
            except UnicodeDecodeError:
                return opcode == BINARY
        frames = [(opcode, data) for opcode in (TEXT, BINARY) for data in MESSAGES if fits(opcode, data)]
        frames.append((BINARY, os.urandom(10 << 20)))
        frames.append((TEXT, b"t" * (10 << 20)))
        target = self.target(say_when_asked([(opcode, data) for opcode, data in frames]))
        client = self.open(target)
        self.assertEqual(client.connected["status"], 101)
        self.assertTrue(client.connected["node_id"])
        for opcode, data in frames:
            client.send(opcode, data)
        seen = target.visit().wait_frames(len(frames))
        self.assertEqual(seen, [facts(opcode, data, masked=True) for opcode, data in frames])
        client.text("now")
        for opcode, data in frames:
            frame, _ = client.frame()
            self.assertEqual(frame, facts(opcode, data))

    def test_fragments_and_pings_between_them_pass_as_they_are(self):
        self.world()
        frames = [(TEXT, b"one ", False), (PING, b"p1", True), (CONTINUATION, b"", False), (PING, b"", True), (CONTINUATION, "\u2603".encode()[:1], False),
                  (PONG, b"unasked", True), (CONTINUATION, "\u2603".encode()[1:], True), (BINARY, b"\xff" * 70000, False), (PING, b"q" * 125, True),
                  (CONTINUATION, b"\xfe", True), (PONG, b"", True)]
        target = self.target(say_when_asked(frames))
        client = self.open(target)
        client.send_raw(b"".join(encode(*frame) for frame in frames))
        self.assertEqual(target.visit().wait_frames(len(frames)), [facts(opcode, data, fin, True) for opcode, data, fin in frames])
        client.text("now")
        for opcode, data, fin in frames:
            self.assertEqual(client.frame()[0], facts(opcode, data, fin))

    def test_a_frame_that_dribbles_in_byte_by_byte_arrives_whole(self):
        self.world()
        client = self.open(self.target())
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in encode(TEXT, b"slowly"):
            client.send_raw(bytes([byte]))
        self.assertEqual(client.payload(TEXT), b"slowly")

    def test_close_codes_and_reasons_of_the_app_reach_the_target_and_its_answer_the_app(self):
        self.world()
        target = self.target(record)
        for number, (code, reason) in enumerate(CODES):
            with self.subTest(code=code, reason=reason):
                client = self.open(target)
                client.send(CLOSE, close_payload(code, reason))
                visit = target.visit(number)
                visit.wait_end()
                self.assertEqual(visit.frames, [facts(CLOSE, close_payload(code, reason), masked=True)])
                self.assertEqual(client.payload(CLOSE), close_payload(code, reason))
                self.assertTrue(client.end_and_leave())
        self.wait_no_relays()

    def test_close_codes_and_reasons_of_the_target_reach_the_app_and_its_answer_the_target(self):
        self.world()
        for code, reason in CODES:
            with self.subTest(code=code, reason=reason):
                def serve(visit):
                    visit.peer.send(CLOSE, close_payload(code, reason))
                    visit.keep(*visit.peer.frame())
                target = self.target(serve)
                client = self.open(target)
                self.assertEqual(client.payload(CLOSE), close_payload(code, reason))
                client.send(CLOSE, close_payload(code, reason))
                target.visit().wait_end()
                self.assertEqual(target.visit().frames, [facts(CLOSE, close_payload(code, reason), masked=True)])
                self.assertTrue(client.end_and_leave())
        self.wait_no_relays()

    def test_an_app_that_leaves_its_socket_open_after_the_close_frames_is_given_the_end(self):
        self.world()
        client = self.open(self.target(record))
        client.close(4999, "enough")
        self.assertEqual(client.closed(), (4999, "enough"))
        self.assertTrue(client.end())
        self.wait_no_relays()
        self.assertNotIn("not over in time", self.door.process.log())

    def test_frames_right_behind_the_connect_message_are_not_lost(self):
        self.world()
        target = self.target(record)
        behind = b"".join(encode(TEXT, b"%d" % i) for i in range(500)) + encode(BINARY, b"\0" * 200000)
        message = encode(TEXT, json.dumps({"url": target.url}).encode())
        client = connect(self.port, "/scraping/ws", behind=message + behind)  # in the same bytes as the handshake
        self.assertEqual(json.loads(client.payload(TEXT))["type"], "connected")
        frames = target.visit().wait_frames(501)
        self.assertEqual(frames[:3], [facts(TEXT, b"%d" % i, masked=True) for i in range(3)])
        self.assertEqual(frames[499:], [facts(TEXT, b"499", masked=True), facts(BINARY, b"\0" * 200000, masked=True)])
        client.leave()

    def test_frames_that_the_target_says_at_once_follow_connected(self):
        self.world()
        frames = [(TEXT, b"early %d" % i) for i in range(300)]
        target = self.target(lambda visit: (visit.peer.send_raw(b"".join(encode(*f, mask=False) for f in frames)), record(visit)))
        client = self.open(target)
        for opcode, data in frames:
            self.assertEqual(client.frame()[0], facts(opcode, data))

    def test_no_extension_is_agreed_on_either_side(self):
        self.world()
        target = self.target()
        client = self.open(target, headers=[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")])
        self.assertNotIn("sec-websocket-extensions", [name.lower() for name, _ in client.headers])
        self.assertIsNone(target.visit().get("Sec-WebSocket-Extensions"))
        self.assertNotIn("sec-websocket-extensions", [name.lower() for name, _ in self.relays()[0]["upgrade"]])

    def test_every_upstream_of_the_kind_has_the_socket_under_its_own_name(self):
        self.world()
        self.door.upstreams += self.door.upstreams.splitlines()[1].replace("scraping:", "second:").replace("{url", "{kind: scraping, url") + "\n"
        self.door.write_config()
        self.door.process.kill(signal.SIGHUP)
        wait_for(lambda: request("GET", self.door.url + "/second/ws")[0] == 426, "the second upstream")
        client = relay(self.port, {"url": self.target().url}, path="/second/ws")
        self.assertEqual(json.loads(client.payload(TEXT))["type"], "connected")
        client.leave()

    def test_a_reload_leaves_relays_alone(self):
        self.world()
        client = self.open(self.target())
        self.door.extra = self.door.extra.replace("trace", "debug")
        self.door.write_config()
        self.door.process.kill(signal.SIGHUP)
        wait_for(lambda: "the changed config is in force" in self.door.process.log(), "the reload")
        client.text("still here")
        self.assertEqual(client.payload(TEXT), b"still here")

    def test_the_unix_socket_relays_too(self):
        self.world()
        target = self.target()
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.door.api_socket)
        client = connect(self.port, "/scraping/ws", sock=sock)
        client.text(json.dumps({"url": target.url}))
        self.assertEqual(json.loads(client.payload(TEXT))["type"], "connected")
        client.text("through a file")
        self.assertEqual(client.payload(TEXT), b"through a file")
        client.leave()

    # --- the connect message -----------------------------------------------------------------------------------------------------------

    def test_only_our_key_goes_upstream_whatever_the_app_sends(self):
        self.world()
        target = self.target(record)
        messages = [{"url": target.url}, {"apiKey": APP_KEY, "url": target.url}, {"key": APP_KEY, "url": target.url},
                    {"url": target.url, "key": APP_KEY, "apiKey": APP_KEY}, {"apiKey": None, "url": target.url}, {"apiKey": KEY, "url": target.url}]
        for message in messages:
            client = relay(self.port, message, headers=[("X-API-Key", APP_KEY), ("Authorization", "Bearer " + APP_KEY)])
            self.assertEqual(json.loads(client.payload(TEXT))["type"], "connected", message)
            client.leave()
        relays = self.relays()
        self.assertEqual(len(relays), len(messages))
        self.assertNotIn(APP_KEY, json.dumps(relays))
        self.assertEqual(len({r["key"] for r in relays}), 1)
        for r in relays:
            self.assertEqual(len(re.findall(r'"(?:apiKey|key)"', r["connect"])), 1, r["connect"])
        for visit in target.visits:
            self.assertNotIn(APP_KEY, str(visit.headers))
            self.assertNotIn(KEY, str(visit.headers))
        self.wait_no_relays()
        self.assert_secrets_kept()

    def test_a_key_in_disguise_stays_here_too(self):
        self.world()
        target = self.target(record)
        for text in ('{"\\u0061piKey":"%s","url":"%s"}', '{"key":"%s","\\u006bey":"other","url":"%s"}', ' {"url" : "x", "apiKey":"%s" , "url":"%s"} '):
            client = relay(self.port, (text % (APP_KEY, target.url)).encode())
            client.frame()
            client.leave()
        self.assertNotIn(APP_KEY, json.dumps(self.relays()))
        self.assertEqual({r["key"] for r in self.relays()}, {self.relays()[0]["key"]})
        self.assertGreaterEqual(len(target.visits), 2)

    def test_a_key_in_the_url_is_refused_and_not_logged(self):
        self.world()
        for name in ("token", "apiKey", "api_key"):
            with self.subTest(name=name), self.assertRaises(Refused) as refused:
                connect(self.port, f"/scraping/ws?{name}={APP_KEY}")
            self.assertEqual(refused.exception.status, 400)
        self.assert_secrets_kept()

    def test_every_field_of_the_connect_message_goes_upstream(self):
        self.world()
        target = self.target(record)
        message = {"apiKey": "x", "url": target.url + "/stream?a=%2F&b=1", "headers": {"Authorization": "Bearer target", "X-Odd": "odd"},
                   "cookies": {"session": "abc123"}, "geo": "US,DE", "agent": "de1", "idle_timeout": 1.5, "unknown": {"a": [1.25, None]}}
        client = relay(self.port, json.dumps(message).replace("1.25", "1.250").encode())
        self.assertEqual(json.loads(client.payload(TEXT))["node_id"], "scraping-de1")
        client.leave()
        visit = target.visit()
        self.assertEqual(visit.line, "GET /stream?a=%2F&b=1 HTTP/1.1")
        self.assertEqual(visit.get("Authorization"), "Bearer target")
        self.assertEqual(visit.get("Cookie"), "session=abc123")
        said = self.relays()[0]["connect"]
        sent = json.loads(said)
        for name in ("url", "headers", "cookies", "geo", "agent", "idle_timeout", "unknown"):
            self.assertEqual(sent[name], message[name])
        self.assertIn("1.250", said)

    def test_a_connect_message_in_fragments_and_behind_pings_is_one(self):
        self.world()
        target = self.target()
        text = json.dumps({"url": target.url}).encode()
        client = connect(self.port, "/scraping/ws")
        client.send(PING, b"are you there")
        self.assertEqual(client.payload(PONG), b"are you there")
        client.send(TEXT, text[:5], fin=False)
        client.send(PING, b"")
        client.send(CONTINUATION, text[5:])
        self.assertEqual(client.payload(PONG), b"")
        self.assertEqual(json.loads(client.payload(TEXT))["type"], "connected")
        client.leave()

    def test_silence_and_pings_alone_are_closed_with_1008(self):
        self.world()
        silent, pinging = connect(self.port, "/scraping/ws"), connect(self.port, "/scraping/ws")
        stop = threading.Event()
        def ping():
            while not stop.wait(0.5):
                try:
                    pinging.send(PING, b"still here")
                except OSError:
                    return
        pings = threading.Thread(target=ping)
        pings.start()
        try:
            self.assertEqual(silent.closed()[0], 1008)
            while True:  # pings are no connect message
                frame, payload = pinging.frame()
                if frame.opcode != PONG:
                    break
            self.assertEqual((frame.opcode, payload[:2]), (CLOSE, (1008).to_bytes(2, "big")))
        finally:
            stop.set()
            pings.join()
        for client in (silent, pinging):
            client.send(CLOSE, close_payload(1008))
            self.assertTrue(client.end_and_leave())
            client.leave()
        self.assertEqual(self.relays(), [])

    def test_what_is_no_connect_message_is_closed_with_1008(self):
        self.world()
        for text in ("{", "[]", '"text"', "null", "hello", '{"url": }'):
            with self.subTest(text=text):
                *errors, code = self.through(text)
                self.assertEqual(code, 1008)
                for error in errors:
                    self.assertEqual(json.loads(error)["type"], "error")
        binary = connect(self.port, "/scraping/ws")
        binary.send(BINARY, b'{"url":"ws://127.0.0.1:1"}')
        *_, code = self.answers(binary)
        self.assertIn(code, (1003, 1008))
        self.assertEqual(self.relays(), [])

    def test_what_the_network_refuses_reads_as_it_says_it(self):
        self.world()
        refusing = self.target(answer=lambda line, headers: "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        closed = socket.create_server(("127.0.0.1", 0))
        nobody = closed.getsockname()[1]
        closed.close()
        for fields in ({"url": f"ws://127.0.0.1:{nobody}/"}, {"url": refusing.url}, {"url": "http://127.0.0.1/"}, {"url": ""}, {},
                       {"url": refusing.url, "geo": "Germany"}, {"url": refusing.url, "agent": "nobody9"}, {"url": 5}):
            with self.subTest(fields=fields):
                direct = self.direct(json.dumps({"apiKey": KEY, **fields}))
                through = self.through(json.dumps({"apiKey": APP_KEY, **fields}))
                self.assertEqual(through, direct)
                self.assertEqual(json.loads(through[0])["type"], "error")
                self.assertIn(through[-1], (1008, 1011))

    def test_no_agent_is_said_with_1011(self):
        self.world()
        self.net.fault("relay_refuse", count=1)
        target = self.target()
        self.assertEqual([json.loads(self.through(json.dumps({"url": target.url}))[0]), 1011],
                         [{"type": "error", "message": "Agent unavailable"}, 1011])
        self.open(target)  # the next one stands

    def test_a_relay_takes_one_token_and_says_so_when_there_is_none(self):
        self.world(settings=", rate_limit: 1/min, burst: 1, max_wait: 200ms")
        target = self.target()
        self.open(target)
        error, code = self.through(json.dumps({"url": target.url}))
        self.assertEqual((json.loads(error), code), ({"type": "error", "message": "Rate limit exceeded"}, 1008))
        self.assertEqual(len(self.relays()), 1)
        self.assertEqual(request("GET", self.door.url + "/scraping/usage", headers={"X-Bridge-Max-Wait": "100ms"})[0], 429)

    def test_the_networks_own_limit_reads_as_it_says_it(self):
        self.world("--scraping-rps", "1", "--scraping-burst", "1", limits=True)
        target = self.target()
        self.open(target)
        error, code = self.through(json.dumps({"url": target.url}))
        self.assertEqual((json.loads(error), code), ({"type": "error", "message": "Rate limit exceeded"}, 1008))

    def test_a_network_that_is_not_there_is_said_with_1011(self):
        self.world()
        self.net.process.kill()
        self.net.process.wait()
        error, code = self.through(json.dumps({"url": "ws://127.0.0.1:9"}))
        self.assertEqual((json.loads(error)["type"], code), ("error", 1011))
        self.assertNotIn(KEY, error)

    def test_an_idle_timeout_is_the_networks_to_keep(self):
        self.world()
        target = self.target(record)
        client = self.open(target, {"idle_timeout": 0.3})
        url = urllib.parse.urlsplit(self.net.urls["scraping_ws"])
        context = ssl.create_default_context(cafile=self.net.ca)
        alone = connect(url.port, "/ws", sock=context.wrap_socket(socket.create_connection((url.hostname, url.port)), server_hostname="localhost"))
        alone.text(json.dumps({"apiKey": KEY, "url": target.url, "idle_timeout": 0.3}))
        alone.payload(TEXT)
        self.assertEqual(client.closed(), alone.closed())
        alone.leave()

    def test_a_plain_get_is_426(self):
        self.world()
        status, headers, _ = request("GET", self.door.url + "/scraping/ws")
        self.assertEqual((status, headers["Upgrade"]), (426, "websocket"))

    def test_a_browser_page_opens_no_relay(self):
        self.world()
        for header in (("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")):
            with self.subTest(header=header), self.assertRaises(Refused) as refused:
                connect(self.port, "/scraping/ws", [header])
            self.assertEqual(refused.exception.status, 403)
        self.assertEqual(self.relays(), [])

    # --- much ------------------------------------------------------------------------------------------------------------------------

    def stalled(self, counter):
        """Waits until it grows no more; its value."""
        last, since = counter(), time.monotonic()
        def still():
            nonlocal last, since
            if counter() != last:
                last, since = counter(), time.monotonic()
            return time.monotonic() - since > 0.4
        wait_for(still, "the sender to be held back")
        return last

    def test_an_app_that_does_not_read_costs_256_kib_and_gets_everything_later(self):
        self.world()
        sent = [0]
        piece, count = encode(BINARY, os.urandom(1 << 20), mask=False), 200
        def serve(visit):
            for _ in range(count):
                visit.peer.send_raw(piece)
                sent[0] += 1
            record(visit)
        self.open(self.target()).text("warm")
        warm = self.open(self.target())
        warm.text("warm")
        warm.payload(TEXT)
        before = resident(self.door.process.pid)
        client = self.open(self.target(serve))
        held_back = self.stalled(lambda: sent[0])
        self.assertLess(held_back, count)
        self.assert_memory(resident(self.door.process.pid) - before, 256 + 768)  # KiB: one direction, and TLS records and sockets beside it
        for _ in range(count):
            self.assertEqual(client.frame()[0].length, 1 << 20)
        self.assert_memory(resident(self.door.process.pid) - before, 2 * 256 + 1024)

    def test_a_target_that_does_not_read_costs_256_kib_and_gets_everything_later(self):
        self.world()
        go, done = threading.Event(), threading.Event()
        piece, count = encode(BINARY, os.urandom(1 << 20)), 200
        def serve(visit):
            go.wait(60)
            for _ in range(count):
                visit.keep(*visit.peer.frame())
            done.set()
            record(visit)
        warm = self.open(self.target())
        warm.text("warm")
        warm.payload(TEXT)
        before = resident(self.door.process.pid)
        client = self.open(self.target(serve))
        sent = [0]
        def push():
            for _ in range(count):
                client.send_raw(piece)
                sent[0] += 1
        pusher = threading.Thread(target=push)
        pusher.start()
        try:
            self.assertLess(self.stalled(lambda: sent[0]), count)
            self.assert_memory(resident(self.door.process.pid) - before, 256 + 768)
        finally:
            go.set()
        self.assertTrue(done.wait(60), "everything at the target")
        pusher.join()

    def test_a_hundred_relays_at_once_stay_apart_and_leave_nothing(self):
        self.world()
        self.stand_ready()
        target = self.target()
        clients = [relay(self.port, {"url": target.url}) for _ in range(100)]
        for client in clients:
            self.assertEqual(json.loads(client.payload(TEXT))["type"], "connected")
        self.assertEqual(self.relay_count(), 100)
        for number, client in enumerate(clients):
            client.text(f"client {number}")
        for number, client in enumerate(clients):
            self.assertEqual(client.payload(TEXT), b"client %d" % number)
        for client in clients:
            client.close()
        for client in clients:
            self.assertEqual(client.closed(), (1000, ""))
            client.leave()
        self.assert_nothing_left()

    def test_a_thousand_idle_relays_fit_in_64_mib(self):
        self.world()
        target = self.target()
        clients = []
        for _ in range(20):  # in bunches, for the listen queues of the target
            opening = [relay(self.port, {"url": target.url}) for _ in range(50)]
            for client in opening:
                self.addCleanup(client.leave)
                self.assertEqual(json.loads(client.payload(TEXT))["type"], "connected")
            clients += opening
        self.assertEqual(self.relay_count(), 1000)
        with open(f"/proc/{self.door.process.pid}/status", encoding="utf-8") as f:
            self.assert_memory(next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")), 64 << 10)
        for client in clients[::100]:
            client.text("awake")
            self.assertEqual(client.payload(TEXT), b"awake")

    # --- the vendor's own programs -----------------------------------------------------------------------------------------------------

    def instead(self, program, target):
        """The URL, the key and the target, and nothing else."""
        changes = {"wss://scraping-api.55-tech.com/ws": f"ws://127.0.0.1:{self.port}/scraping/ws", "YOUR_API_KEY": APP_KEY, "YOUR_KEY": APP_KEY,
                   "wss://echo.websocket.events": target.url}
        for old, new in changes.items():
            program = program.replace(old, new)
        self.assertNotIn("55-tech", program)
        return program

    def vendors(self, title, language, own, levels=None):
        """The vendor's program; the steps of it in our own words where its page is not at hand."""
        program = documented(title, language)
        if program is None:
            return own
        return indented(program, levels) if levels else program

    def last_words(self):
        """A target that echoes one message and closes, so that programs which read for ever come to an end."""
        def serve(visit):
            frame, payload = visit.peer.frame()
            visit.keep(frame, payload)
            visit.peer.send(frame.opcode, payload)
            visit.peer.close(1000, "bye")
            visit.keep(*visit.peer.frame())
        return self.target(serve)

    def run_program(self, *args):
        done = subprocess.run(args, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "NODE_PATH": npm_modules()})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_the_documented_python_client_runs(self):
        self.world()
        target = self.last_words()
        program = self.vendors("# Scraping API WebSocket & AMQP", "python", OWN_PYTHON, "00001223332222332222230")
        said = self.run_program("/usr/bin/python3", self.write("relay.py", self.instead(program, target)))
        self.assertRegex(said, r"^Connected via scraping-\w+\nReceived: hello from scraping api\n$")
        self.assertEqual(target.visit().frames[0], facts(TEXT, b"hello from scraping api", masked=True))

    def test_the_documented_python_test_runs(self):
        self.world()
        program = self.vendors("# WebSocket Protocol Reference", "python", OWN_TEST, "0000123322223330")
        said = self.run_program("/usr/bin/python3", self.write("test.py", self.instead(program, self.target())))
        self.assertRegex(said, r"^Status: \{'type': 'connected', 'status': 101, 'node_id': 'scraping-\w+'\}\nEcho: test message\n$")

    def test_the_documented_javascript_client_runs(self):
        self.world()
        program = self.vendors("# Scraping API WebSocket & AMQP", "javascript", OWN_JAVASCRIPT)
        said = self.run_program("node", self.write("relay.js", self.instead(program, self.last_words())))
        self.assertRegex(said, r"^Connected via scraping-\w+\nReceived: hello from scraping api\n$")

    def test_the_documented_wscat_session_runs(self):
        self.world()
        own = "# Install\nnpm install -g wscat\n# Connect\nwscat -c wss://scraping-api.55-tech.com/ws\n# Paste\n" \
              '{"apiKey":"YOUR_KEY","url":"wss://echo.websocket.events"}\n# Type\nhello world\n'
        session = self.instead(self.vendors("## Testing with wscat", "bash", own), self.target())
        lines = [line for line in session.splitlines() if line and not line.startswith(("#", "npm "))]
        command, message, hello = lines
        program = self.terminal([os.path.join(npm_modules(), ".bin", command.split()[0]), *command.split()[1:]])
        program.hear("Connected")
        program.type(message)
        program.hear('< {"type":"connected","status":101,"node_id":"scraping-')
        program.type(hello)
        program.hear("< hello world")


OWN_PYTHON = """
import asyncio, json, websockets
async def relay():
    async with websockets.connect("wss://scraping-api.55-tech.com/ws") as ws:
        await ws.send(json.dumps({"apiKey": "YOUR_API_KEY", "url": "wss://echo.websocket.events", "geo": "DE"}))
        print("Connected via " + json.loads(await ws.recv())["node_id"])
        await ws.send("hello from scraping api")
        async for message in ws:
            print("Received:", message)
asyncio.run(relay())
"""
OWN_TEST = """
import asyncio, json, websockets
async def test():
    async with websockets.connect("wss://scraping-api.55-tech.com/ws") as ws:
        await ws.send(json.dumps({"apiKey": "YOUR_API_KEY", "url": "wss://echo.websocket.events"}))
        print("Status:", json.loads(await ws.recv()))
        await ws.send("test message")
        print("Echo:", await ws.recv())
asyncio.run(test())
"""
OWN_JAVASCRIPT = """
const WebSocket = require('ws');
const ws = new WebSocket('wss://scraping-api.55-tech.com/ws');
ws.on('open', () => ws.send(JSON.stringify({apiKey: 'YOUR_API_KEY', url: 'wss://echo.websocket.events', geo: 'DE'})));
ws.once('message', (first) => {
  console.log('Connected via ' + JSON.parse(first).node_id);
  ws.on('message', (data) => console.log('Received: ' + data));
  ws.send('hello from scraping api');
});
"""


class Clients(RelayCase):
    """Who may relay, where `clients:` are configured."""

    SCRAPER, READER, GOES = "scraper-token-1234567", "reader-token-1234567", "goes-token-1234567"
    CLIENTS = f"clients:\n  - {{name: scraper, token: {SCRAPER}, allow: [scrape]}}\n  - {{name: reader, token: {READER}, allow: [read, events]}}\n"
    LEAVER = f"  - {{name: goes, token: {GOES}, allow: [scrape]}}\n"
    OPS = "  - {name: ops, token: ops-token-1234567, allow: [admin]}\n"

    def refused(self, message, headers=()):
        peer = relay(self.port, message, headers)
        said, closed = json.loads(peer.payload(TEXT)), peer.closed()
        peer.leave()
        return said, closed[0]

    NO_KEY = ({"type": "error", "message": "Invalid or missing API key"}, 1008)

    def test_a_relay_wants_a_token_with_the_scope_by_header_or_in_the_keys_place(self):
        self.world(extra=self.CLIENTS)
        target = self.target(record)
        good = [({"url": target.url}, [("Authorization", f"Bearer {self.SCRAPER}")]), ({"url": target.url}, [("X-API-Key", self.SCRAPER)]),
                ({"url": target.url, "apiKey": self.SCRAPER}, []), ({"url": target.url, "key": self.SCRAPER}, [])]
        for message, headers in good:
            with self.subTest(message=message, headers=headers):
                client = relay(self.port, message, headers)
                self.assertEqual(json.loads(client.payload(TEXT))["type"], "connected")
                client.leave()
        bad = [({"url": target.url}, []), ({"url": target.url, "apiKey": "wrong-token-1234567"}, []), ({"url": target.url, "apiKey": KEY}, []),
               ({"url": target.url, "apiKey": self.READER}, []), ({"url": target.url}, [("Authorization", f"Bearer {self.READER}")]),
               ({"url": target.url, "apiKey": 5}, []), ({"url": target.url, "apiKey": ""}, [])]
        for message, headers in bad:
            with self.subTest(message=message, headers=headers):
                self.assertEqual(self.refused(message, headers), self.NO_KEY)
        self.assertEqual(len(self.relays()), len(good))
        self.assertEqual(len(target.visits), len(good))
        said = json.dumps(self.relays()) + "".join(str(visit.headers) for visit in target.visits)
        self.assertNotIn(self.SCRAPER, said)
        self.assertNotIn(self.SCRAPER, self.door.process.log())

    def test_a_client_that_a_reload_removes_loses_its_relay_with_1008(self):
        self.world(extra=self.CLIENTS + self.LEAVER)
        target = self.target()
        stays = self.open(target, {"apiKey": self.SCRAPER})
        goes = self.open(target, {"apiKey": self.GOES})
        self.door.extra = self.door.extra.replace(self.LEAVER, "")
        self.door.write_config()
        self.door.process.kill(signal.SIGHUP)
        self.assertEqual(goes.closed()[0], 1008)
        self.assertEqual(target.visit(1).wait_end() and target.visit(1).close_seen()[0], 1008)
        stays.text("still here")
        self.assertEqual(stays.payload(TEXT), b"still here")
        self.assertEqual(self.refused({"url": target.url, "apiKey": self.GOES}), self.NO_KEY)

    def test_a_client_whose_scope_a_reload_takes_loses_its_relay_with_1008(self):
        self.world(extra=self.CLIENTS + self.LEAVER)
        goes = self.open(self.target(), {"apiKey": self.GOES})
        self.door.extra = self.door.extra.replace(self.LEAVER, self.LEAVER.replace("scrape", "read"))
        self.door.write_config()
        self.door.process.kill(signal.SIGHUP)
        self.assertEqual(goes.closed()[0], 1008)

    def test_via_signs_in_by_header_and_sends_only_another_authorization_on(self):
        self.world(extra=self.CLIENTS)
        target = self.target(record)
        path = "/via/" + target.url
        connect(self.port, path, [("X-API-Key", self.SCRAPER), ("Authorization", "Bearer of-the-target")]).leave()
        connect(self.port, path, [("Authorization", f"Bearer {self.SCRAPER}")]).leave()
        connect(self.port, path, [("Authorization", f"Bearer {self.SCRAPER}"), ("X-Forward-Authorization", "Basic forwarded")]).leave()
        self.assertEqual([target.visit(i).get("Authorization") for i in range(3)], ["Bearer of-the-target", None, "Basic forwarded"])
        for headers, status in (([], 401), ([("Authorization", "Bearer wrong-token-1234567")], 401), ([("X-API-Key", self.READER)], 403)):
            with self.subTest(headers=headers), self.assertRaises(Refused) as refused:
                connect(self.port, path, headers)
            self.assertEqual(refused.exception.status, status)
            self.assertIn("bridge55", refused.exception.get("Proxy-Status"))
        self.assertNotIn(self.SCRAPER, json.dumps(self.relays()))


if __name__ == "__main__":
    main()
