"""port-forward: with kubectl by its two ways, and below it by the channels that the other clients use."""
import concurrent.futures
import http.client
import os
import re
import select
import socket
import struct
import subprocess
import time
import unittest

from harness import SLEEP, SLOWNESS, DaemonTest, container, deadline, kubectl_version, needs_kubectl, pod, pods_path
from streams import Refused, Stream

# httpd is bound to localhost: only who is inside the pod reaches it. nc answers with what it is told.
WEB = ("mkdir /www; head -c 3000000 /dev/zero > /www/big; echo hello > /www/index.html; "
       "httpd -p 127.0.0.1:8080 -h /www; nc -ll -p 9000 -e cat & nc -ll -p 9001 -e yes & " + SLEEP)


class Forwarding:
    """A running `kubectl port-forward`. Use as a context manager."""

    def __init__(self, daemon, *args, count=1):
        self.process = daemon.kubectl_process("port-forward", *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                              stderr=subprocess.PIPE)
        self.out, self.err, self.ports = b"", b"", {}
        end = time.monotonic() + deadline(30)
        while len(self.ports) < count:
            if not self.read(end):
                raise AssertionError(f"kubectl ended with {self.process.wait()}: {self.out!r} {self.err!r}")
            self.ports = {int(inner): int(outer)
                          for outer, inner in re.findall(rb"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", self.out)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def read(self, end):
        """Takes more of what it says; False when it has ended."""
        streams = [self.process.stdout, self.process.stderr]
        ready = select.select(streams, [], [], max(0.0, end - time.monotonic()))[0]
        if not ready:
            raise AssertionError(f"kubectl says nothing more: {self.out!r} {self.err!r}")
        said = False
        for stream in ready:
            data = os.read(stream.fileno(), 65536)
            said |= bool(data)
            if stream is streams[0]:
                self.out += data
            else:
                self.err += data
        return said

    def until_error(self, pattern, seconds=30):
        end = time.monotonic() + deadline(seconds)
        while not re.search(pattern, self.err):
            if not self.read(end):
                raise AssertionError(f"no {pattern!r} before the end: {self.err!r}")

    def connect(self, port):
        return socket.create_connection(("127.0.0.1", self.ports[port]), timeout=deadline(30))

    def get(self, port, path="/"):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=deadline(30))
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


def echo(sock, data):
    """Sends, says that it was all, and reads what comes back. Both at once: nobody keeps more than a little for others."""
    back = b""
    sock.setblocking(False)
    left = memoryview(data)
    while True:
        readable, writable, _ = select.select([sock], [sock] if left else [], [], deadline(30))
        if not readable and not writable:
            raise AssertionError(f"{len(data) - len(left)} bytes went, {len(back)} came, and then no more")
        if writable:
            left = left[sock.send(left[:65536]):]
            if not left:
                sock.shutdown(socket.SHUT_WR)
        if readable:
            more = sock.recv(65536)
            if not more:
                return back
            back += more


class ForwardCase(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.create(pod("web", container(script=WEB)))
        cls.daemon.wait_running("web")
        # Both listen: a shell of ours has seen it.
        cls.daemon.kubectl("exec", "web", "--", "sh", "-c",
                           "until [ $(netstat -ltn | grep -c '127.0.0.1:8080\\|:900[01] ') = 3 ]; do sleep 0.1; done")


class Forward(ForwardCase):
    def test_a_port_that_only_localhost_reaches(self):
        with Forwarding(self.daemon, "pod/web", ":8080") as forwarding:
            self.assertEqual(b"hello\n", forwarding.get(8080))
            self.assertEqual(b"hello\n", forwarding.get(8080))

    def test_several_ports_and_connections(self):
        with Forwarding(self.daemon, "web", ":8080", ":9000", count=2) as forwarding:
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                pages = [pool.submit(forwarding.get, 8080, "/big") for _ in range(6)]
                echoes = [pool.submit(echo, forwarding.connect(9000), bytes([n]) * 200_000) for n in range(6)]
                for page in pages:
                    self.assertEqual(3_000_000, len(page.result()))
                for number, answer in enumerate(echoes):
                    self.assertEqual(bytes([number]) * 200_000, answer.result())

    def test_megabytes_there_and_back(self):
        data = os.urandom(4 << 20)
        with Forwarding(self.daemon, "web", ":9000") as forwarding, forwarding.connect(9000) as sock:
            self.assertTrue(data == echo(sock, data))

    def test_a_reader_that_sleeps_holds_nobody_up(self):
        with Forwarding(self.daemon, "web", ":8080", ":9000", count=2) as forwarding:
            with forwarding.connect(8080) as sleeper:
                sleeper.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
                self.assertEqual(b"awake", echo(forwarding.connect(9000), b"awake"))

    def test_a_client_that_does_not_read_stops_the_pod(self):
        """The pod writes without end: what nobody takes stays with it, and the daemon holds a few hundred KB."""
        def counter():
            with open(f"/proc/{self.daemon.process.pid}/io", encoding="ascii") as io:
                return int(re.search(r"rchar: (\d+)", io.read()).group(1))

        def resident_kb():
            with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as status:
                return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

        before = resident_kb()
        with Forwarding(self.daemon, "web", ":9001", ":9000", count=2) as forwarding, forwarding.connect(9001) as sock:
            self.assertEqual(b"y\n", sock.recv(2))
            end, last = time.monotonic() + deadline(60), -1
            # Still when only the questions of this loop are read: a pod that is not stopped gives gigabytes.
            while counter() - last > 500_000:
                self.assertLess(time.monotonic(), end, "the pod is read on and on")
                last = counter()
                for _ in range(20):
                    self.daemon.api.get("/version")
            self.assertLess(resident_kb() - before, 30_000 * (1 if SLOWNESS <= 2 else 4))
            # Read on, it goes on.
            for _ in range(100):
                self.assertTrue(sock.recv(65536))

    def test_a_client_that_leaves_costs_nothing(self):
        directory = f"/proc/{self.daemon.process.pid}/fd"
        before = len(os.listdir(directory))
        with Forwarding(self.daemon, "web", ":9000") as forwarding:
            for _ in range(20):
                with forwarding.connect(9000) as sock:
                    sock.sendall(b"x")
                    self.assertEqual(b"x", sock.recv(1))
        end = time.monotonic() + deadline(20)
        while len(os.listdir(directory)) > before + 2 and time.monotonic() < end:
            self.daemon.api.get("/version")
        self.assertLessEqual(len(os.listdir(directory)), before + 2)

    def test_a_port_where_nobody_listens(self):
        with Forwarding(self.daemon, "web", ":7777") as forwarding:
            with forwarding.connect(7777) as sock:
                self.assertEqual(b"", sock.recv(1))
            uid = self.daemon.pod("web")["metadata"]["uid"].encode()
            forwarding.until_error(rb"error forwarding port 7777 to pod " + uid + rb", uid : failed to execute portforward in network "
                                   rb'namespace \\?"[^"]+": failed to connect to localhost:7777 inside namespace \\?"' + uid
                                   + rb'\\?", IPv4: dial tcp4 127\.0\.0\.1:7777: connect: connection refused IPv6 dial tcp6 \[::1\]:7777: ')

    def test_ends_with_the_pod(self):
        self.create(pod("brief", container(script="nc -ll -p 9000 -e cat & " + SLEEP)))
        self.daemon.wait_running("brief")
        with Forwarding(self.daemon, "brief", ":9000") as forwarding:
            self.kubectl("delete", "pod", "brief", "--wait=false")
            forwarding.until_error(rb"lost connection to pod")
            code = forwarding.process.wait(deadline(30))
            self.assertEqual(1 if kubectl_version() > (1, 20) else 0, code)

    def test_a_pod_that_does_not_run(self):
        self.create(pod("nowhere", container(script=SLEEP, resources={"requests": {"cpu": "10000"}})))
        answer = self.kubectl("port-forward", "nowhere", ":80", check=False)
        self.assertEqual(1, answer.code)
        self.assertIn("unable to forward port because pod is not running. Current status=Pending", answer.err)


@needs_kubectl(1, 30, "it knows SPDY only, and is tested with it by the class before")
class ForwardBySpdy(Forward):
    """The same by SPDY without a WebSocket around it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.kubectl_environment["KUBECTL_PORT_FORWARD_WEBSOCKETS"] = "false"


class Channels(ForwardCase):
    """?ports= over v4.channel.k8s.io: python's and node's way."""

    def stream(self, *ports, protocol="v4.channel.k8s.io", name="web"):
        return Stream(self.daemon.api, f"{pods_path()}/{name}", "portforward", protocol=protocol, ports=ports)

    def test_two_ports(self):
        for protocol in ("v4.channel.k8s.io", "v4.base64.channel.k8s.io", None):
            with self.subTest(protocol=protocol):
                self.two_ports(protocol)

    def two_ports(self, protocol):
        stream = self.stream("8080,9000", protocol=protocol)
        self.assertEqual(protocol, stream.protocol)
        for channel, port in [(0, 8080), (1, 8080), (2, 9000), (3, 9000)]:
            self.assertTrue(stream.step())
            stream.wait_for(channel, struct.pack("<H", port))
        stream.send(0, b"GET / HTTP/1.0\r\n\r\n")
        stream.wait_for(0, b"hello\n")
        stream.send(2, b"and ")
        stream.send(2, b"back")
        stream.wait_for(2, b"and back")
        stream.drop()

    def test_ends_with_its_ports(self):
        stream = self.stream("8080", protocol="v5.channel.k8s.io, v4.channel.k8s.io, channel.k8s.io")
        self.assertEqual("v5.channel.k8s.io", stream.protocol)
        stream.send(0, b"GET / HTTP/1.0\r\n\r\n")
        while stream.step():
            pass
        self.assertEqual(1000, stream.close_code)
        self.assertTrue(stream.channels[0].endswith(b"hello\n"), stream.channels)

    def test_a_port_where_nobody_listens(self):
        stream = self.stream("7777")
        while stream.step():
            pass
        self.assertIn(b"failed to connect to localhost:7777 inside namespace", stream.channels[1])
        self.assertEqual(struct.pack("<H", 7777), stream.channels[0])

    def test_refusals(self):
        for ports, said in [((), 'query parameter "ports" is required'), (("",), 'query parameter "ports" cannot be empty'),
                            (("x",), 'unable to parse "x" as a port: strconv.ParseUint: parsing "x": invalid syntax'),
                            (("80,70000",), 'unable to parse "70000" as a port: strconv.ParseUint: parsing "70000": value out of range'),
                            (("0",), 'port "0" must be > 0')]:
            with self.assertRaises(Refused) as refused:
                self.stream(*ports)
            self.assertEqual(400, refused.exception.code)
            self.assertIn(said, str(refused.exception))
        code, _, body = self.daemon.api.request("GET", f"{pods_path()}/web/portforward?ports=80")
        self.assertEqual(400, code)
        self.assertIn(b"Upgrade request required", body)
        with self.assertRaises(Refused) as refused:
            self.stream("80", name="nobody")
        self.assertEqual(404, refused.exception.code)


if __name__ == "__main__":
    unittest.main()
