"""POST /amqp of bridge55-sim with a real broker. Usage: test_amqp.py path/to/bridge55-sim [test …]"""
import json
import os
import socket
import sys
import time
import unittest
import urllib.parse

import pika

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import harness
from harness import PATIENCE, Sim
from rabbit_broker import RabbitBroker

KEY = "scraping-demo-key"
BROKER = None


def setUpModule():
    global BROKER
    if not os.path.exists("/usr/lib/rabbitmq/bin/rabbitmq-server"):
        print("no RabbitMQ here")
        sys.exit(77)
    BROKER = RabbitBroker()
    try:
        BROKER.start()
    except BaseException:
        BROKER.close()
        raise


def tearDownModule():
    BROKER.close()


class Stream:
    """A plain HTTP/1.1 client: the head, then the chunked body as it comes."""

    def __init__(self, sim, body, key=KEY):
        host, port = urllib.parse.urlsplit(sim.ports["scraping"]).netloc.split(":")
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.file = self.socket.makefile("rb")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = f"X-API-Key: {key}\r\n" if key else ""
        self.socket.sendall(f"POST /amqp HTTP/1.1\r\nHost: x\r\n{fields}Content-Type: application/json\r\n"
                            f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(": ")
            self.headers[name.lower()] = value
        self.text, self.sizes, self.final = b"", [], False
        if self.status != 200:
            self.answer = json.loads(self.file.read(int(self.headers["content-length"])))

    def chunk(self):
        """The next chunk, b"" at the final one, None where the connection ends without it."""
        try:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                return None
            size = int(line, 16)
            data = self.file.read(size + 2)[:-2]
        except ConnectionResetError:
            return None
        self.final = size == 0
        self.sizes.append(size)
        self.text += data
        return data

    def event(self):
        """The next event of the plain form."""
        while b"\n\n" not in self.text:
            assert self.chunk(), "the stream ended"
        event, _, self.text = self.text.partition(b"\n\n")
        name, data = event.split(b"\n")
        assert name.startswith(b"event: ") and data.startswith(b"data: "), event
        return name[7:].decode(), json.loads(data[6:])

    def rest(self):
        while self.chunk():
            pass
        return self.text

    def close(self):
        self.file.close()
        self.socket.close()


def parse_sse(text):
    """Events as the standard reads them."""
    events, name, data = [], "", []
    for line in text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removeprefix(b"\xef\xbb\xbf").decode().split("\n"):
        if not line:
            if data:
                events.append((name, json.loads("\n".join(data))))
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
    return events


class AmqpTest(unittest.TestCase):
    def start(self, *options):
        self.sim = Sim("--no-limits", *options)
        self.addCleanup(self.sim.stop)

    def open(self, key=KEY, **more):
        stream = Stream(self.sim, {"host": "127.0.0.1", "port": BROKER.port, "username": "guest", "password": "guest", **more}, key)
        self.addCleanup(stream.close)
        return stream

    def exchange(self, name):
        connection = pika.BlockingConnection(pika.URLParameters(BROKER.url))
        self.addCleanup(lambda: connection.is_open and connection.close())
        channel = connection.channel()
        channel.exchange_declare(name, "topic", durable=False)
        return channel

    def last(self):
        return self.sim.control("/relays")["amqp"][-1]

    def fault(self, name, **more):
        return self.sim.control("/fault", {"fault": name, **more})

    def wait_for(self, true, what):
        deadline = time.monotonic() + PATIENCE
        while not true():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)


class Streams(AmqpTest):
    def test_messages_come_with_key_exchange_tag_and_content_type(self):
        self.start()
        channel = self.exchange("odds")
        stream = self.open(exchange="odds", routing_key="a.#", agent="de1", queue_prefix="mine")
        self.assertEqual((stream.status, stream.headers["content-type"].split(";")[0]), (200, "text/event-stream"))
        name, data = stream.event()
        self.assertEqual((name, data["node_id"]), ("connected", "scraping-de1"))
        self.assertRegex(data["queue_name"], "^mine_de1_[0-9]{4}$")
        self.assertIn(data["queue_name"], BROKER.ctl("list_queues", "name"))
        json_type = pika.BasicProperties(content_type="application/json")
        channel.basic_publish("odds", "b.no", b"not bound")
        channel.basic_publish("odds", "a.1", b'{"odds": 1.95}', json_type)
        channel.basic_publish("odds", "a.2", "é\"\\\n\t\x01 ⚽".encode())
        channel.basic_publish("odds", "a.3", b"")
        channel.basic_publish("odds", "a.4", b"\xffx\xc3")
        self.assertEqual(stream.event(), ("message", {"body": '{"odds": 1.95}', "routing_key": "a.1", "exchange": "odds",
                                                      "delivery_tag": 1, "content_type": "application/json"}))
        got = [stream.event()[1] for _ in range(3)]
        self.assertEqual([g["body"] for g in got], ["é\"\\\n\t\x01 ⚽", "", "\ufffdx\ufffd"])
        self.assertEqual([(g["delivery_tag"], g["content_type"]) for g in got], [(2, None), (3, None), (4, None)])
        stream.close()
        self.wait_for(lambda: self.last()["state"] == "closed", "the stream outlives its client")
        self.wait_for(lambda: data["queue_name"] not in BROKER.ctl("list_queues", "name"), "the queue outlives its stream")
        self.assertEqual((self.last()["messages"], self.last()["ended_by"]), (4, "client"))

    def test_without_an_exchange_there_is_only_the_queue(self):
        self.start()
        channel = self.exchange("unused")
        stream = self.open()
        queue = stream.event()[1]["queue_name"]
        channel.basic_publish("", queue, b"direct")
        message = stream.event()[1]
        self.assertEqual((message["body"], message["exchange"], message["routing_key"]), ("direct", "", queue))

    def test_large_messages_and_many_come_whole_and_in_order(self):
        self.start()
        channel = self.exchange("bulk")
        stream = self.open(exchange="bulk")
        stream.event()
        big = os.urandom(2_000_000).hex()
        channel.basic_publish("bulk", "big", big.encode())
        for n in range(5000):
            channel.basic_publish("bulk", "n", str(n).encode())
        self.assertEqual(stream.event()[1]["body"], big)
        self.assertEqual([stream.event()[1]["body"] for _ in range(5000)], [str(n) for n in range(5000)])

    def test_a_reader_that_stops_holds_the_broker_and_memory_stays(self):
        self.start()
        channel = self.exchange("flood")
        stream = self.open(exchange="flood")
        stream.event()
        queue = self.last()["queue"]
        before = self.resident()
        for _ in range(300):
            channel.basic_publish("flood", "n", b"x" * 300_000)
        depth = ["0", "0"]

        def waiting():
            rows = [line.split("\t") for line in BROKER.ctl("list_queues", "name", "messages").splitlines()]
            depth[:] = [depth[1], dict(r for r in rows if len(r) == 2)[queue]]
            return depth[0] == depth[1] != "0"

        self.wait_for(waiting, "nothing waits at the broker")
        self.assertLess(self.resident() - before, 24 << 20)
        for _ in range(300):
            self.assertEqual(len(stream.event()[1]["body"]), 300_000)

    def resident(self):
        with open(f"/proc/{self.sim.process.pid}/statm") as f:
            return int(f.read().split()[1]) * 4096

    def test_heartbeats_keep_a_quiet_stream(self):
        self.start()
        channel = self.exchange("quiet")
        stream = self.open(exchange="quiet", heartbeat=1)
        stream.event()
        before = self.heard_by_broker()
        # Eight bytes a heartbeat (AMQP 0-9-1, 4.2.7); the broker gives up after two to three silent seconds.
        self.wait_for(lambda: self.heard_by_broker() >= before + 10 * 8, "no heartbeats")
        channel.basic_publish("quiet", "n", b"still here")
        self.assertEqual(stream.event()[1]["body"], "still here")


    def heard_by_broker(self):
        """Bytes of the one connection that is no test's own."""
        rows = [line.split("\t") for line in BROKER.ctl("list_connections", "timeout", "recv_oct").splitlines()]
        return next(int(row[1]) for row in rows if row[0] == "1")


class Refusals(AmqpTest):
    def test_keys_limits_and_fields_are_checked(self):
        self.start()
        self.assertEqual(self.open(key=None).status, 401)
        self.assertEqual(self.open(key="no").status, 403)
        self.assertEqual(self.open(key=None, apiKey=KEY).status, 200)
        for field, value, kind in (("host", "", "missing"), ("host", 5, "string_type"), ("port", "5672", "int_type"), ("port", 0, "value_error"),
                                   ("ssl", "yes", "bool_type"), ("heartbeat", 1.5, "int_type"), ("exchange", None, "string_type"),
                                   ("routing_key", "x" * 256, "string_too_long"), ("agent", 5, "string_type")):
            stream = self.open(**{field: value})
            self.assertEqual((stream.status, stream.answer["detail"][0]["loc"], stream.answer["detail"][0]["type"]), (422, ["body", field], kind))
        stream = Stream(self.sim, b"{")
        self.addCleanup(stream.close)
        self.assertEqual(stream.status, 422)
        self.assertEqual(self.open(agent="zz1").status, 502)
        self.sim.control("/times", {"scraping_rps": 0.001, "scraping_burst": 1})
        self.open()
        stream = self.open()
        self.assertEqual((stream.status, stream.headers["retry-after"]), (429, "1"))

    def test_what_the_broker_refuses_is_an_error_event_and_the_end(self):
        self.start()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            free = s.getsockname()[1]
        for more, words in (({"port": free}, "connection refused"), ({"password": "no"}, "ACCESS_REFUSED"), ({"username": "", "password": ""}, "ACCESS_REFUSED"),
                            ({"virtual_host": "nowhere"}, "NOT_ALLOWED"), ({"exchange": "nowhere"}, "NOT_FOUND"), ({"exchange": "amq.topic", "ssl": True}, "")):
            stream = self.open(**more)
            name, data = stream.event()
            self.assertEqual((name, data["code"]), ("error", 1011))
            self.assertTrue(data["message"].startswith("agent error: " + words), data)
            self.assertEqual(stream.rest(), b"")
            self.assertTrue(stream.final)


class Faults(AmqpTest):
    def test_a_stream_can_end_with_an_error_or_without_one(self):
        self.start()
        for name, more, final in (("amqp_error", {"message": "agent error: gone", "code": 1012}, True), ("amqp_cut", {}, False),
                                  ("amqp_cut", {"end": "fin"}, False), ("amqp_cut", {"end": "cut", "mid_event": True}, False),
                                  ("amqp_cut", {"end": "fin", "final_chunk": True}, True)):
            stream = self.open()
            stream.event()
            self.assertEqual(self.fault(name, **more)["reached"], 1)
            if name == "amqp_error":
                self.assertEqual(stream.event(), ("error", {"message": "agent error: gone", "code": 1012}))
            left = stream.rest()
            self.assertEqual((b"event: message" in left, b"error" in left, stream.final), ("mid_event" in more, False, final), more)
            self.wait_for(lambda: self.last()["state"] == "closed", "the stream goes on")
        self.fault("amqp_error", count=1)
        self.assertEqual(self.open().event(), ("error", {"message": "agent error: connection refused", "code": 1011}))
        self.assertEqual(self.open().event()[0], "connected")

    def test_odd_forms_of_events_mean_the_same(self):
        self.start()
        channel = self.exchange("odd")
        for more in ({"bytes": 1}, {"line_end": "crlf", "bytes": 7, "step_ms": 1}, {"line_end": "cr", "comments": True, "bom": True},
                     {"multiline": True, "tight": True, "fields": True, "ascii": True, "line_end": "crlf"}):
            self.fault("amqp_split", **more)
            stream = self.open(exchange="odd")
            end = {"crlf": b"\r\n", "cr": b"\r"}.get(more.get("line_end"), b"\n") * 2
            while end not in stream.text:
                stream.chunk()
            channel.basic_publish("odd", "n", "é⚽ x".encode())
            while stream.text.count(end) < 2:
                stream.chunk()
            name, data = parse_sse(stream.text)[1]
            self.assertEqual((name, data["body"], data["routing_key"]), ("message", "é⚽ x", "n"), more)
            self.assertLessEqual(max(stream.sizes), more.get("bytes", 1 << 20))
            stream.close()
        self.sim.control("/clear", {})
        self.fault("amqp_slow", delay_ms=50, count=3)
        self.assertEqual(self.open().event()[0], "connected")


class TheBrokerGoes(AmqpTest):
    def test_a_connection_that_is_closed_and_a_broker_that_dies_are_error_events(self):
        self.start()
        stream = self.open()
        stream.event()
        BROKER.ctl("close_all_connections", "maintenance")
        name, data = stream.event()
        self.assertEqual((name, data["code"]), ("error", 1011))
        self.assertIn("CONNECTION_FORCED", data["message"])
        self.assertEqual(stream.rest(), b"")
        self.assertTrue(stream.final)
        stream = self.open()
        stream.event()
        BROKER.kill()
        self.assertEqual(stream.event(), ("error", {"message": "agent error: connection closed", "code": 1011}))
        self.assertEqual(stream.rest(), b"")
        BROKER.start()


if __name__ == "__main__":
    harness.BINARY = sys.argv.pop(1)
    unittest.main()
