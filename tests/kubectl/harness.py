"""A real daemon, real containers, the real kubectl: what the tests of this folder stand on. Python's own library only.

Daemon starts `podium up` with directories, bridge, pod network, port and kubeconfig of its own, so that several run side by
side. Waiting goes by the API's watch, never by sleeping."""
import atexit
import base64
import fcntl
import http.client
import json
import os
import queue
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import quote, urlencode

import leaks

SOURCE_DIR = Path(__file__).resolve().parents[2]
BUILD_DIR = Path(os.environ.get("PODIUM_BUILD_DIR", SOURCE_DIR / "build/debug"))
PODIUM = Path(os.environ.get("PODIUM_BIN", BUILD_DIR / "podium"))
# The kubectl that is tested with: ctest runs most files twice, with the one on PATH and with Debian's 1.20.
KUBECTL = os.environ.get("PODIUM_KUBECTL") or "kubectl"
# Sanitizers and busy machines are slower; every deadline below is for a machine of its own and multiplied by this.
SLOWNESS = float(os.environ.get("PODIUM_TEST_SLOWNESS", "1"))


def deadline(seconds):
    return seconds * SLOWNESS


class KubectlError(AssertionError):
    """kubectl ended with another code than 0."""


class Result:
    """What one kubectl call gave."""

    def __init__(self, args, code, out, err, data):
        self.args_, self.code, self.out, self.err, self.data = args, code, out, err, data

    def __repr__(self):
        return f"kubectl {' '.join(self.args_)}: exit code {self.code}\nstdout: {self.out[-2000:]}\nstderr: {self.err[-2000:]}"


class ApiError(AssertionError):
    """The API answered with a Status that is no success."""

    def __init__(self, method, path, code, body):
        super().__init__(f"{method} {path}: {code} {body[:500]!r}")
        self.code = code
        try:
            self.status = json.loads(body)
        except ValueError:
            self.status = {}


class Api:
    """The REST side, by the client certificate of a kubeconfig."""

    def __init__(self, kubeconfig, directory):
        view = subprocess.run([KUBECTL, "--kubeconfig", str(kubeconfig), "config", "view", "--raw", "--flatten", "-o", "json"],
                              check=True, capture_output=True, timeout=deadline(30))
        config = json.loads(view.stdout)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        host = re.fullmatch(r"https://([^:/]+):(\d+)/?", cluster["server"])
        self.host, self.port = host.group(1), int(host.group(2))
        files = {}
        for key, data in [("ca", cluster["certificate-authority-data"]), ("crt", user["client-certificate-data"]),
                          ("key", user["client-key-data"])]:
            files[key] = Path(directory) / f"harness.{key}"
            files[key].write_bytes(base64.b64decode(data))
        self.context = ssl.create_default_context(cafile=str(files["ca"]))
        self.anonymous_context = ssl.create_default_context(cafile=str(files["ca"]))
        self.context.load_cert_chain(files["crt"], files["key"])

    def connect(self, timeout=30, anonymous=False):
        context = self.anonymous_context if anonymous else self.context
        return http.client.HTTPSConnection(self.host, self.port, context=context, timeout=deadline(timeout))

    def request(self, method, path, body=None, headers=None, timeout=30, anonymous=False):
        """(code, headers, body) of one request."""
        connection = self.connect(timeout, anonymous)
        try:
            data = json.dumps(body) if isinstance(body, (dict, list)) else body
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})} if data else headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, **more):
        """The answer's object; ApiError for anything but 2xx."""
        code, _, data = self.request(method, path, body, **more)
        if not 200 <= code < 300:
            raise ApiError(method, path, code, data)
        return json.loads(data)

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def watch(self, path, seconds, **query):
        """Events of a watch until its end or the deadline (TimeoutError)."""
        end = time.monotonic() + deadline(seconds)
        connection = self.connect(seconds)
        try:
            connection.request("GET", f"{path}?{urlencode({'watch': 'true', **query})}")
            response = connection.getresponse()
            if response.status != 200:
                raise ApiError("WATCH", path, response.status, response.read())
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"watch {path}: no more events in time")
                # http.client lets go of the socket when the server is to close the connection.
                sock = connection.sock or getattr(getattr(response.fp, "raw", None), "_sock", None)
                if sock is not None:
                    sock.settimeout(left)
                line = response.readline()
                if not line:
                    return
                yield json.loads(line)
        finally:
            connection.close()

    def wait(self, collection, name, predicate, seconds=60, what="condition"):
        """Waits by watch until predicate(object) is true; the object is None while there is none. Returns the object."""
        end = time.monotonic() + deadline(seconds)
        selector = {"fieldSelector": f"metadata.name={name}"}
        last = None
        while True:
            listed = self.get(f"{collection}?{urlencode(selector)}")
            last = listed["items"][0] if listed["items"] else None
            if predicate(last):
                return last
            left = (end - time.monotonic()) / SLOWNESS
            try:
                if left <= 0:
                    raise TimeoutError
                for event in self.watch(collection, left, resourceVersion=listed["metadata"]["resourceVersion"], **selector):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] == "BOOKMARK":
                        continue
                    last = None if event["type"] == "DELETED" else event["object"]
                    if predicate(last):
                        return last
            except TimeoutError:
                raise AssertionError(f"{collection}/{name}: not {what} after {deadline(seconds):.0f} s; it is "
                                     + json.dumps(last and {"metadata": {"name": name}, "status": last.get("status")}, indent=1)) from None


def pods_path(namespace="default"):
    return f"/api/v1/namespaces/{quote(namespace)}/pods"


class PodNetwork:
    """A bridge name and a pod network that no other test process uses at the same time (by file locks)."""

    def __init__(self):
        directory = Path(tempfile.gettempdir()) / "podium-test-networks"
        directory.mkdir(exist_ok=True)
        for number in range(250):
            lock = open(directory / str(number), "w", encoding="ascii")  # held while the process lives
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            self.lock, self.bridge, self.cidr = lock, f"pdtest{number}", f"10.251.{number}.0/24"
            return
        raise AssertionError("250 pod networks of tests are in use")


def busybox_layout():
    """The OCI layout that stands for docker.io; made here when the tests run without ./dev."""
    given = os.environ.get("PODIUM_BUSYBOX_LAYOUT")
    layout = Path(given) if given else SOURCE_DIR / "build/busybox-layout"
    if not (layout / "index.json").exists():
        layout.parent.mkdir(parents=True, exist_ok=True)
        with open(layout.parent / ".layout.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            subprocess.run(["sh", str(SOURCE_DIR / "packaging/make-busybox-layout.sh"), str(layout)], check=True, capture_output=True)
    return layout


class Daemon:
    """One `podium up` with everything of its own. Use as a context manager, or stop() it."""

    def __init__(self, name="test", data_dir=None, settings=None, run_dir=None):
        self.name = name
        self.network = PodNetwork()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{leaks.TEST_PREFIX}{os.getpid()}-{name}-"))
        self.data = Path(data_dir) if data_dir else self.directory / "data"
        self.run = Path(run_dir) if run_dir else self.directory / "run"
        self.kubeconfig = self.data / "kubeconfig"
        self.config = self.directory / "settings.yaml"
        self.config.write_text(self.settings_text(settings or {}), encoding="utf-8")
        (self.directory / "owner.json").write_text(json.dumps({"pid": os.getpid(), "bridge": self.network.bridge,
                                                                 "run": str(self.run)}), encoding="utf-8")
        self.process, self.api, self.lines, self.output = None, None, None, []
        self.kubectl_environment = {}  # what a test adds
        self.before_exec = None        # called in the child that becomes the daemon
        self.log_file = open(self.directory / "daemon.log", "ab")
        # Killed tests leave their directory behind: `leaks.py --clean-test-runs` finds it by the owner.
        atexit.register(self.destroy)

    def settings_text(self, settings):
        """The settings as JSON, which is YAML too."""
        back_off = {"first": "300ms", "max": "3s"}
        return json.dumps({
            "nodeName": self.name,
            "network": {"bridge": self.network.bridge, "podCIDR": self.network.cidr},
            "registryMirrors": {"docker.io": [{"layout": str(busybox_layout())}]},
            "crashLoopBackOff": back_off,
            "imagePullBackOff": back_off,
            "logLevel": os.environ.get("PODIUM_TEST_LOG_LEVEL", "info"),
            **settings,
        }, indent=1)

    # --- life ---

    def start(self, *arguments, seconds=60):
        """Starts the daemon and waits for its ready line."""
        command = [str(PODIUM), "up", "--config", str(self.config), "--data-dir", str(self.data), "--run-dir", str(self.run),
                   "--listen", "127.0.0.1:0", "--node-name", self.name, *arguments]
        self.lines = queue.Queue()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log_file,
                                        start_new_session=True, preexec_fn=self.before_exec)
        threading.Thread(target=self.read_output, args=(self.process.stdout, self.lines), daemon=True).start()
        self.wait_line(r"^podium is ready: ", seconds)
        self.api = Api(self.kubeconfig, self.directory)
        return self

    def read_output(self, stream, lines):
        for line in stream:
            text = line.decode(errors="replace").rstrip("\n")
            self.output.append(text)
            lines.put(text)
        lines.put(None)
        stream.close()

    def wait_line(self, pattern, seconds):
        """Waits for a line on the daemon's stdout."""
        end = time.monotonic() + deadline(seconds)
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the daemon did not print {pattern!r} in {deadline(seconds):.0f} s\n{self.log_tail()}") from None
            if line is None:
                self.lines.put(None)
                raise AssertionError(f"the daemon ended with {self.process.wait(10)} before it printed {pattern!r}\n{self.log_tail()}")
            if re.search(pattern, line):
                return line

    def log_tail(self, count=60):
        try:
            lines = (self.directory / "daemon.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(["--- the daemon's log ends with:", *lines[-count:]])

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9: the containers run on."""
        self.process.kill()
        self.process.wait(deadline(30))

    def terminate(self, seconds=30):
        """SIGTERM: the daemon ends, the containers run on. Returns the exit code."""
        self.process.terminate()
        return self.process.wait(deadline(seconds))

    def interrupt(self, seconds=60):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(deadline(seconds))

    def down(self, seconds=90):
        """`podium down`: all pods end, then the daemon."""
        run = subprocess.run([str(PODIUM), "down", "--data-dir", str(self.data), "--run-dir", str(self.run)],
                             capture_output=True, text=True, timeout=deadline(seconds), check=False)
        if run.returncode != 0:
            raise AssertionError(f"podium down ended with {run.returncode}: {run.stdout}{run.stderr}\n{self.log_tail()}")
        return self.process.wait(deadline(30)) if self.process else None

    def destroy(self):
        """Ends and removes everything, also after a failure."""
        atexit.unregister(self.destroy)
        try:
            if self.alive():
                try:
                    self.down(seconds=20)
                except (AssertionError, subprocess.TimeoutExpired, OSError):
                    self.process.kill()
                    self.process.wait()
        finally:
            self.log_file.close()
            keep = os.environ.get("PODIUM_TEST_KEEP")
            leaks.clean_directory(self.directory, self.network.bridge, extra=[self.data, self.run], keep_files=bool(keep))
            if not keep:
                shutil.rmtree(self.run, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()

    # --- kubectl ---

    def environment(self):
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.directory / "kubecache"),
                "HOME": str(self.directory), "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true",
                **self.kubectl_environment}

    def kubectl_process(self, *args, **more):
        """A running kubectl, for what does not end by itself."""
        return subprocess.Popen([KUBECTL, *args], env=self.environment(), **more)

    def kubectl(self, *args, stdin=None, seconds=60, check=True):
        """Runs kubectl; `stdin` is bytes, text or an object to be given as JSON."""
        if isinstance(stdin, (dict, list)):
            stdin = json.dumps(stdin)
        if isinstance(stdin, str):
            stdin = stdin.encode()
        args = [str(arg) for arg in args]
        try:
            # Without input of its own a kubectl must not read the terminal.
            run = subprocess.run([KUBECTL, *args], env=self.environment(), capture_output=True, timeout=deadline(seconds), check=False,
                                 **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        except subprocess.TimeoutExpired as late:
            raise KubectlError(f"kubectl {' '.join(args)}: no end in {deadline(seconds):.0f} s: {late.stdout!r} {late.stderr!r}\n"
                               + self.log_tail()) from None
        result = Result(args, run.returncode, run.stdout.decode(errors="replace"), run.stderr.decode(errors="replace"), run.stdout)
        if check and result.code != 0:
            raise KubectlError(f"{result!r}\n{self.log_tail()}")
        return result

    def create(self, *objects):
        for item in objects:
            self.kubectl("create", "-f", "-", stdin=item)

    def pod(self, name, namespace="default"):
        return self.api.get(f"{pods_path(namespace)}/{name}")

    def wait_pod(self, name, predicate, seconds=60, what="as expected", namespace="default"):
        try:
            return self.api.wait(pods_path(namespace), name, predicate, seconds, what)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.log_tail()}") from None

    def wait_running(self, name, seconds=60, namespace="default"):
        return self.wait_pod(name, all_running, seconds, "running with all containers", namespace)

    def wait_gone(self, name, seconds=60, namespace="default"):
        return self.wait_pod(name, lambda pod: pod is None, seconds, "gone", namespace)

    def wait_event(self, name, reason, seconds=30, namespace="default"):
        """Waits for an event of that reason about a pod, and returns it."""
        path, end = f"/api/v1/namespaces/{namespace}/events", time.monotonic() + deadline(seconds)
        query = {"fieldSelector": f"involvedObject.name={name},reason={reason}"}
        listed = self.api.get(f"{path}?{urlencode(query)}")
        if listed["items"]:
            return listed["items"][0]
        try:
            for event in self.api.watch(path, (end - time.monotonic()) / SLOWNESS,
                                        resourceVersion=listed["metadata"]["resourceVersion"], **query):
                if event["type"] in ("ADDED", "MODIFIED"):
                    return event["object"]
        except TimeoutError:
            pass
        every = self.api.get(f"{path}?{urlencode({'fieldSelector': f'involvedObject.name={name}'})}")["items"]
        raise AssertionError(f"no event {reason} about {name}; there are {[(e['reason'], e['message']) for e in every]}\n{self.log_tail()}")


# --- pods ---

def container(name="main", script=None, command=None, **more):
    """A busybox container that runs a shell script or a command."""
    if script is not None:
        command = ["/bin/sh", "-c", script]
    return {"name": name, "image": "busybox", **({"command": command} if command else {}), **more}


# `exec` makes sleep the main process; sh as PID 1 would ignore SIGTERM just as well, hence the trap where a quick end matters.
SLEEP = "trap 'exit 0' TERM; sleep 3600 & wait"


def pod(name, *containers, labels=None, grace=2, namespace=None, annotations=None, **spec):
    metadata = {"name": name, **({"labels": labels} if labels else {}), **({"namespace": namespace} if namespace else {}),
                **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"terminationGracePeriodSeconds": grace, "containers": list(containers) or [container(script=SLEEP)], **spec}}


def status_of(pod_object, name=None):
    """The status of a container; the first one without a name. {} while there is none."""
    for status in (pod_object or {}).get("status", {}).get("containerStatuses", []):
        if name is None or status["name"] == name:
            return status
    return {}


def phase(pod_object):
    return (pod_object or {}).get("status", {}).get("phase")


def all_running(pod_object):
    statuses = (pod_object or {}).get("status", {}).get("containerStatuses", [])
    return (phase(pod_object) == "Running" and len(statuses) == len(pod_object["spec"]["containers"])
            and all("running" in status.get("state", {}) for status in statuses))


def condition(pod_object, kind):
    for item in (pod_object or {}).get("status", {}).get("conditions", []):
        if item["type"] == kind:
            return item
    return {}


def waiting_reason(pod_object, name=None):
    return status_of(pod_object, name).get("state", {}).get("waiting", {}).get("reason")


def restarts(pod_object, name=None):
    return status_of(pod_object, name).get("restartCount", 0)


def kubectl_version():
    """(major, minor) of the kubectl that is tested with."""
    run = subprocess.run([KUBECTL, "version", "--client", "-o", "json"], capture_output=True, timeout=deadline(60), check=True)
    version = json.loads(run.stdout)["clientVersion"]
    return int(version["major"]), int(re.match(r"\d+", version["minor"]).group(0))


def needs_kubectl(major, minor, why):
    found = kubectl_version()
    return unittest.skipIf(found < (major, minor), f"kubectl {found[0]}.{found[1]} is older than {major}.{minor}: {why}")


class DaemonTest(unittest.TestCase):
    """A test case whose class shares one daemon; pods of a test are deleted after it."""

    daemon: Daemon
    settings = None

    @classmethod
    def setUpClass(cls):
        if not PODIUM.exists():
            raise AssertionError(f"{PODIUM} is not built")
        if not shutil.which(KUBECTL):
            raise AssertionError(f"there is no {KUBECTL}: `./dev setup test` brings it")
        cls.daemon = Daemon(re.sub(r"[^a-z0-9]", "", cls.__name__.lower()), settings=cls.settings)
        cls.addClassCleanup(cls.daemon.destroy)
        cls.daemon.start()

    def setUp(self):
        self.maxDiff = None
        if not self.daemon.alive():
            # One test that ends the daemon must not fail all others with it.
            code = self.daemon.process.returncode
            self.daemon.start()
            raise AssertionError(f"the daemon had ended with {code} before this test\n{self.daemon.log_tail()}")

    def create(self, *objects):
        """Creates and deletes after the test, without waiting for the end."""
        for item in objects:
            self.daemon.create(item)
            self.remove_later(item["metadata"]["name"], item["metadata"].get("namespace", "default"))

    def remove_later(self, name, namespace="default"):
        self.addCleanup(lambda: self.daemon.alive() and self.daemon.api.request(
            "DELETE", f"{pods_path(namespace)}/{name}", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 1}))

    def kubectl(self, *args, **more):
        return self.daemon.kubectl(*args, **more)


def scratch_file(daemon, name, content):
    file = daemon.directory / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def remove_tree(path):
    shutil.rmtree(path, ignore_errors=True)
