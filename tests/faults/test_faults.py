#!/usr/bin/python3
"""What must be survived: SIGKILL at named points, full and failing disks, a vendor that misbehaves, a machine without descriptors or with
a stepping clock. Held after each: nothing acknowledged is lost, order kept, each fact once by message_id, gaps said, recovery by itself."""

import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from harness import Case, main, order_ids, request, wait_for  # noqa: E402

# Passed while events flow in, are journaled and acknowledged upstream.
LOAD_POINTS = ["hub.publish.before", "hub.publish.numbered", "hub.flush.appended", "hub.wake.live", "hub.wake.durable",
               "journal.append.after", "journal.commit.before", "journal.commit.after",
               "upstream.receive.before", "upstream.receive.after", "upstream.ack.before", "upstream.ack.after"]
START_POINTS = ["journal.open.before", "journal.open.committed", "journal.ceiling.raised"]
STOP_POINTS = ["drain.begin", "drain.upstreams_stopped", "journal.close.before", "journal.close.committed"]
RELOAD_POINTS = ["reload.loaded", "reload.sinks", "reload.applied"]


class Emitter(threading.Thread):
    """Orders 0, 1, 2, … into the simulated vendor until stopped."""

    def __init__(self, sim, batch=10):
        super().__init__(daemon=True)
        self.sim, self.batch, self.count, self.done = sim, batch, 0, threading.Event()
        self.start()

    def run(self):
        while not self.done.is_set():
            self.sim.orders(self.batch, first=self.count)
            self.count += self.batch
            self.done.wait(0.005)

    def stop(self):
        self.done.set()
        self.join(30)
        return self.count


class Reliable(Case):
    """The vendor keeps what is not acknowledged and sends it again, so that every order must end in the journal exactly once."""

    def reliable(self, *options, extra="", **settings):
        sim = self.sim("--batch-ack", "--journal", "1000000", *options)
        upstreams = sim.upstream("abp").replace("api_key:", "reliable_delivery: true, api_key:")
        return sim, self.daemon(upstreams, extra=extra, **settings)

    def assert_every_order_once(self, daemon, expected):
        """`expected`: the order ids, or how many from 0 on."""
        expected = set(range(expected)) if isinstance(expected, int) else expected

        def missing():
            return expected - set(order_ids(daemon.all_events("channel=orders")))
        wait_for(lambda: not missing(), f"{len(expected)} orders in the journal", 60, every=0.2)
        events = daemon.all_events()
        ids = [int(event["id"]) for event in events]
        self.assertEqual(ids, sorted(set(ids)), "ids increase and never repeat")
        orders = [event for event in events if event["channel"] == "orders"]
        self.assertEqual(sorted(order_ids(orders)), sorted(expected), "each order once, and no other")
        self.assertEqual(len({event["message_id"] for event in orders}), len(orders))

    def handed_over(self, sim):
        """The orders that the vendor handed to a session: acknowledged, or handed again to the next one."""
        orders, after = set(), 0
        while True:
            page = sim.control("GET", f"/sent?after={after}&limit=10000")
            if not page["frames"]:
                return orders
            for frame in page["frames"]:
                message = json.loads(frame["text"]) if "text" in frame and frame["kind"] in ("data", "redelivered") else {}
                if message.get("channel") == "orders":
                    orders.add(message["payload"]["orderId"])
            after = page["frames"][-1]["n"]


@unittest.skipUnless(os.environ.get("BRIDGE55_CRASH_POINTS", "ON") == "ON", "not a build with crash points")
class Killed(Reliable):
    def die_at(self, point, count, provoke=None):
        self.setUp()  # a folder for each point
        sim, daemon = self.reliable(start=False)
        daemon.env["BRIDGE55_CRASH"] = f"{point}:{count}"
        emitter = None
        daemon.launch()
        if count > 1 or provoke:
            wait_for(lambda: daemon.serving() or not daemon.process.running(), "the daemon")
            emitter = Emitter(sim)
            self.addCleanup(emitter.stop)
            consumer = subprocess.Popen(["curl", "-sN", daemon.url + "/events?consumer=c"], stdout=subprocess.DEVNULL)
            self.addCleanup(consumer.wait)
            self.addCleanup(consumer.kill)
        if provoke:
            wait_for(lambda: daemon.metric("bridge55_events_total") > 100, "events")
            provoke(daemon)
        wait_for(lambda: not daemon.process.running(), f"death at {point}", 30)
        self.assertEqual(daemon.process.child.returncode, -signal.SIGKILL, f"{point}: {daemon.process.log()[-2000:]}")
        del daemon.env["BRIDGE55_CRASH"]
        daemon.start()
        sent = emitter.stop() if emitter else 0
        sim.orders(5, first=sent)
        wait_for(lambda: sent + 4 in self.handed_over(sim), "the last order to be handed over")
        self.assert_every_order_once(daemon, self.handed_over(sim))
        self.assertEqual(daemon.stop(), 0)

    def test_sigkill_at_each_point_of_an_events_way_loses_nothing(self):
        for point in LOAD_POINTS:
            with self.subTest(point):
                self.die_at(point, 30)

    def test_sigkill_at_the_start_is_harmless(self):
        for point in START_POINTS:
            with self.subTest(point):
                self.die_at(point, 1)

    def test_sigkill_while_stopping_loses_nothing(self):
        for point in STOP_POINTS:
            with self.subTest(point):
                self.die_at(point, 1, provoke=lambda daemon: daemon.process.kill(signal.SIGTERM))

    def test_sigkill_while_reloading_loses_nothing(self):
        def reload(daemon):
            daemon.extra += "log: {level: debug}\n"
            daemon.write_config()
            daemon.process.kill(signal.SIGHUP)
        for point in RELOAD_POINTS:
            with self.subTest(point):
                self.die_at(point, 1, provoke=reload)

    def test_sigkill_at_random_moments_loses_nothing(self):
        kill_at_random(self, 8)

    def test_a_crash_during_every_start_is_no_crash_loop(self):
        sim, daemon = self.reliable()
        sim.orders(20)
        self.assert_every_order_once(daemon, 20)
        daemon.kill()
        daemon.env["BRIDGE55_CRASH"] = "journal.open.committed:1"
        for _ in range(20):
            daemon.launch()
            daemon.process.wait()
        del daemon.env["BRIDGE55_CRASH"]
        daemon.start()
        sim.orders(1, first=20)
        self.assert_every_order_once(daemon, 21)


def kill_at_random(case, times):
    sim, daemon = case.reliable()
    emitter = Emitter(sim)
    chance = random.Random(55)
    for _ in range(times):
        before = daemon.metric("bridge55_events_total") or 0
        wait_for(lambda: (daemon.metric("bridge55_events_total") or 0) > before + chance.randrange(1, 300), "events")
        daemon.kill()
        daemon.start()
    sent = emitter.stop()
    sim.orders(1, first=sent)
    wait_for(lambda: sent in case.handed_over(sim), "the last order to be handed over")
    case.assert_every_order_once(daemon, case.handed_over(sim))


class Disk(Reliable):
    def test_a_full_disk_stops_acks_and_readiness_but_not_live_delivery(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        state = os.path.join(self.folder, "small")
        os.mkdir(state)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", state], check=False, capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("cannot mount here: " + mounted.stderr.decode())
        self.addCleanup(subprocess.run, ["umount", "-l", state], check=False)
        sim, daemon = self.reliable(extra=f"journal: {{path: {state}/journal.db}}\n")
        feed = self.feed(daemon.events_socket)
        wait_for(lambda: daemon.metric("bridge55_consumers") == 1, "the consumer")
        sim.orders(10)
        wait_for(lambda: sim.stats()["abp"]["acked"] >= 10, "acks")
        with open(os.path.join(state, "filler"), "wb") as filler:
            try:
                while True:
                    filler.write(bytes(65536))
                    filler.flush()
            except OSError:
                pass
        emitted = 10
        while request("GET", daemon.url + "/readyz")[0] == 200:
            self.assertLess(emitted, 20_000, "the disk never filled")
            sim.orders(50, first=emitted)
            emitted += 50
            time.sleep(0.02)
        status, _, body = request("GET", daemon.url + "/readyz?verbose")
        self.assertEqual(status, 503)
        self.assertIn(b"journal", body)
        acked = sim.stats()["abp"]["acked"]
        self.assertLess(acked, emitted)
        self.assertEqual(request("GET", daemon.url + "/healthz")[0], 200)
        feed.wait(lambda items: len(items) > 10, "live delivery while the disk is full")
        os.unlink(os.path.join(state, "filler"))
        wait_for(lambda: request("GET", daemon.url + "/readyz")[0] == 200, "readiness when space is back")
        wait_for(lambda: set(order_ids(daemon.all_events("channel=orders"))) == set(range(emitted)), "all orders journaled")
        feed.wait(lambda items: len(items) >= emitted, "all orders live")

    def test_a_failed_sync_ends_the_daemon_and_nothing_is_acknowledged_after_it(self):
        if not os.path.exists("/usr/bin/fiu-run"):
            self.skipTest("fiu-run is not installed")
        sim, daemon = self.reliable(start=False)
        folder = os.path.join(self.folder, "fiu")
        daemon.env.update({"LD_PRELOAD": "/usr/lib/fiu/fiu_run_preload.so /usr/lib/fiu/fiu_posix_preload.so", "FIU_CTRL_FIFO": folder})
        daemon.launch()
        wait_for(lambda: daemon.serving() or not daemon.process.running(), "the daemon")
        daemon.wait_up("abp")
        sim.orders(10)
        wait_for(lambda: sim.stats()["abp"]["acked"] >= 10, "acks")
        subprocess.run(["fiu-ctrl", "-f", folder, "-c", "enable name=posix/io/sync/fdatasync,failinfo=5",
                        str(daemon.process.pid)], check=True, capture_output=True)
        acked = sim.stats()["abp"]["acked"]
        sim.orders(10, first=10)
        self.assertEqual(daemon.process.wait(), 69, daemon.process.log()[-2000:])
        self.assertEqual(sim.stats()["abp"]["acked"], acked)
        for name in ("LD_PRELOAD", "FIU_CTRL_FIFO"):
            del daemon.env[name]
        daemon.start()
        self.assert_every_order_once(daemon, 20)

    def test_a_stalled_disk_delays_acks_but_neither_live_delivery_nor_pings(self):
        sim, daemon = self.reliable("--ping-ms", "100", "--pong-ms", "1500", start=False)
        daemon.env.update({"LD_PRELOAD": os.environ["SLOW_SYNC"], "SLOW_SYNC_MS": "2500"})
        daemon.launch()
        wait_for(lambda: daemon.serving() or not daemon.process.running(), "the daemon", 60)
        daemon.wait_up("abp", deadline=60)
        feed = self.feed(daemon.events_socket)
        wait_for(lambda: daemon.metric("bridge55_consumers") == 1, "the consumer")
        sim.orders(5)
        feed.wait(lambda items: len(items) >= 5, "live delivery")
        self.assertLess(int(daemon.status()["journal"]["durable_id"]), int(feed.events()[-1]["id"]), "the disk is still busy")
        wait_for(lambda: sim.stats()["abp"]["acked"] >= 5, "late acks")
        self.assertEqual(sim.stats()["abp"]["pong_timeouts"], 0)

    def test_a_damaged_journal_is_set_aside_and_said_and_never_delivered(self):
        sim, daemon = self.reliable()
        sim.orders(200)
        self.assert_every_order_once(daemon, 200)
        self.assertEqual(daemon.stop(), 0)
        with open(daemon.journal, "r+b") as f:
            f.write(b"this is no database")
        daemon.start()
        kept = [name for name in os.listdir(os.path.dirname(daemon.journal)) if "damaged" in name]
        self.assertTrue(kept)
        gaps = [e for e in daemon.all_events("channel=gap")]
        self.assertTrue(any(e["payload"].get("reason") == "journal" for e in gaps), gaps)

    def test_a_state_folder_that_is_a_symlink_is_refused(self):
        sim = self.sim()
        os.mkdir(os.path.join(self.folder, "real"))
        os.symlink(os.path.join(self.folder, "real"), os.path.join(self.folder, "state"))
        daemon = self.daemon(sim.upstream("abp"), start=False)
        daemon.launch()
        self.assertIn(daemon.process.wait(), (69, 77, 78))
        self.assertIn("symbolic link", daemon.process.log())


class Upstream(Reliable):
    def check_recovers(self, sim, daemon, first):
        sim.clear()
        daemon.wait_up("abp")
        sim.orders(3, first=first)
        self.assert_every_order_once(daemon, first + 3)

    def test_every_way_a_session_can_end_is_survived(self):
        sim, daemon = self.reliable(extra="")
        first = 0
        faults = [("drop", {}), ("fin", {}), ("truncate", {}), ("bytes", {"base64": "/////////w=="}), ("reconnect_notice", {"for_ms": 50})]
        faults += [("close", {"code": code}) for code in (1001, 1008, 1011, 1012, 1013, 4000)]
        for fault, options in faults:
            with self.subTest(fault=fault, **options):
                before = sim.stats()["abp"]["logins"]
                sim.fault(fault, **options)
                wait_for(lambda: sim.stats()["abp"]["logins"] > before, "a new login", 60)
                self.check_recovers(sim, daemon, first)
                first += 3

    def test_a_silent_or_trickling_session_is_found_by_timers(self):
        sim, daemon = self.reliable(start=False)
        daemon.upstreams = daemon.upstreams.replace("api_key:", "keep_alive: {interval: 200ms, dead_after: 500ms}, api_key:")
        daemon.write_config()
        daemon.start()
        before = sim.stats()["abp"]["logins"]
        sim.fault("stall", for_ms=60_000)
        wait_for(lambda: sim.stats()["abp"]["logins"] > before, "a new login")
        self.check_recovers(sim, daemon, 0)

    def test_each_phase_of_a_connect_has_its_own_deadline(self):
        sim, daemon = self.reliable(start=False)
        daemon.upstreams = daemon.upstreams.replace("api_key:", "timeouts: {connect: 300ms, login: 300ms}, api_key:")
        daemon.write_config()
        for fault in ("hang_handshake", "hang_login", "refuse_connect"):
            with self.subTest(fault):
                sim.fault(fault)
                daemon.start(up=False)
                wait_for(lambda: daemon.status()["sessions"][0]["state"] == "DOWN", "DOWN")
                self.assertTrue(daemon.status()["sessions"][0]["reason"])
                sim.clear()
                daemon.wait_up("abp")
                daemon.kill()

    def test_certificates_that_do_not_verify_are_refused(self):
        for bad in ("expired", "wrong-name", "unknown-ca"):
            with self.subTest(bad):
                sim = self.sim("--tls-cert", bad)
                daemon = self.daemon(sim.upstream("abp"), start=False)
                daemon.start(up=False)
                wait_for(lambda: daemon.status()["sessions"][0]["state"] == "DOWN", "DOWN")
                self.assertIn("certificate", daemon.status()["sessions"][0]["reason"])
                self.assertEqual(sim.stats()["abp"]["logins"], 0)
                daemon.kill()
                sim.process.end()

    def test_a_connection_limit_is_said_as_that(self):
        sim = self.sim("--connections-per-key", "1")
        daemon = self.daemon(sim.upstream("abp"))
        other = os.path.join(self.folder, "other")
        os.mkdir(other)
        from harness import Daemon
        second = Daemon(other, sim.upstream("abp"), start=False)
        self.addCleanup(lambda: second.process and second.process.end())
        second.start(up=False)
        wait_for(lambda: second.status()["sessions"][0]["state"] == "REJECTED", "REJECTED")
        self.assertIn("Connection limit exceeded", second.status()["sessions"][0]["reason"])
        self.assertEqual(daemon.status()["sessions"][0]["state"], "UP")

    def test_huge_and_fragmented_frames_pass_or_are_kept(self):
        sim, daemon = self.reliable()
        sim.fault("fragment", count=5)
        sim.orders(5)
        self.assert_every_order_once(daemon, 5)
        big = "x" * (17 << 20)
        sim.fault("malformed", text=big)
        sim.orders(1, first=5)
        self.assert_every_order_once(daemon, 6)
        kept = daemon.all_events("channel=quarantine")
        self.assertEqual(kept[0]["payload"]["size"], len(big))


class Machine(Reliable):
    def test_ids_increase_over_restarts_whatever_the_clock_does(self):
        library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
        if not os.path.exists(library):
            self.skipTest("libfaketime is not installed")
        sim, daemon = self.reliable()
        sim.orders(5)
        self.assert_every_order_once(daemon, 5)
        first = 5
        for shift in ("-1h", "+2h", "-3650d"):
            daemon.kill()
            daemon.env.update({"LD_PRELOAD": library, "FAKETIME": shift, "DONT_FAKE_MONOTONIC": "1"})
            if shift == "-3650d":  # certificates are not valid then
                daemon.upstreams = daemon.upstreams.replace("ca_file:", "verify: false, ca_file:")
                daemon.write_config()
            daemon.start()
            sim.orders(5, first=first)
            first += 5
            self.assert_every_order_once(daemon, first)

    def test_out_of_descriptors_existing_sessions_go_on_and_accepting_comes_back(self):
        sim, daemon = self.reliable()
        feed = self.feed(daemon.events_socket)
        wait_for(lambda: daemon.metric("bridge55_consumers") == 1, "the consumer")
        used = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used + 5, 4096))
        clients = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(30)]
        before = cpu_seconds(daemon.process.pid)
        sim.orders(20)
        feed.wait(lambda items: len(items) >= 20, "live events")
        wait_for(lambda: sim.stats()["abp"]["acked"] >= 20, "acks")
        self.assertLess(cpu_seconds(daemon.process.pid) - before, 5, "accepting does not spin")
        for client in clients:
            client.close()
        wait_for(lambda: request("GET", daemon.url + "/healthz")[0] == 200, "service as before")

    def test_a_consumer_that_reads_nothing_slows_nobody_and_gets_everything_later(self):
        sim, daemon = self.reliable("--queue", "0")
        stuck = socket.socket(socket.AF_UNIX)
        self.addCleanup(stuck.close)
        stuck.connect(daemon.events_socket)
        feed = self.feed(daemon.events_socket)
        wait_for(lambda: daemon.metric("bridge55_consumers") == 2, "two consumers")
        for turn in range(40):
            sim.orders(500, first=turn * 500)
        feed.wait(lambda items: len(items) >= 20_000, "the other consumer's events")
        memory = rss_bytes(daemon.process.pid)
        self.assertLess(memory, 300 << 20)
        stuck.settimeout(60)
        data = b""
        while data.count(b"\n") < 20_000:
            data += stuck.recv(1 << 20)
        self.assertEqual(order_ids([json.loads(line) for line in data.splitlines()[:20_000]]), list(range(20_000)))


class Soak(Reliable):
    def test_sigkill_a_thousand_times(self):
        kill_at_random(self, 1000)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="utf-8") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
