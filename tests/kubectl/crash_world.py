"""A daemon that can be killed at any system call, a pod beside it that must not notice, and what there may be afterwards."""
import http.client
import os
import ssl
import time
from pathlib import Path

import leaks
from crash_points import CrashPoints
from harness import SLEEP, ApiError, Daemon, condition, container, deadline, pod, pods_path, restarts

# Where the daemon and what it starts are found, also a process that nobody has put anywhere: a cgroup of the test's own.
GROUPS = next(base for base in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")) if base.is_dir())


def ready(pod_object):
    return condition(pod_object, "Ready").get("status") == "True"


class Question:
    """One request to a daemon that may die of it. `answered`: it said that it was done."""

    def __init__(self, daemon, method, path, body=None):
        self.daemon, self.arguments, self.answered = daemon, (method, path, body), False

    def ask(self):
        try:
            self.daemon.api.call(*self.arguments)
            self.answered = True
        except ApiError as refused:
            if refused.code not in (404, 409):
                raise
        except (OSError, http.client.HTTPException, ssl.SSLError):
            pass


class CrashWorld:
    """Use as a context manager."""

    def __init__(self, name, settings=None):
        self.daemon = Daemon(name, settings=settings)
        self.group = GROUPS / f"podium-test-{os.getpid()}-{name}"
        self.points = []
        self.uids = set()
        self.killed_at = None

    def __enter__(self):
        self.group.mkdir(exist_ok=True)
        try:
            self.start()
            self.daemon.create(pod("bystander"))
            self.uids.add(self.daemon.wait_running("bystander")["metadata"]["uid"])
            self.bystander, self.before = self.identity(), self.counted()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for points in self.points:
            points.disarm()
        self.daemon.destroy()
        for points in self.points:
            points.close()
        leaks.kill_all(leaks.processes_in([self.group]))
        try:
            self.group.rmdir()
        except OSError:
            pass  # a killed process goes a moment later; an empty directory is all that stays

    def start(self, rule=None, seconds=5):
        """Each daemon has a filter of its own: those who live on with an earlier one still have a listener. False when it was
        killed at the call that fits the rule, before or soon after it was ready."""
        points = CrashPoints()
        self.points.append(points)

        def before_exec():
            (self.group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
            points.install()
        self.daemon.before_exec = before_exec
        if rule:
            points.arm(rule)
        try:
            self.daemon.start()
        except AssertionError:
            if not rule or not points.killed_at:
                raise
        if not rule:
            return True
        self.killed_at = points.wait(deadline(seconds))
        points.disarm()
        if self.killed_at:
            self.daemon.process.wait(deadline(30))
        return not self.killed_at

    def identity(self):
        """What of the bystander must stay: container, restarts, and its processes, those of conmon included."""
        status = self.daemon.pod("bystander")["status"]["containerStatuses"][0]
        return status["containerID"], status["restartCount"], status["state"]["running"]["startedAt"]

    def counted(self):
        counted = leaks.count_all(self.daemon, self.uids)
        counted["strays"] = sorted(leaks.processes_in([self.group]) - {self.daemon.process.pid})
        return counted

    def wait_as_before(self, step):
        """Nothing more and nothing less than before; the kernel gives no event for it, hence looking again."""
        end = time.monotonic() + deadline(20)
        while (now := self.counted()) != self.before and time.monotonic() < end:
            time.sleep(0.05)
        different = {kind: (self.before[kind], items) for kind, items in now.items() if items != self.before[kind]}
        assert not different, f"{step}: {self.killed_at}: before and after differ: {different}\n{self.daemon.log_tail()}"
        assert self.bystander == self.identity(), f"{step}: the bystander was restarted: {self.bystander} {self.identity()}"

    def kill_at(self, rule, question, seconds=20):
        """Asks, and sees the daemon die at the call that fits; False when that never comes while `until` is not so."""
        points = self.points[-1]
        points.arm(rule)
        question.ask()
        self.killed_at = points.wait(deadline(seconds))
        points.disarm()
        if not self.killed_at:
            return False
        self.daemon.process.wait(deadline(30))
        missing = set(self.before["processes"]) - leaks.processes_in(leaks.cgroups_of(self.uids))
        assert not missing, f"{self.killed_at}: the bystander's processes {missing} ended with the daemon"
        return True

    # --- the two halves of a pod's life ---

    def note(self, name):
        """The uid of a pod that is there, for the counts; None without one."""
        items = [p for p in self.daemon.api.get(pods_path())["items"] if p["metadata"]["name"] == name]
        if items:
            self.uids.add(items[0]["metadata"]["uid"])
        return items[0] if items else None

    def create(self, manifest):
        return Question(self.daemon, "POST", pods_path(), manifest)

    def delete(self, name):
        return Question(self.daemon, "DELETE", f"{pods_path()}/{name}")

    def comes_up(self, manifest, question, step):
        """After a crash in its making: what was promised is there, and it runs, each container once."""
        name = manifest["metadata"]["name"]
        if self.note(name) is None:
            assert not question.answered, f"{step}: {self.killed_at}: the pod was created and is lost"
            self.create(manifest).ask()
            self.note(name)
        running = self.daemon.wait_pod(name, ready, what=f"ready after {step} ({self.killed_at})")
        assert restarts(running) == 0, f"{step}: {self.killed_at}: restarted {restarts(running)} times: {running['status']}"
        for status in running["status"].get("initContainerStatuses", []):
            assert status["restartCount"] == 0, f"{step}: {self.killed_at}: {status}"
        return running

    def goes(self, name, question, step):
        """After a crash in its end: it is gone, and nothing of it is left."""
        there = self.note(name)
        if there and "deletionTimestamp" not in there["metadata"]:
            assert not question.answered, f"{step}: {self.killed_at}: the deletion is lost"
            self.delete(name).ask()
        self.daemon.wait_gone(name)
        self.wait_as_before(step)


def victim(name, **more):
    """A pod with something of everything that is made and taken away on a node."""
    mounts = [{"name": "memory", "mountPath": "/memory"}, {"name": "memory", "mountPath": "/sub", "subPath": "below"}]
    main = container(script=SLEEP, volumeMounts=mounts, ports=[{"containerPort": 80, "hostPort": 18321}],
                     readinessProbe={"exec": {"command": ["true"]}, "periodSeconds": 1},
                     lifecycle={"preStop": {"exec": {"command": ["true", "hook"]}}})
    return pod(name, main, volumes=[{"name": "memory", "emptyDir": {"medium": "Memory"}}], shareProcessNamespace=True, **more)
