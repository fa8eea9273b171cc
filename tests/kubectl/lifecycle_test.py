"""What becomes of containers: probes, restarts, back-off, phases, limits, the shared network, images that cannot be had."""
import re
import time
import unittest

from harness import (DaemonTest, SLEEP, all_running, condition, container, deadline, phase, pod, pods_path, restarts, status_of,
                     waiting_reason)
from streams import Stream


def terminated(pod_object, name=None):
    return status_of(pod_object, name).get("state", {}).get("terminated", {})


def last_terminated(pod_object, name=None):
    return status_of(pod_object, name).get("lastState", {}).get("terminated", {})


class Probes(DaemonTest):
    def test_liveness_restarts_after_the_third_failure(self):
        """The running example at a quicker pace: failureThreshold is 3 by default."""
        probe = {"exec": {"command": ["cat", "/tmp/healthy"]}, "initialDelaySeconds": 1, "periodSeconds": 1}
        script = "touch /tmp/healthy; sleep 3; rm -rf /tmp/healthy; sleep 600"
        self.create(pod("liveness-quick", container("liveness", script, livenessProbe=probe), grace=1))
        first = self.daemon.wait_running("liveness-quick")
        again = self.daemon.wait_pod("liveness-quick", lambda p: restarts(p) >= 1 and "running" in status_of(p)["state"],
                                     what="restarted")
        self.assertEqual(1, restarts(again))
        self.assertNotEqual(status_of(first)["containerID"], status_of(again)["containerID"])
        self.assertEqual(status_of(first)["containerID"], last_terminated(again)["containerID"])
        self.assertEqual(137, last_terminated(again)["exitCode"])
        event = self.daemon.wait_event("liveness-quick", "Unhealthy")
        self.assertIn("Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory", event["message"])
        self.assertEqual(3, event["count"])
        killing = self.daemon.wait_event("liveness-quick", "Killing")
        self.assertIn("Container liveness failed liveness probe, will be restarted", killing["message"])
        self.assertRegex(self.kubectl("get", "pod", "liveness-quick").out, r"liveness-quick +1/1 +Running +1 \(\d+s ago\) +\d+s")

    def test_readiness_moves_ready_and_nothing_else(self):
        probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
        self.create(pod("shy", container(script="while [ ! -e /tmp/go ]; do sleep 0.1; done; touch /tmp/ready; " + SLEEP,
                                         readinessProbe=probe)))
        running = self.daemon.wait_running("shy")
        self.assertFalse(status_of(running)["ready"])
        self.assertEqual("ContainersNotReady", condition(running, "Ready")["reason"])
        self.assertRegex(self.kubectl("get", "pod", "shy").out, r"shy +0/1 +Running +0 ")
        self.exec_in("shy", "touch /tmp/go")
        ready = self.daemon.wait_pod("shy", lambda p: condition(p, "Ready").get("status") == "True", what="ready")
        self.assertEqual(0, restarts(ready))
        self.exec_in("shy", "rm /tmp/ready")
        again = self.daemon.wait_pod("shy", lambda p: condition(p, "Ready").get("status") == "False", what="unready")
        self.assertEqual(0, restarts(again))

    def exec_in(self, name, script):
        status = Stream(self.daemon.api, f"{pods_path()}/{name}", "exec", container="main", stdout="true",
                        command=["sh", "-c", script]).finish()
        self.assertEqual("Success", status["status"], status)

    def test_http_tcp_and_startup(self):
        script = "sleep 1; mkdir /www; echo ok > /www/healthz; exec httpd -f -p 8080 -h /www"
        self.create(pod("web", container(script=script, ports=[{"name": "http", "containerPort": 8080}],
                                         startupProbe={"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 30},
                                         readinessProbe={"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
                                         livenessProbe={"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1})))
        running = self.daemon.wait_running("web")
        if not status_of(running).get("started"):
            self.assertFalse(status_of(running)["ready"])
        ready = self.daemon.wait_pod("web", lambda p: condition(p, "Ready").get("status") == "True", what="ready")
        self.assertTrue(status_of(ready)["started"])
        self.assertEqual(0, restarts(ready))
        self.exec_in("web", "rm /www/healthz")
        again = self.daemon.wait_pod("web", lambda p: restarts(p) == 1, what="restarted")
        self.assertEqual(1, restarts(again))
        self.assertIn("HTTP probe failed with statuscode: 404", " ".join(
            item["message"] for item in self.events("web", "Unhealthy")))

    def events(self, name, reason):
        self.daemon.wait_event(name, reason)
        listed = self.daemon.api.get("/api/v1/namespaces/default/events")["items"]
        return [item for item in listed if item["involvedObject"]["name"] == name and item["reason"] == reason]

    def test_a_startup_probe_that_never_succeeds(self):
        probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}
        self.create(pod("slow", container(script=SLEEP, startupProbe=probe), grace=1))
        self.daemon.wait_pod("slow", lambda p: restarts(p) >= 1, what="restarted")
        self.assertIn("failed startup probe", self.daemon.wait_event("slow", "Killing")["message"])

    def test_a_probe_that_hangs_times_out(self):
        probe = {"exec": {"command": ["sleep", "60"]}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}
        self.create(pod("hangs", container(script=SLEEP, livenessProbe=probe), grace=1))
        self.daemon.wait_pod("hangs", lambda p: restarts(p) >= 1, what="restarted")
        self.assertIn("Liveness probe failed", self.daemon.wait_event("hangs", "Unhealthy")["message"])


class Restarts(DaemonTest):
    def test_crash_loop_back_off(self):
        self.create(pod("crash", container(script="exit 3")))
        waiting = self.daemon.wait_pod("crash", lambda p: waiting_reason(p) == "CrashLoopBackOff", what="in CrashLoopBackOff")
        self.assertEqual("Running", phase(waiting))
        message = status_of(waiting)["state"]["waiting"]["message"]
        self.assertRegex(message, r"^back-off \S+ restarting failed container=main pod=crash_default\([0-9a-f-]{36}\)$")
        self.assertEqual((3, "Error"), (last_terminated(waiting)["exitCode"], last_terminated(waiting)["reason"]))
        more = self.daemon.wait_pod("crash", lambda p: restarts(p) >= 3 and waiting_reason(p) == "CrashLoopBackOff", what="restarted thrice")
        self.assertRegex(self.kubectl("get", "pod", "crash").out,
                         r"crash +0/1 +(CrashLoopBackOff|Error|Running) +[3-9]\d* \(\d+s ago\) +\d+s")
        self.assertGreaterEqual(restarts(more), 3)
        self.assertIn("Back-off restarting failed container", self.daemon.wait_event("crash", "BackOff")["message"])

    def test_always_restarts_what_succeeds_too(self):
        self.create(pod("again", container(script="exit 0")))
        self.daemon.wait_pod("again", lambda p: restarts(p) >= 2, what="restarted twice")
        self.assertEqual("Running", phase(self.daemon.pod("again")))

    def test_never(self):
        self.create(pod("never-good", container(script="exit 0"), restartPolicy="Never"),
                    pod("never-bad", container(script="exit 5"), restartPolicy="Never"))
        good = self.daemon.wait_pod("never-good", lambda p: phase(p) == "Succeeded", what="Succeeded")
        bad = self.daemon.wait_pod("never-bad", lambda p: phase(p) == "Failed", what="Failed")
        self.assertEqual((0, "Completed", 0), (terminated(good)["exitCode"], terminated(good)["reason"], restarts(good)))
        self.assertEqual((5, "Error", 0), (terminated(bad)["exitCode"], terminated(bad)["reason"], restarts(bad)))
        self.assertEqual("PodCompleted", condition(good, "Ready")["reason"])
        self.assertRegex(self.kubectl("get", "pod", "never-good").out, r"never-good +0/1 +Completed +0 ")
        self.assertRegex(self.kubectl("get", "pod", "never-bad").out, r"never-bad +0/1 +Error +0 ")

    def test_on_failure(self):
        self.create(pod("onfail-good", container(script="exit 0"), restartPolicy="OnFailure"),
                    pod("onfail-bad", container(script="exit 1"), restartPolicy="OnFailure"))
        good = self.daemon.wait_pod("onfail-good", lambda p: phase(p) == "Succeeded", what="Succeeded")
        self.assertEqual(0, restarts(good))
        bad = self.daemon.wait_pod("onfail-bad", lambda p: restarts(p) >= 2, what="restarted twice")
        self.assertEqual("Running", phase(bad))

    def test_never_waits_for_all_containers(self):
        self.create(pod("pair", container("quick", "exit 0"), container("slow", "sleep 2; exit 1"), restartPolicy="Never"))
        # Pending while "slow" is still on its way; with one done and one running it is Running.
        half = self.daemon.wait_pod("pair", lambda p: terminated(p, "quick") and "running" in status_of(p, "slow")["state"], what="half done")
        self.assertEqual("Running", phase(half))
        done = self.daemon.wait_pod("pair", lambda p: phase(p) == "Failed", what="Failed")
        self.assertEqual((0, 1), (terminated(done, "quick")["exitCode"], terminated(done, "slow")["exitCode"]))

    def test_a_signal(self):
        self.create(pod("shot", container(script="kill -9 $$$$"), restartPolicy="Never"),
                    pod("self-term", container(command=["sh", "-c", "sh -c 'kill -TERM $$$$'; exit $?"]), restartPolicy="Never"))
        # In a command $$ stands for one $, as $(NAME) for a variable's value.
        # PID 1 cannot be killed from inside; the shell goes on and ends with 0 there.
        self.daemon.wait_pod("shot", lambda p: phase(p) in ("Succeeded", "Failed"), what="ended")
        ended = self.daemon.wait_pod("self-term", lambda p: phase(p) == "Failed", what="Failed")
        self.assertEqual(143, terminated(ended)["exitCode"])

    def test_a_command_that_is_not_there(self):
        self.create(pod("nofile", container(command=["/no/such/program"])))
        failing = self.daemon.wait_pod(
            "nofile", lambda p: waiting_reason(p) in ("RunContainerError", "CreateContainerError", "CrashLoopBackOff")
            or terminated(p).get("reason") in ("StartError", "ContainerCannotRun"), what="failing to start")
        self.assertNotEqual("Succeeded", phase(failing))

    def test_the_termination_message(self):
        self.create(pod("says", container(script="echo why it ended > /dev/termination-log; exit 1"), restartPolicy="Never"))
        ended = self.daemon.wait_pod("says", lambda p: phase(p) == "Failed", what="Failed")
        self.assertEqual("why it ended\n", terminated(ended)["message"])

    def test_last_words_and_probe_output_that_are_no_text(self):
        """Whatever a container prints, its pod stays readable."""
        broken = r"printf 'a\377\376' > /dev/termination-log; exit 1"
        self.create(pod("noise", container(script=broken), restartPolicy="Never"))
        ended = self.daemon.wait_pod("noise", lambda p: phase(p) == "Failed", what="Failed")
        self.assertEqual("a\ufffd\ufffd", terminated(ended)["message"])
        probe = {"exec": {"command": ["sh", "-c", r"printf 'b\377'; exit 1"]}, "periodSeconds": 1}
        self.create(pod("noisy", container(script=SLEEP, readinessProbe=probe), grace=1))
        self.assertIn("b\ufffd", self.daemon.wait_event("noisy", "Unhealthy")["message"])
        self.assertEqual(0, self.kubectl("label", "pod", "noise", "still=here").code)


class Limits(DaemonTest):
    def test_a_memory_eater_is_oom_killed(self):
        # tail keeps all of a line in memory: /dev/zero has no end of line.
        self.create(pod("eater", container(command=["tail", "/dev/zero"], resources={"limits": {"memory": "64Mi"}}), restartPolicy="Never"))
        ended = self.daemon.wait_pod("eater", lambda p: terminated(p), what="terminated")
        self.assertEqual((137, "OOMKilled"), (terminated(ended)["exitCode"], terminated(ended)["reason"]))
        ended = self.daemon.wait_pod("eater", lambda p: phase(p) == "Failed", what="Failed")
        self.assertRegex(self.kubectl("get", "pod", "eater").out, r"eater +0/1 +OOMKilled +0 ")
        self.assertEqual("64Mi", ended["spec"]["containers"][0]["resources"]["requests"]["memory"])

    def test_qos_classes(self):
        both = {"limits": {"cpu": "100m", "memory": "32Mi"}}
        self.create(pod("guaranteed", container(script=SLEEP, resources=both)),
                    pod("burstable", container(script=SLEEP, resources={"requests": {"memory": "16Mi"}})),
                    pod("besteffort"))
        for name, qos in (("guaranteed", "Guaranteed"), ("burstable", "Burstable"), ("besteffort", "BestEffort")):
            self.assertEqual(qos, self.daemon.wait_running(name)["status"]["qosClass"])


class Runc(DaemonTest):
    """The same life by the other OCI runtime: what a host without crun gets."""
    settings = {"runtime": "runc"}

    def test_a_pod_lives_and_dies(self):
        self.assertIn("runc://", self.daemon.api.get("/api/v1/nodes")["items"][0]["status"]["nodeInfo"]["containerRuntimeVersion"])
        probe = {"exec": {"command": ["test", "!", "-e", "/tmp/sick"]}, "periodSeconds": 1, "failureThreshold": 1}
        self.create(pod("by-runc", container(script="echo hello; " + SLEEP, livenessProbe=probe), grace=1))
        self.daemon.wait_running("by-runc")
        self.assertEqual("hello\n", self.kubectl("logs", "by-runc").out)
        api = self.daemon.api
        ended = Stream(api, f"{pods_path()}/by-runc", "exec", container="main", stdout="true", command=["sh", "-c", "touch /tmp/sick; exit 3"])
        self.assertEqual("3", ended.finish()["details"]["causes"][0]["message"])
        self.daemon.wait_pod("by-runc", lambda p: restarts(p) >= 1 and all_running(p), what="restarted")
        self.kubectl("delete", "pod", "by-runc")

    def test_the_memory_limit(self):
        self.create(pod("eater", container(command=["tail", "/dev/zero"], resources={"limits": {"memory": "64Mi"}}), restartPolicy="Never"))
        ended = self.daemon.wait_pod("eater", terminated, what="terminated")
        self.assertEqual((137, "OOMKilled"), (terminated(ended)["exitCode"], terminated(ended)["reason"]))


class Network(DaemonTest):
    def test_two_containers_of_one_pod_meet_on_localhost(self):
        self.create(pod("meet", container("web", "mkdir /www; echo hello from web > /www/index.html; exec httpd -f -p 8080 -h /www"),
                        container("reader", "until wget -q -O - http://localhost:8080/; do sleep 0.1; done; " + SLEEP)))
        self.daemon.wait_running("meet")
        end = time.monotonic() + deadline(20)
        following = self.daemon.kubectl_process("logs", "-f", "meet", "-c", "reader", stdout=-1, stderr=-1, text=True)
        self.addCleanup(following.communicate)
        self.addCleanup(following.kill)
        lines = []
        while time.monotonic() < end:
            lines.append(following.stdout.readline())
            if "hello from web" in lines[-1]:
                return
        self.fail(f"they did not meet: {lines}")

    def test_every_pod_has_an_address_of_its_own(self):
        self.create(pod("server", container(script="mkdir /www; echo over the bridge > /www/index.html; exec httpd -f -p 80 -h /www",
                                            readinessProbe={"tcpSocket": {"port": 80}, "periodSeconds": 1})))
        server = self.daemon.wait_pod("server", lambda p: condition(p, "Ready").get("status") == "True", what="ready")
        address = server["status"]["podIP"]
        self.assertEqual([{"ip": address}], server["status"]["podIPs"])
        self.create(pod("client", container(script=f"wget -q -O /dev/termination-log http://{address}/"), restartPolicy="Never"))
        client = self.daemon.wait_pod("client", lambda p: phase(p) in ("Succeeded", "Failed"), what="done")
        self.assertEqual(("Succeeded", "over the bridge\n"), (phase(client), terminated(client).get("message")))
        self.assertNotEqual(address, client["status"]["podIP"])

    def test_the_pods_own_names(self):
        script = "hostname > /dev/termination-log; grep -q $(hostname) /etc/hosts && grep -q localhost /etc/hosts"
        self.create(pod("named", container(script=script), restartPolicy="Never"))
        done = self.daemon.wait_pod("named", lambda p: phase(p) in ("Succeeded", "Failed"), what="done")
        self.assertEqual(("Succeeded", "named\n"), (phase(done), terminated(done).get("message")))

    def test_host_network(self):
        self.create(pod("on-host", container(script=SLEEP), hostNetwork=True))
        running = self.daemon.wait_running("on-host")
        self.assertEqual(running["status"]["hostIP"], running["status"]["podIP"])


class Images(DaemonTest):
    def test_an_image_that_cannot_be_had(self):
        # Port 1 of this machine: refused at once, without a network.
        self.create(pod("no-image", {**container(script=SLEEP), "image": "localhost:1/nothing:1"}))
        self.daemon.wait_pod("no-image", lambda p: waiting_reason(p) == "ErrImagePull", what="in ErrImagePull")
        waiting = self.daemon.wait_pod("no-image", lambda p: waiting_reason(p) == "ImagePullBackOff", what="in ImagePullBackOff")
        self.assertEqual("Pending", phase(waiting))
        self.assertIn("Back-off pulling image", status_of(waiting)["state"]["waiting"]["message"])
        self.assertIn("localhost:1/nothing:1", self.daemon.wait_event("no-image", "Failed")["message"])
        self.assertRegex(self.kubectl("get", "pod", "no-image").out, r"no-image +0/1 +(ImagePullBackOff|ErrImagePull) +0 ")

    def test_a_name_that_cannot_be(self):
        self.create(pod("bad-name", {**container(script=SLEEP), "image": "Busy Box:?"}))
        self.daemon.wait_pod("bad-name", lambda p: waiting_reason(p) == "InvalidImageName", what="in InvalidImageName")

    def test_never_pull(self):
        self.create(pod("absent", {**container(script=SLEEP), "image": "localhost:1/absent:1", "imagePullPolicy": "Never"}))
        self.daemon.wait_pod("absent", lambda p: waiting_reason(p) == "ErrImageNeverPull", what="in ErrImageNeverPull")

    def test_pulled_once_then_present(self):
        self.create(pod("puller", {**container(script=SLEEP), "imagePullPolicy": "IfNotPresent"}))
        running = self.daemon.wait_running("puller")
        self.assertTrue(all_running(running))
        message = self.daemon.wait_event("puller", "Pulled")["message"]
        self.assertTrue(re.search(r'Successfully pulled image "busybox"|Container image "busybox" already present on machine', message), message)


if __name__ == "__main__":
    unittest.main()
