#!/usr/bin/env python3
"""The embedding example, built as its reader would: against an installed podium, with find_package and nothing else."""
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "kubectl"))
import harness  # noqa: E402
import leaks  # noqa: E402

EXAMPLE = harness.SOURCE_DIR / "examples/embed"


def cache_entry(name):
    """What the build under test was configured with."""
    for line in (harness.BUILD_DIR / "CMakeCache.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(name + ":"):
            return line.split("=", 1)[1]
    return ""


def run(*command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=harness.deadline(300), check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}")


class Agent:
    """The example at work; its lines by the thread that reads them."""

    def __init__(self, program, settings, manifests, environment):
        self.process = subprocess.Popen([str(program), str(settings), *map(str, manifests)], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_line(self, pattern, seconds=60):
        """Waits until a line has come that matches from its beginning; None is the end of all lines."""
        end = time.monotonic() + harness.deadline(seconds)
        while pattern is None or not any(re.match(pattern, line) for line in self.seen):
            try:
                line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line {pattern!r} in time; there were:\n" + "\n".join(self.seen)) from None
            if line is not None:
                self.seen.append(line)
            elif pattern is None:
                return
            else:
                raise AssertionError(f"the agent ended without a line {pattern!r}; there were:\n" + "\n".join(self.seen))


class EmbedTest(unittest.TestCase):
    def setUp(self):
        # Not a daemon of its own: directories, a network and the cleaning up of both.
        self.place = harness.Daemon("embed", settings={"api": {"listen": "127.0.0.1:0"}})
        self.addCleanup(self.place.destroy)
        settings = json.loads(self.place.config.read_text(encoding="utf-8"))
        settings.update({"dataDir": str(self.place.data), "runDir": str(self.place.run)})
        self.place.config.write_text(json.dumps(settings), encoding="utf-8")
        self.prefix, self.build = self.place.directory / "prefix", self.place.directory / "build"

    def test_find_package_build_and_run(self):
        run("cmake", "--install", harness.BUILD_DIR, "--prefix", self.prefix)
        run("cmake", "-S", EXAMPLE, "-B", self.build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_CXX_COMPILER={cache_entry('CMAKE_CXX_COMPILER')}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")
        run("cmake", "--build", self.build)
        for helper in ("podium-hybrid-cgroup", "podium-pod-init"):
            self.assertTrue(os.access(self.build / helper, os.X_OK))
        environment = dict(os.environ)
        agent = Agent(self.build / "collectors", self.place.config, [EXAMPLE / "collectors.yaml"], environment)
        try:
            agent.wait_line("pod=load container=reader restarts=0 state=running")
            agent.wait_line(r"pod=flaky container=scraper restarts=[1-9]\d* state=running")
            agent.process.send_signal(signal.SIGTERM)
            agent.wait_line(None)
            self.assertEqual(0, agent.process.wait(harness.deadline(60)), "\n".join(agent.seen))
        finally:
            agent.process.kill()
            agent.process.wait()
        self.refuse_a_second_manifest(environment)
        for pod in ("load", "flaky"):
            self.assertIn(f"pod={pod} state=deleted", agent.seen)
        # The containers went with their agent.
        self.assertEqual([], leaks.mounts_below(self.place.data, self.place.run))
        self.assertEqual([], leaks.processes_with(str(self.place.data)))

    def refuse_a_second_manifest(self, environment):
        """What the first manifest had started ends with the agent that cannot apply the second."""
        bad = self.place.directory / "bad.yaml"
        bad.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {contaners: []}\n", encoding="utf-8")
        agent = Agent(self.build / "collectors", self.place.config, [EXAMPLE / "collectors.yaml", bad], environment)
        try:
            agent.wait_line(None, seconds=120)
            self.assertEqual(1, agent.process.wait(harness.deadline(60)), "\n".join(agent.seen))
        finally:
            agent.process.kill()
            agent.process.wait()
        self.assertTrue(any("contaners" in line for line in agent.seen), "\n".join(agent.seen))
        self.assertIn("pod=load state=deleted", agent.seen)


if __name__ == "__main__":
    unittest.main()
