"""exec and attach without kubectl: a small WebSocket client for the channel protocols, for what kubectl does not show."""
import base64
import hashlib
import json
import os
import struct
import time
from urllib.parse import urlencode

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refused(AssertionError):
    """The server did not switch protocols."""

    def __init__(self, code, body):
        super().__init__(f"{code}: {body[:300]!r}")
        self.code = code
        try:
            self.status = json.loads(body)
        except ValueError:
            self.status = {}


class Stream:
    """One exec, attach or port-forward. Collects what comes per channel. Protocol None asks for none."""

    def __init__(self, api, pod_path, verb, protocol="v5.channel.k8s.io", seconds=30, **query):
        pairs = []
        for key, value in query.items():
            pairs.extend((key, item) for item in (value if isinstance(value, (list, tuple)) else [value]))
        self.connection = api.connect(seconds)
        self.connection.connect()
        self.sock = self.connection.sock
        key = base64.b64encode(os.urandom(16))
        offer = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
        request = (f"GET {pod_path}/{verb}?{urlencode(pairs)} HTTP/1.1\r\nHost: {api.host}:{api.port}\r\nUpgrade: websocket\r\n"
                   f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n"
                   f"{offer}\r\n")
        self.sock.sendall(request.encode())
        self.buffer = b""
        head = self.read_until(b"\r\n\r\n").decode()
        status, *lines = head.split("\r\n")
        self.headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
        code = int(status.split()[1])
        if code != 101:
            raise Refused(code, self.read_bytes(int(self.headers.get("content-length", "0"))))
        accepted = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        assert self.headers["sec-websocket-accept"] == accepted, self.headers
        self.protocol = self.headers.get("sec-websocket-protocol")
        self.base64 = "base64." in (self.protocol or "")
        self.channels = {channel: b"" for channel in (STDOUT, STDERR, ERROR)}
        self.close_code = None

    def read_more(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buffer += data

    def read_until(self, mark):
        while mark not in self.buffer:
            self.read_more()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def read_bytes(self, count):
        while len(self.buffer) < count:
            self.read_more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def send_frame(self, opcode, payload):
        mask = os.urandom(4)
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        elif length < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
        stretched = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(length, "big") if length else b""
        self.sock.sendall(head + mask + masked)

    def send(self, channel, data):
        if self.base64:
            self.send_frame(1, str(channel).encode() + base64.b64encode(data))
        else:
            self.send_frame(2, bytes([channel]) + data)

    def close_stdin(self):
        """v5's way to say that stdin has ended."""
        self.send(CLOSE, bytes([STDIN]))

    def resize(self, width, height):
        self.send(RESIZE, json.dumps({"Width": width, "Height": height}).encode() + b"\n")

    def ping(self, data=b"?"):
        self.send_frame(9, data)

    def read_frame(self):
        """(opcode, payload) of the next frame."""
        first, second = self.read_bytes(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.read_bytes(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.read_bytes(8))
        return first & 0x0F, self.read_bytes(length)

    def step(self):
        """Takes one frame in. False after the close frame."""
        opcode, payload = self.read_frame()
        if opcode == 8:
            self.close_code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
            self.send_frame(8, payload[:2])
            return False
        if opcode == 9:
            self.send_frame(10, payload)
        elif self.base64 and opcode == 1:
            channel = payload[0] - ord("0")
            self.channels[channel] = self.channels.get(channel, b"") + base64.b64decode(payload[1:], validate=True)
        elif opcode in (0, 1, 2) and payload:
            self.channels[payload[0]] = self.channels.get(payload[0], b"") + payload[1:]
        elif opcode == 10:
            self.pong = payload
        return True

    def wait_for(self, channel, text, seconds=30):
        """Reads until a channel holds the text."""
        end = time.monotonic() + seconds
        while text not in self.channels.get(channel, b""):
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            if not self.step():
                raise AssertionError(f"closed before {text!r} came: {self.channels}")

    def finish(self):
        """Reads to the end and returns the final Status."""
        self.read_to_the_end()
        return json.loads(self.channels[ERROR])

    def read_to_the_end(self):
        try:
            while self.step():
                pass
        finally:
            self.connection.close()

    def drop(self):
        """Vanishes without a word."""
        self.connection.close()
