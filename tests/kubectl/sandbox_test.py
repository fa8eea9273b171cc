"""What the containers of a pod share: process namespace, names, DNS; and who runs what is exec'd in them."""
import os
import unittest

import leaks
from harness import SLEEP, DaemonTest, container, deadline, pod


class Shared(DaemonTest):
    settings = {"network": {"clusterDNS": "10.96.0.10"}}

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
        told = self.run_in("unprivileged", "id -u; id -g; id -G; echo $WORD; pwd; grep -E 'CapBnd|NoNewPrivs' /proc/self/status")
        self.assertEqual(["1000", "1001", "1001 55", "said", "/tmp", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"], told.splitlines())


if __name__ == "__main__":
    unittest.main()
