#!/usr/bin/env python3
"""The peers that are programs of their own: `podman play kube` and containerd by `ctr`, both as Debian ships them.

Each runs on a "machine" of its own: a process in new mount, network and process namespaces, so that nothing of the machine's
podman or containerd is touched, crun sees one cgroup hierarchy also where there are two, orphans are reaped at once, and the kernel
ends everything with it. The bench talks to it by lines of JSON.

usage, by Peer alone: peers.py NAME DIRECTORY LAYOUT"""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
IMAGE = "localhost/bench:1"
CGROUP_OF = {"podman": "libpod_parent", "containerd": "bench-containerd"}  # where they put their containers


class Peer:
    """The bench's side: starts the machine, asks it, ends it. `version` is what the program says of itself."""

    def __init__(self, name, directory, layout):
        self.name, self.directory = name, Path(directory)
        self.directory.mkdir(parents=True)
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", sys.executable,
             __file__, name, str(directory), str(layout)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            self.version = self.answer()
        except RuntimeError:
            self.close()
            raise

    def answer(self):
        line = self.process.stdout.readline()
        seen = json.loads(line) if line else {"error": f"the machine of {self.name} has ended"}
        if "error" in seen:
            raise RuntimeError(f"{self.name}: {seen['error']}")
        return seen["answer"]

    def ask(self, what, *arguments):
        self.process.stdin.write(json.dumps([what, *arguments]) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for top in [CGROUPS / CGROUP_OF[self.name], *CGROUPS.glob(f"*/{CGROUP_OF[self.name]}")]:
            for directory, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(directory)  # what somebody else's podman runs in is busy, and stays
                except OSError:
                    continue
        shutil.rmtree(self.directory, ignore_errors=True)


# --- on the machine ---

def run(*command, environment=None):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(part) for part in command)} ended with {done.returncode}: {done.stdout[-800:]}")
    return done.stdout


def archive(directory, layout):
    file = directory / "image.tar"
    run("skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{layout}", f"oci-archive:{file}:{IMAGE}")
    return file


def proportional_bytes_of(pid):
    """What a process holds, shared pages counted by their share; 0 for one that has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def proportional_bytes(*names):
    """What all processes of these names hold; a name has at most 15 characters there."""
    total = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text(encoding="utf-8").strip() in [name[:15] for name in names]:
                total += proportional_bytes_of(entry.name)
        except OSError:
            continue
    return total


class Podman:
    """One pod a call: an infra container and the pod's own, a CNI bridge, no seccomp profile (podium's pods have none either)."""

    CONF = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=1024:1024"]
seccomp_profile = "unconfined"
cgroupns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/usr/lib/cni"]
network_config_dir = "{directory}/cni"
"""

    def __init__(self, directory, layout):
        import resource  # pylint: disable=import-outside-toplevel
        self.directory = directory
        (directory / "cni").mkdir()
        files = min(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        (directory / "containers.conf").write_text(self.CONF.format(directory=directory, files=files), encoding="ascii")
        os.environ.update(CONTAINERS_CONF=str(directory / "containers.conf"), STORAGE_DRIVER="overlay")
        self.call = ["podman", "--root", directory / "root", "--runroot", "/run/podman-run", "--tmpdir", "/run/podman-tmp"]
        run(*self.call, "load", "--quiet", "--input", archive(directory, layout))
        self.version = run("podman", "--version").strip()

    def start(self, name, command):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
               "spec": {"containers": [{"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": command}]}}
        file = self.directory / f"{name}.json"
        file.write_text(json.dumps(pod), encoding="utf-8")
        run(*self.call, "play", "kube", file)

    def stop(self, name):
        run(*self.call, "pod", "rm", "--force", "--time", "10", name)

    @staticmethod
    def held():
        return proportional_bytes("conmon", "catatonit")

    def close(self):
        pass


class Containerd:
    """One container a call, with crun, in an empty network namespace: `ctr` makes no pods and no network."""

    def __init__(self, directory, layout):
        socket, state = directory / "containerd.sock", "/run/bench-containerd"
        config = directory / "config.toml"
        config.write_text(f'version = 2\nroot = "{directory}/root"\nstate = "{state}"\noom_score = 0\n'
                          f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{socket}"\n[ttrpc]\n'
                          f'address = "{socket}.ttrpc"\n', encoding="ascii")
        self.daemon = subprocess.Popen(["containerd", "--config", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
        for line in self.daemon.stderr:
            if "successfully booted" in line:
                break
        else:
            raise RuntimeError(f"containerd ended with {self.daemon.wait()}")
        self.drain = subprocess.Popen(["cat"], stdin=self.daemon.stderr, stdout=subprocess.DEVNULL)
        self.call = ["ctr", "--address", socket, "--namespace", "bench-containerd"]
        run(*self.call, "images", "import", archive(directory, layout))
        self.version = "containerd " + run("containerd", "--version").split()[2]

    def start(self, name, command):
        run(*self.call, "run", "--detach", "--runc-binary", "/usr/bin/crun", IMAGE, name, *command)

    def stop(self, name):
        run(*self.call, "tasks", "rm", "--force", name)
        run(*self.call, "containers", "rm", name)

    @staticmethod
    def held():
        return proportional_bytes("containerd", "containerd-shim")

    def close(self):
        self.daemon.kill()
        self.daemon.wait()


def every(function, names, at_once):
    """(seconds for all, seconds of each), `at_once` under way at a time; each counts from the common beginning."""
    began = time.perf_counter()

    def one(name):
        function(name)
        return time.perf_counter() - began
    with ThreadPoolExecutor(at_once) as pool:
        each = list(pool.map(one, names))
    return time.perf_counter() - began, each


def isolate():
    """The rest of a machine of its own: what these programs keep outside of the directories they are told."""
    libc = ctypes.CDLL(None, use_errno=True)
    for point in ("/run", "/dev/shm", "/var/lib/cni"):
        if Path(point).is_dir() and libc.mount(b"tmpfs", point.encode(), b"tmpfs", 0, None) != 0:
            raise OSError(ctypes.get_errno(), f"cannot mount {point}")
    if (CGROUPS / "unified/cgroup.controllers").exists():  # crun refuses two hierarchies with controllers
        libc.umount2(str(CGROUPS / "unified").encode(), 2)
    run("ip", "link", "set", "lo", "up")


def serve(name, directory, layout):
    def say(**what):
        print(json.dumps(what), flush=True)
    try:
        isolate()
        made = {"podman": Podman, "containerd": Containerd}[name](Path(directory), layout)
        say(answer=made.version)
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            if what == "start":
                names, at_once, command = arguments
                say(answer=every(lambda n: made.start(n, command), names, at_once))
            elif what == "stop":
                say(answer=every(made.stop, *arguments))
            elif what == "held":
                say(answer=made.held())
        made.close()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        say(error=str(error))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    worker = os.fork()
    if worker == 0:
        serve(*sys.argv[1:])
        os._exit(0)
    # Process 1 of the machine only reaps. Its end is everybody's.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    while os.wait()[0] != worker:
        continue


if __name__ == "__main__":
    main()
