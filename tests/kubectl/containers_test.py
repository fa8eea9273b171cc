"""Init containers, sidecars, ephemeral containers (kubectl debug), restart rules, hooks and the causes of kills: real pods."""
import json
import unittest

import leaks
from harness import (DaemonTest, SLEEP, condition, container, needs_kubectl, phase, pod, pods_path, restarts, status_of,
                     waiting_reason)


def init_status(pod_object, name):
    for status in (pod_object or {}).get("status", {}).get("initContainerStatuses", []):
        if status["name"] == name:
            return status
    return {}


def ephemeral_status(pod_object, name):
    for status in (pod_object or {}).get("status", {}).get("ephemeralContainerStatuses", []):
        if status["name"] == name:
            return status
    return {}


def sidecar(name, script=SLEEP, **more):
    return container(name, script, restartPolicy="Always", **more)


def finished(status):
    return status.get("state", {}).get("terminated", {}).get("finishedAt")


class Init(DaemonTest):
    def test_init_containers_in_order_then_the_rest(self):
        self.create(pod("ordered", container("main", SLEEP),
                        initContainers=[container("first", "echo one; sleep 1"), container("second", "echo two; sleep 1")]))
        early = self.daemon.wait_pod("ordered", lambda p: "running" in init_status(p, "first").get("state", {}), what="initialising")
        self.assertEqual("Pending", phase(early))
        self.assertEqual("PodInitializing", waiting_reason(early, "main"))
        self.assertEqual("ContainersNotInitialized", condition(early, "Initialized")["reason"])
        self.assertRegex(self.kubectl("get", "pod", "ordered").out, r"ordered +0/1 +(Init:[01]/2|PodInitializing) +0 ")
        done = self.daemon.wait_running("ordered")
        for name in ("first", "second"):
            self.assertEqual(0, init_status(done, name)["state"]["terminated"]["exitCode"])
            self.assertTrue(init_status(done, name)["ready"])
            self.assertEqual(0, init_status(done, name)["restartCount"])
        self.assertLessEqual(finished(init_status(done, "first")), init_status(done, "second")["state"]["terminated"]["startedAt"])
        self.assertEqual("True", condition(done, "Initialized")["status"])
        self.assertEqual("one\n", self.kubectl("logs", "ordered", "-c", "first").out)
        self.assertEqual("two\n", self.kubectl("logs", "ordered", "-c", "second").out)
        self.assertIn("Init Containers:", self.kubectl("describe", "pod", "ordered").out)
        # A daemon that comes back runs none of them again.
        self.daemon.kill()
        self.daemon.start()
        again = self.daemon.wait_running("ordered")
        self.assertEqual(status_of(done)["containerID"], status_of(again)["containerID"])
        self.assertEqual(init_status(done, "first")["containerID"], init_status(again, "first")["containerID"])

    def test_a_failing_init_container(self):
        self.create(pod("stuck", container("main", SLEEP), initContainers=[container("bad", "exit 7")]),
                    pod("given-up", container("main", SLEEP), initContainers=[container("bad", "exit 7")], restartPolicy="Never"))
        self.daemon.wait_pod("stuck", lambda p: init_status(p, "bad").get("restartCount", 0) >= 2, what="restarted twice")
        self.daemon.wait_pod("stuck", lambda p: init_status(p, "bad")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff",
                             what="backing off")
        self.assertRegex(self.kubectl("get", "pod", "stuck").out, r"stuck +0/1 +Init:(CrashLoopBackOff|Error) +\d+ ")
        over = self.daemon.wait_pod("given-up", lambda p: phase(p) == "Failed", what="failed")
        self.assertEqual(7, init_status(over, "bad")["state"]["terminated"]["exitCode"])
        self.assertRegex(self.kubectl("get", "pod", "given-up").out, r"given-up +0/1 +Init:Error +0 ")


class Sidecars(DaemonTest):
    def test_a_job_with_a_sidecar_completes_and_the_sidecar_ends_last(self):
        last = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done"
        self.create(pod("job", container("main", "sleep 1; echo done"), initContainers=[sidecar("a", last), sidecar("b", last)],
                        restartPolicy="Never", grace=20))
        ready = self.daemon.wait_running("job")
        self.assertIn("running", init_status(ready, "a")["state"])
        self.assertRegex(self.kubectl("get", "pod", "job").out, r"job +[123]/3 +(Running|NotReady|Completed) +0 ")
        over = self.daemon.wait_pod("job", lambda p: phase(p) == "Succeeded", what="succeeded")
        self.assertEqual(0, init_status(over, "a")["state"]["terminated"]["exitCode"])
        self.assertLessEqual(finished(status_of(over, "main")), finished(init_status(over, "b")))
        self.assertLessEqual(finished(init_status(over, "b")), finished(init_status(over, "a")))
        self.assertEqual("bye\n", self.kubectl("logs", "job", "-c", "a").out)

    def test_a_sidecar_starts_again_and_gates_by_its_startup_probe(self):
        probe = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 60}
        self.create(pod("gated", container("main", SLEEP),
                        initContainers=[sidecar("proxy", "sleep 2; touch /tmp/up; " + SLEEP, startupProbe=probe)]))
        early = self.daemon.wait_pod("gated", lambda p: "running" in init_status(p, "proxy").get("state", {}), what="sidecar running")
        self.assertNotIn("running", status_of(early, "main").get("state", {}))
        ready = self.daemon.wait_pod("gated", lambda p: condition(p, "Ready").get("status") == "True", what="ready")
        self.assertLess(init_status(ready, "proxy")["state"]["running"]["startedAt"], status_of(ready, "main")["state"]["running"]["startedAt"])
        self.assertRegex(self.kubectl("get", "pod", "gated").out, r"gated +2/2 +Running +0 ")
        self.kubectl("exec", "gated", "-c", "proxy", "--", "sh", "-c", "kill 1; rm /tmp/up", check=False)
        again = self.daemon.wait_pod("gated", lambda p: init_status(p, "proxy")["restartCount"] == 1 and init_status(p, "proxy")["ready"],
                                     what="sidecar ready again")
        self.assertEqual(0, restarts(again, "main"))


class Rules(DaemonTest):
    def test_rules_of_one_container_and_of_all(self):
        def rule(action, *codes):
            return [{"action": action, "exitCodes": {"operator": "In", "values": list(codes)}}]
        self.create(pod("one", container("main", "exit 42", restartPolicy="Never", restartPolicyRules=rule("Restart", 42)),
                        container("other", SLEEP), restartPolicy="Never"))
        self.daemon.wait_pod("one", lambda p: restarts(p, "main") >= 2, what="restarted by its rule")
        self.create(pod("all", container("main", "sleep 1; exit 42", restartPolicy="Never",
                                         restartPolicyRules=rule("RestartAllContainers", 42)),
                        container("other", SLEEP), initContainers=[container("init", "true")], restartPolicy="Never"))
        first = self.daemon.wait_running("all")
        self.assertEqual("False", condition(first, "AllContainersRestarting")["status"])
        begun = self.daemon.wait_pod("all", lambda p: condition(p, "AllContainersRestarting").get("status") == "True", what="restarting")
        self.assertEqual(("RestartAllContainersStarted", "container exited with restart policy rule"),
                         tuple(condition(begun, "AllContainersRestarting")[key] for key in ("reason", "message")))
        self.assertEqual({}, condition(self.daemon.pod("one"), "AllContainersRestarting"))
        again = self.daemon.wait_pod("all", lambda p: restarts(p, "main") >= 2 and restarts(p, "other") >= 2,
                                     what="begun anew with all containers")
        self.assertGreaterEqual(init_status(again, "init")["restartCount"], 1)
        self.assertEqual(first["status"]["podIP"], again["status"]["podIP"])
        self.assertNotEqual("Failed", phase(again))

    def test_a_pods_own_back_off(self):
        self.create(pod("quick", container("main", "exit 1"),
                        annotations={"podium.io/crash-loop-back-off": "first=10ms,factor=1,max=10ms"}),
                    pod("misread", container("main", SLEEP), annotations={"podium.io/crash-loop-back-off": "first=soon"}))
        self.daemon.wait_pod("quick", lambda p: restarts(p) >= 6, seconds=30, what="restarted six times")
        self.assertIn("first=soon", self.daemon.wait_event("misread", "InvalidAnnotation")["message"])


class Debug(DaemonTest):
    @needs_kubectl(1, 25, "the ephemeralcontainers subresource takes pods since")
    def test_kubectl_debug(self):
        self.create(pod("patient", container("main", SLEEP)))
        self.daemon.wait_running("patient")
        self.kubectl("debug", "patient", "--image=busybox", "-c", "doctor", "--", "sh", "-c", "echo looked; " + SLEEP)
        there = self.daemon.wait_pod("patient", lambda p: "running" in ephemeral_status(p, "doctor").get("state", {}), what="debugged")
        self.assertEqual(0, restarts(there))
        self.assertRegex(self.kubectl("get", "pod", "patient").out, r"patient +1/1 +Running +0 ")
        self.assertEqual("there\n", self.kubectl("exec", "patient", "-c", "doctor", "--", "echo", "there").out)
        self.assertIn("looked", self.kubectl("logs", "patient", "-c", "doctor").out)
        # It shares the pod's network, and is not started again.
        self.assertIn(there["status"]["podIP"], self.kubectl("exec", "patient", "-c", "doctor", "--", "ip", "addr").out)
        answer = self.kubectl("debug", "patient", "--image=busybox", "-c", "seer", "-i", "--", "sh", "-c", "echo seen; exit 3",
                              stdin=b"", check=False)
        ended = self.daemon.wait_pod("patient", lambda p: "terminated" in ephemeral_status(p, "seer").get("state", {}), what="over")
        self.assertEqual(3, ephemeral_status(ended, "seer")["state"]["terminated"]["exitCode"], answer)
        self.assertEqual(0, ephemeral_status(ended, "seer")["restartCount"])

    @needs_kubectl(1, 25, "the ephemeralcontainers subresource takes pods since")
    def test_the_processes_of_a_target(self):
        self.create(pod("watched", container("main", SLEEP), container("other", SLEEP)))
        self.daemon.wait_running("watched")
        for name, target in (("seer", "main"), ("blind", None)):
            self.kubectl("debug", "watched", "--image=busybox", "-c", name, *([f"--target={target}"] if target else []), "--", "sh", "-c", SLEEP)
            self.daemon.wait_pod("watched", lambda p, n=name: "running" in ephemeral_status(p, n).get("state", {}), what="debugged")

        def namespace(of):
            return self.kubectl("exec", "watched", "-c", of, "--", "readlink", "/proc/self/ns/pid").out
        self.assertEqual(namespace("main"), namespace("seer"))
        self.assertEqual(3, len({namespace(of) for of in ("main", "other", "blind")}))
        self.assertIn("sleep 3600", self.kubectl("exec", "watched", "-c", "seer", "--", "ps").out)
        # It outlives the daemon, and ends with the target.
        self.daemon.kill()
        self.daemon.start()
        self.daemon.wait_running("watched")
        self.assertEqual(namespace("main"), namespace("seer"))
        self.kubectl("exec", "watched", "-c", "seer", "--", "kill", "1", check=False)
        ended = self.daemon.wait_pod("watched", lambda p: "terminated" in ephemeral_status(p, "seer").get("state", {})
                                     and restarts(p, "main") == 1, what="ended with its target")
        self.assertEqual(137, ephemeral_status(ended, "seer")["state"]["terminated"]["exitCode"])
        self.assertEqual(0, restarts(ended, "other"))
        uid = ended["metadata"]["uid"]
        self.kubectl("delete", "pod", "watched", "--now")
        self.assertEqual({}, leaks.wait_none(self.daemon, [uid]))

    @needs_kubectl(1, 25, "the ephemeralcontainers subresource takes pods since")
    def test_a_target_that_does_not_run(self):
        self.create(pod("job", container("main", "exit 0"), container("other", SLEEP), restartPolicy="Never"),
                    pod("late", container("main", SLEEP), initContainers=[container("first", "until [ -e /tmp/go ]; do sleep 0.1; done")]))
        self.daemon.wait_pod("job", lambda p: "terminated" in status_of(p, "main").get("state", {}), what="half over")
        self.daemon.wait_pod("late", lambda p: "running" in init_status(p, "first").get("state", {}), what="initialising")
        for name, reason, message in (("job", "CreateContainerError", 'invalid target container: container "main" is not running'),
                                      ("late", "CreateContainerConfigError", "unable to find target container main")):
            self.kubectl("debug", name, "--image=busybox", "-c", "seer", "--target=main", "--", "true")
            waits = self.daemon.wait_pod(name, lambda p: "waiting" in ephemeral_status(p, "seer").get("state", {})
                                         and ephemeral_status(p, "seer")["state"]["waiting"]["reason"] not in
                                         ("ContainerCreating", "PodInitializing"), what="waiting")
            waiting = ephemeral_status(waits, "seer")["state"]["waiting"]
            self.assertEqual((reason, message), (waiting["reason"], waiting["message"]))
        # Once the target is there it comes too.
        self.kubectl("exec", "late", "-c", "first", "--", "touch", "/tmp/go")
        self.daemon.wait_pod("late", lambda p: "terminated" in ephemeral_status(p, "seer").get("state", {}), what="debugged")

    def test_only_additions(self):
        self.create(pod("fixed", container("main", SLEEP)))
        self.daemon.wait_running("fixed")
        path = f"{pods_path()}/fixed/ephemeralcontainers"

        def patch(containers):
            code, _, body = self.daemon.api.request("PATCH", path, {"spec": {"ephemeralContainers": containers}},
                                                    {"Content-Type": "application/merge-patch+json"})
            return code, json.loads(body)
        code, body = patch([container("d", "true", ports=[{"containerPort": 1}])])
        self.assertEqual(422, code)
        self.assertIn("cannot be set for an Ephemeral Container", body["message"])
        code, body = patch([container("d", "true", terminationMessagePolicy="File")])
        self.assertEqual(200, code, body)
        self.assertEqual("d", self.daemon.api.get(path)["spec"]["ephemeralContainers"][0]["name"])
        code, body = patch([])
        self.assertEqual(422, code)
        self.assertIn('existing ephemeral containers "d" may not be removed', body["message"])
        code, body = patch([container("d", "false")])
        self.assertEqual(422, code)
        self.assertIn('existing ephemeral containers "d" may not be changed', body["message"])

    @needs_kubectl(1, 20, "copies are made by it")
    def test_a_copy_to_debug(self):
        self.create(pod("origin", container("main", "exit 1")))
        self.daemon.wait_pod("origin", lambda p: restarts(p) >= 1, what="crashing")
        self.remove_later("copied")
        self.kubectl("debug", "origin", "--copy-to=copied", "--container=main", "--image=busybox", "--", "sh", "-c", SLEEP)
        copied = self.daemon.wait_running("copied")
        self.assertEqual(0, restarts(copied))


class Causes(DaemonTest):
    def test_hooks_and_the_words_of_kills(self):
        self.create(pod("cold", container("main", SLEEP, lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "echo no wood; exit 3"]}}}),
                        restartPolicy="Never"))
        over = self.daemon.wait_pod("cold", lambda p: phase(p) in ("Failed", "Succeeded"), what="over")
        self.assertIn("PostStartHook failed: exit code 3: no wood", self.daemon.wait_event("cold", "FailedPostStartHook")["message"])
        self.assertIn("no wood", status_of(over)["state"]["terminated"]["message"])
        probe = {"exec": {"command": ["sh", "-c", "echo sick; exit 1"]}, "periodSeconds": 1, "failureThreshold": 1}
        self.create(pod("sick", container("main", SLEEP, livenessProbe=probe), grace=3))
        self.daemon.wait_pod("sick", lambda p: restarts(p) >= 1, what="restarted")
        words = self.daemon.wait_event("sick", "Killing")["message"]
        self.assertEqual("Container main failed liveness probe, will be restarted: 1 failure, sick; the stop signal, SIGKILL after 3s", words)

    def test_an_exec_probes_whole_tree_is_killed_at_the_timeout(self):
        probe = {"exec": {"command": ["sh", "-c", "sleep 4321 & sleep 4321"]}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1000}
        self.create(pod("tree", container("main", SLEEP, readinessProbe=probe)))
        self.daemon.wait_running("tree")
        event = self.daemon.wait_event("tree", "Unhealthy")
        self.assertIn("timed out after 1s", event["message"])
        while event.get("count", 1) < 3:  # each left two processes behind, were they not killed
            event = self.daemon.wait_event("tree", "Unhealthy")
        left = self.kubectl("exec", "tree", "--", "sh", "-c", "ps | grep '[s]leep 4321' | grep -vc 'sh -c' || [ $? = 1 ]").out
        self.assertLessEqual(int(left), 2)  # at most those of the probe that runs now

    def test_a_second_delete_shortens_the_first(self):
        deaf = "trap '' TERM; while :; do sleep 1; done"
        self.create(pod("slow", container("main", deaf), grace=600))
        self.daemon.wait_running("slow")
        self.kubectl("delete", "pod", "slow", "--wait=false")
        self.daemon.wait_pod("slow", lambda p: "deletionTimestamp" in p["metadata"], what="being deleted")
        self.kubectl("delete", "pod", "slow", "--grace-period=1", "--wait=false")
        self.daemon.wait_gone("slow", seconds=20)


if __name__ == "__main__":
    unittest.main()
