#!/usr/bin/python3
"""A trade happens once: placements through the daemon against the simulated vendor. What the app was told is held against the vendor's own
ledger (GET /placements: how often each order was processed and requested) and against the record (`trade` events, GET /trades)."""

import contextlib
import datetime
import gzip
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.parse
import uuid

from harness import BIN, DEADLINE, Case, main, request, wait_for

JSON = {"Content-Type": "application/json"}
TOKENS = {name: f"{name}-token-0123456789abcdef" for name in ("alpha", "beta", "reader", "killer", "ops")}


def order(**more):
    return {"requestUuid": str(uuid.uuid4()), "fixtureId": "id1000004461512432", "outcomeId": 103, "playerId": 0, "orderStake": 10.0,
            "orderPrice": 1.95, "userRef": "me", "testOrder": False, **more}


def expires_in(seconds):
    """(`expiresAt`, the same moment on the monotonic clock)."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.isoformat().replace("+00:00", "Z"), time.monotonic() + seconds


class UnixConnection(http.client.HTTPConnection):
    """http.client through a UNIX socket; it stays open between requests."""

    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, reply, body):
        self.status, self.headers, self.body = reply.status, reply.headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """Of an error of the daemon's own."""
        detail = self.json().get("detail")
        return detail.get("code") if isinstance(detail, dict) and self.headers["proxy-status"] else None

    @property
    def settled(self):
        return self.headers["x-bridge-settled"] == "true"

    def uuids(self, which="acceptedOrders"):
        return sorted(one["requestUuid"] for one in self.json()[which])


class Door:
    """One app's keep-alive connection to the daemon."""

    def __init__(self, daemon, app=None):
        self.connection = UnixConnection(daemon.api_socket)
        self.headers = {"Authorization": "Bearer " + TOKENS[app]} if app else {}

    def call(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, {**self.headers, **(headers or {})})
        reply = self.connection.getresponse()
        return Answer(reply, reply.read())

    def place(self, *orders, headers=None, path="/abp/place-orders"):
        body = orders[0] if orders and isinstance(orders[0], bytes) else json.dumps({"orders": list(orders)}).encode()
        return self.call("POST", path, body, {**JSON, **(headers or {})})

    def close(self):
        self.connection.close()


class Trading(Case):
    """The daemon and the simulated vendor, without TLS, and what is asked about both."""

    def desk(self, *options, settings="", extra="", limits=False, tls=False, apis=("abp",), **more):
        self.vendor = self.sim(*(() if limits else ("--no-limits",)), *options, tls=tls)
        upstreams = self.vendor.upstream(*apis).replace("api_key:", ("" if limits else "rate_limit: 10000/s, ") + settings + "api_key:")
        self.bridge = self.daemon(upstreams, extra, sinks="", **more)
        return self.bridge

    def clients(self, **allow):
        names = {"alpha": "read, trade", "beta": "read, trade", "reader": "read", "killer": "cancel", "ops": "admin, events", **allow}
        return "clients:\n" + "".join(f"  - {{name: {name}, token: {TOKENS[name]}, allow: [{scopes}]}}\n" if "]" not in scopes else
                                      f"  - {{name: {name}, token: {TOKENS[name]}, allow: [{scopes}}}\n" for name, scopes in names.items())

    def door(self, app=None):
        door = Door(self.bridge, app)
        self.addCleanup(door.close)
        return door

    def place(self, *orders, app=None, headers=None, **more):
        with contextlib.closing(Door(self.bridge, app)) as door:
            return door.place(*orders, headers=headers, **more)

    def call(self, method, path, body=None, headers=None, app=None):
        with contextlib.closing(Door(self.bridge, app)) as door:
            return door.call(method, path, body, headers)

    def at_once(self, *calls):
        """The results of calls that begin together."""
        results = [None] * len(calls)
        def run(i):
            results[i] = calls[i]()
        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        return results

    def direct(self, method, path, body=None, key="abp-demo-key"):
        """The same call without the daemon between."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.vendor.urls["abp"]).netloc, timeout=DEADLINE)
        connection.request(method, path, body, {"X-API-Key": key, **(JSON if body else {})})
        reply = connection.getresponse()
        answer = Answer(reply, reply.read())
        connection.close()
        return answer

    # --- the vendor's own books --------------------------------------------------------------------------------------------------

    def processed(self, *orders):
        """How often the vendor processed each."""
        known = {one["requestUuid"]: one["processed"] for one in self.vendor.control("GET", "/placements")["orders"]}
        return [known.get(one["requestUuid"].lower(), 0) for one in orders]

    def sends(self, *orders):
        """The vendor's placement requests that hold any of these: [{"n", "at_us", "uuids", "outcome"}]."""
        wanted = {one["requestUuid"].lower() for one in orders}
        return [one for one in self.vendor.control("GET", "/placements")["requests"] if wanted & set(one["uuids"])]

    def look_ups(self, after=0):
        return self.vendor.control("GET", f"/requests?method=GET&path=/orders?&limit=100000&after={after}")["requests"]

    def writes(self):
        return [one["target"] for one in self.vendor.control("GET", "/requests?method=POST")["requests"]]

    # --- the daemon's record -----------------------------------------------------------------------------------------------------

    def events(self, channel):
        events, after, app = [], "earliest", "ops" if "clients:" in self.bridge.extra else None
        while True:
            page = self.call("GET", f"/events/page?after={after}&limit=1000&source=bridge&channel={channel}", app=app).json()
            events += page["events"]
            if not page["more"]:
                return events
            after = page["next"]

    def trade_events(self, one):
        return [e for e in self.events("trade") if one["requestUuid"].lower() in e["payload"]["uuids"]]

    def expect_events(self, one, *names):
        """The order's trade events are these, in this order."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: len(self.trade_events(one)) >= len(names), "trade events", 5)
        found = self.trade_events(one)
        self.assertEqual([e["event"] for e in found], list(names))
        for event in found:
            self.assertEqual(event["source"], "bridge")
            for member in ("app", "uuids", "body", "request_id", "upstream"):
                self.assertIn(member, event["payload"])
        return found

    def story(self, one, app=None):
        answer = self.call("GET", "/trades/" + one["requestUuid"], app=app)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def expect_settled_by_look_up(self, answer, *orders):
        self.assertEqual(answer.status, 200, answer.body)
        self.assertTrue(answer.settled, answer.body)
        self.assertEqual(answer.uuids(), sorted(o["requestUuid"] for o in orders))
        self.assertEqual(self.processed(*orders), [1] * len(orders))

    def expect_refused(self, answer, status, code, *orders):
        self.assertEqual((answer.status, answer.code, answer.headers["x-bridge-sent"]), (status, code, "no"), answer.body)
        self.assertIn("bridge55; error=", answer.headers["proxy-status"])
        self.assertTrue(answer.headers["x-request-id"])
        self.assertEqual(self.processed(*orders), [0] * len(orders))
        self.assertEqual(self.sends(*orders), [])

    def verb(self, *args):
        done = subprocess.run([os.path.join(BIN, "bridge55"), *args, "--socket", self.bridge.api_socket], capture_output=True, text=True,
                              timeout=30, env={**os.environ, "BRIDGE55_TOKEN": TOKENS["ops"]})
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout


class Trades(Trading):
    """What is answered once upstream has spoken, and what is not sent a second time."""

    def test_an_accepted_batch_passes_byte_for_byte(self):
        self.desk()
        orders = [order(orderStake=1.50), order(userRef="\u00fc\"\\"), order()]
        texts = [json.dumps(o) for o in orders]
        texts[0] = texts[0].replace("1.5", "1.500").replace('"me"', '"\\u006de"')
        body = ('\r\n{ "orders" :\t[%s ,\n %s, %s] }\n ' % tuple(texts)).encode()
        answer = self.place(body, headers={"X-Request-Id": "req-1", "X-Custom": "kept"})
        self.assertEqual((answer.status, answer.json()["status"]), (200, "accepted"))
        self.assertEqual((answer.headers["x-request-id"], answer.headers["x-bridge-attempts"]), ("req-1", "1"))
        self.assertFalse(answer.settled)
        self.assertIn("queue;dur=", answer.headers["server-timing"])
        came = self.vendor.control("GET", "/requests?method=POST")["requests"]
        self.assertEqual([(one["target"], one["body"].encode()) for one in came], [("/place-orders", body)])
        headers = {name.lower(): value for name, value in came[0]["headers"]}
        self.assertEqual((headers["x-custom"], headers["content-type"]), ("kept", "application/json"))
        self.assertEqual(self.processed(*orders), [1, 1, 1])
        # What the vendor answers to the same orders under other UUIDs, but for ids: the app got every byte of it.
        again = re.sub(rb'"requestUuid": "[^"]*"', lambda _: b'"requestUuid": "%s"' % str(uuid.uuid4()).encode(), body)
        without_ids = lambda text: re.sub(rb'"(orderId|betId|requestUuid)": ?("[^"]*"|\d+)', rb"\1", text)
        straight = self.direct("POST", "/place-orders", again)
        self.assertEqual(without_ids(answer.body), without_ids(straight.body))
        self.assertEqual(answer.headers["content-type"], straight.headers["content-type"])
        events = self.expect_events(orders[0], "INTENT", "SENT", "ANSWERED")
        for event in events:
            self.assertEqual(event["payload"]["body"], json.loads(body))
            self.assertEqual(event["payload"]["request_id"], "req-1")
            self.assertEqual(event["payload"]["uuids"], [o["requestUuid"] for o in orders])
        self.assertEqual(events[2]["payload"]["answer"], {"status": 200, "body": answer.json()})
        story = self.story(orders[1])
        self.assertEqual((story["requestUuid"], story["fate"], story["open"], story["settled"]), (orders[1]["requestUuid"], "placed", False, False))
        self.assertEqual((story["answer"]["status"], story["answer"]["body"], story["body"]), (200, answer.json(), json.loads(body)))
        self.assertEqual([s["step"] for s in story["steps"]], ["INTENT", "SENT", "ANSWERED"])

    def test_the_request_id_goes_to_the_vendor(self):
        self.desk()
        self.place(order(), headers={"X-Request-Id": "req-7"})
        headers = {name.lower(): value for name, value in self.vendor.control("GET", "/requests?method=POST")["requests"][0]["headers"]}
        self.assertEqual(headers.get("x-request-id"), "req-7")

    def test_a_decline_passes_and_its_uuid_is_used_up(self):
        self.desk()
        dear, good = order(orderStake=5000.01), order()
        answer = self.place(dear, good)
        self.assertEqual((answer.status, answer.json()["status"]), (200, "partial-success"))
        self.assertIn("exceeds available limit", answer.json()["declinedOrders"][0]["declineReason"])
        self.assertEqual(self.place(dear, good).body, answer.body)
        alone = self.place(dear)
        self.assertEqual((alone.status, alone.uuids("declinedOrders")), (200, [dear["requestUuid"]]))
        self.assertEqual((self.processed(dear, good), len(self.sends(dear, good))), ([0, 1], 1))
        self.assertEqual((self.story(dear)["fate"], self.story(good)["fate"]), ("declined", "placed"))

    def test_a_refusal_by_the_vendor_passes_and_is_not_repeated(self):
        self.desk()
        bad = order(orderStake=0)
        answer = self.place(bad)
        self.assertEqual((answer.status, answer.json()["detail"][0]["type"]), (422, "greater_than"))
        self.assertIsNone(answer.headers["proxy-status"])
        again = self.place(bad)
        self.assertEqual((again.status, again.body, len(self.sends(bad))), (422, answer.body, 1))
        future = order(fixtureId=None, futureId="f")
        self.assertEqual((self.place(future).status, self.place(future).status, len(self.sends(future))), (501, 501, 1))

    def closed_on_disk(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.bridge.journal}?mode=ro", uri=True)) as journal:
            return journal.execute("SELECT count(*) FROM trades WHERE open=0").fetchone()[0]

    def test_the_same_uuid_gets_the_stored_answer_over_restarts_too(self):
        self.desk()
        orders = [order(), order()]
        first = self.place(*orders)
        self.assertEqual(first.status, 200)
        other_stake = {**orders[0], "orderStake": 99.0}
        shouted = {**orders[0], "requestUuid": orders[0]["requestUuid"].upper()}
        for restart in (False, True):
            if restart:
                # What was answered a moment before a crash is looked up instead: true, but not the stored bytes.
                wait_for(lambda: self.closed_on_disk() == 1, "the trade's record on disk")
                self.bridge.restart()
            again = self.place(*orders)
            self.assertEqual((again.status, again.body, again.headers["content-type"]), (200, first.body, first.headers["content-type"]))
            for one in (orders[0], other_stake, shouted):
                single = self.place(one)
                self.assertEqual((single.status, single.uuids()), (200, [orders[0]["requestUuid"]]), single.body)
        self.assertEqual((self.processed(*orders), len(self.sends(*orders))), ([1, 1], 1))

    def test_the_same_order_twice_at_once_is_one_request_and_both_are_told(self):
        self.desk()
        self.vendor.control("POST", "/placing", {"delay_ms": 500})
        one = order()
        answers = self.at_once(*[lambda: self.place(one)] * 4)
        self.assertEqual({(a.status, a.body) for a in answers}, {(200, answers[0].body)})
        self.assertEqual((self.processed(one), len(self.sends(one))), ([1], 1))

    def test_of_a_mixed_batch_only_what_is_new_is_sent(self):
        self.desk()
        known, declined, new = order(), order(orderStake=5000.01), order()
        self.place(known, declined)
        answer = self.place(new, known, declined)
        self.assertEqual((answer.status, answer.json()["status"]), (200, "partial-success"))
        self.assertEqual(answer.uuids(), sorted((known["requestUuid"], new["requestUuid"])))
        self.assertEqual(answer.uuids("declinedOrders"), [declined["requestUuid"]])
        self.assertEqual([s["uuids"] for s in self.sends(new)], [[new["requestUuid"]]])
        self.assertEqual(self.processed(known, declined, new), [1, 0, 1])

    def test_overlapping_batches_at_once_place_each_order_once(self):
        self.desk()
        self.vendor.control("POST", "/placing", {"delay_ms": 200})
        a, b, c = order(), order(), order()
        answers = self.at_once(lambda: self.place(a, b), lambda: self.place(b, c), lambda: self.place(c, a))
        for answer, pair in zip(answers, ((a, b), (b, c), (c, a))):
            self.assertEqual((answer.status, answer.uuids()), (200, sorted(o["requestUuid"] for o in pair)), answer.body)
        self.assertEqual(self.processed(a, b, c), [1, 1, 1])

    def test_another_app_gets_409_and_sees_nothing_of_the_first(self):
        self.desk(extra=self.clients())
        mine, fresh = order(userRef="secret-strategy"), order()
        self.assertEqual(self.place(mine, app="alpha").status, 200)
        for batch in ((mine,), (fresh, mine)):
            answer = self.place(*batch, app="beta")
            self.assertEqual((answer.status, answer.code, answer.headers["x-bridge-sent"]), (409, "BAD_REQUEST", "no"), answer.body)
            self.assertNotIn(b"acceptedOrders", answer.body)
            self.assertNotIn(b"secret-strategy", answer.body)
        self.assertEqual((self.processed(mine, fresh), len(self.sends(mine)), self.sends(fresh)), ([1, 0], 1, []))
        self.assertEqual(self.call("GET", "/trades/" + mine["requestUuid"], app="beta").status, 404)
        self.assertEqual(self.call("GET", "/trades/" + mine["requestUuid"], app="killer").status, 403)
        self.assertEqual(self.call("GET", "/trades/" + mine["requestUuid"]).status, 401)
        self.assertEqual(self.story(mine, "alpha")["app"], "alpha")
        self.assertEqual(self.story(mine, "ops")["fate"], "placed")
        self.bridge.restart()
        self.assertEqual(self.place(mine, app="beta").status, 409)
        self.assertEqual(self.place(mine, app="alpha").status, 200)

    def test_a_test_order_a_pending_one_and_a_cancel_pass(self):
        self.desk("--fill", "pending", "--order-life-ms", "60000")
        one, dry = order(), order(testOrder=True)
        answer = self.place(one, dry)
        self.assertEqual((answer.status, answer.uuids()), (200, sorted((one["requestUuid"], dry["requestUuid"]))))
        cancelled = self.call("POST", "/abp/cancel-orders", json.dumps({"requestUuids": [one["requestUuid"]]}), JSON)
        self.assertEqual((cancelled.status, cancelled.json()["count"]), (200, 1), cancelled.body)
        self.assertEqual(self.call("GET", "/abp/orders?requestUuids=" + one["requestUuid"]).json()["orders"][0]["orderStatus"], "CANCELLED")

    def test_what_cannot_be_guarded_is_422_before_anything_leaves(self):
        self.desk()
        one = order()
        text = json.dumps({"orders": [one]})
        cases = {"not json": text[:-1], "empty": "", "no orders": "{}", "not an array": '{"orders": {}}', "no order": '{"orders": []}',
                 "not an object": '{"orders": [1]}', "trailing": text + "x",
                 "no uuid": json.dumps({"orders": [{k: v for k, v in one.items() if k != "requestUuid"}]}),
                 "bad uuid": json.dumps({"orders": [{**one, "requestUuid": "x"}]}), "uuid no string": json.dumps({"orders": [{**one, "requestUuid": 7}]}),
                 "twice in a batch": json.dumps({"orders": [one, {**one, "requestUuid": one["requestUuid"].upper()}]}),
                 "key twice": text.replace('"orderStake": 10.0', '"orderStake": 10.0, "orderStake": 5000.0'),
                 "key twice, spelled otherwise": text.replace('"orderStake": 10.0', '"orderStake": 10.0, "order\\u0053take": 5000.0'),
                 "orders twice": text[:-1] + ', "orders": []}', "deep key twice": text.replace('"userRef": "me"', '"meta": {"a": 1, "a": 2}'),
                 "invalid utf-8": text.encode().replace(b'"me"', b'"\xff"')}
        for name, body in cases.items():
            with self.subTest(name):
                answer = self.place(body if isinstance(body, bytes) else body.encode())
                self.expect_refused(answer, 422, "BAD_REQUEST", one)
        for encoding in ("gzip", "GZIP", "identity", "br"):
            answer = self.place(gzip.compress(text.encode()), headers={"Content-Encoding": encoding})
            self.expect_refused(answer, 422, "BAD_REQUEST", one)
        for path in ("/abp/%70lace-orders", "/abp//place-orders", "/abp/place-orders/", "/abp/./place-orders", "/abp/x/../place-orders",
                     "/abp/place%2Dorders", "/abp/something-new", "/abp/PLACE-ORDERS"):
            answer = self.place(b"{", path=path)
            self.assertIn((answer.status, answer.code), ((422, "BAD_REQUEST"), (400, "BAD_REQUEST")), (path, answer.body))
            self.assertEqual(answer.headers["x-bridge-sent"], "no")
        for method in ("PUT", "PATCH", "DELETE"):
            answer = self.call(method, "/abp/orders", b"{", JSON)
            self.assertEqual((answer.status, answer.code), (422, "BAD_REQUEST"), (method, answer.body))
        self.assertEqual(self.writes(), [])
        self.assertEqual(self.place(one).status, 200)  # none of that used the UUID up

    def test_an_encoded_path_is_a_placement_all_the_same(self):
        self.desk(settings="guard: {max_stake: {USD: 5}}, ")
        for path in ("/abp/%70lace-orders", "/abp/place%2dorders"):
            one = order()
            self.expect_refused(self.place(one, path=path), 422, "GUARD_MAX_STAKE", one)


class Guarded(Trading):
    """Guard rails, default scopes, pauses and the vendor's emergency: what stops a placement and never a cancel."""

    def test_guard_rails_refuse_before_anything_is_sent_and_name_rule_and_limit(self):
        self.desk(settings="guard: {max_stake: {USD: 100, EUR: 50}, bookmakers: [pinnacle, sharpbet]}, ")
        ok = {"bookmakers": "pinnacle"}
        cases = {"stake": ([order(orderStake=100.01, **ok)], "MAX_STAKE", "100"),
                 "stake as exponent": ([order(orderStake=1e300, **ok)], "MAX_STAKE", "100"),
                 "sum of a batch": ([order(orderStake=60.0, **ok), order(orderStake=40.01, **ok)], "MAX_STAKE", "100"),
                 "liability of a lay": ([order(orderStake=20.0, orderPrice=6.01, back=False, **ok)], "MAX_STAKE", "100"),
                 "sum of liabilities": ([order(orderStake=10.0, orderPrice=6.0, back=False, **ok), order(orderStake=10.0, orderPrice=6.01, back=False, **ok)], "MAX_STAKE", "100"),
                 "another currency": ([order(orderCurrency="EUR", orderStake=50.01, **ok)], "MAX_STAKE", "50"),
                 "unnamed currency": ([order(orderCurrency="GBP", orderStake=1.0, **ok)], "MAX_STAKE", "GBP"),
                 "stake as text": ([order(orderStake="10", **ok)], "MAX_STAKE", "100"),
                 "no stake": ([{k: v for k, v in order(**ok).items() if k != "orderStake"}], "MAX_STAKE", "100"),
                 "negative stake": ([order(orderStake=-1, **ok)], "MAX_STAKE", "100"),
                 "other bookmaker": ([order(bookmakers="betfair-ex")], "BOOKMAKERS", "pinnacle"),
                 "one of two": ([order(bookmakers="pinnacle,betfair-ex")], "BOOKMAKERS", "pinnacle"),
                 "no bookmaker": ([order()], "BOOKMAKERS", "pinnacle")}
        for name, (orders, rule, limit) in cases.items():
            with self.subTest(name):
                answer = self.place(*orders)
                self.expect_refused(answer, 422, "GUARD_" + rule, *orders)
                self.assertIn(limit, answer.json()["detail"]["message"])
                self.assertIn(rule.lower(), answer.json()["detail"]["message"])
        self.assertEqual(self.sends(), [])
        refused = cases["stake"][0][0]
        self.expect_events(refused, "REFUSED")
        # What keeps the limits to the cent passes: each alone, the sum of both, currencies apart.
        for batch in ([order(orderStake=100.0, **ok)], [order(orderStake=60.0, **ok), order(orderStake=40.0, **ok), order(orderStake=50.0, orderCurrency="EUR", **ok)],
                      [order(orderStake=20.0, orderPrice=6.0, back=False, **ok)]):
            self.assertEqual(self.place(*batch).status, 200)
            self.assertEqual(self.processed(*batch), [1] * len(batch))

    def test_numbers_are_weighed_exactly_and_doubts_are_refused(self):
        self.desk(settings="guard: {max_stake: {USD: 100}}, ")
        for stake, fits in (("1e2", True), ("100.000", True), ("0.1E3", True), ("100.0000000000000000001", False), ("1.0000000000000000000001e2", False), ("1e400", False),
                            ("true", False), ("null", False), ('"1"', False), ("[1]", False), ("-1", False)):
            one = order()
            text = json.dumps({"orders": [one]}).replace('"orderStake": 10.0', '"orderStake": ' + stake)
            answer = self.place(text.encode())
            if fits:
                self.assertNotEqual(answer.code, "GUARD_MAX_STAKE", stake)
            else:
                self.expect_refused(answer, 422, "GUARD_MAX_STAKE", one)
        lay = {"orderStake": 50.0, "back": False}
        for price, fits in (("3.0", True), ("3.0000001", False), ("1e1", False), ('"3"', False), ("null", False), ("true", False)):
            one = order(**lay)
            text = json.dumps({"orders": [one]}).replace('"orderPrice": 1.95', '"orderPrice": ' + price)
            answer = self.place(text.encode())
            if fits:
                self.assertEqual(answer.status, 200, answer.body)
            else:
                self.expect_refused(answer, 422, "GUARD_MAX_STAKE", one)
        for back in ('"false"', "0", "null", '"true"'):  # not certainly a back
            one = order(orderStake=50.0, orderPrice=9.0)
            text = json.dumps({"orders": [one]})[:-3] + ', "back": %s}]}' % back
            self.expect_refused(self.place(text.encode()), 422, "GUARD_MAX_STAKE", one)

    def test_a_browser_places_nothing(self):
        self.desk()
        one = order()
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
            self.assertIn(self.place(one, headers=headers).status, (403, 421), headers)
        self.assertEqual(self.sends(one), [])

    def test_orders_per_minute_are_counted_by_order_and_never_stop_a_cancel(self):
        self.desk(settings="guard: {max_orders_per_minute: 5}, ")
        first, second, third = [order(), order(), order()], [order(), order(), order()], [order(), order()]
        self.assertEqual(self.place(*first).status, 200)
        self.expect_refused(self.place(*second), 422, "GUARD_MAX_ORDERS_PER_MINUTE", *second)
        self.assertEqual(self.place(*third).status, 200)
        last = order()
        self.expect_refused(self.place(last), 422, "GUARD_MAX_ORDERS_PER_MINUTE", last)
        self.assertEqual(self.place(*first).status, 200)  # a repeat is no further order
        self.assertEqual(self.call("POST", "/abp/cancel-all-orders").status, 200)

    def test_test_only_lets_test_orders_through_alone(self):
        self.desk(settings="guard: {test_only: true}, ")
        real, dry = order(), order(testOrder=True)
        self.expect_refused(self.place(real), 422, "GUARD_TEST_ONLY", real)
        self.expect_refused(self.place(dry, order()), 422, "GUARD_TEST_ONLY", dry)
        self.assertEqual(self.place(dry).status, 200)

    def test_an_apps_own_guard_rails_are_its_own(self):
        clients = self.clients(alpha="read, trade], guard: {max_stake: {USD: 20}, max_orders_per_minute: 2}")
        self.desk(settings="guard: {max_stake: {USD: 50}}, ", extra=clients)
        cases = (("alpha", 20.01, 422), ("beta", 20.01, 200), ("beta", 50.01, 422), ("alpha", 20.0, 200), ("alpha", 1.0, 200))
        for app, stake, status in cases:
            one = order(orderStake=stake)
            answer = self.place(one, app=app)
            self.assertEqual(answer.status, status, (app, stake, answer.body))
            self.assertEqual(self.processed(one), [int(status == 200)])
        one = order(orderStake=1.0)
        self.expect_refused(self.place(one, app="alpha"), 422, "GUARD_MAX_ORDERS_PER_MINUTE", one)
        self.assertEqual(self.place(one, app="beta").status, 200)

    def test_scopes_without_clients_and_with_them(self):
        self.desk()
        one = order()
        status, _, body = request("POST", self.bridge.url + "/abp/place-orders", {"orders": [one]}, JSON)
        self.assertEqual((status, json.loads(body)["detail"]["code"], self.sends(one)), (403, "FORBIDDEN", []))
        status, _, body = request("GET", self.bridge.url + "/trades/" + one["requestUuid"])
        self.assertIn(status, (403, 404))
        self.assertEqual(self.place(one).status, 200)
        self.bridge.stop()
        self.bridge.extra = self.clients()
        self.bridge.write_config()
        self.bridge.start(up=False)
        wait_for(lambda: self.vendor.sessions() == 1, "the session")
        for app, status in (("reader", 403), ("killer", 403), ("ops", 403), (None, 401), ("alpha", 200)):
            one = order()
            self.assertEqual(self.place(one, app=app).status, status, app)
            self.assertEqual(self.processed(one), [int(status == 200)])
        for app, status in (("reader", 403), ("killer", 200), ("ops", 403), (None, 401), ("alpha", 200)):
            self.assertEqual(self.call("POST", "/abp/cancel-all-orders", app=app).status, status, app)
        for app, status in (("alpha", 403), ("killer", 403), (None, 401)):
            self.assertEqual(self.call("POST", "/admin/pause", app=app).status, status, app)
        self.assertFalse(self.bridge.status().get("paused"))

    def test_pauses_of_all_of_an_app_and_of_an_upstream(self):
        self.desk(extra=self.clients())
        self.verb("pause", "--app", "alpha")
        one = order()
        self.expect_refused(self.place(one, app="alpha"), 503, "PAUSED", one)
        self.assertEqual(self.place(order(), app="beta").status, 200)
        self.assertEqual(self.call("POST", "/abp/cancel-all-orders", app="alpha").status, 200)
        self.verb("resume", "--app", "alpha")
        self.assertEqual(self.place(one, app="alpha").status, 200)  # what was refused unsent may be placed with the same UUID
        self.verb("pause", "--upstream", "abp")
        for app in ("alpha", "beta"):
            one = order()
            self.expect_refused(self.place(one, app=app), 503, "PAUSED", one)
        self.bridge.kill()
        self.bridge.start(up=False)
        self.expect_refused(self.place(one, app="beta"), 503, "PAUSED", one)
        self.verb("resume", "--upstream", "abp")
        self.assertEqual(self.place(one, app="beta").status, 200)

    def test_a_pause_stops_what_waits_already(self):
        self.desk(settings="retry: {attempts: 1}, ")
        self.vendor.fault("limit", edition="later", retry_after=3, count=1)
        self.assertEqual(self.call("GET", "/abp/bookmakers").status, 429)  # for three seconds nothing leaves
        one = order()
        results = []
        waiting = threading.Thread(target=lambda: results.append(self.place(one, headers={"X-Bridge-Max-Wait": "20s", "X-Bridge-Timeout": "25s"})))
        waiting.start()
        wait_for(lambda: self.bridge.status()["limits"][0]["waiting"] == 1, "the placement in the queue")
        self.verb("pause")
        waiting.join(DEADLINE)
        self.expect_refused(results[0], 503, "PAUSED", one)

    def emergency(self, active, **more):
        self.vendor.emit({"api": "abp", "channel": "emergency", "event": "STATUS", "payload": {"active": active, **more}})

    def expect_emergency(self, blocks, **members):
        def there():
            told = (self.bridge.status().get("emergency") or {}).get("abp", {})
            return told and all(told.get(name) == value for name, value in members.items())
        wait_for(there, f"an emergency with {members}")
        one = order()
        answer = self.place(one)
        if blocks:
            self.expect_refused(answer, 503, "EMERGENCY", one)
        else:
            self.assertEqual((answer.status, self.processed(one)), (200, [1]), answer.body)
        self.assertEqual(self.call("POST", "/abp/cancel-all-orders").status, 200)

    def test_an_emergency_blocks_until_it_ends_or_is_overruled(self):
        self.desk("--emergency-every", "0")
        self.assertEqual(self.place(order()).status, 200)
        self.emergency(True, reason="one")
        self.expect_emergency(True, active=True)
        self.emergency(False)
        self.expect_emergency(False, active=False)
        self.emergency(True, reason="two")
        self.expect_emergency(True, active=True)
        self.verb("resume")  # ends pauses, not emergencies
        self.expect_emergency(True, active=True)
        self.verb("resume", "--emergency")
        self.expect_emergency(False, active=True)
        self.bridge.restart()
        self.expect_emergency(False, active=True)  # overruled until it changes, over a restart too
        self.emergency(False)
        self.expect_emergency(False, active=False)
        self.emergency(True, reason="three")
        self.expect_emergency(True, active=True)
        self.assertIn("EMERGENCY", [e["event"] for e in self.events("control")])

    def test_an_emergency_outlives_its_session_and_the_process_and_is_shown_as_stale(self):
        self.desk("--emergency-every", "0")
        self.emergency(True, reason="x")
        self.expect_emergency(True, active=True, stale=False)
        self.vendor.fault("refuse_logins", message="Service restarting", close_code=1012)
        self.vendor.fault("drop", api="abp")
        self.expect_emergency(True, active=True, stale=True)
        self.bridge.kill()
        self.bridge.start(up=False)
        self.expect_emergency(True, active=True, stale=True)
        self.vendor.clear()
        self.bridge.wait_up("abp")
        self.expect_emergency(True, active=True)
        self.emergency(False)
        self.expect_emergency(False, active=False, stale=False)

    def test_the_emergency_channel_is_asked_for_whatever_channels_are_named(self):
        self.desk("--emergency-every", "0", settings="channels: [orders], ")
        self.emergency(True)
        self.expect_emergency(True, active=True)

    def test_where_the_config_says_so_an_emergency_does_not_block(self):
        self.desk("--emergency-every", "0", settings="block_on_emergency: false, ")
        self.emergency(True)
        self.expect_emergency(False, active=True)


class Settled(Trading):
    """Answers that were lost or say nothing: each order is looked up, at most processed once, and told as it is."""

    PLACING = {"path": "/place-orders", "method": "POST"}

    # name: (fault, requests that reach the ledger, trade events); None where the number of steps is open.
    TROUBLES = {
        "answer lost": ({"fault": "lost_after"}, 1, ["INTENT", "SENT", "SETTLED"]),
        "answer lost in order": ({"fault": "lost_after", "end": "fin"}, 1, ["INTENT", "SENT", "SETTLED"]),
        "answer cut": ({"fault": "cut_answer"}, 1, ["INTENT", "SENT", "SETTLED"]),
        "answer shorter than said": ({"fault": "wrong_length", "by": 10}, 1, ["INTENT", "SENT", "SETTLED"]),
        "endless head": ({"fault": "endless_headers"}, 1, ["INTENT", "SENT", "SETTLED"]),
        "409 for what was placed": ({"fault": "duplicate_placement", "as": "409"}, 1, ["INTENT", "SENT", "ANSWERED", "SETTLED"]),
        "duplicate as decline": ({"fault": "duplicate_placement", "as": "declined"}, 1, ["INTENT", "SENT", "ANSWERED", "SETTLED"]),
        "503, placed later": ({"fault": "late", "appear_ms": 700, "status": 503}, None, None),
        "500, placed soon after": ({"fault": "late", "appear_ms": 60, "status": 500, "body": "<html>"}, None, None),
        "nothing, placed later": ({"fault": "late", "appear_ms": 700, "as": "lost"}, None, None),
        "lost before": ({"fault": "lost_before"}, 2, None),
        "ended at the head": ({"fault": "reset_on_head"}, None, None),
        "garbage": ({"fault": "garbage", "text": "no http at all\r\n\r\n"}, 2, None),
        "409 for what was not placed": ({"fault": "duplicate_placement", "as": "409", "processed": False}, 2, None),
        "decline as duplicate, not placed": ({"fault": "duplicate_placement", "as": "declined", "processed": False}, 2, None),
        "503": ({"fault": "rest", "status": 503}, 2, None),
        "502 in HTML": ({"fault": "rest", "status": 502, "html": True}, 2, None),
        "500 without a body": ({"fault": "rest", "status": 500, "body": ""}, 2, None),
        "504": ({"fault": "rest", "status": 504}, 2, None),
        "idle connection closed": ({"fault": "close_idle"}, None, None),
    }

    def test_whatever_happens_to_the_answer_each_order_is_placed_once_and_told(self):
        self.desk(settings="breaker: {failures: 1000}, ")
        self.assertEqual(self.place(order()).status, 200)  # connections there are reused
        for name, (fault, requests, events) in self.TROUBLES.items():
            with self.subTest(name):
                batch = [order(), order(), order()]
                self.vendor.fault(count=1, **self.PLACING, **fault)
                answer = self.place(*batch)
                self.vendor.clear()
                self.assertEqual((answer.status, answer.json()["status"]), (200, "accepted"), answer.body)
                self.assertEqual(answer.uuids(), sorted(o["requestUuid"] for o in batch))
                self.assertEqual(self.processed(*batch), [1, 1, 1])
                if requests == 1:
                    self.assertTrue(answer.settled, "a look-up decided it")
                if requests:
                    self.assertEqual(len(self.sends(*batch)), requests)
                if events:
                    self.expect_events(batch[0], *events)
                story = self.story(batch[2])
                self.assertEqual((story["fate"], story["open"], story["answer"]["body"]), ("placed", False, answer.json()))
                sends = len(self.sends(*batch))
                again = self.place(*batch)
                self.assertEqual((again.status, again.body, again.settled), (200, answer.body, answer.settled))
                self.assertEqual(len(self.sends(*batch)), sends)

    def test_of_a_batch_that_the_vendor_knows_in_part_the_rest_is_sent_again(self):
        for how, sends in (("documented", 1), ("declined", 1), ("409", 2)):
            with self.subTest(how):
                self.setUp()
                self.desk("--duplicates", how)
                batch = [order() for _ in range(3)]
                self.assertEqual(self.direct("POST", "/place-orders", json.dumps({"orders": batch[1:2]}).encode()).status, 200)
                answer = self.place(*batch)
                self.expect_settled_by_look_up(answer, *batch)
                self.assertEqual(len(self.sends(batch[0])), sends)
                if sends == 2:
                    self.assertEqual(self.sends(batch[0])[1]["uuids"], [batch[0]["requestUuid"], batch[2]["requestUuid"]])

    def test_a_partly_declined_batch_with_a_lost_answer_is_told_in_the_vendors_words(self):
        self.desk()
        dear, good = order(orderStake=5000.01, expiresAt=expires_in(1.0)[0]), order()
        self.vendor.fault("lost_after", count=1, **self.PLACING)
        answer = self.place(dear, good)
        self.assertEqual((answer.status, answer.json()["status"]), (200, "partial-success"), answer.body)
        self.assertEqual((answer.uuids(), answer.uuids("declinedOrders")), ([good["requestUuid"]], [dear["requestUuid"]]))
        self.assertEqual(self.processed(dear, good), [0, 1])

    def test_a_slow_answer_is_settled_inside_the_apps_time(self):
        self.desk()
        for processed in (True, False):
            with self.subTest(processed=processed):
                one = order()
                self.vendor.fault("slow", delay_ms=2500, processed=processed, count=1, **self.PLACING)
                answer = self.place(one, headers={"X-Bridge-Timeout": "2s"})
                if processed:
                    self.expect_settled_by_look_up(answer, one)
                else:
                    self.assertIn((answer.status, answer.code), ((504, "OUTCOME_UNKNOWN"), (200, None)), answer.body)
                wait_for(lambda: self.story(one)["fate"] == "placed", "the order's fate", 60)
                self.assertEqual(self.processed(one), [1])

    def test_look_ups_read_every_page(self):
        self.desk("--page-size", "2")
        batch = [order() for _ in range(9)]
        self.vendor.fault("lost_after", count=1, **self.PLACING)
        answer = self.place(*batch)
        self.expect_settled_by_look_up(answer, *batch)
        self.assertEqual(len(self.sends(*batch)), 1)
        self.assertGreaterEqual(len(self.look_ups()), 5)

    def test_look_ups_that_fail_are_repeated_and_decide_nothing(self):
        self.desk(settings="breaker: {failures: 1000}, ")
        for fault in ({"fault": "rest", "status": 503}, {"fault": "lost_before"}, {"fault": "rest", "status": 200, "body": "{}"}, {"fault": "garbage", "text": "x"},
                      {"fault": "rest", "status": 200, "body": '{"orders":[],"hasMore":true}'}, {"fault": "cut_answer"}):
            with self.subTest(fault):
                one = order()
                self.vendor.fault("lost_after", count=1, **self.PLACING)
                self.vendor.fault(path="/orders", method="GET", count=2, **fault)
                self.expect_settled_by_look_up(self.place(one), one)
                self.vendor.clear()
                self.assertEqual(len(self.sends(one)), 1)

    def test_a_look_up_that_hangs_is_given_up_and_repeated(self):
        self.desk()
        one = order()
        self.vendor.fault("lost_after", count=1, **self.PLACING)
        self.vendor.fault("hang", path="/orders", method="GET", count=1)
        self.expect_settled_by_look_up(self.place(one), one)
        self.assertEqual(len(self.sends(one)), 1)

    def test_an_open_breaker_hides_no_fate(self):
        self.desk(settings="breaker: {failures: 2, open: 500ms}, ")
        self.vendor.fault("rest", status=503, body='{"detail": "busy"}', **self.PLACING)
        one = order(expiresAt=expires_in(1.5)[0])
        answer = self.place(one)
        self.assertEqual((answer.status, answer.body, answer.settled, self.processed(one)), (503, b'{"detail": "busy"}', True, [0]))
        lost = order()
        self.vendor.clear()
        self.vendor.fault("lost_after", count=1, **self.PLACING)
        answer = wait_for(lambda: (a := self.place(lost)).code != "BREAKER_OPEN" and a, "the breaker's probe")
        self.expect_settled_by_look_up(answer, lost)

    def test_what_cannot_be_known_in_time_is_504_and_ends_as_an_event(self):
        self.desk(settings="breaker: {failures: 1000}, ")
        known, new = order(), order()
        self.direct("POST", "/place-orders", json.dumps({"orders": [known]}).encode())
        self.vendor.fault("rest", status=503, path="/orders", method="GET")
        answer = self.place(known, new, headers={"X-Bridge-Timeout": "1500ms"})
        self.assertEqual((answer.status, answer.code, answer.headers["x-bridge-sent"]), (504, "OUTCOME_UNKNOWN", "yes"), answer.body)
        detail = answer.json()["detail"]
        self.assertEqual((detail["placed"], detail["unknown"]), ([new["requestUuid"]], [known["requestUuid"]]))
        self.expect_events(known, "INTENT", "SENT", "ANSWERED", "UNKNOWN")
        self.assertEqual((self.story(known)["fate"], self.story(known)["open"], self.story(new)["fate"]), ("unknown", True, "placed"))
        repeated = self.place(known, new, headers={"X-Bridge-Timeout": "500ms"})
        self.assertEqual((repeated.status, repeated.code), (504, "OUTCOME_UNKNOWN"), repeated.body)
        self.vendor.clear()
        wait_for(lambda: not self.story(known)["open"], "the look-ups to end", 60)
        self.expect_events(known, "INTENT", "SENT", "ANSWERED", "UNKNOWN", "SETTLED")
        final = self.place(known, new)
        self.assertEqual((final.status, final.uuids(), final.settled), (200, sorted((known["requestUuid"], new["requestUuid"])), True), final.body)
        self.assertEqual((self.processed(known, new), len(self.sends(new))), ([1, 1], 1))

    def test_a_lost_answer_alone_says_that_a_byte_may_have_left(self):
        self.desk(settings="breaker: {failures: 1000}, ")
        one = order()
        self.vendor.fault("lost_after", count=1, **self.PLACING)
        self.vendor.fault("rest", status=503, path="/orders", method="GET")
        answer = self.place(one, headers={"X-Bridge-Timeout": "1s"})
        self.assertEqual((answer.status, answer.code, answer.headers["x-bridge-sent"]), (504, "OUTCOME_UNKNOWN", "maybe"), answer.body)
        self.assertEqual((answer.json()["detail"]["placed"], answer.json()["detail"]["unknown"]), ([], [one["requestUuid"]]))
        self.expect_events(one, "INTENT", "SENT", "UNKNOWN")
        self.bridge.kill()  # look-ups go on over a restart
        self.vendor.clear()
        self.bridge.start()
        wait_for(lambda: not self.story(one)["open"], "the look-ups to end", 60)
        self.assertEqual((self.story(one)["fate"], self.processed(one), len(self.sends(one))), ("placed", [1], 1))
        self.expect_events(one, "INTENT", "SENT", "UNKNOWN", "SETTLED")

    def test_not_placed_is_said_only_after_the_orders_time_and_in_the_vendors_words(self):
        words = '{"detail": {"message": "Temporarily closed", "code": "CLOSED"}}'
        self.desk(settings="breaker: {failures: 1000}, ")
        self.vendor.fault("rest", status=503, body=words, **self.PLACING)
        expires_at, moment = expires_in(1.0)
        one = order(expiresAt=expires_at)
        answer = self.place(one)
        told = time.monotonic()
        self.assertEqual((answer.status, answer.body.decode(), answer.settled), (503, words, True))
        self.assertGreaterEqual(told, moment + 2.0, "not placed may not be said before expiresAt + 2 s")
        self.assertGreaterEqual(self.look_ups()[-1]["at_us"] / 1e6, moment + 1.99, "and only by a look-up after that")
        sends = self.sends(one)
        self.assertGreater(len(sends), 1, "sent again while young")
        self.assertLess(sends[-1]["at_us"] / 1e6, moment, "nothing is sent again past expiresAt")
        self.assertEqual(self.processed(one), [0])
        self.vendor.clear()
        again = self.place(one)
        self.assertEqual((again.status, again.body, len(self.sends(one))), (503, answer.body, len(sends)))
        self.assertEqual((self.story(one)["fate"], self.story(one)["open"]), ("not_placed", False))

    def test_not_placed_without_a_word_of_the_vendor_is_502_after_five_and_two_seconds(self):
        self.desk(settings="breaker: {failures: 1000}, ")
        self.vendor.fault("lost_before", **self.PLACING)
        one, began = order(), time.monotonic()
        answer = self.place(one)
        self.assertGreaterEqual(time.monotonic(), began + 7.0)
        self.assertEqual((answer.status, answer.code, answer.headers["x-bridge-sent"], answer.settled), (502, "BAD_GATEWAY", "maybe", True), answer.body)
        self.assertLess(self.sends(one)[-1]["at_us"] / 1e6, began + 5.5)
        self.vendor.clear()
        sends = len(self.sends(one))
        self.assertEqual(self.place(one).status, 502)
        self.assertEqual((len(self.sends(one)), self.processed(one)), (sends, [0]))

    def test_an_order_that_appears_late_is_never_called_unplaced(self):
        """Sent for the last time just before its end, processed by the vendor after that: told as placed, or as unknown, never as not placed."""
        self.desk(settings="breaker: {failures: 1000}, ")
        self.vendor.fault("late", appear_ms=1800, status=503, **self.PLACING)
        expires_at, _ = expires_in(0.8)
        one = order(expiresAt=expires_at)
        answer = self.place(one)
        self.vendor.clear()
        wait_for(lambda: self.processed(one) == [1], "the late order")
        self.assertEqual((answer.status, answer.uuids()), (200, [one["requestUuid"]]), answer.body)
        self.assertTrue(answer.settled)

    def test_an_app_that_hangs_up_is_settled_all_the_same_and_nothing_more_is_sent(self):
        self.desk()
        one = order()
        self.vendor.fault("slow", delay_ms=700, count=1, **self.PLACING)
        door = Door(self.bridge)
        door.connection.request("POST", "/abp/place-orders", json.dumps({"orders": [one]}), JSON)
        wait_for(lambda: self.sends(one), "the order upstream")
        door.close()
        wait_for(lambda: self.story(one)["fate"] == "placed", "its fate on record")
        self.assertEqual((self.processed(one), len(self.sends(one))), ([1], 1))
        self.assertEqual(self.place(one).status, 200)
        self.assertEqual(len(self.sends(one)), 1)

    def test_what_never_left_may_be_sent_with_the_same_uuid(self):
        self.desk(settings="retry: {attempts: 1}, breaker: {failures: 1000}, ")
        self.bridge.kill()
        self.vendor.fault("refuse_connect")
        self.bridge.start(up=False)
        one = order()
        answer = self.place(one, headers={"X-Bridge-Timeout": "2s"})
        self.assertEqual((answer.status, answer.code, answer.headers["x-bridge-sent"]), (502, "UNREACHABLE", "no"), answer.body)
        self.vendor.clear()
        self.assertEqual(wait_for(lambda: (a := self.place(one)).status == 200 and a, "the vendor again").uuids(), [one["requestUuid"]])
        self.assertEqual((self.processed(one), len(self.sends(one))), ([1], 1))

    def test_unknown_uuids_have_no_story(self):
        self.desk()
        self.assertEqual(self.call("GET", "/trades/" + str(uuid.uuid4())).status, 404)
        self.assertEqual(self.call("GET", "/trades/nonsense").status, 404)


class Edges(Trading):
    """Odd answers, odd moments, several at once."""

    PLACING = {"path": "/place-orders", "method": "POST"}

    def test_whole_answers_pass_however_they_are_framed(self):
        self.desk()
        for fault in ({"fault": "chunked"}, {"fault": "chunk_extensions", "bytes": 10}, {"fault": "interim", "bytes": 3}, {"fault": "http10"}, {"fault": "until_close"},
                      {"fault": "slow_body", "bytes": 200, "step_ms": 1}, {"fault": "slow_body", "bytes": 100, "step_ms": 1, "as": "head"}):
            with self.subTest(fault):
                batch = [order(), order()]
                self.vendor.fault(count=1, **self.PLACING, **fault)
                answer = self.place(*batch)
                self.assertEqual((answer.status, answer.settled, answer.uuids()), (200, False, sorted(o["requestUuid"] for o in batch)), answer.body)
                self.assertEqual((self.processed(*batch), len(self.sends(*batch))), ([1, 1], 1))

    def test_answers_that_say_nothing_are_settled(self):
        self.desk(settings="breaker: {failures: 1000}, ")
        for fault in ({"fault": "rest", "status": 200, "html": True}, {"fault": "rest", "status": 200, "body": "{}"}, {"fault": "rest", "status": 204, "body": ""},
                      {"fault": "rest", "status": 200, "body": '{"status":"accepted","acceptedOrders":[{"orderId":1,"requestUuid":"00000000-0000-4000-8000-000000000000"}],"declinedOrders":[]}'},
                      {"fault": "rest", "status": 200, "body": '{"status":"accepted","acceptedOrders":[],"declinedOrders":[]}'}, {"fault": "redirect", "location": "http://127.0.0.1:9/elsewhere"},
                      {"fault": "redirect", "location": "/place-orders", "status": 307}):
            with self.subTest(fault):
                batch = [order(), order()]
                self.vendor.fault(count=1, **self.PLACING, **fault)
                answer = self.place(*batch)
                self.vendor.clear()
                self.assertEqual((answer.status, answer.json()["status"], answer.uuids()), (200, "accepted", sorted(o["requestUuid"] for o in batch)), answer.body)
                self.assertEqual((self.processed(*batch), len(self.sends(*batch))), ([1, 1], 2))

    def test_a_truncated_tls_stream_is_no_answer(self):
        self.desk(tls=True)
        for fault in ({"fault": "until_close", "end": "cut"}, {"fault": "cut_answer", "end": "cut"}, {"fault": "cut_answer", "end": "fin"}, {"fault": "lost_after", "end": "cut"}):
            with self.subTest(fault):
                batch = [order(), order()]
                self.vendor.fault(count=1, **self.PLACING, **fault)
                self.expect_settled_by_look_up(self.place(*batch), *batch)
                self.assertEqual(len(self.sends(*batch)), 1)

    def test_a_batch_of_a_hundred_is_settled_and_one_more_is_refused(self):
        self.desk("--page-size", "30")
        batch = [order() for _ in range(100)]
        self.vendor.fault("lost_after", count=1, **self.PLACING)
        self.expect_settled_by_look_up(self.place(*batch), *batch)
        self.assertEqual(len(self.sends(*batch)), 1)
        more = [order() for _ in range(101)]
        answer = self.place(*more)
        self.assertEqual((answer.status, self.sends(*more)), (422, []))

    def test_a_uuid_in_capitals_is_the_same_and_is_found_again(self):
        self.desk()
        one = order()
        one["requestUuid"] = one["requestUuid"].upper()
        self.vendor.fault("lost_after", count=1, **self.PLACING)
        answer = self.place(one)
        self.assertEqual((answer.status, answer.settled, [u.lower() for u in answer.uuids()]), (200, True, [one["requestUuid"].lower()]), answer.body)
        self.assertEqual((self.processed(one), len(self.sends(one))), ([1], 1))
        self.assertEqual(self.story(one)["fate"], "placed")
        self.assertEqual(self.place({**one, "requestUuid": one["requestUuid"].lower()}).status, 200)
        self.assertEqual(len(self.sends(one)), 1)

    def test_a_body_in_pieces_is_a_placement_like_any_other(self):
        self.desk(settings="guard: {max_stake: {USD: 50}}, ")
        for stake, status in ((10.0, 200), (50.01, 422)):
            one = order(orderStake=stake)
            text = json.dumps({"orders": [one]}).encode()
            connection = UnixConnection(self.bridge.api_socket)
            connection.request("POST", "/abp/place-orders", iter([text[:7], text[7:60], text[60:]]), {**JSON, "Expect": "100-continue"}, encode_chunked=True)
            answer = Answer(reply := connection.getresponse(), reply.read())
            connection.close()
            self.assertEqual((answer.status, self.processed(one)), (status, [int(status == 200)]), answer.body)

    def test_the_same_order_of_two_apps_at_once_is_placed_for_one(self):
        self.desk(extra=self.clients())
        self.vendor.control("POST", "/placing", {"delay_ms": 200})
        for _ in range(5):
            one = order()
            answers = self.at_once(lambda: self.place(one, app="alpha"), lambda: self.place(one, app="beta"))
            self.assertEqual(sorted(a.status for a in answers), [200, 409])
            self.assertEqual((self.processed(one), len(self.sends(one))), ([1], 1))

    def test_orders_per_minute_hold_for_many_at_once(self):
        self.desk(settings="guard: {max_orders_per_minute: 7}, ")
        orders = [order() for _ in range(20)]
        answers = self.at_once(*[lambda one=one: self.place(one) for one in orders])
        self.assertEqual(sorted(a.status for a in answers), [200] * 7 + [422] * 13)
        self.assertEqual(sum(self.processed(*orders)), 7)

    def hold(self, seconds):
        """For so long nothing but what is already on its way goes upstream."""
        self.vendor.fault("limit", edition="later", retry_after=seconds, count=1)
        self.assertEqual(self.call("GET", "/abp/bookmakers").status, 429)

    def test_what_waited_in_vain_may_be_sent_with_the_same_uuid(self):
        self.desk(settings="retry: {attempts: 1}, ")
        self.hold(2)
        one = order()
        answers = self.at_once(*[lambda: self.place(one, headers={"X-Bridge-Max-Wait": "300ms"})] * 2)
        for answer in answers:
            self.assertEqual((answer.status, answer.headers["x-bridge-sent"]), (429, "no"), answer.body)
            self.assertIn(answer.code, ("QUEUE_TIMEOUT", "RATE_LIMITED"))
            self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
        self.assertEqual(self.sends(one), [])
        later = self.place(one, headers={"X-Bridge-Max-Wait": "10s"})
        self.assertEqual((later.status, self.processed(one), len(self.sends(one))), (200, [1], 1), later.body)

    def test_an_app_that_hangs_up_takes_its_placement_out_of_the_queue(self):
        self.desk(settings="retry: {attempts: 1}, ")
        self.hold(2)
        one, other = order(), order()
        door = Door(self.bridge)
        door.connection.request("POST", "/abp/place-orders", json.dumps({"orders": [one]}), {**JSON, "X-Bridge-Max-Wait": "10s"})
        wait_for(lambda: self.bridge.status()["limits"][0]["waiting"] == 1, "the placement in the queue")
        door.close()
        wait_for(lambda: self.bridge.status()["limits"][0]["waiting"] == 0, "the queue to forget it")
        self.assertEqual(self.place(other, headers={"X-Bridge-Max-Wait": "10s"}).status, 200)
        self.assertEqual((self.sends(one), self.processed(one)), ([], [0]))
        wait_for(lambda: self.story(one)["fate"] == "not_sent", "the record")
        self.assertEqual(self.place(one).status, 200)

    def test_an_emergency_stops_what_waits_already(self):
        self.desk("--emergency-every", "0", settings="retry: {attempts: 1}, ")
        self.hold(3)
        one, results = order(), []
        waiting = threading.Thread(target=lambda: results.append(self.place(one, headers={"X-Bridge-Max-Wait": "20s", "X-Bridge-Timeout": "25s"})))
        waiting.start()
        wait_for(lambda: self.bridge.status()["limits"][0]["waiting"] == 1, "the placement in the queue")
        self.vendor.emit({"api": "abp", "channel": "emergency", "event": "STATUS", "payload": {"active": True}})
        waiting.join(DEADLINE)
        self.expect_refused(results[0], 503, "EMERGENCY", one)

    def test_a_pause_stops_sending_again_too(self):
        self.desk(settings="breaker: {failures: 1000}, ")
        self.vendor.fault("rest", status=503, body='{"detail": "busy"}', **self.PLACING)
        one, results = order(expiresAt=expires_in(3.0)[0]), []
        waiting = threading.Thread(target=lambda: results.append(self.place(one)))
        waiting.start()
        wait_for(lambda: self.sends(one), "the first send")
        self.verb("pause")
        paused = time.monotonic() + 0.1
        self.vendor.clear()
        waiting.join(DEADLINE)
        self.assertEqual([s for s in self.sends(one) if s["at_us"] / 1e6 > paused], [])
        self.assertEqual((results[0].status, results[0].body), (503, b'{"detail": "busy"}') if self.processed(one) == [0] else (200, results[0].body))

    def test_a_placement_in_flight_outlives_a_reload(self):
        self.desk()
        self.vendor.control("POST", "/placing", {"delay_ms": 700})
        one, results = order(), []
        waiting = threading.Thread(target=lambda: results.append(self.place(one)))
        waiting.start()
        wait_for(lambda: self.sends(one), "the order upstream")
        self.bridge.upstreams = self.bridge.upstreams.replace("rate_limit: 10000/s", "rate_limit: 9999/s, timeouts: {total: 100s}")
        self.bridge.write_config()
        self.bridge.process.kill(signal.SIGHUP)
        wait_for(lambda: "reloaded" in self.bridge.process.log() or self.bridge.status()["limits"][0]["limit"] == 9999, "the reload")
        waiting.join(DEADLINE)
        self.assertEqual((results[0].status, self.processed(one), len(self.sends(one))), (200, [1], 1), results[0].body)

    def test_a_placement_in_flight_is_finished_before_the_daemon_ends(self):
        self.desk()
        self.vendor.control("POST", "/placing", {"delay_ms": 1000})
        one, results = order(), []
        waiting = threading.Thread(target=lambda: results.append(self.place(one)))
        waiting.start()
        wait_for(lambda: self.sends(one), "the order upstream")
        self.assertEqual(self.bridge.stop(), 0)
        waiting.join(DEADLINE)
        self.assertEqual((results[0].status, self.processed(one)), (200, [1]), results[0].body)
        self.bridge.start()
        self.assertEqual((self.place(one).body, len(self.sends(one))), (results[0].body, 1))
        self.expect_events(one, "INTENT", "SENT", "ANSWERED")

    def test_a_lost_placement_at_the_daemons_end_is_looked_up_by_the_next(self):
        self.desk(settings="breaker: {failures: 1000}, ")
        self.vendor.fault("lost_after", count=1, **self.PLACING)
        self.vendor.fault("rest", status=503, path="/orders", method="GET")
        one, results = order(), []
        def run():
            with contextlib.suppress(OSError, http.client.HTTPException):
                results.append(self.place(one, headers={"X-Bridge-Timeout": "3s"}))
        waiting = threading.Thread(target=run)
        waiting.start()
        wait_for(lambda: self.sends(one) and self.look_ups(), "a look-up")
        self.assertEqual(self.bridge.stop(), 0)
        waiting.join(DEADLINE)
        for answer in results:  # if it was told anything, then not that the order is not placed
            self.assertEqual((answer.status, answer.code), (504, "OUTCOME_UNKNOWN"), answer.body)
        self.vendor.clear()
        self.bridge.start()
        wait_for(lambda: self.story(one)["fate"] == "placed", "its fate")
        self.assertEqual((self.processed(one), len(self.sends(one))), ([1], 1))
        wait_for(lambda: self.trade_events(one)[-1]["event"] == "SETTLED", "the event")

    def test_mm_trading_starts_only_where_nothing_stops_it(self):
        self.desk("--emergency-every", "0", apis=("abp", "mm"))
        start, stop = "/mm/api/v1/trading/start", "/mm/api/v1/trading/stop"
        self.verb("pause", "--upstream", "mm")
        for path in (start, "/mm/api/v1/trading/resume", "/mm/api/v1/trading/%73tart", "/mm/api/v1//trading/start"):
            answer = self.call("POST", path)
            self.assertIn((answer.status, answer.code), ((503, "PAUSED"), (400, "BAD_REQUEST")), (path, answer.body))
            self.assertEqual(answer.headers["x-bridge-sent"], "no")
        self.assertEqual(self.writes(), [])
        self.assertEqual(self.place(order()).status, 200)  # the other upstream's
        for path in (stop, "/mm/api/v1/trading/pause", "/mm/api/v1/orders/cancel-all"):
            self.assertNotIn(self.call("POST", path).status, (503, 403), path)
        self.verb("resume")
        self.assertEqual(self.call("POST", stop).headers["proxy-status"], None)
        self.assertEqual(self.call("POST", start).status, 200)
        unknown = self.call("POST", "/mm/api/v1/orders", b'{"a": 1}', JSON)
        self.assertEqual((unknown.status, unknown.code), (422, "BAD_REQUEST"), unknown.body)
        self.assertNotIn("/api/v1/orders", self.writes())


if __name__ == "__main__":
    main()
