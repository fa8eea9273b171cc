#!/usr/bin/env python3
"""What a daemon leaves on a machine: counts it, lists it, and cleans up after test runs that were killed.

usage: leaks.py                      list what podium left on this machine; ends 1 when there is something
       leaks.py --clean-test-runs    end and remove what test processes that are gone left behind"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEST_PREFIX = "podium-test-"
CGROUPS = Path("/sys/fs/cgroup")


def unescape(text):
    """mountinfo writes space, tab, newline and backslash as \\ooo."""
    return text.encode().decode("unicode_escape") if "\\" in text else text


def mounts_below(*directories):
    """Mount points at or below the directories, in the order of mounting."""
    prefixes = [str(directory) for directory in directories]
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        for line in table:
            point = unescape(line.split()[4])
            if any(point.startswith(prefix + "/") for prefix in prefixes):
                found.append((point, line.split(" - ", 1)[1].split()[0]))
    return found


def processes():
    """(pid, arguments) of all live processes."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            arguments = Path(entry.path, "cmdline").read_bytes().decode(errors="replace").split("\0")
            state = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            yield int(entry.name), arguments


def processes_with(text):
    return [(pid, arguments) for pid, arguments in processes()
            if pid != os.getpid() and any(text in argument for argument in arguments)]


def links_of(bridge):
    """Names of the links that hang on a bridge."""
    found = []
    for link in Path("/sys/class/net").iterdir():
        try:
            if os.path.basename(os.readlink(link / "master")) == bridge:
                found.append(link.name)
        except OSError:  # it has no master, or the kernel has just ended it
            continue
    return found


def cgroup_roots():
    """podium's own cgroups: /podium of the machine's daemon, /podium-<number> of one with another data directory."""
    return [base for base in [*CGROUPS.glob("podium*"), *CGROUPS.glob("*/podium*")] if base.is_dir()]


def cgroups_of(uids):
    """Directories of all hierarchies below podium's roots that carry one of the uids."""
    found = []
    for base in cgroup_roots():
        for directory, _, _ in os.walk(base):
            if any(uid in directory or uid.replace("-", "_") in directory for uid in uids):
                found.append(directory)
    return found


def nft_lines(*words):
    """Lines of the nftables rule set that contain one of the words."""
    try:
        run = subprocess.run(["nft", "-n", "list", "ruleset"], capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return []
    return [line.strip() for line in run.stdout.splitlines() if any(word in line for word in words)]


def count(daemon, uids):
    """What a test daemon (harness.Daemon) and its pods hold now, by kind."""
    mounts = mounts_below(daemon.directory, daemon.data, daemon.run)
    pods = [directory for directory in (daemon.data / "pods", daemon.run / "sandboxes") if directory.is_dir()]
    addresses = daemon.network.cidr.rsplit(".", 1)[0] + "."
    entries = [line for line in nft_lines(addresses) if daemon.network.cidr not in line]
    return {
        "mounts": sorted(point for point, kind in mounts if kind != "nsfs"),
        "namespaces": sorted(point for point, kind in mounts if kind == "nsfs"),
        "links": sorted(links_of(daemon.network.bridge)),
        "cgroups": sorted(cgroups_of(uids)),
        "conmons": sorted(pid for pid, arguments in processes_with(str(daemon.directory)) if "conmon" in arguments[0]),
        "nft entries": sorted(entries),
        "pod directories": sorted(f"{directory.name}/{entry.name}" for directory in pods for entry in directory.iterdir()),
    }


def count_all(daemon, uids):
    """The same with what no pod sees: the runtime's states, addresses, volumes, logs, and processes in the pods' cgroups."""
    def entries(*directories):
        return sorted(f"{d.name}/{entry.name}" for d in directories if d.is_dir() for entry in d.iterdir())
    return {**count(daemon, uids), "processes": sorted(processes_in(cgroups_of(uids))),
            "runtime states": entries(daemon.run / "oci"), "exit files": entries(daemon.run / "exits"),
            "addresses": entries(daemon.run / "network/pods", daemon.run / "network/netns"),
            "volumes": entries(daemon.run / "volumes", *(daemon.data / "pods").glob("*/volumes")),
            "logs": entries(daemon.data / "logs"), "logins": entries(daemon.data / "images/tmp")}


def processes_in(cgroups):
    """Numbers of the processes in these cgroup directories."""
    found = set()
    for directory in cgroups:
        try:
            found.update(int(pid) for pid in Path(directory, "cgroup.procs").read_text(encoding="ascii").split())
        except OSError:
            continue
    return found


def totals(counted):
    return {kind: len(items) for kind, items in counted.items()}


def wait_none(daemon, uids, seconds=30):
    """Waits until nothing of the pods is left. The kernel gives no event for it, hence looking again."""
    end = time.monotonic() + seconds
    while True:
        counted = count(daemon, uids)
        if not any(counted.values()) or time.monotonic() > end:
            return {kind: items for kind, items in counted.items() if items}
        time.sleep(0.1)


# --- cleaning ---

def descendants(pid):
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children.extend(int(child) for child in task.read_text(encoding="ascii").split())
        except OSError:
            continue
    return [grandchild for child in children for grandchild in (child, *descendants(child))]


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def clean_directory(directory, bridge, extra=(), keep_files=False):
    """Kills and removes all that belongs to one test daemon."""
    directories = [str(directory), *map(str, extra)]
    for _ in range(10):  # a process may start another while it is looked at
        pids = [pid for path in directories for pid, arguments in processes_with(path) if "run_python" not in " ".join(arguments[:2])]
        if not pids:
            break
        kill_all(child for pid in pids for child in (pid, *descendants(pid)))
        time.sleep(0.05)
    uids = set()
    for base in directories:
        for pods in [Path(base) / "pods", Path(base) / "data/pods"]:
            if pods.is_dir():
                uids.update(entry.name for entry in pods.iterdir())
    for cgroup in cgroups_of(uids):
        try:
            kill_all(int(pid) for pid in Path(cgroup, "cgroup.procs").read_text(encoding="ascii").split())
        except OSError:
            continue
    for point, _ in reversed(mounts_below(*directories)):
        subprocess.run(["umount", "-l", point], capture_output=True, check=False)
    for link in links_of(bridge):
        subprocess.run(["ip", "link", "delete", link], capture_output=True, check=False)
    if Path("/sys/class/net", bridge).exists():
        subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
    for cgroup in sorted(cgroups_of(uids), key=len, reverse=True):
        try:
            os.rmdir(cgroup)
        except OSError:
            continue
    for base in cgroup_roots():
        if base.name != "podium":
            try:
                os.rmdir(base)  # refused while another daemon has something in it
            except OSError:
                continue
    remove_tables(bridge)
    if not keep_files:
        shutil.rmtree(directory, ignore_errors=True)


def remove_tables(bridge):
    """nft tables that are the bridge's own."""
    run = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    for line in run.stdout.splitlines():
        words = line.split()
        if len(words) == 3 and bridge in words[2].replace("-", "_").split("_"):
            subprocess.run(["nft", "delete", *words], capture_output=True, check=False)


def clean_test_runs():
    for directory in Path(tempfile.gettempdir()).glob(f"{TEST_PREFIX}*"):
        try:
            owner = json.loads((directory / "owner.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not Path(f"/proc/{owner['pid']}").exists():
            run = owner.get("run", str(directory / "run"))
            clean_directory(directory, owner["bridge"], extra=[run])
            shutil.rmtree(run, ignore_errors=True)


def machine():
    """All that looks like podium's on this machine while no daemon runs."""
    found = [f"mount {point} ({kind})" for point, kind in mounts_below("/var/lib/podium", "/run/podium")]
    found += [f"process {pid}: {' '.join(arguments)[:150]}" for pid, arguments in processes()
              if Path(arguments[0]).name in ("podium", "conmon") and any("podium" in argument for argument in arguments)]
    for base in cgroup_roots():
        found += [f"cgroup {entry}" for entry in base.iterdir() if entry.is_dir()]
    found += [f"link {link.name}" for link in Path("/sys/class/net").iterdir() if link.name.startswith(("podium", "pdtest"))]
    found += [f"nft {line}" for line in nft_lines("podium") if line.startswith("table")]
    found += [f"directory {entry}" for entry in Path(tempfile.gettempdir()).glob(f"{TEST_PREFIX}*") if (entry / "owner.json").exists()]
    return found


def main():
    if sys.argv[1:] == ["--clean-test-runs"]:
        clean_test_runs()
        return 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    found = machine()
    print("\n".join(found) if found else "nothing of podium is left on this machine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
