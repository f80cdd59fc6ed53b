#!/usr/bin/python3
"""The gateway over AMQP: requests as messages of a real RabbitMQ, replies read by pika; across kills of either side."""

import json
import os
import signal
import threading
import time
import uuid

import pika

from harness import Case, main, wait_for
from rabbit_broker import RabbitBroker
from scripted_upstream import ScriptedUpstream, answer
from test_trades import order

QUEUE = "bridge55.requests"


class Requests(Case):
    @classmethod
    def setUpClass(cls):
        cls.broker = RabbitBroker()
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def setUp(self):
        super().setUp()
        if not self.broker.running:
            self.broker.start()
        self.connection = None
        self.replies = {}
        self.addCleanup(self.forget)

    def forget(self):
        if getattr(self, "bridge", None) and self.bridge.process:
            self.bridge.process.end()
        channel = self.channel()
        channel.queue_delete(QUEUE)
        channel.exchange_delete("bridge55.events")
        self.connection.close()

    def channel(self):
        if not self.connection or not self.connection.is_open:
            self.connection = pika.BlockingConnection(pika.URLParameters(self.broker.url))
            self.open_channel = None
        if not self.open_channel or not self.open_channel.is_open:
            self.open_channel = self.connection.channel()
            self.open_channel.confirm_delivery()
            self.reply_queue = self.open_channel.queue_declare("", exclusive=True).method.queue
        return self.open_channel

    # --- both sides --------------------------------------------------------------------------------------------------------------

    def sinks(self, requests):
        return f"sinks:\n  rabbit: {{kind: rabbitmq, url: '{self.broker.url}', requests: {requests}}}\n"

    def start(self, upstreams, requests, extra="", env=None):
        self.bridge = self.daemon(upstreams, extra, sinks=self.sinks(requests), start=False, env=env)
        self.bridge.start(up=False)
        self.taking()
        return self.bridge

    def taking(self):
        wait_for(lambda: self.bridge.metric("bridge55_requests_up") == 1, "requests to be taken", 60)

    def scripted(self, script=None, requests="{allow: [read]}", **options):
        upstream = ScriptedUpstream(script)
        self.addCleanup(upstream.close)
        self.start(f"upstreams:\n  abp: {{url: '{upstream.url}', api_key: the-key, ws_url: 'ws://127.0.0.1:9/', rate_limit: 1000/s}}\n", requests, **options)
        return upstream

    def trading(self, requests="{allow: [read, trade]}", env=None):
        self.vendor = self.sim("--no-limits", tls=False)
        return self.start(self.vendor.upstream("abp").replace("api_key:", "rate_limit: 10000/s, api_key:"), requests, env=env)

    def again(self):
        """SIGKILL, and a new start."""
        self.bridge.kill()
        self.bridge.start(up=False)

    # --- the app -----------------------------------------------------------------------------------------------------------------

    def send(self, message, reply=True, **properties):
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        channel = self.channel()
        if reply and "reply_to" not in properties:
            properties["reply_to"] = self.reply_queue
        properties.setdefault("correlation_id", uuid.uuid4().hex)
        channel.basic_publish("", QUEUE, body, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True)
        return properties["correlation_id"]

    def answer(self, correlation_id, deadline=30):
        """The reply's body, once; what else comes is kept."""
        def come():
            try:
                while correlation_id not in self.replies:
                    _, properties, body = self.channel().basic_get(self.reply_queue, auto_ack=True)
                    if properties is None:
                        return None
                    self.assertEqual((properties.content_type, properties.delivery_mode, properties.app_id), ("application/json", 2, "bridge55"))
                    self.replies.setdefault(properties.correlation_id, []).append(json.loads(body))
            except pika.exceptions.AMQPError:
                return None
            return self.replies.pop(correlation_id)[0]
        return wait_for(come, f"the reply to {correlation_id}", deadline, every=0.005)

    def ask(self, method, path, body=None, headers=None, **properties):
        message = {"method": method, "path": path}
        if body is not None:
            message["body"] = body
        if headers:
            message["headers"] = headers
        return self.answer(self.send(message, **properties))

    def place(self, *orders, **properties):
        properties.setdefault("message_id", uuid.uuid4().hex)
        return self.ask("POST", "/abp/place-orders", {"orders": list(orders)}, **properties)

    def processed(self, *orders):
        known = {one["requestUuid"]: one["processed"] for one in self.vendor.control("GET", "/placements")["orders"]}
        return [known.get(one["requestUuid"].lower(), 0) for one in orders]

    def waiting(self):
        """Messages that the broker holds, acknowledged ones not."""
        return self.channel().queue_declare(QUEUE, passive=True).method.message_count

    def unacknowledged(self):
        rows = [line.split("\t") for line in self.broker.ctl("list_queues", "name", "messages").splitlines()]
        return int(dict(row for row in rows if len(row) == 2).get(QUEUE, 0))

    def all_acknowledged(self):
        wait_for(lambda: self.unacknowledged() == 0, "all requests to be acknowledged", 30, every=0.2)

    def assert_code(self, reply, status, code):
        self.assertEqual((reply["status"], reply["body"]["detail"]["code"]), (status, code), reply)

    # --- what a request is -------------------------------------------------------------------------------------------------------

    def test_a_read_comes_back_as_it_is(self):
        upstream = self.scripted(lambda r, c: answer(201, b'{"a": 1.50, "big": 12345678901234567890123}', "X-Some: Thing", "Set-Cookie: a=b", "Set-Cookie: c=d"))
        reply = self.ask("GET", "/abp/orders?userRef=a%20b", headers={"X-Custom": "Kept", "X-Request-Id": "req-7", "Host": "elsewhere", "X-API-Key": "mine"})
        got = upstream.wait(1)
        self.assertEqual((got.method, got.target, got.get("x-custom"), got.get("x-api-key")), ("GET", "/orders?userRef=a%20b", "Kept", "the-key"))
        self.assertEqual(reply["status"], 201)
        self.assertEqual(reply["body"], {"a": 1.5, "big": 12345678901234567890123})
        self.assertEqual(reply["headers"]["X-Some"], "Thing")
        self.assertEqual(reply["headers"]["Set-Cookie"], ["a=b", "c=d"])
        self.assertEqual(reply["headers"]["X-Request-Id"], "req-7")
        self.assertEqual(reply["headers"]["X-Bridge-Attempts"], "1")
        self.all_acknowledged()
        self.assertEqual(self.bridge.metric('bridge55_requests_total{sink="rabbit",status="201"}'), 1)

    def test_a_body_is_a_json_value_or_a_text(self):
        upstream = self.scripted(lambda r, c: answer(200, r.body), "{allow: [accounts]}")
        raw = b'{"method": "POST", "path": "/abp/accounts", "body": {"b": 1.50,  "a": 1e400}}'
        self.answer(self.send(raw))
        self.assertEqual(upstream.wait(1).body, b'{"b": 1.50,  "a": 1e400}')
        self.assertEqual(upstream.wait(1).get("content-type"), "application/json")
        self.assertEqual(self.ask("POST", "/abp/accounts", 'plain \u00e9 "text"', {"Content-Type": "text/plain"})["body"], 'plain \u00e9 "text"')

    def test_what_is_no_text_comes_as_base64(self):
        self.scripted(lambda r, c: answer(200, b"\x89PNG\xff"))
        reply = self.ask("GET", "/abp/markets")
        self.assertEqual((reply["encoding"], reply["body"]), ("base64", "iVBOR/8="))

    def test_any_local_path_and_nothing_beyond_the_scopes(self):
        upstream = self.scripted(lambda r, c: answer(200, b"{}"), "{allow: [read, events]}")
        self.assertEqual(self.ask("GET", "/healthz")["body"], {"ok": True})
        self.assertIn("version", self.ask("GET", "/status")["body"])
        self.assertIn("events", self.ask("GET", "/events/page?limit=1")["body"])
        self.assert_code(self.ask("POST", "/abp/cancel-orders", {"orderIds": [1]}), 403, "FORBIDDEN")
        self.assert_code(self.place(order()), 403, "FORBIDDEN")
        self.assert_code(self.ask("POST", "/admin/pause"), 403, "FORBIDDEN")
        self.assert_code(self.ask("GET", "/nothing/here"), 404, "NOT_FOUND")
        for path, headers in (("/events", None), ("/events?channel=orders", None), ("/abp/ws", {"Upgrade": "websocket"}), ("http://evil/", None), ("/a b", None)):
            with self.subTest(path=path):
                self.assertIn(self.ask("GET", path, headers=headers)["status"], (400, 422))
        self.assertEqual(len(upstream.requests), 0)
        self.all_acknowledged()

    def test_a_message_that_is_no_request_is_answered_and_done(self):
        self.scripted()
        for message, status in ((b"{not json", 400), (b"[1]", 400), (b"\xff\x00", 400), (b"", 400), (b"[" * 100000, 400), ({}, 422), ({"path": 5}, 422), ({"path": "abp"}, 422),
                                ({"path": "/abp/orders", "hedaers": {}}, 422), ({"path": "/abp/orders", "headers": [1]}, 422),
                                (b'{"path": "/abp/a", "path": "/abp/b"}', 422), ({"path": "/x", "headers": {"a\r\nb": "c"}}, 400), ({"path": "/x", "method": "GE T"}, 400)):
            with self.subTest(message=message[:40] if isinstance(message, bytes) else message):
                self.assert_code(self.answer(self.send(message)), status, "BAD_REQUEST")
        self.send(b"{not json", reply=False)
        self.all_acknowledged()
        self.assertTrue(self.bridge.process.running())

    def test_without_reply_to_it_is_performed_and_acknowledged(self):
        upstream = self.scripted(lambda r, c: answer(200, b"{}"))
        self.send({"path": "/abp/orders"}, reply=False)
        upstream.wait(1)
        self.all_acknowledged()

    def test_a_reply_that_goes_nowhere_is_counted_and_acknowledged(self):
        upstream = self.scripted(lambda r, c: answer(200, b"{}"))
        self.send({"path": "/abp/orders"}, reply_to="nobody.listens.here")
        upstream.wait(1)
        wait_for(lambda: self.bridge.metric("bridge55_requests_unroutable_total") == 1, "the unroutable reply to be counted")
        self.all_acknowledged()
        self.assertIn("nobody.listens.here", self.bridge.process.log())
        self.assertEqual(self.ask("GET", "/abp/orders")["status"], 200)

    def test_requests_run_side_by_side(self):
        together = threading.Barrier(8)
        def script(r, c):
            together.wait(20)
            return answer(200, b"{}")
        self.scripted(script)
        ids = [self.send({"path": f"/abp/orders?n={i}"}) for i in range(8)]
        self.assertEqual([self.answer(one)["status"] for one in ids], [200] * 8)

    # --- once --------------------------------------------------------------------------------------------------------------------

    def test_the_same_message_id_gets_the_stored_reply(self):
        upstream = self.scripted(lambda r, c: answer(200, b'{"n": 1}', f"X-Call: {uuid.uuid4().hex}"))
        first = self.ask("GET", "/abp/orders", message_id="m-1")
        self.assertEqual(self.ask("GET", "/abp/orders", message_id="m-1"), first)
        self.again()
        self.taking()
        self.assertEqual(self.ask("GET", "/abp/orders", message_id="m-1"), first)
        self.assertEqual(len(upstream.requests), 1)
        self.assert_code(self.ask("GET", "/abp/bets", message_id="m-1"), 422, "BAD_REQUEST")
        self.assertEqual(self.ask("GET", "/abp/orders", message_id="m-2")["status"], 200)
        self.assertEqual(len(upstream.requests), 2)

    def test_what_is_not_kept_any_more_is_asked_again(self):
        upstream = self.scripted(lambda r, c: answer(200, b"{}"), "{allow: [read], keep: 200ms}")
        self.ask("GET", "/abp/orders", message_id="m-1")
        def again():
            self.ask("GET", "/abp/orders", message_id="m-1")
            return len(upstream.requests) > 1
        wait_for(again, "the reply to be forgotten")

    def test_one_in_flight_answers_all_that_ask_for_it(self):
        go = threading.Event()
        def script(r, c):
            go.wait(20)
            return answer(200, b'{"once": true}')
        upstream = self.scripted(script, "{allow: [accounts]}")
        ids = [self.send({"method": "POST", "path": "/abp/accounts", "body": {}}, message_id="m-1") for _ in range(3)]
        upstream.wait(1)
        go.set()
        self.assertEqual([self.answer(one)["body"] for one in ids], [{"once": True}] * 3)
        self.assertEqual(len(upstream.requests), 1)

    def test_a_placement_needs_a_name_and_must_be_young(self):
        self.trading()
        one = order()
        body = {"orders": [one]}
        self.assert_code(self.ask("POST", "/abp/place-orders", body), 422, "BAD_REQUEST")
        late = self.place(one, timestamp=int(time.time()) - 7)
        self.assert_code(late, 422, "BAD_REQUEST")
        self.assertEqual(late["headers"]["X-Bridge-Sent"], "no")
        self.assertEqual(self.processed(one), [0])
        placed = self.place(one, timestamp=int(time.time()))
        self.assertEqual(placed["status"], 200, placed)
        self.assertEqual(self.processed(one), [1])
        self.all_acknowledged()

    def test_a_placement_is_placed_once_whatever_is_killed(self):
        self.trading()
        self.vendor.fault("slow", delay_ms=1500, processed=True, count=1, path="/place-orders", method="POST")
        one = order()
        self.send({"method": "POST", "path": "/abp/place-orders", "body": {"orders": [one]}}, message_id="t-1", correlation_id="c-1", timestamp=int(time.time()))
        wait_for(lambda: self.processed(one) == [1], "the vendor to process it")
        self.again()
        self.taking()
        reply = self.answer("c-1", 60)
        self.assertEqual(reply["status"], 200, reply)
        self.assertEqual([o["requestUuid"] for o in reply["body"]["acceptedOrders"]], [one["requestUuid"]])
        self.assertEqual(self.place(one, message_id="t-1"), reply)
        self.assertEqual(self.processed(one), [1])
        self.all_acknowledged()

    def test_a_write_whose_outcome_a_kill_hid_is_not_done_again(self):
        def script(r, c):
            return answer(200, b"{}") if r.method == "GET" else (time.sleep(20), answer(200, b"{}"))[1]
        upstream = self.scripted(script, "{allow: [read, accounts]}")
        self.send({"method": "POST", "path": "/abp/accounts", "body": {"a": 1}}, message_id="w-1", correlation_id="c-1")
        upstream.wait(1)
        self.again()
        self.taking()
        reply = self.answer("c-1", 60)
        self.assert_code(reply, 504, "OUTCOME_UNKNOWN")
        self.assertEqual(reply["headers"]["X-Bridge-Sent"], "maybe")
        self.assertEqual(len(upstream.requests), 1)

    def test_every_point_of_a_kill_leaves_one_placement_and_one_reply(self):
        for point in ("requests.begun", "requests.performed", "requests.reply.before", "requests.reply.confirmed"):
            with self.subTest(point=point):
                self.trading(env={"BRIDGE55_CRASH": f"{point}:1"})
                one, name = order(), uuid.uuid4().hex
                self.send({"method": "POST", "path": "/abp/place-orders", "body": {"orders": [one]}}, message_id=name, correlation_id=name)
                self.bridge.process.wait()
                self.bridge.env = dict(os.environ)
                self.bridge.start(up=False)
                self.taking()
                reply = self.answer(name, 60)
                if reply["status"] == 200:
                    self.assertEqual(self.processed(one), [1])
                else:  # the mark was there, nothing else, and the start took longer than the order was good for
                    self.assertEqual(point, "requests.begun")
                    self.assert_code(reply, 422, "BAD_REQUEST")
                    self.assertEqual(self.processed(one), [0])
                self.all_acknowledged()
                self.bridge.process.end()
                self.vendor.process.end()

    def test_placements_while_the_daemon_is_killed_again_and_again(self):
        self.trading()
        orders = {uuid.uuid4().hex: order() for _ in range(60)}
        for number, (name, one) in enumerate(orders.items()):
            self.send({"method": "POST", "path": "/abp/place-orders", "body": {"orders": [one]}}, message_id=name, correlation_id=name)
            if number % 12 == 11:
                self.again()
        self.taking()
        for name, one in orders.items():
            reply = self.answer(name, 60)
            self.assertIn(reply["status"], (200, 422, 502), reply)  # placed; too late to be sent; looked up and not there
            self.assertEqual(self.processed(one), [1 if reply["status"] == 200 else 0], reply)
        self.all_acknowledged()

    def test_a_broker_that_dies_under_way(self):
        go = threading.Event()
        def script(r, c):
            go.wait(60)
            return answer(200, b'{"done": true}')
        upstream = self.scripted(script, "{allow: [accounts]}")
        self.broker.stop()  # a kill right after a quorum queue was made can leave it without a leader for good
        self.broker.start()
        self.taking()
        queue = self.channel().queue_declare("answers", durable=True).method.queue
        self.send({"method": "POST", "path": "/abp/accounts", "body": {}}, message_id="b-1", correlation_id="b-1", reply_to=queue)
        upstream.wait(1)
        self.broker.kill()
        wait_for(lambda: self.bridge.metric("bridge55_requests_up") == 0, "the loss to be noticed", 60)
        self.broker.start()
        self.taking()
        go.set()
        def come():
            try:
                _, properties, body = self.channel().basic_get(queue, auto_ack=True)
                return body and json.loads(body)
            except pika.exceptions.AMQPError:
                return None
        self.assertEqual(wait_for(come, "the reply", 60, every=0.1)["body"], {"done": True})
        self.assertEqual(len(upstream.requests), 1)
        self.channel().queue_delete(queue)
        self.all_acknowledged()

    # --- the life of the daemon --------------------------------------------------------------------------------------------------

    def test_a_stop_answers_what_is_under_way_and_leaves_the_rest(self):
        go = threading.Event()
        def script(r, c):
            go.wait(20)
            return answer(200, b'{"late": true}')
        upstream = self.scripted(script)
        under_way = self.send({"path": "/abp/orders"})
        upstream.wait(1)
        self.bridge.process.kill(signal.SIGTERM)
        wait_for(lambda: "stopping" in self.bridge.process.log(), "the stop to begin")
        left = self.send({"path": "/abp/bets"})
        go.set()
        self.assertEqual(self.answer(under_way)["body"], {"late": True})
        self.assertEqual(self.bridge.process.wait(), 0)
        self.assertEqual(self.waiting(), 1)
        self.bridge.start(up=False)
        self.assertEqual(self.answer(left)["status"], 200)

    def test_a_reload_changes_what_is_allowed(self):
        upstream = self.scripted(lambda r, c: answer(200, b"{}"), "{allow: [read]}")
        self.assert_code(self.ask("POST", "/abp/cancel-orders", {}), 403, "FORBIDDEN")
        self.bridge.sinks = self.sinks("{allow: [read, cancel]}")
        self.bridge.write_config()
        self.bridge.process.kill(signal.SIGHUP)
        wait_for(lambda: self.ask("POST", "/abp/cancel-orders", {})["status"] == 200, "the cancel to be allowed")
        self.assertEqual(len(upstream.requests), 1)

    def test_passive_waits_for_the_queue_of_others(self):
        upstream = ScriptedUpstream(lambda r, c: answer(200, b"{}"))
        self.addCleanup(upstream.close)
        self.channel().exchange_declare("bridge55.events", "topic", durable=True)
        self.bridge = self.daemon(f"upstreams:\n  abp: {{url: '{upstream.url}', api_key: the-key, ws_url: 'ws://127.0.0.1:9/'}}\n",
                                  sinks=f"sinks:\n  rabbit: {{kind: rabbitmq, url: '{self.broker.url}', declare: passive, requests: {{}}}}\n", start=False)
        self.bridge.start(up=False)
        wait_for(lambda: "404" in self.bridge.process.log(), "the missing queue to be said")
        self.channel().queue_declare(QUEUE, durable=True)
        self.taking()
        self.assertEqual(self.ask("GET", "/abp/orders")["status"], 200)


if __name__ == "__main__":
    main()
