#!/usr/bin/env python3
"""Kills the daemon before each single system call of a pod's life, one after the other. Takes a while.

usage: crash_sweep.py [--part making|ending|adopting] [--from K] [--to K] [--every N]

adopting: the daemon is killed when a container has been created and nobody knows yet; the next one, which finds that, before the
k-th call of its start; the third one has it to clear up.

Prints what is wrong as it comes, and ends 1 when anything was. Run it by ./dev crash-sweep."""
import argparse
import sys
import time

from crash_points import after, call_number, step
from crash_world import CrashWorld, victim
from harness import container


PARTS = ["making", "ending", "adopting"]


def one_life(world, number, part, k):
    """Kills at the k-th call of one part of a pod's life; None when there are not so many."""
    name = f"{part}-{number}"
    manifest = victim(name, initContainers=[container("first", "true")])
    question = world.create(manifest)
    hit = None
    if part == "making":
        hit = world.kill_at(call_number(k), question, seconds=5)
        if hit:
            world.start()
    elif part == "adopting":
        world.kill_at(after(step("pivot_root", program="crun"), step("exit_group", program="crun")), question)
        hit = not world.start(call_number(k), seconds=2)
        if hit:
            world.start()
    else:
        question.ask()
    world.comes_up(manifest, question, f"{part} {k}")
    question = world.delete(name)
    if part == "ending":
        hit = world.kill_at(call_number(k), question, seconds=5)
        if hit:
            world.start()
    else:
        question.ask()
    world.goes(name, question, f"{part} {k}")
    return world.killed_at if hit else None


def sweep(part, first, last, every):
    """All k of one part. A world that was spoilt is left, and the next k has a new one."""
    faults, done, k, number = [], 0, first, 0
    while k <= last:
        with CrashWorld(f"sweep{number}") as world:
            number += 1
            while k <= last:
                try:
                    at = one_life(world, k, part, k)
                except (AssertionError, OSError) as fault:
                    faults.append((part, k, world.killed_at))
                    print(f"{part} {k}: {world.killed_at}\n{fault}\n", flush=True)
                    k += every
                    break
                if at is None:
                    return faults, done
                done += 1
                print(f"{part} {at}", flush=True)
                k += every
    return faults, done


def main():
    arguments = argparse.ArgumentParser(usage=__doc__)
    arguments.add_argument("--part", choices=PARTS)
    arguments.add_argument("--from", dest="first", type=int, default=1)
    arguments.add_argument("--to", dest="last", type=int, default=100_000)
    arguments.add_argument("--every", type=int, default=1)
    given = arguments.parse_args()
    began, faults, done = time.monotonic(), [], 0
    for part in [given.part] if given.part else PARTS:
        more, count = sweep(part, given.first, given.last, given.every)
        faults += more
        done += count
    print(f"{done + len(faults)} crashes in {time.monotonic() - began:.0f} s, {len(faults)} left something wrong")
    for part, k, call in faults:
        print(f"  {part} {k}: {call}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
