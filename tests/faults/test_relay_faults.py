#!/usr/bin/python3
"""Relays when something dies or stops: the network, its agent, the target, the app, the daemon. Each side that is left hears of it as the
contract says, half a frame is never taken for a whole one, and nothing is left behind in the daemon."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
from harness import Lines, main, request, wait_for  # noqa: E402
from relay_harness import RelayCase, descriptors, resident  # noqa: E402
from scripted_upstream import ScriptedUpstream, answer  # noqa: E402
from ws_peer import BINARY, CLOSE, TEXT, Gone, Refused, Target, connect, digest, encode, record, relay  # noqa: E402

BIG = encode(BINARY, os.urandom(10 << 20), mask=False)
BIG_UP = encode(BINARY, os.urandom(10 << 20))


def half_a_frame(data):
    """A target that says a part of a frame and waits for its end."""
    def serve(visit):
        visit.peer.send_raw(data[:len(data) // 2])
        record(visit)
    return serve


class Relays(RelayCase):
    def stands(self, *options, **settings):
        self.world(*options, **settings)
        self.stand_ready()

    def assert_serving(self):
        client = self.open(self.target())
        client.text("again")
        self.assertEqual(client.payload(TEXT), b"again")
        client.leave()

    def last_frames(self, peer):
        """What still comes: (close code or None, the Gone that it ended with)."""
        code = None
        while True:
            try:
                frame, payload = peer.frame()
            except Gone as gone:
                peer.leave()
                return code, gone
            if frame.opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                with contextlib.suppress(OSError):
                    peer.send(CLOSE, payload)

    # --- the far side ---------------------------------------------------------------------------------------------------------------------

    def test_a_network_that_dies_is_told_the_app_with_1011_between_frames(self):
        self.stands()
        client = self.open(self.target())
        self.net.process.kill()
        code, gone = self.last_frames(client)
        self.assertEqual((code, gone.mid_frame), (1011, False))
        self.assert_nothing_left()

    def test_a_network_that_dies_inside_a_frame_cuts_the_app_off(self):
        self.stands()
        client = self.open(self.target(half_a_frame(BIG)))
        client.early += client.socket.recv(1 << 16)  # some of it is on its way
        self.net.process.kill()
        code, gone = self.last_frames(client)
        self.assertEqual((code, gone.mid_frame), (None, True))
        self.assert_nothing_left()

    def test_an_agent_that_crashes_ends_the_relay_with_1011(self):
        self.stands()
        target = self.target(record)
        client = self.open(target)
        self.net.fault("relay_crash")
        self.assertEqual(client.closed()[0], 1011)
        client.close(1011)
        self.assertTrue(client.end_and_leave())
        target.visit().wait_end()
        self.assert_nothing_left()
        self.assert_serving()

    def test_every_way_in_which_the_network_cuts_ends_the_app(self):
        self.stands()
        for mid_frame in (False, True):
            for end in ("reset", "fin", "cut"):
                with self.subTest(mid_frame=mid_frame, end=end):
                    client = self.open(self.target(record))
                    self.net.fault("relay_cut", mid_frame=mid_frame, end=end)
                    code, gone = self.last_frames(client)
                    self.assertEqual((code, gone.mid_frame), (None, True) if mid_frame else (1011, False))
        self.assert_nothing_left()
        self.assert_serving()

    def test_a_target_that_goes_ends_the_relay(self):
        self.stands()
        for reset in (False, True):
            target = self.target(record)
            client = self.open(target)
            target.visit().peer.leave(reset)
            code, gone = self.last_frames(client)
            self.assertEqual((code, gone.mid_frame), (1011, False))
        self.assert_nothing_left()

    def test_a_target_that_goes_inside_a_frame_leaves_no_whole_one(self):
        self.stands()
        target = Target(lambda visit: (visit.peer.send_raw(BIG[:5 << 20]), visit.peer.leave()))
        self.addCleanup(target.close)
        client = self.open(target)
        _, gone = self.last_frames(client)
        self.assertTrue(gone.mid_frame)
        self.assert_nothing_left()

    def test_a_network_that_stops_and_goes_on_loses_nothing(self):
        self.stands()
        client = self.open(self.target())
        self.net.process.kill(signal.SIGSTOP)
        frames = [b"%d" % i * 1000 for i in range(500)]
        for frame in frames:
            client.send(TEXT, frame)
        self.net.process.kill(signal.SIGCONT)
        self.assertEqual([client.payload(TEXT) for _ in frames], frames)

    def test_an_app_that_leaves_while_the_network_is_stopped_leaves_nothing(self):
        self.stands()
        clients = [self.open(self.target(record)) for _ in range(2)]
        self.net.process.kill(signal.SIGSTOP)
        try:
            clients[0].leave()
            clients[1].leave(reset=True)
            self.assert_nothing_left()  # the far side cannot answer: a deadline ends it
        finally:
            self.net.process.kill(signal.SIGCONT)
        self.assert_serving()

    # --- the app --------------------------------------------------------------------------------------------------------------------------

    def test_an_app_that_dies_is_told_the_target(self):
        self.stands()
        for reset in (False, True):
            target = self.target(record)
            client = self.open(target)
            client.leave(reset)
            target.visit().wait_end()
            self.assertEqual(target.visit().close_seen() and target.visit().close_seen()[0], 1001)
        self.assert_nothing_left()

    def test_an_app_that_dies_inside_a_frame_leaves_no_whole_one(self):
        self.stands()
        for reset in (False, True):
            target = self.target(record)
            client = self.open(target)
            client.send_raw(BIG_UP[:5 << 20])
            client.leave(reset)
            target.visit().wait_end()
            self.assertTrue(all(frame.opcode == CLOSE for frame in target.visit().frames), target.visit().frames)
            self.assertIsNot(target.visit().close_seen() and target.visit().close_seen()[0], 1000)
        self.assert_nothing_left()

    def test_a_process_that_is_killed_is_an_app_that_died(self):
        self.stands()
        target = self.target(record)
        program = f"import sys; sys.path.insert(0, {os.path.dirname(sys.modules['ws_peer'].__file__)!r}); import ws_peer, time\n" \
                  f"p = ws_peer.relay({self.port}, {{'url': {target.url!r}}}); p.payload(); print('open', flush=True); time.sleep(60)\n"
        app = subprocess.Popen(["/usr/bin/python3", "-c", program], stdout=subprocess.PIPE)
        self.addCleanup(app.stdout.close)
        self.assertEqual(app.stdout.readline(), b"open\n")
        app.kill()
        app.wait()
        target.visit().wait_end()
        self.assert_nothing_left()

    def test_an_app_that_stops_and_goes_on_loses_nothing(self):
        self.stands()
        target = self.target(record)
        program = f"import sys, time; sys.path.insert(0, {os.path.dirname(sys.modules['ws_peer'].__file__)!r}); import ws_peer\n" \
                  f"p = ws_peer.relay({self.port}, {{'url': {target.url!r}}}); p.payload(); print('open', flush=True)\n" \
                  "for _ in range(30): print(p.frame()[0].digest, flush=True)\n"
        app = Lines(["/usr/bin/python3", "-c", program])
        self.addCleanup(app.close)
        app.wait(lambda items: items, "the app")
        app.child.send_signal(signal.SIGSTOP)
        frames = [encode(BINARY, b"%d" % i * 400_000, mask=False) for i in range(30)]  # more than the kernel takes
        sender = threading.Thread(target=lambda: [target.visit().peer.send_raw(frame) for frame in frames])
        sender.start()
        other = self.open(self.target())
        other.text("meanwhile")
        self.assertEqual(other.payload(TEXT), b"meanwhile")
        app.child.send_signal(signal.SIGCONT)
        app.wait(lambda items: len(items) == 31, "everything at the app")
        sender.join()
        self.assertEqual([line.decode().strip() for line in app.items[1:]], [digest(b"%d" % i * 400_000) for i in range(30)])

    def test_an_app_that_stops_reading_and_leaves_ends_the_target_in_time(self):
        self.stands()
        sent = [0]
        def serve(visit):
            while True:
                visit.peer.send_raw(BIG)
                sent[0] += 1
        target = self.target(serve)
        client = self.open(target)
        wait_for(lambda: target.visit(), "the target")
        client.leave(reset=True)
        target.visit().wait_end()
        self.assert_nothing_left()

    def test_a_thousand_connects_and_leaves_cost_no_memory_and_no_descriptor(self):
        self.stands(extra="log: {level: error}\n")
        target = self.target(record)
        def round_of(count, first):
            for number in range(first, first + count):
                kind = number % 5
                if kind == 0:  # the handshake alone
                    connect(self.port, "/scraping/ws").leave()
                elif kind == 1:  # while the target is reached
                    relay(self.port, {"url": target.url}).leave(reset=number % 2 == 1)
                elif kind == 2:
                    client = relay(self.port, {"url": target.url})
                    client.payload(TEXT)
                    client.leave(reset=number % 2 == 1)
                elif kind == 3:
                    client = relay(self.port, {"url": target.url})
                    client.payload(TEXT)
                    client.close()
                    client.closed()
                    client.leave()
                else:
                    client = relay(self.port, {"url": "ws://127.0.0.1:9/"})
                    client.payload(TEXT)
                    client.leave()
        def rounds(count, first):
            threads = [threading.Thread(target=round_of, args=(count // 4, first + i * count // 4)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assert_nothing_left()
        rounds(300, 0)
        before = resident(self.door.process.pid)
        rounds(1000, 300)
        self.assert_memory(resident(self.door.process.pid) - before, 1024)
        self.assert_serving()

    # --- the daemon -----------------------------------------------------------------------------------------------------------------------

    def test_a_daemon_that_is_killed_ends_both_sides_and_serves_again(self):
        self.stands()
        target = self.target(record)
        client = self.open(target)
        self.door.kill()
        code, _ = self.last_frames(client)
        self.assertIsNone(code)
        target.visit().wait_end()
        self.door.start(up=False)
        self.assert_serving()

    def test_sigterm_says_1001_to_both_sides_between_frames(self):
        self.stands()
        target = self.target(record)
        client = self.open(target)
        self.door.process.kill(signal.SIGTERM)
        self.assertEqual(client.closed()[0], 1001)
        client.close(1001)
        self.assertTrue(client.end_and_leave())
        target.visit().wait_end()
        self.assertEqual(target.visit().close_seen()[0], 1001)
        self.assertEqual(self.door.process.wait(), 0)

    def test_sigterm_does_not_wait_for_an_app_that_has_answered_and_leaves_its_socket_open(self):
        self.stands()
        target = self.target(record)
        client = self.open(target)
        self.door.process.kill(signal.SIGTERM)
        self.assertEqual(client.closed()[0], 1001)
        client.close(1001)
        self.assertTrue(client.end())
        target.visit().wait_end()
        self.assertEqual(self.door.process.wait(), 0)
        self.assertNotIn("not over in time", self.door.process.log())

    def test_sigterm_waits_for_the_end_of_a_frame_downstream(self):
        self.stands()
        go = threading.Event()
        def serve(visit):
            visit.peer.send_raw(BIG[:3 << 20])
            go.wait(30)
            visit.peer.send_raw(BIG[3 << 20:])
            record(visit)
        target = self.target(serve)
        client = self.open(target)
        client.early += client.socket.recv(1 << 16)
        self.door.process.kill(signal.SIGTERM)
        wait_for(lambda: not self.accepts(), "the daemon to stop accepting")
        go.set()
        frame, _ = client.frame()
        self.assertEqual((frame.opcode, frame.length), (BINARY, 10 << 20))
        self.assertEqual(client.closed()[0], 1001)
        client.close(1001)
        self.assertTrue(client.end_and_leave())
        self.assertEqual(self.door.process.wait(), 0)

    def test_sigterm_waits_for_the_end_of_a_frame_upstream(self):
        self.stands()
        target = self.target(record)
        client = self.open(target)
        client.send_raw(BIG_UP[:3 << 20])
        self.door.process.kill(signal.SIGTERM)
        wait_for(lambda: not self.accepts(), "the daemon to stop accepting")
        client.send_raw(BIG_UP[3 << 20:])
        frames = target.visit().wait_frames(2)
        self.assertEqual([(frame.opcode, frame.length) for frame in frames][0], (BINARY, 10 << 20))
        self.assertEqual(frames[1].opcode, CLOSE)
        self.assertEqual(target.visit().close_seen()[0], 1001)
        self.assertEqual(client.closed()[0], 1001)
        client.close(1001)
        self.assertTrue(client.end_and_leave())
        self.assertEqual(self.door.process.wait(), 0)

    def test_sigterm_does_not_wait_for_ever_for_a_frames_end_nor_for_a_side_that_reads_nothing(self):
        self.stands()
        cut = self.open(self.target(half_a_frame(BIG)))
        cut.early += cut.socket.recv(1 << 16)
        full = self.open(self.target(lambda visit: [visit.peer.send_raw(BIG) for _ in range(20)]))
        self.assertEqual(self.door.stop(), 0)
        _, gone = self.last_frames(cut)
        self.assertTrue(gone.mid_frame)
        full.leave()

    def test_sigterm_ends_those_that_have_not_said_whom_they_want_and_those_on_their_way(self):
        self.stands()
        self.net.fault("relay_slow", delay_ms=30000)
        silent = connect(self.port, "/scraping/ws")
        target = self.target(record)
        waiting = relay(self.port, {"url": target.url})
        wait_for(self.relays, "the relay to be under way")
        self.door.process.kill(signal.SIGTERM)
        self.assertEqual(silent.closed()[0], 1001)
        silent.leave()
        while True:
            frame, payload = waiting.frame()
            if frame.opcode == CLOSE:
                break
        self.assertEqual(int.from_bytes(payload[:2], "big"), 1001)
        waiting.leave()
        self.assertEqual(self.door.process.wait(), 0)

    def page(self, wait):
        """A page that is answered when `wait` is set."""
        page = ScriptedUpstream(lambda r, c: answer(200, b"late") if wait.wait(30) else None)
        self.addCleanup(page.close)
        return page

    def test_sigterm_lets_a_fetch_end_and_refuses_a_socket_on_its_way(self):
        self.stands()
        self.net.fault("relay_slow", delay_ms=30000)
        go, target = threading.Event(), self.target(record)
        page = self.page(go)
        fetched, refused = [], []
        def open_socket():
            try:
                connect(self.port, "/via/" + target.url)
            except Refused as error:
                refused.append(error)
        threads = [threading.Thread(target=lambda: fetched.append(request("GET", f"{self.door.url}/via/{page.url}/"))), threading.Thread(target=open_socket)]
        for thread in threads:
            thread.start()
        wait_for(lambda: page.requests and self.relays()[-1]["state"] != "closed", "both to be under way")
        self.door.process.kill(signal.SIGTERM)
        threads[1].join()
        self.assertEqual((refused[0].status, json.loads(refused[0].body)["detail"]["code"]), (503, "DRAINING"))
        go.set()
        threads[0].join()
        self.assertEqual((fetched[0][0], fetched[0][2]), (200, b"late"))
        self.assertEqual(self.door.process.wait(), 0)

    def test_apps_that_leave_their_fetch_leave_nothing(self):
        self.stands()
        go = threading.Event()
        page = self.page(go)
        sockets = []
        for number in range(20):
            sock = socket.create_connection(("127.0.0.1", self.port))
            sock.sendall(f"GET /via/{page.url}/{number} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
            sockets.append(sock)
        wait_for(lambda: len(page.requests) == 20, "all of them at the page")
        for sock in sockets:
            sock.close()
        wait_for(lambda: descriptors(self.door.process.pid) <= self.descriptors_before + 1, "their connections to be given up")
        go.set()
        self.assert_serving()

    def accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            return True
        except OSError:
            return False

    def test_a_daemon_that_stops_and_goes_on_loses_nothing(self):
        self.stands()
        client = self.open(self.target())
        self.door.process.kill(signal.SIGSTOP)
        frames = [b"%d" % i * 100 for i in range(200)]
        for frame in frames:
            client.send(TEXT, frame)
        self.door.process.kill(signal.SIGCONT)
        self.assertEqual([client.payload(TEXT) for _ in frames], frames)

    # --- garbage --------------------------------------------------------------------------------------------------------------------------

    def test_floods_before_the_connect_message_end_and_hold_nobody(self):
        self.stands()
        pong, fragment = encode(10), encode(0, fin=False)
        ended = []

        def flood(first, endless):
            peer = connect(self.door.port, "/scraping/ws")
            with contextlib.suppress(OSError):
                peer.send_raw(first)
                while True:
                    peer.send_raw(endless * 4096)
            ended.append(peer)
        floods = [threading.Thread(target=flood, args=what, daemon=True)
                  for what in ((pong, pong), (pong, pong), (encode(TEXT, b"{", fin=False), fragment), (encode(TEXT, b"{", fin=False), fragment))]
        for each in floods:
            each.start()
        self.assert_serving()
        self.assertEqual(request("GET", self.door.url + "/healthz")[0], 200)
        wait_for(lambda: len(ended) == len(floods), "the daemon to end those that only flood")
        for peer in ended:
            peer.leave(reset=True)

    def test_what_breaks_the_protocol_passes_or_ends_and_harms_nobody(self):
        self.stands()
        other = self.open(self.target())
        for data in (b"\xff" * 1000, encode(TEXT, b"x", mask=False), b"\x83\x80abcd", encode(CLOSE, b"\x03", mask=True), b"\x82\xff" + b"\xff" * 8 + b"mask" + b"x" * 5000,
                     b"GET / HTTP/1.1\r\n\r\n", os.urandom(65536)):
            target = self.target(record)
            client = self.open(target)
            client.send_raw(data)
            client.leave()
            target.visit().wait_end()
        for data in (b"\xff" * 1000, encode(TEXT, b"x"), b"\x83\x00", b"\x82\x7f" + b"\xff" * 8 + b"x" * 5000, os.urandom(65536)):
            target = self.target(lambda visit, data=data: visit.peer.send_raw(data))
            client = self.open(target)
            with contextlib.suppress(Gone, AssertionError):
                client.frame()
            client.leave()
        other.text("still here")
        self.assertEqual(other.payload(TEXT), b"still here")
        other.leave()
        self.assert_nothing_left()


if __name__ == "__main__":
    main()
