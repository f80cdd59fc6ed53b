#!/usr/bin/python3
"""The drop-in endpoints as unmodified vendor clients see them: /abp/ws and /mm/ws/subscribe, over one upstream session each, against the
simulated vendor. The vendor docs' own example clients run with nothing but their URL changed: taken from the docs where these lie beside the
checkout, else clients of the same kind from below."""

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

import websockets

from harness import DEADLINE, MM_KEY, Case, free_port, main, request, wait_for
from relay_harness import documented, indented, npm_modules

ABP_EXAMPLE = '''
import asyncio
import json
import websockets
async def connect():
    uri = "wss://v2.55-tech.com/ws"
    async with websockets.connect(uri) as ws:
        await ws.send(json.dumps({"type": "login", "apiKey": "YOUR_API_KEY", "channels": ["orders", "bets", "settlements"]}))
        login_resp = json.loads(await ws.recv())
        print(f"Logged in as {login_resp.get('clientName')}")
        async for message in ws:
            data = json.loads(message)
            if data["type"] == "ping":
                await ws.send(json.dumps({"type": "pong"}))
            elif data["type"] == "data":
                print(f"[{data['channel']}:{data['event']}] {data['payload']}")
asyncio.run(connect())
'''

MM_EXAMPLE = '''
import asyncio
import json
import websockets
async def connect():
    uri = "wss://mmapi.55-tech.com/ws/subscribe"
    async with websockets.connect(uri) as ws:
        await ws.send(json.dumps({"type": "subscribe", "api_key": "YOUR_API_KEY", "channels": ["orders", "bets", "scores"]}))
        sub_resp = json.loads(await ws.recv())
        print(f"Subscribed (id={sub_resp.get('subscription_id')})")
        async def keep_alive():
            while True:
                await asyncio.sleep(30)
                await ws.send(json.dumps({"type": "ping"}))
        asyncio.create_task(keep_alive())
        async for message in ws:
            data = json.loads(message)
            if data["type"] == "broadcast":
                print(f"[{data['channel']}:{data['event']}] {data['payload']}")
                if "old" in data:
                    print(f"  Changed from: {data['old']}")
asyncio.run(connect())
'''


JAVASCRIPT = """
const WebSocket = require('ws');
const ws = new WebSocket('%(url)s');
ws.on('open', () => ws.send(JSON.stringify(%(login)s)));
ws.on('message', (raw) => {
  const msg = JSON.parse(raw);
  if (msg.type === 'login_ok') console.log(`Logged in as ${msg.clientName}`);
  if (msg.type === 'subscribed') console.log(`Subscribed (id=${msg.subscription_id})`);
  if (msg.type === 'ping') ws.send(JSON.stringify({ type: 'pong' }));
  if (msg.channel) console.log(`[${msg.channel}:${msg.event}]`, msg.payload);
  if (msg.old) console.log('  Changed from:', msg.old);
});
"""
ABP_URL, MM_URL = "wss://v2.55-tech.com/ws", "wss://mmapi.55-tech.com/ws/subscribe"
ABP_SCRIPT = JAVASCRIPT % {"url": ABP_URL, "login": "{type: 'login', apiKey: 'YOUR_API_KEY', channels: ['orders', 'bets', 'settlements']}"}
MM_SCRIPT = JAVASCRIPT % {"url": MM_URL, "login": "{type: 'subscribe', api_key: 'YOUR_API_KEY', channels: ['orders', 'bets', 'scores']}"}
ABP_PAGE, MM_PAGE = "# ABP WebSocket - Real-Time Updates", "# MM WebSocket - Real-Time Updates"
# How deep each line of the page's Python stands: the page has lost that.
ABP_LEVELS, MM_LEVELS = "00001122333222222334340", "0000112233322222234422233444450"


class Loop:
    """The event loop that all WebSocket apps of the tests share."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine, deadline=DEADLINE):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(deadline)


LOOP = Loop()


class App:
    """A WebSocket client of the `websockets` package: sends JSON, keeps every frame that comes, answers pings of the vendor's kind."""

    def __init__(self, url, headers=None, reads=True, **options):
        self.frames, self.code, self.reason = [], None, None
        self.changed = threading.Condition()
        self.ws = LOOP.run(self._connect(url, extra_headers=headers, max_queue=None if reads else 1, max_size=None, ping_interval=None,
                                         **options))
        if reads:
            self.read()

    async def _connect(self, url, **options):
        return await websockets.connect(url, **options)

    def read(self):
        asyncio.run_coroutine_threadsafe(self._read(), LOOP.loop)

    async def _read(self):
        try:
            async for frame in self.ws:
                with self.changed:
                    self.frames.append(frame)
                    self.changed.notify_all()
        except websockets.ConnectionClosed:
            pass
        with self.changed:
            self.code, self.reason = self.ws.close_code, self.ws.close_reason
            self.changed.notify_all()

    def send(self, message):
        LOOP.run(self.ws.send(message if isinstance(message, (str, bytes)) else json.dumps(message)))
        return self

    def wait(self, condition, what, deadline=DEADLINE):
        end = time.monotonic() + deadline
        with self.changed:
            while True:
                value = condition()
                if value:
                    return value
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"not within {deadline:.0f} s: {what}; {len(self.frames)} frames, last {self.frames[-3:]}, closed {self.code}")
                self.changed.wait(left)

    def messages(self, kind=None):
        with self.changed:
            all_of_them = [json.loads(frame) for frame in self.frames]
        return [m for m in all_of_them if kind is None or m["type"] == kind]

    def answer(self, kind, deadline=DEADLINE):
        """The first message of that type."""
        return self.wait(lambda: next((m for f in self.frames if (m := json.loads(f))["type"] == kind), None), f"a {kind}", deadline)

    def data(self, count, kind="data", deadline=DEADLINE):
        self.wait(lambda: sum(b'"%s"' % kind.encode() in f[:30].encode() for f in self.frames) >= count, f"{count} {kind} frames", deadline)
        return self.messages(kind)

    def closed(self, deadline=DEADLINE):
        self.wait(lambda: self.code is not None, "the close", deadline)
        return self.code

    def close(self):
        LOOP.run(self.ws.close())


def payload_of(frame):
    """The payload's exact bytes: it comes last but for `old`, `ts`, `seq` and `requireAck`, which are cut from the end."""
    text = frame[frame.index('"payload":') + len('"payload":'):-1]
    return re.sub(r'(,"old":\{[^{}]*\})?(,"ts":[^,]*)?(,"seq":\d+)?(,"requireAck":true)?$', "", text)


class DropIn(Case):
    def stage(self, *options, settings="", extra="", apis=("abp", "mm"), **daemon_options):
        """The simulated vendor and a daemon in front of it."""
        self.vendor = self.sim(*options, tls=False)
        upstreams = self.vendor.upstream(*apis)
        if settings:
            upstreams = upstreams.replace('"}', '", ' + settings + "}")
        return self.daemon(upstreams, extra, sinks="", **daemon_options)

    def app(self, daemon, path, headers=None, reads=True):
        app = App(f"ws://127.0.0.1:{daemon.port}{path}", headers, reads)
        self.addCleanup(lambda: app.ws.transport and app.ws.transport.abort())
        return app

    def abp(self, daemon, channels=(), key="YOUR_API_KEY", wait=True, **fields):
        app = self.app(daemon, "/abp/ws")
        app.send({"type": "login", "apiKey": key, "channels": list(channels), **fields})
        if wait:
            app.login = app.answer("login_ok")
        return app

    def mm(self, daemon, channels=(), wait=True, **fields):
        app = self.app(daemon, "/mm/ws/subscribe")
        app.send({"type": "subscribe", "api_key": MM_KEY, "channels": list(channels), **fields})
        if wait:
            app.login = app.answer("subscribed")
        return app

    # --- signing on ------------------------------------------------------------------------------------------------------------

    def test_abp_login_is_confirmed_in_the_vendors_shape(self):
        daemon = self.stage()
        login = self.abp(daemon, ["orders", "bets", "no-such-channel"]).login
        self.assertEqual(list(login), ["type", "clientName", "channels", "subscriptionId", "access", "reliableDelivery", "features"])
        self.assertEqual(login["clientName"], "demo")
        self.assertEqual(login["channels"], ["orders", "bets"])
        self.assertEqual(login["features"], {"messageOrdering": True, "acknowledgments": False, "batchAck": False})
        self.assertIn("orders", login["access"]["clientFiltered"])
        self.assertFalse(login["reliableDelivery"])
        everything = self.abp(daemon).login
        self.assertIn("emergency", everything["channels"])
        self.assertEqual(everything["subscriptionId"], login["subscriptionId"] + 1)
        self.assertEqual(self.vendor.sessions("abp"), 1)

    def test_mm_subscribe_is_confirmed_in_the_spelling_of_the_app(self):
        daemon = self.stage()
        snake = self.mm(daemon, ["orders", "scores"]).login
        self.assertEqual(list(snake), ["type", "subscription_id", "channels"])
        self.assertEqual(snake["channels"], ["orders", "scores"])
        camel = self.app(daemon, "/mm/ws/subscribe").send({"type": "subscribe", "apiKey": "x"}).answer("subscribed")
        self.assertEqual(list(camel), ["type", "subscriptionId", "channels"])
        self.assertEqual(set(camel["channels"]), {"orders", "bets", "accounts", "scores", "emergency"})
        none = self.app(daemon, "/mm/ws/subscribe").send({"type": "subscribe"}).answer("subscribed")
        self.assertIn("subscription_id", none)

    def test_plain_http_on_a_websocket_path_is_426(self):
        daemon = self.stage()
        for path in ("/abp/ws", "/mm/ws/subscribe"):
            status, headers, _ = request("GET", daemon.url + path)
            self.assertEqual((status, headers["Upgrade"]), (426, "websocket"), path)
        self.assertNotEqual(request("GET", daemon.url + "/abp/ws/subscribe")[0], 426)
        self.assertNotEqual(request("GET", daemon.url + "/mm/ws")[0], 426)

    def test_what_is_not_understood_gets_an_error_and_no_close(self):
        daemon = self.stage()
        app = self.app(daemon, "/abp/ws")
        for sent, error in (("nonsense", "Invalid JSON"), ("[1]", "Missing message type"), ('{"a":1}', "Missing message type"),
                            ('{"type":"dance"}', "Unknown message type: dance"), ('{"type":"ack","seq":1}', "Login required"),
                            (b"\x00\x01", "Invalid JSON"), ('{"type":"unsubscribe"}', "Unknown message type: unsubscribe")):
            seen = len(app.frames)
            app.send(sent)
            app.wait(lambda: len(app.frames) > seen, f"an answer to {sent!r}")
            self.assertEqual(json.loads(app.frames[-1]), {"type": "error", "message": error})
        app.send({"type": "ping"})
        app.answer("pong")
        app.send({"type": "login", "apiKey": "k", "channels": []})
        app.answer("login_ok")
        app.send({"type": "login", "apiKey": "k", "channels": []})
        app.wait(lambda: "Already logged in" in app.frames[-1], "the refusal of a second login")
        self.assertIsNone(app.code)

    def test_frames_over_the_limits(self):
        daemon = self.stage(extra="http: {max_frame: 128KiB}\n")
        app = self.app(daemon, "/abp/ws")
        app.send("x" * (100 << 10))
        self.assertEqual(app.answer("error")["message"], "Message too large")
        app.send("x" * (130 << 10))
        self.assertEqual(app.closed(), 1009)

    # --- events ----------------------------------------------------------------------------------------------------------------

    def test_payloads_arrive_byte_for_byte(self):
        daemon = self.stage()
        app, other = self.abp(daemon), self.mm(daemon)
        texts = ['{"orderId":1, "price" : 1.10,\n "big":123456789012345678901234567890.5e-7}', '{ }', '"text \\u00e9 \\/"', "[1 , 2]", "null",
                 '{"a":1,"a":2,"' + "long" * 500 + '":true}', '{"nested":{"deep":[[[{}]]]},"unicode":"é漢"}']
        for text in texts:
            self.vendor.emit({"api": "abp", "channel": "orders", "event": "UPDATE", "payload_text": text, "book": False, "ts": 1771183909789},
                             {"api": "mm", "channel": "orders", "event": "UPDATE", "payload_text": text, "old_text": '{"x": 01e1}'.replace("01", "1"),
                              "book": False})
        app.data(len(texts))
        other.data(len(texts), "broadcast")
        for i, text in enumerate(texts):
            frame = [f for f in app.frames if '"data"' in f[:20]][i]
            self.assertEqual(frame, '{"type":"data","channel":"orders","event":"UPDATE","payload":' + text + f',"ts":1771183909789,"seq":{i + 1}}}')
            frame = [f for f in other.frames if '"broadcast"' in f[:20]][i]
            self.assertEqual(frame, '{"type":"broadcast","channel":"orders","event":"UPDATE","payload":' + text + ',"old":{"x": 1e1}}')

    def test_each_app_has_its_own_filter_and_its_own_seq(self):
        daemon = self.stage()
        everything, orders, bets = self.abp(daemon), self.abp(daemon, ["orders"]), self.abp(daemon, ["bets", "settlements"])
        for i in range(30):
            self.vendor.emit({"api": "abp", "channel": ("orders", "bets", "settlements")[i % 3], "event": "UPDATE", "payload": {"n": i}, "book": False})
        late = self.abp(daemon)
        self.vendor.emit({"api": "abp", "channel": "orders", "event": "UPDATE", "payload": {"n": 30}, "book": False})
        for app, count in ((everything, 31), (orders, 11), (bets, 20), (late, 1)):
            data = app.data(count)
            self.assertEqual([m["seq"] for m in data], list(range(1, count + 1)))
        self.assertEqual([m["payload"]["n"] for m in everything.messages("data")], list(range(31)))
        self.assertEqual({m["channel"] for m in bets.messages("data")}, {"bets", "settlements"})
        self.assertEqual(self.vendor.sessions("abp"), 1)

    def test_a_slow_app_gets_everything_and_slows_nobody(self):
        daemon = self.stage()
        slow, quick = self.app(daemon, "/abp/ws", reads=False), self.abp(daemon)
        slow.send({"type": "login", "apiKey": "k", "channels": []})
        wait_for(lambda: len(daemon.status()["consumers"]) == 2, "both apps")
        count = 20000
        for first in range(0, count, 2000):
            self.vendor.emit({"api": "abp", "channel": "orders", "event": "UPDATE", "count": 2000, "book": False,
                              "payload_text": '{"orderId":{{n}},"pad":"' + "x" * 1000 + '"}'})
        quick.data(count, deadline=60)
        slow.read()
        data = slow.data(count, deadline=60)
        self.assertEqual([m["seq"] for m in data], list(range(1, count + 1)))
        self.assertEqual([m["payload"]["orderId"] for m in data], [i % 2000 for i in range(count)])

    def test_a_slow_app_on_tls_gets_everything_too(self):
        daemon = self.stage(start=False)
        port, cert, key = free_port(), os.path.join(self.folder, "cert.pem"), os.path.join(self.folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
        with open(daemon.config_path, encoding="utf-8") as f:
            config = f.read()
        with open(daemon.config_path, "w", encoding="utf-8") as f:
            f.write(config.replace("listen:\n", f"listen:\n  - tcp: 127.0.0.1:{port}\n    tls: {{cert_file: {cert}, key_file: {key}}}\n"))
        daemon.start()
        app = App(f"wss://127.0.0.1:{port}/abp/ws", reads=False, ssl=ssl.create_default_context(cafile=cert))
        self.addCleanup(lambda: app.ws.transport and app.ws.transport.abort())
        app.send({"type": "login", "apiKey": "k", "channels": []})
        wait_for(lambda: len(daemon.status()["consumers"]) == 1, "the app")
        self.vendor.emit({"api": "abp", "channel": "orders", "event": "UPDATE", "count": 10000, "book": False,
                          "payload_text": '{"orderId":{{n}},"pad":"' + "x" * 1000 + '"}'})
        wait_for(lambda: daemon.status()["journal"]["events"] >= 10000, "the journal")
        app.read()
        data = app.data(10000, deadline=60)
        self.assertEqual([(m["seq"], m["payload"]["orderId"]) for m in data], [(i + 1, i) for i in range(10000)])

    def test_mm_unsubscribe_and_subscribe_again(self):
        daemon = self.stage()
        app = self.mm(daemon, ["orders"])
        emit = lambda n: self.vendor.emit({"api": "mm", "channel": "orders", "event": "UPDATE", "payload": {"n": n}, "book": False})
        emit(1)
        app.data(1, "broadcast")
        app.send({"type": "unsubscribe"})
        self.assertEqual(app.answer("unsubscribed")["subscription_id"], app.login["subscription_id"])
        witness = self.mm(daemon, ["orders"])
        emit(2)
        witness.data(1, "broadcast")
        app.send({"type": "unsubscribe"})
        app.wait(lambda: "Not subscribed" in app.frames[-1], "the error")
        app.send({"type": "subscribe", "api_key": "x", "channels": ["orders"]})
        app.wait(lambda: len(app.messages("subscribed")) == 2, "the second subscription")
        emit(3)
        self.assertEqual([m["payload"]["n"] for m in app.data(2, "broadcast")], [1, 3])

    # --- acknowledgements and durable consumers --------------------------------------------------------------------------------

    def test_reliable_delivery_has_a_window_of_100(self):
        daemon = self.stage()
        app, witness = self.abp(daemon, ["orders"], reliableDelivery=True), self.abp(daemon, ["orders"])
        self.assertTrue(app.login["reliableDelivery"] and app.login["features"]["acknowledgments"] and app.login["features"]["batchAck"])
        self.vendor.orders(350)
        witness.data(350)
        self.assertEqual(len(app.data(100)), 100)
        self.assertTrue(all(m["requireAck"] is True for m in app.messages("data")))
        app.send({"type": "ping"}).answer("pong")
        self.assertEqual(len(app.messages("data")), 100)
        app.send({"type": "ack", "seqs": [1, 2, 3, 99]})
        app.data(104)
        app.send({"type": "ping"})
        app.wait(lambda: len(app.messages("pong")) == 2, "the pong behind them")
        self.assertEqual(len(app.messages("data")), 104)
        app.send({"type": "ack", "seq": 104})
        app.data(204)
        app.send({"type": "ack", "seq": 204}).data(304)
        app.send({"type": "ack", "seq": 304})
        self.assertEqual([m["seq"] for m in app.data(350)], list(range(1, 351)))
        self.assertNotIn("requireAck", witness.messages("data")[0])
        witness.send({"type": "ack", "seq": 1})
        self.assertEqual(witness.answer("error")["message"], "Reliable delivery is not enabled")
        app.send({"type": "ack"})
        self.assertEqual(app.answer("error")["message"], "Invalid ack")

    def test_a_durable_consumer_goes_on_after_its_last_ack(self):
        daemon = self.stage()
        app = self.abp(daemon, ["orders"], consumer="risk", reliableDelivery=True)
        self.vendor.orders(10)
        app.data(10)
        app.send({"type": "ack", "seq": 4}).send({"type": "ping"}).answer("pong")
        app.close()
        self.vendor.orders(5, first=10)
        wait_for(lambda: len(daemon.all_events("channel=orders")) == 15, "the journal")
        again = self.abp(daemon, ["orders"], consumer="risk")
        data = again.data(11)
        self.assertEqual([m["payload"]["orderId"] for m in data], list(range(4, 15)))
        self.assertEqual([m["seq"] for m in data], list(range(1, 12)))
        again.send({"type": "ack", "seq": 2}).send({"type": "ping"}).answer("pong")
        second = self.abp(daemon, ["orders"], consumer="risk")
        self.assertEqual((again.closed(), again.reason), (4000, "replaced"))
        self.assertEqual([m["payload"]["orderId"] for m in second.data(9)], list(range(6, 15)))
        second.send({"type": "ack", "seq": 9}).send({"type": "ping"}).answer("pong")
        wait_for(lambda: any(c["cursor"] == daemon.all_events("channel=orders")[-1]["id"] for c in daemon.status()["consumers"]), "the cursor")

    def test_a_durable_consumer_outlives_the_daemon(self):
        daemon = self.stage()
        app = self.mm(daemon, ["orders"], consumer="risk")
        self.vendor.orders(10, api="mm")
        self.assertEqual([m["seq"] for m in app.data(10, "broadcast")], list(range(1, 11)))
        app.send({"type": "ack", "seq": 7}).send({"type": "ping"}).answer("pong")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(app.closed(), 1001)
        daemon.start()
        again = self.mm(daemon, ["orders"], consumer="risk")
        self.vendor.orders(2, first=10, api="mm")
        self.assertEqual([(m["seq"], m["payload"]["orderId"]) for m in again.data(5, "broadcast")], [(1, 7), (2, 8), (3, 9), (4, 10), (5, 11)])

    # --- outages ---------------------------------------------------------------------------------------------------------------

    def test_a_login_waits_for_upstream(self):
        daemon = self.stage(start=False)
        self.vendor.fault("refuse_connect")
        daemon.start(up=False)
        abp, mm = self.abp(daemon, wait=False), self.mm(daemon, wait=False)
        for app in (abp, mm):
            app.send({"type": "ping"}).answer("pong")
            self.assertEqual(len(app.messages()), 1)
        self.vendor.clear()
        abp.answer("login_ok")
        mm.answer("subscribed")
        self.vendor.orders(1)
        abp.data(1)
        self.assertIsNone(abp.code)

    def test_an_outage_closes_with_1012(self):
        daemon = self.stage(apis=("abp", "mm"))
        app, witness = self.abp(daemon), self.mm(daemon)
        self.vendor.fault("refuse_connect", api="abp")
        self.vendor.fault("drop", api="abp")
        self.assertEqual(app.closed(), 1012)
        self.vendor.orders(1, api="mm")
        witness.data(1, "broadcast")
        self.vendor.clear()
        again = self.abp(daemon)
        self.vendor.orders(1)
        self.assertEqual(again.data(1)[0]["seq"], 1)

    def test_a_hole_upstream_is_a_hole_here_and_then_the_end(self):
        daemon = self.stage()
        app = self.abp(daemon)
        self.vendor.orders(3)
        app.data(3)
        self.vendor.fault("seq_hole", api="abp", size=5)
        self.vendor.orders(1, first=3)
        self.assertEqual([m["seq"] for m in app.data(4)], [1, 2, 3, 9])
        self.assertEqual(app.closed(), 1012)

    def test_a_reload_that_takes_the_upstream_away_closes_with_1012(self):
        daemon = self.stage()
        app, witness = self.abp(daemon), self.mm(daemon)
        lines = daemon.upstreams.splitlines()
        daemon.upstreams = "\n".join(line for line in lines if not line.startswith("  abp")) + "\n"
        daemon.write_config()
        daemon.process.kill(signal.SIGHUP)
        self.assertEqual(app.closed(), 1012)
        self.assertNotEqual(request("GET", daemon.url + "/abp/ws")[0], 426)
        self.vendor.orders(1, api="mm")
        witness.data(1, "broadcast")

    # --- growth ----------------------------------------------------------------------------------------------------------------

    def test_an_app_makes_the_subscription_grow(self):
        daemon = self.stage(apis=("abp",), settings='channels: [orders]')
        first = self.abp(daemon)
        self.assertEqual(set(first.login["channels"]), {"orders", "emergency"})
        second = self.abp(daemon, ["orders", "bets"])
        self.assertEqual(second.login["channels"], ["orders", "bets"])
        self.vendor.emit({"api": "abp", "channel": "bets", "event": "UPDATE", "payload": {"betId": 1}, "book": False},
                         {"api": "abp", "channel": "orders", "event": "UPDATE", "payload": {"orderId": 1}, "book": False})
        self.assertEqual([m["channel"] for m in second.data(2)], ["bets", "orders"])
        self.assertEqual([m["channel"] for m in first.data(1)], ["orders"])
        wait_for(lambda: self.vendor.sessions("abp") == 1, "one session upstream")
        self.assertEqual([s["state"] for s in daemon.status()["sessions"]], ["UP"])
        self.assertFalse(daemon.all_events("channel=gap"))
        self.vendor.orders(1, first=5)
        self.assertEqual([m["seq"] for m in first.data(2)], [1, 2])
        self.assertEqual(daemon.metric("bridge55_session_up"), 1)

    def test_growth_under_load_loses_nothing_and_repeats_nothing(self):
        self.grows_under_load("channels: [orders]")

    def test_growth_under_load_with_acknowledgements_upstream(self):
        self.grows_under_load("channels: [orders], reliable_delivery: true")

    def grows_under_load(self, settings):
        daemon = self.stage("--batch-ack", apis=("abp",), settings=settings)
        witness = self.abp(daemon, ["orders"])
        count, done = 12000, threading.Event()

        def load():
            for first in range(0, count, 100):
                # Every tenth is repeated word for word, time included: two facts, not one.
                events = [{"api": "abp", "channel": "orders", "event": "UPDATE", "book": False, "ts": 1771183909789,
                           "payload_text": '{"orderId":%d}' % (first + i - (i % 10 == 9))} for i in range(100)]
                self.vendor.emit(*events)
            done.set()
        thread = threading.Thread(target=load)
        thread.start()
        self.addCleanup(thread.join)
        for channels in (["bets"], ["orders", "balance"], ["status", "accounts"]):
            self.abp(daemon, channels)
        self.assertTrue(done.wait(60))
        data = witness.data(count, deadline=60)
        wait_for(lambda: self.vendor.sessions("abp") == 1, "one session upstream")
        expected = [first + i - (i % 10 == 9) for first in range(0, count, 100) for i in range(100)]
        self.assertEqual([m["payload"]["orderId"] for m in data], expected)
        self.assertEqual([m["seq"] for m in data], list(range(1, count + 1)))
        self.assertEqual([int(e["key"]) for e in daemon.all_events("channel=orders")], expected)
        self.assertFalse(daemon.all_events("channel=gap"))

    def test_growth_beyond_the_connection_limit_is_refused_in_the_vendors_words(self):
        daemon = self.stage("--connections-per-key", "1", apis=("abp",), settings='channels: [orders]')
        first, second = self.abp(daemon), self.abp(daemon, ["bets"], wait=False)
        self.assertEqual(second.answer("error")["message"], "Connection limit exceeded")
        self.assertEqual(second.closed(), 1008)
        self.vendor.orders(1)
        self.assertEqual(first.data(1)[0]["seq"], 1)
        third = self.abp(daemon, ["bets"], wait=False)
        self.assertEqual(third.closed(), 1008)
        self.assertEqual(self.vendor.stats()["abp"]["refused"], 1)

    def test_the_old_session_may_break_while_the_new_one_joins(self):
        daemon = self.stage(apis=("abp",), settings='channels: [orders]')
        first = self.abp(daemon, ["orders"])
        old = self.vendor.stats()["abp"]["connections"][0]["conn"]
        self.abp(daemon, ["bets"])
        self.vendor.fault("drop", conn=old)
        wait_for(lambda: [s["slot"] for s in daemon.status()["sessions"]] == [1], "the new session alone")
        self.vendor.orders(5)
        self.assertEqual([m["seq"] for m in first.data(5)], [1, 2, 3, 4, 5])
        self.assertFalse(daemon.all_events("channel=gap"))
        self.assertEqual(daemon.metric("bridge55_session_up"), 1)
        self.vendor.fault("drop", api="abp")
        self.assertEqual(first.closed(), 1012)
        again = self.abp(daemon, ["bets"])
        self.assertEqual(again.login["channels"], ["bets"])
        self.assertEqual(self.vendor.stats()["abp"]["last_logins"].__len__(), 3)

    def test_what_upstream_does_not_have_is_not_granted(self):
        daemon = self.stage(settings='channels: [orders]')
        self.assertEqual(self.abp(daemon, ["orders", "horses"]).login["channels"], ["orders"])
        self.assertEqual(self.mm(daemon, ["horses", "bets"]).login["channels"], ["bets"])
        logins = len(self.vendor.stats()["abp"]["last_logins"])
        self.assertEqual(self.abp(daemon, ["horses"]).login["channels"], [])
        self.assertEqual(len(self.vendor.stats()["abp"]["last_logins"]), logins)
        self.assertEqual(daemon.stop(), 0)  # in the middle of a growth

    def test_names_that_apps_make_up_keep_no_channel_from_others(self):
        daemon = self.stage(apis=("abp",), settings='channels: [orders]')
        for k in range(8):
            self.assertEqual(self.abp(daemon, [f"x{k}-{i}" for i in range(10)] + ["no channel"]).login["channels"], [])
        logins = self.vendor.stats()["abp"]["last_logins"]
        self.assertLessEqual(len(logins), 5)
        bets = self.abp(daemon, ["bets"])
        self.assertEqual(bets.login["channels"], ["bets"])
        self.vendor.emit({"api": "abp", "channel": "bets", "event": "UPDATE", "payload": {"betId": 1}, "book": False})
        bets.data(1)
        wait_for(lambda: self.vendor.sessions("abp") == 1, "one session upstream")
        self.assertNotIn("session DOWN", daemon.process.log())
        self.assertFalse(daemon.all_events("channel=gap"))

    # --- who may -----------------------------------------------------------------------------------------------------------------

    CLIENTS = ("clients:\n  - {name: risk, token: risk-token, allow: [events]}\n  - {name: trader, token: trader-token, allow: [trade]}\n"
               "  - {name: ops, token: ops-token, allow: [events, admin]}\n")

    def test_clients_sign_in_with_their_own_tokens(self):
        daemon = self.stage(extra=self.CLIENTS, start=False)
        daemon.start(up=False)
        self.abp(daemon, key="risk-token")
        self.app(daemon, "/abp/ws", {"Authorization": "Bearer risk-token"}).send({"type": "login"}).answer("login_ok")
        self.app(daemon, "/mm/ws/subscribe").send({"type": "subscribe", "apiKey": "ops-token"}).answer("subscribed")
        for path, message, error in (
                ("/abp/ws", {"type": "login", "apiKey": "wrong"}, "Invalid API key"),
                ("/abp/ws", {"type": "login"}, "Invalid API key"),
                ("/abp/ws", {"type": "login", "apiKey": "trader-token"}, "API key is inactive"),
                ("/mm/ws/subscribe", {"type": "subscribe"}, "api_key required"),
                ("/mm/ws/subscribe", {"type": "subscribe", "api_key": "wrong"}, "Invalid api_key format"),
                ("/mm/ws/subscribe", {"type": "subscribe", "apiKey": "wrong"}, "Invalid apiKey format"),
                ("/mm/ws/subscribe", {"type": "subscribe", "api_key": MM_KEY}, "Invalid API key"),
                ("/mm/ws/subscribe", {"type": "subscribe", "api_key": "trader-token"}, "Invalid API key")):
            app = self.app(daemon, path).send(message)
            self.assertEqual((app.answer("error"), app.closed()), ({"type": "error", "message": error}, 1008), message)
        self.assertEqual(request("GET", daemon.url + "/abp/ws")[0], 426)

    def test_names_belong_to_apps_and_rights_can_be_taken_away(self):
        daemon = self.stage(extra=self.CLIENTS, start=False)
        daemon.start(up=False)
        mine = self.abp(daemon, key="risk-token", consumer="book")
        self.assertEqual(self.abp(daemon, key="ops-token", consumer="book", wait=False).closed(), 4003)
        waiting = self.app(daemon, "/abp/ws")
        self.assertIsNone(mine.code)
        daemon.extra = self.CLIENTS.replace("risk-token, allow: [events]", "risk-token, allow: [read]")
        daemon.write_config()
        daemon.process.kill(signal.SIGHUP)
        self.assertEqual(mine.closed(), 1008)
        waiting.send({"type": "login", "apiKey": "ops-token"}).answer("login_ok")

    # --- the docs' own clients -------------------------------------------------------------------------------------------------

    def example(self, program, old, url, node=False):
        self.assertIn(old, program)
        path = os.path.join(self.folder, "example.js" if node else "example.py")
        with open(path, "w", encoding="utf-8") as f:
            f.write(program.replace(old, url))
        log = open(path + ".log", "wb")
        command = ["node", path] if node else [sys.executable, "-u", path]
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                 env={**os.environ, **({"NODE_PATH": npm_modules()} if node else {})})
        self.addCleanup(lambda: (child.kill(), child.wait(), log.close()))

        def output():
            with open(log.name, encoding="utf-8") as said:
                return said.read()
        return output

    def abp_example(self, program, node=False):
        daemon = self.stage()
        output = self.example(program, ABP_URL, f"ws://127.0.0.1:{daemon.port}/abp/ws", node)
        wait_for(lambda: "Logged in as demo" in output(), "the login")
        self.vendor.orders(3)
        wait_for(lambda: output().count("[orders:UPDATE]") == 3, "the orders")

    def mm_example(self, program, node=False):
        daemon = self.stage()
        output = self.example(program, MM_URL, f"ws://127.0.0.1:{daemon.port}/mm/ws/subscribe", node)
        if node:
            wait_for(lambda: len(daemon.status()["consumers"]) == 1, "the subscription")
        else:
            wait_for(lambda: "Subscribed (id=" in output(), "the subscription")
        emit = {"api": "mm", "channel": "orders", "event": "UPDATE", "payload": {"orderId": 1}, "old": {"orderId": 0}, "book": False}
        wait_for(lambda: self.vendor.emit(emit) and re.search(r"Changed from: \{ ?'?orderId'?: 0 ?\}", output()), "the order")

    def test_the_docs_abp_example_runs_with_its_url_changed(self):
        docs = documented(ABP_PAGE, "python")
        self.abp_example(indented(docs, ABP_LEVELS) if docs else ABP_EXAMPLE)

    def test_the_docs_mm_example_runs_with_its_url_changed(self):
        docs = documented(MM_PAGE, "python")
        self.mm_example(indented(docs, MM_LEVELS) if docs else MM_EXAMPLE)

    def test_the_docs_abp_example_in_javascript(self):
        self.abp_example(documented(ABP_PAGE, "javascript") or ABP_SCRIPT, node=True)

    def test_the_docs_mm_example_in_javascript(self):
        self.mm_example(documented(MM_PAGE, "javascript") or MM_SCRIPT, node=True)


if __name__ == "__main__":
    main()
