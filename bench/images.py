#!/usr/bin/env python3
"""Pulls images from a registry on loopback (./dev bench images): podium's pull and unpack beside skopeo copy + umoci unpack, in
turn, in the same run, against the same docker-registry.

usage: images.py --build DIR --layout DIR [--quick] [--write]; --write keeps the table in docs/benchmarks.md."""
import argparse
import gzip
import io
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import document
import e2e

ROOT = Path(__file__).resolve().parents[1]


class Table(e2e.Table):
    HEAD = ("what", "podium", "skopeo + umoci", "ratio", "budget")

    def add(self, what, ours, peer="", ratio="", budget=""):
        self.rows.append((what, ours, peer, ratio, budget))
        print(f"  {what}: {ours}" + (f" | skopeo + umoci {peer} | ratio {ratio}" if peer else ""), flush=True)


def layer(seed, files, mean_bytes):
    """A gzipped layer of files whose text compresses about threefold, the same ones for the same seed."""
    words = random.Random(seed)
    pool = [bytes(words.choices(b"abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(4000)]
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number in range(files):
            size = max(16, int(words.expovariate(1 / mean_bytes)))
            text = b" ".join(words.choices(pool, k=size // 9 + 1))[:size]
            entry = tarfile.TarInfo(f"usr/share/{seed}/{number % 100}/{number}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return gzip.compress(plain.getvalue(), compresslevel=6, mtime=0)


def images(registry, quick):
    """Two images that share two of their three layers; returns their references."""
    import image_registry  # pylint: disable=import-outside-toplevel  # needs the tests' folder on the path
    scale = 1 if quick else 2
    shared = [layer("base", 700 * scale, 16_000), layer("runtime", 500 * scale, 12_000)]
    registry.push("bench/first", "1", [*shared, layer("first", 200 * scale, 16_000)])
    registry.push("bench/second", "1", [*shared, layer("second", 200 * scale, 16_000)])
    registry.gate.stop()  # it is Python: what is measured asks the registry itself
    return [f"127.0.0.1:{registry.port}/bench/{name}:1" for name in ("first", "second")]


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def ours(build, directory, references):
    """Both pulls of one store."""
    out = run(Path(build) / "bench/image_bench", directory / "store", *references)
    return [json.loads(line) for line in out.splitlines()]


def peers(directory, references):
    """Both copies into one layout, which then has the shared blobs, and each unpacked to a bundle."""
    times = []
    for number, reference in enumerate(references):
        began = time.perf_counter()
        run("skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}",
            f"oci:{directory}/layout:{number}")
        run("umoci", "unpack", "--image", f"{directory}/layout:{number}", directory / f"bundle-{number}")
        times.append(time.perf_counter() - began)
    return times


def measure(build, references, rounds, table):
    usable, durable, other = ([], []), [], ([], [])
    for number in range(rounds + 1):
        for side in ("ours", "peers") if number % 2 else ("peers", "ours"):
            directory = Path(tempfile.mkdtemp(prefix="podium-bench-images-"))
            try:
                os.sync()  # what the other side left unwritten is not this one's
                if side == "ours":
                    seen = ours(build, directory, references)
                    size = seen[0]["bytes"]
                else:
                    times = peers(directory, references)
            finally:
                shutil.rmtree(directory, ignore_errors=True)
            if number == 0:  # the first round warms the registry's files
                continue
            for which in range(2):
                if side == "ours":
                    usable[which].append(seen[which]["usable"])
                else:
                    other[which].append(times[which])
            if side == "ours":
                durable.append(seen[0]["durable"])
    table.compare(f"pull and unpack an image of {size / 1e6:.0f} MB, 4 layers", usable[0], other[0], "≤ 1 ×")
    table.compare("pull and unpack another that shares 3 of its 4 layers", usable[1], other[1], "≤ 1 ×")
    table.add("the first one, until it is on the disk too",
              f"{e2e.statistics.median(durable) * 1e3:.1f} ms ({e2e.percentile(durable, 0.25) * 1e3:.1f}–"
              f"{e2e.percentile(durable, 0.75) * 1e3:.1f}, n={len(durable)})")


def header(command):
    def first(*words):
        return run(*words).splitlines()[0]
    memory = int(next(line.split()[1] for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()))
    return [f"The last run of `{command}`, {datetime.now(timezone.utc):%Y-%m-%d}.", "",
            f"Machine: {os.cpu_count()} cores, {memory // 2**20} GB, Linux {platform.release()}; {first('skopeo', '--version')}, "
            f"{first('umoci', '--version')}; load {os.getloadavg()[0]:.1f} at the end.", "",
            "Both sides ask the same docker-registry on loopback, in turn, each with an empty directory in every round; both use skopeo for",
            "the transfer, podium with one directory of blobs for all images. podium then checks every digest and makes one directory a",
            "layer, which containers of all images mount; umoci makes one bundle an image. Neither waits for the disk; the last line is",
            "podium's answer after the background write-out, which it gives nobody to wait for. Times are medians, in brackets the middle",
            "half of the rounds.", ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--layout", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    os.environ["PODIUM_BUSYBOX_LAYOUT"] = options.layout
    sys.path.insert(0, str(ROOT / "tests/kubectl"))
    import image_registry  # pylint: disable=import-outside-toplevel
    registry = image_registry.Registry()
    table = Table()
    try:
        measure(options.build, images(registry, options.quick), 4 if options.quick else 8, table)
    finally:
        registry.stop()
    command = "./dev bench images" + (" --write" if options.write else "") + (" --quick" if options.quick else "")
    text = "\n".join([*header(command), table.markdown()])
    print(text)
    if options.write:
        document.keep("images", "## Images\n\n" + text)


if __name__ == "__main__":
    main()
