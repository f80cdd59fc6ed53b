#!/usr/bin/python3
"""Placements and limits under faults: SIGKILL with placements in flight, answers that get lost in every way, full and slow disks, runaway
apps, secrets. The vendor's ledger has the last word: each order at most once, and told to the app as it is."""

import base64
import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from harness import BIN, main, wait_for  # noqa: E402
from test_trades import JSON, TOKENS, Door, Trading, order  # noqa: E402

PLACING = {"path": "/place-orders", "method": "POST"}
LOOKING = {"path": "/orders", "method": "GET"}
# The way of a placement, in order; the last is passed only where a look-up decided.
DESK_POINTS = ["desk.intent.before", "journal.trade.stored", "desk.intent.after", "desk.sent", "desk.answered", "desk.settled"]


class Crowd:
    """Clients that place fresh orders until stopped, and note what they were told of each."""

    def __init__(self, case, threads=6, total=None, batches=(1, 5), seed=1, patience=None, insists=False):
        self.case, self.total, self.batches, self.patience = case, total, batches, patience or {}
        self.insists = insists  # asks again with the same UUIDs where the connection broke
        self.told = {}  # uuid: "placed", "declined", "not placed", "not sent", "unknown", or "nothing" where the connection broke
        self.bodies, self.troubles, self.requests = {}, [], 0
        self.lock, self.done = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{seed}/{i}"),), daemon=True) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, dice):
        door = None
        while not self.done.is_set():
            with self.lock:
                if self.total is not None and self.requests >= self.total:
                    break
                self.requests += 1
            batch = [order() for _ in range(dice.randint(*self.batches))]
            with self.lock:
                for one in batch:
                    self.told[one["requestUuid"]] = "nothing"
                    self.bodies[one["requestUuid"]] = one
            again = True
            while again:
                again = False
                try:
                    door = door or Door(self.case.bridge)
                    self.note(batch, door.place(*batch, headers=self.patience))
                except (OSError, http.client.HTTPException):
                    if door:
                        door.close()
                    door = None
                    self.done.wait(0.02)
                    again = self.insists and not self.done.is_set() and dice.random() < 0.95
        if door:
            door.close()

    def note(self, batch, answer):
        uuids = {one["requestUuid"] for one in batch}
        told = {}
        if answer.status == 200:
            told.update({one: "placed" for one in answer.uuids()})
            told.update({one: "declined" for one in answer.uuids("declinedOrders")})
        elif answer.code == "OUTCOME_UNKNOWN":
            detail = answer.json()["detail"]
            told.update({one: "placed" for one in detail["placed"]})
            told.update({one: "unknown" for one in detail["unknown"]})
            told.update({one: "not placed" for one in detail.get("not_placed", [])})
        elif answer.headers["x-bridge-sent"] == "no":
            told.update({one: "not sent" for one in uuids})
        else:
            told.update({one: "not placed" for one in uuids})
        with self.lock:
            if set(told) != uuids:
                self.troubles.append((answer.status, answer.body, sorted(uuids)))
            self.told.update(told)

    def join(self, deadline):
        end = time.monotonic() + deadline
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
        self.case.assertFalse(any(thread.is_alive() for thread in self.threads), f"the clients did not end; {self.requests} requests")

    def stop(self):
        self.done.set()
        self.join(60)

    def of(self, *words):
        return [one for one, word in self.told.items() if word in words]


class Crowded(Trading):
    def fate(self, one):
        """What the record says now; None where nothing is on record."""
        answer = self.call("GET", "/trades/" + one)
        if answer.status == 404:
            return None
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()["fate"]

    def fates_when_known(self, uuids, deadline=90):
        fates = {}
        def known():
            for one in uuids:
                if fates.get(one, "unknown") == "unknown":
                    fates[one] = self.fate(one)
                    if fates[one] == "unknown":
                        return False
            return True
        wait_for(known, "every order's fate", deadline, every=0.1)
        return fates

    def ledger(self):
        return {one["requestUuid"]: one["processed"] for one in self.vendor.control("GET", "/placements")["orders"]}

    def expect_books_to_agree(self, crowd, everything_on_record=True):
        """What was told is so; what was not told is on record; nothing happened twice, nothing happened that nobody asked for."""
        self.assertEqual(crowd.troubles, [])
        fates = self.fates_when_known(crowd.told if everything_on_record else crowd.of("nothing", "unknown"))
        ledger = self.ledger()
        self.assertEqual([one for one, processed in ledger.items() if processed > 1], [], "processed twice")
        self.assertEqual([one for one, processed in ledger.items() if processed and one not in crowd.told], [], "nobody asked for it")
        wrong = []
        for one, word in crowd.told.items():
            there = ledger.get(one, 0) == 1
            if word in ("placed", "declined", "not placed", "not sent") and there != (word == "placed"):
                wrong.append((one, "told " + word, there))
            if one in fates and there != (fates[one] == "placed"):
                wrong.append((one, "recorded as " + str(fates[one]), there))
            if word in ("placed", "unknown", "not placed", "declined") and one in fates and fates[one] is None:
                wrong.append((one, "not on record", there))
        self.assertEqual(wrong[:5], [], f"{len(wrong)} of {len(crowd.told)}")
        return fates

    def expect_story_of_the_lost(self, crowd, sends_before):
        """After a restart: what was in flight is looked up and reported, never sent again."""
        fates = self.expect_books_to_agree(crowd)
        sends = self.vendor.control("GET", "/placements")["requests"]
        self.assertEqual([one for one in sends if one["n"] > sends_before], [], "sent after the restart")
        on_record = {one for one, fate in fates.items() if fate is not None}
        sent = {one for request_ in sends for one in request_["uuids"]}
        self.assertEqual(sent - on_record, set(), "sent without an intent on record")


@unittest.skipUnless(os.environ.get("BRIDGE55_CRASH_POINTS", "ON") == "ON", "not a build with crash points")
class Killed(Crowded):
    def test_sigkill_with_placements_in_flight_at_each_point(self):
        rigs = []
        for point in DESK_POINTS:
            self.setUp()  # a folder for each
            self.desk(settings="breaker: {failures: 10000}, ", env={"BRIDGE55_CRASH": f"{point}:12"})
            self.vendor.fault("lost_after", probability=0.3, seed=3, **PLACING)
            self.vendor.fault("slow", delay_ms=30, probability=0.5, seed=4, **PLACING)
            crowd = Crowd(self)
            wait_for(lambda: not self.bridge.process.running(), f"death at {point}", 30)
            crowd.stop()
            with self.subTest(point):
                self.assertEqual(self.bridge.process.child.returncode, -signal.SIGKILL, f"{point}: {self.bridge.process.log()[-2000:]}")
            sends = self.vendor.control("GET", "/placements")["requests"]
            self.assertGreater(len(crowd.of("nothing")), 0)
            self.vendor.clear()
            del self.bridge.env["BRIDGE55_CRASH"]
            self.bridge.start()
            rigs.append((point, self.vendor, self.bridge, crowd, sends[-1]["n"] if sends else 0))
        for point, self.vendor, self.bridge, crowd, last in rigs:
            with self.subTest(point):
                self.expect_story_of_the_lost(crowd, last)
                again = self.place(order())
                self.assertEqual(again.status, 200, again.body)
                self.assertEqual(self.bridge.stop(), 0)

    def test_the_events_of_a_trade_survive_a_sigkill_as_its_record_does(self):
        self.desk()
        crowd = Crowd(self)
        for point in ("desk.answered:12", "desk.intent.after:12", "desk.answered:9", "desk.sent:12", "desk.answered:15", "desk.intent.after:20") * 3:
            self.bridge.kill()
            self.bridge.env["BRIDGE55_CRASH"] = point
            self.bridge.launch()
            wait_for(lambda: not self.bridge.process.running(), f"death at {point}")
        crowd.stop()
        del self.bridge.env["BRIDGE55_CRASH"]
        self.bridge.start()
        ended = {one for one in crowd.told if self.fate(one) in ("placed", "declined")}
        self.assertGreater(len(ended), 20)
        def without_event():
            said = set()
            for event in self.events("trade"):
                if event["event"] in ("SETTLED", "ANSWERED"):
                    said.update(event["payload"]["uuids"])
            return ended - said
        try:
            wait_for(lambda: not without_event(), "an event for each", 3)
        except AssertionError:
            self.fail(f"{len(without_event())} of {len(ended)} orders are on record as ended, and no event says so")

    def test_sigkill_at_random_moments_under_placements(self):
        kill_at_random(self, 5)

    def test_a_crash_while_lost_placements_are_looked_up_is_no_crash_loop(self):
        self.desk(settings="breaker: {failures: 10000}, ")
        self.vendor.fault("lost_after", **PLACING)
        self.vendor.fault("rest", status=503, **LOOKING)
        crowd = Crowd(self, threads=3, total=3, patience={"X-Bridge-Timeout": "500ms"})
        crowd.join(30)
        self.assertEqual(set(crowd.told.values()), {"unknown"})
        last = self.vendor.control("GET", "/placements")["requests"][-1]["n"]
        for point in ("desk.settled:1", "journal.trade.stored:1", "desk.settled:2"):
            self.bridge.kill()
            self.vendor.clear()
            self.bridge.env["BRIDGE55_CRASH"] = point
            self.bridge.launch()
            with_deadline = time.monotonic() + 20
            while self.bridge.process.running() and time.monotonic() < with_deadline and self.still_open():
                time.sleep(0.05)
        self.bridge.process.end()
        del self.bridge.env["BRIDGE55_CRASH"]
        self.bridge.start()
        self.expect_story_of_the_lost(crowd, last)
        self.assertEqual(set(self.ledger().values()), {1})

    def still_open(self):
        try:
            return any(event["payload"].get("trade") for event in self.events("trade")) and len(
                {u for e in self.events("trade") if e["event"] == "SETTLED" for u in e["payload"]["uuids"]}) < 3
        except (OSError, http.client.HTTPException, KeyError):
            return True


def kill_at_random(case, times):
    dice = random.Random(times)
    case.desk("--book", "1000000", "--request-log", "1000", settings="breaker: {failures: 10000}, ")
    case.vendor.fault("lost_after", probability=0.1, seed=5, **PLACING)
    case.vendor.fault("late", appear_ms=200, status=503, probability=0.05, seed=6, **PLACING)
    case.vendor.fault("slow", delay_ms=20, probability=0.5, seed=7, **PLACING)
    crowd = Crowd(case, threads=12, insists=True, patience={"X-Bridge-Timeout": "4s"})
    for i in range(times):
        so_far = len(crowd.told)
        wait_for(lambda: len(crowd.told) > so_far + 20, "placements")
        time.sleep(dice.random() * 0.2)  # no condition: the moment is what is random
        end = ("kill", "reload", "kill", "stop", "kill")[i % 5]
        if end == "reload":
            case.bridge.upstreams = re.sub(r"rate_limit: \d+", f"rate_limit: {dice.randint(5000, 9999)}", case.bridge.upstreams)
            case.bridge.write_config()
            case.bridge.process.kill(signal.SIGHUP)
            continue
        if end == "stop":
            case.assertEqual(case.bridge.stop(), 0, case.bridge.process.log()[-2000:])
        else:
            case.bridge.kill()
        case.bridge.start(up=False)
    crowd.stop()
    case.vendor.clear()
    case.expect_books_to_agree(crowd)
    case.assertGreater(len(crowd.of("placed")), 20)
    case.assertEqual(case.bridge.stop(), 0)


class Storm(Crowded):
    """Thousands of placements while everything that can happen to a request or an answer happens."""

    def storm(self, total, threads=32):
        self.desk("--book", "1000000", settings="breaker: {failures: 10000}, ")
        seed = 1_000_000
        for fault in ({"fault": "slow", "delay_ms": 60, "probability": 0.05},
                      {"fault": "rest", "status": 503, "probability": 0.03},
                      {"fault": "late", "appear_ms": 250, "status": 500, "probability": 0.03},
                      {"fault": "duplicate_placement", "as": "declined", "probability": 0.03},
                      {"fault": "lost_before", "probability": 0.03}, {"fault": "lost_after", "probability": 0.04},
                      {"fault": "cut_answer", "probability": 0.03}, {"fault": "close_idle", "probability": 0.03}):
            seed += 12_345_679
            self.vendor.fault(seed=seed, **PLACING, **fault)
        self.vendor.fault("rest", status=503, probability=0.1, seed=99, **LOOKING)
        self.vendor.fault("cut_answer", probability=0.1, seed=98, **LOOKING)
        self.vendor.fault("close_idle", probability=0.05, seed=97, **LOOKING)
        crowd = Crowd(self, threads=threads, total=total)
        switch = threading.Thread(target=self.alternate_duplicates, args=(crowd,), daemon=True)
        switch.start()
        crowd.join(60 + total / 20)
        switch.join(30)
        self.vendor.clear()
        self.expect_books_to_agree(crowd, everything_on_record=False)
        # A batch of which a part is not placed is told as one of which that part was declined.
        self.assertEqual(crowd.of("nothing", "not sent"), [])
        self.assertGreater(len(crowd.of("placed")), 0.95 * len(crowd.told))
        # The bodies that the vendor processed are those that were asked for.
        for one in self.vendor.control("GET", "/placements")["orders"]:
            if one["processed"]:
                self.assertEqual(json.loads(one["body"]), crowd.bodies[one["requestUuid"]])

    def alternate_duplicates(self, crowd):
        """Both ways that the vendor is known to call something a duplicate."""
        how, dice = 0, random.Random(1)
        while any(thread.is_alive() for thread in crowd.threads):
            how += 1
            self.vendor.fault("duplicate_placement", probability=0.03, seed=dice.randrange(1, 1 << 31), processed=how % 4 < 2, **PLACING, **{"as": ("409", "declined")[how % 2]})
            self.vendor.control("POST", "/placing", {"duplicates": ("documented", "409", "declined")[how % 3]})
            crowd.threads[0].join(0.5)

    def test_two_thousand_placements_among_faults_leave_each_order_once(self):
        self.storm(2000)


class Limits(Crowded):
    """What upstream allows is never passed, whoever asks and whatever is killed."""

    LIMIT = 60

    def limited(self, **more):
        extra = "clients:\n" + "".join(f"  - {{name: {name}, token: {TOKENS[name]}, allow: [read, trade, events, admin]}}\n" for name in ("alpha", "beta", "reader", "killer"))
        self.desk("--abp-limit", str(self.LIMIT), "--limit-window-ms", "1000", limits=True, settings=f"rate_limit: {self.LIMIT}/s, ", extra=extra, **more)

    def key(self):
        return self.vendor.stats()["abp"]["keys"][0]

    def expect_never_too_many(self, least):
        stats = self.vendor.stats()["abp"]
        self.assertLessEqual(stats["keys"][0]["most_in_window"], self.LIMIT)
        self.assertEqual(stats["rest_limited"], 0)
        self.assertGreaterEqual(stats["rest_requests"], least)

    def hammer(self, app, dice, done, seen):
        """Reads, cancels and placements of one app as fast as they are answered."""
        door = Door(self.bridge, app)
        while not done.is_set():
            try:
                what = dice.random()
                if what < 0.6:
                    answer = door.call("GET", "/abp/bookmakers")
                elif what < 0.7:
                    answer = door.call("POST", "/abp/cancel-orders", json.dumps({"userRef": "nobody"}), JSON)
                else:
                    answer = door.place(order())
                seen.append((app, "cancel" if 0.6 <= what < 0.7 else "other", answer.status))
            except (OSError, http.client.HTTPException):
                door.close()
                done.wait(0.02)
        door.close()

    def crowd_of_apps(self, seconds_of=4, provoke=lambda: None):
        done, seen = threading.Event(), []
        threads = [threading.Thread(target=self.hammer, args=(app, random.Random(f"{app}{i}"), done, seen), daemon=True)
                   for app in ("alpha", "beta", "reader", "killer") for i in range(6)]
        for thread in threads:
            thread.start()
        target = self.vendor.stats()["abp"]["rest_requests"] + seconds_of * self.LIMIT
        provoke()
        wait_for(lambda: self.vendor.stats()["abp"]["rest_requests"] >= target, f"{target} requests", 60, every=0.1)
        done.set()
        for thread in threads:
            thread.join(60)
        return seen

    def test_four_apps_together_never_pass_the_limit(self):
        self.limited()
        seen = self.crowd_of_apps()
        self.expect_never_too_many(4 * self.LIMIT)
        self.assertEqual({status for _, what, status in seen if what == "cancel"}, {200})
        self.assertEqual({app for app, _, status in seen if status == 200}, {"alpha", "beta", "reader", "killer"})
        self.assertEqual(self.vendor.control("GET", "/placements")["most_processed"], 1)

    def test_a_sigkill_and_a_restart_do_not_pass_the_limit_either(self):
        self.limited()
        def provoke():
            for how in (self.bridge.kill, self.bridge.stop, self.bridge.kill, self.bridge.kill):
                before = self.vendor.stats()["abp"]["rest_requests"]
                wait_for(lambda: self.vendor.stats()["abp"]["rest_requests"] > before + self.LIMIT // 3, "requests")
                how()
                self.bridge.start(up=False)
        self.crowd_of_apps(provoke=provoke)
        self.expect_never_too_many(3 * self.LIMIT)

    def test_slow_answers_do_not_pass_the_limit(self):
        self.limited()
        self.vendor.fault("slow", delay_ms=400, probability=0.3, seed=1, processed=False)
        self.crowd_of_apps(seconds_of=3)
        self.expect_never_too_many(3 * self.LIMIT)

    def test_cancels_do_not_wait_behind_reads(self):
        self.limited()
        patient = {"X-Bridge-Max-Wait": "60s", "X-Bridge-Timeout": "90s"}
        threads = [threading.Thread(target=lambda: self.call("GET", "/abp/bookmakers", None, patient, app="reader"), daemon=True) for _ in range(400)]
        for thread in threads:
            thread.start()
        door = self.door("killer")
        for _ in range(3):
            wait_for(lambda: self.bridge_waiting() > self.LIMIT, "reads in the queue")
            reads = self.reads_upstream()
            answer = door.call("POST", "/abp/cancel-orders", json.dumps({"userRef": "nobody"}), JSON)
            passed = self.reads_upstream() - reads
            self.assertEqual(answer.status, 200, answer.body)
            self.assertLessEqual(passed, self.LIMIT, "more reads than a window holds went before a cancel")
        for thread in threads:
            thread.join(60)
        self.expect_never_too_many(400)

    def bridge_waiting(self):
        return self.call("GET", "/status", app="alpha").json()["limits"][0]["waiting"]

    def reads_upstream(self):
        return len(self.vendor.control("GET", "/requests?path=/bookmakers&limit=100000")["requests"])

    def test_a_runaway_app_stops_nobody_elses_cancels(self):
        extra = "clients:\n" + "".join(f"  - {{name: {name}, token: {TOKENS[name]}, allow: [trade]}}\n" for name in ("alpha", "killer")) + \
            f"  - {{name: ops, token: {TOKENS['ops']}, allow: [admin, events, read]}}\n"
        self.desk("--abp-limit", "60", limits=True, settings="rate_limit: 60/min, ", extra=extra)
        counts = []
        def flood(impatient, each):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(90)
            s.connect(self.bridge.api_socket)
            body = [json.dumps({"orders": [order()]}) for _ in range(each)]
            head = "POST /abp/place-orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n%sContent-Length: %d\r\n\r\n"
            s.sendall("".join(head % (TOKENS["alpha"], "X-Bridge-Max-Wait: 0ms\r\n" if impatient else "", len(b)) + b for b in body).encode())
            got, statuses = b"", []
            while len(statuses) < each:
                piece = s.recv(1 << 16)
                if not piece:
                    break
                got += piece
                statuses = re.findall(rb"HTTP/1\.1 (\d+)", got)
            counts.append((each, statuses))
            s.close()
        threads = [threading.Thread(target=flood, args=(True, 500), daemon=True) for _ in range(20)] + \
                  [threading.Thread(target=flood, args=(False, 1), daemon=True) for _ in range(300)]
        for thread in threads:
            thread.start()
        door = self.door("killer")
        for _ in range(5):  # the reserve holds six a minute
            answer = door.call("POST", "/abp/cancel-all-orders")
            self.assertEqual(answer.status, 200, answer.body)
        self.assertTrue(any(thread.is_alive() for thread in threads), "the flood was over before the cancels")
        for thread in threads:
            thread.join(120)
        self.assertEqual(sum(len(statuses) for _, statuses in counts), 10_300)
        self.assertLessEqual({s for _, statuses in counts for s in statuses}, {b"200", b"429", b"503"})
        stats = self.vendor.stats()["abp"]
        self.assertLessEqual(stats["keys"][0]["most_in_window"], 60)
        self.assertEqual((stats["rest_limited"], self.vendor.control("GET", "/placements")["most_processed"]), (0, 1))
        with open(f"/proc/{self.bridge.process.pid}/status", encoding="utf-8") as f:
            peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
        self.assertLess(peak, 400 << 10)
        self.assertEqual(door.call("POST", "/abp/cancel-all-orders").status, 200)


class Disk(Crowded):
    def small_disk(self):
        """A file system of eight megabytes for the journal."""
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        self.state = os.path.join(self.folder, "small")
        os.mkdir(self.state)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", self.state], check=False, capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("cannot mount here: " + mounted.stderr.decode())
        self.addCleanup(subprocess.run, ["umount", "-l", self.state], check=False)
        self.desk(extra=f"journal: {{path: {self.state}/journal.db}}\n")

    def fill(self):
        with open(os.path.join(self.state, "filler"), "wb", buffering=0) as filler:
            with contextlib.suppress(OSError):
                while filler.write(bytes(4096)):
                    pass

    def make_room(self):
        os.unlink(os.path.join(self.state, "filler"))

    def test_without_a_disk_nothing_is_placed_and_cancels_pass(self):
        self.small_disk()
        told = [order()]
        self.assertEqual(self.place(told[0]).status, 200)
        self.fill()
        while (answer := self.place(*(batch := [order(userRef="x" * 500) for _ in range(50)]))).status == 200:
            told += batch
            self.assertLess(len(told), 20_000, "the disk never filled")
        for _ in range(3):
            self.expect_refused(answer, 503, "JOURNAL_UNAVAILABLE", *batch)
            self.assertEqual(self.call("POST", "/abp/cancel-all-orders").status, 200)
            self.assertEqual(self.call("GET", "/abp/bookmakers").status, 200)
            answer = self.place(*batch)
        self.assertEqual(self.processed(*told), [1] * len(told))
        self.make_room()
        back = wait_for(lambda: (a := self.place(*batch)).status == 200 and a, "placements when space is back")
        self.assertEqual((len(back.uuids()), self.processed(*batch)), (len(batch), [1] * len(batch)))
        self.assertEqual(self.place(*told[:1]).status, 200)
        self.assertEqual(self.vendor.control("GET", "/placements")["most_processed"], 1)
        wait_for(lambda: self.fate(told[-1]["requestUuid"]) == "placed", "the record to be whole again")

    def test_a_disk_that_fills_up_while_nothing_happens_does_not_end_the_daemon(self):
        self.small_disk()
        batch = [order(userRef="x" * 500) for _ in range(50)]
        self.assertEqual(self.place(*batch).status, 200)  # the log holds something to be copied
        self.fill()
        began = time.monotonic()
        while time.monotonic() < began + 3:  # the idle moments in which the journal tidies up
            self.assertTrue(self.bridge.process.running(), self.bridge.process.log()[-500:])
            time.sleep(0.05)
        self.assertEqual(self.call("POST", "/abp/cancel-all-orders").status, 200)
        self.make_room()
        self.assertEqual(wait_for(lambda: (a := self.place(order())).status == 200 and a, "placements").status, 200)

    def test_a_disk_slower_than_a_placement_may_wait_places_nothing(self):
        preload = os.environ.get("SLOW_SYNC")
        if not preload or not os.path.exists(preload):
            self.skipTest("SLOW_SYNC is not built")
        self.desk(env={"LD_PRELOAD": preload, "SLOW_SYNC_MS": "700"})
        orders = [order() for _ in range(4)]
        answers = self.at_once(*[lambda one=one: self.place(one) for one in orders])
        for one, answer in zip(orders, answers):
            self.expect_refused(answer, 503, "JOURNAL_UNAVAILABLE", one)
        self.assertEqual(self.call("POST", "/abp/cancel-all-orders").status, 200)
        for one in orders:  # an intent that became durable too late is no reason to send
            wait_for(lambda one=one: self.fate(one["requestUuid"]) == "not_sent", "the refusal on record")
        self.assertEqual(self.sends(*orders), [])
        for name in ("LD_PRELOAD", "SLOW_SYNC_MS"):
            del self.bridge.env[name]
        self.bridge.restart()
        self.assertEqual(self.sends(*orders), [])
        answer = self.place(*orders)
        self.assertEqual((answer.status, self.processed(*orders)), (200, [1] * len(orders)), answer.body)


    def test_an_answer_that_could_not_be_recorded_is_looked_up_by_the_next_process(self):
        self.small_disk()
        self.vendor.control("POST", "/placing", {"delay_ms": 1500})
        batch, results = [order(userRef="x" * 500) for _ in range(100)], []
        def run():
            with contextlib.suppress(OSError, http.client.HTTPException):
                results.append(self.place(*batch))
        waiting = threading.Thread(target=run)
        waiting.start()
        wait_for(lambda: self.sends(*batch), "the orders upstream")
        self.fill()
        waiting.join(60)
        self.assertTrue(results, self.bridge.process.log()[-500:])
        self.assertEqual((results[0].status, self.processed(*batch)), (200, [1] * len(batch)), results[0].body[:500])
        self.bridge.kill()
        self.make_room()
        self.bridge.start()
        wait_for(lambda: self.fate(batch[0]["requestUuid"]) == "placed", "its fate")
        again = self.place(*batch)
        self.assertEqual((again.status, again.uuids(), len(self.sends(*batch))), (200, results[0].uuids(), 1))


class Secrets(Trading):
    ABP, MM, SCRAPING = "canary-abp-4b1d7c0e9f62", str(uuid.UUID(int=0xCA9A5700C0DE4DEAB0BB1E5A17C0FFEE, version=4)), "canary-scraping-8e21f0"
    TOKEN = "canary-token-77aa11bb22cc"

    def test_no_key_and_no_token_shows_anywhere(self):
        self.vendor = self.sim("--no-limits", "--abp-key", self.ABP, "--mm-key", self.MM, "--scraping-key", self.SCRAPING, tls=False)
        keys = {"abp": self.ABP, "mm": self.MM, "scraping": self.SCRAPING}
        upstreams = "upstreams:\n"
        for api, key in keys.items():
            ws = f'ws_url: "{self.vendor.urls[api + "_ws"]}", ' if api != "scraping" else ""
            upstreams += f'  {api}: {{url: "{self.vendor.urls[api]}", {ws}api_key: "{key}", rate_limit: 1000/s, retry: {{attempts: 2, backoff: 10ms}}}}\n'
        extra = f"log: {{level: trace}}\nclients:\n  - {{name: all, token: {self.TOKEN}, allow: [read, trade, scrape, accounts, events, admin]}}\n"
        self.bridge = self.daemon(upstreams, extra, start=False)
        self.bridge.start(up=False)
        TOKENS["all"] = self.TOKEN
        self.addCleanup(TOKENS.pop, "all")
        wait_for(lambda: self.vendor.sessions() == 1 and self.vendor.sessions("mm") == 1, "sessions")
        answers = []
        def call(method, path, body=None, headers=None):
            answers.append(self.call(method, path, body, headers, app="all"))
        def everything():
            for path in ("/abp/accounts", "/abp/nothing", "/mm/api/v1/me", "/mm/api/v1/orders/999", "/scraping/network/status", "/scraping/fetch", "/abp/ws", "/abp/orders?apiKey=x"):
                call("GET", path)
            call("POST", "/abp/place-orders", json.dumps({"orders": [order()]}), {**JSON, "X-Bridge-Timeout": "2s"})
            call("POST", "/abp/place-orders", "{", JSON)
            call("POST", "/abp/cancel-all-orders")
            call("POST", "/scraping/browser", json.dumps({"apiKey": "theirs", "url": "http://127.0.0.1:9/", "timeout": 2}), JSON)
            call("POST", "/scraping/browser", '{"apiKey": ', JSON)
            call("POST", "/scraping/amqp", json.dumps({"host": "127.0.0.1", "port": 9, "apiKey": "theirs"}), JSON)
        everything()
        for fault in ({"fault": "rest", "status": 500}, {"fault": "garbage", "text": "junk"}, {"fault": "lost_after"}, {"fault": "wrong_length", "by": 10}, {"fault": "redirect", "location": "/x"}):
            self.vendor.fault(**fault)
            everything()
            self.vendor.clear()
        self.vendor.control("POST", "/key", {"api": "abp", "key": self.ABP, "state": "inactive"})
        self.vendor.fault("drop")
        everything()
        wait_for(lambda: "REFUSED" in self.bridge.process.log() or "inactive" in self.bridge.process.log(), "the refused login")
        for path in ("/metrics", "/status", "/events/page?limit=1000", "/readyz?verbose", "/trades/" + str(uuid.uuid4()), "/nothing", "/", "/admin/nothing"):
            call("GET", path)
        shown = {"answers": b"".join(a.body + str(a.headers.items()).encode() for a in answers)}
        def read(path):
            with open(path, "rb") as f:
                return f.read()
        shown["cmdline"] = read(f"/proc/{self.bridge.process.pid}/cmdline")
        shown["environ"] = read(f"/proc/{self.bridge.process.pid}/environ")
        for verb in (["config", "show"], ["check"]):
            done = subprocess.run([os.path.join(BIN, "bridge55"), *verb, "--config", self.bridge.config_path], capture_output=True, timeout=30, check=False)
            shown[" ".join(verb)] = done.stdout + done.stderr
        self.assertEqual(self.bridge.stop(), 0)
        shown["log"] = self.bridge.process.log().encode()
        for folder, _, files in os.walk(os.path.join(self.folder, "state")):
            for name in files:
                shown[name] = read(os.path.join(folder, name))
        for secret in (*keys.values(), self.TOKEN):
            for form in (secret.encode(), urllib.parse.quote(secret).encode(), base64.b64encode(secret.encode()), secret.replace("-", "").encode(), uuid_bytes(secret)):
                for where, text in shown.items():
                    self.assertNotIn(form, text, f"{secret} in {where}: …{text[max(0, text.find(form) - 100):text.find(form) + 60]!r}")


def uuid_bytes(secret):
    try:
        return uuid.UUID(secret).bytes
    except ValueError:
        return secret.encode()


class Soak(Storm):
    def test_ten_thousand_placements_among_faults(self):
        self.storm(10_000)

    def test_sigkill_a_hundred_times_under_placements(self):
        kill_at_random(self, 100)


if __name__ == "__main__":
    main()
