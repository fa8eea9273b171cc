"""The document's own manifest, unchanged and at its own pace: RESTARTS grows after the third failed probe."""
import re
import unittest
from datetime import datetime

from harness import SOURCE_DIR, DaemonTest, restarts, status_of


def at(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


class LivenessExec(DaemonTest):
    def test_the_manifest_in_full(self):
        self.remove_later("liveness-exec")
        self.assertEqual("pod/liveness-exec created\n", self.kubectl("create", "-f", SOURCE_DIR / "examples/liveness-exec.yaml").out)
        first = self.daemon.wait_running("liveness-exec")
        self.assertEqual(0, restarts(first))
        self.assertRegex(self.kubectl("get", "pod", "liveness-exec").out, r"liveness-exec +1/1 +Running +0 +\d+s")
        # 30 s healthy, three failures 5 s apart, then 30 s of grace for a shell that ignores SIGTERM.
        again = self.daemon.wait_pod("liveness-exec", lambda p: restarts(p) >= 1 and "running" in status_of(p)["state"],
                                     seconds=150, what="restarted")
        self.assertEqual(1, restarts(again))
        last = status_of(again)["lastState"]["terminated"]
        self.assertEqual(137, last["exitCode"])
        lived = (at(last["finishedAt"]) - at(last["startedAt"])).total_seconds()
        # Healthy until 30; the third failure falls in (40, 45]; a probe's own start shifts it a little on a busy machine.
        self.assertGreaterEqual(lived, 40 + 30 - 1)
        self.assertLessEqual(lived, (45 + 30) + 10)
        event = self.daemon.wait_event("liveness-exec", "Unhealthy")
        self.assertEqual(3, event["count"])
        self.assertIn("Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory", event["message"])
        line = self.kubectl("get", "pod", "liveness-exec").out.splitlines()[1]
        self.assertTrue(re.match(r"liveness-exec +1/1 +Running +1 \(\d+s ago\) +\S+$", line), line)


if __name__ == "__main__":
    unittest.main()
