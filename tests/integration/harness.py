"""What the integration tests are made of: the daemon, the simulated vendor and clients that were not written here, each in a folder of
the test's own, on free loopback ports. Every wait is for a condition, with a deadline.

    BRIDGE55_BIN   folder with bridge55 and bridge55-sim (ctest sets it)
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.environ.get("BRIDGE55_BIN", os.path.join(ROOT, "build", "dev"))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

ABP_KEY = "abp-demo-key"
MM_KEY = "55555555-5555-4555-8555-555555555555"
DEADLINE = float(os.environ.get("BRIDGE55_TEST_DEADLINE", "30"))


def wait_for(condition, what, deadline=DEADLINE, every=0.02):
    """The condition's first true value; AssertionError naming `what` when the deadline passes."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:.0f} s: {what}")
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def request(method, url, body=None, headers=None):
    """(status, headers, body bytes); an HTTP error is an answer, too."""
    data = json.dumps(body).encode() if body is not None else None
    call = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(call, timeout=DEADLINE) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Process:
    """A child whose output goes to a file; it never outlives the test."""

    def __init__(self, args, log, env=None):
        self.log_path = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(args, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def kill(self, sig=signal.SIGKILL):
        if self.running():
            self.child.send_signal(sig)

    def wait(self, deadline=DEADLINE):
        return self.child.wait(deadline)

    def end(self):
        if self.running():
            self.child.kill()
        self.child.wait(DEADLINE)


class Sim:
    """The simulated vendor."""

    def __init__(self, folder, *options, tls=True):
        self.folder = folder
        self.ports_file = os.path.join(folder, "sim.json")
        self.ca = os.path.join(folder, "sim-ca.pem")
        args = [os.path.join(BIN, "bridge55-sim"), "--ports-file", self.ports_file, *options]
        if tls:
            args += ["--tls", "--ca-out", self.ca]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.ports_file)
        self.process = Process(args, os.path.join(folder, "sim.log"))
        wait_for(lambda: os.path.exists(self.ports_file) or not self.process.running(), "the simulated vendor's ports")
        if not self.process.running():
            raise AssertionError("the simulated vendor ended: " + self.process.log())
        with open(self.ports_file, encoding="utf-8") as f:
            self.urls = json.load(f)

    def control(self, method, path, body=None):
        status, _, answer = request(method, self.urls["control"] + path, body)
        assert status == 200, (path, status, answer)
        return json.loads(answer)

    def emit(self, *events):
        return self.control("POST", "/emit", list(events))

    def orders(self, count, first=0, api="abp"):
        """`count` order updates with orderId first, first + 1, …, payload text exact."""
        self.emit(*({"api": api, "channel": "orders", "event": "UPDATE", "book": False,
                     "payload_text": '{"orderId":%d,"orderStake":10.0, "userRef":"t"}' % (first + i)} for i in range(count)))

    def fault(self, fault, **options):
        return self.control("POST", "/fault", {"fault": fault, **options})

    def clear(self):
        return self.control("POST", "/clear", {})

    def stats(self):
        return self.control("GET", "/stats")

    def sessions(self, api="abp"):
        return len(self.stats()[api]["connections"])

    def upstream(self, *apis):
        """The `upstreams:` section that reaches this simulator."""
        lines = ["upstreams:"]
        for api in apis or ("abp", "mm"):
            key = ABP_KEY if api == "abp" else MM_KEY
            tls = f', tls: {{ca_file: "{self.ca}"}}' if self.urls[api].startswith("https") else ""
            lines.append(f'  {api}: {{url: "{self.urls[api]}", ws_url: "{self.urls[api + "_ws"]}", api_key: "{key}"{tls}}}')
        return "\n".join(lines) + "\n"


class Daemon:
    """bridge55 on a config of its own: TCP port, api.sock, events.sock and journal in the folder."""

    def __init__(self, folder, upstreams, extra="", sinks=None, env=None, start=True):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config_path = os.path.join(folder, "bridge55.yaml")
        self.events_socket = os.path.join(folder, "events.sock")
        self.api_socket = os.path.join(folder, "api.sock")
        self.journal = os.path.join(folder, "state", "journal.db")
        self.upstreams = upstreams
        self.env = {**os.environ, **(env or {})}
        self.extra = extra
        self.sinks = sinks if sinks is not None else f"sinks:\n  feed: {{kind: unix, path: {self.events_socket}}}\n"
        self.write_config()
        self.process = None
        if start:
            self.start()

    def write_config(self):
        listen = f"listen:\n  - tcp: 127.0.0.1:{self.port}\n  - unix: {self.api_socket}\n"
        journal = "" if "\njournal:" in "\n" + self.extra else f"journal: {{path: {self.journal}}}\n"
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(listen + journal + self.upstreams + self.sinks + self.extra)

    def launch(self):
        self.process = Process([os.path.join(BIN, "bridge55"), "run", "--config", self.config_path],
                               os.path.join(self.folder, "daemon.log"), self.env)

    def start(self, up=True):
        self.launch()
        wait_for(lambda: self.serving() or not self.process.running(), "the daemon to serve")
        if not self.process.running():
            raise AssertionError("the daemon ended: " + self.process.log())
        if up:
            names = [line.split(":")[0].strip() for line in self.upstreams.splitlines()[1:] if line.startswith("  ") and line[2] != " "]
            self.wait_up(*names)

    def serving(self):
        try:
            return request("GET", self.url + "/healthz")[0] == 200
        except OSError:
            return False

    def wait_up(self, *names, deadline=DEADLINE):
        def up():
            try:
                return request("GET", self.url + "/readyz?require=" + ",".join(names))[0] == 200
            except OSError:
                return False
        wait_for(up, f"{names} up\n{self.process.log()[-3000:]}", deadline)

    def status(self):
        return json.loads(request("GET", self.url + "/status")[2])

    def page(self, query=""):
        return json.loads(request("GET", f"{self.url}/events/page?{query}")[2])

    def all_events(self, query=""):
        """Everything that the journal holds, page by page."""
        events, after = [], "earliest"
        while True:
            page = self.page(f"after={after}&limit=1000&{query}")
            events += page["events"]
            if not page["more"]:
                return events
            after = page["next"]

    def metric(self, name):
        total, found = 0.0, False
        for line in request("GET", self.url + "/metrics")[2].decode().splitlines():
            if line.startswith(name) and line[len(name)] in " {":
                total, found = total + float(line.rpartition(" ")[2]), True
        return total if found else None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.kill(signal.SIGTERM)
        return self.process.wait()

    def restart(self):
        self.kill()
        self.start()


class Lines:
    """Reads a stream of lines (a child's standard output, a socket) in the background."""

    def __init__(self, args=None, env=None):
        self.items = []
        self.changed = threading.Condition()
        self.ended = False
        self.child = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=env)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.child.stdout:
            self._add(line)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _add(self, line):
        with self.changed:
            self.items.append(line)
            self.changed.notify_all()

    def wait(self, condition, what, deadline=DEADLINE):
        """Until `condition(items)` is true; returns its value."""
        end = time.monotonic() + deadline
        with self.changed:
            while True:
                value = condition(self.items)
                if value:
                    return value
                left = end - time.monotonic()
                if left <= 0 or (self.ended and not condition(self.items)):
                    raise AssertionError(f"not within {deadline:.0f} s: {what}; {len(self.items)} lines, last: {self.items[-3:]}")
                self.changed.wait(left)

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(DEADLINE)
        self.thread.join(DEADLINE)
        self.child.stdout.close()


class UnixFeed(Lines):
    """The UNIX socket sink as an operator reads it: socat, a line each."""

    def __init__(self, path):
        super().__init__(["socat", "-u", f"UNIX-CONNECT:{path}", "-"])

    def events(self):
        with self.changed:
            return [json.loads(line) for line in self.items]


class Sse(Lines):
    """GET /events as curl reads it; `data:` lines only."""

    def __init__(self, url, *options):
        self.raw = []
        super().__init__(["curl", "-sN", "--no-buffer", *options, url])

    def _add(self, line):
        self.raw.append(line)
        if line.startswith(b"data: "):
            super()._add(line[6:])

    def events(self):
        with self.changed:
            return [json.loads(line) for line in self.items]


def payload_bytes(envelope_line):
    """The payload's exact bytes in an envelope (it comes last but for `old`), to compare with what the vendor sent."""
    text = envelope_line.strip()
    start = text.index(b'"payload":') + len(b'"payload":')
    return text[start:-1]


class Case(unittest.TestCase):
    """A folder, and what was started in it is ended in reverse order."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="bridge55_test_")
        self.addCleanup(self.leave, self.folder, self.troubles())

    def sim(self, *options, **settings):
        sim = Sim(self.folder, *options, **settings)
        self.addCleanup(sim.process.end)
        return sim

    def daemon(self, upstreams, *args, **settings):
        daemon = Daemon(self.folder, upstreams, *args, **settings)
        self.addCleanup(lambda: daemon.process and daemon.process.end())
        return daemon

    def feed(self, path):
        wait_for(lambda: os.path.exists(path), path)
        feed = UnixFeed(path)
        self.addCleanup(feed.close)
        return feed

    def sse(self, url, *options):
        stream = Sse(url, *options)
        self.addCleanup(stream.close)
        return stream

    def troubles(self):
        return len(self._outcome.result.failures) + len(self._outcome.result.errors)

    def leave(self, folder, troubles_before):
        if self.troubles() > troubles_before:
            for name in ("daemon.log", "sim.log"):
                path = os.path.join(folder, name)
                if os.path.exists(path):
                    with open(path, encoding="utf-8", errors="replace") as f:
                        print(f"--- {name} ---\n{f.read()[-5000:]}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)


def order_ids(events):
    return [int(event["key"]) for event in events if event["channel"] == "orders"]


def main():
    unittest.main(verbosity=2)
