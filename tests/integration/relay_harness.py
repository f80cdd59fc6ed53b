"""What the tests of scraping relays share: the daemon in front of the simulated scraping network, targets that keep what they are sent, and
programs of others (npm, the vendor's documentation) as clients and servers."""

import contextlib
import json
import os
import pty
import re
import select
import ssl
import subprocess
import sys
import time

from harness import BIN, DEADLINE, ROOT, Case, Lines, request, wait_for

import ws_peer

sys.path.insert(0, os.path.join(ROOT, "tests", "npm"))
import install  # noqa: E402

KEY = "upstream-canary-key-4be1"  # ours: upstream has to see it, and nobody else
APP_KEY = "app-canary-key-9c07"   # what an app may send in its place: nobody has to see it
PROGRAMS = os.path.join(ROOT, "tests", "npm")
VENDOR_DOCS = os.path.join(os.path.dirname(ROOT), "shared", "vendor", "api-docs.txt")


def npm_modules():
    return install.install(os.path.join(BIN, "npm"))


def resident(pid):
    """KiB of memory of its own."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


def sanitized(pid):
    """Such a build keeps what is freed and surrounds what is not: its memory says nothing."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        return re.search(r"/lib[at]san\.", f.read()) is not None


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def documented(title, language, number=0):
    """A program of the vendor's page, as it stands there; None where the docs do not lie beside the checkout."""
    if not os.path.exists(VENDOR_DOCS):
        return None
    with open(VENDOR_DOCS, encoding="utf-8") as f:
        page = f.read()
    start = page.index(f"\n{title}\n")
    return re.findall(r"```%s[^\n]*\n(.*?)```" % language, page[start:], re.S)[number]


def indented(program, levels):
    """The page has lost Python's indentation: `levels` has a digit for each line that is not empty."""
    lines = [line for line in program.splitlines() if line.strip()]
    assert len(lines) == len(levels), "the vendor's page has changed: " + program
    return "\n".join("    " * int(level) + line for level, line in zip(levels, lines)) + "\n"


class RelayCase(Case):
    def world(self, *options, settings="", extra="", limits=False, tls=True, up=True):
        """self.net and self.door: the scraping network and the daemon before it."""
        if not limits:
            options = (*options, "--scraping-rps", "0")
        self.net = self.sim("--abp", "off", "--mm", "off", "--scraping-key", KEY, *options, tls=tls)
        rate = "" if "rate_limit" in settings else ", rate_limit: 100000/s"
        ca = f", tls: {{ca_file: '{self.net.ca}'}}" if tls else ""
        self.upstreams = f"upstreams:\n  scraping: {{url: '{self.net.urls['scraping']}', api_key: {KEY}{ca}{rate}{settings}}}\n"
        if "\nlog:" not in "\n" + extra:
            extra += "log: {level: trace}\n"
        self.door = self.daemon(self.upstreams, extra, sinks="", start=False)
        self.door.start(up=False)
        self.port = self.door.port

    def target(self, *args, **options):
        target = ws_peer.Target(*args, **options)
        self.addCleanup(target.close)
        return target

    def tls(self):
        """A certificate that a target shows; agents do not look at it."""
        cert, key = os.path.join(self.folder, "target.pem"), os.path.join(self.folder, "target.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-out", cert, "-keyout", key],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    def open(self, target, message=None, **options):
        """A client whose relay stands; its `.connected` is the network's message."""
        url = target if isinstance(target, str) else target.url
        peer = ws_peer.relay(self.port, {"apiKey": APP_KEY, "url": url, **(message or {})}, **options)
        self.addCleanup(peer.leave)
        peer.connected = json.loads(peer.payload(ws_peer.TEXT))
        self.assertEqual(peer.connected["type"], "connected", peer.connected)
        return peer

    def relays(self):
        return self.net.control("GET", "/relays")["relays"]

    def relay_count(self):
        return self.door.metric("bridge55_relay_connections") or 0

    def stand_ready(self):
        """A relay has come and gone: the descriptors of now are those of a quiet daemon, the connection on which it asks the network for its
        limits among them."""
        request("GET", self.door.url + "/scraping/usage")
        self.open(self.target()).leave()
        self.wait_no_relays()
        self.descriptors_before = descriptors(self.door.process.pid)

    def assert_nothing_left(self):
        self.wait_no_relays()
        wait_for(lambda: descriptors(self.door.process.pid) <= self.descriptors_before, "no descriptor to be left")

    def wait_no_relays(self, deadline=20):
        wait_for(lambda: self.relay_count() == 0, "every relay to be over", deadline)

    def node(self, program, *args):
        """A program of tests/npm in the background; its output line by line."""
        lines = Lines(["node", os.path.join(PROGRAMS, program), *map(str, args)], {**os.environ, "NODE_PATH": npm_modules()})
        self.addCleanup(lines.close)
        return lines

    def server(self, program):
        """The port of a server of tests/npm; its first line is the port, each further one a JSON record."""
        lines = self.node(program)
        port = int(lines.wait(lambda items: items and items[0], program + " to listen"))
        return port, lines

    def finished(self, lines, what):
        lines.wait(lambda items: items and items[-1].strip() == b"done", what)
        return [json.loads(line) for line in lines.items[:-1]]

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def start(self, args, **env):
        lines = Lines(args, {**os.environ, "NODE_PATH": npm_modules(), "PYTHONUNBUFFERED": "1", **env})
        self.addCleanup(lines.close)
        return lines

    def terminal(self, args):
        terminal = Terminal(args)
        self.addCleanup(terminal.close)
        return terminal

    def assert_memory(self, used, limit):
        """KiB."""
        if not sanitized(self.door.process.pid):
            self.assertLess(used, limit)

    def assert_secrets_kept(self):
        """No key in what the daemon wrote, at trace level."""
        log = self.door.process.log()
        self.assertNotIn(KEY, log)
        self.assertNotIn(APP_KEY, log)
        folder = os.path.dirname(self.door.journal)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as f, contextlib.suppress(OSError):
                held = f.read()
                self.assertNotIn(KEY.encode(), held, name)
                self.assertNotIn(APP_KEY.encode(), held, name)


class Terminal:
    """A program that somebody types to."""

    def __init__(self, args):
        self.ours, theirs = pty.openpty()
        self.program = subprocess.Popen(args, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.heard = ""

    def type(self, line):
        os.write(self.ours, line.encode() + b"\n")

    def hear(self, wanted):
        end = time.monotonic() + DEADLINE
        while wanted not in self.heard:
            if not select.select([self.ours], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"not within {DEADLINE:.0f} s: {wanted!r}; on the screen: {self.heard!r}")
            try:
                self.heard += os.read(self.ours, 65536).decode()
            except OSError as error:
                raise AssertionError(f"the program ended before {wanted!r}: {self.heard!r}") from error

    def close(self):
        self.program.kill()
        self.program.wait()
        os.close(self.ours)


def run(args, **options):
    return subprocess.run(args, capture_output=True, timeout=60, check=False, **options)
