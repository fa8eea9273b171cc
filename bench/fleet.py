#!/usr/bin/env python3
"""Many pods up and down (./dev bench fleet): podium beside bare conmon + crun, `podman play kube` and containerd by `ctr`, in turn,
in the same run; what is left of podium's pods is counted.

usage: fleet.py --build DIR --layout DIR [--quick] [--write] [--only NAME...]; --write keeps the table in docs/benchmarks.md."""
import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import document
import e2e
import peers

CORES = os.cpu_count()
# Ends at once when it is asked to: process 1 of a container ignores SIGTERM until it has a trap for it.
COMMAND = ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"]


class Podium:
    """Pods as a client of the API sees them: what is timed is when the watch tells of them."""

    name = "podium"

    def __init__(self, harness, leaks, daemon):
        self.harness, self.leaks, self.daemon = harness, leaks, daemon
        self.version, self.uids, self.kept = "", [], {}

    def seen(self, names, since, matches, act):
        """Calls `act`, and gives the moment at which the watch told of each name what `matches` wants."""
        version = self.daemon.api.get(self.harness.pods_path())["metadata"]["resourceVersion"]
        moments, failed = {}, []

        def read():
            left = set(names)
            try:
                for event in self.daemon.api.watch(self.harness.pods_path(), 600, resourceVersion=version):
                    name = event["object"]["metadata"].get("name")
                    if name in left and matches(event):
                        moments[name] = time.perf_counter() - since()
                        left.discard(name)
                        self.uids.append(event["object"]["metadata"]["uid"])
                    if not left:
                        return
                raise RuntimeError("the watch has ended")
            except (OSError, RuntimeError, AssertionError) as error:
                failed.append(error)
        reader = threading.Thread(target=read)
        reader.start()
        act()
        reader.join()
        if failed:
            raise failed[0]
        return max(moments.values()), [moments[name] for name in names]

    def call_all(self, method, requests):
        connection = self.daemon.api.connect(600)
        for path, body in requests:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            data = response.read()
            if response.status >= 300:
                raise RuntimeError(f"{method} {path}: {response.status} {data[:300]!r}")
        connection.close()

    def timed(self, method, names, requests, matches):
        began = []

        def act():
            began.append(time.perf_counter())
            self.call_all(method, requests)
        return self.seen(names, lambda: began[0], matches, act)

    def start(self, names):
        main = self.harness.container(command=COMMAND, imagePullPolicy="IfNotPresent")
        pods = [(self.harness.pods_path(), self.harness.pod(name, main, grace=30)) for name in names]
        return self.timed("POST", names, pods, lambda e: e["type"] in ("ADDED", "MODIFIED") and self.harness.all_running(e["object"]))

    def stop(self, names):
        wishes = [(f"{self.harness.pods_path()}/{name}", {"kind": "DeleteOptions", "apiVersion": "v1"}) for name in names]
        return self.timed("DELETE", names, wishes, lambda e: e["type"] == "DELETED")

    def held(self):
        """The daemon and a conmon for each container, in bytes."""
        pids = [self.daemon.process.pid]
        pids += [pid for pid, arguments in self.leaks.processes_with(str(self.daemon.directory)) if "conmon" in arguments[0]]
        return sum(peers.proportional_bytes_of(pid) for pid in pids)

    def left(self):
        """What is there now of all pods so far, by kind; the kernel may take a moment to end namespaces."""
        self.kept = self.leaks.wait_none(self.daemon, set(self.uids), 10)
        return {kind: len(self.kept.get(kind, [])) for kind in self.leaks.count(self.daemon, [])}


class BareContainers:
    """The same containers with a pod's network by bare calls, as many at a time as there are cores."""

    name = "bare"

    def __init__(self, bare):
        self.bare, self.version, self.running = bare, "", {}

    def every(self, names, function):
        began = time.perf_counter()

        def one(name):
            function(name)
            return time.perf_counter() - began
        with ThreadPoolExecutor(CORES) as pool:
            each = list(pool.map(one, names))
        return time.perf_counter() - began, each

    def start(self, names):
        def one(name):
            self.running[name] = self.bare.start(COMMAND, with_network=True)
        return self.every(names, one)

    def stop(self, names):
        return self.every(names, lambda name: self.bare.remove(self.running.pop(name), signal.SIGTERM))

    def held(self):
        return sum(peers.proportional_bytes_of(container["conmon"].pid) for container in self.running.values())


class Program:
    """A peer that is a program (peers.py), as many calls at a time as there are cores."""

    def __init__(self, name, directory, layout):
        self.peer = peers.Peer(name, directory, layout)
        self.name, self.version = name, self.peer.version

    def start(self, names):
        return self.peer.ask("start", names, CORES, COMMAND)

    def stop(self, names):
        return self.peer.ask("stop", names, CORES)

    def held(self):
        return self.peer.ask("held")


def middle(values):
    return (f"{statistics.median(values) * 1e3:.0f} ms ({e2e.percentile(values, 0.25) * 1e3:.0f}–{e2e.percentile(values, 0.75) * 1e3:.0f}, "
            f"n={len(values)})")


def spread(values):
    return f"p50 {statistics.median(values):.2f} s, p99 {e2e.percentile(values, 0.99):.2f} s, max {max(values):.2f} s"


class Measured:
    """What was seen of one side."""

    def __init__(self):
        self.one_up, self.one_down, self.totals_up, self.totals_down, self.up, self.down = [], [], [], [], [], []
        self.memory = 0

    def single(self, side, number, keep):
        names = [f"one-{number}"]
        up, _ = side.start(names)
        time.sleep(0.2)  # until its shell has its trap
        down, _ = side.stop(names)
        if keep:
            self.one_up.append(up)
            self.one_down.append(down)

    def crowd(self, side, number, count):
        names = [f"pod-{number}-{i}" for i in range(count)]
        total, each = side.start(names)
        self.totals_up.append(total)
        self.up += each
        time.sleep(2)  # what has just started settles
        self.memory = side.held() / count
        self.count = count
        total, each = side.stop(names)
        self.totals_down.append(total)
        self.down += each

    def rows(self):
        yield "one pod, none → running", middle(self.one_up)
        yield "one pod, running → gone", middle(self.one_down)
        for what, totals, each in (("up", self.totals_up, self.up), ("down", self.totals_down, self.down)):
            total = statistics.median(totals)
            yield (f"many at once, {what}", f"{self.count} in {total:.2f} s ({min(totals):.2f}–{max(totals):.2f}, n={len(totals)}): "
                   f"{self.count / total:.0f} a second")
            yield f"many at once, {what}, time of each", spread(each)
        yield "memory (PSS) of what keeps them, a pod", f"{self.memory / 1e6:.2f} MB"


def measure(sides, counts, singles, crowds):
    """In turn, one after the other: the sides meet the same machine."""
    seen = {side.name: Measured() for side in sides}
    for number in range(singles + 2):
        for side in sides:
            seen[side.name].single(side, number, number >= 2)
    for number in range(crowds):
        for side in sides:
            seen[side.name].crowd(side, number, counts[side.name])
            print(f"  {side.name}, round {number + 1}: {counts[side.name]} up in {seen[side.name].totals_up[-1]:.2f} s, down in "
                  f"{seen[side.name].totals_down[-1]:.2f} s", flush=True)
    return seen


def markdown(sides, seen):
    titles = {"podium": "podium", "bare": "bare conmon + crun, veth", "podman": "`podman play kube`", "containerd": "`ctr run -d`"}
    columns = [dict(seen[side.name].rows()) for side in sides]
    lines = [["what", *(titles[side.name] for side in sides)], ["---"] * (len(sides) + 1)]
    lines += [[what, *(column[what] for column in columns)] for what in columns[0]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def document_text(options, sides, seen, left):
    versions = ", ".join(side.version for side in sides if side.version)
    command = "./dev bench fleet" + (" --write" if options.write else "") + (" --quick" if options.quick else "")
    remains = ", ".join(f"{count} {kind}" for kind, count in left.items())
    return f"""## Many pods

The last run of `{command}`, {datetime.now(timezone.utc):%Y-%m-%d}.

Machine: {e2e.machine()}; {versions}.

The same container (busybox, a shell that ends at SIGTERM) in turn on all sides; they use the same crun. podium's pods are those of
any user: an address of their own, a service account token in a memory volume, a durable record, events; their times are what a
client of the API sees in its watch, and all are asked for at once, from one connection. The others are asked for by as many calls at
a time as there are cores, and "time of each" counts from the first call as well. Bare calls make one network namespace with a veth
pair and no other part of a pod. `podman play kube` makes a pod with an infra container and a CNI bridge, without its seccomp profile
(podium's pods have none either); when its end takes seconds, its debug log shows them at the removal of the pod's cgroup (why was
not looked into). `ctr` makes one container in an empty network namespace and ends it by SIGKILL. Each of the two has namespaces of its own, an init
that reaps at once, and a file system of its own. "What keeps them": podium with its conmons; the conmons; conmons and infra
containers; containerd and its shims. "One pod": medians, in brackets the middle half.

{markdown(sides, seen)}

Left of podium's pods after the last was gone: {remains}.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--layout", required=True)
    parser.add_argument("--quick", action="store_true", help="fewer pods")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    parser.add_argument("--only", nargs="*", default=["podium", "bare", "podman", "containerd"], help="which sides")
    options = parser.parse_args()
    os.environ.update(PODIUM_BIN=str(Path(options.build) / "podium"), PODIUM_BUSYBOX_LAYOUT=options.layout, PODIUM_TEST_LOG_LEVEL="warn")
    sys.path[:0] = [str(e2e.ROOT / "tests/kubectl")]
    import harness  # pylint: disable=import-outside-toplevel  # needs the environment above
    import leaks  # pylint: disable=import-outside-toplevel
    from bare import Bare, run_directory  # pylint: disable=import-outside-toplevel

    count, singles, crowds = (20, 5, 1) if options.quick else (100, 10, 3)
    counts = {"podium": count, "bare": count, "containerd": count, "podman": min(count, 6)}
    network = harness.PodNetwork()
    with tempfile.TemporaryDirectory(prefix="podium-fleet-") as directory:
        bare = Bare(f"{directory}/bare", options.layout, Path(options.build) / "podium-hybrid-cgroup", network.bridge, network.cidr)
        programs = []
        try:
            with harness.Daemon("fleet", run_dir=run_directory()) as daemon:
                daemon.start()
                podium = Podium(harness, leaks, daemon)
                sides = [side for side in (podium, BareContainers(bare)) if side.name in options.only]
                for name in ("podman", "containerd"):
                    if name in options.only:
                        programs.append(Program(name, f"{directory}/{name}", options.layout))
                seen = measure(sides + programs, counts, singles, crowds)
                left = podium.left()
        finally:
            for program in programs:
                program.peer.close()
            bare.close()
    text = document_text(options, sides + programs, seen, left)
    print(text)
    if options.write:
        document.keep("fleet", text)
    return 1 if any(left.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
