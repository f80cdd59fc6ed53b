"""An HTTP upstream of which every byte is a test's own: what came is kept as it came, what goes out is what the test says."""

import socket
import threading


class Request:
    """One request as received: head bytes, decoded names and values, body."""

    def __init__(self, head, body):
        self.raw, self.body = head, body
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]

    def get(self, name):
        found = [value for field, value in self.fields if field.lower() == name.lower()]
        return found[0] if found else None

    def names(self):
        return sorted(field.lower() for field, _ in self.fields)


def answer(status=200, body=b"{}", *fields, reason="OK", length=True):
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {status} {reason}", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class ScriptedUpstream:
    """Answers each request by `script(request, connection)`: bytes to send, or None where the script wrote (or closed) itself."""

    def __init__(self, script=None):
        self.script = script or (lambda request, connection: answer())
        self.requests, self.connections = [], 0
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                stream = connection.makefile("rb")
                while True:
                    request = self._read(stream)
                    if request is None:
                        return
                    with self.changed:
                        self.requests.append(request)
                        self.changed.notify_all()
                    reply = self.script(request, connection)
                    if reply is not None:
                        connection.sendall(reply)
        except (OSError, ValueError):
            return

    @staticmethod
    def _read(stream):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return None
            head += line
        request = Request(head[:-4], b"")
        if (request.get("transfer-encoding") or "").lower() == "chunked":
            pieces = []
            while (size := int(stream.readline(), 16)) > 0:
                pieces.append(stream.read(size))
                stream.readline()
            stream.readline()
            request.body = b"".join(pieces)
        else:
            request.body = stream.read(int(request.get("content-length") or 0))
        return request

    def wait(self, count, deadline=10):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.requests) >= count, deadline):
                raise AssertionError(f"{len(self.requests)} of {count} requests came")
            return self.requests[count - 1]

    def close(self):
        for one in [self.listener, *self.sockets]:  # shutdown, too: a thread may be inside accept or recv
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()
