"""What the containers of a pod share: process namespace, names, DNS; and who runs what is exec'd in them."""
import ctypes
import os
import pathlib
import select
import signal
import unittest

import leaks
from harness import SLEEP, DaemonTest, all_running, container, deadline, phase, pod, restarts, status_of

PTRACE_SEIZE, WALL = 0x4206, 0x40000000


class Shared(DaemonTest):
    settings = {"network": {"clusterDNS": "10.96.0.10"}}

    def setUp(self):
        super().setUp()
        self.uids = {}

    def run_in(self, name, script, *where):
        return self.kubectl("exec", name, *where, "--", "sh", "-c", script).out

    def test_containers_share_their_processes(self):
        self.create(pod("together", container("one", script=SLEEP), container("two", script="sleep 0.5; exit 3"),
                        shareProcessNamespace=True))
        self.daemon.wait_pod("together", lambda p: any(s["restartCount"] > 0 for s in p["status"].get("containerStatuses", [])),
                             what="one restarted")
        processes = self.run_in("together", "ps", "-c", "one")
        self.assertRegex(processes, r"(?m)^ +1 root +\{?/?pause")
        self.assertNotIn(str(self.daemon.directory), processes, "the first process must show no path of the host")
        self.assertEqual("", self.run_in("together", "ls /proc/1/root/", "-c", "one"), "nor its files")
        self.assertNotEqual("1\n", self.run_in("together", "echo $PPID", "-c", "one"))
        uid = self.daemon.pod("together")["metadata"]["uid"]
        self.kubectl("delete", "pod", "together", "--now")
        self.assertEqual({}, leaks.wait_none(self.daemon, [uid], deadline(30)), "left behind")

    def test_they_survive_the_daemon(self):
        self.create(pod("kept", container("one", script=SLEEP), shareProcessNamespace=True))
        self.daemon.wait_running("kept")
        before = self.run_in("kept", "cat /proc/1/stat")
        self.daemon.kill()
        self.daemon.start()
        self.daemon.wait_running("kept")
        self.assertEqual(before, self.run_in("kept", "cat /proc/1/stat"))

    def test_a_killed_first_process_begins_the_pod_anew(self):
        self.create(pod("headless", container("one", script=SLEEP), container("two", script=SLEEP), shareProcessNamespace=True))
        before = self.daemon.wait_running("headless")
        self.kill_first_process("headless")
        after = self.daemon.wait_pod("headless", lambda p: all_running(p) and [restarts(p, c) for c in ("one", "two")] == [1, 1],
                                     what="begun anew")
        self.assertEqual("Pod sandbox changed, it will be killed and re-created.",
                         self.daemon.wait_event("headless", "SandboxChanged")["message"])
        self.assertEqual(137, status_of(after, "one")["lastState"]["terminated"]["exitCode"])
        self.assertNotIn(after["status"]["podIP"], ("", before["status"]["podIP"]))
        self.assertRegex(self.run_in("headless", "ps", "-c", "two"), r"(?m)^ +1 root +\{?/?pause")
        # And while there is no daemon.
        self.daemon.kill()
        self.kill_first_process("headless")
        self.daemon.start()
        self.daemon.wait_pod("headless", lambda p: all_running(p) and [restarts(p, c) for c in ("one", "two")] == [2, 2], what="begun anew")
        uid = before["metadata"]["uid"]
        self.kubectl("delete", "pod", "headless", "--now")
        self.assertEqual({}, leaks.wait_none(self.daemon, [uid], deadline(30)), "left behind")
        self.create(pod("once", container(script=SLEEP), shareProcessNamespace=True, restartPolicy="Never"))
        self.daemon.wait_running("once")
        self.kill_first_process("once")
        self.daemon.wait_pod("once", lambda p: phase(p) == "Failed", what="failed")

    def test_nothing_is_started_in_a_namespace_that_is_going(self):
        # One that is traced is not gone before its tracer says so: the namespace takes that long to end.
        self.create(pod("going", container("held", script=SLEEP), container("other", script=SLEEP), shareProcessNamespace=True))
        uid = self.daemon.wait_running("going")["metadata"]["uid"]
        held = max(leaks.processes_in(path for path in leaks.cgroups_of([uid]) if not path.endswith("/init")))
        libc = ctypes.CDLL(None, use_errno=True)
        self.assertEqual(0, libc.ptrace(PTRACE_SEIZE, held, None, None), os.strerror(ctypes.get_errno()))
        try:
            self.kill_first_process("going", wait=False)
            self.daemon.wait_event("going", "SandboxChanged")
        finally:
            os.waitpid(held, WALL)
        after = self.daemon.wait_pod("going", lambda p: all_running(p) and [restarts(p, c) for c in ("held", "other")] == [1, 1], what="begun anew")
        self.assertEqual([137, 137], [status_of(after, c)["lastState"]["terminated"]["exitCode"] for c in ("held", "other")])

    def kill_first_process(self, name, wait=True):
        uid = self.uids.get(name) or self.uids.setdefault(name, self.daemon.pod(name)["metadata"]["uid"])
        inits = leaks.processes_in(path for path in leaks.cgroups_of([uid]) if path.endswith("/init"))
        self.assertEqual(1, len(inits))
        pidfd = os.pidfd_open(inits.pop())
        self.addCleanup(os.close, pidfd)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        if wait:
            self.assertTrue(select.select([pidfd], [], [], deadline(10))[0])

    def test_namespaces_of_the_host(self):
        self.create(pod("outside", container(script=SLEEP), hostPID=True, hostIPC=True, hostNetwork=True), pod("inside", container(script=SLEEP)))
        for name in ("outside", "inside"):
            self.daemon.wait_running(name)
        ours = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "ipc", "net")]
        ask = "for kind in pid ipc net; do readlink /proc/self/ns/$kind; done"
        self.assertEqual(ours, self.run_in("outside", ask).split())
        self.assertEqual([], [ns for ns in self.run_in("inside", ask).split() if ns in ours])

    def test_names_hosts_and_dns(self):
        self.create(pod("named", container(script=SLEEP), hostname="host", subdomain="sub", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}],
                        dnsConfig={"searches": ["example.org"], "options": [{"name": "ndots", "value": "2"}]}),
                    pod("full", container(script=SLEEP), hostname="host", subdomain="sub", setHostnameAsFQDN=True, dnsPolicy="None",
                        dnsConfig={"nameservers": ["1.1.1.1"]}))
        ip = self.daemon.wait_running("named")["status"]["podIP"]
        self.daemon.wait_running("full")
        hosts = self.run_in("named", "cat /etc/hosts")
        self.assertIn(f"{ip}\thost.sub.default.svc.cluster.local\thost\n", hosts)
        self.assertIn("# Entries added by HostAliases.\n1.2.3.4\ta\tb\n", hosts)
        self.assertEqual("nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local example.org\n"
                         "options ndots:2\n", self.run_in("named", "cat /etc/resolv.conf"))
        self.assertEqual("host\n", self.run_in("named", "hostname"))
        self.assertEqual("host.sub.default.svc.cluster.local\n", self.run_in("full", "hostname"))
        self.assertEqual("nameserver 1.1.1.1\n", self.run_in("full", "cat /etc/resolv.conf"))

    def test_exec_runs_as_the_container_does(self):
        one = container(script=SLEEP)
        one["securityContext"] = {"runAsGroup": 1001, "capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}
        one["env"] = [{"name": "WORD", "value": "said"}]
        one["workingDir"] = "/tmp"
        self.create(pod("unprivileged", one, securityContext={"runAsUser": 1000, "supplementalGroups": [55]}))
        self.daemon.wait_running("unprivileged")
        told = self.run_in("unprivileged", "id -u; id -g; id -G; echo $WORD; pwd; cat /proc/self/oom_score_adj; "
                            "grep -E 'CapBnd|NoNewPrivs' /proc/self/status")
        self.assertEqual(["1000", "1001", "1001 55", "said", "/tmp", "1000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"], told.splitlines())


class Sysctls(DaemonTest):
    settings = {"allowedUnsafeSysctls": "net.core.*, kernel.msg*, fs.mqueue.*"}

    def set_in(self, name, *pairs, **spec):
        sysctls = [{"name": key, "value": value} for key, value in pairs]
        self.create(pod(name, container(script=SLEEP), securityContext={"sysctls": sysctls}, **spec))

    def test_they_are_the_pods_own(self):
        wanted = {"net.ipv4.ip_unprivileged_port_start": "80", "net/ipv4/tcp_fin_timeout": "17", "net.core.somaxconn": "77",
                  "kernel.shm_rmid_forced": "1", "kernel.msgmax": "65000", "fs.mqueue.msg_max": "11"}
        files = ["/proc/sys/" + name.replace(".", "/") for name in wanted]

        def ours():
            return [pathlib.Path(file).read_text(encoding="ascii") for file in files]
        before = ours()
        self.set_in("tuned", *wanted.items())
        self.set_in("plain")
        self.daemon.wait_running("tuned")
        self.daemon.wait_running("plain")
        self.assertEqual(list(wanted.values()), self.kubectl("exec", "tuned", "--", "cat", *files).out.split())
        self.assertEqual(before, ours(), "the host's own have changed")
        self.assertNotIn("77", self.kubectl("exec", "plain", "--", "cat", *files).out.split())

    def test_what_is_not_allowed(self):
        self.set_in("forbidden", ("vm.swappiness", "1"))
        over = self.daemon.wait_pod("forbidden", lambda p: phase(p) == "Failed", what="rejected")
        self.assertEqual(("SysctlForbidden", 'Pod was rejected: forbidden sysctl: "vm.swappiness" not allowlisted'),
                         (over["status"]["reason"], over["status"]["message"]))
        self.assertRegex(self.kubectl("get", "pod", "forbidden").out, r"forbidden +0/1 +SysctlForbidden +0 ")
        refused = self.kubectl("create", "-f", "-", stdin=pod("on-host", hostNetwork=True, securityContext={
            "sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}), check=False)
        self.assertIn("may not be specified when 'hostNetwork' is true", refused.err)

    def test_what_the_kernel_refuses(self):
        self.set_in("refused", ("net.core.somaxconn", "many"))
        words = self.daemon.wait_event("refused", "FailedCreatePodSandBox")["message"]
        self.assertIn('cannot set sysctl net.core.somaxconn to "many": Invalid argument', words)


if __name__ == "__main__":
    unittest.main()
