"""bridge55-sim from outside, with an independent WebSocket client. Usage: test_sim.py path/to/bridge55-sim [test …]"""
import asyncio
import base64
import json
import ssl
import subprocess
import sys
import unittest

import harness
from harness import ABP_KEY, MM_KEY, PATIENCE, SimTest, soon


class Serving(SimTest):
    async def test_tells_its_ports_on_stdout_and_in_the_file_and_ends_with_0_on_sigterm(self):
        sim = self.start("--tls")
        with open(sim.ports_file) as file:
            self.assertEqual(json.load(file), sim.ports)
        await self.login("abp", self.trusting())
        self.assertEqual(sim.stop(), 0)

    async def test_both_apis_over_tls_and_on_one_port(self):
        sim = self.start("--tls", "--mm", "same")
        self.assertEqual(sim.ports["abp"], sim.ports["mm"])
        await self.login("abp", self.trusting())
        await self.login("mm", self.trusting())

    async def test_bad_certificates_are_what_they_claim_to_be(self):
        for edition, words in (("expired", "expired"), ("wrong-name", "mismatch"), ("unknown-ca", "signature|issuer")):
            sim = self.start("--tls", "--tls-cert", edition)
            with self.assertRaisesRegex(ssl.SSLCertVerificationError, words):
                await self.connect(context=self.trusting())
            sim.stop()

    async def test_usage_errors_exit_with_64(self):
        done = subprocess.run([harness.BINARY, "--rate", "fast"], capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 64)

    async def test_rest_answers_with_the_documented_errors(self):
        sim = self.start("--abp-limit", "2", "--abp-inactive-key", "sleeping")
        self.assertEqual(sim.rest("abp", "/accounts")[:2],
                         (401, {"detail": {"message": "Missing X-API-Key header", "code": "UNAUTHORIZED"}}))
        self.assertEqual(sim.rest("abp", "/accounts", "no")[:2],
                         (401, {"detail": {"message": "Invalid API key", "code": "UNAUTHORIZED"}}))
        self.assertEqual(sim.rest("abp", "/accounts", "sleeping")[0], 403)
        self.assertEqual(sim.rest("mm", "/api/v1/me", "no")[:2], (401, {"detail": "Invalid or missing API key"}))
        self.assertEqual(sim.rest("mm", "/api/v1/me", MM_KEY)[1]["active"], True)
        self.assertEqual(sim.rest("abp", "/ws")[0], 426)
        self.assertEqual(sim.rest("mm", "/ws/subscribe")[0], 426)
        for _ in range(2):
            self.assertEqual(sim.rest("abp", "/accounts", ABP_KEY)[0], 200)
        self.assertEqual(sim.rest("abp", "/accounts", ABP_KEY)[:2], (429, {"detail": "Rate limit exceeded"}))
        sim.control("/times", {"abp_limit": 3})
        self.assertEqual(sim.rest("abp", "/accounts", ABP_KEY)[0], 200)

    async def test_what_is_received_is_byte_for_byte_what_the_journal_says(self):
        self.start("--rate", "5000")
        for api in ("abp", "mm"):
            ws = await self.login(api)
            got = [(await soon(ws.recv())).encode() for _ in range(500)]
            journal = [f for f in self.sim.control("/sent?limit=100000&kind=data")["frames"] if f["api"] == api]
            self.assertEqual([f["text"].encode() for f in journal[:500]], got)
        seqs = [json.loads(text)["seq"] for text in self.sim.sent(kind="data") if b'"seq"' in text]
        self.assertEqual(seqs[:500], list(range(1, 501)))

    async def test_a_long_emit_is_told_as_fast_as_it_is_read(self):
        self.start()
        ws = await self.login()
        answer = asyncio.to_thread(self.emit, payload_text='{"orderId":{{n}},"pad":"' + "x" * 700 + '"}', count=6000)
        task = asyncio.create_task(answer)
        for n in range(6000):
            self.assertEqual(json.loads(await soon(ws.recv()))["payload"]["orderId"], n)
        await soon(task)

    async def test_a_burst_is_exactly_as_long_as_asked(self):
        self.start("--burst", "5000", "--emergency-every", "0")
        ws = await self.login()
        for seq in range(1, 5001):
            self.assertEqual(json.loads(await soon(ws.recv()))["seq"], seq)
        self.assertEqual(self.sim.control("/stats")["events"], 5000)
        self.sim.control("/rate", {"burst": 10})
        for seq in range(5001, 5011):
            self.assertEqual(json.loads(await soon(ws.recv()))["seq"], seq)

    async def test_rest_shows_what_was_broadcast_and_what_got_lost(self):
        sim = self.start("--rate", "2000")
        ws = await self.login(channels=["orders"])
        order = json.loads(await soon(ws.recv()))["payload"]
        sim.control("/rate", {"rate": 0})
        answer = sim.rest("abp", f"/orders?orderIds={order['orderId']}", ABP_KEY)[1]
        self.assertEqual(answer["orders"][0]["requestUuid"], order["requestUuid"])
        lost = {"orderId": 99999, "requestUuid": "lost-one", "userRef": "me", "orderStake": 10.0, "orderStatus": "FILLED"}
        self.emit(payload=lost, silent=True)
        answer = sim.rest("abp", "/orders?requestUuids=lost-one", ABP_KEY)[1]
        self.assertEqual((answer["count"], answer["orders"][0]["orderId"], answer["hasMore"]), (1, 99999, False))
        self.emit(api="mm", payload={"orderId": 7, "orderStatus": "PLACED", "orderStake": 5.0}, event="INSERT")
        self.emit(api="mm", payload={"orderId": 7, "orderStatus": "FILLED"})
        self.assertEqual(sim.rest("mm", "/api/v1/orders/7", MM_KEY)[1],
                         {"orderId": 7, "orderStatus": "FILLED", "orderStake": 5.0})

    async def test_pages_hold_every_order_once_newest_first(self):
        sim = self.start("--abp-limit", "0")
        self.emit(payload_text='{"orderId":1{{n}},"userRef":"me"}', count=10, silent=True)
        seen, cursor = [], ""
        while True:
            page = sim.rest("abp", f"/orders?userRef=me&limit=4{cursor}", ABP_KEY)[1]
            seen += [order["orderId"] for order in page["orders"]]
            if not page["hasMore"]:
                break
            cursor = f"&afterOrderId={page['nextCursor']}"
        self.assertEqual(seen, list(range(19, 9, -1)))


class Strictness(SimTest):
    async def test_no_login_closes_1008_on_both(self):
        self.start("--login-ms", "50")
        for api in ("abp", "mm"):
            self.assertEqual(await self.ended(await self.connect(api)), 1008)

    async def test_five_sessions_a_key_and_a_closed_one_frees_its_slot(self):
        self.start()
        for api in ("abp", "mm"):
            sessions = [await self.login(api) for _ in range(5)]
            with self.assertRaisesRegex(AssertionError, "Connection limit exceeded"):
                await self.login(api)
            await sessions[0].close()
            await self.login(api)

    async def test_a_session_that_answers_pings_lives_and_one_that_does_not_is_closed(self):
        self.start("--ping-ms", "20", "--pong-ms", "300")
        mute, polite = await self.login(), await self.login()

        async def answer():
            async for text in polite:
                if json.loads(text)["type"] == "ping":
                    await polite.send('{"type":"pong"}')

        task = asyncio.create_task(answer())
        self.assertEqual(await self.ended(mute), 1008)
        self.assertTrue(polite.open)
        task.cancel()

    async def test_an_unmasked_frame_is_a_protocol_error(self):
        self.start()
        ws = await self.login()
        ws.transport.write(b"\x81\x02hi")
        self.assertEqual(await self.ended(ws), 1002)

    async def test_a_clients_close_is_answered_with_its_code(self):
        self.start()
        ws = await self.login()
        await ws.close(4321, "bye")
        self.assertEqual(ws.close_code, 4321)

    async def test_websocket_pings_are_answered(self):
        self.start()
        ws = await self.login()
        await soon(await ws.ping())

    async def test_a_client_that_reads_nothing_is_closed_when_its_queue_is_full(self):
        self.start("--queue", "50", "--send-buffer", "4096")
        ws = await self.login()
        ws.transport.pause_reading()
        self.emit(payload_text='{"pad":"' + "x" * 20000 + '"}', count=500, flood=True)
        self.assertEqual(self.sim.control("/stats")["abp"]["overflows"], 1)
        ws.transport.resume_reading()
        # 1013 if the client drains in time, else the connection was cut
        self.assertIn(await self.ended(ws), (1013, 1006))

    async def test_unacknowledged_messages_come_again_to_the_next_reliable_session(self):
        self.start()
        ws = await self.login(reliableDelivery=True)
        self.emit(payload_text='{"orderId":{{n}}}', count=3, ts=1234)
        first = [json.loads(await soon(ws.recv())) for _ in range(3)]
        self.assertTrue(all(m["requireAck"] for m in first))
        await ws.send('{"type":"ack","seqs":[1]}')
        await ws.send('{"type":"ping"}')
        self.assertEqual(json.loads(await soon(ws.recv()))["type"], "pong")
        await ws.close()
        ws = await self.login(reliableDelivery=True)
        again = [json.loads(await soon(ws.recv())) for _ in range(2)]
        self.assertEqual([(m["payload"], m["ts"], m["seq"]) for m in again],
                         [({"orderId": 1}, 1234, 1), ({"orderId": 2}, 1234, 2)])


class Faults(SimTest):
    async def test_ends_of_every_kind(self):
        self.start("--tls")
        for name, code in (("drop", 1006), ("fin", 1006), ("truncate", 1006), ("close", 1012), ("reconnect_notice", 1012)):
            ws = await self.login(context=self.trusting())
            self.assertEqual(self.fault(name, api="abp", for_ms=20), {"reached": 1})
            self.assertEqual(await self.ended(ws), code, name)
        ws = await self.login(context=self.trusting())
        self.fault("close", code=4999, reason="why")
        self.assertEqual(await self.ended(ws), 4999)
        self.assertEqual(ws.close_reason, "why")

    async def test_drop_is_a_reset_and_fin_is_not(self):
        self.start()
        for name, wanted in (("drop", True), ("fin", False)):
            ws = await self.login()
            self.fault(name)
            await self.ended(ws)
            reset = isinstance(ws.transfer_data_exc, ConnectionResetError)
            self.assertEqual(reset, wanted, name)

    async def test_a_stall_is_silent_both_ways_and_then_goes_on(self):
        self.start()
        ws = await self.login()
        self.fault("stall", api="abp")
        self.emit()
        await ws.send('{"type":"ping"}')
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(ws.recv(), 0.2)
        self.sim.control("/clear", {})
        kinds = {json.loads(await soon(ws.recv()))["type"] for _ in range(2)}
        self.assertEqual(kinds, {"data", "pong"})

    async def test_seq_holes_duplicates_and_malformed_frames(self):
        self.start()
        ws = await self.login()
        self.emit()
        self.fault("seq_hole", size=3)
        self.emit()
        self.fault("duplicate")
        self.fault("malformed", text='{"type":"data",')
        self.fault("seq_hole", size=1, lose=True)
        self.emit(count=2)
        got = [await soon(ws.recv()) for _ in range(5)]
        self.assertEqual([json.loads(text)["seq"] for text in got[:3] + got[4:]], [1, 5, 5, 7])
        self.assertEqual(got[1], got[2])
        self.assertEqual(got[3], '{"type":"data",')

    async def test_exact_frames_of_any_bytes(self):
        self.start()
        ws = await self.login("mm")
        self.emit(api="mm", raw="anything")
        self.emit(api="mm", binary_base64=base64.b64encode(b"\x00\xff").decode())
        self.assertEqual([await soon(ws.recv()), await soon(ws.recv())], ["anything", b"\x00\xff"])
        self.emit(api="mm", base64=base64.b64encode(b"\xff\xfe").decode())
        await self.ended(ws)
        self.assertIsInstance(ws.transfer_data_exc, UnicodeDecodeError)
        self.assertEqual(self.sim.sent(kind="raw"), [b"anything", b"\x00\xff", b"\xff\xfe"])

    async def test_fragments_arrive_whole(self):
        self.start()
        ws = await self.login()
        self.fault("fragment", count=5)
        self.emit(count=10)
        got = [(await soon(ws.recv())).encode() for _ in range(10)]
        self.assertEqual(got, self.sim.sent(kind="data"))

    async def test_a_trickle_sends_a_byte_a_step(self):
        self.start()
        ws = await self.login()
        self.fault("trickle", step_ms=1)
        self.emit(payload={"orderId": 5})
        self.assertEqual(json.loads(await soon(ws.recv()))["payload"], {"orderId": 5})
        self.fault("trickle", step_ms=5000)
        self.emit()
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(ws.recv(), 0.2)
        self.sim.control("/clear", {})
        self.assertEqual(json.loads(await soon(ws.recv()))["type"], "data")

    async def test_refused_connections_and_their_end(self):
        self.start()
        self.fault("refuse_connect", api="abp")
        with self.assertRaises(ConnectionRefusedError):
            await self.connect()
        await self.login("mm")
        self.sim.control("/clear", {})
        await self.login()
        self.fault("refuse_connect", api="abp", for_ms=50)
        for _ in range(200):
            try:
                await self.login()
                return
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
        self.fail("still refused")

    async def test_hangs_in_handshake_and_login(self):
        self.start("--tls")
        self.fault("hang_handshake", api="abp", count=1)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.connect(context=self.trusting()), 0.3)
        self.fault("hang_login", api="abp")
        ws = await self.connect(context=self.trusting())
        await ws.send(json.dumps({"type": "login", "apiKey": ABP_KEY}))
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(ws.recv(), 0.2)
        self.sim.control("/clear", {})
        await self.login(context=self.trusting())

    async def test_refused_logins_say_what_they_are_told_to(self):
        self.start()
        self.fault("refuse_logins", message="Rate limit exceeded", close_code=1013, count=1)
        for api in ("abp", "mm"):
            ws = await self.connect(api)
            await ws.send(json.dumps({"type": "login" if api == "abp" else "subscribe"}))
            self.assertEqual(json.loads(await soon(ws.recv()))["message"], "Rate limit exceeded")
            self.assertEqual(await self.ended(ws), 1013)
        await self.login("abp")

    async def test_rest_faults_and_keys_that_change_while_running(self):
        sim = self.start()
        self.fault("rest", api="abp", status=502, count=1)
        self.assertEqual(sim.rest("abp", "/accounts", ABP_KEY)[0], 502)
        self.assertEqual(sim.rest("abp", "/accounts", ABP_KEY)[0], 200)
        sim.control("/key", {"key": ABP_KEY, "state": "expired"})
        self.assertEqual(sim.rest("abp", "/accounts", ABP_KEY)[0], 403)
        sim.control("/key", {"key": "fresh", "client": "demo"})
        await self.login(key="fresh")


if __name__ == "__main__":
    harness.BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
