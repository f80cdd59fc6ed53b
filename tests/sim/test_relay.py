"""The relays of bridge55-sim from outside. Usage: test_relay.py path/to/bridge55-sim [test …]"""
import asyncio
import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import sys
import unittest
import urllib.parse

import websockets

import harness
from harness import SimTest, soon

KEY = "scraping-demo-key"


class Target:
    """A WebSocket server that a relay may be pointed at: echoes, and notes what reached it."""

    def __init__(self, handler=None):
        self.handler = handler or self.echo
        self.requests, self.sockets, self.ends = [], [], asyncio.Queue()

    async def start(self, **options):
        self.server = await websockets.serve(self.serve, "127.0.0.1", 0, ping_interval=None, max_size=None, compression=None,
                                             close_timeout=2, **options)
        scheme = "wss" if options.get("ssl") else "ws"
        self.url = f"{scheme}://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/feed?x=1"
        return self

    async def serve(self, ws, *_):
        self.requests.append(ws)
        self.sockets.append(ws)
        try:
            await self.handler(ws)
        finally:
            await ws.wait_closed()
            self.ends.put_nowait((ws.close_code, ws.close_reason))

    @staticmethod
    async def echo(ws):
        try:
            async for message in ws:
                await ws.send(message)
        except websockets.ConnectionClosed:
            pass

    async def stop(self):
        self.server.close()
        await self.server.wait_closed()


class RelayTest(SimTest):
    def start(self, *options, limits=False):
        return super().start(*([] if limits else ["--no-limits"]), *options)

    async def target(self, handler=None, **options):
        target = await Target(handler).start(**options)
        self.addAsyncCleanup(target.stop)
        return target

    async def relay(self, url, context=None, **more):
        ws = await self.connect("scraping", context, max_size=None)
        await ws.send(json.dumps({"apiKey": KEY, "url": url, **more}))
        return ws

    async def connected(self, url, context=None, **more):
        ws = await self.relay(url, context, **more)
        answer = json.loads(await soon(ws.recv()))
        self.assertEqual((answer["type"], answer["status"]), ("connected", 101), answer)
        self.assertRegex(answer["node_id"], "^scraping-[a-z]{2}[0-9]+$")
        return ws

    async def refused(self, ws, message, code):
        answer = json.loads(await soon(ws.recv()))
        self.assertEqual((answer["type"], answer["message"]), ("error", message))
        self.assertEqual(await self.ended(ws), code)

    def last(self):
        return self.sim.control("/relays")["relays"][-1]

    async def raw(self, first):
        """Reader and writer behind an upgrade on /ws and its first message."""
        host, port = urllib.parse.urlsplit(self.sim.ports["scraping"]).netloc.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self.addCleanup(writer.close)
        writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        await soon(reader.readuntil(b"\r\n\r\n"))
        if first:
            writer.write(frame(1, json.dumps(first).encode()))
        return reader, writer


def frame(opcode, payload, fin=True, mask=b"\x01\x02\x03\x04"):
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    if not mask:
        return head + payload
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


async def read_frame(reader):
    first, second = await soon(reader.readexactly(2))
    size = second & 0x7F
    if size == 126:
        size = struct.unpack(">H", await soon(reader.readexactly(2)))[0]
    elif size == 127:
        size = struct.unpack(">Q", await soon(reader.readexactly(8)))[0]
    return first & 0x0F, bool(first & 0x80), await soon(reader.readexactly(size))


class Connecting(RelayTest):
    async def test_the_target_gets_headers_cookies_and_subprotocol_and_the_client_connected(self):
        self.start()
        target = await self.target(subprotocols=["graphql-ws"])
        ws = await self.connected(target.url, headers={"Authorization": "Bearer t", "Origin": "https://o.example", "Cookie": "a=1",
                                                       "Sec-WebSocket-Protocol": "graphql-ws", "Sec-WebSocket-Key": "x", "Connection": "close"},
                                  cookies={"session": "abc", "b": "2"}, geo="de", agent="de1,de2")
        request = target.requests[0]
        self.assertEqual((request.path, request.subprotocol), ("/feed?x=1", "graphql-ws"))
        fields = request.request_headers
        self.assertEqual((fields["Authorization"], fields["Origin"], fields["Cookie"]),
                         ("Bearer t", "https://o.example", "a=1; session=abc; b=2"))
        self.assertNotIn("Sec-WebSocket-Extensions", fields)
        record = self.last()
        self.assertRegex(record["agent"], "^scraping-de[12]$")
        self.assertEqual((record["state"], record["subprotocol"], record["url"]), ("open", "graphql-ws", target.url))
        self.assertNotIn(KEY, json.dumps(record))
        self.assertIn(["Authorization", "Bearer t"], record["headers"])
        await ws.close()

    async def test_what_is_no_connect_message_is_refused(self):
        self.start()
        url = "ws://127.0.0.1:1/"
        for message, text in (("hello", "Invalid connect message: JSON object expected"), ("[]", "Invalid connect message: JSON object expected"),
                              (b"{}", "Invalid connect message: JSON object expected"),
                              ({"url": url}, "Invalid or missing API key"), ({"apiKey": "no", "url": url}, "Invalid or missing API key"),
                              ({"apiKey": 5, "url": url}, "Invalid or missing API key"),
                              ({"apiKey": KEY}, "Missing url"), ({"apiKey": KEY, "url": 5}, "Missing url"),
                              ({"key": KEY, "url": "https://x/"}, "Invalid url: must be ws:// or wss://"),
                              ({"key": KEY, "url": "ws://"}, "Invalid url: must be ws:// or wss://"),
                              ({"key": KEY, "url": "ws://x:y/"}, "Invalid url: must be ws:// or wss://"),
                              ({"key": KEY, "url": "ws://x/#f"}, "Invalid url: must be ws:// or wss://"),
                              ({"key": KEY, "url": "ws://u:p@x/"}, "Invalid url: must be ws:// or wss://"),
                              ({"key": KEY, "url": url, "headers": []}, "headers must be an object"),
                              ({"key": KEY, "url": url, "headers": {"a": 1}}, "headers must hold strings"),
                              ({"key": KEY, "url": url, "headers": {"a": "x\r\nb: y"}}, "headers holds what no header can carry"),
                              ({"key": KEY, "url": url, "cookies": "a=b"}, "cookies must be an object"),
                              ({"key": KEY, "url": url, "idle_timeout": "5"}, "idle_timeout must be a number"),
                              ({"key": KEY, "url": url, "idle_timeout": True}, "idle_timeout must be a number"),
                              ({"key": KEY, "url": url, "idle_timeout": -1}, "idle_timeout must not be negative"),
                              ({"key": KEY, "url": url, "agent": ["de1"]}, "agent must be a string"),
                              ({"key": KEY, "url": url, "geo": "Germany"}, "Invalid geo code")):
            ws = await self.connect("scraping")
            await ws.send(json.dumps(message) if isinstance(message, dict) else message)
            await self.refused(ws, text, 1008)

    async def test_an_agent_that_does_not_exist_and_a_target_that_fails_are_1011(self):
        self.start()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            free = s.getsockname()[1]
        await self.refused(await self.relay(f"ws://127.0.0.1:{free}/", agent="zz9"), "Agent unavailable", 1011)
        await self.refused(await self.relay(f"ws://127.0.0.1:{free}/"), "Target connection failed: connection refused", 1011)
        await self.refused(await self.relay(self.sim.ports["scraping"].replace("http", "ws") + "/healthz"), "Target connection failed: HTTP 200", 1011)
        self.assertEqual(self.last()["ended_by"], "target_failed")

    async def test_a_client_that_says_nothing_is_closed_with_1008_and_may_ping_meanwhile(self):
        self.start("--relay-connect-ms", "300")
        ws = await self.connect("scraping")
        await soon(await ws.ping())
        self.assertEqual(await self.ended(ws), 1008)
        self.assertEqual(ws.close_reason, "Connect message not received within 10 seconds")
        self.assertEqual(self.last()["ended_by"], "connect_timeout")

    async def test_a_target_that_does_not_answer_is_given_up(self):
        self.start("--relay-target-ms", "200")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            await self.refused(await self.relay(f"ws://127.0.0.1:{s.getsockname()[1]}/"), "Target connection failed: timeout", 1011)

    async def test_a_connection_takes_one_token_and_frames_none(self):
        self.start("--scraping-rps", "0.001", "--scraping-burst", "2", limits=True)
        target = await self.target()
        ws = await self.connected(target.url)
        for _ in range(20):
            await ws.send("x")
            await soon(ws.recv())
        await self.connected(target.url)
        await self.refused(await self.relay(target.url), "Rate limit exceeded", 1008)
        status, _, _ = self.sim.rest("scraping", "/network/status", KEY)
        self.assertEqual(status, 429)
        self.assertEqual(self.sim.rest("scraping", "/usage", KEY)[1]["by_protocol"]["ws"], 2)

    async def test_the_key_may_come_in_the_handshake(self):
        self.start()
        target = await self.target()
        ws = await self.connect("scraping", extra_headers={"X-API-Key": KEY})
        await ws.send(json.dumps({"url": target.url}))
        self.assertEqual(json.loads(await soon(ws.recv()))["type"], "connected")
        self.assertNotIn(KEY, json.dumps(self.last()))

    async def test_a_plain_get_is_426(self):
        self.start()
        self.assertEqual(self.sim.rest("scraping", "/ws")[0], 426)

    async def test_what_was_sent_before_connected_reaches_the_target_after_it(self):
        self.start()
        target = await self.target()
        reader, writer = await self.raw(None)
        writer.write(frame(1, json.dumps({"key": KEY, "url": target.url}).encode()) + frame(1, b"early") + frame(2, b"bird"))
        self.assertEqual(json.loads((await read_frame(reader))[2])["type"], "connected")
        self.assertEqual([await read_frame(reader) for _ in range(2)], [(1, True, b"early"), (2, True, b"bird")])

    async def test_a_client_that_leaves_while_the_target_is_dialled_ends_the_attempt(self):
        self.start()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            ws = await self.relay(f"ws://127.0.0.1:{s.getsockname()[1]}/")
            peer, _ = await soon(asyncio.get_running_loop().run_in_executor(None, s.accept))
            await soon(ws.close())
            peer.settimeout(harness.PATIENCE)
            with peer:
                try:
                    while await asyncio.get_running_loop().run_in_executor(None, peer.recv, 4096):
                        pass
                except ConnectionResetError:
                    pass


class Frames(RelayTest):
    async def test_every_size_passes_both_ways_as_text_and_binary(self):
        self.start()
        target = await self.target()
        ws = await self.connected(target.url)
        for size in (0, 1, 125, 126, 127, 65535, 65536, 70000, 10_000_000):
            for message in ("é" * (size // 2) + "x" * (size % 2), os.urandom(size)):
                await ws.send(message)
                self.assertEqual(await soon(ws.recv()), message)
        up = self.last()["up"]
        self.assertEqual((up["messages"], up["bytes"]), (18, self.last()["down"]["bytes"]))

    async def test_tls_on_both_sides(self):
        self.start("--tls")
        other = harness.Sim("--tls", "--no-limits")
        self.addCleanup(other.stop)
        # The target is another simulator: its ABP socket behind TLS, with a certificate nobody knows.
        ws = await self.connected(other.ports["abp_ws"], self.trusting())
        await ws.send(json.dumps({"type": "login", "apiKey": harness.ABP_KEY}))
        self.assertEqual(json.loads(await soon(ws.recv()))["type"], "login_ok")
        target = await self.target()
        ws = await self.connected(target.url, self.trusting())
        big = os.urandom(3_000_000)
        await ws.send(big)
        self.assertEqual(await soon(ws.recv()), big)
        await ws.close(4001, "done")
        self.assertEqual(await soon(target.ends.get()), (4001, "done"))

    async def test_fragments_and_pings_between_them_pass_as_they_are(self):
        self.start()
        got = []

        async def front(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(upgrade_answer(head))
            for _ in range(4):
                got.append(await read_masked(reader))
            writer.write(frame(2, b"ab", False, b"") + frame(9, b"p?", True, b"") + frame(0, b"", False, b"") + frame(0, b"cd", True, b""))
            writer.write(frame(10, b"alone", True, b""))
            await reader.read()
            writer.close()

        server = await asyncio.start_server(front, "127.0.0.1", 0)
        self.addCleanup(server.close)
        reader, writer = await self.raw({"key": KEY, "url": f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"})
        await read_frame(reader)
        for piece in (frame(1, b"he", False), frame(9, b"ping"), frame(0, b"llo", False), frame(0, b"", True)):
            for byte in piece:
                writer.write(bytes([byte]))
                await writer.drain()
        frames = [await read_frame(reader) for _ in range(5)]
        self.assertEqual([f[:3] for f in got], [(1, False, b"he"), (9, True, b"ping"), (0, False, b"llo"), (0, True, b"")])
        self.assertNotIn(b"\x01\x02\x03\x04", [f[3] for f in got])
        self.assertEqual(frames, [(2, False, b"ab"), (9, True, b"p?"), (0, False, b""), (0, True, b"cd"), (10, True, b"alone")])

    async def test_a_reader_that_stops_holds_the_writer_and_memory_stays(self):
        self.start()
        sent = 0

        async def pour(ws):
            nonlocal sent
            try:
                while True:
                    await ws.send(b"x" * 1_000_000)
                    sent += 1
            except websockets.ConnectionClosed:
                pass

        target = await self.target(pour)
        reader, writer = await self.raw({"key": KEY, "url": target.url})
        await read_frame(reader)
        before, quiet, seen = self.resident(), 0, -1
        while quiet < 50 and sent < 60:  # rounds of the simulator's loop in which it took nothing
            quiet = quiet + 1 if seen == sent else 0
            seen = sent
            await asyncio.to_thread(self.sim.control, "/relays")
        self.assertLess(sent, 60)  # what the kernel's buffers hold
        self.assertLess(self.resident() - before, 8 << 20)
        writer.transport.abort()
        await soon(target.ends.get())

    def resident(self):
        with open(f"/proc/{self.sim.process.pid}/statm") as f:
            return int(f.read().split()[1]) * 4096

    async def test_frames_that_break_the_protocol_close_with_1002(self):
        self.start()
        target = await self.target()
        for bad in (frame(1, b"x", True, b""), frame(3, b"x"), frame(0, b"x"), frame(9, b"x", False), frame(8, b"x"),
                    frame(8, struct.pack(">H", 1005)), b"\xc1\x81\0\0\0\0x", b"\x81\xfe\0\x01\0\0\0\0x"):
            reader, writer = await self.raw({"key": KEY, "url": target.url})
            await read_frame(reader)
            writer.write(frame(1, b"good"))
            self.assertEqual((await read_frame(reader))[2], b"good")
            writer.write(bad)
            opcode, _, payload = await read_frame(reader)
            self.assertEqual((opcode, payload[:2]), (8, struct.pack(">H", 1002)), bad)
            self.assertEqual((await soon(target.ends.get()))[0], 1001)


def upgrade_answer(head):
    key = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")][0]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"


async def read_masked(reader):
    first, second = await soon(reader.readexactly(2))
    size = second & 0x7F
    assert second & 0x80 and size < 126
    mask = await soon(reader.readexactly(4))
    payload = await soon(reader.readexactly(size))
    return first & 0x0F, bool(first & 0x80), bytes(b ^ mask[i & 3] for i, b in enumerate(payload)), mask


class Ending(RelayTest):
    async def test_close_codes_and_reasons_pass_both_ways(self):
        self.start()
        orders = asyncio.Queue()

        async def close(ws):
            code, reason = await orders.get()
            await ws.close(code, reason)

        closing, echoing = await self.target(close), await self.target()
        for code, reason in ((1000, ""), (1001, "bye"), (1008, "policy"), (1011, "ümlaut"), (3000, "x" * 123), (4999, "")):
            ws = await self.connected(closing.url)
            orders.put_nowait((code, reason))
            self.assertEqual(await self.ended(ws), code)
            self.assertEqual(ws.close_reason, reason)
            self.assertEqual((await soon(closing.ends.get()))[0], code)
            ws = await self.connected(echoing.url)
            await soon(ws.close(code, reason))
            self.assertEqual(await soon(echoing.ends.get()), (code, reason))
            self.assertEqual(ws.close_code, code)
        record = self.last()
        self.assertEqual((record["from_client"], record["from_target"]["code"]), ({"code": 4999, "reason": ""}, 4999))

    async def test_a_lost_target_is_1011_and_a_lost_client_1001(self):
        self.start()

        async def die(ws):
            await ws.recv()
            ws.transport.abort()

        dying, target = await self.target(die), await self.target()
        ws = await self.connected(dying.url)
        await ws.send("now")
        self.assertEqual(await self.ended(ws), 1011)
        self.assertEqual(self.last()["ended_by"], "target_lost")
        ws = await self.connected(target.url)
        ws.transport.abort()
        self.assertEqual((await soon(target.ends.get()))[0], 1001)

    async def test_idle_timeout_counts_messages_of_the_target_only(self):
        self.start()

        async def ping(ws):
            try:
                while True:
                    await ws.ping()
                    await asyncio.sleep(0.05)
            except websockets.ConnectionClosed:
                pass

        target = await self.target(ping)
        ws = await self.connected(target.url, idle_timeout=0.3)
        await ws.send("hello")
        self.assertEqual(await self.ended(ws), 1000)
        self.assertEqual(ws.close_reason, "idle timeout")
        self.assertEqual((await soon(target.ends.get()))[0], 1000)
        self.assertEqual(self.last()["ended_by"], "idle")

    async def test_a_target_that_does_not_answer_a_close_is_not_waited_for(self):
        self.start()

        async def deaf(reader, writer):
            writer.write(upgrade_answer(await reader.readuntil(b"\r\n\r\n")))
            try:
                await reader.read()
            except ConnectionResetError:
                pass
            writer.close()

        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        self.addCleanup(server.close)
        reader, writer = await self.raw({"key": KEY, "url": f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"})
        await read_frame(reader)
        writer.write(frame(8, struct.pack(">H", 4000)))
        self.assertEqual((await read_frame(reader))[2], struct.pack(">H", 4000))
        self.assertEqual(await soon(reader.read()), b"")


class Faults(RelayTest):
    async def test_a_crash_of_the_agent_closes_one_or_all_with_1011_and_cuts_the_target(self):
        self.start()
        target = await self.target()
        relays = [await self.connected(target.url) for _ in range(3)]
        self.assertEqual(self.fault("relay_crash", id=2)["reached"], 1)
        self.assertEqual(await self.ended(relays[1]), 1011)
        self.assertEqual((await soon(target.ends.get()))[0], 1006)
        self.assertEqual(self.fault("relay_crash")["reached"], 2)
        for ws in (relays[0], relays[2]):
            self.assertEqual(await self.ended(ws), 1011)

    async def test_connect_messages_can_be_refused_left_unanswered_or_answered_late(self):
        self.start()
        target = await self.target()
        self.fault("relay_refuse", message="Agent busy", code=1013, count=1)
        await self.refused(await self.relay(target.url), "Agent busy", 1013)
        await self.connected(target.url)
        self.fault("relay_slow", delay_ms=200, count=1)
        await self.connected(target.url)
        self.fault("relay_hang")
        ws = await self.relay(target.url)
        await ws.send("waits in vain")
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(ws.recv(), 0.3)
        self.sim.control("/clear", {})
        await ws.close()
        await self.connected(target.url)

    async def test_the_clients_side_can_be_cut_between_and_inside_frames(self):
        for options in ((), ("--tls",)):
            self.start(*options)
            target = await self.target()
            for more in ({}, {"end": "fin"}, {"end": "cut"}, {"mid_frame": True, "end": "cut"}, {"mid_frame": True}):
                ws = await self.connected(target.url, self.trusting() if options else None)
                self.assertEqual(self.fault("relay_cut", **more)["reached"], 1)
                self.assertEqual(await self.ended(ws), 1006)
                self.assertEqual((await soon(target.ends.get()))[0], 1001)


if __name__ == "__main__":
    harness.BINARY = sys.argv.pop(1)
    unittest.main()
