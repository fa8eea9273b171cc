"""What hostile and unlucky clients do to a daemon: slow, many, oversized, broken, deaf, gone; and what a kill in the middle of
writing leaves. In every case memory stays bounded and the others are served meanwhile."""
import contextlib
import json
import re
import resource
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest
from urllib.parse import urlencode

from harness import PODIUM, SLOWNESS, Daemon, DaemonTest, container, deadline, pod, pods_path

HALF_MINUTE = 30
# What a sanitizer adds to each allocation is not the daemon's.
MEMORY_SLACK = 1 if SLOWNESS <= 2 else 4


def resident_mb(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024


def connect(daemon, receive_buffer=None):
    """A plain socket to the API's port."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(deadline(HALF_MINUTE))
    sock.connect((daemon.api.host, daemon.api.port))
    return sock


def connect_tls(daemon, receive_buffer=None, session=None):
    sock = connect(daemon, receive_buffer)
    try:
        return daemon.api.context.wrap_socket(sock, server_hostname=daemon.api.host, session=session)
    except (OSError, ssl.SSLError):
        sock.close()
        raise


def request(method, path, body=b"", **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if body and "Transfer_Encoding" not in headers and "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_all(sock):
    """What comes until the other side ends the connection, in whichever way."""
    data = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while chunk := sock.recv(65536):
            data += chunk
    return data


def answers(data):
    """[(code, headers, body)] of whole answers with a length."""
    out = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        out.append((int(first.split()[1]), headers, rest[:length]))
        data = rest[length:]
    return out


def drip(socks, messages, pace=0.05):
    """Sends each socket its message byte by byte until the other side answers or ends; what each got, and after how long."""
    got, began, sent = {}, time.monotonic(), 0
    end = began + deadline(HALF_MINUTE)
    left = dict(zip(socks, messages))
    while left and time.monotonic() < end:
        for sock, message in list(left.items()):
            with contextlib.suppress(OSError):
                sock.send(message[sent:sent + 1])
        sent += 1
        for sock in select.select(list(left), [], [], pace)[0]:
            got[sock] = (read_all(sock), time.monotonic() - began)
            del left[sock]
    return [got.get(sock, (None, None)) for sock in socks]


class Others:
    """Another client, that goes on asking meanwhile: with it a test sees that everybody else is served."""

    def __init__(self, daemon):
        self.daemon, self.over, self.latencies, self.problem = daemon, threading.Event(), [], None
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        connection = self.daemon.api.connect(HALF_MINUTE)
        try:
            while not self.over.is_set():
                began = time.monotonic()
                connection.request("GET", "/api/v1/nodes")
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    raise AssertionError(f"another client got {response.status}")
                self.latencies.append(time.monotonic() - began)
                self.over.wait(0.01)
        except (AssertionError, OSError) as problem:
            self.problem = problem
        finally:
            connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join()
        if kind is None and self.problem:
            raise AssertionError(f"others were not served meanwhile: {self.problem!r}")
        if kind is None and max(self.latencies) > deadline(3):
            raise AssertionError(f"others waited up to {max(self.latencies):.1f} s")


class RobustCase(DaemonTest):
    def assert_status(self, code, reason, answer, message=""):
        status = json.loads(answer[2])
        self.assertEqual((code, "Status", "Failure", reason, code),
                         (answer[0], status["kind"], status["status"], status["reason"], status["code"]), status)
        self.assertRegex(status["message"], message)

    def sockets(self, count, make):
        made = []
        self.addCleanup(lambda: [sock.close() for sock in made])
        for _ in range(count):
            made.append(make())
        return made


class Slow(RobustCase):
    LIMIT = 2
    settings = {"api": {"headerTimeout": f"{LIMIT}s", "bodyTimeout": f"{LIMIT}s"}}

    def assert_cut_off(self, got):
        for data, seconds in got:
            self.assertIsNotNone(data, "a slow client was not cut off")
            self.assertGreater(seconds, self.LIMIT * 0.9, "it had its time")
            self.assertLess(seconds, deadline(self.LIMIT + 3), "it had no more than its time")

    def test_slow_headers_bodies_and_handshakes(self):
        """All of them at the same time, twenty of each kind."""
        header = request("GET", "/api/v1/nodes", X="y" * 5000)
        body = request("POST", pods_path(), json.dumps(pod("slow")).encode(), Content_Type="application/json", Content_Length=4000)
        hello = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            self.daemon.api.context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname=self.daemon.api.host).do_handshake()
        hello = hello.read()
        socks = self.sockets(40, lambda: connect_tls(self.daemon)) + self.sockets(40, lambda: connect(self.daemon))
        for sock in socks[20:40]:
            sock.sendall(body[:body.index(b"\r\n\r\n") + 4])
        bodies = [b" " * 4000] * 20
        with Others(self.daemon):
            got = drip(socks, [header] * 20 + bodies + [hello] * 20 + [b""] * 20)
        self.assert_cut_off(got)
        for data, _ in got[:40]:
            answer, = answers(data)
            self.assert_status(408, "Timeout", answer, "did not come in time")
            self.assertEqual("close", answer[1]["connection"])
        for data, _ in got[40:]:
            self.assertNotIn(b"HTTP", data)

    def test_half_closed_peers(self):
        with Others(self.daemon):
            asks, watches = connect_tls(self.daemon), connect_tls(self.daemon)
            for sock, path in [(asks, "/api/v1/nodes"), (watches, f"{pods_path()}?watch=true")]:
                self.addCleanup(sock.close)
                sock.sendall(request("GET", path))
                with socket.socket(fileno=socket.dup(sock.fileno())) as same:
                    same.shutdown(socket.SHUT_WR)
            self.assertEqual(200, answers(read_all(asks))[0][0], "who has nothing more to say still gets the answer")
            read_all(watches)  # a watch of a client that may be gone is ended, else this would not end

    def test_garbage(self):
        """Behind a good request, during a watch, in place of a handshake."""
        before = resident_mb(self.daemon)
        with Others(self.daemon):
            behind = connect_tls(self.daemon)
            self.addCleanup(behind.close)
            behind.sendall(request("GET", "/api/v1/namespaces/default") + b"\x00\xffgarbage\r\n\r\n" * 1000)
            good, bad = answers(read_all(behind))
            self.assertEqual(200, good[0])
            self.assert_status(400, "BadRequest", bad, "malformed request")
            for _ in range(10):
                sock, = self.sockets(1, lambda: connect_tls(self.daemon))
                sock.sendall(request("GET", "/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Ddefault"))
                self.assertIn(b"200 OK", sock.recv(4096))
                sock.settimeout(0.2)
                with contextlib.suppress(TimeoutError):  # it is not read without limit
                    for _ in range(2000):
                        sock.send(b"\xff" * 16384)
                    self.fail("32 MB behind a request were taken")
            plain = connect(self.daemon)
            self.addCleanup(plain.close)
            plain.sendall(request("GET", "/healthz"))
            read_all(plain)
        self.assertLess(resident_mb(self.daemon) - before, 40 * MEMORY_SLACK)


def nested(depth, opening, closing):
    return opening * depth + closing * depth


LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi"))


class Broken(RobustCase):
    """Bodies that are wrong in a way meant to hurt."""
    JSON, YAML = "application/json", "application/yaml"
    LIMIT = 3 * 1024 * 1024

    def setUp(self):
        super().setUp()
        self.before = resident_mb(self.daemon)

    def tearDown(self):
        self.assertTrue(self.daemon.alive(), self.daemon.log_tail())
        self.assertLess(resident_mb(self.daemon) - self.before, 150 * MEMORY_SLACK)

    def refused(self, method, path, kind, body):
        began = time.monotonic()
        code, _, data = self.daemon.api.request(method, path, body, headers={"Content-Type": kind}, timeout=HALF_MINUTE)
        self.assertLess(time.monotonic() - began, deadline(5), "a refusal is no hard work")
        self.assertIn(code, (400, 413, 415, 422), data[:300])
        status = json.loads(data)
        self.assertEqual(("Status", "Failure"), (status["kind"], status["status"]))
        self.assertLess(len(data), 8192, "a refusal does not repeat all that is wrong")
        return status["message"]

    def test_oversized(self):
        table = [
            (request("GET", "/api/v1/nodes", X="y" * 70_000), 431, "Unknown", "request header too large: limit is 65536"),
            (request("GET", "/api/v1/nodes?" + "y" * 70_000), 431, "Unknown", "request header too large"),
            (request("GET", "/api/v1/nodes", **{f"X{n}": "y" for n in range(20_000)}), 431, "Unknown", "request header too large"),
            (request("POST", pods_path(), Content_Length=self.LIMIT + 1), 413, "RequestEntityTooLarge",
             f"^Request entity too large: limit is {self.LIMIT}$"),
            (request("POST", pods_path(), b"%x\r\n" % (self.LIMIT + 1) + b" " * (self.LIMIT + 1), Transfer_Encoding="chunked"), 413,
             "RequestEntityTooLarge", "^Request entity too large: limit is"),
            (request("POST", pods_path(), b"1;" + b"y" * 200_000, Transfer_Encoding="chunked"), 431, "Unknown", "too large"),
            (request("DELETE", f"{pods_path()}/x", b" " * 100_000), 413, "RequestEntityTooLarge", "limit is 65536"),
        ]
        with Others(self.daemon):
            for message, code, reason, text in table:
                with self.subTest(message[:60]), connect_tls(self.daemon) as sock:
                    with contextlib.suppress(ConnectionError, ssl.SSLError):
                        sock.sendall(message)
                    self.assert_status(code, reason, answers(read_all(sock))[0], text)

    def test_bad_text(self):
        metadata = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","annotations":{"a":%s}}}'
        table = [
            (self.JSON, b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"\xff\xfe"}}'),
            (self.JSON, b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"\xed\xa0\x80"}}'),
            (self.YAML, b"kind: Pod\napiVersion: v1\nmetadata: {name: \xc3\x28}\n"),
            (self.JSON, nested(1_000_000, "[", "]")),
            (self.JSON, nested(300_000, '{"a":', "}")),
            (self.YAML, nested(1_000_000, "[", "]")),
            (self.YAML, nested(300_000, "{a: ", "}")),
            (self.YAML, "- " * 1_000_000),
            (self.YAML, "".join(" " * depth + "a:\n" for depth in range(2_000))),
            (self.JSON, metadata % "1e999999"),
            (self.JSON, metadata % ("9" * 1_000_000)),
            (self.JSON, metadata % ("-0." + "0" * 1_000_000 + "1e-999999999")),
            (self.YAML, LAUGHS + "kind: Pod\n"),
            (self.YAML, "a: &a\n  b: *a\n"),
            (self.YAML, "---\n" * 500_000),
            (self.YAML, "? " * 100_000),
            (self.YAML, "&a " * 100_000 + "x"),
            (self.JSON, "{" + ",".join(f'"{n}":{n}' for n in range(200_000)) + "}"),
            (self.JSON, "".join('{"%s":' % ("k" * 20_000) for _ in range(90)) + '{' + '"a":1,' * 100_000 + '"b":2}' + "}" * 90),
            (self.YAML, "".join(" " * depth + "k" * 1000 + ":\n" for depth in range(90)) + (" " * 90 + "- a\n") * 9_000),
            (self.YAML, "a: [" + "[]," * 900_000 + "]"),
            (self.YAML, "- a\n" * 700_000),
            (self.YAML, "a: " + "x " * 1_500_000),
            (self.YAML, "a:" + "\n  x" * 700_000),
            (self.YAML, "a: '" + "''" * 1_500_000 + "'"),
            (self.YAML, "#" * 3_000_000),
            ("application/vnd.kubernetes.protobuf", b"k8s\x00" + b"\x0a\xff\xff\xff\xff\x0f" * 100_000),
        ]
        with Others(self.daemon):
            for kind, body in table:
                with self.subTest(body[:60]):
                    self.refused("POST", pods_path(), kind, body)

    def test_bad_patches(self):
        self.create(pod("patched", container(), schedulerName="nobody"))
        path = f"{pods_path()}/patched"
        merge, strategic, steps = ("application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json")
        apply = "application/apply-patch+yaml"
        copies = [{"op": "copy", "from": "/metadata/annotations", "path": f"/metadata/annotations/{n}"} for n in range(64)]
        table = [(kind, body) for kind in (merge, strategic, steps) for body in
                 (nested(1_000_000, "[", "]"), nested(300_000, '{"a":', "}"), b'{"metadata":{"labels":{"a":"\xff"}}}', '{"a":1e999}')]
        table += [(steps, json.dumps([{"op": "add", "path": "/metadata/annotations", "value": {"a": "x" * 1000}}, *copies])),
                  (steps, json.dumps([{"op": "test", "path": "/kind", "value": "Pod"}] * 20_000)),
                  (merge, json.dumps({"metadata": {"annotations": {"a": "x" * 300_000}}}))]
        table += [(apply, body) for body in (LAUGHS, nested(1_000_000, "[", "]"), b"a: \xc3\x28", "a: &a\n  b: *a\n")]
        with Others(self.daemon):
            for kind, body in table:
                with self.subTest(f"{kind} {body[:60]}"):
                    self.refused("PATCH", f"{path}?fieldManager=x", kind, body)

    def test_bad_settings(self):
        for text in (LAUGHS.encode(), nested(1_000_000, "[", "]").encode(), b"a: \xc3\x28", b"a: &a\n  b: *a\n", b"x: " + b"9" * 1_000_000):
            with self.subTest(text[:60]):
                file = self.daemon.directory / "bomb.yaml"
                file.write_bytes(text)
                run = subprocess.run([PODIUM, "up", "--config", file], capture_output=True, text=True, timeout=deadline(20), check=False)
                self.assertNotIn(run.returncode, (0, -signal.SIGSEGV, -signal.SIGABRT), run.stderr[:300])
                self.assertIn("bomb.yaml", run.stderr)
                self.assertLess(len(run.stderr), 8192)


class Crowd(RobustCase):
    """As many connections as there may be, on both ends."""
    settings = {"api": {"headerTimeout": "120s"}}

    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.addClassCleanup(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
        # The daemon takes half of what it may open; this process needs one for each, and some more.
        cls.most = min(10_000, hard // 2, hard - 500)
        cls.settings = {"api": {**cls.settings["api"], "maxConnections": cls.most}}
        super().setUpClass()

    def test_ten_thousand_connections(self):
        before = resident_mb(self.daemon)
        socks = []
        try:
            with Others(self.daemon):
                # Others holds one; some are to be free. Most are silent, some have shaken hands.
                socks += [connect_tls(self.daemon) for _ in range(100)]
                while len(socks) < self.most - 5:
                    socks.append(connect(self.daemon))
                self.daemon.kubectl("get", "nodes")
                for _ in range(10):  # until it is full; connections that have just ended may still count
                    socks.append(connect_tls(self.daemon))
                    socks[-1].sendall(request("GET", "/healthz"))
                    if b"200 OK" not in socks[-1].recv(4096):
                        socks.pop().close()
                        break
                else:
                    self.fail(f"{len(socks)} connections were taken, of {self.most}")
                grown = resident_mb(self.daemon) - before
                print(f"{len(socks)} connections: {grown:.1f} MB", flush=True)
                self.assertLess(grown, 100 * MEMORY_SLACK)
                # One more is told so, in words; who is in is served on.
                code, headers, data = self.daemon.api.request("GET", "/api/v1/nodes")
                self.assert_status(503, "ServiceUnavailable", (code, headers, data), "^too many connections")
                self.assertEqual("1", headers["Retry-After"])
                refused = self.daemon.kubectl("get", "nodes", "--request-timeout=3s", check=False)
                self.assertNotEqual(0, refused.code)
                # A place that is given back can be taken.
                socks.pop().close()
                self.daemon.kubectl("get", "nodes")
        finally:
            for sock in socks:
                sock.close()
        self.assertTrue(self.daemon.alive())

    WATCHERS = 2000

    def test_watchers_that_never_read(self):
        self.create(pod("written", container(), schedulerName="nobody"))
        path = f"{pods_path()}/written"
        session, watch = None, request("GET", f"{pods_path()}?watch=true")
        before = resident_mb(self.daemon)
        socks = []
        try:
            began = time.monotonic()
            for number in range(min(self.WATCHERS, self.most // 2)):
                socks.append(connect_tls(self.daemon, 4096, session))
                socks[-1].sendall(watch)
                if number == 0:
                    # Resumed sessions make handshakes cheap; the ticket comes with the first answer.
                    self.assertIn(b"200 OK", socks[0].recv(4096))
                    session = socks[0].session
            idle = resident_mb(self.daemon) - before
            made = time.monotonic() - began
            with Others(self.daemon):
                began = time.monotonic()
                version = "0"
                for number in range(150):
                    patched = self.daemon.api.call("PATCH", path, {"metadata": {"annotations": {"number": f"{number} " + "x" * 8000}}},
                                                   headers={"Content-Type": "application/merge-patch+json"})
                    self.assertGreater(int(patched["metadata"]["resourceVersion"]), int(version))
                    version = patched["metadata"]["resourceVersion"]
                took = time.monotonic() - began
                # A watcher that reads gets what is new meanwhile.
                events = self.daemon.api.watch(pods_path(), HALF_MINUTE, resourceVersion=version)
                self.daemon.api.call("PATCH", path, {"metadata": {"labels": {"last": "yes"}}},
                                     headers={"Content-Type": "application/merge-patch+json"})
                self.assertEqual("yes", next(events)["object"]["metadata"]["labels"]["last"])
                events.close()
            grown = resident_mb(self.daemon) - before
            print(f"{len(socks)} watchers in {made:.1f} s: {idle:.1f} MB idle; {grown:.1f} MB after 150 events of 8 kB in {took:.1f} s",
                  flush=True)
            # 128 MiB of waiting output at most, and the connections themselves.
            self.assertLess(grown, 300 * MEMORY_SLACK)
        finally:
            for sock in socks:
                sock.close()


class Writer(threading.Thread):
    """Creates, patches and deletes pods of its own, and remembers what was acknowledged."""

    def __init__(self, daemon, number, acknowledged):
        super().__init__()
        self.daemon, self.number, self.acknowledged = daemon, number, acknowledged
        self.known, self.open, self.newest = {}, None, 0  # name → (version, value) or None when deleted; the one under way

    def send(self, connection, method, path, name, value, body, kind="application/json"):
        self.open = (name, value)
        connection.request(method, path, json.dumps(body), {"Content-Type": kind})
        response = connection.getresponse()
        data = json.loads(response.read())
        if response.status >= 300:
            raise AssertionError(f"{method} {path}: {response.status} {data}")
        self.open = None
        version = int(data["metadata"].get("resourceVersion", 0))
        if value is not None and version <= self.newest:
            raise AssertionError(f"resourceVersion went from {self.newest} to {version}")
        self.newest = max(self.newest, version)
        self.known[name] = (version, value) if value is not None else None
        self.acknowledged.release()

    def run(self):
        connection, round_ = self.daemon.api.connect(HALF_MINUTE), 0
        with contextlib.suppress(OSError, ValueError, ssl.SSLError):  # the kill
            import http.client
            with contextlib.suppress(http.client.HTTPException):
                while True:
                    round_ += 1
                    name = f"w{self.number}-{round_}-{self.newest}"
                    made = pod(name, container(), schedulerName="nobody", annotations={"value": "0"})
                    self.send(connection, "POST", pods_path(), name, "0", made)
                    for value in ("1", "2" * 2000, "3"):
                        self.send(connection, "PATCH", f"{pods_path()}/{name}", name, value,
                                  {"metadata": {"annotations": {"value": value}}}, "application/merge-patch+json")
                    if round_ % 3 == 0:
                        self.send(connection, "DELETE", f"{pods_path()}/{name}", name, None, {"gracePeriodSeconds": 0})
        connection.close()


class KilledWhileWriting(unittest.TestCase):
    def test_every_acknowledged_write_is_there(self):
        daemon = Daemon("killedwriting")
        self.addCleanup(daemon.destroy)
        expected, newest = {}, 0
        for after in (100, 333, 57):
            daemon.start()
            self.assert_kept(daemon, expected, newest)
            acknowledged = threading.Semaphore(0)
            writers = [Writer(daemon, number, acknowledged) for number in range(6)]
            for writer in writers:
                writer.newest = newest
                writer.start()
            for _ in range(after):
                self.assertTrue(acknowledged.acquire(timeout=deadline(HALF_MINUTE)), "the writes go on")
            daemon.kill()
            for writer in writers:
                writer.join()
                for name, known in writer.known.items():
                    expected[name] = (known, writer.open[1] if writer.open and writer.open[0] == name else known and known[1])
                if writer.open and writer.open[0] not in writer.known:
                    expected[writer.open[0]] = (None, writer.open[1])
            newest = max(newest, *(writer.newest for writer in writers))
        daemon.start()
        kept = self.assert_kept(daemon, expected, newest)
        print(f"{len(expected)} pods, {kept} kept, newest version {newest}", flush=True)

    def assert_kept(self, daemon, expected, newest):
        """`expected`: name → ((version, value) as acknowledged, the value of a write that was under way or the same)."""
        listed = daemon.api.get(pods_path())
        self.assertGreaterEqual(int(listed["metadata"]["resourceVersion"]), newest, "the version never goes back")
        there = {item["metadata"]["name"]: item["metadata"] for item in listed["items"]}
        for name, (known, under_way) in expected.items():
            meta = there.get(name)
            if meta is None:
                # Deleted, or the delete was under way, or the create was.
                self.assertTrue(known is None or under_way is None, f"{name} is gone; acknowledged was {known}")
                continue
            version, value = int(meta["resourceVersion"]), meta["annotations"]["value"]
            if known is None:
                self.assertEqual(under_way, value, f"{name} is there again")
            elif version == known[0]:
                self.assertEqual(known[1], value, name)
            else:
                self.assertGreater(version, known[0], name)
                self.assertEqual(under_way, value, f"{name}: only the write that was under way may have come after {known[0]}")
        return len(there)


if __name__ == "__main__":
    unittest.main()
