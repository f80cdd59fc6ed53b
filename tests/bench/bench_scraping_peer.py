#!/usr/bin/python3
"""The scraping network for `bench.py sse`: the same messages as Server-Sent Events of POST /amqp and as text frames behind /ws, over TLS.

    bench_scraping_peer.py CERT KEY SIZE

prints `PORT CONTROL`; a line `N` on the control port sends N messages of SIZE bytes on the one connection that is open.
"""

import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import threading

BLOCK = 500  # messages in what is written at once


def head_of(client):
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65536)
    head, _, rest = received.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


def take_connect_message(client, rest):
    """One masked frame, whatever it says."""
    while len(rest) < 2:
        rest += client.recv(65536)
    size, at = rest[1] & 127, 2
    if size == 126:
        size, at = struct.unpack(">H", rest[2:4])[0], 4
    while len(rest) < at + 4 + size:
        rest += client.recv(65536)


def frame(text):
    size = len(text)
    return b"\x81" + (bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)) + text


class Peer:
    def __init__(self, cert, key, size):
        body = json.dumps({"odds": 1.95, "pad": "x" * size})[: size - 2] + '"}'
        self.body = body.encode()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.control = socket.create_server(("127.0.0.1", 0))
        self.send = None
        self.lock = threading.Lock()

    def records(self, count):
        """`count` messages as this connection carries them."""
        if self.as_events:
            data = json.dumps({"body": self.body.decode(), "routing_key": "bench.key", "exchange": "bench", "delivery_tag": 1,
                               "content_type": "application/json"}).encode()
            block = b"event: message\ndata: " + data + b"\n\n"
            return b"%x\r\n%s\r\n" % (len(block) * count, block * count)
        return frame(self.body) * count

    def serve(self):
        while True:
            try:
                client = self.context.wrap_socket(self.listener.accept()[0], server_side=True)
                head, rest = head_of(client)
            except (OSError, ssl.SSLError):
                continue
            if head.startswith("GET /usage"):
                client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                client.close()
                continue
            self.as_events = head.startswith("POST")
            if self.as_events:
                connected = b'event: connected\ndata: {"node_id": "scraping-de1", "queue_name": "q"}\n\n'
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                               + b"%x\r\n%s\r\n" % (len(connected), connected))
            else:
                key = re.search(r"(?i)sec-websocket-key: *(\S+)", head).group(1)
                accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
                client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                               + accept + b"\r\n\r\n")
                take_connect_message(client, rest)
                client.sendall(frame(b'{"type":"connected","status":101,"node_id":"scraping-de1"}'))
            self.block = self.records(BLOCK)
            with self.lock:
                self.send = client.sendall

    def obey(self):
        line = self.control.accept()[0].makefile("r")
        for count in map(int, line):
            while self.send is None:
                threading.Event().wait(0.01)
            for _ in range(count // BLOCK):
                self.send(self.block)
            if count % BLOCK:
                self.send(self.records(count % BLOCK))


peer = Peer(sys.argv[1], sys.argv[2], int(sys.argv[3]))
threading.Thread(target=peer.serve, daemon=True).start()
print(peer.listener.getsockname()[1], peer.control.getsockname()[1], flush=True)
peer.obey()
