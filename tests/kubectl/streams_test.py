"""logs, exec and attach: with kubectl, and below it where kubectl does not show enough."""
import hashlib
import os
import re
import select
import subprocess
import time
import unittest

from harness import DaemonTest, SLEEP, container, deadline, needs_kubectl, phase, pod, pods_path, restarts, status_of, waiting_reason
from streams import ERROR, STDERR, STDIN, STDOUT, Refused, Stream
from terminal import Terminal

OWN_PROTOCOL = needs_kubectl(1, 29, "it knows SPDY only, and is tested with it by the class before")


class Logs(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.create(
            pod("lines", container("main", "for i in 1 2 3 4 5; do echo line $i; done; echo problem >&2; " + SLEEP),
                container("side", "echo from the side; " + SLEEP)),
            pod("twice", container(script="echo run $(cat /proc/sys/kernel/random/uuid); until [ -e /tmp/go ]; do sleep 0.1; done; exit 1")))
        cls.daemon.wait_running("lines")

    def wait_logs(self, *args, expect, seconds=20):
        """Follows until the text came: the container writes when it is ready to."""
        following = self.daemon.kubectl_process("logs", "-f", *args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            seen, end = b"", time.monotonic() + deadline(seconds)
            while expect.encode() not in seen:
                if not select.select([following.stdout], [], [], max(0, end - time.monotonic()))[0]:
                    raise AssertionError(f"no {expect!r} in the log: {seen!r}")
                data = os.read(following.stdout.fileno(), 65536)
                if not data:
                    raise AssertionError(f"the log ended without {expect!r}: {seen!r} {following.stderr.read()!r}")
                seen += data
            return seen.decode()
        finally:
            following.kill()
            following.communicate()

    def test_all_lines(self):
        self.wait_logs("lines", "-c", "main", expect="problem")
        out = self.kubectl("logs", "lines", "-c", "main").out
        self.assertEqual("".join(f"line {i}\n" for i in range(1, 6)), "".join(re.findall(r"line \d\n", out)))
        self.assertIn("problem\n", out)

    @needs_kubectl(1, 24, "it wants -c where there are several containers")
    def test_the_default_container_is_the_first(self):
        self.wait_logs("lines", "-c", "main", expect="line 5")
        answer = self.kubectl("logs", "lines")
        self.assertIn("line 1", answer.out)
        self.assertIn('Defaulted container "main" out of: main, side', answer.err)

    def test_another_container(self):
        self.wait_logs("lines", "-c", "side", expect="from the side")
        self.assertEqual("from the side\n", self.kubectl("logs", "lines", "-c", "side").out)

    def test_tail(self):
        self.wait_logs("lines", "-c", "main", expect="problem")
        self.assertEqual(2, len(self.kubectl("logs", "lines", "-c", "main", "--tail=2").out.splitlines()))
        self.assertEqual("", self.kubectl("logs", "lines", "-c", "main", "--tail=0").out)

    def test_timestamps(self):
        self.wait_logs("lines", "-c", "side", expect="from the side")
        out = self.kubectl("logs", "lines", "-c", "side", "--timestamps").out
        self.assertRegex(out, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z from the side\n$")

    def test_since(self):
        self.wait_logs("lines", "-c", "side", expect="from the side")
        self.assertIn("from the side", self.kubectl("logs", "lines", "-c", "side", "--since=1h").out)
        stamp = self.kubectl("logs", "lines", "-c", "side", "--timestamps").out.split()[0]
        later = re.sub(r"^\d{4}", lambda year: str(int(year.group(0)) + 1), stamp)
        self.assertEqual("", self.kubectl("logs", "lines", "-c", "side", f"--since-time={later}").out)

    def test_limit_bytes(self):
        self.wait_logs("lines", "-c", "side", expect="from the side")
        self.assertEqual("from", self.kubectl("logs", "lines", "-c", "side", "--limit-bytes=4").out)

    def test_follow_ends_with_the_container(self):
        self.create(pod("short", container(script="for i in 1 2 3; do echo tick $i; sleep 0.3; done"), restartPolicy="Never"))
        self.daemon.wait_pod("short", lambda p: status_of(p).get("state", {}).keys() & {"running", "terminated"}, what="started")
        self.assertEqual("tick 1\ntick 2\ntick 3\n", self.kubectl("logs", "-f", "short").out)

    def test_previous(self):
        self.daemon.wait_running("twice")
        Stream(self.daemon.api, f"{pods_path()}/twice", "exec", container="main", stdout="true", command=["touch", "/tmp/go"]).finish()
        self.daemon.wait_pod("twice", lambda p: restarts(p) >= 1 and "running" in status_of(p)["state"], what="restarted")
        self.wait_logs("twice", expect="run ")
        now, before = self.kubectl("logs", "twice").out, self.kubectl("logs", "twice", "--previous").out
        self.assertRegex(before, r"^run [0-9a-f-]{36}\n$")
        self.assertNotEqual(now, before)

    def test_no_previous(self):
        answer = self.kubectl("logs", "lines", "-c", "side", "--previous", check=False)
        self.assertEqual(1, answer.code)
        self.assertIn('previous terminated container "side" in pod "lines" not found', answer.err)

    def test_of_a_pod_that_waits(self):
        self.create(pod("far", {**container(script=SLEEP), "image": "localhost:1/nothing:1"}))
        self.daemon.wait_pod("far", lambda p: waiting_reason(p) in ("ErrImagePull", "ImagePullBackOff"), what="without its image")
        answer = self.kubectl("logs", "far", check=False)
        self.assertEqual(1, answer.code)
        self.assertIn('container "main" in pod "far" is waiting to start: trying and failing to pull image', answer.err)

    def test_of_a_pod_without_a_node_is_empty(self):
        self.create(pod("nowhere", container(script=SLEEP, resources={"requests": {"cpu": "10000"}})))
        self.assertEqual("", self.kubectl("logs", "nowhere").out)

    def test_a_container_must_be_named_to_the_server(self):
        code, _, body = self.daemon.api.request("GET", f"{pods_path()}/lines/log")
        self.assertEqual(400, code)
        self.assertIn(b"a container name must be specified for pod lines, choose one of: [main side]", body)

    def test_of_nobody(self):
        answer = self.kubectl("logs", "nobody", check=False)
        self.assertIn('pods "nobody" not found', answer.err)

    def test_a_follower_who_vanishes_costs_nothing(self):
        def vanish():
            connection = self.daemon.api.connect()
            connection.request("GET", f"{pods_path()}/lines/log?container=main&follow=true")
            connection.getresponse().read(4)
            connection.close()

        vanish()  # the first has the daemon open what all followers share
        before = len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))
        for _ in range(5):
            vanish()
        self.daemon.api.get("/version")
        end = time.monotonic() + deadline(10)
        while len(os.listdir(f"/proc/{self.daemon.process.pid}/fd")) > before + 2 and time.monotonic() < end:
            self.daemon.api.get("/version")
        self.assertLessEqual(len(os.listdir(f"/proc/{self.daemon.process.pid}/fd")), before + 2)


class ExecCase(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.create(pod("box", container("main", SLEEP), container("side", "echo side > /tmp/who; " + SLEEP)))
        cls.daemon.wait_running("box")


class Exec(ExecCase):
    def test_output(self):
        answer = self.kubectl("exec", "box", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2")
        self.assertEqual(("out\n", "err\n"), (answer.out, answer.err))

    def test_exit_code(self):
        answer = self.kubectl("exec", "box", "-c", "main", "--", "sh", "-c", "exit 3", check=False)
        self.assertEqual(3, answer.code)
        self.assertIn("command terminated with exit code 3", answer.err)

    def test_a_megabyte_in_and_back(self):
        data = os.urandom(1 << 20)
        answer = self.kubectl("exec", "-i", "box", "-c", "main", "--", "cat", stdin=data)
        self.assertEqual(hashlib.sha256(data).hexdigest(), hashlib.sha256(answer.data).hexdigest())

    def test_much_output(self):
        answer = self.kubectl("exec", "box", "-c", "main", "--", "sh", "-c", "head -c 5000000 /dev/zero")
        self.assertEqual(5000000, len(answer.data))

    def test_stdin_ends(self):
        answer = self.kubectl("exec", "-i", "box", "-c", "main", "--", "sh", "-c", "wc -c; echo after", stdin=b"12345")
        self.assertEqual("5\nafter\n", answer.out)

    def test_another_container(self):
        answer = self.kubectl("exec", "box", "-c", "side", "--", "sh", "-c", "until [ -e /tmp/who ]; do :; done; cat /tmp/who")
        self.assertEqual("side\n", answer.out)

    def test_an_unknown_container(self):
        answer = self.kubectl("exec", "box", "-c", "nope", "--", "true", check=False)
        self.assertEqual(1, answer.code)
        self.assertIn("container nope is not valid for pod box", answer.err)

    def test_an_unknown_command(self):
        answer = self.kubectl("exec", "box", "-c", "main", "--", "no-such-command", check=False)
        self.assertNotEqual(0, answer.code)
        self.assertIn("no-such-command", answer.err)
        self.assertEqual(1, len(answer.err.strip().splitlines()), answer.err)

    def test_a_terminal(self):
        """exec -it on a pty: what is typed is echoed, the size arrives, and the exit code comes back."""
        with Terminal(self.daemon, "exec", "-it", "box", "-c", "main", "--", "sh") as terminal:
            terminal.until(b"# ")
            terminal.type(b"tty; echo size $(stty size)\n")
            terminal.until(b"/dev/pts/")
            terminal.until(b"size 33 123")
            terminal.type(b"exit 7\n")
            self.assertEqual(7, terminal.finish())

    def test_many_at_once(self):
        running = [self.daemon.kubectl_process("exec", "box", "-c", "main", "--", "sh", "-c", f"echo {n}; exit {n}",
                                               stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(8)]
        for number, process in enumerate(running):
            out, err = process.communicate(timeout=deadline(60))
            self.assertEqual((number, f"{number}\n".encode()), (process.returncode, out), err)

    def test_cp(self):
        source = self.daemon.directory / "to-copy"
        source.write_bytes(os.urandom(200_000))
        self.kubectl("cp", source, "box:/tmp/copied", "-c", "main")
        self.kubectl("cp", "box:/tmp/copied", self.daemon.directory / "copied-back", "-c", "main")
        self.assertEqual(source.read_bytes(), (self.daemon.directory / "copied-back").read_bytes())

    def test_cp_of_a_tree(self):
        tree = self.daemon.directory / f"tree-{type(self).__name__}"
        (tree / "deep/er").mkdir(parents=True)
        (tree / "script").write_text("#!/bin/sh\necho ran\n")
        (tree / "script").chmod(0o755)
        for number in range(30):
            (tree / f"deep/er/{number}").write_bytes(os.urandom(3000))
        self.kubectl("cp", tree, "box:/tmp/tree", "-c", "main")
        self.assertEqual("ran\n", self.kubectl("exec", "box", "-c", "main", "--", "/tmp/tree/script").out)
        back = self.daemon.directory / f"tree-back-{type(self).__name__}"
        self.kubectl("cp", "box:/tmp/tree", back, "-c", "main")
        self.kubectl("exec", "box", "-c", "main", "--", "rm", "-r", "/tmp/tree")
        for number in range(30):
            self.assertEqual((tree / f"deep/er/{number}").read_bytes(), (back / f"deep/er/{number}").read_bytes())

    def test_cp_of_what_is_not_there(self):
        # kubectl ends when it has read the empty archive; whether it has shown tar's complaint by then is luck.
        self.kubectl("cp", "box:/tmp/nothing", self.daemon.directory / "nothing", "-c", "main", check=False)
        self.assertFalse((self.daemon.directory / "nothing").exists())

    def test_refusals(self):
        for args, said in [(("nobody", "--", "true"), 'Error from server (NotFound): pods "nobody" not found'),
                           (("box", "-c", "nope", "--", "true"),
                            "Error from server (BadRequest): container nope is not valid for pod box")]:
            answer = self.kubectl("exec", *args, check=False)
            self.assertEqual((1, said), (answer.code, answer.err.strip()))


@OWN_PROTOCOL
class ExecBySpdy(Exec):
    """The same by SPDY, as kubectl falls back to it behind proxies that do not know WebSockets."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.kubectl_environment["KUBECTL_REMOTE_COMMAND_WEBSOCKETS"] = "false"


class Protocol(ExecCase):
    def stream(self, verb="exec", **query):
        return Stream(self.daemon.api, f"{pods_path()}/box", verb, **{"container": "main", "stdout": "true", "stderr": "true", **query})

    def test_from_v4_on_there_is_a_status(self):
        for protocol in ("v4.channel.k8s.io", "v5.channel.k8s.io", "v4.base64.channel.k8s.io"):
            stream = self.stream(protocol=protocol, command=["sh", "-c", "echo out; echo err >&2; exit 3"])
            self.assertEqual(protocol, stream.protocol)
            status = stream.finish()
            self.assertEqual((b"out\n", b"err\n"), (stream.channels[STDOUT], stream.channels[STDERR]))
            self.assertEqual(("Failure", "NonZeroExitCode"), (status["status"], status["reason"]))
            self.assertEqual([{"reason": "ExitCode", "message": "3"}], status["details"]["causes"])
            self.assertEqual(1000, stream.close_code)

    def test_before_v4_there_are_words(self):
        for protocol in (None, "channel.k8s.io", "base64.channel.k8s.io"):
            with self.subTest(protocol=protocol):
                stream = self.stream(protocol=protocol, command=["sh", "-c", "read line; echo $line; exit 3"], stdin="true")
                self.assertEqual(protocol, stream.protocol)
                stream.send(STDIN, "gr\u00fc\u00dfe\n".encode())
                stream.read_to_the_end()
                self.assertEqual("gr\u00fc\u00dfe\n".encode(), stream.channels[STDOUT])
                self.assertEqual(b"command terminated with non-zero exit code: exit status 3", stream.channels[ERROR])
                self.assertEqual(1000, stream.close_code)
        stream = self.stream(protocol="base64.channel.k8s.io", command=["sh", "-c", "read line; echo $line"], stdin="true")
        stream.send_frame(1, b"0no base64!")  # nobody's, and no harm
        stream.send(STDIN, b"go\n")
        stream.read_to_the_end()
        self.assertEqual((b"go\n", b""), (stream.channels[STDOUT], stream.channels[ERROR]))

    def test_success_is_exactly_one_status(self):
        stream = self.stream(command="true")
        self.assertEqual({"metadata": {}, "status": "Success"}, stream.finish())
        self.assertEqual(1, stream.channels[ERROR].count(b'"status"'))

    def test_a_ping_is_answered_while_the_command_runs(self):
        stream = self.stream(command=["sh", "-c", "echo ready; read line; echo $line"], stdin="true")
        stream.wait_for(STDOUT, b"ready\n")
        stream.ping(b"still there")
        while not hasattr(stream, "pong"):
            stream.step()
        self.assertEqual(b"still there", stream.pong)
        stream.send(STDIN, b"go\n")
        stream.close_stdin()
        self.assertEqual("Success", stream.finish()["status"])
        self.assertEqual(b"ready\ngo\n", stream.channels[STDOUT])

    def test_resize(self):
        stream = self.stream(command=["sh", "-c", "read line; stty size"], stdin="true", tty="true", stderr="false")
        stream.resize(100, 40)
        stream.send(STDIN, b"\n")
        self.assertEqual("Success", stream.finish()["status"])
        self.assertIn(b"40 100", stream.channels[STDOUT])

    def test_a_client_that_vanishes_ends_the_command(self):
        mark = f"vanish-{os.getpid()}"
        stream = self.stream(command=["sh", "-c", f"echo ready; while true; do sleep 0.2; done # {mark}"], stdin="true")
        stream.wait_for(STDOUT, b"ready\n")
        stream.drop()
        gone = f"until ! grep -qs {mark[:6]}[-]{mark[7:]} /proc/[0-9]*/cmdline; do sleep 0.1; done"
        self.assertEqual("Success", self.stream(command=["timeout", "20", "sh", "-c", gone]).finish()["status"])

    def test_refusals(self):
        for wanted, query in [(400, {"container": "nope", "command": "true"}), (400, {"command": []})]:
            with self.assertRaises(Refused) as refused:
                self.stream(**query)
            self.assertEqual(wanted, refused.exception.code)
            self.assertEqual("Status", refused.exception.status["kind"])
        with self.assertRaises(Refused) as refused:
            self.stream(protocol="v9.channel.k8s.io", command="true")
        self.assertEqual(400, refused.exception.code)
        with self.assertRaises(Refused) as refused:
            Stream(self.daemon.api, f"{pods_path()}/nobody", "exec", command="true", stdout="true")
        self.assertEqual(404, refused.exception.code)


class Attach(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.create(pod("talker", container(script="while read line; do echo heard $line; done; exit 0", stdin=True), restartPolicy="Never"),
                          pod("ticker", container(script="while true; do echo tick; sleep 0.2; done")))
        cls.daemon.wait_running("talker")
        cls.daemon.wait_running("ticker")

    def test_reads_what_is_written(self):
        process = self.daemon.kubectl_process("attach", "ticker", stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        try:
            line = process.stdout.readline()
        finally:
            process.kill()
            process.communicate()
        self.assertEqual(b"tick\n", line)

    def test_stdin_reaches_the_main_process(self):
        process = self.daemon.kubectl_process("attach", "-i", "talker", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.stdin.write(b"hello\n")
            process.stdin.flush()
            lines = []
            while not lines or b"heard hello" not in lines[-1]:
                lines.append(process.stdout.readline())
                self.assertTrue(lines[-1], lines)
        finally:
            process.kill()
            process.communicate()

    def test_below_kubectl(self):
        stream = Stream(self.daemon.api, f"{pods_path()}/ticker", "attach", container="main", stdout="true", stderr="true")
        stream.wait_for(STDOUT, b"tick\n")
        stream.drop()

    def test_a_terminal(self):
        """attach -it: the shell that the pod was made with, at a terminal."""
        self.create(pod("shell", container(command=["sh"], stdin=True, tty=True), restartPolicy="Never"))
        self.daemon.wait_running("shell")
        with Terminal(self.daemon, "attach", "-it", "shell") as terminal:
            # kubectl first says a size that is one too large, so that what runs there draws anew.
            terminal.type(b"until stty size | grep -q '^33 123$'; do sleep 0.1; done; echo set $((6 * 7))\n")
            terminal.until(b"set 42")
            terminal.type(b"exit 0\n")
            self.assertEqual(0, terminal.finish())
        self.daemon.wait_pod("shell", lambda p: phase(p) == "Succeeded", what="Succeeded")

    def test_run_rm(self):
        answer = self.kubectl("run", "once", "--image=busybox", "--restart=Never", "--rm", "-i", "--", "sh", "-c", "read a; echo got $a",
                              stdin=b"word\n")
        self.assertIn("got word", answer.out)
        self.daemon.wait_gone("once", 10)

    def test_run_rm_gives_the_exit_code(self):
        answer = self.kubectl("run", "fails", "--image=busybox", "--restart=Never", "--rm", "-i", "--", "sh", "-c", "wc -c; exit 5",
                              stdin=b"x" * 100_000, check=False)
        self.assertEqual(5, answer.code)
        self.assertIn("100000\n", answer.out)
        self.daemon.wait_gone("fails", 10)

    def test_run_rm_at_a_terminal(self):
        with Terminal(self.daemon, "run", "typed", "--image=busybox", "--restart=Never", "--rm", "-it", "--", "sh") as terminal:
            # Typed once the shell is there: the prompt, or kubectl's hint when the prompt came before it attached.
            terminal.until(b"press")
            terminal.type(b"\n")
            terminal.until(b"# ")
            terminal.type(b"echo a$((6 * 7))b\n")
            terminal.until(b"a42b")
            terminal.type(b"exit 3\n")
            terminal.until(b'pod "typed" deleted')
            self.assertEqual(3, terminal.finish())
        self.daemon.wait_gone("typed", 10)


if __name__ == "__main__":
    unittest.main()
