#!/usr/bin/env python3
"""Churns pods and kills the daemon for a while (./dev soak): memory must not grow, nothing may be left behind.

Kills happen in the first half only: each takes the memory back to the start. In the second half one life of the daemon is looked
at: histories fill up to their limits in its first part, and the highest value of its last part must not be far above that.

usage: soak.py [--minutes N] [--pods N]"""
import argparse
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/kubectl"))
import harness
import leaks


def rss_anon_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


KINDS = [
    lambda name: harness.pod(name, labels={"soak": "x"}, grace=1),
    lambda name: harness.pod(name, harness.container(script="exit 1"), labels={"soak": "x"}, grace=1),
    lambda name: harness.pod(name, harness.container(script="sleep 1; exit 0"), labels={"soak": "x"}, restartPolicy="Never"),
    lambda name: harness.pod(name, harness.container(script=harness.SLEEP, livenessProbe={"exec": {"command": ["true"]}, "periodSeconds": 1}),
                             labels={"soak": "x"}, grace=1),
    lambda name: harness.pod(name, harness.container("one", harness.SLEEP), harness.container("two", "echo two; " + harness.SLEEP),
                             labels={"soak": "x"}, grace=1),
]


def round_of(daemon, number, count, chance, kills):
    """Creates, watches, deletes; with `kills` the daemon is sometimes killed in between. Returns the uids."""
    names = [f"soak-{number}-{i}" for i in range(count)]
    uids = []
    for name in names:
        made = daemon.api.call("POST", harness.pods_path(), chance.choice(KINDS)(name))
        uids.append(made["metadata"]["uid"])
    for name in names:
        daemon.wait_pod(name, lambda pod: harness.status_of(pod).get("state", {}).keys() & {"running", "terminated"}
                        or harness.restarts(pod) > 0, what="started")
    if kills and chance.random() < 0.3:
        daemon.kill()
        daemon.start()
    for name in names:
        daemon.api.call("DELETE", f"{harness.pods_path()}/{name}", {"gracePeriodSeconds": chance.choice([0, 1, 1])})
    for name in names:
        daemon.wait_gone(name)
    return uids


def grown(memories):
    """(highest before, highest at the end, whether that is a leak) of the second half's two parts."""
    middle = max(1, len(memories) // 2)
    before, last = max(memories[:middle]), max(memories[middle:], default=0.0)
    return before, last, last > before * 1.25 + 3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pods", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    print(f"soak: seed {options.seed}")
    began, memories, number = time.monotonic(), [], 0
    seconds = options.minutes * 60
    with harness.Daemon("soak") as daemon:
        daemon.start()
        while time.monotonic() < began + seconds or len(memories) < 4:
            kills = time.monotonic() < began + seconds / 2
            uids = round_of(daemon, number, options.pods, chance, kills)
            left = leaks.wait_none(daemon, uids)
            number += 1
            memory = rss_anon_mb(daemon.process.pid)
            if not kills:
                memories.append(memory)
            print(f"soak: round {number}: {memory:.1f} MB RssAnon", flush=True)
            if left:
                print(f"soak: left behind: {left}", file=sys.stderr)
                return 1
    before, last, leaks_memory = grown(memories)
    print(f"soak: {number} rounds of {options.pods} pods, nothing left behind; {len(memories)} rounds without a kill: at most "
          f"{before:.1f} MB RssAnon in the first part, {last:.1f} MB in the last")
    if leaks_memory:
        print("soak: memory grew", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
