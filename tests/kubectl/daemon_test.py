"""The daemon's own life: killed, stopped, asked to end, alone and side by side, without room on its disk."""
import contextlib
import os
import pathlib
import re
import select
import signal
import stat
import subprocess
import tempfile
import unittest

import leaks
from harness import (PODIUM, SLEEP, SOURCE_DIR, Daemon, DaemonTest, all_running, container, deadline, pod, pods_path, restarts,
                     scratch_file, status_of)


def identities(daemon):
    """(uid, container ids, restart counts) by pod."""
    return {item["metadata"]["name"]: (item["metadata"]["uid"],
                                       [(s["containerID"], s["restartCount"], s["state"].get("running", {}).get("startedAt"))
                                        for s in item["status"]["containerStatuses"]])
            for item in daemon.api.get(pods_path())["items"]}


class LifeCase(unittest.TestCase):
    def daemon(self, name, **more):
        daemon = Daemon(name, **more)
        self.addCleanup(daemon.destroy)
        return daemon

    def assert_none_left(self, daemon, uids):
        self.assertEqual({}, leaks.wait_none(daemon, uids, deadline(30)), "left behind")


class Killed(LifeCase):
    COUNT = 20

    def test_kill_9_under_twenty_pods(self):
        daemon = self.daemon("killed").start()
        names = [f"survivor-{number}" for number in range(self.COUNT)]
        manifest = {"apiVersion": "v1", "kind": "List", "items": [
            pod(name, container(script=SLEEP, livenessProbe={"exec": {"command": ["true"]}, "periodSeconds": 2})) for name in names]}
        daemon.create(manifest)
        for name in names:
            daemon.wait_running(name, seconds=90)
        before = identities(daemon)
        version = int(daemon.api.get(pods_path())["metadata"]["resourceVersion"])
        uids = [uid for uid, _ in before.values()]
        held = leaks.totals(leaks.count(daemon, uids))
        self.assertEqual(self.COUNT, held["conmons"])
        self.assertEqual(self.COUNT, held["links"])
        for _ in range(2):
            daemon.kill()
            self.assertEqual(self.COUNT, len(leaks.count(daemon, uids)["conmons"]), "the containers run on without the daemon")
            daemon.start()
            for name in names:
                daemon.wait_running(name)
            self.assertEqual(before, identities(daemon))
            again = int(daemon.api.get(pods_path())["metadata"]["resourceVersion"])
            self.assertGreaterEqual(again, version)
            version = again
            self.assertEqual(held, leaks.totals(leaks.count(daemon, uids)), "the same things are held after the restart")
        # It supervises what it has adopted: a container that is killed comes back.
        self.kill_main_process(daemon, uids[0])
        daemon.wait_pod(names[0], lambda p: restarts(p) == 1 and all_running(p), what="restarted")
        daemon.kubectl("delete", "pods", "--all", seconds=120)
        self.assert_none_left(daemon, uids)

    def kill_main_process(self, daemon, uid):
        for pid, arguments in leaks.processes_with(str(daemon.directory)):
            if "conmon" in arguments[0] and any(uid in argument for argument in arguments):
                for child in leaks.descendants(pid):
                    # The end of the first, which is PID 1 of its namespace, may have taken the others along.
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                return
        self.fail(f"no conmon of pod {uid}")

    def test_what_ended_meanwhile_is_seen(self):
        """A container that ends while there is no daemon: its exit code is found by the next one."""
        daemon = self.daemon("meanwhile").start()
        daemon.create(pod("ends", container(script="until [ -e /tmp/go ]; do sleep 0.1; done; exit 4"), restartPolicy="Never"))
        running = daemon.wait_running("ends")
        daemon.kill()
        uid = running["metadata"]["uid"]
        for pid, arguments in leaks.processes_with(str(daemon.directory)):
            if "conmon" in arguments[0] and any(uid in argument for argument in arguments):
                main = leaks.descendants(pid)[0]
                open(f"/proc/{main}/root/tmp/go", "w", encoding="ascii").close()
                break
        else:
            self.fail("no conmon of the pod")
        fd = os.pidfd_open(main)

        self.assertTrue(select.select([fd], [], [], deadline(10))[0], "the container did not end")
        os.close(fd)
        daemon.start()
        ended = daemon.wait_pod("ends", lambda p: p["status"]["phase"] == "Failed", what="Failed")
        self.assertEqual(4, status_of(ended)["state"]["terminated"]["exitCode"])

    def test_a_deletion_goes_on_after_a_kill(self):
        daemon = self.daemon("deleting").start()
        daemon.create(pod("stubborn", container(script="trap '' TERM; while true; do sleep 1; done"), grace=5))
        uid = daemon.wait_running("stubborn")["metadata"]["uid"]
        daemon.api.call("DELETE", f"{pods_path()}/stubborn")
        daemon.kill()
        daemon.start()
        daemon.wait_gone("stubborn", 30)
        self.assert_none_left(daemon, [uid])


class Stopped(LifeCase):
    def test_sigterm_leaves_the_containers(self):
        daemon = self.daemon("stopped").start()
        daemon.create(pod("stays"))
        daemon.wait_running("stays")
        before = identities(daemon)
        uids = [before["stays"][0]]
        self.assertEqual(0, daemon.terminate())
        daemon.wait_line("1 pod keeps running: ", 10)
        self.assertEqual(1, len(leaks.count(daemon, uids)["conmons"]))
        down = subprocess.run([str(PODIUM), "down", "--config", str(daemon.config), "--data-dir", str(daemon.data), "--run-dir",
                               str(daemon.run)], capture_output=True, text=True, timeout=deadline(30), check=False)
        self.assertEqual(1, down.returncode)
        self.assertIn("what it ran may still run (1 pod): start it with podium up", down.stderr)
        daemon.start()
        daemon.wait_running("stays")
        self.assertEqual(before, identities(daemon))

    def test_down_ends_pods_and_daemon(self):
        daemon = self.daemon("down").start()
        daemon.create(*[pod(f"ends-{number}") for number in range(3)])
        uids = [daemon.wait_running(f"ends-{number}")["metadata"]["uid"] for number in range(3)]
        cgroups = [pathlib.Path(path).parent for path in leaks.cgroups_of(uids) if path.endswith(tuple(f"/pod{uid}" for uid in uids))]
        self.assertNotEqual([], cgroups)
        daemon.kill()
        daemon.start()
        self.assertEqual(0, daemon.down())
        self.assertEqual([], [path for path in cgroups if path.exists()], "the daemon's own cgroup is left")
        self.assertFalse(daemon.alive())
        self.assert_none_left(daemon, uids)
        daemon.start()
        self.assertEqual([], daemon.api.get(pods_path())["items"])

    def test_down_waits_for_containers_that_outlive_their_objects(self):
        """Without grace an object goes at once, its processes a moment later; a finished pod has its logs to leave behind."""
        daemon = self.daemon("late").start()
        deaf = "trap '' TERM; while true; do sleep 0.2; done"
        daemon.create(pod("no-grace", container(script=deaf), grace=0), pod("forced", container(script=deaf), grace=30),
                      pod("completed", container(script="echo over"), restartPolicy="Never"))
        uids = [daemon.wait_running(name)["metadata"]["uid"] for name in ("no-grace", "forced")]
        uids.append(daemon.wait_pod("completed", lambda p: p["status"]["phase"] == "Succeeded", what="Succeeded")["metadata"]["uid"])
        daemon.kubectl("delete", "pod", "forced", "--force", "--wait=false")
        self.assertEqual(0, daemon.down())
        left = leaks.count(daemon, uids)
        self.assertEqual({}, {kind: items for kind, items in left.items() if items}, "there when `podium down` ended")
        self.assertEqual([], leaks.processes_with(str(daemon.directory)))
        self.assertEqual([], [path for path in (daemon.data / "logs").rglob("*") if path.is_file()])

    def test_interrupted_it_waits_for_containers_that_outlive_their_objects(self):
        daemon = self.daemon("interrupted")
        file = scratch_file(daemon, "deaf.json", pod("deaf", container(script="trap '' TERM; while true; do sleep 0.2; done"), grace=0))
        daemon.start(str(file))
        uid = daemon.wait_running("deaf")["metadata"]["uid"]
        self.assertEqual(0, daemon.interrupt())
        left = leaks.count(daemon, [uid])
        self.assertEqual({}, {kind: items for kind, items in left.items() if items}, "there when the daemon ended")

    def test_a_reader_that_takes_nothing_does_not_hold_up_the_end(self):
        daemon = self.daemon("unread")
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"full")
        os.set_blocking(writing, True)
        process = subprocess.Popen([str(PODIUM), "up", "--config", str(daemon.config), "--data-dir", str(daemon.data), "--run-dir",
                                    str(daemon.run), "--listen", "127.0.0.1:0", "--follow"], stdin=subprocess.DEVNULL, stdout=writing,
                                   stderr=daemon.log_file)
        os.close(writing)
        try:
            while not daemon.kubeconfig.exists():
                self.assertIsNone(process.poll(), daemon.log_tail())
            process.send_signal(signal.SIGTERM)
            self.assertEqual(0, process.wait(deadline(20)))
        finally:
            process.kill()
            process.wait()
        daemon.start()

    def test_another_pod_network_makes_the_sandboxes_anew(self):
        daemon = self.daemon("moved").start()
        daemon.create(pod("moves", container(script=SLEEP)))
        before = daemon.wait_running("moves")
        self.assertEqual(0, daemon.terminate())
        other = daemon.network.cidr.replace("10.251.", "10.252.")
        daemon.config.write_text(daemon.config.read_text(encoding="utf-8").replace(daemon.network.cidr, other), encoding="utf-8")
        daemon.network.cidr = other
        daemon.start()
        after = daemon.wait_pod("moves", lambda p: restarts(p) == 1 and all_running(p), what="running again")
        self.assertNotEqual(before["status"]["podIP"], after["status"]["podIP"])
        self.assertTrue(after["status"]["podIP"].startswith(other.rsplit(".", 1)[0] + "."), after["status"]["podIP"])
        shown = daemon.kubectl("exec", "moves", "--", "ip", "-4", "addr", "show", "eth0").out
        self.assertIn(after["status"]["podIP"] + "/", shown)
        daemon.wait_event("moves", "SandboxChanged")
        daemon.kubectl("delete", "pod", "moves")
        self.assert_none_left(daemon, [before["metadata"]["uid"]])

    def test_follow_deletes_what_it_applied(self):
        daemon = self.daemon("follow")
        file = scratch_file(daemon, "followed.json", pod("followed"))
        daemon.start("--follow", str(file))
        uid = daemon.wait_running("followed")["metadata"]["uid"]
        daemon.wait_line(r"followed.*Running", 30)
        daemon.create(pod("not-mine"))
        daemon.wait_running("not-mine")
        self.assertEqual(0, daemon.interrupt())
        daemon.wait_line(r"followed.*Deleted", 10)
        daemon.start()
        names = [item["metadata"]["name"] for item in daemon.api.get(pods_path())["items"]]
        self.assertEqual(["not-mine"], names)
        daemon.wait_running("not-mine")
        daemon.kubectl("delete", "pod", "not-mine")
        self.assert_none_left(daemon, [uid])
        bridge = pathlib.Path("/sys/class/net", daemon.network.bridge)
        self.assertEqual(0, daemon.interrupt())
        self.assertTrue(bridge.exists(), "nothing had been applied")
        daemon.start("--follow", str(file))
        daemon.wait_running("followed")
        self.assertEqual(0, daemon.interrupt())
        self.assertFalse(bridge.exists())
        self.assertEqual([], leaks.nft_lines(daemon.network.bridge))

    def test_a_signal_during_the_start_ends_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.daemon("hasty")
            process = subprocess.Popen([str(PODIUM), "up", "--config", str(daemon.config), "--data-dir", str(daemon.data), "--run-dir",
                                        str(daemon.run), "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            # Its signals are taken care of before its directories are made; it stands still until the signal is there.
            while not daemon.data.exists():
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGSTOP)
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            out, err = process.communicate(timeout=deadline(20))
            self.assertEqual((0, ""), (process.returncode, out), err)
            daemon.start()

    def test_a_second_daemon_on_the_same_directory_is_refused(self):
        daemon = self.daemon("only").start()
        second = subprocess.run([str(PODIUM), "up", "--config", str(daemon.config), "--data-dir", str(daemon.data), "--run-dir",
                                 str(daemon.run), "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=deadline(30), check=False)
        self.assertNotEqual(0, second.returncode)
        self.assertTrue(second.stderr.strip())
        self.assertTrue(daemon.alive())
        daemon.api.get("/version")

    def test_a_manifest_with_a_mistake_is_named(self):
        daemon = self.daemon("mistaken")
        file = scratch_file(daemon, "bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  contaners: []\n")
        run = subprocess.run([str(PODIUM), "up", "--config", str(daemon.config), "--data-dir", str(daemon.data), "--run-dir",
                              str(daemon.run), "--listen", "127.0.0.1:0", str(file)], capture_output=True, text=True,
                             timeout=deadline(60), check=False)
        self.assertNotEqual(0, run.returncode)
        self.assertRegex(run.stderr, r"bad\.yaml:6:")
        self.assertIn("contaners", run.stderr)


class SideBySide(LifeCase):
    def test_two_daemons(self):
        one, two = self.daemon("one").start(), self.daemon("two").start()
        for daemon in (one, two):
            daemon.create(pod("same-name"))
        first, second = one.wait_running("same-name"), two.wait_running("same-name")
        self.assertNotEqual(status_of(first)["containerID"], status_of(second)["containerID"])
        self.assertNotEqual(first["status"]["podIP"], second["status"]["podIP"])
        one.down()
        self.assertTrue(all_running(two.pod("same-name")))
        self.assertEqual(0, restarts(two.pod("same-name")))


class Guarded(DaemonTest):
    def test_anonymous_is_401(self):
        for path in ("/api/v1/pods", "/api", "/version", "/openapi/v3", "/no/such/path"):
            code, headers, body = self.daemon.api.request("GET", path, anonymous=True)
            self.assertEqual(401, code, path)
            self.assertIn("application/json", headers["Content-Type"])
            self.assertIn(b'"Unauthorized"', body)

    def test_kubectl_without_credentials(self):
        api = self.daemon.api
        answer = self.kubectl("--kubeconfig=/dev/null", f"--server=https://{api.host}:{api.port}", "--token=wrong",
                              f"--certificate-authority={self.daemon.directory / 'harness.ca'}", "get", "pods", check=False)
        self.assertEqual(1, answer.code, answer)
        self.assertIn("You must be logged in to the server", answer.err)

    def test_the_secrets_are_private(self):
        mode = stat.S_IMODE(os.stat(self.daemon.kubeconfig).st_mode)
        self.assertEqual(0o600, mode)
        for directory, _, files in os.walk(self.daemon.data):
            for name in files:
                if name.endswith((".key", "key.pem")):
                    path = os.path.join(directory, name)
                    self.assertEqual(0o600, stat.S_IMODE(os.stat(path).st_mode), path)

    def test_only_loopback(self):
        out = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
        mine = [line.split()[3] for line in out.splitlines() if f"pid={self.daemon.process.pid}," in line]
        self.assertTrue(mine)
        self.assertEqual([], [address for address in mine if not address.startswith("127.0.0.1:")])

    def test_a_body_too_large(self):
        code, _, _ = self.daemon.api.request("POST", pods_path(), "x" * (16 << 20))
        self.assertEqual(413, code)

    def test_a_header_too_large(self):
        code, _, _ = self.daemon.api.request("GET", pods_path(), headers={"X-Long": "x" * 200_000})
        self.assertIn(code, (400, 413, 431))

    def test_a_path_that_is_not(self):
        code, _, body = self.daemon.api.request("GET", "/api/v1/nonsense")
        self.assertEqual(404, code)
        self.assertIn(b"the server could not find the requested resource", body)

    def test_connections_that_say_nothing_do_no_harm(self):
        idle = [self.daemon.api.connect() for _ in range(50)]
        for connection in idle:
            connection.connect()
        self.assertEqual(200, self.daemon.api.request("GET", "/version")[0])
        for connection in idle:
            connection.close()


class FullDisk(LifeCase):
    def test_writes_are_refused_and_supervision_goes_on(self):
        daemon = self.daemon("full")
        daemon.data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(daemon.data)], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(daemon.data)], check=False, capture_output=True))
        daemon.start()
        healthy = {"exec": {"command": ["test", "!", "-e", "/dev/shm/sick"]}, "periodSeconds": 1, "failureThreshold": 1}
        daemon.create(pod("killed", container(script="exec sleep 3600")),
                      pod("probed", container(script="exec sleep 3600", livenessProbe=healthy), grace=1))
        main = {}
        for name in ("killed", "probed"):
            main[name] = self.main_process(daemon, daemon.wait_running(name)["metadata"]["uid"])
        filler = daemon.data / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
            try:
                while True:
                    file.write(b"\0")
            except OSError:
                pass
        refused = daemon.api.request("POST", pods_path(), pod("too-much"))
        attempts = 0
        while refused[0] < 300 and attempts < 200:  # the store's log may hold a few more
            attempts += 1
            refused = daemon.api.request("POST", pods_path(), pod(f"too-much-{attempts}", annotations={"fill": "x" * 100_000}))
        self.assertIn(refused[0], (500, 503, 507), refused)
        self.assertRegex(refused[2].decode().lower(), r"space|full|disk")
        # Reading goes on, and so does supervision: a probe that fails now has its container killed.
        self.assertEqual(200, daemon.api.request("GET", f"{pods_path()}/killed")[0])
        ending = os.pidfd_open(main["probed"])
        self.addCleanup(os.close, ending)
        open(f"/proc/{main['probed']}/root/dev/shm/sick", "w", encoding="ascii").close()
        self.assertTrue(select.select([ending], [], [], deadline(30))[0], "the failed probe killed nobody\n" + daemon.log_tail())
        # An exit that cannot be written down now is written when there is room.
        os.kill(main["killed"], signal.SIGKILL)
        self.assertTrue(daemon.alive())
        filler.unlink()
        for number in range(attempts + 1):
            name = "too-much" if number == 0 else f"too-much-{number}"
            daemon.api.request("DELETE", f"{pods_path()}/{name}", {"gracePeriodSeconds": 0})
        for name in main:
            daemon.wait_pod(name, lambda p: restarts(p) >= 1 and all_running(p), what="running again")
        daemon.create(pod("fits-again"))
        daemon.wait_running("fits-again")

    def main_process(self, daemon, uid):
        for pid, arguments in leaks.processes_with(str(daemon.directory)):
            if "conmon" in arguments[0] and any(uid in argument for argument in arguments):
                return leaks.descendants(pid)[0]
        return self.fail("no conmon of the pod")


class CommandLine(unittest.TestCase):
    def run_podium(self, *args):
        return subprocess.run([str(PODIUM), *args], capture_output=True, text=True, timeout=deadline(30), check=False)

    def test_version(self):
        run = self.run_podium("version")
        self.assertEqual(0, run.returncode)
        self.assertRegex(run.stdout, r"\d+\.\d+\.\d+")

    def test_settings_are_documented(self):
        out = self.run_podium("settings").stdout
        for name in ("crashLoopBackOff", "registryMirrors", "podCIDR", "dataDir"):
            self.assertIn(name, out)

    def test_a_wrong_setting_is_named_with_its_place(self):

        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("maxPods: 10\nnetwork:\n  podCidr: 10.0.0.0/24\n")
            file.flush()
            run = self.run_podium("up", "--config", file.name, "--listen", "127.0.0.1:0")
        self.assertNotEqual(0, run.returncode)
        self.assertTrue(re.search(r":3:\d+: .*podCidr.*podCIDR", run.stderr), run.stderr)

    def test_an_override_is_checked_like_a_setting(self):
        for option, value, wrong in (("--listen", "localhost:6443", r"api\.listen must be address:port"),
                                     ("--listen", "[::1:0", r"api\.listen must be address:port"),
                                     ("--data-dir", "here", r"dataDir must be an absolute path"),
                                     ("--run-dir", "here", r"runDir must be an absolute path"),
                                     ("--node-name", "A_b", r"nodeName .*RFC 1123")):
            run = self.run_podium("up", option, value)
            self.assertEqual(1, run.returncode, option)
            self.assertRegex(run.stderr, wrong)
        self.assertFalse(os.path.exists("here"))

    def test_check_says_what_is_valid_but_hardly_meant(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("apiVersion: v1\nkind: Pod\nmetadata: {name: twice}\nspec:\n  containers:\n  - name: c\n    image: busybox\n"
                       "    env:\n    - {name: A, value: one}\n    - {name: A, value: two}\n")
            file.flush()
            run = self.run_podium("check", file.name)
        self.assertEqual(0, run.returncode, run.stderr)
        self.assertIn("1 object valid", run.stdout)
        self.assertRegex(run.stderr, r':10:7: warning: spec\.containers\[0\]\.env\[1\]: hides previous definition of "A"')

    def test_check_says_what_will_be_refused(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            for name, more in (("far", "volumes: [{name: v, nfs: {server: s, path: /}}]"), ("classy", "runtimeClassName: gvisor")):
                file.write(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers: [{{name: c, image: busybox}}]\n"
                           f"  {more}\n---\n")
            file.flush()
            run = self.run_podium("check", file.name)
        self.assertEqual(0, run.returncode, run.stderr)
        self.assertRegex(run.stderr, r"warning: Pod far: the node will reject it with reason UnsupportedPodSpec: .*spec\.volumes\[0\]\.nfs")
        self.assertRegex(run.stderr, r'warning: Pod classy: it will be forbidden: RuntimeClass "gvisor" not found')

    def test_a_bad_manifest_starts_no_daemon(self):
        with tempfile.TemporaryDirectory() as directory:
            run = self.run_podium("up", "--data-dir", directory + "/data", "--run-dir", directory + "/run", directory + "/nope.yaml")
            self.assertEqual(1, run.returncode)
            self.assertIn("nope.yaml", run.stderr)
            self.assertEqual("", run.stdout)
            self.assertEqual([], os.listdir(directory))

    def test_help_names_the_commands(self):
        out = self.run_podium("--help").stdout
        for command in ("up", "down", "settings", "version"):
            self.assertIn(command, out)

    def test_an_option_before_the_command_is_told_its_place(self):
        run = self.run_podium("--data-dir", "/nowhere", "user", "jane")
        self.assertEqual(2, run.returncode)
        self.assertIn("options go after the command: podium COMMAND --data-dir", run.stderr)

    def test_the_examples_are_what_the_schema_allows(self):
        daemon = Daemon("examples")
        self.addCleanup(daemon.destroy)
        daemon.start()
        for file in sorted((SOURCE_DIR / "examples").glob("*.yaml")):
            with self.subTest(file.name):
                daemon.kubectl("create", "--dry-run=server", "-f", file)


if __name__ == "__main__":
    unittest.main()
