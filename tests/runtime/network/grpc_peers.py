"""gRPC servers, and peers that only look like one: grpc_probe_test asks them. Each listens on a port of its own; the ports are
printed as "<name> <port>" lines, then "ready". Ends when its standard input does."""
import socket
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

CHECK = "/grpc.health.v1.Health/Check"
END_STREAM, END_HEADERS = 1, 4
DATA, HEADERS, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 4, 7, 9
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def health(status):
    """A HealthCheckResponse."""
    return bytes([8, status]) if status else b""


class Health(grpc.GenericRpcHandler):
    """The health service without generated code: the service's name decides what is answered."""

    STATUS = {b"": 1, b"up": 1, b"down": 2, b"unknown": 0, b"odd": 9}

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self.check) if details.method == CHECK else None

    def check(self, request, context):
        name = request[2:] if request else b""
        if name == b"slow":
            over = threading.Event()
            context.add_callback(over.set)
            over.wait()
            return health(1)
        if name == b"who":
            said = dict(context.invocation_metadata())
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{said['user-agent']}, {context.time_remaining() <= 5}")
        if name == b"percent":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "100 % für dich\n")
        if name == b"gzip":
            context.set_compression(grpc.Compression.Gzip)
            return health(1) + b"\x12\xe8\x07" + b"x" * 1000
        if name == b"more":  # a field that this probe does not know
            return b"\x12\x03abc\x1d\0\0\0\0\x21\0\0\0\0\0\0\0\0" + health(1) + b"\x28\xff\x01"
        if name == b"broken":
            return b"\x08"
        if name == b"long":
            return b"\x12\x88\x27" + b"x" * 5000 + health(1)
        if name not in self.STATUS:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health(self.STATUS[name])


def grpc_server(*handlers):
    server = grpc.server(ThreadPoolExecutor(8), handlers=handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def head(*fields):
    """Header fields in HPACK's plainest form: literal, not indexed."""
    return b"".join(b"\0" + bytes([len(name)]) + name + length(value) + value for name, value in fields)


def length(value):
    if len(value) < 127:
        return bytes([len(value)])
    rest, out = len(value) - 127, b"\x7f"
    while rest >= 128:
        rest, out = rest >> 7, out + bytes([rest & 127 | 128])
    return out + bytes([rest])


OK_HEAD = ((b":status", b"200"), (b"content-type", b"application/grpc"))
OK_TAIL = ((b"grpc-status", b"0"),)


def message(data, flag=0, size=None):
    return bytes([flag]) + struct.pack(">I", len(data) if size is None else size) + data


def answer(data, fields=OK_HEAD, tail=OK_TAIL):
    """The bytes of a whole answer: settings, a head, data, trailers."""
    out = frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS | (0 if data or tail else END_STREAM), 1, head(*fields))
    if data:
        out += frame(DATA, 0 if tail else END_STREAM, 1, data)
    return out + (frame(HEADERS, END_HEADERS | END_STREAM, 1, head(*tail)) if tail else b"")


def whole(*data, **more):
    """An answer, after which the connection stays."""
    return [answer(*data, **more), None]


def endless_body():
    yield frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, head(*OK_HEAD)) + frame(DATA, 0, 1, message(b"", size=1 << 31))
    while True:
        yield frame(DATA, 0, 1, b"x" * 8192)


def endless_head():
    yield frame(SETTINGS, 0, 0) + frame(HEADERS, 0, 1, head(*OK_HEAD))
    for number in range(1 << 20):
        yield frame(CONTINUATION, 0, 1, head((b"x%d" % number, b"y" * 100)))


LIARS = {
    "silent": None,
    "closing": [],
    "http1": [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"],
    "garbage": [bytes(range(256)) * 8],
    "goodbye": [frame(SETTINGS, 0, 0) + frame(GOAWAY, 0, 0, struct.pack(">II", 0, 2))],
    "stuck": [frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, head(*OK_HEAD)), None],
    "halfway": [frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, head(*OK_HEAD)) + frame(DATA, 0, 1, message(b"", size=2))],
    "flag": whole(message(health(1), flag=1)),
    "format": whole(message(health(1), flag=7)),
    "large": whole(message(health(1), size=1 << 30)),
    "short": whole(message(health(1), size=40)),
    "twice": whole(message(health(1)) * 2),
    "empty": whole(b""),
    "endless": endless_body,
    "fields": endless_head,
    "no-status": whole(message(health(1)), tail=((b"x", b"y"),)),
    "bad-status": whole(b"", tail=((b"grpc-status", b"seven"),)),
    "new-status": whole(b"", tail=((b"grpc-status", b"77"), (b"grpc-message", b"100%"))),
    "web": whole(b"<p>", fields=((b":status", b"404"), (b"content-type", b"text/html")), tail=()),
    "no-type": whole(b"", fields=((b":status", b"200"),)),
    "busy": whole(b"", fields=((b":status", b"503"), (b"content-type", b"application/grpc"))),
    "by-hand": whole(message(health(1)), fields=((b":status", b"200"), (b"content-type", b"application/grpc+proto"))),
}


def say(client, lines):
    """Waits for the request, so that no answer is lost by a reset, and says what is to be said."""
    heard = 0
    while heard < len(PREFACE) + 9:
        size = len(client.recv(65536))
        if not size:
            return
        heard += size
    for line in lines() if callable(lines) else lines:
        if line is None:
            while client.recv(65536):
                pass
        else:
            client.sendall(line)
    client.shutdown(socket.SHUT_WR)
    while client.recv(65536):
        pass


def serve(listener, lines):
    kept = []
    while True:
        client, _ = listener.accept()
        if lines is None:
            kept.append(client)
        elif lines == []:
            client.close()
        else:
            threading.Thread(target=talk, args=(client, lines), daemon=True).start()


def talk(client, lines):
    with client:
        try:
            say(client, lines)
        except OSError:
            pass  # the probe has gone


def main():
    servers = {"health": grpc_server(Health()), "bare": grpc_server()}
    for name, (_, port) in servers.items():
        print(name, port)
    for name, lines in LIARS.items():
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=serve, args=(listener, lines), daemon=True).start()
        print(name, listener.getsockname()[1])
    print("ready", flush=True)
    sys.stdin.read()
    for server, _ in servers.values():
        server.stop(0)


if __name__ == "__main__":
    main()
