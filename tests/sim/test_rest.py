"""The REST half of bridge55-sim from outside. Usage: test_rest.py path/to/bridge55-sim [test …]"""
import http.client
import http.server
import json
import socket
import sys
import threading
import time
import unittest
import urllib.parse
import uuid

import harness
from harness import ABP_KEY, MM_KEY, PATIENCE, SimTest, soon

SCRAPING_KEY = "scraping-demo-key"
JSON = {"Content-Type": "application/json"}


def order(**more):
    return {"requestUuid": str(uuid.uuid4()), "fixtureId": "id1000004461512432", "outcomeId": 103, "playerId": 0,
            "orderStake": 10.0, "orderPrice": 1.95, "userRef": "me", "testOrder": False, **more}


class RestTest(SimTest):
    def start(self, *options):
        return super().start("--no-limits", *options)

    def call(self, method, path, body=None, api="abp", headers=None):
        """(status, headers, body) over a connection of its own; raises what http.client raises."""
        key = {"abp": ABP_KEY, "mm": MM_KEY, "scraping": SCRAPING_KEY}[api]
        address = urllib.parse.urlsplit(self.sim.ports[api]).netloc
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        self.addCleanup(connection.close)
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        connection.request(method, path, data, {"X-API-Key": key, **(JSON if body is not None else {}), **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def json(self, method, path, body=None, **more):
        status, _, text = self.call(method, path, body, **more)
        return status, json.loads(text) if text else None

    def place(self, *orders):
        return self.json("POST", "/place-orders", {"orders": list(orders)})

    def ledger(self, one):
        return self.sim.control("/placements?uuid=" + one["requestUuid"])["orders"][0]

    def look_up(self, one):
        return self.json("GET", "/orders?requestUuids=" + one["requestUuid"])[1]["orders"]

    def raw(self, request, api="abp"):
        """Everything that comes back until the simulator closes, and whether it was a reset."""
        host, port = urllib.parse.urlsplit(self.sim.ports[api]).netloc.split(":")
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(request)
            got = b""
            try:
                while piece := connection.recv(65536):
                    got += piece
            except ConnectionResetError:
                return got, True
            return got, False

    def get(self, path="/bookmakers", close=True):
        end = "Connection: close\r\n" if close else ""
        return f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ABP_KEY}\r\n{end}\r\n".encode()

    def wait_for(self, true, what):
        deadline = time.monotonic() + PATIENCE
        while not true():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)


class Placing(RestTest):
    async def test_a_placement_fills_is_in_the_book_and_is_told_on_the_websocket(self):
        self.start()
        ws = await self.login(channels=["orders", "bets"])
        one = order()
        status, answer = self.place(one)
        self.assertEqual((status, answer["status"], answer["declinedOrders"]), (200, "accepted", []))
        placed = answer["acceptedOrders"][0]
        self.assertEqual((placed["requestUuid"], placed["orderStatus"], placed["filledStake"]),
                         (one["requestUuid"], "FILLED", 10.0))
        told = [json.loads(await soon(ws.recv())) for _ in range(4)]
        self.assertEqual([(t["channel"], t["event"]) for t in told],
                         [("orders", "INSERT"), ("bets", "INSERT"), ("bets", "UPDATE"), ("orders", "UPDATE")])
        self.assertEqual(told[3]["payload"]["orderStatus"], "FILLED")
        self.assertEqual(self.look_up(one)[0]["bets"][0]["betId"], placed["bets"][0]["betId"])
        self.assertEqual(self.json("GET", "/positions?groupBy=userRef")[1]["positions"][0]["userRef"], "me")

    async def test_what_is_not_well_formed_is_422_with_its_place(self):
        self.start()
        for body, loc, kind in (
                ("{", ["body", 0], "json_invalid"), ({}, ["body", "orders"], "missing"),
                ({"orders": []}, ["body", "orders"], "too_short"),
                ({"orders": [order()] * 101}, ["body", "orders"], "too_long"),
                ({"orders": [order(requestUuid="x")]}, ["body", "orders", 0, "requestUuid"], "uuid_parsing"),
                ({"orders": [order(), order(orderStake=0)]}, ["body", "orders", 1, "orderStake"], "greater_than"),
                ({"orders": [order(expiresAt="soon")]}, ["body", "orders", 0, "expiresAt"], "datetime_parsing"),
                ({"orders": [order(testOrder="no")]}, ["body", "orders", 0, "testOrder"], "bool_type"),
                ({"orders": [order(fixtureId=None)]}, ["body", "orders", 0, "fixtureId"], "missing"),
                ({"orders": [order(futureId="f")]}, ["body", "orders", 0], "value_error")):
            status, answer = self.json("POST", "/place-orders", body)
            self.assertEqual((status, answer["detail"][0]["loc"], answer["detail"][0]["type"]), (422, loc, kind))
        self.assertEqual(self.place(order(fixtureId=None, futureId="f"))[0], 501)
        self.assertEqual(self.call("POST", "/place-orders", json.dumps({"orders": [order()]}),
                                   headers={"Content-Type": "text/plain"})[0], 422)
        self.assertEqual(self.sim.control("/placements")["processed"], 0)

    async def test_business_rules_decline_single_orders(self):
        self.start()
        good, dear, small = order(), order(orderStake=5000.01), order(orderStake=0.5)
        status, answer = self.place(good, dear, small, order(bookmakers="nobody"), order(bookmakers="kalshi"))
        self.assertEqual((status, answer["status"], len(answer["acceptedOrders"])), (200, "partial-success", 1))
        reasons = [d["declineReason"] for d in answer["declinedOrders"]]
        self.assertEqual(reasons[0], "Order stake 5000.01 USD exceeds available limit 5000.00 USD")
        self.assertIn("minimum", reasons[1])
        self.assertIn("not available", reasons[2])
        self.assertIn("No active accounts", reasons[3])
        self.assertEqual(self.place(dear)[1]["status"], "declined")

    async def test_duplicates_are_409_when_all_are_and_declined_when_some_are(self):
        self.start()
        one = order()
        self.place(one)
        self.assertEqual(self.place(one), (409, {"detail": "Duplicate request - requestUuid already in-flight"}))
        shouted = {**one, "requestUuid": one["requestUuid"].upper()}
        _, answer = self.place(shouted, order())
        self.assertEqual(answer["status"], "partial-success")
        self.assertIn("Duplicate requestUuid", answer["declinedOrders"][0]["declineReason"])
        self.assertEqual(self.look_up(shouted)[0]["requestUuid"], one["requestUuid"])
        self.sim.control("/placing", {"duplicates": "declined"})
        self.assertEqual(self.place(one)[1]["status"], "declined")
        self.sim.control("/placing", {"duplicates": "409"})
        self.assertEqual(self.place(one, order())[0], 409)
        known = self.ledger(one)
        self.assertEqual((known["processed"], known["requested"]), (1, 5))

    async def test_after_the_dedup_window_a_uuid_is_processed_again_and_the_ledger_tells(self):
        self.start("--dedup-ms", "0")
        one = order()
        self.place(one)
        self.place(one)
        self.assertEqual(self.ledger(one)["processed"], 2)
        self.assertEqual(self.sim.control("/placements")["most_processed"], 2)

    async def test_orders_that_wait_expire_or_are_cancelled(self):
        self.start("--fill", "pending", "--order-life-ms", "60000")
        kept, gone, third = order(), order(), order(userRef="other")
        self.place(kept, gone, third)
        self.assertEqual(self.json("POST", "/cancel-orders", {})[0], 422)
        answer = self.json("POST", "/cancel-orders", {"requestUuids": [gone["requestUuid"]], "userRef": "other"})[1]
        self.assertEqual((answer["count"], answer["notCancelled"]), (2, []))
        self.assertEqual(self.look_up(gone)[0]["orderStatus"], "CANCELLED")
        self.assertEqual(self.json("POST", "/cancel-all-orders")[1]["count"], 1)
        self.sim.control("/times", {"order_life_ms": 20})
        brief = order()
        self.assertEqual(self.place(brief)[1]["acceptedOrders"][0]["orderStatus"], "PENDING")
        self.wait_for(lambda: self.look_up(brief)[0]["orderStatus"] == "EXPIRED", "it never expired")
        self.sim.control("/placing", {"fill": "partial"})
        partly = order()
        self.assertEqual(self.place(partly)[1]["acceptedOrders"][0]["filledStake"], 5.0)
        answer = self.json("POST", "/cancel-all-orders")[1]
        self.assertEqual([o["requestUuid"] for o in answer["notCancelled"]], [partly["requestUuid"]])

    async def test_a_test_order_is_validated_only(self):
        self.start()
        placed = self.place(order(testOrder=True))[1]["acceptedOrders"][0]
        self.assertEqual((placed["orderStatus"], placed["bets"]), ("PENDING", []))

    async def test_accounts_are_created_changed_and_deleted(self):
        self.start("--abp-key", ABP_KEY, "--abp-key", "other=else")
        account = {"bookmaker": "vertex", "username": "u", "password": "p", "priority": 99}
        status, answer = self.json("POST", "/accounts", account)
        self.assertEqual((status, answer["password"], answer["priority"]), (201, "***", 99))
        self.assertEqual(self.json("POST", "/accounts", account)[0], 409)
        self.assertEqual(self.json("POST", "/accounts", {"bookmaker": "vertex"})[0], 422)
        self.assertEqual(self.json("GET", "/accounts")[1][0]["bookmaker"], "vertex")
        self.assertEqual(self.json("PATCH", "/accounts/vertex/u", {"priority": 1})[1]["priority"], 1)
        self.assertEqual(self.json("DELETE", "/accounts/vertex/u", headers={"X-API-Key": "other"})[0], 403)
        status, headers, body = self.call("DELETE", "/accounts/vertex/u")
        self.assertEqual((status, headers["Content-Length"], body), (204, None, b""))
        self.assertEqual(self.json("GET", "/accounts/vertex/u")[0], 404)

    async def test_pages_are_as_small_as_asked(self):
        self.start("--page-size", "2")
        orders = [order() for _ in range(5)]
        self.place(*orders)
        uuids = ",".join(o["requestUuid"] for o in orders)
        seen, cursor, pages = [], "", 0
        while True:
            page = self.json("GET", f"/orders?requestUuids={uuids}{cursor}")[1]
            seen += [o["requestUuid"] for o in page["orders"]]
            pages += 1
            if not page["hasMore"]:
                break
            cursor = f"&afterOrderId={page['nextCursor']}"
        self.assertEqual((sorted(seen), pages), (sorted(o["requestUuid"] for o in orders), 3))


class Ledger(RestTest):
    async def test_every_request_is_logged_with_its_key_masked(self):
        self.start()
        self.call("GET", "/orders?userRef=%C3%BC", headers={"X-Extra": "1"})
        self.call("GET", "/orders", headers={"X-API-Key": "wrong-key-text"})
        first, second = self.sim.control("/requests?api=abp")["requests"]
        self.assertEqual((first["method"], first["target"], first["key_ok"], first["status"]),
                         ("GET", "/orders?userRef=%C3%BC", True, 200))
        self.assertIn(["X-Extra", "1"], first["headers"])
        self.assertIn(["X-API-Key", "abp-…"], first["headers"])
        self.assertEqual((second["key_ok"], second["status"]), (False, 401))
        self.assertNotIn("wrong-key-text", json.dumps(second))
        self.assertLessEqual(first["at_us"], second["at_us"])
        self.assertEqual(self.sim.control(f"/requests?after={first['n']}")["requests"], [second])

    async def test_what_is_no_request_or_has_not_one_host_is_400(self):
        self.start()
        for bad in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            self.assertTrue(self.raw(bad)[0].startswith(b"HTTP/1.1 400 "), bad)

    async def test_the_window_maximum_counts_refused_requests_too(self):
        self.sim = SimTest.start(self, "--abp-limit", "3")
        for _ in range(5):
            self.call("GET", "/bookmakers")
        key = self.sim.control("/stats")["abp"]["keys"][0]
        self.assertEqual((key["most_in_window"], key["rest_in_window"]), (5, 3))


class Faults(RestTest):
    async def test_an_answer_lost_before_or_after_processing(self):
        self.start()
        for name, processed in (("lost_before", 0), ("lost_after", 1), ("reset_on_head", None)):
            self.fault(name, path="/place-orders", method="POST", count=1)
            one = order()
            with self.assertRaises(ConnectionResetError):
                self.place(one)
            self.assertEqual(self.json("GET", "/bookmakers")[0], 200)
            if processed is not None:
                self.assertEqual(self.ledger(one)["processed"], processed)
        self.assertEqual([r["outcome"] for r in self.sim.control("/placements")["requests"]],
                         ["lost_before", "200 lost_after", "reset_on_head"])
        self.assertEqual([r["status"] for r in self.sim.control("/requests?method=POST")["requests"]], [0, 0, 0])

    async def test_a_late_placement_appears_after_its_failed_answer(self):
        self.start()
        for how, status in (("status", 503), ("lost", None)):
            self.fault("late", appear_ms=100, count=1, **{"as": how})
            one = order()
            if status:
                self.assertEqual(self.place(one)[0], status)
            else:
                with self.assertRaises(ConnectionResetError):
                    self.place(one)
            self.assertEqual(self.place(one)[0], 409)
            self.wait_for(lambda: self.look_up(one), "it never appeared")
            self.assertEqual(self.ledger(one)["processed"], 1)

    async def test_made_up_duplicates(self):
        self.start()
        for how, processed in (("409", True), ("409", False), ("declined", True), ("declined", False)):
            self.fault("duplicate_placement", count=1, processed=processed, **{"as": how})
            one = order()
            status, answer = self.place(one)
            self.assertEqual((status, answer.get("status")), (409, None) if how == "409" else (200, "declined"))
            self.assertEqual(self.ledger(one)["processed"], int(processed))
            self.assertEqual(len(self.look_up(one)), int(processed))

    async def test_answers_of_all_kinds(self):
        self.start()
        self.fault("rest", status=500, html=True, count=1)
        status, headers, body = self.call("GET", "/bookmakers")
        self.assertEqual((status, headers["Content-Type"], body[:6]), (500, "text/html", b"<html>"))
        self.fault("limit", edition="later", retry_after=3, count=1)
        status, headers, _ = self.call("GET", "/bookmakers")
        self.assertEqual((status, headers["Retry-After"], headers["X-RateLimit-Remaining"]), (429, "3", "0"))
        self.fault("limit", edition="current", count=1)
        status, headers, body = self.call("GET", "/bookmakers")
        self.assertEqual((status, headers["Retry-After"], json.loads(body)), (429, None, {"detail": "Rate limit exceeded"}))
        self.fault("redirect", location="http://127.0.0.2:1/x", count=1)
        status, headers, _ = self.call("GET", "/bookmakers")
        self.assertEqual((status, headers["Location"]), (302, "http://127.0.0.2:1/x"))

    async def test_faults_choose_by_path_method_and_chance_and_several_stand(self):
        self.start()
        self.fault("rest", status=500, path="/orders")
        self.fault("rest", status=502, method="DELETE")
        self.fault("rest", status=503, path="/bets", probability=0.5, seed=7)
        self.assertEqual(self.json("GET", "/orders?userRef=x")[0], 500)
        self.assertEqual(self.json("DELETE", "/accounts/a/b")[0], 502)
        self.assertEqual(self.json("GET", "/bookmakers")[0], 200)
        got = [self.json("GET", "/bets?userRef=x")[0] for _ in range(40)]
        self.assertEqual(set(got), {200, 503})
        self.sim.control("/clear", {})
        self.assertEqual(self.json("GET", "/orders?userRef=x")[0], 200)

    async def test_broken_bodies(self):
        self.start()
        whole = self.raw(self.get())[0]
        body = whole.split(b"\r\n\r\n", 1)[1]
        for end in ("fin", "reset"):
            self.fault("cut_answer", count=1, end=end)
            got, reset = self.raw(self.get())
            self.assertEqual((got.split(b"\r\n\r\n", 1)[1], reset), (body[:len(body) // 2], end == "reset"))
        self.fault("wrong_length", by=10, count=1)
        with self.assertRaises(http.client.IncompleteRead):
            self.call("GET", "/bookmakers")
        self.fault("wrong_length", by=-10, count=1)
        self.assertEqual(self.call("GET", "/bookmakers")[2], body[:-10])
        self.fault("until_close", count=1)
        self.assertNotIn(b"Content-Length", self.raw(self.get(close=False))[0])
        self.fault("until_close", count=1, end="cut")
        self.assertTrue(self.raw(self.get(close=False))[0].endswith(b"\r\n\r\n" + body[:len(body) // 2]))
        self.fault("http10", count=1)
        self.assertTrue(self.raw(self.get(close=False))[0].startswith(b"HTTP/1.0 200 OK\r\n"))
        self.fault("slow_body", bytes=50, step_ms=1, count=1)
        self.assertEqual(self.call("GET", "/bookmakers")[2], body)

    async def test_odd_heads_and_chunks(self):
        self.start()
        self.fault("big_header", count=1)
        self.assertIn(b"X-Big: " + b"b" * 65536, self.raw(self.get())[0])
        self.fault("endless_headers", bytes=1 << 20, count=1)
        got = self.raw(self.get())[0]
        self.assertGreater(len(got), 1 << 20)
        self.assertNotIn(b"\r\n\r\n", got)
        self.fault("interim", count=1)
        got = self.raw(self.get())[0]
        self.assertTrue(got.startswith(b"HTTP/1.1 103 "))
        self.assertIn(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", got)
        want = self.call("GET", "/bookmakers")[2]
        for name in ("chunked", "chunk_extensions", "big_trailers"):
            self.fault(name, count=2)
            self.assertEqual(self.call("GET", "/bookmakers")[2], want)
            got = self.raw(self.get())[0]
            self.assertEqual(b";name=value;" in got, name == "chunk_extensions")
            self.assertEqual(len(got) > 65536, name == "big_trailers")

    async def test_a_kept_connection_closes_as_the_next_request_arrives(self):
        self.start()
        self.fault("close_idle", end="fin")
        got, _ = self.raw(self.get(close=False) + self.get(close=False))
        self.assertEqual(got.count(b"HTTP/1.1 200"), 1)
        self.assertEqual(self.json("GET", "/bookmakers")[0], 200)

    async def test_a_slow_answer_has_been_processed_before(self):
        self.start()
        self.fault("slow", delay_ms=600_000, count=1)
        one = order()
        host, port = urllib.parse.urlsplit(self.sim.ports["abp"]).netloc.split(":")
        body = json.dumps({"orders": [one]}).encode()
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(f"POST /place-orders HTTP/1.1\r\nHost: x\r\nX-API-Key: {ABP_KEY}\r\nContent-Length: "
                               f"{len(body)}\r\n\r\n".encode() + body)
            self.wait_for(lambda: self.look_up(one), "it was not processed")


class Bench(RestTest):
    async def test_bodies_of_any_size_in_both_framings_and_back_again(self):
        self.start()
        self.assertEqual(len(self.call("GET", "/bench/bytes?n=3000000")[2]), 3000000)
        self.assertEqual(self.call("GET", "/bench/chunked?n=100&pieces=7")[2], (b"0123456789abcdef" * 7)[:100])
        sent = bytes(range(256)) * 200
        self.assertEqual(self.call("POST", "/bench/echo", sent)[2], sent)
        self.assertEqual(self.json("POST", "/bench/count", sent)[1], {"bytes": len(sent)})
        self.assertEqual(len(self.call("GET", "/bench/json")[2]), 1024)
        self.assertEqual(self.call("GET", "/bench/json", headers={"X-API-Key": "no"})[0], 401)

    async def test_benchmark_requests_are_limited_unless_told_otherwise(self):
        self.sim = SimTest.start(self, "--abp-limit", "1")
        self.assertEqual(self.call("GET", "/bench/json")[0], 200)
        self.assertEqual(self.call("GET", "/bench/json")[0], 429)


class Mm(RestTest):
    def get_mm(self, path):
        return self.json("GET", "/api/v1" + path, api="mm")

    def post_mm(self, path, body=None):
        return self.json("POST", "/api/v1" + path, body, api="mm")

    def put(self, number, status, **more):
        self.emit(api="mm", event="INSERT", payload={
            "orderId": number, "orderStatus": status, "fixtureId": "f1", "exchange": "kalshi", "outcomeId": 161,
            "orderStake": 100.0, "matchedStake": 40.0, "orderCents": 0.4, "settlementStatus": "UNDECIDED", **more})

    async def test_every_documented_read_answers(self):
        self.start()
        self.put(1, "PLACED")
        self.put(2, "FILLED", settlementStatus="WON")
        for path in ("/me", "/orders", "/orders/1", "/orders/open", "/orders/summary", "/bets", "/bets/summary", "/fixtures",
                     "/fixtures/id1000004461512432", "/positions", "/positions/summary", "/pnl", "/accounts",
                     "/markets?sportId=1", "/players?sportId=1", "/trading/status"):
            self.assertEqual(self.get_mm(path)[0], 200, path)
        self.assertEqual(self.get_mm("/markets")[1]["detail"][0]["loc"], ["query", "sportId"])
        self.assertEqual(self.get_mm("/fixtures/none")[0], 404)
        self.assertEqual(self.get_mm("/positions?status=open")[1][0]["openStake"], 60.0)
        self.assertEqual(self.get_mm("/pnl")[1]["realizedPnl"], 60.0)
        self.assertEqual(self.post_mm("/orders")[0], 405)

    async def test_cancels_and_trading_control(self):
        self.start()
        ws = await self.login("mm", channels=["orders"])
        for number in (1, 2, 3, 4):
            self.put(number, "PLACED")
            await soon(ws.recv())
        self.assertEqual(self.post_mm("/orders/1/cancel")[1]["orderStatus"], "CANCELLED")
        told = json.loads(await soon(ws.recv()))
        self.assertEqual((told["payload"]["orderStatus"], told["old"]["orderStatus"]), ("CANCELLED", "PLACED"))
        self.assertEqual(self.post_mm("/orders/1/cancel")[0], 409)
        self.assertEqual(self.post_mm("/orders/99/cancel")[0], 404)
        self.assertEqual(self.post_mm("/orders/cancel-all?exchange=polymarket")[1]["count"], 0)
        self.fault("partial_cancel", count=1)
        status, answer = self.post_mm("/orders/cancel-all")
        self.assertEqual((status, answer["cancelled"], answer["failed"]), (502, [3], [2, 4]))
        self.assertEqual(self.post_mm("/orders/cancel-all")[1]["count"], 2)
        self.assertEqual(self.post_mm("/trading/resume")[0], 409)
        for verb, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped"), ("start", "running")):
            self.assertEqual(self.post_mm("/trading/" + verb)[1]["status"], state)


class Echo(http.server.BaseHTTPRequestHandler):
    """A scraping target that tells what reached it."""
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        status = {"/forbidden": 403, "/away": 302}.get(self.path, 200)
        told = json.dumps({"method": self.command, "headers": dict(self.headers), "body": body}).encode()
        if self.path == "/text":
            told = b"caf\xc3\xa9 \xff"
        self.send_response(status)
        self.send_header("Content-Length", str(len(told)))
        self.send_header("Set-Cookie", "a=b; HttpOnly")
        if status == 302:
            self.send_header("Location", "/there")
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        pass


class Scraping(RestTest):
    def start(self, *options):
        super().start(*options)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.target = f"http://127.0.0.1:{server.server_port}"

    def scrape(self, path="/x", method="GET", body=None, **headers):
        fields = {"X-Target-URL": self.target + path, **{n.replace("_", "-"): v for n, v in headers.items()}}
        return self.json(method, "/fetch", body, api="scraping", headers=fields)

    async def test_a_fetch_answers_as_documented_and_strips_control_headers(self):
        self.start()
        status, answer = self.scrape(X_Geo="DE,at", X_Expect_JSON="1", X_Mine="kept")
        self.assertEqual((status, answer["meta"]["status"], answer["meta"]["blocked"], answer["raw"]), (200, 200, False, None))
        self.assertRegex(answer["meta"]["agent"]["id"], "^scraping-(de|at)[0-9]+$")
        seen = answer["raw_json"]["headers"]
        self.assertEqual(seen["X-Mine"], "kept")
        self.assertFalse({"X-Api-Key", "X-API-Key", "X-Geo", "X-Target-URL", "X-Expect-JSON"} & set(seen))
        answer = self.scrape("/text")[1]
        self.assertEqual((answer["raw"], answer["raw_json"], answer["meta"]["bytes"]), ("café �", None, 7))

    async def test_an_https_target_is_fetched_whatever_its_certificate(self):
        self.start()
        other = harness.Sim("--tls")
        self.addCleanup(other.stop)
        self.target = other.ports["abp"]
        self.assertEqual(self.scrape("/health")[1]["raw_json"], {"status": "ok"})

    async def test_the_posted_fields_make_the_request(self):
        self.start()
        body = {"method": "put", "headers": {"X-Mine": "1"}, "body": "hello", "allow_redirects": False}
        answer = self.scrape(method="POST", body=body)[1]["raw_json"]
        self.assertEqual((answer["method"], answer["body"], answer["headers"]["X-Mine"]), ("PUT", "hello", "1"))
        self.assertEqual(self.scrape("/away", "POST", {"allow_redirects": False})[1]["meta"]["status"], 302)
        self.assertEqual(self.scrape("/away")[1]["meta"]["final_url"], self.target + "/there")

    async def test_a_blocked_agent_is_excluded_for_that_domain(self):
        self.start()
        answer = self.scrape("/forbidden", X_Agent="us1")[1]
        self.assertTrue(answer["meta"]["blocked"])
        self.assertEqual(self.scrape(X_Agent="us1")[0], 502)
        health = self.json("GET", "/network/health/127.0.0.1", api="scraping")[1]
        self.assertEqual((health["limited"], health["available"]), (1, health["nodes_checked"] - 1))

    async def test_errors_are_the_documented_ones(self):
        self.start()
        for headers, status in (({"X-API-Key": ""}, 401), ({"X-API-Key": "no"}, 403), ({}, 400)):
            self.assertEqual(self.json("GET", "/fetch", api="scraping", headers=headers)[0], status)
        self.assertEqual(self.scrape(X_Geo="Germany")[0], 400)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.target = f"http://127.0.0.1:{silent.getsockname()[1]}"
            self.assertEqual(self.scrape(X_Timeout="0.1")[0], 504)
        self.assertEqual(self.scrape()[0], 502)

    async def test_the_token_bucket_refuses_with_its_headers(self):
        self.sim = SimTest.start(self, "--scraping-rps", "0.001", "--scraping-burst", "2")
        got = [self.call("GET", "/network/status", api="scraping") for _ in range(3)]
        self.assertEqual([g[0] for g in got], [200, 200, 429])
        self.assertEqual((got[2][1]["Retry-After"], got[2][1]["X-RateLimit-Remaining"]), ("1", "0"))
        usage = self.json("GET", "/usage", api="scraping")[1]
        self.assertEqual((usage["rate_limit"]["burst"], usage["rate_limit"]["remaining"]), (2, 0.0))

    async def test_a_browser_page_has_cookies_and_is_validated(self):
        self.start()
        page = {"apiKey": SCRAPING_KEY, "url": self.target + "/text", "expectContains": "caf"}
        status, answer = self.json("POST", "/browser", page, api="scraping", headers={"X-API-Key": "ignored"})
        self.assertEqual((status, answer["cookies"][0]["name"], answer["screenshot"], answer["js_result"]), (200, "a", None, None))
        self.assertEqual(self.json("POST", "/browser", {**page, "expectContains": "tea"}, api="scraping")[0], 502)
        self.assertNotIn(SCRAPING_KEY, json.dumps(self.sim.control("/requests?api=scraping")))
        self.assertEqual(self.json("POST", "/amqp", {"key": "no"}, api="scraping")[0], 403)
        self.assertEqual(self.json("POST", "/amqp", {"key": SCRAPING_KEY}, api="scraping")[0], 422)

    async def test_public_and_network_paths(self):
        self.start()
        for path in ("/", "/healthz", "/ws/docs"):
            self.assertEqual(self.json("GET", path, api="scraping", headers={"X-API-Key": ""})[0], 200, path)
        self.assertEqual(self.json("GET", "/ws", api="scraping")[0], 426)
        for path in ("/network/agents", "/network/geo", "/network/status", "/usage"):
            self.assertEqual(self.json("GET", path, api="scraping")[0], 200, path)
        pick = self.json("GET", "/debug/pick?url=https://example.com", api="scraping", headers={"X-Geo": "US"})[1]
        self.assertEqual(pick["country"], "US")


if __name__ == "__main__":
    harness.BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
