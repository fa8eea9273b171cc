#!/usr/bin/env python3
"""Loads the API of a real daemon (./dev bench api): writes that are durable when they are answered, reads, watches, memory.

The peers of the writes run in the same run on the same disk: etcd, by the HTTP gateway it has itself (JSON, no TLS), asked by the
same client; and SQLite with the same pragmas, one commit after the other, in this process.

usage: api.py --build DIR --layout DIR [--quick] [--write]; --write keeps the table in docs/benchmarks.md."""
import argparse
import base64
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import document
import e2e

TIMEOUT = 300
JSON = "application/json"
PATCH = "application/merge-patch+json"


class Table:
    HEAD = ("what", "podium", "etcd", "SQLite", "budget")

    def __init__(self):
        self.rows = []

    def add(self, what, ours, etcd="", sqlite="", budget=""):
        self.rows.append((what, ours, etcd, sqlite, budget))
        print(f"  {what}: {ours}" + (f" | etcd {etcd}" if etcd else "") + (f" | SQLite {sqlite}" if sqlite else ""), flush=True)

    def markdown(self):
        return "\n".join("| " + " | ".join(row) + " |" for row in [self.HEAD, tuple("---" for _ in self.HEAD), *self.rows])


class Load:
    """The client program: one call is one row's side."""

    def __init__(self, build, where, pid):
        self.program, self.where, self.pid = str(Path(build) / "bench/api_load_bench"), where, pid

    def __call__(self, method, path, body="", kind="-", connections=64, count=1000, rate=0):
        before = e2e.usage(self.pid)[0]
        run = subprocess.run([self.program, "load", *self.where, method, path, kind, body, str(connections), str(count), str(rate)],
                             capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"{method} {path}: {run.stderr.strip()[:500]}")
        seen = json.loads(run.stdout)
        seen["cpu"] = (e2e.usage(self.pid)[0] - before) / seen["seconds"]
        return seen


def text_of(seen):
    return (f"{seen['requests'] / seen['seconds']:.0f}/s, p50 {seen['p50_us'] / 1000:.2f} ms, p99 {seen['p99_us'] / 1000:.2f} ms, "
            f"{seen['cpu'] * 100:.0f} % of a core")


class Etcd:
    """etcd alone, with its own defaults (each put is in the log, and the log on the disk, before it is answered)."""

    def __init__(self, build, directory):
        with socket.socket() as one, socket.socket() as two:
            ports = []
            for sock in (one, two):
                sock.bind(("127.0.0.1", 0))
                ports.append(sock.getsockname()[1])
        client, peer = (f"http://127.0.0.1:{port}" for port in ports)
        self.process = subprocess.Popen(
            ["etcd", "--name", "bench", "--data-dir", f"{directory}/etcd", "--listen-client-urls", client, "--advertise-client-urls",
             client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"bench={peer}",
             "--quota-backend-bytes", str(4 << 30)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "ready to serve client requests" in line:
                break
        else:
            raise RuntimeError(f"etcd ended with {self.process.wait()}")
        self.drain = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)
        self.load = Load(build, ("127.0.0.1", str(ports[0]), "-", "-", "-"), self.process.pid)

    def put(self, value, connections, count, keys="{n8}"):
        # Digits are base64, too: eight of them are a key of six bytes.
        body = json.dumps({"key": keys, "value": base64.b64encode(value.encode()).decode()})
        return self.load("POST", "/v3/kv/put", body, "application/json", connections, count)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.drain.wait()


def sqlite_commits(directory, value, count, batch=1):
    """Commits of `batch` rows each, a second: what the disk and SQLite alone can do."""
    base = sqlite3.connect(f"{directory}/raw-{batch}.db", isolation_level=None)
    base.executescript("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                       "PRAGMA wal_autocheckpoint=1000; PRAGMA cache_size=-2048; CREATE TABLE t (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID")
    began = time.perf_counter()
    for number in range(0, count, batch):
        base.execute("BEGIN IMMEDIATE")
        base.executemany("INSERT INTO t VALUES (?, ?)", [(f"pods/default/{i:08}", value) for i in range(number, number + batch)])
        base.execute("COMMIT")
    took = time.perf_counter() - began
    base.close()
    return f"{count / took:.0f}/s ({'one a commit' if batch == 1 else f'{batch} a commit'})"


def the_pod(harness, name, **annotations):
    """A pod that nobody places: the API alone is measured."""
    return harness.pod(name, harness.container(command=["sleep", "100000"]), schedulerName="nobody", annotations=annotations or None)


def writes(harness, daemon, load, etcd, directory, quick, table):
    count, alone = (3000, 300) if quick else (20_000, 2000)
    pods = harness.pods_path()
    body = json.dumps(the_pod(harness, "p-{n}"))
    document_text = json.dumps(daemon.api.call("POST", pods, the_pod(harness, "sample")), separators=(",", ":"))
    single = json.dumps(the_pod(harness, "single-{n}"))
    table.add("create, 1 client", text_of(load("POST", pods, single, JSON, 1, alone)),
              text_of(etcd.put(document_text, 1, alone, "AAAA{n8}")), sqlite_commits(directory, document_text, alone))
    before = e2e.usage(daemon.process.pid)[1]
    created = load("POST", pods, body, JSON, 64, count)
    after = e2e.usage(daemon.process.pid)[1]
    table.add("create, 64 clients", text_of(created), text_of(etcd.put(document_text, 64, count)),
              sqlite_commits(directory, document_text, count // 64 * 64, 64))
    patch = json.dumps({"metadata": {"annotations": {"number": "{n}"}}})
    table.add("merge patch, 64 clients", text_of(load("PATCH", f"{pods}/p-{{m}}", patch, PATCH, 64, count)),
              text_of(etcd.put(document_text, 64, count, "BBBB{n8}")))
    seen = load("GET", f"{pods}/p-{{m}}", connections=16, count=count * 5)
    table.add("get, 16 clients", f"{text_of(seen)}: {seen['requests'] / seen['seconds'] / seen['cpu']:.0f} a second of its cpu",
              budget="≥ 50,000/s a core")
    seen = load("GET", f"{pods}?limit=500", connections=4, count=400 if quick else 2000)
    table.add("list of 500 pods, 4 clients", f"{text_of(seen)}; {seen['bytes'] // seen['requests'] // 1024} KiB each")
    table.add("memory of one more pod", f"{(after - before) * 1024 / count:.2f} KiB RssAnon (of {count}, {len(document_text)} bytes of JSON "
              "each; their events in the watch history are in it)")
    return created["requests"] / created["seconds"]


class Watchers:
    def __init__(self, build, where, path, count, events):
        self.process = subprocess.Popen([str(Path(build) / "bench/api_load_bench"), "watch", *where, path, str(count), str(events)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the watchers did not begin")

    def figures(self, seconds=0):
        """What was seen, when all has come or the time is over."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        self.process.stdin.close()
        seen = json.loads(self.process.stdout.read())
        self.process.wait(TIMEOUT)
        return seen


def fan_out(build, daemon, load, where, rate, seconds, table, watchers=1000):
    pods = "/api/v1/namespaces/fan/pods"
    events = rate * seconds
    crowd = Watchers(build, where, f"{pods}?watch=true&resourceVersion={daemon.api.get(pods)['metadata']['resourceVersion']}", watchers,
                     events * watchers)
    body = json.dumps({"metadata": {"annotations": {"sent": "{t}"}}})
    before = e2e.usage(daemon.process.pid)
    written = load("PATCH", f"{pods}/fan-{{m}}", body, PATCH, 64, events, rate)
    seen = crowd.figures(60)
    after = e2e.usage(daemon.process.pid)
    size = seen["bytes"] / max(1, seen["events"])
    table.add(f"{watchers} watchers, {rate} events/s offered",
              f"{seen['events'] / max(seen['seconds'], 1e-3) / 1000:.0f} k delivered/s of {rate * watchers // 1000} k "
              f"({seen['events'] * 100 / (events * watchers):.1f} % arrived, {seen['ended']} watches ended early); lag p50 "
              f"{seen['p50_us'] / 1000:.1f} ms, p99 {seen['p99_us'] / 1000:.1f} ms; writes p99 {written['p99_us'] / 1000:.1f} ms; "
              f"{(after[0] - before[0]) / max(seen['seconds'], 1e-3) * 100:.0f} % of a core; {size:.0f} bytes each over TLS")


def watches(harness, build, daemon, load, where, quick, table):
    daemon.api.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fan"}})
    before = e2e.usage(daemon.process.pid)[1]
    crowd = Watchers(build, where, "/api/v1/namespaces/fan/pods?watch=true", 1000, 1)
    table.add("memory of an idle watcher over TLS with a client certificate",
              f"{(e2e.usage(daemon.process.pid)[1] - before) * 1024 / 1000:.1f} KiB RssAnon (of 1,000)", budget="≤ 10 KiB (10,000: 100 MB)")
    crowd.figures()
    for number in range(100):
        daemon.api.call("POST", "/api/v1/namespaces/fan/pods", the_pod(harness, f"fan-{number}"))
    for rate in (100, 1000):
        fan_out(build, daemon, load, where, rate, 3 if quick else 10, table)


def document_text(table, stamp, quick):
    etcd = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
    return f"""## API

The last run of `./dev bench api{' --quick' if quick else ''} --write`, {stamp}.

Machine: {e2e.machine()}; {etcd}, SQLite {sqlite3.sqlite_version}.

podium is asked over TLS with a client certificate, in JSON, by `bench/api_load_bench.cpp`; a write is answered when it is on the disk.
The client runs on the same cores. etcd runs alone with its defaults on the same disk and is asked by the same client over its own
HTTP gateway (JSON, no TLS): it stores the same document as bytes, and neither decodes, defaults nor validates it. SQLite has podium's
pragmas (WAL, `synchronous=FULL`) and is called by a loop in Python: no network, no decoding.

{table.markdown()}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--layout", required=True)
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    os.environ.update(PODIUM_BIN=str(Path(options.build) / "podium"), PODIUM_BUSYBOX_LAYOUT=options.layout, PODIUM_TEST_LOG_LEVEL="warn")
    sys.path[:0] = [str(e2e.ROOT / "tests/kubectl")]
    import harness

    table = Table()
    with harness.Daemon("benchapi") as daemon, tempfile.TemporaryDirectory(prefix="podium-bench-", dir=daemon.directory) as directory:
        daemon.start()
        where = (daemon.api.host, str(daemon.api.port), *(str(daemon.directory / f"harness.{part}") for part in ("ca", "crt", "key")))
        load = Load(options.build, where, daemon.process.pid)
        watches(harness, options.build, daemon, load, where, options.quick, table)
        etcd = Etcd(options.build, directory)
        try:
            writes(harness, daemon, load, etcd, directory, options.quick, table)
        finally:
            etcd.close()
            daemon.kill()  # there is nothing to take down in order
    print(f"\n{e2e.machine()}\n\n{table.markdown()}")
    if options.write:
        document.keep("api", document_text(table, datetime.now(timezone.utc).strftime("%Y-%m-%d"), options.quick))
    return 0


if __name__ == "__main__":
    sys.exit(main())
