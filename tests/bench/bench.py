#!/usr/bin/python3
"""The daemon's figures end to end, each against its goal: bench.py rabbit|sse|latency|fanout|memory|backlog|start|all [--full].

    cmake --preset release && cmake --build --preset release
    tests/bench/bench.py --bin build/release all

Everything runs on this machine: the simulated vendor, the daemon, a broker of its own, consumers (bench_consumers). What depends on the
machine is stated as a ratio to a plain client in the same run. README.md beside this file says what each figure means.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ROWS = []
KINDS = ("ws", "sse", "unix")
LAG = 10_000
PAYLOAD = 700  # bytes of each event's payload, everywhere
LOGIN = '{"type":"login","apiKey":"abp-demo-key"}'


def row(name, value, unit, goal=None, good=None, note=""):
    """One line of the table. `goal` is text; `good` says whether it is met."""
    verdict = "" if good is None else "ok" if good else "MISSED"
    ROWS.append({"figure": name, "value": value, "unit": unit, "goal": goal, "met": good, "note": note})
    print(f"{name:<50} {value:>12,.3f} {unit:<22} {goal or '':<12} {verdict:<7} {note}", flush=True)


def at_most(name, value, limit, unit, note=""):
    row(name, value, unit, f"<= {limit:g}", value <= limit, note)


def at_least(name, value, limit, unit, note=""):
    row(name, value, unit, f">= {limit:g}", value >= limit, note)


def cpu_by_thread(pid):
    """CPU seconds of each thread so far, by its name (threads of the same name together)."""
    used = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as f:
                name = f.read().strip()
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as f:
                used[name] = used.get(name, 0.0) + int(f.read().split()[0]) / 1e9
    return used


class Cpu:
    """What a process uses from here to `seconds()`."""

    def __init__(self, pid):
        self.pid, self.before = pid, cpu_by_thread(pid)

    def threads(self):
        now = cpu_by_thread(self.pid)
        return {name: used - self.before.get(name, 0.0) for name, used in now.items()}

    def seconds(self):
        return sum(self.threads().values())

    def split(self, per):
        parts = {name: used / per for name, used in self.threads().items() if used / per >= 0.005}
        return ", ".join(f"{name} {used:.2f}" for name, used in sorted(parts.items(), key=lambda part: -part[1]))


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def tool(name, *options):
    return subprocess.Popen([os.path.join(harness.BIN, name), *map(str, options)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


class Consumers:
    """bench_consumers, once `ready`; `result()` waits for its JSON."""

    def __init__(self, stack, *options):
        self.child = tool("bench_consumers", *options)
        stack.callback(self.end)
        self.expect("ready")

    def expect(self, word):
        line = self.child.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"bench_consumers said {line!r} where {word!r} was expected")

    def result(self):
        answer = json.loads(self.child.stdout.readline())
        if not answer["complete"]:
            raise RuntimeError(f"not everything came: {answer}")
        return answer

    def end(self):
        if self.child.poll() is None:
            self.child.terminate()
        self.child.wait(30)
        self.child.stdout.close()


class Bench:
    """A folder with a simulated vendor and a daemon that reads its ABP socket over TLS."""

    def __init__(self, stack):
        self.stack = stack
        self.folder = tempfile.mkdtemp(prefix="bridge55_bench_")
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)

    def sim(self, *options):
        folder = tempfile.mkdtemp(prefix="sim_", dir=self.folder)
        sim = harness.Sim(folder, "--mm", "off", "--payload-bytes", str(PAYLOAD), "--stamp", "--bench", *options)
        self.stack.callback(sim.process.end)
        return sim

    def daemon(self, sim, sinks="", retention="2GiB"):
        folder = tempfile.mkdtemp(prefix="daemon_", dir=self.folder)
        journal = f"journal: {{path: {folder}/state/journal.db, retention: {{size: {retention}}}}}\nlog: {{level: warning}}\n"
        feed = f"sinks:\n  feed: {{kind: unix, path: {folder}/events.sock}}\n"
        daemon = harness.Daemon(folder, sim.upstream("abp"), extra=journal, sinks=feed + sinks)
        self.stack.callback(lambda: daemon.process.end())
        return daemon


def where(daemon, kind):
    """The options that lead bench_consumers to the daemon."""
    return ("--kind", kind, "--to", daemon.events_socket if kind == "unix" else f"127.0.0.1:{daemon.port}")


def direct_to(sim):
    address = sim.urls["abp_ws"].split("//")[1].split("/")[0]
    return ("--kind", "direct", "--to", address, "--path", "/ws", "--tls", "--login", LOGIN)


def burst(sim, count):
    sim.control("POST", "/rate", {"burst": count})


def rate(sim, per_second):
    sim.control("POST", "/rate", {"rate": per_second})


# ---- fan-out


def full_speed(stack, kind, consumers, events):
    bench = Bench(stack)
    sim = bench.sim()
    daemon = bench.daemon(sim)
    reader = Consumers(stack, *where(daemon, kind), "--consumers", consumers, "--events", events)
    time.sleep(0.5)  # UNIX feeds wait 0.1 s for a first line
    cpu = Cpu(daemon.process.pid)
    burst(sim, events)
    reader.expect("begin")
    result = reader.result()
    million = result["deliveries"] / 1e6
    name = f"fan-out, {kind}, {consumers:,} consumers"
    at_least(f"{name}: deliveries", result["per_second"] / 1e6, 1.0, "million/s",
             f"{result['bytes'] / result['deliveries']:.0f} bytes each; readers' own CPU {result['cpu_seconds'] / million:.2f}")
    at_most(f"{name}: CPU", cpu.seconds() / million, 1.0, "s per million", cpu.split(million))


def paced_fanout(stack, kind, seconds):
    bench = Bench(stack)
    sim = bench.sim()
    daemon = bench.daemon(sim)
    reader = Consumers(stack, *where(daemon, kind), "--consumers", 100, "--seconds", seconds, "--warmup", 1, "--sample", "all")
    rate(sim, 1000)
    reader.expect("begin")
    cpu = Cpu(daemon.process.pid)
    result = reader.result()
    million = result["deliveries"] / 1e6
    name = f"fan-out, {kind}, 100 consumers, 1,000/s"
    at_most(f"{name}: p99", result["p99_us"] / 1e3, 1.3, "ms", f"p50 {result['p50_us'] / 1e3:.2f} ms")
    at_most(f"{name}: CPU", cpu.seconds() / million, 2.0, "s per million", cpu.split(million))


def fanout(options):
    for kind in options.kinds:
        for consumers, events in ((100, 30_000), (1000, 3_000)):
            with contextlib.ExitStack() as stack:
                full_speed(stack, kind, consumers, events * (10 if options.full else 1))
        with contextlib.ExitStack() as stack:
            paced_fanout(stack, kind, 30 if options.full else 4)


# ---- latency against a direct connection


def latency(options):
    rounds, seconds = (5, 10) if options.full else (3, 3)
    found = {kind: [] for kind in ("direct", *options.kinds)}
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        alone = bench.sim("--rate", "1000")  # speaks only while somebody listens
        sim = bench.sim()
        daemon = bench.daemon(sim)
        for _ in range(rounds):
            for kind, results in found.items():
                with contextlib.ExitStack() as turn:
                    there = direct_to(alone) if kind == "direct" else where(daemon, kind)
                    reader = Consumers(turn, *there, "--seconds", seconds, "--warmup", 0.5, "--sample", "all")
                    rate(sim, 0 if kind == "direct" else 1000)
                    reader.expect("begin")
                    results.append(reader.result())
                    rate(sim, 0)
    middle = {kind: {part: statistics.median(r[part] for r in results) for part in ("p50_us", "p99_us")} for kind, results in found.items()}
    row("direct, TLS, 1,000/s: p50", middle["direct"]["p50_us"], "us")
    row("direct, TLS, 1,000/s: p99", middle["direct"]["p99_us"], "us")
    for kind in options.kinds:
        at_most(f"added to {kind}: p50", middle[kind]["p50_us"] - middle["direct"]["p50_us"], 60, "us")
        at_most(f"added to {kind}: p99", middle[kind]["p99_us"] - middle["direct"]["p99_us"], 300, "us")


# ---- RabbitMQ


def rabbit_sink(port, as_bare=True):
    """`as_bare`: the same bytes by the same way as bench_rabbitmq_bare, the payload alone through an exchange of type direct. Otherwise what a
    config says that says nothing: envelopes through a topic exchange, whose routing alone doubles what a message costs the broker."""
    sink = f"  rabbit:\n    kind: rabbitmq\n    url: amqp://guest:guest@127.0.0.1:{port}/%2F\n"
    if not as_bare:
        return sink + "    queues: [{name: bench.daemon, type: quorum, bind: ['#']}]\n"
    return (sink + "    exchange: {name: bench.direct, type: direct}\n    queues: [{name: bench.daemon, type: quorum, bind: [bench.daemon]}]\n"
            "routes:\n  - {match: {source: abp}, to: [rabbit], routing_key: bench.daemon, body: payload}\n")


def words(line):
    return {name: float(value) for name, _, value in (word.partition("=") for word in line.split()) if value}


def bare(port, *options):
    child = tool("bench_rabbitmq_bare", "--port", port, "--size", PAYLOAD, *options)
    with child.stdout:
        result = words(child.stdout.read())
    if child.wait(30) != 0:
        raise RuntimeError("bench_rabbitmq_bare failed")
    return result


@contextlib.contextmanager
def queues_removed(broker):
    yield
    import pika
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    for queue in ("bench.daemon", "bench.bare"):
        connection.channel().queue_delete(queue)
    connection.close()


def sink_state(daemon):
    """(events taken from upstream, events that the sink has confirmed)"""
    totals = {"bridge55_events_total{": 0.0, "bridge55_sink_confirmed_total{": 0.0}
    for line in harness.request("GET", daemon.url + "/metrics")[2].decode().splitlines():
        for name in totals:
            if line.startswith(name) and 'source="bridge"' not in line:
                totals[name] += float(line.rpartition(" ")[2])
    return tuple(totals.values())


def confirm(daemon, sim, count, deadline=300):
    """`count` events as fast as the broker confirms them; seconds for all. A vendor without end would outrun any broker until retention
    bites, so this one sends on whenever the sink is less than LAG events behind."""
    (taken_before, confirmed_before), sent, began = sink_state(daemon), 0, time.monotonic()
    while True:
        taken, confirmed = sink_state(daemon)
        taken, confirmed = taken - taken_before, confirmed - confirmed_before
        if confirmed >= count:
            return time.monotonic() - began
        if sent < count and taken >= sent and sent - confirmed < LAG:
            burst(sim, min(LAG, count - sent))
            sent += min(LAG, count - sent)
        if time.monotonic() - began > deadline:
            raise RuntimeError(f"{confirmed} of {count} confirmed within {deadline} s\n" + daemon.process.log()[-3000:])
        time.sleep(0.01)


def rabbit_full_speed(broker, count, as_bare=True):
    """(events/s, CPU seconds per 100,000, the same by thread)"""
    with contextlib.ExitStack() as stack:
        stack.enter_context(queues_removed(broker))
        bench = Bench(stack)
        sim = bench.sim()
        daemon = bench.daemon(sim, rabbit_sink(broker.port, as_bare), retention="64MiB")
        daemon.wait_up("rabbit")
        confirm(daemon, sim, 60_000)  # fills the journal, so that retention is at work
        cpu = Cpu(daemon.process.pid)
        seconds = confirm(daemon, sim, count)
        return count / seconds, cpu.seconds() / count * 1e5, cpu.split(count / 1e5)


def rabbit_paced(broker, seconds):
    """Latency from the vendor to an AMQP consumer at 10,000/s."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(queues_removed(broker))
        bench = Bench(stack)
        sim = bench.sim()
        daemon = bench.daemon(sim, rabbit_sink(broker.port), retention="64MiB")
        daemon.wait_up("rabbit")
        child = tool("bench_rabbitmq_consumer", "--port", broker.port, "--queue", "bench.daemon", "--seconds", seconds, "--warmup", 1)
        stack.callback(child.stdout.close)
        stack.callback(child.wait, 30)
        assert child.stdout.readline() == "ready\n"
        rate(sim, 10_000)
        time.sleep(1)
        cpu = Cpu(daemon.process.pid)
        result = json.loads(child.stdout.readline())
        result["cpu"], result["split"] = cpu.seconds() / result["messages"] * 1e5, cpu.split(result["messages"] / 1e5)
        return result


def rabbit(options):
    from rabbit_broker import RabbitBroker
    count, rounds = (500_000, 5) if options.full else (100_000, 1)
    paced_rounds, seconds = (5, 10) if options.full else (1, 4)
    with RabbitBroker() as broker:
        bare(broker.port, "--count", 20_000)  # a cold broker is slow
        plain, daemon = [], []
        for _ in range(rounds):
            plain.append(bare(broker.port, "--count", count, "--window", 1024))
            daemon.append(rabbit_full_speed(broker, count))
        base = statistics.median(r["msgs_per_s"] for r in plain)
        reached = statistics.median(r[0] for r in daemon)
        row("bare publisher, 1,024 unconfirmed", base, "events/s", note=f"CPU {plain[0]['cpu_s_per_100k']:.2f} s per 100,000")
        row("WebSocket (TLS) -> journal -> RabbitMQ", reached, "events/s")
        at_least("  of the bare publisher", reached / base, 0.9, "ratio")
        at_most("  daemon CPU", statistics.median(r[1] for r in daemon), 0.6, "s per 100,000", daemon[0][2])
        speed, cpu, split = rabbit_full_speed(broker, count, as_bare=False)
        row("  envelopes through a topic exchange", speed / base, "ratio", note=f"{speed:.0f}/s, CPU {cpu:.2f} s per 100,000: {split}")
        plain, daemon = [], []
        for _ in range(paced_rounds):
            plain.append(bare(broker.port, "--rate", 10_000, "--seconds", seconds))
            daemon.append(rabbit_paced(broker, seconds))
        for part in ("p50", "p99"):
            base = statistics.median(r[f"{part}_ms"] for r in plain)
            ours = statistics.median(r[f"{part}_us"] / 1e3 for r in daemon)
            at_most(f"10,000/s to an AMQP consumer: {part}", ours / base, 1.5, "ratio", f"{ours:.2f} ms, bare {base:.2f} ms")
        row("10,000/s: daemon CPU", statistics.median(r["cpu"] for r in daemon), "s per 100,000", note=daemon[0]["split"])


# ---- the scraping network into RabbitMQ


class ScrapingPeer:
    """bench_scraping_peer.py, with what `confirm` asks of a vendor."""

    def __init__(self, stack):
        folder = tempfile.mkdtemp(prefix="bridge55_bench_")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self.cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", self.cert],
                       check=True, capture_output=True)
        self.process = subprocess.Popen(["/usr/bin/python3", os.path.join(HERE, "bench_scraping_peer.py"), self.cert, key, str(PAYLOAD)],
                                        stdout=subprocess.PIPE, text=True)
        stack.callback(self.end)
        self.port, control = map(int, self.process.stdout.readline().split())
        self.line = socket.create_connection(("127.0.0.1", control))

    def end(self):
        self.line.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def control(self, _method, _path, body):
        self.line.sendall(b"%d\n" % body["burst"])


def relay_full_speed(broker, count, kind, target):
    with contextlib.ExitStack() as stack:
        stack.enter_context(queues_removed(broker))
        peer = ScrapingPeer(stack)
        folder = tempfile.mkdtemp(prefix="bridge55_bench_")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        upstream = (f"upstreams:\n  scraping: {{url: 'https://127.0.0.1:{peer.port}', api_key: bench-key, tls: {{ca_file: {peer.cert}}}}}\n"
                    f"relays:\n  feed: {{kind: {kind}, {target}}}\n")
        journal = f"journal: {{path: {folder}/journal.db, retention: {{size: 64MiB}}}}\nlog: {{level: warning}}\n"
        sink = rabbit_sink(broker.port).replace("source: abp", "source: scraping")
        daemon = harness.Daemon(folder, upstream, extra=journal, sinks=f"sinks:\n{sink}", start=False)
        daemon.start(up=False)
        stack.callback(lambda: daemon.process.end())
        daemon.wait_up("rabbit")
        confirm(daemon, peer, 60_000)
        cpu = Cpu(daemon.process.pid)
        seconds = confirm(daemon, peer, count)
        return count / seconds, cpu.seconds() / count * 1e5, cpu.split(count / 1e5)


def sse(options):
    """A remote broker's messages over HTTPS as Server-Sent Events, and the same messages over a relayed WebSocket."""
    from rabbit_broker import RabbitBroker
    count, rounds = (500_000, 5) if options.full else (100_000, 3)
    frames, events = [], []
    with RabbitBroker() as broker:
        bare(broker.port, "--count", 20_000)
        for _ in range(rounds):
            frames.append(relay_full_speed(broker, count, "websocket", "url: 'wss://bench.example/'"))
            events.append(relay_full_speed(broker, count, "amqp", "host: bench.example"))
    base, reached = (statistics.median(r[0] for r in runs) for runs in (frames, events))
    row("relay, WebSocket (TLS) -> RabbitMQ", base, "events/s", note=f"CPU {frames[0][1]:.2f} s per 100,000: {frames[0][2]}")
    row("relay, SSE over HTTPS -> RabbitMQ", reached, "events/s", note=f"CPU {events[0][1]:.2f} s per 100,000: {events[0][2]}")
    at_least("  of the WebSocket path", reached / base, 0.9, "ratio")


# ---- memory


def memory(options):
    consumers = 1000
    for kind in options.kinds:
        with contextlib.ExitStack() as stack:
            bench = Bench(stack)
            daemon = bench.daemon(bench.sim())
            time.sleep(2)
            idle = rss_kib(daemon.process.pid)
            if kind == options.kinds[0]:
                at_most("resident, idle", idle / 1024, 25, "MiB")
            Consumers(stack, *where(daemon, kind), "--consumers", consumers, "--idle")
            time.sleep(2)
            at_most(f"each further idle consumer, {kind}", (rss_kib(daemon.process.pid) - idle) / consumers, 20, "KiB")


def backlog(options):
    """The broker is away: what the daemon holds must be on disk."""
    events, per_second = (1_000_000, 1_000_000 / 600) if options.full else (200_000, 10_000)
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        sim = bench.sim()
        daemon = bench.daemon(sim, rabbit_sink(harness.free_port()), retention="4GiB")
        pid, samples, before = daemon.process.pid, [], rss_kib(daemon.process.pid)
        rate(sim, per_second)
        taken = 0
        while taken < events:
            time.sleep(0.5)
            taken = daemon.metric("bridge55_events_total") or 0
            samples.append((taken, rss_kib(pid)))
        rate(sim, 0)
    early = max(rss for taken, rss in samples if taken <= max(events * 0.2, samples[0][0]))
    late = max(rss for _, rss in samples)
    row("resident before the backlog", before / 1024, "MiB")
    row("resident after a fifth of it", early / 1024, "MiB")
    # Ten minutes of fingerprints (eight bytes and the room of a hash table) are remembered whether or not there is a backlog.
    at_most(f"growth over the rest of {events:,} events", (late - early) / 1024, 16 + 2, "MiB", f"highest {late / 1024:.1f} MiB")


# ---- start


def ready_after(daemon):
    began = time.monotonic()
    daemon.launch()
    while time.monotonic() - began < 60:
        with contextlib.suppress(OSError):
            if harness.request("GET", daemon.url + "/readyz")[0] == 200:
                return time.monotonic() - began
        time.sleep(0.002)
    raise RuntimeError("not ready within a minute: " + daemon.process.log())


def start(options):
    events = 1_000_000
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        sim = bench.sim()
        daemon = bench.daemon(sim, retention="4GiB")
        cpu, began = Cpu(daemon.process.pid), time.monotonic()
        burst(sim, events)
        harness.wait_for(lambda: (daemon.metric("bridge55_journal_events_total") or 0) >= events, "a million events on disk", 120, every=0.1)
        row("taken into the journal at full speed", events / (time.monotonic() - began), "events/s", note=f"CPU s per 100,000: {cpu.split(events / 1e5)}")
        daemon.kill()
        at_most("a million events: ready after SIGKILL", ready_after(daemon), 1.0, "s")
        row("  resident then", rss_kib(daemon.process.pid) / 1024, "MiB")
        daemon.stop()
        at_most("a million events: ready after a clean stop", ready_after(daemon), 1.0, "s")


BENCHES = {"latency": latency, "fanout": fanout, "rabbit": rabbit, "sse": sse, "memory": memory, "backlog": backlog, "start": start}


def main():
    global harness
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("what", nargs="+", choices=[*BENCHES, "all"])
    arguments.add_argument("--full", action="store_true", help="the long variants")
    arguments.add_argument("--bin", default=os.environ.get("BRIDGE55_BIN", os.path.join(ROOT, "build", "release")), help="a Release build")
    arguments.add_argument("--kinds", default=",".join(KINDS), help="kinds of consumers: ws,sse,unix")
    arguments.add_argument("--json", help="write the table there too")
    arguments.add_argument("--check", action="store_true", help="exit code 1 where a goal is missed")
    options = arguments.parse_args()
    options.kinds = options.kinds.split(",")
    os.environ["BRIDGE55_BIN"] = os.path.abspath(options.bin)
    sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
    import harness
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for name in BENCHES if "all" in options.what else options.what:
        print(f"--- {name}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        BENCHES[name](options)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(ROWS, f, indent=1)
    return 1 if options.check and any(line["met"] is False for line in ROWS) else 0


if __name__ == "__main__":
    sys.exit(main())
