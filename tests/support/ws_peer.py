#!/usr/bin/python3
"""WebSocket (RFC 6455) by hand, frame by frame, for tests that look at frames: `Peer` is one side of a connection over a blocking socket,
`Target` a server that keeps what it was sent. No extension, no check of what a test wants to break."""

import base64
import collections
import contextlib
import hashlib
import json
import os
import socket
import struct
import threading
import time

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PATIENCE = 30.0

Frame = collections.namedtuple("Frame", "opcode fin length digest masked")


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def mask_bytes(data, mask):
    if not data:
        return b""
    pattern = (mask * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pattern, "little")).to_bytes(len(data), "little")


def encode(opcode, payload=b"", fin=True, mask=True):
    first = bytes([(0x80 if fin else 0) | opcode])
    flag = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head = first + bytes([flag | size])
    elif size < 65536:
        head = first + bytes([flag | 126]) + struct.pack("!H", size)
    else:
        head = first + bytes([flag | 127]) + struct.pack("!Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + mask_bytes(payload, key)


def close_payload(code, reason=""):
    return b"" if code is None else struct.pack("!H", code) + reason.encode()


def facts(opcode, payload=b"", fin=True, masked=False):
    """What a receiver keeps of such a frame."""
    return Frame(opcode, fin, len(payload), digest(payload), masked)


class Gone(Exception):
    """The connection ended before the frame did; `mid_frame` where a part of one was there."""

    def __init__(self, mid_frame, why="end"):
        super().__init__(f"{why}{' in the middle of a frame' if mid_frame else ''}")
        self.mid_frame = mid_frame
        self.why = why


class Peer:
    """One side; frames are masked where it is the client. `early`: bytes that came behind the handshake."""

    def __init__(self, sock, client, early=b""):
        self.socket = sock
        self.client = client
        self.early = bytearray(early)

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, opcode, payload=b"", fin=True):
        self.send_raw(encode(opcode, payload, fin, self.client))

    def text(self, text):
        self.send(TEXT, text.encode())

    def close(self, code=1000, reason=""):
        self.send(CLOSE, close_payload(code, reason))

    def _take(self, size, inside):
        while len(self.early) < size:
            try:
                data = self.socket.recv(max(65536, min(size - len(self.early), 1 << 20)))
            except ConnectionError as error:
                raise Gone(inside or bool(self.early), type(error).__name__) from error
            if not data:
                raise Gone(inside or bool(self.early))
            self.early += data
        taken = bytes(self.early[:size])
        del self.early[:size]
        return taken

    def frame(self):
        """(Frame, payload) of the next frame, whatever it is."""
        first, second = self._take(2, False)
        if first & 0x70:
            raise AssertionError(f"reserved bits are set: {first:#x}")
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack("!H", self._take(2, True))
        elif size == 127:
            size, = struct.unpack("!Q", self._take(8, True))
        masked = bool(second & 0x80)
        key = self._take(4, True) if masked else b""
        payload = self._take(size, True)
        if masked:
            payload = mask_bytes(payload, key)
        return Frame(first & 15, bool(first & 0x80), size, digest(payload), masked), payload

    def payload(self, opcode=None):
        frame, payload = self.frame()
        assert opcode is None or frame.opcode == opcode, (frame, payload[:200])
        return payload

    def closed(self):
        """(code, reason) of the close frame that must come next; (1005, "") without a code."""
        return read_close(self.payload(CLOSE))

    def end(self):
        """Whether the stream ends in order (FIN) with nothing more in it; a reset is not in order."""
        try:
            self.frame()
        except Gone as gone:
            return gone.why == "end" and not gone.mid_frame
        return False

    def leave(self, reset=False):
        """Goes without a close frame. A thread that reads the same socket is woken, for it keeps the connection open till then."""
        with contextlib.suppress(OSError):
            if reset:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
        self.socket.close()

    def end_and_leave(self):
        """The end of the stream, in order; then the connection is given up."""
        in_order = self.end()
        self.leave()
        return in_order


def read_close(payload):
    return (struct.unpack("!H", payload[:2])[0], payload[2:].decode()) if payload else (1005, "")


def read_head(sock):
    """(head, what came behind it)"""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise Gone(bool(data), "no handshake")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


class Refused(Exception):
    """The handshake's answer was none of 101."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status} {headers} {body[:300]!r}")
        self.status, self.headers, self.body = status, headers, body

    def get(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def fields(lines):
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def connect(port, path, headers=(), behind=b"", sock=None):
    """A client's handshake; `behind` goes out with it, in the same bytes. The Peer has the answer's fields as `.headers`."""
    sock = sock or socket.create_connection(("127.0.0.1", port), PATIENCE)
    sock.settimeout(PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if sock.family == socket.AF_INET else None
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *(f"{name}: {value}" for name, value in headers)]
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + behind)
    head, rest = read_head(sock)
    first, *more = head.decode("latin-1").split("\r\n")
    answer = fields(more)
    status = int(first.split()[1])
    if status != 101:
        size = int(next((value for name, value in answer if name.lower() == "content-length"), "0"))
        while len(rest) < size:
            rest += sock.recv(65536)
        sock.close()
        raise Refused(status, answer, rest)
    wanted = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    assert ("sec-websocket-accept", wanted) in [(name.lower(), value) for name, value in answer], answer
    peer = Peer(sock, True, rest)
    peer.headers = answer
    return peer


class Visit:
    """One connection that a Target has got."""

    def __init__(self, peer, line, headers):
        self.peer, self.line, self.headers = peer, line, headers
        self.frames = []   # Frame of each that came
        self.payloads = {}  # index -> bytes, small ones only
        self.ended = None  # Gone, once the stream has ended
        self.changed = threading.Condition()

    def get(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return values[0] if len(values) == 1 else values or None

    def keep(self, frame, payload):
        with self.changed:
            if len(payload) <= 1024:
                self.payloads[len(self.frames)] = payload
            self.frames.append(frame)
            self.changed.notify_all()

    def finish(self, gone):
        with self.changed:
            self.ended = gone
            self.changed.notify_all()

    def wait(self, condition, what, deadline=PATIENCE):
        end = time.monotonic() + deadline
        with self.changed:
            while not condition():
                left = end - time.monotonic()
                assert left > 0, f"not within {deadline:.0f} s at the target: {what}; it has {len(self.frames)} frames, last {self.frames[-2:]}, ended: {self.ended}"
                self.changed.wait(left)

    def wait_frames(self, count):
        self.wait(lambda: len(self.frames) >= count, f"{count} frames")
        return self.frames[:count]

    def wait_end(self):
        self.wait(lambda: self.ended is not None, "the end")
        return self.ended

    def close_seen(self):
        """(code, reason) of the close frame that came; None if none did."""
        return next((read_close(self.payloads[i]) for i, frame in enumerate(self.frames) if frame.opcode == CLOSE), None)


class Target:
    """A WebSocket server on loopback. Each visit is served by `serve(visit)` in a thread of its own; by default every frame is kept and
    data frames are echoed, pings answered, a close frame answered with its own payload. `handshake(line, headers)` may give the raw
    answer to refuse with, or further header lines."""

    def __init__(self, serve=None, answer=None, port=0, tls=None):
        """`tls`: an ssl.SSLContext; then it is a wss:// one."""
        self.serve = serve or echo
        self.answer = answer
        self.tls = tls
        self.visits = []
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._visit, args=(sock,), daemon=True).start()

    def _visit(self, sock):
        with contextlib.suppress(Gone, OSError):
            sock.settimeout(120)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            head, rest = read_head(sock)
            line, *more = head.decode("latin-1").split("\r\n")
            headers = fields(more)
            extra = self.answer(line, headers) if self.answer else ""
            if extra.startswith("HTTP/"):
                sock.sendall(extra.encode())
                sock.close()
                return
            key = next(value for name, value in headers if name.lower() == "sec-websocket-key")
            accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
            visit = Visit(Peer(sock, False, rest), line, headers)
            with self.changed:
                self.visits.append(visit)
                self.changed.notify_all()
            sock.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{extra}\r\n".encode())
            try:
                self.serve(visit)
                visit.finish(Gone(False, "served"))
            except Gone as gone:
                visit.finish(gone)
            except OSError as error:
                visit.finish(Gone(False, type(error).__name__))
            sock.close()

    def visit(self, number=0, deadline=PATIENCE):
        end = time.monotonic() + deadline
        with self.changed:
            while len(self.visits) <= number:
                left = end - time.monotonic()
                assert left > 0, f"nobody came to the target ({len(self.visits)} did)"
                self.changed.wait(left)
            return self.visits[number]

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for visit in self.visits:
            visit.peer.leave()


def record(visit):
    """Keeps every frame and says nothing, but for a close frame: that one it gives back."""
    while True:
        frame, payload = visit.peer.frame()
        visit.keep(frame, payload)
        if frame.opcode == CLOSE:
            visit.peer.send(CLOSE, payload)
            return


def echo(visit):
    while True:
        frame, payload = visit.peer.frame()
        visit.keep(frame, payload)
        if frame.opcode == PING:
            visit.peer.send(PONG, payload)
        elif frame.opcode != PONG:
            visit.peer.send(frame.opcode, payload, frame.fin)
        if frame.opcode == CLOSE:
            return


def relay(port, message, headers=(), behind=b"", path="/scraping/ws"):
    """A client of /scraping/ws that has sent its connect message, and `behind` right after it."""
    peer = connect(port, path, headers)
    peer.send_raw(encode(TEXT, json.dumps(message).encode() if isinstance(message, dict) else message) + behind)
    return peer
