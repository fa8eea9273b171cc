"""A real registry (Debian's docker-registry) on loopback, images made here and pushed to it, and a gate before it that counts
requests and holds them back. Python's own library only."""
import atexit
import base64
import ctypes
import gzip
import hashlib
import http.client
import io
import json
import os
import platform
import queue
import re
import shutil
import signal
import socketserver
import subprocess
import tarfile
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from harness import busybox_layout, deadline

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def bcrypt(password):
    """A bcrypt hash by the C library, as htpasswd files want it."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    return crypt(password.encode(), b"$2y$05$abcdefghijklmnopqrstuu").decode()


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also a killed test leaves no registry behind


class Registry:
    """One docker-registry with a directory of its own; `users` (name to password) makes it private."""

    def __init__(self, users=None):
        self.directory = Path(tempfile.mkdtemp(prefix="podium-test-registry-"))
        self.process = None
        atexit.register(self.stop)
        config = {"version": 0.1, "log": {"level": "info", "accesslog": {"disabled": True}},
                  "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}},
                  "http": {"addr": "127.0.0.1:0", "secret": "tests"}}
        self.authorization = {}
        if users:
            passwords = self.directory / "htpasswd"
            passwords.write_text("".join(f"{name}:{bcrypt(password)}\n" for name, password in users.items()), encoding="ascii")
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(passwords)}}
            name, password = next(iter(users.items()))
            self.authorization = {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
        file = self.directory / "config.yml"
        file.write_text(json.dumps(config), encoding="ascii")
        if not shutil.which("docker-registry"):
            raise AssertionError("there is no docker-registry: `./dev setup test` brings it")
        self.process = subprocess.Popen(["docker-registry", "serve", str(file)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, preexec_fn=die_with_parent, env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
        lines = queue.Queue()
        threading.Thread(target=self.read_log, args=(self.process.stderr, lines), daemon=True).start()
        end, seen = time.monotonic() + deadline(30), []
        while True:
            line = lines.get(timeout=max(0.1, end - time.monotonic()))
            if line is None:
                raise AssertionError("docker-registry ended: " + "\n".join(seen))
            seen.append(line)
            if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                self.port = int(found.group(1))
                break
        self.gate = Gate(self.port)
        self.host = f"127.0.0.1:{self.gate.port}"

    @staticmethod
    def read_log(stream, lines):
        for line in stream:
            lines.put(line.decode(errors="replace").rstrip())
        lines.put(None)
        stream.close()

    def stop(self):
        atexit.unregister(self.stop)
        if hasattr(self, "gate"):
            self.gate.stop()
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- pushing ---

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=deadline(30))
        try:
            connection.request(method, path, body, {**self.authorization, **(headers or {})})
            response = connection.getresponse()
            data = response.read()
            if not 200 <= response.status < 300 and not (method == "HEAD" and response.status == 404):
                raise AssertionError(f"{method} {path}: {response.status} {data!r}")
            return response.status, response.headers
        finally:
            connection.close()

    def push_blob(self, repository, data):
        digest = digest_of(data)
        if self.request("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
            return digest
        _, headers = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        place = re.sub(r"^https?://[^/]+", "", headers["Location"])
        self.request("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", data, {"Content-Type": "application/octet-stream"})
        return digest

    def push_manifest(self, repository, tag, manifest):
        data = json.dumps(manifest).encode()
        self.request("PUT", f"/v2/{repository}/manifests/{tag}", data, {"Content-Type": manifest["mediaType"]})
        return digest_of(data)

    def push(self, repository, tag, layers=None, config=None):
        """Pushes an image of gzipped layers over busybox' own; returns the manifest's digest."""
        layers = [busybox_layer()] + [layer if isinstance(layer, bytes) else layer_of(layer) for layer in layers or []]
        document = {"architecture": architecture(), "os": "linux", "config": config if config is not None else {"Cmd": ["sh"]},
                    "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(layer)) for layer in layers]}}
        text = json.dumps(document).encode()
        return self.push_manifest(repository, tag, {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": self.push_blob(repository, text), "size": len(text)},
            "layers": [{"mediaType": LAYER, "digest": self.push_blob(repository, layer), "size": len(layer)} for layer in layers]})

    def image(self, repository, tag="latest"):
        return f"{self.host}/{repository}:{tag}"


def architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def busybox_layer():
    layout = busybox_layout()

    def blob(digest):
        return (layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()

    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    return blob(manifest["layers"][0]["digest"])


def layer_of(files):
    """A gzipped layer of {path: text}; a TarInfo as the value is put in as it is."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            entry = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(path)
            data = b"" if isinstance(content, tarfile.TarInfo) else content.encode()
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)


class Gate:
    """Stands before a registry: hands requests on, remembers them, and holds those for blobs while it is closed."""

    def __init__(self, target):
        self.target = target
        self.open = threading.Event()
        self.open.set()
        self.held = threading.Semaphore(0)  # one for each request that has come to a closed gate
        self.lock = threading.Condition()
        self.requests = []
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                gate.forward(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forward(self, handler):
        with self.lock:
            self.requests.append((handler.command, handler.path))
            self.lock.notify_all()
        if "/blobs/" in handler.path and not self.open.is_set():
            self.held.release()
            self.open.wait()
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=deadline(30))
        try:
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for key, value in handler.headers.items():  # Accept comes several times
                if key.lower() != "connection":
                    connection.putheader(key, value)
            connection.endheaders()
            response = connection.getresponse()
            data = response.read()
            handler.send_response(response.status)
            for key, value in response.headers.items():
                if key.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    handler.send_header(key, value)
            length = response.headers.get("Content-Length") if handler.command == "HEAD" else str(len(data))
            handler.send_header("Content-Length", length or "0")
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(data)
        except (OSError, http.client.HTTPException):
            handler.close_connection = True
        finally:
            connection.close()

    def close(self):
        self.open.clear()

    def wait_held(self):
        """Waits until a request stands before the closed gate."""
        if not self.held.acquire(timeout=deadline(30)):
            raise AssertionError("no request for a blob has come")

    def count(self, pattern):
        with self.lock:
            return sum(1 for method, path in self.requests if method == "GET" and re.search(pattern, path))

    def wait_for(self, pattern):
        """Waits for a GET of such a path, be it held or not."""
        with self.lock:
            if not self.lock.wait_for(lambda: self.count(pattern), deadline(30)):
                raise AssertionError(f"nobody asked for {pattern}")

    def stop(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
