#!/usr/bin/env python3
"""Measures a real daemon beside the same containers started by bare conmon + crun calls in the same run (./dev bench pods).

usage: e2e.py --build DIR --layout DIR [--quick] [--write]; --write keeps the table in docs/benchmarks.md."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import document

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class Table:
    """Rows of (what, ours, peer, ratio, budget), printed as Markdown."""

    HEAD = ("what", "podium", "bare conmon + crun", "ratio", "budget")

    def __init__(self):
        self.rows = []

    def add(self, what, ours, peer="", ratio="", budget=""):
        self.rows.append((what, ours, peer, ratio, budget))
        print(f"  {what}: {ours}" + (f" | bare {peer} | ratio {ratio}" if peer else "") + (f" | budget {budget}" if budget else ""),
              flush=True)

    def compare(self, what, ours, peer, budget):
        """Milliseconds of both sides: median, the middle half, 99th percentile. The ratio is that of the medians; the median
        over the rounds of each round's own ratio stands beside it, since both sides of a round met the same machine."""
        both = [f"{statistics.median(v) * 1e3:.1f} ms ({percentile(v, 0.25) * 1e3:.1f}–{percentile(v, 0.75) * 1e3:.1f}, "
                f"p99 {percentile(v, 0.99) * 1e3:.1f}, n={len(v)})" for v in (ours, peer)]
        paired = statistics.median(a / b for a, b in zip(ours, peer))
        self.add(what, both[0], both[1], f"{statistics.median(ours) / statistics.median(peer):.2f} (by round {paired:.2f})", budget)

    def markdown(self):
        rows = [self.HEAD, tuple("---" for _ in self.HEAD), *self.rows]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)


class Client:
    """One kept connection for requests and one watch on all pods: what a client sees, without kubectl's own start."""

    def __init__(self, harness, daemon):
        self.harness, self.api = harness, daemon.api
        self.connection = self.api.connect(600)
        self.connection.connect()
        version = self.call("GET", harness.pods_path())["metadata"]["resourceVersion"]
        self.events = self.api.watch(harness.pods_path(), 3600, resourceVersion=version)

    def call(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
        response = self.connection.getresponse()
        data = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:300]!r}")
        return json.loads(data)

    def create(self, pod):
        self.call("POST", self.harness.pods_path(), pod)

    def delete(self, name):
        self.call("DELETE", f"{self.harness.pods_path()}/{name}", {"gracePeriodSeconds": 0})
        self.until(name, lambda pod: pod is None)

    def until(self, name, predicate):
        for event in self.events:
            pod = event["object"]
            if event["type"] in ("ADDED", "MODIFIED", "DELETED") and pod["metadata"]["name"] == name:
                if predicate(None if event["type"] == "DELETED" else pod):
                    return pod
        raise RuntimeError("the watch ended")

    def until_all(self, names, predicate):
        left = set(names)
        for event in self.events:
            pod = event["object"]
            if event["type"] in ("ADDED", "MODIFIED") and predicate(pod):
                left.discard(pod["metadata"]["name"])
            if not left:
                return
        raise RuntimeError("the watch ended")


def simple_pod(harness, name, **more):
    # The image is there, as it is for the peers: by default one without a tag is asked for again at each start.
    return harness.pod(name, harness.container(command=["sleep", "100000"], imagePullPolicy="IfNotPresent", **more), grace=1)


def timed(function):
    """(seconds, result) of a call."""
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


class Round:
    """One create and one kill of each side, in an order that changes from round to round: what one side leaves to the kernel
    (namespaces and cgroups end late) falls on each of the others as often."""

    COMMAND = ["sleep", "100000"]

    def __init__(self, harness, leaks, client, bare):
        self.harness, self.leaks, self.client, self.bare = harness, leaks, client, bare
        self.times = {"up": [], "again": [], "bare up": [], "bare again": [], "bare network up": []}

    def ours(self, name):
        def create():
            self.client.create(simple_pod(self.harness, name))
            return self.client.until(name, self.harness.all_running)

        def kill():
            os.kill(main, 9)
            self.client.until(name, lambda p: self.harness.restarts(p) == 1 and self.harness.all_running(p))

        up, pod = timed(create)
        conmon = next(pid for pid, arguments in self.leaks.processes_with(pod["metadata"]["uid"]) if "conmon" in arguments[0])
        main = self.leaks.descendants(conmon)[0]
        again, _ = timed(kill)
        self.client.delete(name)
        return {"up": up, "again": again}

    def plain(self, _):
        up, container = timed(lambda: self.bare.start(self.COMMAND))
        again, container = timed(lambda: self.bare.restart(container, self.COMMAND))
        self.bare.remove(container)
        return {"bare up": up, "bare again": again}

    def with_network(self, _):
        up, container = timed(lambda: self.bare.start(self.COMMAND, with_network=True))
        self.bare.remove(container)
        return {"bare network up": up}

    def run(self, number, keep):
        sides = [self.ours, self.plain, self.with_network]
        for side in sides[number % 3:] + sides[:number % 3]:
            for key, seconds in side(f"round-{number}").items():
                if keep:
                    self.times[key].append(seconds)


def start_and_restart(harness, leaks, daemon, bare, rounds, table):
    """create -> Running and kill -9 -> running again."""
    every = Round(harness, leaks, Client(harness, daemon), bare)
    for number in range(rounds + 3):
        every.run(number, number >= 3)  # the first rounds warm all sides
    times = every.times
    table.compare("create → Running, image present", times["up"], times["bare up"], "≤ 1.5 ×")
    table.compare("create → Running, beside bare crun + conmon with a veth pair", times["up"], times["bare network up"], "≤ 1.5 ×")
    table.compare("kill −9 → running again", times["again"], times["bare again"], "≤ 1.3 ×")


def many_at_once(harness, daemon, bare, count, rounds, table):
    ours, peers = [], []
    for number in range(rounds):
        client = Client(harness, daemon)
        names = [f"burst-{number}-{i}" for i in range(count)]
        began = time.perf_counter()
        for name in names:
            client.create(simple_pod(harness, name))
        client.until_all(names, harness.all_running)
        ours.append(time.perf_counter() - began)
        for name in names:
            client.call("DELETE", f"{harness.pods_path()}/{name}", {"gracePeriodSeconds": 0})
        for name in names:
            daemon.wait_gone(name)
        began = time.perf_counter()
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # as many at a time as there are cores
            peer = list(pool.map(lambda _: bare.start(["sleep", "100000"], with_network=True), range(count)))
        peers.append(time.perf_counter() - began)
        for container in peer:
            bare.remove(container)
    table.compare(f"{count} pods at once → all Running", ours, peers, "≤ 1 s")


def usage(pid):
    """(cpu seconds, RssAnon in MB, bytes written) of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    anonymous = int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))
    written = int(next(line.split()[1] for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
                       if line.startswith("write_bytes")))
    return (int(fields[11]) + int(fields[12])) / TICK, anonymous / 1024, written


def idle(daemon, what, seconds, table, budget):
    time.sleep(5)  # let what has just happened settle: this is about idleness
    before = usage(daemon.process.pid)
    time.sleep(seconds)
    after = usage(daemon.process.pid)
    table.add(f"idle, {what}", f"{after[1]:.1f} MB RssAnon, {(after[0] - before[0]) / seconds * 100:.2f} % of a core, "
              f"{after[2] - before[2]} bytes written in {seconds} s", budget=budget)


def idle_with_pods(harness, daemon, count, seconds, table):
    command = ["sh", "-c", "mkdir /www; echo ok > /www/index.html; exec httpd -f -p 8080 -h /www"]
    probes = {"livenessProbe": {"httpGet": {"path": "/", "port": 8080}}, "readinessProbe": {"tcpSocket": {"port": 8080}}}
    names = [f"idle-{number}" for number in range(count)]
    for name in names:
        daemon.api.call("POST", harness.pods_path(), harness.pod(name, harness.container(command=command, **probes), grace=1))
    for name in names:
        daemon.wait_pod(name, lambda p: harness.condition(p, "Ready").get("status") == "True", 180, "ready")
    idle(daemon, f"{count} pods with 2 probes each", seconds, table, "≤ 25 MB and < 0.5 % (100 pods)")
    for name in names:
        daemon.api.call("DELETE", f"{harness.pods_path()}/{name}", {"gracePeriodSeconds": 0})
    for name in names:
        daemon.wait_gone(name)


def gets_per_cpu_second(program, target, keys, path, pid, seconds):
    """(what the client saw, requests a second of the server's own cpu time)."""
    before = usage(pid)[0]
    run = subprocess.run([str(program), "get", *target, *keys, path, "16", str(seconds)], capture_output=True, text=True, check=False)
    cpu = usage(pid)[0] - before
    if run.returncode != 0:
        raise RuntimeError(run.stderr.strip())
    seen = json.loads(run.stdout)
    return seen, seen["requests"] / max(cpu, 1 / TICK)


def api_gets(harness, daemon, build, seconds, table):
    """GETs of one pod, beside the smallest TLS server that answers as many bytes, in turn."""
    program = Path(build) / "bench/api_get_bench"
    if not program.exists():
        table.add("API GETs", f"not measured: {program.name} is not built")
        return
    daemon.api.call("POST", harness.pods_path(), harness.pod("read", harness.container(script=harness.SLEEP), nodeSelector={"no": "node"}))
    keys = [str(daemon.directory / f"harness.{part}") for part in ("ca", "crt", "key")]
    path = f"{harness.pods_path()}/read"
    ours, peers = [], []
    pki = daemon.data / "pki"
    size = len(json.dumps(daemon.api.get(path), separators=(",", ":"))) + 1
    with subprocess.Popen([str(program), "serve", str(pki / "server.crt"), str(pki / "server.key"), str(size)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as bare:
        port = bare.stdout.readline().split()[1]
        try:
            for _ in range(3):
                ours.append(gets_per_cpu_second(program, (daemon.api.host, str(daemon.api.port)), keys, path, daemon.process.pid, seconds))
                peers.append(gets_per_cpu_second(program, ("127.0.0.1", port), keys, path, bare.pid, seconds))
        finally:
            bare.stdin.close()
    rate, peer_rate = (statistics.median(rate for _, rate in side) for side in (ours, peers))
    seen = sorted(ours, key=lambda pair: pair[1])[len(ours) // 2][0]
    table.add("API, GET of one pod over TLS",
              f"{rate:.0f} a second of its cpu (of 3: {', '.join(f'{r:.0f}' for _, r in ours)}); {seen['requests'] / seen['seconds']:.0f}/s "
              f"beside the client; p50 {seen['p50_us']} µs, p99 {seen['p99_us']} µs; {seen['bytes'] // seen['requests']} bytes each",
              f"{peer_rate:.0f} (epoll + OpenSSL, a fixed answer)", f"{rate / peer_rate:.2f}", "≥ 50,000/s a core")


def other_programs(build, quick, table):
    """The benchmarks that are programs of their own: each prints lines of name<TAB>value[<TAB>budget]."""
    for program in sorted((Path(build) / "bench").glob("*_bench")):
        if not program.name.startswith("sim_"):  # the others are parts of a measurement
            continue
        run = subprocess.run([str(program), *(["--quick"] if quick else [])], capture_output=True, text=True, check=False)
        lines = [line.split("\t") for line in run.stdout.splitlines() if "\t" in line]
        for name, value, *budget in lines:
            table.add(name, value, budget=budget[0] if budget else "")
        if run.returncode != 0 or not lines:
            table.add(program.name, f"failed with {run.returncode}: {run.stderr.strip()[:200]}")


def machine():
    """The machine in a line or two: without it no number means anything."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1]) / (1 << 20)
    cgroup = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"
    versions = [subprocess.run([name, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
                for name in ("crun", "conmon")]
    return (f"{os.cpu_count()} cores ({model}), {memory:.0f} GB, Linux {platform.release()}, cgroup {cgroup}, {', '.join(versions)}; "
            f"load {os.getloadavg()[0]:.1f} at the end")


def write_document(table, stamp, quick):
    document.keep("pods", f"""## Pods

The last run of `./dev bench pods --write{' --quick' if quick else ''}`, {stamp}.

Machine: {machine()}.

Each line that has a peer was measured beside it, in turn, in the same run: the same container, started by bare calls of conmon
and crun (an overlay file system, a configuration, conmon creates, crun starts; an empty network namespace, no address, nothing
written down). The peer "with a veth pair" also makes the pod's network by bare netlink calls: a pinned namespace, a veth pair on
a bridge, an address, a route; so do those of "at once", as many at a time as there are cores. Neither peer has an API, a scheduler, a durable record or a watcher. podium's numbers are what a
client of its API sees: from sending the POST until the watch says that all containers run. A ratio says more than a time: the
times depend on what else the machine does. Times are medians, in brackets the middle half of the rounds.

The peer of the GETs is the least that can answer them: epoll, OpenSSL and the same bytes each time, over the same loopback to the
same client. "A second of its cpu" counts what the kernel does in the server's name, which includes handing the bytes to the
client's socket.

{table.markdown()}
""", alone=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--layout", required=True)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    os.environ.update(PODIUM_BIN=str(Path(options.build) / "podium"), PODIUM_BUSYBOX_LAYOUT=options.layout,
                      PODIUM_TEST_LOG_LEVEL="warn")
    sys.path[:0] = [str(ROOT / "tests/kubectl"), str(ROOT / "bench")]
    import harness
    import leaks
    from bare import Bare, run_directory

    rounds, seconds = (10, 10) if options.quick else (50, 30)
    table = Table()
    directory = tempfile.mkdtemp(prefix="podium-bare-")
    network = harness.PodNetwork()
    bare = Bare(directory, options.layout, Path(options.build) / "podium-hybrid-cgroup", network.bridge, network.cidr)
    try:
        with harness.Daemon("bench", run_dir=run_directory()) as daemon:
            daemon.start()
            idle(daemon, "0 pods", seconds, table, "≤ 10 MB, < 0.5 %, no writes")
            start_and_restart(harness, leaks, daemon, bare, rounds, table)
            many_at_once(harness, daemon, bare, 20, 3 if options.quick else 5, table)
            idle_with_pods(harness, daemon, 50 if options.quick else 100, seconds, table)
            api_gets(harness, daemon, options.build, 3 if options.quick else 5, table)
    finally:
        bare.close()
    other_programs(options.build, options.quick, table)
    stamp = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    print(f"\n{machine()}\n\n{table.markdown()}")
    if options.write:
        write_document(table, stamp, options.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
