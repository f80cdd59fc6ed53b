#!/usr/bin/python3
"""A RabbitMQ broker of a test's own: loopback only, free ports, its own node name, epmd, cookie and folder, no systemd.

In Python:

    with RabbitBroker() as broker:
        broker.url, broker.ctl("list_queues"), broker.kill(), broker.start(), broker.freeze(), broker.thaw()

From a shell, until TERM, INT or the end of standard input (`--stdin`):

    rabbit_broker.py --port-file F        # F gets the port once the broker accepts

With `--stdin` it takes one command a line (start, stop, kill, freeze, thaw, ctl ARGS…) and answers each with one JSON line; this is
how rabbit_broker.hpp drives it. End of input stops the broker, so that none outlives a test that was killed.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BIN = "/usr/lib/rabbitmq/bin"
START_DEADLINE = 90.0
STOP_DEADLINE = 20.0


def free_ports(count):
    """Distinct free ports; all are held until the last is found."""
    sockets = []
    try:
        for _ in range(count):
            s = socket.socket()
            sockets.append(s)
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def alive(pid):
    """Whether the process still holds anything; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class RabbitBroker:
    def __init__(self, settings=""):
        """`settings`: further lines of rabbitmq.conf."""
        self.folder = tempfile.mkdtemp(prefix="rabbit_broker_")
        self.port, self.dist_port, self.epmd_port = free_ports(3)
        self._epmd = None
        self._server = None
        self._frozen = False
        self._environment = dict(
            os.environ,
            HOME=self.folder,
            RABBITMQ_NODENAME=f"bridge55_{os.getpid()}_{self.port}@localhost",
            RABBITMQ_NODE_PORT=str(self.port),
            RABBITMQ_DIST_PORT=str(self.dist_port),
            RABBITMQ_CONFIG_FILE=f"{self.folder}/rabbitmq.conf",
            RABBITMQ_CONF_ENV_FILE=f"{self.folder}/none",
            RABBITMQ_MNESIA_BASE=f"{self.folder}/mnesia",
            RABBITMQ_LOG_BASE=f"{self.folder}/log",
            RABBITMQ_PID_FILE=f"{self.folder}/pid",
            RABBITMQ_ENABLED_PLUGINS_FILE=f"{self.folder}/enabled_plugins",
            ERL_EPMD_ADDRESS="127.0.0.1",
            ERL_EPMD_PORT=str(self.epmd_port),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}",
        )
        with open(f"{self.folder}/rabbitmq.conf", "w") as conf:
            conf.write(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n{settings}\n")
        with open(f"{self.folder}/enabled_plugins", "w") as plugins:
            plugins.write("[].\n")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def url(self):
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    @property
    def running(self):
        return self._server is not None and self._server.poll() is None

    def start(self):
        """Starts the broker, or starts it again on the same port and data; returns when the port accepts."""
        if self.running:
            return
        self._start_epmd()
        with open(f"{self.folder}/console", "ab") as console:
            self._server = subprocess.Popen(
                [f"{BIN}/rabbitmq-server"], env=self._environment, cwd=self.folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        deadline = time.monotonic() + START_DEADLINE
        while not self._accepts():
            if self._server.poll() is not None:
                raise RuntimeError(f"the broker ended with {self._server.returncode}:\n{self._console_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the broker does not accept after {START_DEADLINE} s:\n{self._console_tail()}")
            time.sleep(0.05)

    def wait(self):
        """Until the broker ends by itself."""
        self._server.wait()

    def stop(self):
        """An orderly stop; data stays for the next start."""
        self._end(signal.SIGTERM)

    def kill(self):
        """kill -9: nothing is flushed."""
        self._end(signal.SIGKILL)

    def freeze(self):
        """SIGSTOP: the kernel still accepts and acknowledges, nobody answers."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self):
        self._signal(signal.SIGCONT)
        self._frozen = False

    def ctl(self, *arguments, timeout=60):
        """rabbitmqctl: its standard output; RuntimeError with its words where it fails."""
        done = subprocess.run([f"{BIN}/rabbitmqctl", "-q", *arguments], env=self._environment, cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def pid(self):
        """The Erlang machine itself, for signals and /proc; 0 where it has not got so far."""
        try:
            with open(f"{self.folder}/pid") as f:
                return int(f.read())
        except (OSError, ValueError):
            return 0

    def close(self):
        if self.running:
            self._end(signal.SIGKILL)
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_epmd(self):
        # In the foreground and as our own child: the broker would start one that nobody owns.
        if self._epmd is None or self._epmd.poll() is not None:
            self._epmd = subprocess.Popen(["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"],
                                          env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL, start_new_session=True)

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def _signal(self, number):
        # The session's own group: the script, the Erlang machine and its helpers.
        try:
            os.killpg(self._server.pid, number)
        except ProcessLookupError:
            pass

    def _end(self, number):
        if not self.running:
            return
        machine = self.pid()
        if self._frozen:
            self.thaw()
        if number == signal.SIGTERM and machine:
            os.kill(machine, number)
        else:
            self._signal(number)
        try:
            self._server.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._server.wait(STOP_DEADLINE)
        # The script may go before the Erlang machine, and its first thread before the others, which still hold the port for a moment.
        deadline = time.monotonic() + STOP_DEADLINE
        while (alive(machine) or self._accepts()) and time.monotonic() < deadline:
            time.sleep(0.01)
        self._server = None

    def _console_tail(self):
        try:
            with open(f"{self.folder}/console", errors="replace") as f:
                return f.read()[-2000:]
        except OSError:
            return ""


def serve_commands(broker):
    """One command a line on standard input, one JSON line each on standard output."""
    for line in sys.stdin:
        words = shlex.split(line)
        if not words:
            continue
        answer = {"ok": True, "out": ""}
        try:
            if words[0] == "ctl":
                answer["out"] = broker.ctl(*words[1:])
            elif words[0] in ("start", "stop", "kill", "freeze", "thaw"):
                getattr(broker, words[0])()
            else:
                raise ValueError(f"unknown command {words[0]}")
        except Exception as error:  # the far side decides what a failure means
            answer = {"ok": False, "out": str(error)}
        print(json.dumps(answer), flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--port-file", help="written once the broker accepts")
    arguments.add_argument("--stdin", action="store_true", help="take commands from standard input; its end stops the broker")
    arguments.add_argument("--conf", action="append", default=[], help="a further line of rabbitmq.conf")
    options = arguments.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    with RabbitBroker("\n".join(options.conf)) as broker:
        if options.port_file:
            with open(options.port_file + ".new", "w") as f:
                f.write(f"{broker.port}\n")
            os.replace(options.port_file + ".new", options.port_file)
        if options.stdin:
            print(json.dumps({"ok": True, "port": broker.port, "folder": broker.folder}), flush=True)
            serve_commands(broker)
        else:
            print(broker.url, flush=True)
            broker.wait()


if __name__ == "__main__":
    main()
