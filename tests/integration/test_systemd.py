#!/usr/bin/python3
"""The systemd files: they are well-formed, as closed as we promise, and the daemon speaks the manager's protocol.

    test_systemd.py units [PROJECT]      the files; no daemon needed
    test_systemd.py protocol BINARY      the daemon under a manager that this script plays

Exits with 77 (skipped) where the tools are not installed.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

MOST_EXPOSURE = 2.0  # systemd-analyze security: 0 is closed, 10 is open
DEADLINE = 20.0  # seconds for anything that must happen


def fail(message):
    print("FAILED:", message)
    sys.exit(1)


def run(*command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return result.returncode, result.stdout


def check_verify(units, folder):
    """`verify` wants commands and documents to exist: stand-ins take their place."""
    for unit in units.glob("bridge55.*"):
        if unit.is_file():
            text = unit.read_text()
            text = text.replace("/usr/bin/bridge55", shutil.which("true"))
            (folder / unit.name).write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
    code, output = run("systemd-analyze", "verify", str(folder / "bridge55.service"), str(folder / "bridge55.socket"))
    ours = [line for line in output.splitlines() if "bridge55" in line]
    if code != 0 or ours:
        fail("systemd-analyze verify:\n" + output)
    print("verify: clean")


def check_exposure(units):
    code, output = run("systemd-analyze", "security", "--offline=yes", "--no-pager",
                       f"--threshold={int(MOST_EXPOSURE * 10)}", str(units / "bridge55.service"))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", output)
    if code != 0 or not found or float(found.group(1)) > MOST_EXPOSURE:
        fail("systemd-analyze security:\n" + output)
    print("exposure:", found.group(1))


def check_promises(units):
    """What operators rely on and no tool checks."""
    service = (units / "bridge55.service").read_text()
    for line in ("Type=notify", "WatchdogSec=", "Restart=on-failure", "StateDirectory=bridge55", "RuntimeDirectory=bridge55",
                 "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "MemoryDenyWriteExecute=yes", "ExecReload=/bin/kill -HUP $MAINPID"):
        if not re.search("(?m)^" + re.escape(line), service):
            fail(f"bridge55.service lacks {line}")
    prevented = re.search(r"(?m)^RestartPreventExitStatus=(.*)$", service)
    if not prevented or set(prevented.group(1).split()) != {"64", "77", "78"}:
        fail("bridge55.service must not restart after 64, 77 and 78")
    if re.search(r"(?m)^LoadCredential=[^\n]*:/", service):
        fail("a credential with a path would break the start where the file is missing")
    if re.search(r"(?m)^PrivateUsers=(yes|true|on|1)", service):
        fail("PrivateUsers= hides who is behind a UNIX socket")
    listeners = re.findall(r"(?m)^ListenStream=(.*)$", (units / "bridge55.socket").read_text())
    if listeners != ["127.0.0.1:5580", "/run/bridge55/api.sock"]:
        fail(f"bridge55.socket listens on {listeners}")


def check_sysusers(units, folder):
    if shutil.which("systemd-sysusers") is None or os.geteuid() != 0:
        return
    root = folder / "root"
    (root / "etc").mkdir(parents=True)
    for name in ("passwd", "group", "shadow", "gshadow"):
        (root / "etc" / name).touch()
    code, output = run("systemd-sysusers", f"--root={root}", str(units / "sysusers.conf"))
    if code != 0 or "bridge55:" not in (root / "etc" / "passwd").read_text():
        fail("systemd-sysusers:\n" + output)
    print("sysusers: clean")


def units_test(project):
    if shutil.which("systemd-analyze") is None:
        sys.exit(77)
    units = project / "systemd"
    with tempfile.TemporaryDirectory() as name:
        check_promises(units)
        check_exposure(units)
        check_verify(units, pathlib.Path(name))
        check_sysusers(units, pathlib.Path(name))


class Manager:
    """Starts the daemon as systemd would: $NOTIFY_SOCKET, a watchdog of 2 s, two inherited listeners."""

    def __init__(self, binary, folder):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.seen = []
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.path = str(folder / "api.sock")
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(self.path)
        self.unix.listen()
        config = folder / "bridge55.yaml"
        config.write_text(f"listen:\n  - tcp: 127.0.0.1:{self.port}\n  - unix: {self.path}\n"
                          f"journal: {{path: {folder}/journal.db}}\n"
                          "upstreams:\n  abp: {url: \"http://127.0.0.1:1\", ws_url: \"ws://127.0.0.1:1/ws\", api_key: k}\n")
        self.process = self.spawn(binary, config, folder)

    def spawn(self, binary, config, folder):
        # LISTEN_PID must be the daemon's own: a shell that becomes it knows the number.
        script = 'exec 3<&"$0" 4<&"$1"; shift; export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@"'
        passed = (self.tcp.fileno(), self.unix.fileno())
        environment = dict(os.environ, NOTIFY_SOCKET=str(folder / "notify"), WATCHDOG_USEC="2000000", LISTEN_FDS="2",
                           LISTEN_FDNAMES="bridge55.socket:bridge55.socket")
        command = ["bash", "-c", script, str(passed[0]), str(passed[1]), binary, "run", "--config", str(config)]
        return subprocess.Popen(command, pass_fds=passed, env=environment)

    def wait_for(self, state):
        """The next datagram that holds this state; everything before it is kept in `seen`."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            self.notify.settimeout(0.2)
            try:
                self.seen.append(self.notify.recv(4096).decode())
            except TimeoutError:
                continue
            if state in self.seen[-1].split("\n"):
                return
        fail(f"no {state}; the daemon said {self.seen}, exit code {self.process.poll()}")

    def healthz(self, family, address):
        with socket.socket(family) as door:
            door.settimeout(DEADLINE)
            door.connect(address)
            door.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = door.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            fail(f"/healthz at {address} answered {answer!r}")


def protocol_test(binary):
    with tempfile.TemporaryDirectory() as name:
        manager = Manager(binary, pathlib.Path(name))
        try:
            manager.wait_for("READY=1")
            manager.healthz(socket.AF_INET, ("127.0.0.1", manager.port))
            manager.healthz(socket.AF_UNIX, manager.path)
            manager.wait_for("WATCHDOG=1")
            manager.wait_for("WATCHDOG=1")
            manager.process.send_signal(signal.SIGHUP)
            manager.wait_for("RELOADING=1")
            manager.wait_for("READY=1")
            manager.process.send_signal(signal.SIGTERM)
            manager.wait_for("STOPPING=1")
            if manager.process.wait(DEADLINE) != 0:
                fail(f"exit code {manager.process.returncode} after SIGTERM")
        finally:
            if manager.process.poll() is None:
                manager.process.kill()
                manager.process.wait()
    print("protocol: READY, WATCHDOG, RELOADING, STOPPING; both inherited doors answer")


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("units", "protocol"):
        sys.exit(__doc__)
    if sys.argv[1] == "units":
        units_test(pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parents[2]))
    else:
        protocol_test(sys.argv[2])


if __name__ == "__main__":
    main()
