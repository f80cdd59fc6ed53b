#!/usr/bin/python3
"""`POST /scraping/amqp` against a real remote broker: the vendor's own curl and Python examples, with another URL, key and broker."""

import ast
import json
import ssl
import urllib.error
import urllib.request

import pika

from harness import main, request, wait_for
from rabbit_broker import RabbitBroker
from relay_harness import APP_KEY, KEY, RelayCase, documented, indented

OWN_CURL = """curl -N -X POST \\
-H "Content-Type: application/json" \\
-H "X-API-Key: YOUR_API_KEY" \\
-d '{"host": "broker.example.com", "port": 5671, "ssl": true, "username": "user", "password": "pass", "exchange": "my_exchange", "routing_key": "#"}' \\
https://scraping-api.55-tech.com/amqp
"""
OWN_PYTHON = """
import json, requests
answer = requests.post("https://scraping-api.55-tech.com/amqp", headers={"X-API-Key": "YOUR_API_KEY"}, stream=True,
                       json={"host": "broker.example.com", "port": 5671, "ssl": True, "username": "user", "password": "pass",
                             "exchange": "my_exchange", "routing_key": "#"})
for line in answer.iter_lines():
    if line.startswith(b"data: "):
        print(json.loads(line[6:]))
"""
BODIES = [(b'{"odds": 1.95}', "19454.match.123", "application/json"), ("grüße ☃\r\n\n\"".encode(), "a.b", "text/plain"), (b"", "empty", None),
          (b"x" * 300000, "large", "text/plain")]


class Amqp(RelayCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = RabbitBroker()
        cls.broker.__enter__()
        cls.addClassCleanup(cls.broker.__exit__, None, None, None)
        cls.broker.ctl("add_user", "user", "pass")
        cls.broker.ctl("set_permissions", "-p", "/", "user", ".*", ".*", ".*")

    def setUp(self):
        super().setUp()
        self.world()
        self.connection = pika.BlockingConnection(pika.URLParameters(self.broker.url))
        self.addCleanup(lambda: self.connection.is_open and self.connection.close())
        self.channel = self.connection.channel()
        self.channel.exchange_declare("my_exchange", "topic")

    def instead(self, program):
        """The URL, the key and the broker, and nothing else."""
        port = pika.URLParameters(self.broker.url).port
        for old, new in (("https://scraping-api.55-tech.com", self.door.url + "/scraping"), ("YOUR_API_KEY", APP_KEY), ("broker.example.com", "127.0.0.1"),
                         ("5671", str(port)), ('"ssl": true', '"ssl": false'), ('"ssl": True', '"ssl": False')):
            program = program.replace(old, new)
        self.assertNotIn("55-tech", program)
        return program

    def publish(self, bodies=BODIES):
        for body, key, kind in bodies:
            self.channel.basic_publish("my_exchange", key, body, pika.BasicProperties(content_type=kind))

    def assert_messages(self, said):
        self.assertEqual([(one["body"], one["routing_key"], one["exchange"], one["delivery_tag"]) for one in said],
                         [(body.decode(), key, "my_exchange", number) for number, (body, key, _) in enumerate(BODIES, 1)])
        self.assertEqual([one.get("content_type") or None for one in said], [kind for _, _, kind in BODIES])

    def test_the_documented_curl_call_streams(self):
        command = self.instead(documented("## AMQP consumer (SSE)", "bash") or OWN_CURL)
        lines = self.start(["bash", "-c", "exec " + command.strip()])
        lines.wait(lambda items: len(items) >= 3, "connected")
        self.assertEqual(lines.items[0], b"event: connected\n")
        self.assertRegex(json.loads(lines.items[1][6:])["queue_name"], r"^scrape_")
        for number, message in enumerate(BODIES):  # each arrives while the next is not sent yet
            self.publish([message])
            lines.wait(lambda items: len(items) >= 6 + 3 * number, "the message")
        self.assertEqual({line for line in lines.items if line.startswith(b"event:")}, {b"event: connected\n", b"event: message\n"})
        self.assert_messages([json.loads(line[6:]) for line in lines.items if line.startswith(b"data: ")][1:])
        upstream = self.net.control("GET", "/requests?api=scraping&path=/amqp")["requests"]
        self.assertNotIn(APP_KEY, json.dumps(upstream))
        self.assertTrue(upstream[-1]["key_ok"])
        self.assert_secrets_kept()

    def test_the_documented_python_program_streams(self):
        program = documented("## AMQP consumer (SSE)", "python")
        program = self.instead(indented(program, "00011122222221100122") if program else OWN_PYTHON)
        lines = self.start(["/usr/bin/python3", self.write("amqp.py", program)])
        lines.wait(lambda items: items, "connected")
        self.publish()
        lines.wait(lambda items: len(items) > len(BODIES), "the messages")
        self.assert_messages([ast.literal_eval(line.decode()) for line in lines.items[1:]])

    def test_a_broker_that_dies_is_an_error_event_and_the_end(self):
        lines = self.start(["bash", "-c", "exec " + self.instead(documented("## AMQP consumer (SSE)", "bash") or OWN_CURL).strip()])
        lines.wait(lambda items: len(items) >= 3, "connected")
        self.connection.close()
        self.broker.kill()
        try:
            wait_for(lambda: lines.ended, "the stream's end")
        finally:
            self.broker.start()
        self.assertEqual(lines.items[3], b"event: error\n")
        self.assertEqual(json.loads(lines.items[4][6:])["code"], 1011)

    def test_a_client_that_leaves_takes_its_queue_with_it(self):
        def queues():
            return [line for line in self.broker.ctl("-q", "list_queues", "name").split() if line.startswith("scrape_")]
        wait_for(lambda: not queues(), "those of the tests before to be gone")
        lines = self.start(["bash", "-c", "exec " + self.instead(documented("## AMQP consumer (SSE)", "bash") or OWN_CURL).strip()])
        lines.wait(lambda items: len(items) >= 3, "connected")
        self.assertEqual(len(queues()), 1)
        lines.close()
        wait_for(lambda: not queues(), "the queue to be gone")

    def test_what_is_wrong_is_said_as_the_network_says_it(self):
        port = pika.URLParameters(self.broker.url).port
        for body in ({"host": "127.0.0.1", "port": port, "username": "user", "password": "wrong", "exchange": "my_exchange"},
                     {"host": "127.0.0.1", "port": port, "username": "user", "password": "pass", "exchange": "no_such_exchange"},
                     {"host": "127.0.0.1", "port": 9, "exchange": "x"}, {"port": 5672}, {"host": "127.0.0.1", "port": port, "agent": "nobody9"}):
            with self.subTest(body=body):
                status, _, said = request("POST", self.door.url + "/scraping/amqp", body, {"Content-Type": "application/json"})
                context = ssl.create_default_context(cafile=self.net.ca)
                call = urllib.request.Request(self.net.urls["scraping"] + "/amqp", json.dumps(body).encode(), {"X-API-Key": KEY, "Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(call, context=context, timeout=30) as answer:
                        direct = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    direct = error.code, error.read()
                self.assertEqual((status, said), direct)
                self.assertTrue(status != 200 or said.startswith(b"event: error\n"), said)


if __name__ == "__main__":
    main()
