#!/usr/bin/python3
"""The gateway against nginx and haproxy as plain-to-TLS proxies that add the same header, in one run: bench_gateway.py [throughput|latency|memory|all].

    cmake --preset release && cmake --build --preset release
    tests/bench/bench_gateway.py --bin build/release all

The vendor is an nginx with one worker that serves 1 KB of JSON over TLS, on the first core with the load generator (wrk); the proxy under
test has the second core to itself. Needs the Debian packages nginx-light, haproxy and wrk. README.md beside this file says more.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

KEY = "55555555-5555-4555-8555-555555555555"
PATH = "/api/v1/me"
CLOCK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu(pid):
    """CPU seconds of a process and of its children that are still there."""
    used = 0.0
    for one in [pid, *children(pid)]:
        with contextlib.suppress(OSError):
            with open(f"/proc/{one}/stat", encoding="utf-8") as f:
                fields = f.read().rpartition(")")[2].split()
            used += (int(fields[11]) + int(fields[12])) / CLOCK
    return used


def children(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
            return [int(child) for child in f.read().split()]
    return []


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


class Stage:
    def __init__(self, stack, binaries):
        self.stack, self.binaries = stack, binaries
        self.folder = tempfile.mkdtemp(prefix="bridge55_gateway_")
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.path("key.pem"), "-out", self.path("cert.pem")], check=True, stderr=subprocess.DEVNULL)
        self.vendor = free_port()
        self.start_nginx("vendor", 0, f"""
  server {{ listen 127.0.0.1:{self.vendor} ssl backlog=4096; ssl_certificate {self.path('cert.pem')}; ssl_certificate_key {self.path('key.pem')};
    keepalive_requests 100000000; default_type application/json;
    location / {{ return 200 '{json.dumps({"client": "demo", "pad": "x" * 990})}'; }} }}""")
        self.wait(self.vendor)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def spawn(self, core, *command):
        child = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stdout=open(self.path("log"), "a"), stderr=subprocess.STDOUT)
        self.stack.callback(self.end, child)
        return child.pid

    @staticmethod
    def end(child):
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(20)

    def wait(self, port):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            time.sleep(0.05)
        raise RuntimeError(open(self.path("log"), encoding="utf-8").read())

    def start_nginx(self, name, core, servers):
        config = self.write(name + ".conf", f"""
worker_processes 1; daemon off; pid {self.path(name + '.pid')}; error_log stderr error;
events {{ worker_connections 8192; }}
http {{ access_log off; {servers} }}""")
        return self.spawn(core, "nginx", "-p", self.folder, "-c", config)

    def nginx(self):
        port = free_port()
        pid = self.start_nginx("proxy", 1, f"""
  upstream vendor {{ server 127.0.0.1:{self.vendor}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; keepalive_requests 100000000;
    location /mm/ {{ proxy_pass https://vendor/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-API-Key {KEY};
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {self.path('cert.pem')}; proxy_ssl_name localhost; proxy_ssl_session_reuse on; }} }}""")
        self.wait(port)
        return pid, port

    def haproxy(self):
        port = free_port()
        config = self.write("haproxy.cfg", f"""
global
  maxconn 5000
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 10s
  http-reuse always
frontend local
  bind 127.0.0.1:{port} backlog 4096
  http-request set-header X-API-Key {KEY}
  http-request replace-path /mm(/.*) \\1
  default_backend vendor
backend vendor
  server one 127.0.0.1:{self.vendor} ssl verify required ca-file {self.path('cert.pem')} verifyhost localhost
""")
        pid = self.spawn(1, "haproxy", "-f", config)
        self.wait(port)
        return pid, port

    def bridge55(self):
        port = free_port()
        config = self.write("bridge55.yaml", f"""
listen: [{{tcp: 127.0.0.1:{port}}}]
upstreams:
  mm: {{url: "https://localhost:{self.vendor}", ws_url: "wss://localhost:1/", api_key: {KEY}, rate_limit: 1000000/s, tls: {{ca_file: {self.path('cert.pem')}}}}}
journal: {{path: {self.path('journal.db')}}}
log: {{level: error}}
""")
        pid = self.spawn(1, os.path.join(self.binaries, "bridge55"), "run", "--config", config)
        self.wait(port)
        return pid, port


def wrk(port, connections, seconds):
    done = subprocess.run(["taskset", "-c", "0", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/mm{PATH}"],
                          check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in done:
        raise RuntimeError(done)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1)), done


def throughput(stage, proxies, options):
    print(f"32 keep-alive connections, 1 KB answers, {options.rounds} rounds of {options.seconds} s in turns")
    rates = {name: [] for name in proxies}
    cost = {name: [] for name in proxies}
    for _ in range(options.rounds):
        for name, (pid, port) in proxies.items():
            wrk(port, 32, 1)
            before = cpu(pid)
            rate, _ = wrk(port, 32, options.seconds)
            rates[name].append(rate)
            cost[name].append((cpu(pid) - before) / (rate * options.seconds) * 100_000)
    base = statistics.median(rates["haproxy"])
    for name in proxies:
        rate = statistics.median(rates[name])
        print(f"  {name:<10} {rate:>10,.0f} requests/s  {rate / base:>6.2f} of haproxy  {statistics.median(cost[name]):.2f} CPU s per 100,000")


def one_by_one(port, count):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    took = []
    for _ in range(count):
        began = time.perf_counter_ns()
        connection.request("GET", "/mm" + PATH)
        connection.getresponse().read()
        took.append(time.perf_counter_ns() - began)
    connection.close()
    return statistics.median(took) / 1000


def latency(stage, proxies, options):
    print(f"one connection, p50 in microseconds, medians of {options.rounds} interleaved runs")
    direct = []
    runs = {name: [] for name in proxies}
    for _ in range(options.rounds):
        for name, (_, port) in proxies.items():
            one_by_one(port, 200)
            rate, _ = wrk(port, 1, options.seconds)
            runs[name].append(1e6 / rate)
    base = statistics.median(runs["haproxy"])
    for name in proxies:
        p50 = statistics.median(runs[name])
        print(f"  {name:<10} {p50:>8.1f} us  {p50 - base:+.1f} against haproxy")


def memory(stage, proxies, options):
    print("resident with 1,000 parallel connections at work")
    for name, (pid, port) in proxies.items():
        child = subprocess.Popen(["taskset", "-c", "0", "wrk", "-t1", "-c1000", f"-d{options.seconds}s", f"http://127.0.0.1:{port}/mm{PATH}"],
                                 stdout=subprocess.PIPE, text=True)
        most = 0
        while child.poll() is None:
            most = max([most] + [rss_kib(one) for one in [pid, *children(pid)]])
            time.sleep(0.1)
        print(f"  {name:<10} {most / 1024:.1f} MiB", "" if name != "bridge55" else "(goal: under 40)")
        child.stdout.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["all"])
    parser.add_argument("--bin", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        stage = Stage(stack, os.path.abspath(options.bin))
        proxies = {"haproxy": stage.haproxy(), "nginx": stage.nginx(), "bridge55": stage.bridge55()}
        for name, run in (("throughput", throughput), ("latency", latency), ("memory", memory)):
            if name in options.what or "all" in options.what:
                run(stage, proxies, options)


if __name__ == "__main__":
    main()
