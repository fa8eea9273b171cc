"""The peer of every measurement: the same container by bare calls of conmon and crun, without a daemon.

A bundle with the same image, command, namespaces and limits of capability; an overlay file system; conmon creates, crun
starts. With `network` it also gets what a pod's address takes (bare_network.py); without, an empty network namespace.
Nothing is written down, nobody is asked, nothing is watched."""
import ctypes
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tarfile
import tempfile
from pathlib import Path

from bare_network import BareNetwork

LIBC = ctypes.CDLL(None, use_errno=True)
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
                "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"]


def run_directory():
    """A directory of its own in memory, as /run is: for what need not survive a boot, on both sides of a comparison."""
    shared = Path("/dev/shm")
    return tempfile.mkdtemp(prefix="podium-bench-run-", dir=shared if shared.is_dir() else None)


def mount(kind, point, options):
    if LIBC.mount(kind.encode(), str(point).encode(), kind.encode(), 0, options.encode()) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {kind} on {point}: {os.strerror(code)}")


def umount(point):
    LIBC.umount2(str(point).encode(), 2)


def unpack_layers(layout, directory):
    """The image's layers as one directory: what a bundle's overlay stands on."""
    blobs = Path(layout) / "blobs/sha256"
    index = json.loads((Path(layout) / "index.json").read_text(encoding="utf-8"))
    manifest = json.loads((blobs / index["manifests"][0]["digest"].split(":")[1]).read_text(encoding="utf-8"))
    for layer in manifest["layers"]:
        with tarfile.open(blobs / layer["digest"].split(":")[1]) as archive:
            archive.extractall(directory)
    return directory


def spec(arguments, rootfs, cgroup, network=None, limits=None):
    masked = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware"]
    caps = {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")}
    namespaces = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]
    namespaces.append({"type": "network", **({"path": str(network)} if network else {})})
    return {
        "ociVersion": "1.0.2",
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": arguments, "cwd": "/", "capabilities": caps,
                    "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "root": {"path": str(rootfs)}, "hostname": "bare",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}],
        "linux": {"namespaces": namespaces, "cgroupsPath": cgroup, "resources": limits or {}, "maskedPaths": masked, "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]},
    }


class Bare:
    """Makes, kills and removes containers below one directory."""

    def __init__(self, directory, layout, helper, bridge, cidr):
        self.base, self.run = Path(directory), Path(run_directory())
        self.network = BareNetwork(self.run / "ns", bridge, cidr)
        self.lower = unpack_layers(layout, self.base / "lower")
        self.exits, self.state = self.run / "exits", self.run / "state"
        for path in (self.exits, self.state):
            path.mkdir(parents=True, exist_ok=True)
        hybrid = Path("/sys/fs/cgroup/unified/cgroup.controllers").exists()
        self.runtime = str(helper) if hybrid and Path(helper).exists() else "/usr/bin/crun"
        self.environment = {"PODIUM_OCI_RUNTIME": "/usr/bin/crun", "PATH": os.environ["PATH"]}
        self.serials = itertools.count(1)  # its next() is whole also among threads

    def start(self, arguments, name=None, with_network=False):
        """Nothing -> running, as few steps as it takes. Returns what kill() and remove() want."""
        network = self.network.make() if with_network else None
        serial = next(self.serials)
        name = name or f"bare-{os.getpid()}-{serial}"
        bundle = self.base / f"{name}-{serial}"
        rootfs = bundle / "rootfs"
        for path in (rootfs, bundle / "upper", bundle / "work"):
            path.mkdir(parents=True)
        mount("overlay", rootfs, f"lowerdir={self.lower},upperdir={bundle}/upper,workdir={bundle}/work,volatile")
        (bundle / "config.json").write_text(json.dumps(spec(arguments, rootfs, f"/podium-bare/{name}", network)), encoding="utf-8")
        read, write = os.pipe()
        os.set_inheritable(write, True)
        conmon = subprocess.Popen(
            ["/usr/bin/conmon", "--api-version", "1", "--sync", "-c", name, "-u", name, "-n", name, "-r", self.runtime, "-b", str(bundle),
             "-p", str(bundle / "pid"), "--exit-dir", str(self.exits), "-l", f"k8s-file:{bundle}/log", "--log-level", "warning", "--full-attach", "-0", str(bundle),
             "--no-sync-log", "--runtime-arg", "--root", "--runtime-arg", str(self.state)],
            env={**self.environment, "_OCI_SYNCPIPE": str(write)}, pass_fds=(write,), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as sync:
            report = json.loads(sync.readline() or '{"data": -1, "message": "conmon said nothing"}')
        if report["data"] < 0:
            raise RuntimeError(f"conmon: {report}")
        subprocess.run(["/usr/bin/crun", "--root", str(self.state), "start", name], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        return {"name": name, "bundle": bundle, "conmon": conmon, "pid": report["data"], "network": network}

    def wait_exit(self, container):
        """Waits for conmon's end, which follows the exit file."""
        fd = os.pidfd_open(container["conmon"].pid)
        select.select([fd], [], [], 30)
        os.close(fd)
        container["conmon"].wait()

    def delete(self, container):
        subprocess.run(["/usr/bin/crun", "--root", str(self.state), "delete", "-f", container["name"]], check=False,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def restart(self, container, arguments):
        """kill -9 -> its successor runs: as a daemon must do it, with a fresh file system."""
        os.kill(container["pid"], signal.SIGKILL)
        self.wait_exit(container)
        self.delete(container)
        return self.start(arguments, container["name"])

    def remove(self, container, number=signal.SIGKILL):
        """Signals it, waits for its end and takes everything away."""
        try:
            os.kill(container["pid"], number)
        except ProcessLookupError:
            pass
        self.wait_exit(container)
        self.delete(container)
        for bundle in self.base.glob(f"{container['name']}-*"):
            umount(bundle / "rootfs")
            shutil.rmtree(bundle, ignore_errors=True)
        if container["network"]:
            self.network.remove(container["network"])

    def close(self):
        self.network.close()
        for hierarchy in [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")]:
            try:
                os.rmdir(hierarchy / "podium-bare")
            except OSError:
                continue
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.rmtree(self.run, ignore_errors=True)
