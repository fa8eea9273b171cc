"""Creating, reading, watching and deleting pods with kubectl."""
import json
import re
import unittest

from harness import DaemonTest, all_running, condition, container, pod, pods_path, scratch_file, status_of
from harness import ApiError, SLEEP, deadline, needs_kubectl, phase

YAML = """
apiVersion: v1
kind: Pod
metadata:
  name: from-yaml
  labels: {app: yaml, tier: "1"}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "trap 'exit 0' TERM; echo hello; sleep 3600 & wait"]
    env:
    - {name: GREETING, value: hello}
"""


class Create(DaemonTest):
    def test_yaml(self):
        self.remove_later("from-yaml")
        out = self.kubectl("create", "-f", scratch_file(self.daemon, "from.yaml", YAML)).out
        self.assertEqual("pod/from-yaml created\n", out)
        running = self.daemon.wait_running("from-yaml")
        self.assertEqual("Always", running["spec"]["restartPolicy"])
        self.assertEqual("busybox", running["spec"]["containers"][0]["image"])
        self.assertRegex(status_of(running)["containerID"], r"^[a-z]+://[0-9a-f]{64}$")
        self.assertRegex(status_of(running)["imageID"], r"sha256:[0-9a-f]{64}")

    def test_json(self):
        file = scratch_file(self.daemon, "from.json", pod("from-json"))
        self.remove_later("from-json")
        self.assertEqual("pod/from-json created\n", self.kubectl("create", "-f", file).out)
        self.daemon.wait_running("from-json")

    def test_twice_is_refused(self):
        self.create(pod("twice"))
        again = self.kubectl("create", "-f", "-", stdin=pod("twice"), check=False)
        self.assertEqual(1, again.code)
        self.assertIn('Error from server (AlreadyExists): error when creating "STDIN": pods "twice" already exists', again.err)

    def test_an_unknown_field_is_refused_with_its_path(self):
        bad = pod("bad-field")
        bad["spec"]["containers"][0]["imagePullPolcy"] = "Always"
        answer = self.kubectl("create", "-f", "-", stdin=bad, check=False)
        self.assertEqual(1, answer.code)
        # Before 1.25 it is kubectl that finds it, and says the path in other words.
        self.assertRegex(answer.err, r'unknown field "spec\.containers\[0\]\.imagePullPolcy"'
                         r'|ValidationError\(Pod\.spec\.containers\[0\]\): unknown field "imagePullPolcy"')
        self.assertEqual(404, self.api_code("bad-field"))

    def test_an_invalid_pod_is_refused_with_every_cause(self):
        bad = pod("bad-values", container("Bad_Name", script=SLEEP))
        bad["spec"]["restartPolicy"] = "Sometimes"
        answer = self.kubectl("create", "-f", "-", stdin=bad, check=False)
        self.assertEqual(1, answer.code)
        self.assertIn('The Pod "bad-values" is invalid', answer.err)
        self.assertIn("spec.restartPolicy", answer.err)
        self.assertIn("spec.containers[0].name", answer.err)

    def test_a_missing_namespace_is_named(self):
        answer = self.kubectl("create", "-n", "nowhere", "-f", "-", stdin=pod("lost"), check=False)
        self.assertEqual(1, answer.code)
        self.assertIn('namespaces "nowhere" not found', answer.err)

    def api_code(self, name):
        return self.daemon.api.request("GET", f"{pods_path()}/{name}")[0]

    def test_dry_run_persists_nothing(self):
        answer = self.kubectl("create", "--dry-run=server", "-o", "name", "-f", "-", stdin=pod("dry"))
        self.assertEqual("pod/dry\n", answer.out)
        self.assertEqual(404, self.api_code("dry"))

    def test_a_namespace_of_ones_own(self):
        self.kubectl("create", "namespace", "team")
        self.create(pod("inside", namespace="team"))
        self.daemon.wait_running("inside", namespace="team")
        self.assertIn("inside", self.kubectl("get", "pods", "-n", "team").out)
        self.assertNotIn("inside", self.kubectl("get", "pods").out)
        self.assertRegex(self.kubectl("get", "pods", "-A").out, r"(?m)^team +inside ")
        self.assertRegex(self.kubectl("get", "namespaces").out, r"(?m)^team +Active ")


class Get(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.create(pod("reader", labels={"app": "reader", "tier": "front"}), pod("other", labels={"app": "other"}))
        cls.daemon.wait_running("reader")
        cls.daemon.wait_running("other")

    def test_the_table(self):
        out = self.kubectl("get", "pods", "reader").out
        self.assertRegex(out, r"^NAME +READY +STATUS +RESTARTS +AGE\nreader +1/1 +Running +0 +\d+s\n$")

    def test_wide(self):
        out = self.kubectl("get", "pods", "-o", "wide").out
        lines = out.splitlines()
        self.assertEqual("NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES".split(), lines[0].split())
        row = next(line for line in lines if line.startswith("reader")).split()
        self.assertRegex(row[5], r"^10\.251\.\d+\.\d+$")
        self.assertEqual([self.daemon.name, "<none>", "<none>"], row[6:])

    def test_yaml(self):
        out = self.kubectl("get", "pod", "reader", "-o", "yaml").out
        self.assertTrue(out.startswith("apiVersion: v1\nkind: Pod\n"), out[:100])
        self.assertRegex(out, r"(?m)^  phase: Running$")

    def test_jsonpath(self):
        self.assertEqual("busybox", self.kubectl("get", "pod", "reader", "-o", "jsonpath={.spec.containers[0].image}").out)
        names = self.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").out
        self.assertEqual({"reader", "other"}, set(names.split()))

    def test_names_and_custom_columns(self):
        self.assertEqual({"pod/reader", "pod/other"}, set(self.kubectl("get", "pods", "-o", "name").out.split()))
        out = self.kubectl("get", "pod", "reader", "-o", "custom-columns=N:.metadata.name,P:.status.phase").out
        self.assertEqual(["N", "P", "reader", "Running"], out.split())

    def test_label_selectors(self):
        def chosen(selector):
            return set(self.kubectl("get", "pods", "-l", selector, "-o", "name").out.split())
        self.assertEqual({"pod/reader"}, chosen("app=reader"))
        self.assertEqual({"pod/other"}, chosen("app!=reader"))
        self.assertEqual({"pod/reader", "pod/other"}, chosen("app in (reader, other)"))
        self.assertEqual({"pod/other"}, chosen("app notin (reader)"))
        self.assertEqual({"pod/reader"}, chosen("tier"))
        self.assertEqual({"pod/other"}, chosen("!tier"))
        self.assertEqual(set(), chosen("app=reader,tier=back"))

    def test_field_selectors(self):
        out = self.kubectl("get", "pods", "--field-selector", "metadata.name=other", "-o", "name").out
        self.assertEqual("pod/other\n", out)
        answer = self.kubectl("get", "pods", "--field-selector", "spec.bogus=1", check=False)
        self.assertEqual(1, answer.code)

    def test_show_labels(self):
        self.assertIn("app=reader,tier=front", self.kubectl("get", "pods", "reader", "--show-labels").out)

    def test_not_found(self):
        answer = self.kubectl("get", "pod", "nobody", check=False)
        self.assertEqual((1, 'Error from server (NotFound): pods "nobody" not found\n'), (answer.code, answer.err))

    def test_an_empty_namespace(self):
        self.assertIn("No resources found in kube-system namespace.", self.kubectl("get", "pods", "-n", "kube-system").err)

    def test_nodes(self):
        out = self.kubectl("get", "nodes").out
        self.assertRegex(out, rf"(?m)^{self.daemon.name} +Ready +\S+ +\S+ +\S+$")
        node = self.daemon.api.get(f"/api/v1/nodes/{self.daemon.name}")
        for quantity in ("cpu", "memory", "pods"):
            self.assertIn(quantity, node["status"]["allocatable"])

    def test_events_tell_the_story(self):
        for reason in ("Scheduled", "Pulled", "Created", "Started"):
            self.daemon.wait_event("reader", reason)
        self.assertRegex(self.kubectl("get", "events").out, r"Scheduled +pod/reader +Successfully assigned default/reader to ")

    def test_version_and_api_resources(self):
        self.assertRegex(self.kubectl("version").out, r"Server Version: (v1\.|version\.Info.*GitVersion:\"v1\.)")
        out = self.kubectl("api-resources").out
        for kind in ("pods", "nodes", "namespaces", "events"):
            self.assertRegex(out, rf"(?m)^{kind} ")

    def test_pages(self):
        first = self.daemon.api.get(f"{pods_path()}?limit=1")
        self.assertEqual(1, len(first["items"]))
        second = self.daemon.api.get(f"{pods_path()}?limit=1&continue={first['metadata']['continue']}")
        self.assertEqual(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"])
        self.assertEqual({"reader", "other"}, {item["metadata"]["name"] for item in first["items"] + second["items"]})


class Watch(DaemonTest):
    def test_get_w_shows_each_step(self):
        watching = self.daemon.kubectl_process("get", "pods", "-w", "--output-watch-events", stdout=-1, stderr=-1, text=True)
        self.addCleanup(watching.kill)
        # What is created after the list arrives by the watch, in whatever state it is then.
        self.create(pod("seen"))
        self.daemon.wait_running("seen")
        self.kubectl("delete", "pod", "seen")
        seen = []
        for line in watching.stdout:
            seen.append(line.split())
            if "DELETED" in line and "seen" in line:
                break
        rows = [(row[0], row[3]) for row in seen if len(row) > 3 and row[1] == "seen"]
        self.assertEqual("ADDED", rows[0][0])
        self.assertIn(("MODIFIED", "Running"), rows)
        self.assertIn("Terminating", [status for _, status in rows])
        self.assertEqual("DELETED", rows[-1][0])
        watching.kill()
        watching.communicate()

    def test_get_one_w(self):
        self.create(pod("single"))
        self.daemon.wait_running("single")
        watching = self.daemon.kubectl_process("get", "pod", "single", "-w", stdout=-1, stderr=-1, text=True)
        self.addCleanup(watching.kill)
        self.assertIn("NAME", watching.stdout.readline())
        self.assertRegex(watching.stdout.readline(), r"^single +1/1 +Running")
        self.daemon.api.call("DELETE", f"{pods_path()}/single")
        self.assertRegex(watching.stdout.readline(), r"^single +\d/1 +(Terminating|Completed|Error)")
        watching.kill()
        watching.communicate()

    def test_a_selector_watch_sees_pods_enter_and_leave(self):
        api = self.daemon.api
        listed = api.get(f"{pods_path()}?labelSelector=colour%3Dred")
        self.assertEqual([], listed["items"])
        self.create(pod("chameleon", labels={"colour": "blue"}))
        patch = {"Content-Type": "application/merge-patch+json"}
        for colour in ("red", "blue"):
            api.call("PATCH", f"{pods_path()}/chameleon", {"metadata": {"labels": {"colour": colour}}}, headers=patch)
        types = []
        for event in api.watch(pods_path(), 30, resourceVersion=listed["metadata"]["resourceVersion"], labelSelector="colour=red"):
            types.append(event["type"])
            if event["type"] == "DELETED":
                break
        self.assertEqual("ADDED", types[0])
        self.assertEqual("DELETED", types[-1])

    def test_a_watch_ends_at_its_timeout(self):
        events = list(self.daemon.api.watch(pods_path("kube-system"), 30, timeoutSeconds=1))
        self.assertEqual([], [event for event in events if event["type"] != "BOOKMARK"])


class History(DaemonTest):
    settings = {"store": {"watchHistory": 4}}

    def test_a_version_too_old_is_410(self):
        api = self.daemon.api
        old = api.get(pods_path())["metadata"]["resourceVersion"]
        self.create(pod("changing"))
        for number in range(10):
            api.call("PATCH", f"{pods_path()}/changing", {"metadata": {"labels": {"n": str(number)}}},
                     headers={"Content-Type": "application/merge-patch+json"})
        try:
            first = next(iter(api.watch(pods_path(), 30, resourceVersion=old)))
            self.assertEqual(("ERROR", 410, "Expired"), (first["type"], first["object"]["code"], first["object"]["reason"]))
        except ApiError as refused:
            self.assertEqual((410, "Expired"), (refused.code, refused.status["reason"]))


class Delete(DaemonTest):
    def test_graceful(self):
        # Ready says that the trap is set: a SIGTERM before it is lost on a PID 1, and the grace would pass.
        script = "trap 'echo stopping; sleep 1; exit 0' TERM; touch /tmp/armed; while true; do sleep 0.1; done"
        armed = {"exec": {"command": ["test", "-e", "/tmp/armed"]}, "periodSeconds": 1}
        self.create(pod("graceful", container(script=script, readinessProbe=armed), grace=20))
        self.daemon.wait_pod("graceful", lambda p: condition(p, "Ready").get("status") == "True", what="ready")
        self.daemon.api.call("DELETE", f"{pods_path()}/graceful")
        going = self.daemon.pod("graceful")
        self.assertEqual(20, going["metadata"]["deletionGracePeriodSeconds"])
        self.assertRegex(self.kubectl("get", "pod", "graceful").out, r"Terminating")
        self.daemon.wait_gone("graceful", 15)

    def test_kubectl_waits_for_the_end(self):
        self.create(pod("waited"))
        self.daemon.wait_running("waited")
        out = self.kubectl("delete", "pod", "waited").out
        self.assertRegex(out, r'^pod "waited" deleted')
        self.assertEqual(404, self.daemon.api.request("GET", f"{pods_path()}/waited")[0])

    def test_no_wait(self):
        self.create(pod("hurried", container(script="trap '' TERM; while true; do sleep 1; done"), grace=4))
        self.daemon.wait_running("hurried")
        self.kubectl("delete", "pod", "hurried", "--wait=false")
        self.assertIn("deletionTimestamp", self.daemon.pod("hurried")["metadata"])
        # It ignores SIGTERM: SIGKILL comes when its grace is over.
        self.daemon.wait_gone("hurried", 20)

    def test_force(self):
        self.create(pod("forced", container(script="trap '' TERM; while true; do sleep 1; done"), grace=600))
        self.daemon.wait_running("forced")
        self.kubectl("delete", "pod", "forced", "--force", "--grace-period=0")
        self.daemon.wait_gone("forced", 10)

    def test_by_label(self):
        self.create(pod("batch-1", labels={"batch": "x"}), pod("batch-2", labels={"batch": "x"}))
        self.kubectl("delete", "pods", "-l", "batch=x")
        for name in ("batch-1", "batch-2"):
            self.assertEqual(404, self.daemon.api.request("GET", f"{pods_path()}/{name}")[0])

    def test_the_name_is_free_again(self):
        for _ in range(2):
            self.create(pod("phoenix"))
            self.daemon.wait_running("phoenix")
            self.kubectl("delete", "pod", "phoenix")

    def test_not_found(self):
        answer = self.kubectl("delete", "pod", "nobody", check=False)
        self.assertEqual((1, 'Error from server (NotFound): pods "nobody" not found\n'), (answer.code, answer.err))
        self.assertEqual(0, self.kubectl("delete", "pod", "nobody", "--ignore-not-found").code)


class Wait(DaemonTest):
    def test_for_ready(self):
        self.create(pod("ready"))
        out = self.kubectl("wait", "--for=condition=Ready", "pod/ready", f"--timeout={deadline(60):.0f}s").out
        self.assertEqual("pod/ready condition met\n", out)

    @needs_kubectl(1, 23, "it has no --for=jsonpath")
    def test_for_phase(self):
        self.create(pod("done", container(script="exit 0"), restartPolicy="Never"))
        self.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/done", f"--timeout={deadline(60):.0f}s")

    def test_for_delete(self):
        # It takes its time: to wait for what is gone already is an error for old kubectls.
        self.create(pod("leaving", container(script="trap 'sleep 3; exit 0' TERM; sleep 3600 & wait"), grace=20))
        self.daemon.wait_running("leaving")
        self.kubectl("delete", "pod", "leaving", "--wait=false")
        self.kubectl("wait", "--for=delete", "pod/leaving", f"--timeout={deadline(60):.0f}s")

    def test_a_timeout_is_an_error(self):
        self.create(pod("never", container(command=["/bin/sh", "-c", SLEEP], readinessProbe={"exec": {"command": ["false"]}})))
        answer = self.kubectl("wait", "--for=condition=Ready", "pod/never", "--timeout=2s", check=False)
        self.assertEqual(1, answer.code)
        self.assertIn("timed out", answer.err)


class Scheduling(DaemonTest):
    def test_an_impossible_request_stays_pending_with_the_reason(self):
        self.create(pod("giant", container(script=SLEEP, resources={"requests": {"cpu": "10000", "memory": "1Gi"}})))
        pending = self.daemon.wait_pod("giant", lambda p: condition(p, "PodScheduled").get("status") == "False", what="unschedulable")
        scheduled = condition(pending, "PodScheduled")
        self.assertEqual("Pending", phase(pending))
        self.assertEqual("Unschedulable", scheduled["reason"])
        self.assertIn("Insufficient cpu", scheduled["message"])
        self.assertIn("0/1 nodes are available", scheduled["message"])
        self.assertNotIn("nodeName", pending["spec"])
        event = self.daemon.wait_event("giant", "FailedScheduling")
        self.assertEqual("Warning", event["type"])
        self.assertIn("Insufficient cpu", event["message"])
        self.assertRegex(self.kubectl("get", "pod", "giant").out, r"giant +0/1 +Pending +0 ")

    def test_it_starts_when_there_is_room(self):
        node = self.daemon.api.get(f"/api/v1/nodes/{self.daemon.name}")
        cores = node["status"]["allocatable"]["cpu"]
        millis = int(cores[:-1]) if cores.endswith("m") else int(cores) * 1000
        most = {"requests": {"cpu": f"{millis * 2 // 3}m"}}
        self.create(pod("first", container(script=SLEEP, resources=most)))
        self.daemon.wait_running("first")
        self.create(pod("second", container(script=SLEEP, resources=most)))
        self.daemon.wait_pod("second", lambda p: condition(p, "PodScheduled").get("status") == "False", what="unschedulable")
        self.kubectl("delete", "pod", "first")
        self.daemon.wait_running("second")

    def test_node_selector(self):
        self.create(pod("choosy", nodeSelector={"disk": "fast"}))
        pending = self.daemon.wait_pod("choosy", lambda p: condition(p, "PodScheduled").get("status") == "False", what="unschedulable")
        self.assertIn("didn't match Pod's node affinity/selector", condition(pending, "PodScheduled")["message"])
        self.daemon.api.call("PATCH", f"/api/v1/nodes/{self.daemon.name}", {"metadata": {"labels": {"disk": "fast"}}},
                             headers={"Content-Type": "application/merge-patch+json"})
        self.daemon.wait_running("choosy")

    def test_node_name(self):
        self.create(pod("bound", nodeName=self.daemon.name))
        running = self.daemon.wait_running("bound")
        self.assertEqual(self.daemon.name, running["spec"]["nodeName"])

    def test_what_describe_needs(self):
        self.create(pod("described"))
        self.daemon.wait_running("described")
        self.daemon.wait_event("described", "Started")
        out = self.kubectl("describe", "pod", "described").out
        self.assertRegex(out, r"Status: +Running")
        self.assertIn("Successfully assigned default/described to", out)
        self.assertTrue(re.search(r"Container ID: +\w+://[0-9a-f]{64}", out))
        self.assertTrue(all_running(json.loads(self.kubectl("get", "pod", "described", "-o", "json").out)))


if __name__ == "__main__":
    unittest.main()
