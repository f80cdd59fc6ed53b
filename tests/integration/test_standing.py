#!/usr/bin/python3
"""Standing relays on real parts: the daemon, the simulated vendor's scraping side, WebSocket targets of python3-websockets, pages and
streams of which every byte is the test's own. Remote RabbitMQ brokers are in test_standing_amqp.py."""

import asyncio
import base64
import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request

import websockets

from harness import Case, main, request, wait_for
from scripted_upstream import ScriptedUpstream, answer

KEY = "scraping-demo-key"


def end_loop(loop, thread):
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


class Target:
    """A WebSocket server in a loop of its own: notes what comes, says what the test wants said."""

    def __init__(self, hello=()):
        self.hello = hello
        self.received, self.headers, self.closes, self.open = [], [], [], []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self.run(self._start())
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/feed"

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    async def _start(self, port=0):
        return await websockets.serve(self._serve, "127.0.0.1", port, ping_interval=None, max_size=None, compression=None)

    async def _serve(self, ws, *_):
        self.headers.append(ws.request_headers)
        self.open.append(ws)
        for message in self.hello:
            await ws.send(message)
        try:
            async for message in ws:
                self.received.append(message)
        except websockets.ConnectionClosed:
            pass
        self.open.remove(ws)
        self.closes.append(ws.close_code)

    def send(self, *messages):
        async def all_of_them():
            for message in messages:
                await self.open[-1].send(message)
        self.run(all_of_them())

    def ping(self):
        async def ping():
            await asyncio.wait_for(await self.open[-1].ping(b"abc"), 10)
        self.run(ping())

    def end(self, code=1000, reason=""):
        self.run(self.open[-1].close(code, reason))

    def stop(self):
        async def stop():
            self.server.close()
            await self.server.wait_closed()
        if self.server:
            self.run(stop())
            self.server = None

    def start_again(self):
        self.server = self.run(self._start(self.port))

    def finish(self):
        self.stop()
        end_loop(self.loop, self.thread)


class Client:
    """A WebSocket client of the daemon's, in a loop of its own."""

    def __init__(self, url, headers=None):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.messages = []
        self.ws = self.run(self._open(url, headers))
        asyncio.run_coroutine_threadsafe(self._read(), self.loop)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    @staticmethod
    async def _open(url, headers):
        return await websockets.connect(url, max_size=None, compression=None, ping_interval=None, extra_headers=headers)

    async def _wait_closed(self):
        await asyncio.wait_for(self.ws.wait_closed(), 20)

    async def _read(self):
        try:
            async for message in self.ws:
                self.messages.append(message)
        except websockets.ConnectionClosed:
            pass

    def send(self, message):
        self.run(self.ws.send(message))

    def close_code(self):
        self.run(self._wait_closed())
        return self.ws.close_code

    async def _close(self):
        await self.ws.close()

    def finish(self):
        if not self.loop.is_closed():
            self.run(self._close())
            end_loop(self.loop, self.thread)


class Relays(Case):
    def target(self, *hello):
        target = Target(hello)
        self.addCleanup(target.finish)
        return target

    def client(self, daemon, name):
        client = Client(f"ws://127.0.0.1:{daemon.port}/relays/{name}")
        self.addCleanup(client.finish)
        wait_for(lambda: self.relay(daemon, name)["attached"] > 0, "the client to be attached")
        return client

    def scraping(self, sim, settings="rate_limit: 1000/s, ", key=KEY):
        return (f"upstreams:\n  scraping: {{url: \"{sim.urls['scraping']}\", api_key: {key}, {settings}"
                f"tls: {{ca_file: \"{sim.ca}\"}}}}\n")

    def relays(self, **relays):
        return "relays:\n" + "".join(f"  {name.replace('_', '-')}: {{upstream: scraping, {text}}}\n" for name, text in relays.items())

    def bridged(self, relays, sim=None, upstreams=None, start=True, up=True, sinks=""):
        daemon = self.daemon(upstreams or self.scraping(sim), relays, sinks=sinks, start=False)
        if start:
            daemon.start(up=False)
            if up:
                self.wait_up(daemon)
        return daemon

    def names(self, daemon):
        return [relay["name"] for relay in daemon.status()["relays"]]

    def wait_up(self, daemon, *names):
        daemon.wait_up(*(names or self.names(daemon)))

    def relay(self, daemon, name):
        return next(relay for relay in daemon.status()["relays"] if relay["name"] == name)

    def events(self, daemon, name, count):
        wait_for(lambda: len(daemon.all_events(f"channel={name}")) >= count, f"{count} events of {name}")
        return daemon.all_events(f"channel={name}")

    def said(self, daemon, channel, name):
        return [e for e in daemon.all_events(f"source=bridge&channel={channel}") if e["payload"].get("relay") == name]

    def becomes(self, what, value):
        """The journal tells it a moment after /status."""
        try:
            wait_for(lambda: what() == value, value)
        except AssertionError:
            self.assertEqual(what(), value)

    def states(self, daemon, name):
        return [e["event"] for e in self.said(daemon, "session", name)]

    def gaps(self, daemon, name):
        return [e["event"] for e in self.said(daemon, "gap", name)]


class WebSocket(Relays):
    def test_frames_become_events_with_their_bytes(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        odd = '{"a" : 1.950, "a":2,\r\n "big":123456789012345678901234567890}'
        texts = [odd, "2probe", "", "null", '{"x":tru}', '"é"']
        target.send(*texts, b"\x00\xff\x10", b"")
        events = self.events(daemon, "odds", 8)
        self.assertEqual([(e["source"], e["channel"], e["event"]) for e in events], [("scraping", "odds", "MESSAGE")] * 8)
        self.assertEqual([e["payload"] for e in events],
                         [json.loads(odd), "2probe", "", None, '{"x":tru}', "é", base64.b64encode(b"\x00\xff\x10").decode(), ""])
        self.assertEqual([e.get("encoding") for e in events], [None] * 6 + ["base64"] * 2)
        self.assertRegex(events[0]["relay"]["node_id"], "^scraping-")
        page = request("GET", daemon.url + "/events/page?channel=odds&after=earliest")[2].decode()
        self.assertIn('"payload":' + odd, page)
        self.assertEqual(self.gaps(daemon, "odds"), [])
        self.becomes(lambda: self.states(daemon, "odds"), ["CONNECTING", "UP"])
        relay = self.relay(daemon, "odds")
        self.assertEqual((relay["state"], relay["kind"], relay["received"]), ("UP", "websocket", 8))
        self.assertEqual(daemon.metric('bridge55_relay_connections{relay="odds"}'), 1)

    def test_the_connect_message_says_what_the_config_says(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}', headers: {{Origin: 'https://t.example'}}, "
                                               "cookies: {session: abc123}, geo: 'DE,AT', idle_timeout: 30s"), sim)
        record = sim.control("GET", "/relays")["relays"][-1]
        self.assertEqual(record["state"], "open", record)
        connect = record["connect"] if isinstance(record["connect"], dict) else json.loads(record["connect"])
        self.assertEqual((connect["url"], connect["geo"], connect["idle_timeout"]), (target.url, "DE,AT", 30))
        self.assertEqual(target.headers[0]["Origin"], "https://t.example")
        self.assertIn("session=abc123", target.headers[0]["Cookie"])
        self.assertNotIn("abc123", daemon.process.log() + json.dumps(daemon.status()))

    def test_first_frames_and_replies(self):
        sim, target = self.sim("--no-limits"), self.target("2")
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}', on_connect: ['{{\"subscribe\":\"odds\"}}', hello], "
                                               "reply: [{when: '2', send: '3'}]"), sim)
        wait_for(lambda: len(target.received) >= 3, "first frames and the reply")
        self.assertEqual(target.received, ['{"subscribe":"odds"}', "hello", "3"])
        target.send("22", b"2", "2")
        wait_for(lambda: len(target.received) >= 4, "the second reply")
        self.assertEqual(target.received[3:], ["3"])
        target.ping()
        self.assertEqual(self.relay(daemon, "odds")["sent"], 4)

    def test_the_same_target_twice_is_one_relay(self):
        sim, target = self.sim("--no-limits"), self.target()
        same = f"kind: websocket, url: '{target.url}'"
        daemon = self.bridged(self.relays(a=same, b=same, c=same + ", on_connect: [x]"), sim)
        self.assertEqual(len(sim.control("GET", "/relays")["relays"]), 2)
        for ws in list(target.open):
            target.run(ws.send("x"))
        for name in "abc":
            self.assertEqual([e["payload"] for e in self.events(daemon, name, 1)], ["x"])
        daemon.extra = self.relays(b=same, d=same, c=same + ", on_connect: [x]")
        daemon.write_config()
        self.assertEqual(request("POST", f"{daemon.url}/admin/reload")[0], 403)
        daemon.process.kill(1)
        wait_for(lambda: set(self.names(daemon)) == set("bcd"), "the reload")
        self.wait_up(daemon, "b", "c", "d")
        self.assertEqual(len(sim.control("GET", "/relays")["relays"]), 2)
        self.becomes(lambda: self.states(daemon, "a"), ["CONNECTING", "UP", "DOWN"])
        self.becomes(lambda: self.states(daemon, "b"), ["CONNECTING", "UP"])
        self.becomes(lambda: self.states(daemon, "d"), ["UP"])
        self.assertIsNone(daemon.metric('bridge55_relay_connections{relay="a"}'))

    def test_names_that_change_places_are_up_in_their_new_one(self):
        sim, one, other = self.sim("--no-limits"), self.target(), self.target()
        first, second = (f"kind: websocket, url: '{target.url}'" for target in (one, other))
        daemon = self.bridged(self.relays(a=first, b=second), sim)
        daemon.extra = self.relays(a=second, b=first)
        daemon.write_config()
        daemon.process.kill(1)
        for name in "ab":
            self.becomes(lambda name=name: self.states(daemon, name), ["CONNECTING", "UP", "DOWN", "UP"])
            self.assertEqual(daemon.metric(f'bridge55_relay_connections{{relay="{name}"}}'), 1)
        one.send("x")
        self.assertEqual([e["payload"] for e in self.events(daemon, "b", 1)], ["x"])

    def test_a_target_that_closes_is_a_gap_and_comes_back(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        target.send("one")
        self.events(daemon, "odds", 1)
        target.end(4999, "done with you")
        wait_for(lambda: self.states(daemon, "odds")[-3:] == ["DOWN", "CONNECTING", "UP"], "the relay to come back")
        down = next(e for e in self.said(daemon, "session", "odds") if e["event"] == "DOWN")["payload"]
        self.assertEqual((down["cause"], down["close_code"]), ("target", 4999))
        self.assertIn("done with you", down["reason"])
        self.becomes(lambda: self.gaps(daemon, "odds"), ["DETECTED", "UNRECOVERED"])
        target.send("two")
        self.assertEqual([e["payload"] for e in self.events(daemon, "odds", 2)], ["one", "two"])
        self.assertEqual(self.relay(daemon, "odds")["reconnects"], 1)

    def test_a_crashed_agent_is_told_from_the_target(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        self.assertEqual(sim.fault("relay_crash")["reached"], 1)
        wait_for(lambda: self.gaps(daemon, "odds") == ["DETECTED", "UNRECOVERED"], "the gap")
        down = next(e for e in self.said(daemon, "session", "odds") if e["event"] == "DOWN")["payload"]
        self.assertEqual((down["cause"], down["close_code"]), ("agent", 1011))

    def test_a_connection_cut_in_the_middle_of_a_frame_comes_back(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        for end in ("reset", "fin"):
            before = self.relay(daemon, "odds")["reconnects"]
            self.assertEqual(sim.fault("relay_cut", mid_frame=True, end=end)["reached"], 1)
            wait_for(lambda: self.relay(daemon, "odds")["reconnects"] > before and self.relay(daemon, "odds")["state"] == "UP", end)
        target.send("whole")
        self.assertEqual([e["payload"] for e in self.events(daemon, "odds", 1)], ["whole"])

    def test_a_target_that_is_away_is_tried_until_it_is_there(self):
        sim, target = self.sim("--no-limits"), self.target()
        target.stop()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim, up=False)
        wait_for(lambda: self.relay(daemon, "odds")["reconnects"] >= 2, "attempts")
        self.assertEqual(self.relay(daemon, "odds")["state"], "DOWN")
        self.assertEqual(self.states(daemon, "odds")[:2], ["CONNECTING", "DOWN"])
        target.start_again()
        self.wait_up(daemon)
        self.assertEqual(self.gaps(daemon, "odds"), [])

    def test_the_vendor_goes_away_and_comes_back(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        sim.fault("relay_refuse", message="Agent unavailable", code=1011)
        sim.fault("relay_crash")
        wait_for(lambda: self.relay(daemon, "odds")["state"] == "DOWN", "down")
        wait_for(lambda: "Agent unavailable" in self.relay(daemon, "odds")["reason"], "the vendor's words")
        sim.clear()
        self.wait_up(daemon)
        self.becomes(lambda: self.gaps(daemon, "odds"), ["DETECTED", "UNRECOVERED"])

    def test_a_vendor_that_falls_silent_is_found_and_left(self):
        sim, target = self.sim("--no-limits"), self.target()
        upstreams = self.scraping(sim, "rate_limit: 1000/s, keep_alive: {interval: 1s, dead_after: 2500ms}, ")
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), upstreams=upstreams)
        def pings():
            return sim.control("GET", "/relays")["relays"][-1]["up"]["pings"]
        wait_for(lambda: pings() >= 4, "longer than dead_after: pings and their answers keep a quiet relay alive")
        self.assertEqual(self.relay(daemon, "odds")["reconnects"], 0)
        sim.process.kill(signal.SIGSTOP)
        try:
            wait_for(lambda: self.relay(daemon, "odds")["state"] == "DOWN", "the silence to be noticed")
        finally:
            sim.process.kill(signal.SIGCONT)
        self.wait_up(daemon)
        self.becomes(lambda: self.gaps(daemon, "odds"), ["DETECTED", "UNRECOVERED"])
        causes = [e["payload"].get("cause") for e in self.said(daemon, "session", "odds") if e["event"] == "DOWN"]
        self.assertEqual(causes[0], "silent")

    def test_a_refused_key_is_not_tried_in_a_tight_loop(self):
        sim, target = self.sim("--no-limits"), self.target()
        good = self.scraping(sim).partition("\n")[2].replace("scraping: {", "good: {kind: scraping, ", 1)
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'") + f"  open: {{upstream: good, kind: websocket, url: '{target.url}'}}\n",
                              upstreams=self.scraping(sim, key="wrong-key-xyz") + good, up=False)
        wait_for(lambda: self.relay(daemon, "odds")["state"] == "REJECTED", "the refusal")
        for attempt in range(1, 4):  # of a relay beside it, while the refused one waits
            self.wait_up(daemon, "open")
            sim.fault("relay_crash")
            wait_for(lambda: self.relay(daemon, "open")["reconnects"] >= attempt, "attempts")
        self.assertEqual(self.relay(daemon, "odds")["reconnects"], 0)
        rejected = wait_for(lambda: self.said(daemon, "session", "odds")[1:], "the refusal in the journal")[-1]
        self.assertEqual((rejected["event"], rejected["payload"]["cause"]), ("REJECTED", "refused"))
        self.assertGreaterEqual(rejected["payload"]["retry_in_ms"], 60000)
        self.assertNotIn("wrong-key-xyz", daemon.process.log() + json.dumps(daemon.status()) + json.dumps(daemon.all_events()))

    def test_without_a_token_it_waits_and_says_so(self):
        sim, target = self.sim("--no-limits"), self.target()
        upstreams = self.scraping(sim, "rate_limit: 1/min, max_wait: 500ms, ")
        daemon = self.bridged(self.relays(a=f"kind: websocket, url: '{target.url}'", b=f"kind: websocket, url: '{target.url}2'"),
                              upstreams=upstreams, up=False)
        wait_for(lambda: [self.relay(daemon, n)["state"] for n in "ab"].count("UP") == 1, "one of them up")
        other = "b" if self.relay(daemon, "a")["state"] == "UP" else "a"
        wait_for(lambda: self.relay(daemon, other)["state"] == "DOWN", "the other to say so")
        down = wait_for(lambda: self.said(daemon, "session", other)[1:], "its reason in the journal")[0]["payload"]
        self.assertEqual(down["cause"], "limited")
        self.assertGreater(down["retry_in_ms"], 1000)
        self.assertEqual(len(sim.control("GET", "/relays")["relays"]), 1)

    def test_a_target_that_says_nothing_for_the_idle_timeout_is_left(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}', idle_timeout: 1s"), sim)
        wait_for(lambda: self.relay(daemon, "odds")["reconnects"] >= 1, "the end of a silent relay")

    def test_frames_that_cannot_be_understood_are_quarantined_and_the_relay_goes_on(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        target.send("[" * 600 + "]" * 600, "x" * (17 << 20), "good")
        self.assertEqual([e["payload"] for e in self.events(daemon, "odds", 1)], ["good"])
        unfit = self.said(daemon, "quarantine", "odds")
        self.assertEqual([e["payload"]["size"] for e in unfit], [1200, 17 << 20])
        self.assertIn("deeper", unfit[0]["payload"]["reason"])
        self.assertEqual(self.relay(daemon, "odds")["quarantined"], 2)

    def test_a_10_mb_frame_passes(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        client = self.client(daemon, "odds")
        text, data = json.dumps("x" * (10 << 20)), bytes(range(256)) * (40 << 10)
        target.send(text, data)
        wait_for(lambda: len(client.messages) >= 2, "both frames")
        self.assertEqual(client.messages, [text, data])
        client.send(data)
        wait_for(lambda: target.received, "the frame at the target")
        self.assertEqual(target.received, [data])

    def test_restarts_open_a_gap_and_a_stop_closes_cleanly(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        self.assertEqual(daemon.stop(), 0)
        wait_for(lambda: target.closes, "the target to see the close")
        self.assertEqual(target.closes[-1], 1000)
        daemon.start(up=False)
        self.wait_up(daemon)
        self.becomes(lambda: self.gaps(daemon, "odds"), ["DETECTED", "UNRECOVERED"])
        daemon.kill()
        daemon.start(up=False)
        self.wait_up(daemon)
        wait_for(lambda: self.gaps(daemon, "odds") == ["DETECTED", "UNRECOVERED"] * 2, "a gap for each start but the first")
        reasons = [e["payload"]["reason"] for e in self.said(daemon, "gap", "odds")]
        self.assertEqual(reasons, ["restart"] * 2 + ["unclean_stop"] * 2)

    def test_a_reload_touches_only_what_changed(self):
        sim, target, other = self.sim("--no-limits"), self.target(), self.target()
        keep = f"kind: websocket, url: '{target.url}'"
        daemon = self.bridged(self.relays(keep=keep, change=f"kind: websocket, url: '{other.url}'"), sim)
        daemon.extra = self.relays(keep=keep, change=f"kind: websocket, url: '{other.url}?x'")
        daemon.write_config()
        daemon.process.kill(1)
        wait_for(lambda: self.gaps(daemon, "change") == ["DETECTED", "UNRECOVERED"], "the changed relay")
        self.assertEqual(self.said(daemon, "gap", "change")[0]["payload"]["reason"], "reload")
        self.becomes(lambda: self.states(daemon, "keep"), ["CONNECTING", "UP"])
        wait_for(lambda: len(target.open) == 1 and len(other.open) == 1, "the old one to be closed")
        self.assertEqual(target.closes, [])
        other.send("still here")
        self.events(daemon, "change", 1)
        daemon.extra = ""
        daemon.write_config()
        daemon.process.kill(1)
        wait_for(lambda: not target.open and not other.open, "both to be closed")
        self.assertEqual(daemon.status()["relays"], [])

    def test_an_attached_socket_gets_frames_as_they_came_and_sends(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'", other=f"kind: websocket, url: '{target.url}2'"), sim)
        odds = next(ws for ws in target.open if not ws.path.endswith("2"))
        target.run(odds.send("before"))
        self.events(daemon, "odds", 1)
        first, second = self.client(daemon, "odds"), self.client(daemon, "odds")
        self.assertEqual(daemon.metric('bridge55_relay_connections{relay="odds"}'), 3)
        sent = ['{"a" : 1.0}', "2probe", "", b"\x00\xff", b""]
        for message in sent:
            target.run(odds.send(message))
        wait_for(lambda: len(first.messages) >= 5 and len(second.messages) >= 5, "the frames")
        self.assertEqual([first.messages, second.messages], [sent, sent])
        first.send("from the first")
        second.send(b"\x01\x02")
        wait_for(lambda: len(target.received) >= 2, "what they sent")
        self.assertEqual(set(target.received), {"from the first", b"\x01\x02"})
        first.finish()
        wait_for(lambda: self.relay(daemon, "odds")["attached"] == 1, "the count")

    def test_what_is_posted_goes_out_as_one_frame(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        url = daemon.url + "/relays/odds"

        def post(body, kind="text/plain", path=url):
            call = urllib.request.Request(path, data=body, method="POST", headers={"Content-Type": kind})
            try:
                with urllib.request.urlopen(call, timeout=20) as reply:
                    return reply.status, reply.headers, reply.read()
            except urllib.error.HTTPError as error:
                return error.code, error.headers, error.read()

        self.assertIn(post(b'{"a" : 1}')[0], (202, 204))
        self.assertIn(post(b"\xff\x00", "application/octet-stream")[0], (202, 204))
        wait_for(lambda: len(target.received) >= 2, "both frames")
        self.assertEqual(target.received, ['{"a" : 1}', b"\xff\x00"])
        self.assertEqual(post(b"\xff\x00")[0], 400)
        self.assertEqual(post(b"x", path=daemon.url + "/relays/nobody")[0], 404)
        status, headers, _ = request("GET", url)
        self.assertEqual((status, headers["Upgrade"]), (426, "websocket"))
        self.assertEqual(request("DELETE", url)[0], 405)
        self.assertEqual(json.loads(request("GET", daemon.url + "/relays")[2])["relays"][0]["name"], "odds")
        target.stop()
        wait_for(lambda: self.relay(daemon, "odds")["state"] != "UP", "down")
        status, headers, _ = post(b"x")
        self.assertEqual((status, headers["X-Bridge-Sent"]), (503, "no"))

    def test_a_frame_that_meets_a_broken_connection_is_not_said_to_be_sent(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        with socket.create_connection(("127.0.0.1", daemon.port), 20) as app:
            app.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(app.recv(4096).startswith(b"HTTP/1.1 200"))
            daemon.process.kill(signal.SIGSTOP)  # so that it finds the frame before the end of the relay
            try:
                app.sendall(b"POST /relays/odds HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nlost")
                self.assertEqual(sim.fault("relay_cut", end="reset")["reached"], 1)
            finally:
                daemon.process.kill(signal.SIGCONT)
            reply = app.recv(4096)
        self.assertTrue(reply.startswith(b"HTTP/1.1 503"), reply)
        self.assertIn(b"x-bridge-sent: no", reply.lower())
        self.wait_up(daemon)
        self.assertEqual((target.received, self.relay(daemon, "odds")["sent"]), ([], 0))

    def test_only_who_may_scrape_comes_near_a_relay(self):
        sim, target = self.sim("--no-limits"), self.target()
        clients = ("clients:\n  - {name: reader, token: reader-token, allow: [events, read]}\n"
                   "  - {name: scraper, token: scraper-token, allow: [scrape]}\n")
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'") + clients, sim, up=False)
        daemon.wait_up("odds")
        for path in ("/relays", "/relays/odds", "/relays/nobody"):  # who may not come near hears nothing of which there are
            for token, status in ((None, 401), ("wrong-token", 401), ("reader-token", 403)):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                self.assertEqual(request("GET", daemon.url + path, headers=headers)[0], status, (path, token))
        self.assertEqual(request("POST", daemon.url + "/relays/odds", "x", {"Authorization": "Bearer reader-token"})[0], 403)
        self.assertEqual(request("GET", daemon.url + "/relays/nobody", headers={"Authorization": "Bearer scraper-token"})[0], 404)
        self.assertIn(request("POST", daemon.url + "/relays/odds", "x", {"Authorization": "Bearer scraper-token"})[0], (202, 204))
        wait_for(lambda: target.received == ['"x"'], "the one frame")
        client = Client(f"ws://127.0.0.1:{daemon.port}/relays/odds", {"Authorization": "Bearer scraper-token"})
        self.addCleanup(client.finish)
        daemon.extra = daemon.extra.replace("allow: [scrape]", "allow: [read]")
        daemon.write_config()
        daemon.process.kill(1)
        self.assertEqual((client.close_code(), client.ws.close_reason), (1008, "this app may no longer have this stream"))

    def test_an_attached_socket_survives_a_break_and_is_told_what_was_not_sent(self):
        sim, target = self.sim("--no-limits"), self.target()
        daemon = self.bridged(self.relays(odds=f"kind: websocket, url: '{target.url}'"), sim)
        client = self.client(daemon, "odds")
        target.end(1001)
        wait_for(lambda: self.relay(daemon, "odds")["reconnects"] >= 1 and self.relay(daemon, "odds")["state"] == "UP", "the relay back")
        target.send("after")
        wait_for(lambda: client.messages == ["after"], "the frame after the break")
        target.stop()
        wait_for(lambda: self.relay(daemon, "odds")["state"] != "UP", "down")
        client.send("lost")
        self.assertEqual(client.close_code(), 1013)


class Pages(Relays):
    """Fetch relays against a vendor of which every byte is the test's own."""

    def vendor(self, script):
        vendor = ScriptedUpstream(script)
        self.addCleanup(vendor.close)
        return vendor

    def upstreams(self, vendor, settings="rate_limit: 1000/s"):
        return f"upstreams:\n  scraping: {{url: '{vendor.url}', api_key: {KEY}, retry: {{attempts: 1}}, {settings}}}\n"

    @staticmethod
    def page(raw=None, raw_json=None, status=200, blocked="false"):
        body = ('{"meta":{"status":%d,"final_url":"https://t/","elapsed_ms":12,"blocked":%s,"agent":{"id":"scraping-de1"}},"raw":%s,"raw_json":%s}'
                % (status, blocked, "null" if raw is None else json.dumps(raw), raw_json or "null"))
        return answer(200, body, "Content-Type: application/json")

    def polled(self, pages, settings="", upstream="rate_limit: 1000/s"):
        """A daemon whose polls get these pages in turn, the last for ever."""
        turn = iter(range(10**9))

        def script(asked, _):
            if asked.target != "/fetch":
                return answer(200, "{}")
            return pages[min(next(turn), len(pages) - 1)]
        vendor = self.vendor(script)
        daemon = self.bridged(self.relays(prices=f"kind: fetch, url: 'https://t/prices.json?a=1', every: 30ms{settings}"),
                              upstreams=self.upstreams(vendor, upstream), up=False)
        return daemon, vendor

    def test_a_changed_page_is_an_event_with_its_bytes(self):
        same = self.page(raw_json='{"a" : 1.950}')
        daemon, vendor = self.polled([same, same, self.page(raw="<p>2"), self.page(raw="<p>2"), self.page(raw='[3]'), same],
                                     ", headers: {Accept: x}, cookies: {c: d}, geo: DE, agent: de1, timeout: 7s, allow_redirects: false")
        events = self.events(daemon, "prices", 4)
        self.assertEqual([e["payload"] for e in events], [{"a": 1.95}, "<p>2", [3], {"a": 1.95}])
        self.assertIn(b'"payload":{"a" : 1.950}', request("GET", daemon.url + "/events/page?channel=prices&after=earliest")[2])
        self.assertEqual(events[0]["relay"], {"node_id": "scraping-de1", "status": 200, "final_url": "https://t/", "elapsed_ms": 12})
        asked = vendor.wait(1)
        self.assertEqual((asked.method, asked.get("X-Target-URL"), asked.get("X-Geo"), asked.get("X-Agent"), asked.get("X-API-Key")),
                         ("POST", "https://t/prices.json?a=1", "DE", "de1", KEY))
        self.assertEqual(json.loads(asked.body), {"method": "GET", "headers": {"Accept": "x", "Cookie": "c=d"}, "timeout": 7,
                                                  "allow_redirects": False})
        wait_for(lambda: self.relay(daemon, "prices")["polls"]["all"] > 10, "polls")
        self.assertEqual(len(daemon.all_events("channel=prices")), 4)
        self.becomes(lambda: self.states(daemon, "prices"), ["CONNECTING", "UP"])

    def test_always_means_each_poll(self):
        daemon, _ = self.polled([self.page(raw="x")], ", emit: always")
        self.events(daemon, "prices", 5)

    def test_a_blocked_page_is_no_event_and_is_counted(self):
        daemon, _ = self.polled([self.page(raw="a"), self.page(raw="no", status=403, blocked="true"), self.page(raw="b")])
        self.assertEqual([e["payload"] for e in self.events(daemon, "prices", 2)], ["a", "b"])
        self.assertEqual(self.relay(daemon, "prices")["polls"]["blocked"], 1)
        self.assertEqual(daemon.metric('bridge55_relay_polls_total{relay="prices",result="blocked"}'), 1)
        self.assertEqual(self.gaps(daemon, "prices"), [])

    def test_failures_are_no_events_and_three_in_a_row_are_down(self):
        bad = [self.page(raw="x", status=404), answer(502, '{"detail":"No healthy agent available"}'), answer(200, "<html>")]
        daemon, _ = self.polled([self.page(raw="a"), *bad, self.page(raw="a"), self.page(raw="b")])
        self.assertEqual([e["payload"] for e in self.events(daemon, "prices", 2)], ["a", "b"])
        self.assertEqual(self.states(daemon, "prices")[:3], ["CONNECTING", "UP", "DOWN"])
        self.assertEqual(self.states(daemon, "prices")[-1], "UP")
        self.becomes(lambda: self.gaps(daemon, "prices"), ["DETECTED", "UNRECOVERED"])
        self.assertEqual(self.relay(daemon, "prices")["polls"]["failed"], 3)

    def test_a_poll_never_overlaps_the_next(self):
        busy, most, lock = [0], [0], threading.Lock()

        def script(asked, _):
            with lock:
                busy[0] += 1
                most[0] = max(most[0], busy[0])
            time.sleep(0.2)
            with lock:
                busy[0] -= 1
            return self.page(raw="x")
        vendor = self.vendor(script)
        daemon = self.bridged(self.relays(prices="kind: fetch, url: 'https://t/', every: 10ms"), upstreams=self.upstreams(vendor), up=False)
        wait_for(lambda: self.relay(daemon, "prices")["polls"]["all"] >= 4, "polls")
        self.assertEqual(most[0], 1)

    def test_polls_keep_inside_the_limit(self):
        began = time.monotonic()
        daemon, vendor = self.polled([self.page(raw="x")], upstream="rate_limit: 2/s")
        wait_for(lambda: len(vendor.requests) >= 6, "polls")
        polls = len([r for r in vendor.requests if r.target == "/fetch"])
        self.assertLessEqual(polls, 3 + 2 * (time.monotonic() - began))  # what a slow machine takes longer for, it may do more of

    def test_a_refused_key_waits(self):
        def script(asked, _):
            refused = asked.get("X-Target-URL") == "https://t/refused"
            return answer(403, '{"detail":"Invalid or missing API key"}') if refused else self.page(raw="x")
        vendor = self.vendor(script)
        daemon = self.bridged(self.relays(prices="kind: fetch, url: 'https://t/refused', every: 30ms", others="kind: fetch, url: 'https://t/', every: 30ms"),
                              upstreams=self.upstreams(vendor), up=False)
        wait_for(lambda: self.relay(daemon, "prices")["state"] == "REJECTED", "the refusal")
        polls = self.relay(daemon, "others")["polls"]["all"]
        wait_for(lambda: self.relay(daemon, "others")["polls"]["all"] >= polls + 10, "polls of a relay beside it")
        self.assertEqual(len([r for r in vendor.requests if r.get("X-Target-URL") == "https://t/refused"]), 1)

    def test_nothing_can_be_sent_into_a_page(self):
        daemon, _ = self.polled([self.page(raw="x"), self.page(raw="y")], ", emit: always")
        self.assertEqual(request("POST", daemon.url + "/relays/prices", "x")[0], 409)
        client = self.client(daemon, "prices")
        wait_for(lambda: "y" in client.messages, "the page as text")
        client.send("x")
        self.assertEqual(client.close_code(), 1003)


class Streams(Relays):
    """AMQP relays against a vendor of which every byte is the test's own."""

    def streamed(self, serve, settings="", upstream="rate_limit: 1000/s"):
        """`serve(n, send)` writes the n-th stream's bytes; its end ends the stream. A return value of True ends it without the last chunk."""
        turn = iter(range(10**9))

        def script(asked, connection):
            if asked.target != "/amqp":
                return answer(200, "{}")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

            def send(data):
                if data:
                    connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))
            cut = serve(next(turn), send)
            if not cut:
                connection.sendall(b"0\r\n\r\n")
            connection.shutdown(socket.SHUT_RDWR)
        vendor = ScriptedUpstream(script)
        self.addCleanup(vendor.close)
        upstreams = f"upstreams:\n  scraping: {{url: '{vendor.url}', api_key: {KEY}, {upstream}}}\n"
        relays = self.relays(partner="kind: amqp, host: broker.example.com, port: 5671, ssl: true, username: user, password: s3cret-pass, "
                                     "exchange: my_exchange" + settings)
        return self.bridged(relays, upstreams=upstreams, up=False), vendor

    CONNECTED = b'event: connected\ndata: {"node_id": "scraping-de1", "queue_name": "scrape_de1_4821"}\n\n'

    @staticmethod
    def message(body, tag=1, key="19454.match.123"):
        data = {"body": body, "routing_key": key, "exchange": "19454.all", "delivery_tag": tag, "content_type": "application/json"}
        return b"event: message\ndata: " + json.dumps(data).encode() + b"\n\n"

    @staticmethod
    def hold(_=None):
        time.sleep(3600)

    def test_messages_become_events_with_their_routing_keys(self):
        bodies = ['{"odds" : 1.950}', "plain text", "", '{"x":tru}', "[1,2]"]

        def serve(_, send):
            send(self.CONNECTED)
            for tag, body in enumerate(bodies):
                send(self.message(body, tag))
            self.hold()
        daemon, vendor = self.streamed(serve)
        events = self.events(daemon, "partner", 5)
        self.assertEqual([e["payload"] for e in events], [{"odds": 1.95}, "plain text", "", '{"x":tru}', [1, 2]])
        self.assertIn(b'"payload":{"odds" : 1.950}', request("GET", daemon.url + "/events/page?channel=partner&after=earliest")[2])
        self.assertEqual(events[1]["relay"], {"node_id": "scraping-de1", "routing_key": "19454.match.123", "exchange": "19454.all",
                                              "content_type": "application/json", "delivery_tag": 1})
        asked = vendor.wait(1)
        self.assertEqual(asked.get("X-API-Key"), KEY)
        self.assertEqual(json.loads(asked.body),
                         {"host": "broker.example.com", "port": 5671, "virtual_host": "/", "username": "user", "password": "s3cret-pass",
                          "exchange": "my_exchange", "routing_key": "#", "queue_prefix": "scrape", "ssl": True, "heartbeat": 60})
        self.becomes(lambda: self.states(daemon, "partner"), ["CONNECTING", "UP"])
        self.assertEqual(request("POST", daemon.url + "/relays/partner", "x")[0], 409)
        self.assertNotIn("s3cret-pass", daemon.process.log() + json.dumps(daemon.status()))

    def test_a_stream_in_odd_pieces_with_any_line_ends_says_the_same(self):
        def serve(n, send):
            stream = self.CONNECTED + b": comment\n\n" + self.message("one") + b"retry: 100\nid: 7\n\n" + \
                b'event: message\ndata: {"body": "two",\ndata:  "routing_key": "k"}\n\n' + self.message("three")
            stream = b"\xef\xbb\xbf" + stream.replace(b"\n", (b"\r\n", b"\r")[n % 2])
            for at in range(0, len(stream), 3 + n):
                send(stream[at:at + 3 + n])
            if n < 2:
                send(b'event: message\r\ndata: {"body": "cut')
            else:
                self.hold()
        daemon, _ = self.streamed(serve)
        wait_for(lambda: len(daemon.all_events("channel=partner")) >= 9, "three streams")
        self.assertEqual([e["payload"] for e in daemon.all_events("channel=partner")], ["one", "two", "three"] * 3)
        self.becomes(lambda: self.gaps(daemon, "partner"), ["DETECTED", "UNRECOVERED"] * 2)

    def test_ends_and_errors_of_the_stream_are_gaps_with_their_reason(self):
        def serve(n, send):
            send(self.CONNECTED)
            if n == 0:
                send(b'event: error\ndata: {"message": "agent error: connection refused", "code": 1011}\n\n')
            elif n == 1:
                return True  # cut without the last chunk
            elif n > 2:
                self.hold()
            return False
        daemon, _ = self.streamed(serve)
        wait_for(lambda: self.gaps(daemon, "partner") == ["DETECTED", "UNRECOVERED"] * 3, "three gaps")
        downs = [e["payload"] for e in self.said(daemon, "session", "partner") if e["event"] == "DOWN"]
        self.assertEqual([d["cause"] for d in downs], ["agent", "lost", "agent"])
        self.assertIn("connection refused", downs[0]["reason"])
        self.assertEqual(downs[0]["close_code"], 1011)

    def test_a_record_that_cannot_be_understood_is_quarantined_and_the_stream_goes_on(self):
        def serve(_, send):
            send(self.CONNECTED + b"event: message\ndata: {broken\n\n" + b'event: message\ndata: {"body":"\xff"}\n\n' + b"event: odd\ndata: 1\n\n")
            send(b"event: message\ndata: " + b"x" * (17 << 20) + b"\n\n")
            send(self.message("good"))
            self.hold()
        daemon, _ = self.streamed(serve)
        self.assertEqual([e["payload"] for e in self.events(daemon, "partner", 1)], ["good"])
        unfit = [e["payload"] for e in self.said(daemon, "quarantine", "partner")]
        self.assertEqual([(u.get("text"), u["size"]) for u in unfit][0], ("{broken", 7))
        self.assertIn("base64", unfit[1])
        self.assertEqual((unfit[2]["reason"], unfit[2]["size"]), ("too large", 17 << 20))

    def test_refusals_are_told_apart(self):
        replies = [answer(502, '{"detail":"No healthy agent available"}', reason="Bad Gateway"),
                   answer(429, '{"detail":"Rate limit exceeded"}', "Retry-After: 1"), answer(401, '{"detail":"Invalid or missing API key"}')]
        turn = iter(range(10**9))
        vendor = ScriptedUpstream(lambda asked, _: replies[min(next(turn), 2)] if asked.target == "/amqp" else answer())
        self.addCleanup(vendor.close)
        daemon = self.bridged(self.relays(partner="kind: amqp, host: broker.example.com"), up=False,
                              upstreams=f"upstreams:\n  scraping: {{url: '{vendor.url}', api_key: {KEY}, rate_limit: 1000/s}}\n")
        wait_for(lambda: self.relay(daemon, "partner")["state"] == "REJECTED", "the refusal")
        wait_for(lambda: [e["payload"]["cause"] for e in self.said(daemon, "session", "partner") if "cause" in e["payload"]]
                 == ["agent", "limited", "refused"], "a reason for each")

    def test_a_stop_ends_the_stream(self):
        ended = threading.Event()

        def serve(_, send):
            send(self.CONNECTED)
            try:
                while True:
                    send(b": alive\n\n")
                    time.sleep(0.05)
            except OSError:
                ended.set()
        daemon, _ = self.streamed(serve)
        self.wait_up(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(ended.wait(10))

    def test_attached_sockets_get_the_bodies_as_text(self):
        go = threading.Event()

        def serve(_, send):
            send(self.CONNECTED)
            go.wait(30)
            for body in ('{"a" : 1}', "text"):
                send(self.message(body))
            self.hold()
        daemon, _ = self.streamed(serve)
        self.wait_up(daemon)
        client = self.client(daemon, "partner")
        go.set()
        wait_for(lambda: len(client.messages) >= 2, "the bodies")
        self.assertEqual(client.messages, ['{"a" : 1}', "text"])


if __name__ == "__main__":
    main()
