#!/usr/bin/python3
"""The daemon into a real RabbitMQ: properties, routing, restarts of either side, read by pika and amqp-consume."""

import json
import subprocess

import pika

from harness import Case, main, order_ids, wait_for
from rabbit_broker import RabbitBroker


class Rabbit(Case):
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
        self.addCleanup(self.forget)

    def forget(self):
        self.channel().exchange_delete("bridge55.events")
        for queue in ("orders", "everything", "fills"):
            self.channel().queue_delete(queue)
        self.connection.close()

    def channel(self):
        if not self.connection or not self.connection.is_open:
            self.connection = pika.BlockingConnection(pika.URLParameters(self.broker.url))
        return self.connection.channel()

    def bridged(self, sim, *apis, routes="", start=True):
        sinks = f"""sinks:
  feed: {{kind: unix, path: {self.folder}/events.sock}}
  rabbit:
    kind: rabbitmq
    url: {self.broker.url}
    queues:
      - {{name: orders, bind: ["abp.orders.*", "mm.orders.*"]}}
      - {{name: everything, bind: ["#"]}}
"""
        daemon = self.daemon(sim.upstream(*apis), sinks=sinks, extra=routes, start=start)
        if start:
            daemon.wait_up("rabbit")
        return daemon

    def take(self, queue, condition, deadline=60):
        """Consumes with acks until the condition holds for the list of (method, properties, body)."""
        got = []

        def more():
            try:  # the queue may not be declared yet, its leader not elected after a restart
                channel = self.channel()
                channel.basic_qos(prefetch_count=500)
                for method, properties, body in channel.consume(queue, inactivity_timeout=0.3):
                    if method is None:
                        break
                    got.append((method, properties, body))
                    channel.basic_ack(method.delivery_tag)
                channel.cancel()
                return condition(got)
            except pika.exceptions.AMQPError:
                return False
        wait_for(more, f"messages in {queue}", deadline, every=0.2)
        return got

    def test_a_message_carries_what_the_contract_lists(self):
        sim = self.sim()
        daemon = self.bridged(sim, "abp")
        payload = '{"orderId":327,"orderPrice":1.950}'
        sim.emit({"api": "abp", "channel": "orders", "event": "UPDATE", "payload_text": payload, "ts": 1771183909789, "book": False})
        method, properties, body = self.take("orders", lambda got: [g for g in got if g[0].routing_key == "abp.orders.update"])[-1]
        event = json.loads(body)
        self.assertIn(b'"payload":' + payload.encode(), body)
        self.assertEqual(method.exchange, "bridge55.events")
        self.assertEqual(properties.content_type, "application/json")
        self.assertEqual(properties.delivery_mode, 2)
        self.assertEqual(properties.message_id, event["message_id"])
        self.assertEqual(properties.type, "orders.UPDATE")
        self.assertEqual(properties.app_id, "bridge55")
        self.assertEqual(properties.timestamp, int(event["id"]) // 1_000_000)
        self.assertEqual(properties.headers["x-event-id"], event["id"])
        self.assertEqual(properties.headers["x-source"], "abp")
        self.assertEqual(properties.headers["x-received-at"], event["received_at"])
        self.assertEqual(properties.headers["x-upstream-seq"], event["upstream"]["seq"])
        names = self.broker.ctl("list_connections", "client_properties")
        self.assertIn("bridge55@", names)
        queues = self.broker.ctl("list_queues", "name", "type")
        self.assertRegex(queues, r"orders\s+quorum")
        wait_for(lambda: daemon.status()["sinks"][1]["lag_events"] == 0, "no lag")

    def test_every_event_once_in_order_while_broker_and_daemon_are_killed(self):
        sim = self.sim("--rate", "400")
        daemon = self.bridged(sim, "abp")
        wait_for(lambda: daemon.metric("bridge55_sink_confirmed_total") > 400, "confirmed events")
        self.broker.kill()
        wait_for(lambda: daemon.metric('bridge55_sink_up{sink="rabbit"}') == 0, "the sink to notice")
        self.broker.start()
        wait_for(lambda: daemon.metric('bridge55_sink_up{sink="rabbit"}') == 1, "the sink to come back")
        daemon.restart()
        daemon.wait_up("rabbit")
        sim.control("POST", "/rate", {"rate": 0})
        last = daemon.all_events()[-1]["id"]
        got = self.take("everything", lambda got: got and got[-1][1].headers["x-event-id"] >= last)
        seen, order = {}, []
        for _, properties, body in got:
            if properties.message_id not in seen:
                order.append(json.loads(body)["id"])
            seen[properties.message_id] = body
        journaled = [e["id"] for e in daemon.all_events()]
        self.assertEqual([i for i in order if i >= journaled[0]], [i for i in journaled if i >= order[0]])
        self.assertEqual(order, sorted(order, key=int))

    def test_a_broker_that_is_away_at_the_start_gets_everything_later(self):
        self.broker.stop()
        sim = self.sim()
        daemon = self.bridged(sim, "abp", start=False)
        daemon.start()
        sim.orders(50)
        wait_for(lambda: len(order_ids(daemon.all_events())) == 50, "orders in the journal")
        self.broker.start()
        got = self.take("orders", lambda got: len(got) >= 50)
        self.assertEqual([json.loads(body)["key"] for _, _, body in got if b'"orders"' in body], [str(i) for i in range(50)])

    def test_routes_choose_keys_bodies_and_events(self):
        sim = self.sim()
        routes = """routes:
  - match: {source: abp, channel: orders, where: [{field: payload.orderStatus, in: [FILLED]}]}
    to: rabbit
    routing_key: "fills.{payload.orderCurrency}.{payload.userRef}"
    body: payload
  - {match: {source: abp, channel: bets}, to: rabbit, body: raw}
"""
        self.bridged(sim, "abp", routes=routes)
        rows = ['{"orderId":1,"orderStatus":"FILLED","orderCurrency":"USD","userRef":"a.b"}',
                '{"orderId":2,"orderStatus":"PENDING","orderCurrency":"USD","userRef":"x"}']
        for row in rows:
            sim.emit({"api": "abp", "channel": "orders", "event": "UPDATE", "payload_text": row, "book": False})
        sim.emit({"api": "abp", "channel": "bets", "event": "INSERT", "payload_text": '{"betId":9}', "book": False})
        got = self.take("everything", lambda got: any(g[0].routing_key == "abp.bets.insert" for g in got))
        routed = [(m.routing_key, body) for m, _, body in got if not m.routing_key.startswith("bridge.")]
        self.assertEqual(routed[0], ("fills.USD.a_b", rows[0].encode()))
        self.assertEqual(len(routed), 2)
        self.assertEqual(json.loads(routed[1][1])["type"], "data")

    def test_a_gap_reaches_every_queue_that_we_declare(self):
        sim = self.sim()
        self.bridged(sim, "abp")
        sim.orders(1)
        sim.fault("seq_hole", size=2)
        sim.orders(1, first=1)
        got = self.take("orders", lambda got: any(g[0].routing_key == "bridge.gap.detected" for g in got))
        self.assertIn("abp.orders.update", [m.routing_key for m, _, _ in got])

    def test_amqp_consume_reads_the_queue(self):
        sim = self.sim()
        self.bridged(sim, "abp")
        sim.orders(3)
        out = subprocess.run(["amqp-consume", "--url", self.broker.url, "-q", "orders", "-c", "3", "cat"],
                             capture_output=True, timeout=60, check=True).stdout
        self.assertEqual(out.count(b'"channel":"orders"'), 3)


if __name__ == "__main__":
    main()
