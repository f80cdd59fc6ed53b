#!/usr/bin/python3
"""Simulated vendor to local consumers over TLS: UNIX socket, SSE, WebSocket, pages; SIGKILL and resume; gaps; bad frames."""

import asyncio
import json
import os
import signal
import socket
import time

import websockets

from harness import Case, main, order_ids, payload_bytes, request, wait_for


class Events(Case):
    def test_every_stream_gets_the_same_bytes_that_upstream_sent(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream())
        feed = self.feed(daemon.events_socket)
        sse = self.sse(daemon.url + "/events?source=abp,mm")
        wait_for(lambda: daemon.metric("bridge55_consumers") == 2, "two consumers")
        payload = '{"orderId":327,"orderPrice":1.950,"big":123456789012345678901234567890,"n":1e400,"é":"\\u00e9\\n", "dup":1,"dup":2}'
        sim.emit({"api": "abp", "channel": "orders", "event": "UPDATE", "payload_text": payload, "book": False})
        old = '{"orderStatus":"PLACED","matchedStake":0}'
        sim.emit({"api": "mm", "channel": "orders", "event": "UPDATE", "payload_text": '{"orderId":123}', "old_text": old, "book": False})
        for stream in (feed, sse):
            stream.wait(lambda items: sum(b'"channel":"orders"' in line for line in items) == 2, "both orders")
            lines = [line for line in stream.items if b'"channel":"orders"' in line]
            abp = next(line for line in lines if b'"source":"abp"' in line)
            self.assertEqual(payload_bytes(abp), payload.encode())
            event = json.loads(next(line for line in lines if b'"source":"mm"' in line))
            self.assertEqual(event["old"], json.loads(old))
            self.assertEqual(event["key"], "123")
        event = json.loads(abp)
        self.assertEqual((event["source"], event["channel"], event["event"], event["key"]), ("abp", "orders", "UPDATE", "327"))
        self.assertIsInstance(event["upstream"]["subscription"], int)
        self.assertGreaterEqual(event["upstream"]["seq"], 1)
        self.assertRegex(event["message_id"], "^[0-9a-f]{32}$")

    def test_a_live_story_arrives_in_order_everywhere(self):
        sim = self.sim("--rate", "500")
        daemon = self.daemon(sim.upstream())
        feed = self.feed(daemon.events_socket)
        sse = self.sse(daemon.url + "/events")
        feed.wait(lambda items: len(items) > 1000, "1000 events on the UNIX socket")
        sse.wait(lambda items: len(items) > 1000, "1000 events over SSE")

        async def websocket():
            async with websockets.connect(f"ws://127.0.0.1:{daemon.port}/events?after=earliest", max_queue=None) as ws:
                return [json.loads(await asyncio.wait_for(ws.recv(), 10)) for _ in range(1000)]

        streams = [feed.events(), sse.events(), asyncio.run(websocket())]
        self.assertEqual({e["source"] for e in streams[2]}, {"abp", "mm", "bridge"})
        for events in streams:
            ids = [int(event["id"]) for event in events]
            self.assertEqual(ids, sorted(set(ids)))
        everything = [event["id"] for event in daemon.all_events()]
        for events in streams:
            first = everything.index(events[0]["id"])
            self.assertEqual([e["id"] for e in events], everything[first:first + len(events)])

    def test_a_durable_consumer_continues_after_sigkill_where_it_acknowledged(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))

        async def consume(count, ack):
            url = f"ws://127.0.0.1:{daemon.port}/events?consumer=risk&source=abp&channel=orders"
            async with websockets.connect(url) as ws:
                ready.append(1)
                events = []
                while len(events) < count:  # gaps of the source come whatever the filter
                    event = json.loads(await asyncio.wait_for(ws.recv(), 20))
                    events += [event] if event["channel"] == "orders" else []
                if ack:
                    await ws.send(json.dumps({"ack": events[ack - 1]["id"]}))
                    wait_for(lambda: cursor() == events[ack - 1]["id"], "the ack to be taken")
                return events

        def cursor():
            return next((c["cursor"] for c in status_by_socket(daemon)["consumers"] if c.get("name") == "risk"), None)

        ready = []

        async def first_run():
            task = asyncio.create_task(consume(10, ack=4))
            while not ready:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(sim.orders, 10)
            return await task

        events = asyncio.run(first_run())
        self.assertEqual(order_ids(events), list(range(10)))
        daemon.restart()
        sim.orders(5, first=10)
        again = asyncio.run(consume(11, ack=0))
        self.assertEqual(order_ids(again), list(range(4, 15)))
        self.assertEqual([e["message_id"] for e in again[:6]], [e["message_id"] for e in events[4:]])
        self.assertEqual([e["id"] for e in again[:6]], [e["id"] for e in events[4:]])

    def test_nothing_that_was_seen_as_durable_is_lost_by_sigkill_under_load(self):
        sim = self.sim("--rate", "2000")
        daemon = self.daemon(sim.upstream("abp"))
        for _ in range(3):
            wait_for(lambda: daemon.metric("bridge55_events_total") > 1500, "events")
            before = [e["id"] for e in daemon.all_events()]
            daemon.restart()
            after = [e["id"] for e in daemon.all_events()]
            self.assertEqual(after[:len(before)], before)
            self.assertEqual(len(after), len(set(after)))
            self.assertEqual(after, sorted(after, key=int))

    def test_last_event_id_resumes_without_hole_or_overlap(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        sim.orders(20)
        wait_for(lambda: len(order_ids(daemon.all_events())) == 20, "20 orders")
        orders = [e for e in daemon.all_events() if e["channel"] == "orders"]
        stream = self.sse(daemon.url + "/events?channel=orders", "-H", "Last-Event-ID: " + orders[6]["id"])
        sim.orders(3, first=20)
        stream.wait(lambda items: len(items) == 16, "16 orders")
        self.assertEqual(order_ids(stream.events()), list(range(7, 23)))

    def test_a_hole_in_seq_is_said_and_reaches_streams_with_any_filter(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        stream = self.sse(daemon.url + "/events?source=abp&channel=bets&where=payload.betId:eq:1")
        wait_for(lambda: daemon.metric("bridge55_consumers") == 1, "the consumer")
        sim.orders(1)
        sim.fault("seq_hole", size=3)
        sim.orders(1, first=1)
        stream.wait(lambda items: len(items) >= 2, "the gap and its end")
        events = stream.events()
        self.assertEqual([(e["source"], e["channel"], e["event"]) for e in events],
                         [("bridge", "gap", "DETECTED"), ("bridge", "gap", "UNRECOVERED")])
        self.assertEqual(events[0]["payload"]["source"], "abp")

    def test_a_dropped_session_comes_back_and_its_outage_is_a_gap(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        sim.fault("drop")
        wait_for(lambda: daemon.metric("bridge55_session_reconnects_total") == 1, "a reconnect")
        daemon.wait_up("abp")
        said = [(e["channel"], e["event"]) for e in daemon.all_events("source=bridge")]
        self.assertIn(("session", "DOWN"), said)
        self.assertIn(("gap", "DETECTED"), said)
        wait_for(lambda: ("gap", "UNRECOVERED") in [(e["channel"], e["event"]) for e in daemon.all_events("source=bridge")], "the gap's end")

    def test_frames_that_cannot_be_understood_are_kept_and_the_session_goes_on(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        bad = ['{"type":"data","channel":"orders","payload":{"x":tru}}', "not json", '{"a":1}{', "[" * 100_000, ""]
        for text in bad:
            sim.fault("malformed", text=text)
        sim.fault("malformed", base64="/////w==")
        sim.orders(1)
        wait_for(lambda: order_ids(daemon.all_events()) == [0], "the order behind the bad frames")
        kept = [e for e in daemon.all_events() if e["channel"] == "quarantine"]
        self.assertEqual(len(kept), len(bad) + 1)
        for event in kept:
            self.assertEqual((event["source"], event["event"]), ("bridge", "MESSAGE"))
            self.assertTrue(event["payload"]["reason"])
        self.assertEqual([e["payload"].get("text") for e in kept[:2]], bad[:2])
        self.assertEqual(kept[-1]["payload"]["base64"], "/////w==")
        self.assertFalse(daemon.metric("bridge55_session_reconnects_total"))

    def test_pages_walk_the_journal_with_filters(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        sim.orders(250)
        wait_for(lambda: len(order_ids(daemon.all_events())) == 250, "250 orders")
        page = daemon.page("after=earliest&channel=orders&limit=100")
        self.assertEqual(order_ids(page["events"]), list(range(100)))
        self.assertTrue(page["more"])
        page = daemon.page(f"after={page['next']}&channel=orders&limit=1000")
        self.assertEqual(order_ids(page["events"]), list(range(100, 250)))
        self.assertFalse(page["more"])
        page = daemon.page("channel=orders&where=payload.orderId:gte:248")
        self.assertEqual(order_ids(page["events"]), [248, 249])
        page = daemon.page("key=17&source=abp")
        self.assertEqual(order_ids(page["events"]), [17])
        status, _, body = request("GET", daemon.url + "/events/page?limit=5000")
        self.assertEqual((status, json.loads(body)["detail"]["code"]), (400, "BAD_REQUEST"))

    def test_the_unix_socket_is_a_durable_queue(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))

        def connect():
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(20)
            client.connect(daemon.events_socket)
            self.addCleanup(client.close)
            client.sendall(b'{"consumer":"orders-app","channel":"orders"}\n')
            return client, client.makefile("rb")

        client, lines = connect()
        wait_for(lambda: any(c.get("name") == "orders-app" for c in status_by_socket(daemon)["consumers"]), "the consumer to be known")
        sim.orders(6)
        events = [json.loads(lines.readline()) for _ in range(6)]
        client.sendall(b'nonsense\n{"ack":"%s"}\n' % events[2]["id"].encode())
        self.assertIn("error", json.loads(lines.readline()))
        wait_for(lambda: any(c.get("cursor") == events[2]["id"] for c in status_by_socket(daemon)["consumers"]), "the ack to be taken")
        daemon.restart()
        client, lines = connect()
        again = []
        while len(again) < 3:
            event = json.loads(lines.readline())
            again += [event["id"]] if event["channel"] == "orders" else []
        self.assertEqual(again, [e["id"] for e in events[3:]])

    def test_sigterm_ends_in_order_with_exit_code_0_and_keeps_everything(self):
        sim = self.sim("--rate", "500")
        daemon = self.daemon(sim.upstream("abp"))
        feed = self.feed(daemon.events_socket)
        feed.wait(lambda items: len(items) > 200, "events")
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(os.path.exists(daemon.events_socket))
        last = feed.events()[-1]["id"]
        daemon.start()
        self.assertIn(last, [event["id"] for event in daemon.all_events()])

    def test_time_while_the_daemon_was_stopped_is_a_gap_and_the_first_start_is_none(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        self.assertEqual(daemon.all_events("channel=gap"), [])
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        wait_for(lambda: len(daemon.all_events("channel=gap")) == 2, "a gap and its end")
        events = daemon.all_events("channel=gap")
        self.assertEqual([e["event"] for e in events], ["DETECTED", "UNRECOVERED"])
        self.assertEqual(events[0]["payload"]["reason"], "restart")

    def test_an_unclean_stop_opens_a_gap(self):
        sim = self.sim()
        daemon = self.daemon(sim.upstream("abp"))
        last = daemon.all_events()[-1]["id"]
        daemon.restart()
        wait_for(lambda: [e for e in daemon.all_events("channel=gap") if int(e["id"]) > int(last)], "a gap")

    def test_a_frozen_daemon_finds_its_stale_session_and_goes_on(self):
        sim = self.sim("--rate", "100", "--ping-ms", "200", "--pong-ms", "1000")
        daemon = self.daemon(sim.upstream("abp"))
        os.kill(daemon.process.pid, signal.SIGSTOP)
        try:
            wait_for(lambda: sim.sessions() == 0, "the vendor to give the session up")
        finally:
            os.kill(daemon.process.pid, signal.SIGCONT)
        wait_for(lambda: sim.sessions() == 1, "a new session")
        daemon.wait_up("abp")


def status_by_socket(daemon):
    """/status over the UNIX socket, whose file mode grants all: with the names of consumers."""
    import subprocess
    out = subprocess.run(["curl", "-s", "--unix-socket", daemon.api_socket, "http://localhost/status"], capture_output=True, check=True)
    return json.loads(out.stdout)


if __name__ == "__main__":
    main()
