"""Starts bridge55-sim, speaks to its control API, and is a WebSocket client of its own kind: for tests in Python."""
import asyncio
import base64
import json
import os
import signal
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

import websockets

BINARY = ""  # path of bridge55-sim, set by whoever runs the tests
ABP_KEY = "abp-demo-key"
MM_KEY = "55555555-5555-4555-8555-555555555555"
PATIENCE = 10  # seconds until a test gives up waiting


class Sim:
    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory()
        self.ca = os.path.join(self.folder.name, "ca.pem")
        self.ports_file = os.path.join(self.folder.name, "ports.json")
        command = [BINARY, "--ca-out", self.ca, "--ports-file", self.ports_file, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ports = json.loads(self.process.stdout.readline())

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.folder.cleanup()
        return code

    def http(self, url, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read()), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read()), dict(error.headers)

    def control(self, path, body=None):
        status, answer, _ = self.http(self.ports["control"] + path, body)
        assert status == 200, (status, answer)
        return answer

    def rest(self, api, path, key=None):
        headers = {} if key is None else {"X-API-Key": key}
        return self.http(self.ports[api] + path, headers=headers)

    def sent(self, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        frames = self.control("/sent?limit=100000&" + text)["frames"]
        return [f["text"].encode() if "text" in f else base64.b64decode(f["base64"]) for f in frames]


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE)


class SimTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)  # unittest turns it on, and it is slow

    def start(self, *options):
        self.sim = Sim(*options)
        self.addCleanup(self.sim.stop)
        return self.sim

    async def connect(self, api="abp", context=None, **options):
        ws = await soon(websockets.connect(self.sim.ports[api + "_ws"], ssl=context, ping_interval=None,
                                           compression=None, max_queue=None, close_timeout=2, **options))
        self.addAsyncCleanup(ws.close)
        return ws

    async def login(self, api="abp", context=None, key=None, **more):
        ws = await self.connect(api, context)
        if api == "abp":
            first = {"type": "login", "apiKey": key or ABP_KEY, "channels": [], **more}
        else:
            first = {"type": "subscribe", "api_key": key or MM_KEY, **more}
        await ws.send(json.dumps(first))
        answer = json.loads(await soon(ws.recv()))
        self.assertIn(answer["type"], ("login_ok", "subscribed"), answer)
        return ws

    async def ended(self, ws):
        """The close code that the client saw; 1006 = no close frame."""
        await soon(ws.wait_closed())
        return ws.close_code

    def emit(self, **event):
        self.sim.control("/emit", {"channel": "orders", "payload": {"orderId": 1}, **event})

    def fault(self, name, **more):
        return self.sim.control("/fault", {"fault": name, **more})

    def trusting(self):
        return ssl.create_default_context(cafile=self.sim.ca)
