#!/usr/bin/python3
"""Relays against haproxy and nginx tunnelling plain to TLS, in one run: bench_relay.py [echo|stream|idle|all].

    cmake --preset release && cmake --build --preset release
    tests/bench/bench_relay.py --bin build/release all

bench_relay_peer (the vendor) and bench_relay_load share the first core; what is under test has the second to itself: the daemon with its
/scraping/ws, haproxy and nginx with one worker, and with --tunnel the daemon's tunnel alone. Needs the Debian packages nginx-light and
haproxy. README.md beside this file says more.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import time

from bench_gateway import KEY, Stage as GatewayStage, children, cpu, free_port, rss_kib


class Stage(GatewayStage):
    def __init__(self, stack, binaries):
        super().__init__(stack, binaries)
        self.peer = free_port()
        self.spawn(0, os.path.join(binaries, "bench_relay_peer"), self.peer, self.path("cert.pem"), self.path("key.pem"))
        self.wait(self.peer)

    def nginx(self):
        port = free_port()
        pid = self.start_nginx("relay", 1, f"""
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass https://127.0.0.1:{self.peer}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection Upgrade; proxy_read_timeout 300s; proxy_ssl_verify on; proxy_ssl_trusted_certificate {self.path('cert.pem')};
      proxy_ssl_name localhost; }} }}""")
        self.wait(port)
        return pid, port

    def haproxy(self):
        port = free_port()
        config = self.write("relay.cfg", f"""
global
  maxconn 5000
  nbthread 1
defaults
  mode tcp
  timeout client 300s
  timeout server 300s
  timeout connect 10s
frontend local
  bind 127.0.0.1:{port} backlog 4096
  default_backend vendor
backend vendor
  server one 127.0.0.1:{self.peer} ssl verify required ca-file {self.path('cert.pem')} verifyhost localhost
""")
        pid = self.spawn(1, "haproxy", "-f", config)
        self.wait(port)
        return pid, port

    def tunnel(self):
        port = free_port()
        pid = self.spawn(1, os.path.join(self.binaries, "bench_relay_tunnel"), port, self.peer, self.path("cert.pem"))
        self.wait(port)
        return pid, port

    def bridge55(self):
        port = free_port()
        config = self.write("relay.yaml", f"""
listen: [{{tcp: 127.0.0.1:{port}}}]
upstreams:
  scraping: {{url: "https://localhost:{self.peer}", api_key: {KEY}, rate_limit: 1000000/s, tls: {{ca_file: {self.path('cert.pem')}}}}}
http: {{max_connections: 5000}}
journal: {{path: {self.path('relay.db')}}}
log: {{level: error}}
""")
        pid = self.spawn(1, os.path.join(self.binaries, "bridge55"), "run", "--config", config)
        self.wait(port)
        return pid, port

    def load(self, *words):
        return ["taskset", "-c", "0", os.path.join(self.binaries, "bench_relay_load"), *map(str, words)]

    def measure(self, proxy, what, connections, size, seconds):
        pid, port = proxy
        before = cpu(pid)
        done = subprocess.run(self.load(port, what, connections, size, seconds), check=True, stdout=subprocess.PIPE, text=True).stdout
        result = json.loads(done)
        result["cpu"] = cpu(pid) - before
        return result


def in_turns(stage, proxies, options, words):
    rows = {name: [] for name in proxies}
    for _ in range(options.rounds):
        for name, proxy in proxies.items():
            rows[name].append(stage.measure(proxy, *words, options.seconds))
    return rows


def show(rows, rate, unit, cost, per):
    base = statistics.median(rate(row) for row in rows["haproxy"])
    for name, all_of in rows.items():
        middle = statistics.median(rate(row) for row in all_of)
        spent = statistics.median(cost(row) for row in all_of)
        print(f"  {name:<10} {middle:>12,.0f} {unit}  {middle / base:>5.2f} of haproxy  {spent:.3f} CPU s per {per}", flush=True)


def echo(stage, proxies, options):
    for connections in (1, 64):
        print(f"512-byte echo on {connections}, medians of {options.rounds} interleaved runs of {options.seconds} s")
        rows = in_turns(stage, proxies, options, ("echo", connections, 512))
        show(rows, lambda row: row["messages"] / row["seconds"], "messages/s", lambda row: row["cpu"] / row["messages"] * 1e5, "100,000")


def stream(stage, proxies, options):
    for size in (65536, 730):
        print(f"{size}-byte binary frames downstream, medians of {options.rounds} interleaved runs of {options.seconds} s")
        rows = in_turns(stage, proxies, options, ("stream", 1, size))
        if size == 730:
            show(rows, lambda row: row["messages"] / row["seconds"], "frames/s", lambda row: row["cpu"] / row["messages"] * 1e6, "million")
        else:
            show(rows, lambda row: row["bytes"] / row["seconds"] / 1e6, "MB/s", lambda row: row["cpu"] / row["bytes"] * 1e9, "GB")


def idle(stage, proxies, options):
    print("resident with 1,000 idle relays")
    for name, (pid, port) in proxies.items():
        child = subprocess.Popen(stage.load(port, "idle", 1000, 0, 3), stdout=subprocess.PIPE, text=True)
        child.stdout.readline()
        time.sleep(2)
        resident = max(rss_kib(one) for one in [pid, *children(pid)])
        child.wait()
        child.stdout.close()
        print(f"  {name:<10} {resident / 1024:.1f} MiB", "(goal: under 64)" if name in ("bridge55", "tunnel") else "", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["all"])
    parser.add_argument("--bin", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--tunnel", action="store_true", help="the tunnel alone, beside the daemon")
    parser.add_argument("--only", nargs="*", help="of haproxy, nginx, bridge55, tunnel")
    options = parser.parse_args()
    names = options.only or ["haproxy", "nginx", "bridge55"] + ["tunnel"] * options.tunnel
    with contextlib.ExitStack() as stack:
        stage = Stage(stack, os.path.abspath(options.bin))
        proxies = {name: getattr(stage, name)() for name in names}
        for name, run in (("echo", echo), ("stream", stream), ("idle", idle)):
            if name in options.what or "all" in options.what:
                run(stage, proxies, options)


if __name__ == "__main__":
    main()
