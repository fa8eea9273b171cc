"""The clients that are not kubectl: Debian's python3-kubernetes and npm's @kubernetes/client-node, against a real daemon."""
import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "kubectl"))

from harness import SOURCE_DIR, DaemonTest, deadline  # noqa: E402: it lies beside this folder

PYTHON = "/usr/bin/python3"  # Debian's: another one on the PATH does not have the package
NODE = shutil.which("node") or shutil.which("nodejs")
NODE_CLIENTS = Path(os.environ.get("PODIUM_NODE_CLIENTS", SOURCE_DIR / "build/clients-node"))


def has_python_client():
    try:
        return subprocess.run([PYTHON, "-c", "import kubernetes"], capture_output=True, timeout=deadline(60), check=False).returncode == 0
    except OSError:
        return False


def checks_of(file, pattern):
    return re.findall(pattern, (HERE / file).read_text(encoding="utf-8"), re.MULTILINE)


class ClientTest(DaemonTest):
    def run_check(self, command, check):
        environment = {**self.daemon.environment(), "PODIUM_NODE_CLIENTS": str(NODE_CLIENTS)}
        run = subprocess.run([*command, check], env=environment, capture_output=True, text=True, timeout=deadline(120), check=False)
        self.assertEqual(0, run.returncode, f"{check}:\n{run.stdout[-3000:]}\n{run.stderr[-6000:]}\n{self.daemon.log_tail(20)}")

    def tearDown(self):
        self.daemon.api.request("DELETE", "/api/v1/namespaces/default/pods?gracePeriodSeconds=0")


def add_checks(case, command, names):
    """Each check of a client is a test of its own."""
    for name in names:
        setattr(case, f"test_{name}", lambda self, check=name: self.run_check(command, check))


class PythonClient(ClientTest):
    @classmethod
    def setUpClass(cls):
        if not has_python_client():
            raise AssertionError(f"{PYTHON} has no kubernetes: ./dev setup test installs python3-kubernetes")
        super().setUpClass()


class NodeClient(ClientTest):
    @classmethod
    def setUpClass(cls):
        if not NODE or not (NODE_CLIENTS / "node_modules/@kubernetes/client-node").is_dir():
            raise AssertionError(f"there is no @kubernetes/client-node in {NODE_CLIENTS}: ./dev setup test installs it")
        super().setUpClass()


add_checks(PythonClient, [PYTHON, str(HERE / "python_client.py")], checks_of("python_client.py", r"^def check_(\w+)\("))
add_checks(NodeClient, [NODE or "node", str(HERE / "node_client.mjs")], checks_of("node_client.mjs", r"^  async (\w+)\(\) \{"))

if __name__ == "__main__":
    unittest.main()
