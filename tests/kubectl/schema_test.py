"""What kubectl makes of the API's schemas: explain, validation before the request, patches by merge keys, diff."""
import copy
import json
import unittest

from harness import DaemonTest, container, pod, pods_path, scratch_file
from harness import SLEEP, needs_kubectl


class Explain(DaemonTest):
    def explain(self, *args):
        """The answer with its lines joined: kubectl breaks long ones."""
        return " ".join(self.kubectl("explain", *args).out.split())

    def test_kinds_and_fields_have_sentences_and_types(self):
        for path, parts in {
            "pod": ["KIND: Pod", "VERSION: v1", "One or more containers that share a network address", "spec <", "metadata <"],
            "pod.spec": ["What is to run, and how.", "containers <[]", "restartPolicy <string>", "terminationGracePeriodSeconds <integer>",
                         "nodeSelector <map[string]string>", "hostNetwork <boolean>"],
            "pod.spec.containers.livenessProbe": ["Asks again and again whether the container still works", "periodSeconds <integer>",
                                                  "Seconds from one try to the next. Default: 10.", "exec <"],
            "pod.spec.restartPolicy": ["Whether a container that ended is started again", 'Default: "Always".'],
            "pod.status.containerStatuses.state.terminated.exitCode": ["128 and the signal's number after a kill"],
            "pod.metadata.ownerReferences": ["Objects whose end ends this one.", "controller <boolean>", "-required-"],
            "node.spec.taints": ["Keep away pods that do not tolerate them."],
            "namespace": ["A room for names"],
            "event": ["A report of something that happened to an object"],
        }.items():
            with self.subTest(path=path):
                text = self.explain(path)
                for part in parts:
                    self.assertIn(part, text)

    def test_a_field_that_is_not_there(self):
        answer = self.kubectl("explain", "pod.spec.bogus", check=False)
        self.assertEqual(1, answer.code)
        self.assertIn('field "bogus" does not exist', answer.err)

    def test_recursive(self):
        out = self.kubectl("explain", "pod", "--recursive").out
        for name in ["readinessProbe", "topologySpreadConstraints", "volumeClaimTemplate", "windowsOptions"]:
            self.assertIn(name, out)

    @needs_kubectl(1, 27, "older ones do not list values")
    def test_values(self):
        text = self.explain("pod.spec.containers.imagePullPolicy")
        self.assertIn("ENUM:", text)
        for value in ["Always", "IfNotPresent", "Never"]:
            self.assertIn(value, text)


class Patches(DaemonTest):
    """apply computes its patch from the schemas, or from what is built into kubectl: lists are merged by their keys either way."""

    def test_lists_are_merged_by_key(self):
        self.remove_later("merged")
        first = pod("merged", container("a", script=SLEEP), container("b", script=SLEEP), grace=1)
        first["metadata"]["labels"] = {"one": "1", "two": "2"}
        first["spec"]["tolerations"] = [{"key": "x", "operator": "Exists"}]
        self.kubectl("apply", "-f", "-", stdin=first)
        second = copy.deepcopy(first)
        second["metadata"]["labels"] = {"one": "1", "three": "3"}
        second["spec"]["containers"][1]["image"] = "busybox:latest"
        second["spec"]["tolerations"].append({"key": "y", "operator": "Exists"})
        # Tolerations are one value: those that were filled in have to be said again, or they would go.
        stored = self.daemon.api.get(f"{pods_path()}/merged")
        second["spec"]["tolerations"] += [t for t in stored["spec"]["tolerations"] if t["key"].startswith("node.kubernetes.io")]
        diff = self.kubectl("diff", "-f", "-", stdin=second, check=False)
        self.assertEqual(1, diff.code, diff)
        self.assertIn("+    three:", diff.out)
        self.assertEqual("pod/merged configured\n", self.kubectl("apply", "-f", "-", stdin=second).out)
        now = self.daemon.api.get(f"{pods_path()}/merged")
        self.assertEqual({"one": "1", "three": "3"}, now["metadata"]["labels"])
        self.assertEqual(["a", "b"], [c["name"] for c in now["spec"]["containers"]])
        self.assertEqual(["busybox", "busybox:latest"], [c["image"] for c in now["spec"]["containers"]])
        self.assertEqual(4, len(now["spec"]["tolerations"]))
        self.assertEqual("pod/merged unchanged\n", self.kubectl("apply", "-f", "-", stdin=second).out)
        self.assertEqual(0, self.kubectl("diff", "-f", "-", stdin=second, check=False).code)

    def test_a_list_that_gets_shorter(self):
        self.remove_later("shorter")
        first = pod("shorter", container("a", script=SLEEP), grace=1)
        first["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
        first["metadata"]["annotations"] = {"k": "v"}
        self.kubectl("apply", "-f", "-", stdin=first)
        second = copy.deepcopy(first)
        second["metadata"]["finalizers"] = []
        del second["metadata"]["annotations"]
        self.kubectl("apply", "-f", "-", stdin=second)
        now = self.daemon.api.get(f"{pods_path()}/shorter")
        self.assertNotIn("finalizers", now["metadata"])
        self.assertNotIn("k", now["metadata"]["annotations"])

    def test_a_dry_run_is_known_to_be_possible(self):
        answer = self.kubectl("apply", "--dry-run=server", "-f", "-", stdin=pod("dry", container("a", script=SLEEP)))
        self.assertEqual("pod/dry created (server dry run)\n", answer.out)


class Validation(DaemonTest):
    def test_mistakes_are_found(self):
        """By kubectl itself up to 1.26, by the server after that."""
        bad = pod("unknown", container("a", script=SLEEP))
        bad["spec"]["containers"][0]["imagePullPolcy"] = "Always"
        for verb in ["create", "apply"]:
            answer = self.kubectl(verb, "-f", "-", stdin=bad, check=False)
            self.assertEqual(1, answer.code)
            self.assertRegex(answer.err, 'unknown field "(spec.containers\\[0\\].)?imagePullPolcy"')

    def test_good_ones_pass(self):
        good = pod("good", container("a", script=SLEEP, ports=[{"containerPort": 80}],
                                     resources={"limits": {"cpu": 1, "memory": "64Mi"}},
                                     livenessProbe={"httpGet": {"port": "web", "path": "/"}}),
                   volumes=[{"name": "v", "emptyDir": {"sizeLimit": 1000}}])
        self.kubectl("create", "--dry-run=server", "-f", scratch_file(self.daemon, "good.json", json.dumps(good)))

    @needs_kubectl(1, 19, "older ones do not print warnings")
    def test_what_deserves_a_word_is_said(self):
        odd = pod("odd", container("a", script=SLEEP, env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]))
        answer = self.kubectl("create", "--dry-run=server", "-f", "-", stdin=odd)
        self.assertIn('Warning: spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
                      answer.err)

    def test_a_priority_class_that_is_not_there(self):
        answer = self.kubectl("create", "-f", "-", stdin=pod("high", container("a", script=SLEEP), priorityClassName="high"), check=False)
        self.assertIn('pods "high" is forbidden: no PriorityClass with name high was found', answer.err)


if __name__ == "__main__":
    unittest.main()
