#!/usr/bin/env python3
"""Measures the probes of a real daemon (./dev bench probes): how late they begin, and what each costs, beside a bare loop that
does the same work on the same pods in the same run.

usage: probes.py --build DIR --layout DIR [--quick] [--write]; --write keeps the table in docs/benchmarks.md.

What is probed notes when each connection (or command) came, so nothing is taken from the daemon's own word but its cpu time.
A probe's schedule is its period from the earliest of its notes on; a clock that drifts shows as lateness that grows."""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import document
import e2e

ROOT = Path(__file__).resolve().parents[1]
HTTP, TCP, TALK = 8080, 8081, 8082
REST = 60  # seconds: the period of a probe that a measurement leaves out


class Table(e2e.Table):
    HEAD = ("what", "podium", "bare loop", "ratio", "budget")

    def add(self, what, ours, peer="", ratio="", budget=""):
        self.rows.append((what, ours, peer, ratio, budget))
        print(f"  {what}: {ours}" + (f" | bare loop {peer} | ratio {ratio}" if peer else ""), flush=True)

    def compare(self, what, ours, peer, budget=""):
        self.add(what, ours.text(), peer.text(), f"{ours.microseconds() / peer.microseconds():.2f}", budget)


class Cost:
    """What a number of probes took: cpu seconds, and how late each began (milliseconds)."""

    def __init__(self, count, cpu, late, missed=0, note=""):
        self.count, self.cpu, self.late, self.missed, self.note = count, cpu, late, missed, note

    def microseconds(self):
        return self.cpu / max(self.count, 1) * 1e6

    def text(self):
        late = [e2e.percentile(self.late, part) for part in (0.5, 0.99, 1)] if len(self.late) != 3 else self.late
        return (f"{self.microseconds():.0f} µs of cpu each (n={self.count}{self.note}); late p50 {late[0]:.2f} ms, p99 {late[1]:.2f}, "
                f"max {late[2]:.2f}; {self.missed} missed")


def cpu_of(pid, children):
    """Cpu seconds of a process, with those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15 if children else 13]) / e2e.TICK


def lateness(notes, period, begin, end):
    """(milliseconds late of each, how many are missing) of one probe's notes (nanoseconds) in a window."""
    seen = sorted(note for note in notes if begin <= note < end)
    if len(seen) < 2:
        return [], int((end - begin) / period)
    numbers = [round((note - seen[0]) / period) for note in seen]
    offsets = [note - number * period for note, number in zip(seen, numbers)]
    expected = numbers[-1] + 1 + int((end - seen[-1]) / period) - (1 if (end - seen[-1]) % period < period * 0.1 else 0)
    return [(offset - min(offsets)) / 1e6 for offset in offsets], max(expected - len(seen), 0)


class Pods:
    """Pods that serve HTTP and TCP and note who came."""

    def __init__(self, harness, daemon, peer, count):
        self.harness, self.daemon = harness, daemon
        self.names = [f"probed-{number}" for number in range(count)]
        for name in self.names:
            probes = {"livenessProbe": {"httpGet": {"path": "/", "port": HTTP}}, "readinessProbe": {"tcpSocket": {"port": TCP}}}
            main = harness.container(command=["/peer", "serve", str(HTTP), str(TCP), str(TALK)], **probes,
                                     volumeMounts=[{"name": "peer", "mountPath": "/peer", "readOnly": True}])
            daemon.api.call("POST", harness.pods_path(),
                            harness.pod(name, main, grace=1, volumes=[{"name": "peer", "hostPath": {"path": str(peer)}}]))
        self.addresses = {}
        for name in self.names:
            pod = daemon.wait_pod(name, lambda p: harness.condition(p, "Ready").get("status") == "True", 180, "ready")
            self.addresses[name] = pod["status"]["podIP"]

    def notes(self, name):
        with socket.create_connection((self.addresses[name], TALK), 10) as talk:
            text = b"".join(iter(lambda: talk.recv(1 << 20), b"")).decode()
        notes = {"h": [], "t": []}
        for line in text.splitlines():
            kind, at = line.split()
            notes[kind].append(int(at))
        return notes

    def measure(self, liveness, readiness, seconds):
        """The cost of both probes of all pods with these periods (seconds)."""
        periods = f"main.liveness={liveness * 1000:.0f}ms,main.readiness={readiness * 1000:.0f}ms"
        for name in self.names:
            self.daemon.api.call("PATCH", f"{self.harness.pods_path()}/{name}",
                                 {"metadata": {"annotations": {"podium.io/probe-period": periods}}},
                                 headers={"Content-Type": "application/merge-patch+json"})
        time.sleep(3)  # let the new periods settle
        begin, before = time.monotonic_ns(), cpu_of(self.daemon.process.pid, False)
        time.sleep(seconds)
        end, after = time.monotonic_ns(), cpu_of(self.daemon.process.pid, False)
        late, missed, count = [], 0, 0
        for name in self.names:
            for kind, period in (("h", liveness), ("t", readiness)):
                notes = self.notes(name)[kind]
                count += sum(begin <= note < end for note in notes)
                if period != REST:
                    more, gone = lateness(notes, period * 1e9, begin, end)
                    late, missed = late + more, missed + gone
        return Cost(count, after - before, late, missed)

    def remove(self):
        for name in self.names:
            self.daemon.api.call("DELETE", f"{self.harness.pods_path()}/{name}", {"gracePeriodSeconds": 0})
        for name in self.names:
            self.daemon.wait_gone(name)


def bare_loop(program, kind, rate, seconds, *what, **more):
    run = subprocess.run([str(program), kind, str(rate), str(seconds), *what], capture_output=True, text=True, check=False, **more)
    if run.returncode != 0:
        raise RuntimeError(f"{program.name} {kind}: {run.stdout}{run.stderr}")
    seen = json.loads(run.stdout.splitlines()[-1])
    behind = f", {seen['count'] / seen['seconds']:.0f}/s" if seen["seconds"] > seconds * 1.05 else ""
    return Cost(seen["count"], seen["cpu"], seen["late_ms"], note=behind)


def network_probes(harness, daemon, build, count, seconds, table):
    pods = Pods(harness, daemon, build / "bench/probe_peer_bench", count)
    bare = build / "bench/probe_bare_bench"
    urls = [f"http://{address}:{HTTP}/" for address in pods.addresses.values()]
    sockets = [f"{address}:{TCP}" for address in pods.addresses.values()]
    each = count / 500  # the period that makes 500 a second of one probe in each pod
    table.compare(f"httpGet, 500 a second on {count} pods", pods.measure(each, REST, seconds), bare_loop(bare, "http", 500, seconds, *urls))
    table.compare(f"tcpSocket, 500 a second on {count} pods", pods.measure(REST, each, seconds), bare_loop(bare, "tcp", 500, seconds, *sockets))
    mixed = pods.measure(2 * each, 2 * each, seconds)
    table.add(f"250 httpGet and 250 tcpSocket a second on {count} pods", mixed.text(), budget="500/s without lateness")
    pods.measure(10, 10, 1)
    e2e.idle(daemon, f"{count} pods with 2 probes each, every 10 s", seconds, table, "≤ 25 MB and < 0.5 % (100 pods)")
    pods.remove()


def exec_notes(daemon, pod):
    file = Path(daemon.data) / "pods" / pod["metadata"]["uid"] / "volumes/notes/times"
    return [int(line) for line in file.read_text(encoding="ascii").split()] if file.exists() else []


def exec_probes(harness, daemon, build, bare, rates, seconds, table):
    peer, count = build / "bench/probe_peer_bench", 10
    names = [f"asked-{number}" for number in range(count)]
    volumes = [{"name": "peer", "hostPath": {"path": str(peer)}}, {"name": "notes", "emptyDir": {}}]
    for name in names:
        main = harness.container(command=["sleep", "100000"], livenessProbe={"exec": {"command": ["/peer", "stamp", "/notes/times"]}},
                                 volumeMounts=[{"name": "peer", "mountPath": "/peer"}, {"name": "notes", "mountPath": "/notes"}])
        daemon.api.call("POST", harness.pods_path(), harness.pod(name, main, grace=1, volumes=volumes))
    pods = [daemon.wait_running(name) for name in names]
    shutil.copy(peer, bare.lower / "peer")
    container = bare.start(["sleep", "100000"])
    for rate in rates:
        period = count / rate
        for name in names:
            daemon.api.call("PATCH", f"{harness.pods_path()}/{name}",
                            {"metadata": {"annotations": {"podium.io/probe-period": f"main.liveness={period * 1000:.0f}ms"}}},
                            headers={"Content-Type": "application/merge-patch+json"})
        time.sleep(2)
        begin, before = time.monotonic_ns(), cpu_of(daemon.process.pid, True)
        time.sleep(seconds)
        end, after = time.monotonic_ns(), cpu_of(daemon.process.pid, True)
        late, missed, ran = [], 0, 0
        for pod in pods:
            notes = exec_notes(daemon, pod)
            ran += sum(begin <= note < end for note in notes)
            more, gone = lateness(notes, period * 1e9, begin, end)
            late, missed = late + more, missed + gone
        peer_cost = bare_loop(build / "bench/probe_bare_bench", "exec", rate, seconds, "/usr/bin/crun", "--root", str(bare.state), "exec",
                              container["name"], "/peer", "stamp", "/times", env=bare.environment)
        table.compare(f"exec, {rate} a second on {count} pods", Cost(ran, after - before, late, missed), peer_cost)
    bare.remove(container)
    for name in names:
        daemon.api.call("DELETE", f"{harness.pods_path()}/{name}", {"gracePeriodSeconds": 0})
    for name in names:
        daemon.wait_gone(name)


def write_document(table, stamp, quick):
    document.keep("probes", f"""## Probes

The last run of `./dev bench probes --write{' --quick' if quick else ''}`, {stamp}.

Machine: {e2e.machine()}.

A real daemon probes real pods; what is probed notes on its side when each connection or command came. "Late" is a note's distance
from the probe's own schedule: its period, from the earliest of its notes on. The time the container takes to wake up is in it, on
the same cores. "Missed" are ticks that did not run at all. The peer is the least that does the same work on the same pods: one thread
that sleeps until the next is due (http: libcurl, a connection of its own each; tcp: connect and reset; exec: one `crun exec` after
the other; late is there when the loop began it). The cpu time of exec includes that of the runtime and of the command.

{table.markdown()}
""")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--layout", required=True)
    parser.add_argument("--quick", action="store_true", help="fewer pods, less time")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    build = Path(options.build)
    os.environ.update(PODIUM_BIN=str(build / "podium"), PODIUM_BUSYBOX_LAYOUT=options.layout, PODIUM_TEST_LOG_LEVEL="warn")
    sys.path[:0] = [str(ROOT / "tests/kubectl"), str(ROOT / "bench")]
    import harness
    from bare import Bare

    table = Table()
    network = harness.PodNetwork()
    bare = Bare(tempfile.mkdtemp(prefix="podium-bare-"), options.layout, build / "podium-hybrid-cgroup", network.bridge, network.cidr)
    try:
        with harness.Daemon("probes") as daemon:
            daemon.start()
            network_probes(harness, daemon, build, 50 if options.quick else 100, 10 if options.quick else 30, table)
            exec_probes(harness, daemon, build, bare, (10, 20) if options.quick else (10, 20, 40), 10 if options.quick else 30, table)
    finally:
        bare.close()
    print(f"\n{e2e.machine()}\n\n{table.markdown()}")
    if options.write:
        write_document(table, datetime.now(timezone.utc).strftime("%Y-%m-%d"), options.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
