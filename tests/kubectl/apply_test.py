"""Changing what is there: apply of both kinds, diff, edit, replace, patch, label, annotate, set image."""
import json
import unittest

from harness import DaemonTest, container, kubectl_version, needs_kubectl, pod, pods_path, scratch_file
from harness import SLEEP

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def managers(item):
    """{"manager/operation[/subresource]": fields} of an object."""
    return {"/".join(filter(None, [entry["manager"], entry["operation"], entry.get("subresource")])): entry.get("fieldsV1", {})
            for entry in item["metadata"].get("managedFields", [])}


class Base(DaemonTest):
    """Pods that no node runs: what is tested here is the API."""

    def given(self, name, **more):
        """A manifest of a pod that stays Pending, and of which nothing else is written."""
        self.remove_later(name)
        item = pod(name, container(script=SLEEP), **more)
        item["spec"]["schedulerName"] = "nobody"
        return item

    def created(self, name, **more):
        item = self.given(name, **more)
        self.daemon.create(item)
        return item

    def version(self, name):
        return self.daemon.pod(name)["metadata"]["resourceVersion"]

    def apply(self, item, *more, check=True):
        return self.kubectl("apply", "-f", "-", *more, stdin=item, check=check)

    def server_apply(self, item, *more, check=True):
        return self.apply(item, "--server-side", *more, check=check)


class ClientSideApply(Base):
    def test_created_unchanged_configured(self):
        item = self.given("client", labels={"a": "1", "b": "1"})
        self.assertEqual("pod/client created\n", self.apply(item).out)
        self.assertEqual("pod/client unchanged\n", self.apply(item).out)
        version = self.version("client")
        item["metadata"]["labels"] = {"a": "2", "c": "3"}
        self.assertEqual("pod/client configured\n", self.apply(item).out)
        now = self.daemon.pod("client")
        self.assertNotEqual(version, now["metadata"]["resourceVersion"])
        self.assertEqual({"a": "2", "c": "3"}, now["metadata"]["labels"])
        self.assertEqual(["kubectl-client-side-apply/Update"], list(managers(now)))
        self.assertIn("f:a", managers(now)["kubectl-client-side-apply/Update"]["f:metadata"]["f:labels"])

    def test_several_objects_of_a_file_and_a_directory(self):
        items = [self.given("multi-1"), self.given("multi-2")]
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        self.assertEqual("pod/multi-1 created\npod/multi-2 created\n", self.apply(listed).out)
        directory = self.daemon.directory / "many"
        directory.mkdir()
        for item in items:
            (directory / f"{item['metadata']['name']}.json").write_text(json.dumps(item), encoding="utf-8")
        self.assertEqual("pod/multi-1 unchanged\npod/multi-2 unchanged\n", self.kubectl("apply", "-f", directory).out)

    def test_an_object_that_was_created_otherwise(self):
        item = self.created("adopted", labels={"a": "1"})
        answer = self.apply(item)
        self.assertIn("configured", answer.out)
        self.assertIn("missing", answer.err)  # the annotation, which kubectl adds
        self.assertEqual("pod/adopted unchanged\n", self.apply(item).out)

    def test_last_applied_can_be_seen_and_set(self):
        item = self.given("last")
        self.apply(item)
        seen = self.kubectl("apply", "view-last-applied", "pod/last", "-o", "json")
        self.assertEqual("last", json.loads(seen.out)["metadata"]["name"])
        item["metadata"]["labels"] = {"x": "y"}
        file = scratch_file(self.daemon, "last.json", item)
        self.kubectl("apply", "set-last-applied", "-f", file)
        self.assertIn('"x":"y"', self.daemon.pod("last")["metadata"]["annotations"][LAST_APPLIED])

    def test_dry_run_changes_nothing(self):
        item = self.given("dry-apply")
        self.assertEqual("pod/dry-apply created (server dry run)\n", self.apply(item, "--dry-run=server").out)
        self.assertEqual(404, self.daemon.api.request("GET", f"{pods_path()}/dry-apply")[0])
        self.apply(item)
        version = self.version("dry-apply")
        item["metadata"]["labels"] = {"a": "1"}
        self.assertEqual("pod/dry-apply configured (server dry run)\n", self.apply(item, "--dry-run=server").out)
        self.assertEqual(version, self.version("dry-apply"))

    def test_a_change_that_pods_do_not_allow(self):
        item = self.given("fixed")
        self.apply(item)
        item["spec"]["restartPolicy"] = "Never"
        answer = self.apply(item, check=False)
        self.assertEqual(1, answer.code)
        self.assertIn('The Pod "fixed" is invalid: spec: Forbidden: pod updates may not change fields other than', answer.err)


class ServerSideApply(Base):
    def test_created_and_changed(self):
        item = self.given("server", labels={"a": "1", "b": "1"})
        self.assertEqual("pod/server serverside-applied\n", self.server_apply(item).out)
        now = self.daemon.pod("server")
        self.assertEqual(["kubectl/Apply"], list(managers(now)))
        self.assertEqual({"f:a": {}, "f:b": {}}, managers(now)["kubectl/Apply"]["f:metadata"]["f:labels"])
        # The same again is no write.
        self.server_apply(item)
        self.assertEqual(now, self.daemon.pod("server"))
        item["metadata"]["labels"] = {"a": "2"}
        self.server_apply(item)
        self.assertEqual({"a": "2"}, self.daemon.pod("server")["metadata"]["labels"])

    def test_conflicts_are_shown_and_forced(self):
        item = self.created("contested", labels={"a": "1", "b": "1"})
        item["metadata"]["labels"]["a"] = "2"
        refused = self.server_apply(item, check=False)
        self.assertEqual(1, refused.code)
        self.assertIn('Apply failed with 1 conflict: conflict with "kubectl-create" using v1: .metadata.labels.a', refused.err)
        item["spec"]["containers"][0]["image"] = "other"
        refused = self.server_apply(item, check=False)
        self.assertIn('Apply failed with 2 conflicts: conflicts with "kubectl-create" using v1:\n- .metadata.labels.a\n'
                      '- .spec.containers[name="main"].image', refused.err)
        self.assertIn("--force-conflicts", refused.err)
        self.server_apply(item, "--force-conflicts")
        now = self.daemon.pod("contested")
        self.assertEqual("2", now["metadata"]["labels"]["a"])
        self.assertNotIn("f:a", managers(now)["kubectl-create/Update"]["f:metadata"]["f:labels"])

    def test_two_appliers_share_and_give_up(self):
        item = self.given("shared", labels={"a": "1", "both": "1"})
        self.server_apply(item, "--field-manager=one")
        other = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shared", "labels": {"both": "1", "c": "1"}}}
        self.server_apply(other, "--field-manager=two")
        refused = self.server_apply({**other, "metadata": {"name": "shared", "labels": {"both": "2"}}}, "--field-manager=two", check=False)
        self.assertIn('conflict with "one": .metadata.labels.both', refused.err)
        item["metadata"]["labels"] = {}
        self.server_apply(item, "--field-manager=one")
        self.assertEqual({"both": "1", "c": "1"}, self.daemon.pod("shared")["metadata"]["labels"])
        del other["metadata"]["labels"]
        self.server_apply(other, "--field-manager=two")
        self.assertFalse(self.daemon.pod("shared")["metadata"].get("labels"))

    def test_an_unknown_field(self):
        item = self.given("unknown-field")
        item["spec"]["bogus"] = 1
        answer = self.server_apply(item, "--validate=false", check=False)
        self.assertEqual(1, answer.code)
        self.assertIn("failed to create typed patch object (default/unknown-field; /v1, Kind=Pod): "
                      ".spec.bogus: field not declared in schema", answer.err)

    def test_dry_run_changes_nothing(self):
        item = self.given("dry-server")
        self.assertEqual("pod/dry-server serverside-applied (server dry run)\n", self.server_apply(item, "--dry-run=server").out)
        self.assertEqual(404, self.daemon.api.request("GET", f"{pods_path()}/dry-server")[0])

    @needs_kubectl(1, 26, "older ones do not take the fields of client-side apply over")
    def test_from_client_side_to_server_side(self):
        item = self.given("moving", labels={"a": "1", "b": "1"})
        self.apply(item)
        item["metadata"]["labels"] = {"a": "2"}
        moved = self.server_apply(item)
        self.assertEqual("pod/moving serverside-applied\n", moved.out)
        now = self.daemon.pod("moving")
        self.assertEqual({"a": "2"}, now["metadata"]["labels"])  # b was the client-side apply's
        self.assertEqual({"kubectl/Apply", "kubectl-last-applied/Apply"}, set(managers(now)))
        # And on: neither way conflicts with the other's.
        item["metadata"]["labels"] = {"a": "3"}
        self.server_apply(item)
        self.assertIn('"a":"3"', self.daemon.pod("moving")["metadata"]["annotations"][LAST_APPLIED])
        item["metadata"]["labels"] = {"a": "4"}
        self.apply(item)
        self.assertEqual({"a": "4"}, self.daemon.pod("moving")["metadata"]["labels"])

    @needs_kubectl(1, 21, "older ones always show them")
    def test_managed_fields_are_shown_on_demand(self):
        self.server_apply(self.given("show"))
        self.assertNotIn("managedFields", self.kubectl("get", "pod", "show", "-o", "yaml").out)
        shown = self.kubectl("get", "pod", "show", "-o", "yaml", "--show-managed-fields").out
        self.assertIn('k:{"name":"main"}', shown)

    def test_managed_fields_can_be_reset(self):
        self.server_apply(self.given("reset"))
        self.kubectl("patch", "pod", "reset", "--type=merge", "-p", '{"metadata":{"managedFields":[{}]}}')
        self.assertEqual({}, managers(self.daemon.pod("reset")))


class Diff(Base):
    def test_client_side(self):
        item = self.given("differ", labels={"a": "1"})
        new = self.kubectl("diff", "-f", "-", stdin=item, check=False)
        self.assertEqual(1, new.code, new)
        self.assertIn("+  name: differ", new.out)
        self.apply(item)
        self.assertEqual((0, ""), self.outcome(item))
        item["metadata"]["labels"]["a"] = "2"
        code, out = self.outcome(item)
        self.assertEqual(1, code)
        self.assertIn("-    a: \"1\"\n+    a: \"2\"", out)
        self.assertEqual("1", self.daemon.pod("differ")["metadata"]["labels"]["a"])

    def test_server_side(self):
        item = self.given("differ-server", labels={"a": "1"})
        self.server_apply(item)
        self.assertEqual((0, ""), self.outcome(item, "--server-side"))
        item["metadata"]["labels"]["a"] = "2"
        code, out = self.outcome(item, "--server-side")
        self.assertEqual(1, code)
        self.assertIn("-    a: \"1\"\n+    a: \"2\"", out)
        self.kubectl("label", "pod", "differ-server", "--overwrite", "a=3")
        clash = self.kubectl("diff", "--server-side", "-f", "-", stdin=item, check=False)
        self.assertGreater(clash.code, 1)
        self.assertIn('conflict with "kubectl-label"', clash.err)

    def outcome(self, item, *more):
        answer = self.kubectl("diff", "-f", "-", *more, stdin=item, check=False)
        self.assertLess(answer.code, 2, answer)
        return answer.code, answer.out


class Edit(Base):
    def edit(self, script, *args, check=True):
        """kubectl edit with sed as the editor."""
        editor = scratch_file(self.daemon, "editor.sh", f"#!/bin/sh\nexec sed -i '{script}' \"$1\"\n")
        editor.chmod(0o755)
        self.daemon.kubectl_environment = {"EDITOR": str(editor), "KUBE_EDITOR": str(editor), "TMPDIR": str(self.daemon.directory)}
        self.addCleanup(lambda: setattr(self.daemon, "kubectl_environment", {}))
        return self.kubectl("edit", *args, check=check)

    def test_a_label(self):
        self.created("edited", labels={"a": "1"})
        self.assertEqual("pod/edited edited\n", self.edit('s/a: "1"/a: "2"/', "pod", "edited").out)
        now = self.daemon.pod("edited")
        self.assertEqual({"a": "2"}, now["metadata"]["labels"])
        self.assertIn("kubectl-edit/Update", managers(now))

    def test_an_image(self):
        self.created("edited-image")
        self.edit("s/image: busybox$/image: busybox:edited/", "pod", "edited-image")
        self.assertEqual("busybox:edited", self.daemon.pod("edited-image")["spec"]["containers"][0]["image"])

    def test_nothing(self):
        self.created("untouched")
        version = self.version("untouched")
        answer = self.edit("s/a/a/", "pod", "untouched")
        self.assertIn("Edit cancelled", answer.out + answer.err)
        self.assertEqual(version, self.version("untouched"))

    def test_what_may_not_change(self):
        self.created("edited-badly")
        answer = self.edit("s/restartPolicy: Always/restartPolicy: Never/", "pod", "edited-badly", check=False)
        self.assertNotEqual(0, answer.code)
        self.assertRegex(answer.out + answer.err, r'pods "edited-badly" (is invalid|was not valid)')
        self.assertEqual("Always", self.daemon.pod("edited-badly")["spec"]["restartPolicy"])


class Replace(Base):
    def test_by_what_was_read(self):
        self.created("replaced")
        item = self.daemon.pod("replaced")
        item["metadata"]["labels"] = {"new": "1"}
        self.assertEqual("pod/replaced replaced\n", self.kubectl("replace", "-f", "-", stdin=item).out)
        now = self.daemon.pod("replaced")
        self.assertEqual({"new": "1"}, now["metadata"]["labels"])
        self.assertIn("kubectl-replace/Update", managers(now))
        # What was read is old now.
        stale = self.kubectl("replace", "-f", "-", stdin=item, check=False)
        self.assertEqual(1, stale.code)
        self.assertIn('Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on pods "replaced": '
                      "the object has been modified; please apply your changes to the latest version and try again", stale.err)

    def test_without_a_version_it_is_unconditional(self):
        item = self.created("unconditional")
        self.kubectl("label", "pod", "unconditional", "x=y")
        now = self.daemon.pod("unconditional")
        del now["metadata"]["resourceVersion"]
        now["metadata"]["labels"] = {"z": "1"}
        self.kubectl("replace", "-f", "-", stdin=now)
        self.assertEqual({"z": "1"}, self.daemon.pod(item["metadata"]["name"])["metadata"]["labels"])

    def test_what_is_not_there(self):
        answer = self.kubectl("replace", "-f", "-", stdin=self.given("nothing"), check=False)
        self.assertEqual(1, answer.code)
        self.assertIn('Error from server (NotFound): error when replacing "STDIN": pods "nothing" not found', answer.err)

    def test_by_force(self):
        item = self.created("forced")
        before = self.daemon.pod("forced")["metadata"]["uid"]
        item["spec"]["restartPolicy"] = "Never"
        answer = self.kubectl("replace", "--force", "-f", scratch_file(self.daemon, "forced.json", item))
        self.assertIn('pod/forced replaced', answer.out)
        now = self.daemon.pod("forced")
        self.assertEqual("Never", now["spec"]["restartPolicy"])
        self.assertNotEqual(before, now["metadata"]["uid"])


class Patch(Base):
    def patch(self, name, patch, *more, check=True):
        return self.kubectl("patch", "pod", name, "-p", json.dumps(patch), *more, check=check)

    def image(self, name):
        return self.daemon.pod(name)["spec"]["containers"][0]["image"]

    def test_strategic(self):
        self.created("strategic")
        wish = {"spec": {"containers": [{"name": "main", "image": "busybox:2"}]}}
        self.assertEqual("pod/strategic patched\n", self.patch("strategic", wish).out)
        self.assertEqual("busybox:2", self.image("strategic"))
        version = self.version("strategic")
        self.assertEqual("pod/strategic patched (no change)\n", self.patch("strategic", wish).out)
        self.assertEqual(version, self.version("strategic"))
        self.assertIn("kubectl-patch/Update", managers(self.daemon.pod("strategic")))

    def test_merge(self):
        self.created("merged", labels={"a": "1", "b": "2"})
        self.patch("merged", {"metadata": {"labels": {"a": None, "c": "3"}}}, "--type=merge")
        self.assertEqual({"b": "2", "c": "3"}, self.daemon.pod("merged")["metadata"]["labels"])

    def test_json(self):
        self.created("json-patched")
        self.patch("json-patched", [{"op": "test", "path": "/spec/containers/0/name", "value": "main"},
                                    {"op": "replace", "path": "/spec/containers/0/image", "value": "busybox:3"}], "--type=json")
        self.assertEqual("busybox:3", self.image("json-patched"))
        failed = self.patch("json-patched", [{"op": "test", "path": "/spec/containers/0/name", "value": "x"}], "--type=json", check=False)
        self.assertEqual(1, failed.code)
        self.assertIn("The request is invalid", failed.err)
        if kubectl_version() >= (1, 32):  # old clients say no more
            self.assertIn(": the server rejected our request due to an error in our request", failed.err)
            self.assertIn("the test of /spec/containers/0/name failed", failed.err)

    def test_dry_run(self):
        self.created("dry-patched")
        out = self.patch("dry-patched", {"metadata": {"labels": {"a": "1"}}}, "--dry-run=server", "-o", "json").out
        self.assertEqual({"a": "1"}, json.loads(out)["metadata"]["labels"])
        self.assertNotIn("labels", self.daemon.pod("dry-patched")["metadata"])

    def test_the_version_is_a_precondition(self):
        self.created("pinned")
        stale = {"metadata": {"resourceVersion": "1", "labels": {"a": "1"}}}
        answer = self.patch("pinned", stale, check=False)
        self.assertEqual(1, answer.code)
        self.assertIn('Error from server (Conflict): Operation cannot be fulfilled on pods "pinned"', answer.err)

    def test_finalizers_hold_and_let_go(self):
        self.created("held")
        self.patch("held", {"metadata": {"finalizers": ["example.com/hold"]}}, "--type=merge")
        self.kubectl("delete", "pod", "held", "--wait=false")
        held = self.daemon.pod("held")
        self.assertIn("deletionTimestamp", held["metadata"])
        self.patch("held", {"metadata": {"finalizers": None}}, "--type=merge")
        self.daemon.wait_gone("held")


class Subresources(Base):
    @needs_kubectl(1, 24, "older ones know no --subresource")
    def test_the_status_is_patched_and_replaced(self):
        self.created("status", labels={"a": "1"})
        self.kubectl("patch", "pod", "status", "--subresource=status", "--type=merge", "-p",
                     '{"metadata":{"labels":{"a":"2"}},"status":{"message":"patched"}}')
        now = self.daemon.pod("status")
        self.assertEqual(("patched", "2"), (now["status"]["message"], now["metadata"]["labels"]["a"]))
        self.assertIn("kubectl-patch/Update/status", managers(now))
        now["status"]["message"] = "replaced"
        now["metadata"]["labels"]["a"] = "3"
        self.kubectl("replace", "--subresource=status", "-f", "-", stdin=now)
        now = self.daemon.pod("status")
        self.assertEqual(("replaced", "3"), (now["status"]["message"], now["metadata"]["labels"]["a"]))
        # By the main resource a status is not looked at.
        self.kubectl("patch", "pod", "status", "--type=merge", "-p", '{"status":{"message":"ignored"}}')
        self.assertEqual("replaced", self.daemon.pod("status")["status"]["message"])

    @needs_kubectl(1, 32, "older ones apply to no subresource")
    def test_the_status_is_applied(self):
        self.created("status-applied")
        wish = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "status-applied"}, "status": {"message": "applied"}}
        self.server_apply(wish, "--subresource=status")
        now = self.daemon.pod("status-applied")
        self.assertEqual("applied", now["status"]["message"])
        self.assertEqual({"f:status": {"f:message": {}}}, managers(now)["kubectl/Apply/status"])


class SmallChanges(Base):
    def test_label(self):
        self.created("labelled", labels={"a": "1"})
        self.assertEqual("pod/labelled labeled\n", self.kubectl("label", "pod", "labelled", "b=2").out)
        refused = self.kubectl("label", "pod", "labelled", "b=3", check=False)
        self.assertEqual(1, refused.code)
        self.assertIn("'b' already has a value (2), and --overwrite is false", refused.err)
        self.kubectl("label", "pod", "labelled", "b=3", "--overwrite")
        self.kubectl("label", "pod", "labelled", "a-")
        self.assertEqual({"b": "3"}, self.daemon.pod("labelled")["metadata"]["labels"])
        version = self.version("labelled")
        self.kubectl("label", "pod", "labelled", "b=3", "--overwrite")
        self.assertEqual(version, self.version("labelled"))
        bad = self.kubectl("label", "pod", "labelled", "bad=a b", check=False)
        self.assertEqual(1, bad.code)

    def test_annotate(self):
        self.created("annotated")
        self.assertEqual("pod/annotated annotated\n", self.kubectl("annotate", "pod", "annotated", "note=hello you").out)
        self.assertEqual("hello you", self.daemon.pod("annotated")["metadata"]["annotations"]["note"])
        stale = self.kubectl("annotate", "pod", "annotated", "--resource-version=1", "note=x", "--overwrite", check=False)
        self.assertEqual(1, stale.code)
        self.assertIn("the object has been modified", stale.err)

    def test_set_image(self):
        self.created("images")
        self.assertEqual("pod/images image updated\n", self.kubectl("set", "image", "pod/images", "main=busybox:next").out)
        now = self.daemon.pod("images")
        self.assertEqual("busybox:next", now["spec"]["containers"][0]["image"])
        self.assertIn("kubectl-set/Update", managers(now))

    def test_generated_names(self):
        item = pod("x", container(script=SLEEP))
        item["spec"]["schedulerName"] = "nobody"
        item["metadata"] = {"generateName": "made-"}
        names = [self.kubectl("create", "-f", "-", "-o", "name", stdin=item).out.strip() for _ in range(2)]
        for name in names:
            self.assertRegex(name, r"^pod/made-[a-z0-9]{5}$")
            self.remove_later(name.split("/")[1])
        self.assertNotEqual(*names)

    def test_a_node_and_a_namespace(self):
        node = self.daemon.name
        self.kubectl("label", "node", node, "disk=fast")
        self.kubectl("annotate", "namespace", "default", "note=1")
        self.assertIn(node, self.kubectl("get", "nodes", "-l", "disk=fast", "-o", "name").out)
        self.server_apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "applied", "labels": {"a": "1"}}})
        self.assertIn("a=1", self.kubectl("get", "ns", "applied", "--show-labels").out)


class Options(Base):
    """What kubectl does not ask for wrongly, but others do."""

    def test_unknown_values(self):
        for query, field in [("dryRun=Some", "dryRun"), ("fieldValidation=Never", "fieldValidation"),
                             ("fieldManager=" + "x" * 129, "fieldManager")]:
            code, _, body = self.daemon.api.request("POST", f"{pods_path()}?{query}", self.given("never"))
            status = json.loads(body)
            self.assertEqual((422, "Invalid"), (code, status["reason"]), query)
            self.assertEqual("CreateOptions", status["details"]["kind"])
            self.assertEqual([field], [cause["field"] for cause in status["details"]["causes"]])

    def test_preconditions_of_deletes(self):
        self.created("precious")
        path = f"{pods_path()}/precious"
        for precondition in [{"uid": "other"}, {"resourceVersion": "1"}]:
            code, _, body = self.daemon.api.request("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1",
                                                                    "preconditions": precondition})
            self.assertEqual(409, code, body)
        self.assertEqual(200, self.daemon.api.request("GET", path)[0])


if __name__ == "__main__":
    unittest.main()
