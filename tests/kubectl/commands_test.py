"""The commands of kubectl beside creating, watching and streaming, and users beside the administrator."""
import json
import re
import shutil
import subprocess
import unittest
import urllib.request

from harness import KUBECTL, PODIUM, SLEEP, DaemonTest, Result, container, deadline, kubectl_version, pod


class CommandTest(DaemonTest):
    """kubectl with changes to its environment, and its version."""

    @classmethod
    def setUpClass(cls):
        cls.version = kubectl_version()
        super().setUpClass()

    def kubectl(self, *args, stdin=None, seconds=60, check=True, env=None):
        env = {**self.daemon.environment(), **(env or {})}
        if isinstance(stdin, (dict, list)):
            stdin = json.dumps(stdin)
        run = subprocess.run([KUBECTL, *map(str, args)], env=env, input=(stdin or "").encode(), capture_output=True,
                             timeout=deadline(seconds), check=False)
        result = Result([str(a) for a in args], run.returncode, run.stdout.decode(errors="replace"),
                        run.stderr.decode(errors="replace"), run.stdout)
        if check and result.code != 0:
            raise AssertionError(f"{result!r}\n{self.daemon.log_tail()}")
        return result


class Commands(CommandTest):
    # --- what there is ---

    def test_versions_and_resources(self):
        self.assertRegex(self.kubectl("version").out, r"(?s)Server Version.*v1\.32\.0")
        self.assertEqual(["authentication.k8s.io/v1", "authorization.k8s.io/v1", "coordination.k8s.io/v1", "events.k8s.io/v1",
                          "metrics.k8s.io/v1beta1", "policy/v1", "storage.k8s.io/v1", "v1"], self.kubectl("api-versions").out.split())
        table = self.kubectl("api-resources", "-o", "wide").out
        for line in [r"pods +po +\S* ?v1 +true +Pod", r"nodes +no +v1 +false +Node", r"namespaces +ns", r"leases +",
                     r"localsubjectaccessreviews +authorization.k8s.io/v1 +true +LocalSubjectAccessReview",
                     r"selfsubjectaccessreviews +authorization.k8s.io/v1 +false +SelfSubjectAccessReview"]:
            if self.version >= (1, 21):  # 1.20 prints APIGROUP instead of APIVERSION
                self.assertRegex(table, line)
        names = self.kubectl("api-resources", "-o", "name", "--namespaced=true").out.split()
        self.assertIn("pods", names)
        self.assertIn("leases.coordination.k8s.io", names)
        self.assertNotIn("deployments.apps", names)
        makeable = self.kubectl("api-resources", "-o", "name", "--verbs=create,watch").out.split()
        self.assertEqual(["configmaps", "events", "events.events.k8s.io", "leases.coordination.k8s.io", "namespaces", "nodes", "persistentvolumeclaims",
                          "persistentvolumes", "pods", "secrets", "serviceaccounts", "storageclasses.storage.k8s.io"],
                         sorted(makeable))

    def test_cluster_info(self):
        self.assertIn("is running at", self.kubectl("cluster-info").out)
        dump = self.kubectl("cluster-info", "dump", "--all-namespaces").out
        self.assertIn('"kind": "NodeList"', dump)
        self.assertIn('"kind": "PodList"', dump)

    def test_raw(self):
        self.assertEqual("ok", self.kubectl("get", "--raw", "/healthz").out)
        self.assertEqual("PodList", json.loads(self.kubectl("get", "--raw", "/api/v1/pods?limit=1").out)["kind"])
        made = self.kubectl("create", "--raw", "/api/v1/namespaces/default/pods", "-f", "-", stdin=pod("raw"))
        self.remove_later("raw")
        self.assertEqual("raw", json.loads(made.out)["metadata"]["name"])
        gone = self.kubectl("delete", "--raw", "/api/v1/namespaces/default/pods/raw")
        self.assertIn(json.loads(gone.out)["kind"], ("Pod", "Status"))
        refused = self.kubectl("get", "--raw", "/nothing", check=False)
        self.assertIn("the server could not find the requested resource", refused.err)

    def test_config_and_options(self):
        self.assertIn("certificate-authority-data", self.kubectl("config", "view").out)
        self.assertEqual("podium", self.kubectl("config", "current-context").out.strip())
        if self.version >= (1, 27):  # older ones read the schema of OpenAPI v2
            self.assertIn("containers\t<[]", self.kubectl("explain", "pod.spec").out)

    def test_proxy(self):
        proxy = subprocess.Popen([KUBECTL, "proxy", "--port=0"], env=self.daemon.environment(), stdout=subprocess.PIPE, text=True)
        try:
            port = re.search(r"127\.0\.0\.1:(\d+)", proxy.stdout.readline()).group(1)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/namespaces", timeout=deadline(30)) as answer:
                self.assertEqual("NamespaceList", json.load(answer)["kind"])
        finally:
            proxy.terminate()
            proxy.wait(deadline(30))
            proxy.stdout.close()

    # --- reading ---

    def test_get_in_every_form(self):
        self.create(pod("form-a", labels={"app": "form", "n": "1"}), pod("form-b", labels={"app": "form", "n": "2"}))
        for name in ("form-a", "form-b"):
            self.daemon.wait_running(name)
        get = lambda *args: self.kubectl("get", *args).out
        self.assertRegex(get("pods", "-l", "app=form"), r"NAME +READY +STATUS +RESTARTS +AGE\nform-a +1/1 +Running +0 ")
        self.assertRegex(get("pods", "-l", "app=form", "-o", "wide", "--no-headers"), rf"form-a +1/1 +Running +0 +\S+ +\S+ +{self.daemon.name} ")
        self.assertEqual("pod/form-a\npod/form-b\n", get("pods", "-l", "n in (1,2)", "-o", "name"))
        self.assertEqual("pod/form-b\n", get("po", "-l", "app=form,n!=1", "-o", "name"))
        self.assertEqual("form-a form-b", get("pods", "-l", "app=form", "-o", "jsonpath={.items[*].metadata.name}"))
        self.assertRegex(get("pods", "-l", "app=form", "--sort-by={.metadata.labels.n}"), r"(?s)form-a .*form-b ")
        self.assertEqual("N\nform-a\nform-b\n", get("pods", "-l", "app=form", "-o", "custom-columns=N:.metadata.name"))
        self.assertEqual("form-a,form-b,", get("pods", "-l", "app=form", "-o", "go-template={{range .items}}{{.metadata.name}},{{end}}"))
        self.assertRegex(get("pods", "-l", "app=form", "-L", "n", "--show-labels"), r"form-b .* 2 +app=form,n=2")
        self.assertRegex(get("pods", "-A", "--field-selector", "metadata.name=form-a"), r"default +form-a ")
        self.assertEqual("pod/form-a\n", get("pods", "--field-selector=status.phase=Running,metadata.name=form-a", "-o", "name"))
        self.assertEqual("pod/form-a\npod/form-b\n", get("pods", "-l", "app=form", "--chunk-size=1", "-o", "name"))
        self.assertEqual("Pod", json.loads(get("pod/form-a", "-o", "json"))["kind"])
        self.assertIn("apiVersion: v1\n", get("pod", "form-a", "-o", "yaml"))
        self.assertEqual("pod/form-a\nnode/" + self.daemon.name + "\n", get("pod/form-a", f"node/{self.daemon.name}", "-o", "name"))
        self.assertRegex(get("all"), r"pod/form-a +1/1")
        self.assertRegex(get("nodes,namespaces"), r"(?s)node/\S+ +Ready.*namespace/default +Active")
        bad = self.kubectl("get", "pods", "--field-selector", "spec.bogus=1", check=False)
        self.assertIn("field label not supported: spec.bogus", bad.err)
        missing = self.kubectl("get", "pod", "form-a", "nope", check=False)
        self.assertEqual(1, missing.code)
        self.assertRegex(missing.out, "form-a")
        self.assertIn('Error from server (NotFound): pods "nope" not found', missing.err)

    def test_describe_and_events(self):
        self.create(pod("told"))
        self.daemon.wait_running("told")
        self.daemon.wait_event("told", "Started")
        self.assertRegex(self.kubectl("describe", "pod", "told").out, r"(?s)Status: +Running.*Events:.*Started")
        self.assertRegex(self.kubectl("describe", "ns", "default").out, r"(?s)Status: +Active.*No resource quota.*No LimitRange")
        self.assertRegex(self.kubectl("describe", "node").out, r"(?s)Allocated resources")
        self.assertRegex(self.kubectl("get", "events", "--field-selector=involvedObject.name=told", "--sort-by=.metadata.creationTimestamp").out,
                         r"Normal +Started +pod/told")
        if self.version >= (1, 26):
            self.assertRegex(self.kubectl("events", "--for", "pod/told").out, r"Normal +Started +Pod/told")
            self.assertRegex(self.kubectl("events", "--types=Normal", "-A").out, r"default +.* +Started +Pod/told")

    # --- waiting ---

    def test_wait(self):
        self.create(pod("waited", labels={"wait": "me"}))
        self.assertEqual("pod/waited condition met\n", self.kubectl("wait", "--for=condition=Ready", "pod/waited").out)
        self.assertEqual("pod/waited condition met\n", self.kubectl("wait", "--for=condition=ready=true", "pod", "-l", "wait=me").out)
        late = self.kubectl("wait", "--for=condition=Nothing", "pod/waited", "--timeout=1s", check=False)
        self.assertIn("timed out waiting for the condition on pods/waited", late.err)
        if self.version >= (1, 23):
            self.assertEqual("pod/waited condition met\n",
                             self.kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/waited").out)
        if self.version >= (1, 31):
            self.assertEqual("pod/waited condition met\n", self.kubectl("wait", "--for=create", "pod/waited").out)
        self.kubectl("delete", "pod", "waited", "--wait=false")
        gone = self.kubectl("wait", "--for=delete", "pod/waited", check=False)
        # Older kubectls call it an error when it was gone before they looked.
        self.assertTrue(gone.code == 0 or 'pods "waited" not found' in gone.err or "no matching resources" in gone.err, gone)
        missing = self.kubectl("wait", "--for=condition=Ready", "pod/nope", check=False)
        self.assertIn('pods "nope" not found', missing.err)

    # --- changing ---

    def test_label_annotate_patch_set(self):
        self.create(pod("changed"))
        self.daemon.wait_running("changed")
        self.assertEqual("pod/changed labeled\n", self.kubectl("label", "pod", "changed", "a=b").out)
        again = self.kubectl("label", "pod", "changed", "a=c", check=False)
        self.assertIn("already has a value", again.err)
        self.kubectl("label", "pod", "changed", "a=c", "--overwrite")
        self.assertIn("pod/changed ", self.kubectl("label", "pod", "changed", "a-").out)
        self.assertEqual("pod/changed annotated\n", self.kubectl("annotate", "pod", "changed", "note=x").out)
        for kind, change in [("strategic", '{"metadata":{"labels":{"s":"1"}}}'), ("merge", '{"metadata":{"labels":{"m":"1"}}}'),
                             ("json", '[{"op":"add","path":"/metadata/labels/j","value":"1"}]')]:
            self.assertEqual("pod/changed patched\n", self.kubectl("patch", "pod", "changed", f"--type={kind}", "-p", change).out)
        self.assertEqual("pod/changed patched (no change)\n",
                         self.kubectl("patch", "pod", "changed", "-p", '{"metadata":{"labels":{"s":"1"}}}').out)
        labels = json.loads(self.kubectl("get", "pod", "changed", "-o", "json").out)["metadata"]["labels"]
        self.assertEqual({"s": "1", "m": "1", "j": "1"}, labels)
        self.assertEqual("pod/changed image updated\n",
                         self.kubectl("set", "image", "pod/changed", "main=docker.io/library/busybox:latest").out)
        immutable = self.kubectl("patch", "pod", "changed", "-p", '{"spec":{"nodeName":"x"}}', check=False)
        self.assertIn("pod updates may not change fields other than", immutable.err)

    def test_replace_and_edit(self):
        self.create(pod("edited"))
        self.daemon.wait_running("edited")
        editor = self.daemon.directory / "editor.sh"
        editor.write_text("#!/bin/sh\nsed -i 's/^  labels:/  labels: {}/; s/^  name: edited/  name: edited\\n  annotations: {by: editor}/' \"$1\"\n")
        editor.chmod(0o755)
        self.assertEqual("pod/edited edited\n", self.kubectl("edit", "pod", "edited", env={"KUBE_EDITOR": str(editor)}).out)
        now = json.loads(self.kubectl("get", "pod", "edited", "-o", "json").out)
        self.assertEqual("editor", now["metadata"]["annotations"]["by"])
        now["metadata"]["labels"] = {"replaced": "yes"}
        self.assertEqual("pod/edited replaced\n", self.kubectl("replace", "-f", "-", stdin=now).out)
        stale = self.kubectl("replace", "-f", "-", stdin=now, check=False)
        self.assertIn("Error from server (Conflict)", stale.err)
        forced = self.kubectl("replace", "--force", "-f", "-", stdin=pod("edited", labels={"forced": "yes"}))
        self.assertRegex(forced.out, 'pod "edited" deleted.*\npod/edited replaced\n')

    def test_namespaces(self):
        name = f"space-{self.version[1]}"
        self.assertEqual(f"namespace/{name} created\n", self.kubectl("create", "namespace", name).out)
        self.kubectl("create", "-n", name, "-f", "-", stdin=pod("inside"))
        self.daemon.wait_running("inside", namespace=name)
        # Waits until the namespace is gone, which is after all that lived in it.
        self.assertIn(f'namespace "{name}" deleted', self.kubectl("delete", "namespace", name, seconds=120).out)
        self.assertIn("No resources found", self.kubectl("get", "pods,events", "-n", name).err)
        self.assertEqual(404, self.daemon.api.request("GET", f"/api/v1/namespaces/{name}")[0])
        refused = self.kubectl("delete", "namespace", "default", check=False)
        self.assertIn('namespaces "default" is forbidden: this namespace may not be deleted', refused.err)
        nowhere = self.kubectl("create", "-n", "nowhere", "-f", "-", stdin=pod("x"), check=False)
        self.assertIn('namespaces "nowhere" not found', nowhere.err)

    def test_delete_by_label_and_all(self):
        self.kubectl("create", "namespace", f"many-{self.version[1]}")
        space = ("-n", f"many-{self.version[1]}")
        for name, label in [("x1", "x"), ("x2", "x"), ("y1", "y")]:
            self.kubectl("create", *space, "-f", "-", stdin=pod(name, labels={"l": label}, grace=0))
        self.assertRegex(self.kubectl("delete", "pods", *space, "-l", "l=x").out, r'pod "x1".* deleted.*\npod "x2".* deleted')
        self.assertRegex(self.kubectl("delete", "pods", *space, "--all", "--now").out, r'pod "y1".* deleted')
        self.assertIn("No resources found", self.kubectl("get", "pods", *space).err)
        self.kubectl("delete", "namespace", space[1], "--wait=false")

    def test_delete_and_its_dependents(self):
        def owned(name, owner, **more):
            dependent = pod(name, container(script=SLEEP))
            dependent["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": owner["metadata"]["name"],
                                                         "uid": owner["metadata"]["uid"], **more}]
            return dependent

        for policy in ("background", "foreground", "orphan"):
            with self.subTest(policy=policy):
                owner, dependent = f"owner-{policy}", f"dependent-{policy}"
                self.create(pod(owner, container(script=SLEEP)))
                self.create(owned(dependent, self.daemon.wait_running(owner), blockOwnerDeletion=True))
                self.daemon.wait_running(dependent)
                self.assertRegex(self.kubectl("delete", "pod", owner, f"--cascade={policy}").out, f'pod "{owner}".* deleted')
                if policy == "foreground":
                    missing = self.kubectl("get", "pod", dependent, check=False)
                    self.assertIn("NotFound", missing.err)
                elif policy == "background":
                    self.daemon.wait_gone(dependent)
                else:
                    left = self.daemon.pod(dependent)["metadata"]
                    self.assertNotIn("ownerReferences", left)
                    self.assertNotIn("deletionTimestamp", left)
        self.create(owned("nobodys", {"metadata": {"name": "never", "uid": "11111111-2222-3333-4444-555555555555"}}))
        self.daemon.wait_gone("nobodys")

    # --- nodes ---

    def test_cordon_taint_and_drain(self):
        node = self.daemon.name
        self.create(pod("stays"), pod("evicted", container(script=SLEEP)))
        self.daemon.wait_running("stays")
        self.daemon.wait_running("evicted")
        self.addCleanup(self.kubectl, "uncordon", node)
        self.addCleanup(self.kubectl, "taint", "node", node, "key-", check=False)
        self.assertIn(f"node/{node} cordoned", self.kubectl("cordon", node).out)
        self.assertRegex(self.kubectl("get", "nodes").out, r"Ready,SchedulingDisabled")
        self.create(pod("kept-away"))
        self.daemon.wait_event("kept-away", "FailedScheduling")
        self.assertIn(f"node/{node} uncordoned", self.kubectl("uncordon", node).out)
        self.daemon.wait_running("kept-away")
        self.assertIn(f"node/{node} tainted", self.kubectl("taint", "node", node, "key=value:NoSchedule").out)
        self.create(pod("tainted-away"), pod("tolerates", tolerations=[{"key": "key", "operator": "Exists"}]))
        self.daemon.wait_event("tainted-away", "FailedScheduling")
        self.daemon.wait_running("tolerates")
        self.assertIn(f"node/{node} untainted", self.kubectl("taint", "node", node, "key-").out)
        self.daemon.wait_running("tainted-away")
        refused = self.kubectl("drain", node, check=False)
        self.assertIn("cannot delete Pods", refused.err)
        drained = self.kubectl("drain", node, "--force", "--timeout=60s", seconds=90)
        self.assertRegex(drained.out, rf"node/{node} (drained|evicted)")
        self.assertIn("pod/evicted evicted\n", drained.out)
        self.assertEqual([], [p["metadata"]["name"] for p in self.daemon.api.get("/api/v1/pods")["items"]])

    def test_a_no_execute_taint_takes_pods_away(self):
        node = self.daemon.name
        self.create(pod("leaves"), pod("remains", tolerations=[{"key": "broken", "operator": "Exists"}]))
        self.daemon.wait_running("leaves")
        self.daemon.wait_running("remains")
        self.addCleanup(self.kubectl, "taint", "node", node, "broken-", check=False)
        self.kubectl("taint", "node", node, "broken=yes:NoExecute")
        self.daemon.wait_gone("leaves")
        self.assertIn("Marking for deletion Pod default/leaves", self.daemon.wait_event("leaves", "TaintManagerEviction")["message"])
        self.assertEqual("Running", self.daemon.pod("remains")["status"]["phase"])

    def test_top(self):
        busy = pod("busy", container("spins", script="trap 'exit 0' TERM; while :; do :; done"), container("idles", script=SLEEP))
        self.create(busy)
        self.daemon.wait_running("busy")
        line = re.search(r"busy +(\d+)m +(\d+)Mi", self.kubectl("top", "pod", "busy").out)
        self.assertGreater(int(line.group(1)), 50)
        table = self.kubectl("top", "pod", "--containers").out
        spins = int(re.search(r"busy +spins +(\d+)m", table).group(1))
        idles = int(re.search(r"busy +idles +(\d+)m", table).group(1))
        self.assertGreater(spins, 50)
        self.assertLess(idles, 20)
        self.assertRegex(self.kubectl("top", "node").out, rf"{self.daemon.name} +[1-9]\d*m +\d+% +[1-9]\d*Mi +\d+%")
        missing = self.kubectl("top", "pod", "nope", check=False)
        self.assertIn("NotFound", missing.err)

    # --- access ---

    def test_auth(self):
        self.assertEqual("yes\n", self.kubectl("auth", "can-i", "create", "pods").out)
        self.assertEqual("yes\n", self.kubectl("auth", "can-i", "*", "*", "--all-namespaces").out)
        other = self.kubectl("auth", "can-i", "create", "pods", "--as=somebody", check=False)
        self.assertEqual((1, "no"), (other.code, other.out.split("\n")[0].split(" ")[0]))
        self.assertEqual("yes\n", self.kubectl("auth", "can-i", "get", "/version", "--as=somebody").out)
        self.assertRegex(self.kubectl("auth", "can-i", "--list").out, r"\*\.\* +\[\] +\[\] +\[\*\]")
        self.assertIn("selfsubjectaccessreviews.authorization.k8s.io", self.kubectl("auth", "can-i", "--list", "--as=somebody").out)
        refused = self.kubectl("get", "pods", "--as=somebody", check=False)
        self.assertEqual('Error from server (Forbidden): pods is forbidden: User "somebody" cannot list resource "pods" in API group ""'
                         ' in the namespace "default"\n', refused.err)
        if self.version >= (1, 28):
            self.assertRegex(self.kubectl("auth", "whoami").out, r"(?s)Username +kubernetes-admin\s+Groups +\[system:masters system:authenticated\]")
            self.assertRegex(self.kubectl("auth", "whoami", "--as=jane", "--as-group=dev").out, r"(?s)jane.*\[dev system:authenticated\]")


RULES = [
    {"users": ["jane"], "verbs": ["get", "list", "watch", "create", "delete"], "apiGroups": [""], "resources": ["pods", "pods/log"],
     "namespaces": ["default"]},
    {"groups": ["operators"], "verbs": ["get", "list", "patch"], "apiGroups": [""], "resources": ["nodes"]},
]


class OtherUsers(CommandTest):
    """Users beside the administrator: certificates of `podium user`, and bearer tokens."""

    @classmethod
    def setUpClass(cls):
        cls.settings = {"access": {"rules": RULES}}
        super().setUpClass()
        cls.daemon.terminate()
        cls.tokens = cls.daemon.directory / "tokens.csv"
        cls.tokens.write_text('first-token,tom,1,"operators,others"\n')
        cls.tokens.chmod(0o600)
        cls.daemon.config.write_text(cls.daemon.settings_text({"access": {"rules": RULES, "tokenFile": str(cls.tokens)}}))
        cls.daemon.start()

    def user_config(self, *args):
        made = subprocess.run([str(PODIUM), "user", *args, "--data-dir", str(self.daemon.data)], capture_output=True, text=True,
                              timeout=deadline(30), check=True)
        file = self.daemon.directory / f"{args[0]}.kubeconfig"
        file.write_text(made.stdout)
        return {"KUBECONFIG": str(file)}

    def test_a_certificate_for_another_user(self):
        jane = self.user_config("jane", "--group", "team")
        self.kubectl("create", "-f", "-", stdin=pod("hers"), env=jane)
        self.remove_later("hers")
        self.assertIn("hers", self.kubectl("get", "pods", env=jane).out)
        self.assertEqual("no\n", self.kubectl("auth", "can-i", "list", "nodes", env=jane, check=False).out)
        for args, message in [
                (("get", "pods", "-A"), 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope'),
                (("get", "nodes"), 'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope'),
                (("label", "pod", "hers", "a=b"), 'pods "hers" is forbidden: User "jane" cannot patch resource "pods" in API group ""'
                                                  ' in the namespace "default"'),
                (("get", "pods", "--as=root"), 'users "root" is forbidden: User "jane" cannot impersonate resource "users" in API group ""'
                                               ' at the cluster scope')]:
            refused = self.kubectl(*args, env=jane, check=False)
            self.assertEqual((1, f"Error from server (Forbidden): {message}\n"), (refused.code, refused.err))
        if self.version >= (1, 28):
            self.assertRegex(self.kubectl("auth", "whoami", env=jane).out, r"(?s)jane.*\[team system:authenticated\]")

    def test_tokens(self):
        def token(text):
            return self.kubectl("--token", text, "get", "nodes", "-o", "name", env=self.bare_config(), check=False)
        self.assertEqual(f"node/{self.daemon.name}\n", token("first-token").out)
        wrong = token("guessed")
        self.assertEqual((1, "error: You must be logged in to the server (Unauthorized)\n"), (wrong.code, wrong.err))
        new = self.daemon.directory / "tokens.new"
        new.write_text("second-token,tina,2,operators\n")
        new.chmod(0o600)
        new.rename(self.tokens)
        self.assertEqual(f"node/{self.daemon.name}\n", token("second-token").out)
        self.assertEqual(1, token("first-token").code)
        if self.version >= (1, 28):
            who = self.kubectl("--token", "second-token", "auth", "whoami", env=self.bare_config())
            self.assertRegex(who.out, r"(?s)tina.*UID +2.*\[operators system:authenticated\]")

    def bare_config(self):
        """The cluster without the administrator's certificate."""
        file = self.daemon.directory / "bare.kubeconfig"
        shutil.copy(self.daemon.kubeconfig, file)
        subprocess.run([KUBECTL, "--kubeconfig", str(file), "config", "unset", "users"], capture_output=True, check=True,
                       timeout=deadline(30))
        return {"KUBECONFIG": str(file)}

    def test_a_broken_token_file_stops_the_start(self):
        file = self.daemon.directory / "open.csv"
        file.write_text("t,u,1\n")
        file.chmod(0o644)
        config = self.daemon.directory / "broken.yaml"
        config.write_text(json.dumps({"access": {"tokenFile": str(file)}, "network": {"bridge": "pdtestx", "podCIDR": "10.252.9.0/24"}}))
        run = subprocess.run([str(PODIUM), "up", "--config", str(config), "--data-dir", str(self.daemon.directory / "d2"), "--run-dir",
                              str(self.daemon.directory / "r2"), "--listen", "127.0.0.1:0"], capture_output=True, text=True,
                             timeout=deadline(60), check=False)
        self.assertEqual(1, run.returncode)
        self.assertIn("can be read by others: chmod 600", run.stderr)
        subprocess.run(["ip", "link", "del", "pdtestx"], capture_output=True, check=False)


class Idle(CommandTest):
    def test_leases_are_renewed_without_writing_to_disk(self):
        path, name = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", self.daemon.name
        files = [self.daemon.data / f"podium.db{end}" for end in ("", "-wal")]
        state = lambda: [(f.stat().st_mtime_ns, f.stat().st_size) for f in files if f.exists()]
        before, renewals = None, 0
        for event in self.daemon.api.watch(path, 60, fieldSelector=f"metadata.name={name}"):
            if event["type"] == "MODIFIED":
                renewals += 1
                before = before or state()
            if renewals == 3:
                break
        self.assertEqual(before, state())


if __name__ == "__main__":
    unittest.main()
