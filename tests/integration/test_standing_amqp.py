#!/usr/bin/python3
"""A remote RabbitMQ broker behind the scraping network: its messages in the local broker, with their routing keys. Both brokers are real;
the vendor between them is the simulated one."""

import contextlib
import json
import os
import sys

import pika

import harness  # noqa: F401  (finds tests/support)
from harness import main, wait_for
from rabbit_broker import RabbitBroker
from test_standing import Relays as RelayCase

REMOTE = LOCAL = None


def setUpModule():
    global REMOTE, LOCAL
    if not os.path.exists("/usr/lib/rabbitmq/bin/rabbitmq-server"):
        print("no RabbitMQ here")
        sys.exit(77)
    started = []
    try:
        for _ in range(2):
            broker = RabbitBroker()
            started.append(broker)
            broker.start()
    except BaseException:
        for broker in started:
            broker.close()
        raise
    REMOTE, LOCAL = started


def tearDownModule():
    for broker in (REMOTE, LOCAL):
        broker.close()


class Partner(RelayCase):
    def setUp(self):
        super().setUp()
        self.remote = self.channel(REMOTE)
        self.remote.exchange_declare("partner.all", "topic", durable=False)
        self.local = self.channel(LOCAL)

    def channel(self, broker):
        connection = pika.BlockingConnection(pika.URLParameters(broker.url))

        def close():
            with contextlib.suppress(pika.exceptions.AMQPError):  # its broker may have been killed
                connection.close()
        self.addCleanup(close)
        return connection.channel()

    def publish(self, key, body, content_type="application/json"):
        self.remote.basic_publish("partner.all", key, body, pika.BasicProperties(content_type=content_type))

    def bridged_partner(self, sim, **options):
        relays = self.relays(partner=f"kind: amqp, host: 127.0.0.1, port: {REMOTE.port}, username: guest, password: guest, "
                                     "exchange: partner.all, routing_key: '#'")
        sinks = f"""sinks:
  feed: {{kind: unix, path: {self.folder}/events.sock}}
  rabbit:
    kind: rabbitmq
    url: {LOCAL.url}
    queues:
      - {{name: keys, bind: ["19454.#"]}}
      - {{name: defaults, bind: ["scraping.partner.*"]}}
routes:
  - {{match: {{source: scraping, channel: partner}}, to: rabbit, routing_key: "{{relay.routing_key}}", body: raw}}
  - {{match: {{}}, to: rabbit}}
"""
        for queue in ("keys", "defaults"):
            self.local.queue_delete(queue)
        daemon = self.bridged(relays, sim, sinks=sinks, up=False, **options)
        daemon.wait_up("rabbit", "partner")
        return daemon

    def take(self, queue, count):
        got = []

        def enough():
            while True:
                method, properties, body = self.local.basic_get(queue, auto_ack=True)
                if method is None:
                    return len(got) >= count
                got.append((method, properties, body))
        wait_for(enough, f"{count} messages in {queue}", 60, every=0.1)
        return got

    def test_messages_arrive_with_their_routing_keys(self):
        sim = self.sim("--no-limits")
        daemon = self.bridged_partner(sim)
        sent = [("19454.match.123", '{"odds" : 1.950}'), ("19454.match.124", "plain"), ("19454.a_b-c.é", '{"x":"é"}'), ("19454", "")]
        for key, body in sent:
            self.publish(key, body.encode())
        got = self.take("keys", 4)
        self.assertEqual([(m.routing_key, b.decode()) for m, _, b in got[:3]], sent[:3])
        self.assertEqual(got[3][0].routing_key, "19454")
        events = [json.loads(b) for _, _, b in self.take("defaults", 4)]
        self.assertEqual([e["payload"] for e in events], [{"odds": 1.95}, "plain", {"x": "é"}, ""])
        self.assertEqual([e["relay"]["routing_key"] for e in events], [key for key, _ in sent])
        self.assertEqual(events[0]["relay"]["exchange"], "partner.all")
        self.assertEqual(events[0]["relay"]["content_type"], "application/json")
        self.assertRegex(events[0]["relay"]["node_id"], "^scraping-")
        self.assertEqual(self.gaps(daemon, "partner"), [])

    def test_a_remote_broker_that_goes_away_is_a_gap_and_heals(self):
        sim = self.sim("--no-limits")
        daemon = self.bridged_partner(sim)
        self.publish("19454.before", b"1")
        self.take("keys", 1)
        REMOTE.kill()
        wait_for(lambda: self.relay(daemon, "partner")["state"] == "DOWN", "the relay to be down")
        wait_for(lambda: self.gaps(daemon, "partner")[:1] == ["DETECTED"], "the gap")
        REMOTE.start()
        remote = self.channel(REMOTE)
        remote.exchange_declare("partner.all", "topic", durable=False)
        daemon.wait_up("partner", deadline=60)
        wait_for(lambda: self.gaps(daemon, "partner") == ["DETECTED", "UNRECOVERED"], "the gap's end")
        self.remote = remote
        self.publish("19454.after", b"2")
        self.assertEqual([m.routing_key for m, _, _ in self.take("keys", 3)],
                         ["bridge.gap.detected", "bridge.gap.unrecovered", "19454.after"])

    def test_a_cut_stream_comes_back_and_nothing_is_told_twice(self):
        sim = self.sim("--no-limits")
        daemon = self.bridged_partner(sim)
        for turn in range(3):
            for i in range(200):
                self.publish(f"19454.{turn}.{i}", b'{"n":%d}' % i)
            wait_for(lambda: len(daemon.all_events("channel=partner")) >= 200 * (turn + 1), "a turn's messages")
            reconnects = self.relay(daemon, "partner")["reconnects"]
            self.assertEqual(sim.fault("amqp_cut")["reached"], 1)
            wait_for(lambda: self.relay(daemon, "partner")["reconnects"] > reconnects, "another stream")
            daemon.wait_up("partner")
        keys = [e["relay"]["routing_key"] for e in daemon.all_events("channel=partner")]
        self.assertEqual(keys, [f"19454.{turn}.{i}" for turn in range(3) for i in range(200)])
        self.becomes(lambda: self.gaps(daemon, "partner"), ["DETECTED", "UNRECOVERED"] * 3)

    def test_a_burst_passes_whole_and_in_order(self):
        sim = self.sim("--no-limits")
        daemon = self.bridged_partner(sim)
        body = json.dumps({"text": "x" * 700}).encode()
        for i in range(5000):
            self.publish(f"19454.{i}", body)
        got = self.take("keys", 5000)
        self.assertEqual([m.routing_key for m, _, _ in got], [f"19454.{i}" for i in range(5000)])
        self.assertEqual({b for _, _, b in got}, {body})
        self.assertEqual(self.gaps(daemon, "partner"), [])


if __name__ == "__main__":
    main()
