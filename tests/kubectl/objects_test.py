"""ConfigMaps, Secrets, ServiceAccounts with their tokens, and storage, by the commands that people have for them."""
import base64
import json
import unittest
import urllib.error
import urllib.request

from harness import SLEEP, DaemonTest, container, kubectl_version, pod, remove_tree, scratch_file


class ObjectsTest(DaemonTest):
    def get(self, *args):
        return json.loads(self.kubectl("get", *args, "-o", "json").out)

    def refused(self, *args, **more):
        result = self.kubectl(*args, check=False, **more)
        self.assertNotEqual(0, result.code, result)
        return result.err

    def make(self, kind, name, *args):
        made = self.kubectl("create", *kind.split(), name, *args)
        what = {"secret": "secret", "configmap": "configmap"}.get(kind.split()[0], kind.split()[0])
        self.addCleanup(self.kubectl, "delete", what, name, "--ignore-not-found", check=False)
        return made


class Data(ObjectsTest):
    def test_config_map_from_literals_and_files(self):
        text = scratch_file(self.daemon, "ui.properties", "colour=blue\n")
        self.make("configmap", "game", "--from-literal=lives=3", f"--from-file={text}")
        made = self.get("configmap", "game")
        self.assertEqual({"lives": "3", "ui.properties": "colour=blue\n"}, made["data"])
        self.assertRegex(self.kubectl("get", "cm", "game").out, r"NAME +DATA +AGE\ngame +2 +\d+s")
        shown = self.kubectl("describe", "configmap", "game").out
        for line in ["Data\n====", "lives:\n----\n3", "ui.properties:\n----\ncolour=blue"]:
            self.assertIn(line, shown)
        self.kubectl("patch", "configmap", "game", "-p", '{"data":{"lives":"4","more":"x"}}')
        self.assertEqual("4", self.get("cm", "game")["data"]["lives"])
        self.kubectl("delete", "cm", "game")
        self.assertIn('configmaps "game" not found', self.refused("get", "cm", "game"))

    def test_config_map_is_applied_and_becomes_immutable(self):
        def document(**more):
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, **more}

        self.addCleanup(self.kubectl, "delete", "cm", "applied", check=False)
        self.assertIn("created", self.kubectl("apply", "-f", "-", stdin=document(data={"a": "1", "b": "2"})).out)
        self.assertIn("configured", self.kubectl("apply", "-f", "-", stdin=document(data={"a": "3"})).out)
        self.assertEqual({"a": "3"}, self.get("cm", "applied")["data"])
        self.assertIn("unchanged", self.kubectl("apply", "-f", "-", stdin=document(data={"a": "3"})).out)
        self.kubectl("apply", "-f", "-", stdin=document(data={"a": "3"}, immutable=True))
        said = self.refused("apply", "-f", "-", stdin=document(data={"a": "4"}, immutable=True))
        self.assertIn("data: Forbidden: field is immutable when `immutable` is set", said)

    def test_server_side_apply_of_a_secret(self):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ssa"}, "stringData": {"a": "b"}}
        self.addCleanup(self.kubectl, "delete", "secret", "ssa", check=False)
        self.kubectl("apply", "--server-side", "-f", "-", stdin=secret)
        made = self.get("secret", "ssa")
        self.assertEqual({"a": base64.b64encode(b"b").decode()}, made["data"])
        self.assertNotIn("stringData", made)
        self.assertEqual("Opaque", made["type"])

    def test_secrets_of_all_kinds(self):
        self.make("secret generic", "plain", "--from-literal=password=hunter2")
        self.make("secret docker-registry", "registry", "--docker-server=registry.example.com", "--docker-username=me",
                  "--docker-password=pw")
        login = json.loads(base64.b64decode(self.get("secret", "registry")["data"][".dockerconfigjson"]))
        self.assertEqual("me", login["auths"]["registry.example.com"]["username"])
        table = self.kubectl("get", "secrets").out
        self.assertRegex(table, r"NAME +TYPE +DATA +AGE")
        self.assertRegex(table, r"plain +Opaque +1 ")
        self.assertRegex(table, r"registry +kubernetes.io/dockerconfigjson +1 ")
        shown = self.kubectl("describe", "secret", "plain").out
        self.assertIn("password:  7 bytes", shown)
        self.assertNotIn("hunter2", shown)
        names = self.kubectl("get", "secrets", "--field-selector=type=kubernetes.io/dockerconfigjson", "-o", "name").out
        self.assertEqual("secret/registry\n", names)

    def test_tls_secret(self):
        authority = self.daemon.data / "pki"
        self.make("secret tls", "certificate", f"--cert={authority / 'server.crt'}", f"--key={authority / 'server.key'}")
        self.assertEqual({"tls.crt", "tls.key"}, set(self.get("secret", "certificate")["data"]))

    def test_what_is_refused(self):
        bad = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bad"}, "type": "kubernetes.io/tls"}
        said = self.refused("create", "-f", "-", stdin=bad)
        self.assertIn('The Secret "bad" is invalid', said)
        self.assertIn("data[tls.crt]: Required value", said)
        large = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"}, "data": {"a": "x" * (1024 * 1024 + 1)}}
        self.assertIn("may not be more than 1048576 bytes", self.refused("create", "-f", "-", stdin=large))

    def test_explain(self):
        shown = self.kubectl("explain", "secret.stringData").out
        self.assertIn("Texts by key, for writing only", shown)
        self.assertIn("The class of the volume", self.kubectl("explain", "pvc.spec.storageClassName").out)


class Accounts(ObjectsTest):
    def test_every_namespace_has_its_own(self):
        self.kubectl("create", "namespace", "fresh")
        self.addCleanup(self.kubectl, "delete", "namespace", "fresh")
        base = "/api/v1/namespaces/fresh"
        self.daemon.api.wait(f"{base}/serviceaccounts", "default", lambda a: a is not None)
        trust = self.daemon.api.wait(f"{base}/configmaps", "kube-root-ca.crt", lambda c: c is not None)
        self.assertEqual((self.daemon.data / "pki/ca.crt").read_text(), trust["data"]["ca.crt"])
        self.assertRegex(self.kubectl("get", "sa", "-n", "fresh").out, r"NAME +SECRETS +AGE\ndefault +0 ")
        self.kubectl("delete", "sa", "default", "-n", "fresh")
        self.daemon.api.wait(f"{base}/serviceaccounts", "default", lambda a: a is not None)

    def test_a_pod_in_a_namespace_that_was_just_made(self):
        self.kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "atonce"}}, pod("first", namespace="atonce")]})
        self.addCleanup(self.kubectl, "delete", "namespace", "atonce")
        self.daemon.wait_running("first", namespace="atonce")

    def test_a_pod_of_nobody_is_refused(self):
        said = self.refused("create", "-f", "-", stdin=pod("nobody", serviceAccountName="foo"))
        self.assertIn('pods "nobody" is forbidden: error looking up service account default/foo: serviceaccount "foo" not found', said)

    def test_the_account_of_a_pod_gives_it_secrets_and_a_token(self):
        self.kubectl("create", "sa", "builder")
        self.addCleanup(self.kubectl, "delete", "sa", "builder")
        self.kubectl("patch", "sa", "builder", "-p", '{"imagePullSecrets":[{"name":"registry"}]}')
        self.create(pod("built", container(script=SLEEP), serviceAccountName="builder"))
        running = self.daemon.wait_running("built")
        self.assertEqual([{"name": "registry"}], running["spec"]["imagePullSecrets"])
        where = "/var/run/secrets/kubernetes.io/serviceaccount"
        mount = running["spec"]["containers"][0]["volumeMounts"][0]
        self.assertEqual((where, True), (mount["mountPath"], mount["readOnly"]))
        self.assertRegex(mount["name"], "^kube-api-access-[a-z0-9]{5}$")
        self.assertEqual("default", self.kubectl("exec", "built", "--", "cat", f"{where}/namespace").out)
        self.assertIn("BEGIN CERTIFICATE", self.kubectl("exec", "built", "--", "cat", f"{where}/ca.crt").out)
        token = self.kubectl("exec", "built", "--", "cat", f"{where}/token").out
        who = self.who_has(token)
        self.assertEqual("system:serviceaccount:default:builder", who["username"])
        self.assertEqual(["built"], who["extra"]["authentication.kubernetes.io/pod-name"])
        self.kubectl("delete", "pod", "built", "--now")
        self.daemon.wait_gone("built")
        self.assertIsNone(self.who_has(token))

    def test_no_token_where_it_is_not_wanted(self):
        self.create(pod("plain", automountServiceAccountToken=False))
        self.assertNotIn("volumes", self.daemon.wait_running("plain")["spec"])

    def ask(self, token, path, body=None):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"https://{self.daemon.api.host}:{self.daemon.api.port}{path}", headers=headers,
                                         data=json.dumps(body).encode() if body else None)
        try:
            with urllib.request.urlopen(request, context=self.daemon.api.anonymous_context, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as problem:
            return problem.code, json.loads(problem.read())

    def who_has(self, token):
        """The user of a token, or None for one that is worth nothing."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        code, answer = self.ask(token, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        return answer["status"]["userInfo"] if code == 201 else None

    def request_token(self, name, **spec):
        return self.daemon.api.call("POST", f"/api/v1/namespaces/default/serviceaccounts/{name}/token",
                                    {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})

    def test_tokens(self):
        self.kubectl("create", "sa", "caller")
        token = self.request_token("caller")["status"]["token"]
        who = self.who_has(token)
        self.assertEqual("system:serviceaccount:default:caller", who["username"])
        self.assertEqual(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"], who["groups"])
        code, answer = self.ask(token, "/api/v1/pods")
        self.assertEqual(403, code)
        self.assertIn('User "system:serviceaccount:default:caller" cannot list resource "pods"', answer["message"])
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        told = self.daemon.api.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
        self.assertTrue(told["authenticated"])
        elsewhere = self.request_token("caller", audiences=["vault"])["status"]["token"]
        self.assertIsNone(self.who_has(elsewhere))
        review["spec"] = {"token": elsewhere, "audiences": ["vault", "other"]}
        told = self.daemon.api.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
        self.assertEqual(["vault"], told["audiences"])
        review["spec"] = {"token": token, "audiences": ["vault"]}
        self.assertFalse(self.daemon.api.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]["authenticated"])
        broken = token[:-8] + ("A" * 8 if not token.endswith("A" * 8) else "B" * 8)
        self.assertIsNone(self.who_has(broken))
        self.kubectl("delete", "sa", "caller")
        self.assertIsNone(self.who_has(token))

    @unittest.skipIf(kubectl_version() < (1, 24), "kubectl has `create token` from 1.24 on")
    def test_kubectl_creates_tokens(self):
        token = self.kubectl("create", "token", "default", "--duration=20m").out.strip()
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        self.assertEqual(1200, claims["exp"] - claims["iat"])
        self.assertEqual("system:serviceaccount:default:default", claims["sub"])
        self.create(pod("bound"))
        uid = self.daemon.wait_running("bound")["metadata"]["uid"]
        token = self.kubectl("create", "token", "default", "--bound-object-kind=Pod", "--bound-object-name=bound",
                             f"--bound-object-uid={uid}").out.strip()
        self.assertEqual("system:serviceaccount:default:default", self.who_has(token)["username"])
        said = self.refused("create", "token", "default", "--duration=1m")
        self.assertIn("may not specify a duration less than 10 minutes", said)
        self.assertIn('serviceaccounts "nobody" not found', self.refused("create", "token", "nobody"))

    def test_a_secret_is_filled_with_a_token(self):
        self.kubectl("create", "sa", "keeper")
        self.create({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
                     "metadata": {"name": "keeper-token", "annotations": {"kubernetes.io/service-account.name": "keeper"}}})
        secrets = "/api/v1/namespaces/default/secrets"
        filled = self.daemon.api.wait(secrets, "keeper-token", lambda s: s is not None and "token" in s.get("data", {}))
        data = {key: base64.b64decode(value).decode() for key, value in filled["data"].items()}
        self.assertEqual({"token", "ca.crt", "namespace"}, set(data))
        self.assertEqual("system:serviceaccount:default:keeper", self.who_has(data["token"])["username"])
        self.assertEqual((self.daemon.data / "pki/ca.crt").read_text(), data["ca.crt"])
        self.assertRegex(self.kubectl("describe", "secret", "keeper-token").out, r"(?s)Type: +kubernetes.io/service-account-token.*token: +eyJ")
        self.assertRegex(self.kubectl("describe", "sa", "keeper").out, r"Tokens: +keeper-token")
        self.kubectl("delete", "sa", "keeper")
        self.daemon.api.wait(secrets, "keeper-token", lambda s: s is None)
        self.assertIsNone(self.who_has(data["token"]))

    def test_tokens_outlive_the_daemon(self):
        token = self.request_token("default")["status"]["token"]
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual("system:serviceaccount:default:default", self.who_has(token)["username"])


def claim(name, size="1Mi", modes=("ReadWriteOnce",), **spec):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": list(modes), "resources": {"requests": {"storage": size}}, **spec}}


def volume(name, path, size="5Mi", policy="Retain", **spec):
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": policy,
                     "hostPath": {"path": str(path)}, **spec}}


def using(name, claim_name, script=SLEEP, **spec):
    return pod(name, container(script=script, volumeMounts=[{"name": "data", "mountPath": "/data"}]),
               volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}], **spec)


class Storage(ObjectsTest):
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    volumes = "/api/v1/persistentvolumes"

    def phase(self, collection, name, wanted):
        return self.daemon.api.wait(collection, name, lambda o: o is not None and o["status"].get("phase") == wanted, what=wanted)

    def make_claim(self, *args, **more):
        self.kubectl("create", "-f", "-", stdin=claim(*args, **more))
        self.addCleanup(self.kubectl, "delete", "pvc", args[0], "--wait=false", "--ignore-not-found", check=False)

    def make_volume(self, *args, **more):
        self.kubectl("create", "-f", "-", stdin=volume(*args, **more))
        self.addCleanup(self.kubectl, "delete", "pv", args[0], "--wait=false", "--ignore-not-found", check=False)

    def test_the_default_class_makes_a_directory(self):
        self.assertRegex(self.kubectl("get", "sc").out,
                         r"standard \(default\) +podium.io/host-directory +Delete +WaitForFirstConsumer +false")
        self.make_claim("data")
        made = self.get("pvc", "data")
        self.assertEqual("standard", made["spec"]["storageClassName"])
        self.assertEqual(["kubernetes.io/pvc-protection"], made["metadata"]["finalizers"])
        event = self.daemon.wait_event("data", "WaitForFirstConsumer")
        self.assertEqual("waiting for first consumer to be created before binding", event["message"])
        self.create(using("writer", "data", "echo kept > /data/word; " + SLEEP))
        self.daemon.wait_running("writer")
        bound = self.phase(self.claims, "data", "Bound")
        name = bound["spec"]["volumeName"]
        self.assertEqual("pvc-" + bound["metadata"]["uid"], name)
        self.daemon.wait_event("data", "ProvisioningSucceeded")
        self.assertRegex(self.kubectl("get", "pvc").out, rf"data +Bound +{name} +1Mi +RWO +standard")
        self.assertRegex(self.kubectl("get", "pv").out, rf"{name} +1Mi +RWO +Delete +Bound +default/data +standard")
        self.assertRegex(self.kubectl("describe", "pvc", "data").out, r"Used By: +writer")
        self.kubectl("delete", "pod", "writer", "--now")
        self.daemon.wait_gone("writer")
        self.create(using("reader", "data", "cat /data/word", restartPolicy="Never"))
        self.daemon.wait_pod("reader", lambda p: p and p["status"]["phase"] == "Succeeded")
        self.assertEqual("kept\n", self.kubectl("logs", "reader").out)
        directory = self.daemon.data / "volumes" / name
        self.assertEqual("kept\n", (directory / "word").read_text())
        self.kubectl("delete", "pvc", "data")
        self.daemon.api.wait(self.volumes, name, lambda v: v is None, what="gone")
        self.assertFalse(directory.exists())

    def test_a_local_volume_and_its_group(self):
        disk = self.daemon.directory / "local-disk"
        (disk / "deep").mkdir(parents=True)
        self.addCleanup(remove_tree, disk)
        for file in (disk / "key", disk / "deep/file"):
            file.write_text("words\n")
            file.chmod(0o600)
        node = self.get("nodes")["items"][0]["metadata"]["name"]
        here = {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}}
        made = volume("local", disk, storageClassName="local", nodeAffinity=here)
        made["spec"]["local"] = made["spec"].pop("hostPath")
        self.kubectl("create", "-f", "-", stdin=made)
        self.addCleanup(self.kubectl, "delete", "pv", "local", "--wait=false", "--ignore-not-found", check=False)
        self.make_claim("local", storageClassName="local")
        labels = {"name": "labels", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}
        owner = container("owner", SLEEP, volumeMounts=[{"name": "data", "mountPath": "/data"}, {"name": "labels", "mountPath": "/labels"}])
        user = container("user", SLEEP, securityContext={"runAsUser": 1234}, volumeMounts=[{"name": "data", "mountPath": "/data"}])
        self.create(pod("grouped", owner, user, securityContext={"fsGroup": 4321}, volumes=[
            {"name": "data", "persistentVolumeClaim": {"claimName": "local"}}, labels]))
        self.daemon.wait_running("grouped")

        def seen():
            return [(path.stat().st_mode & 0o7777, path.stat().st_gid) for path in (disk, disk / "key", disk / "deep/file")]

        self.assertEqual([(0o2775, 4321), (0o660, 4321), (0o660, 4321)], seen())
        self.assertEqual("words\n", self.kubectl("exec", "grouped", "-c", "user", "--", "cat", "/data/key").out)
        # What the pod makes of it stays, whatever changes at the pod, and whoever looks after it.
        self.kubectl("exec", "grouped", "-c", "owner", "--", "sh", "-c", "chmod 0700 /data; chmod 0600 /data/key")
        own = [(0o700, 4321), (0o600, 4321), (0o660, 4321)]
        for word in ("one", "two"):
            self.kubectl("label", "pod", "grouped", "--overwrite", f"word={word}")
            self.kubectl("exec", "grouped", "-c", "owner", "--", "sh", "-c", f"until grep -q {word} /labels/labels; do :; done")
            self.assertEqual(own, [(mode & 0o1777, group) for mode, group in seen()])
            self.daemon.kill()
            self.daemon.start()

    def test_a_claim_of_one_pod_at_a_time(self):
        self.make_claim("alone", modes=["ReadWriteOncePod"])
        self.create(using("first", "alone"))
        self.daemon.wait_running("first")
        self.create(using("second", "alone"))
        event = self.daemon.wait_event("second", "FailedScheduling")
        self.assertIn("1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode", event["message"])
        self.kubectl("delete", "pod", "first", "--now")
        self.daemon.wait_running("second")

    def test_a_claim_that_may_not_grow(self):
        self.make_claim("small")
        self.create(using("holder", "small"))
        self.daemon.wait_running("holder")
        refused = self.kubectl("patch", "pvc", "small", "-p", '{"spec":{"resources":{"requests":{"storage":"5Gi"}}}}', check=False)
        self.assertIn('persistentvolumeclaims "small" is forbidden: only dynamically provisioned pvc can be resized and the storageclass '
                      "that provisions the pvc must support resize", refused.err)
        self.assertEqual("1Mi", self.get("pvc", "small")["spec"]["resources"]["requests"]["storage"])

    def test_a_claim_that_may_grow(self):
        self.kubectl("create", "-f", "-", stdin=json.dumps({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "elastic"}, "provisioner": "podium.io/host-directory",
            "volumeBindingMode": "Immediate", "allowVolumeExpansion": True}))
        self.addCleanup(self.kubectl, "delete", "sc", "elastic", check=False)
        self.make_claim("growing", storageClassName="elastic")
        claims = "/api/v1/namespaces/default/persistentvolumeclaims"
        self.daemon.api.wait(claims, "growing", lambda c: c["status"].get("phase") == "Bound")
        self.kubectl("patch", "pvc", "growing", "-p", '{"spec":{"resources":{"requests":{"storage":"5Gi"}}}}')
        self.daemon.api.wait(claims, "growing", lambda c: c["status"]["capacity"]["storage"] == "5Gi")
        self.assertRegex(self.kubectl("get", "pv").out, r" 5Gi +RWO .*default/growing +elastic")
        self.assertIn("VolumeResizeSuccessful", self.kubectl("describe", "pvc", "growing").out)

    def test_a_claim_in_use_stays(self):
        self.make_claim("busy")
        self.create(using("user", "busy"))
        self.daemon.wait_running("user")
        self.kubectl("delete", "pvc", "busy", "--wait=false")
        self.assertRegex(self.kubectl("get", "pvc", "busy").out, r"busy +Terminating")
        self.kubectl("delete", "pod", "user", "--now")
        self.daemon.api.wait(self.claims, "busy", lambda c: c is None, what="gone")

    def test_a_volume_of_another_node(self):
        away = {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["elsewhere"]}]}]}}
        self.make_volume("away", self.daemon.directory, storageClassName="away", nodeAffinity=away)
        self.make_claim("far", storageClassName="away")
        self.phase(self.claims, "far", "Bound")
        self.create(using("stranded", "far"))
        event = self.daemon.wait_event("stranded", "FailedScheduling")
        self.assertEqual("0/1 nodes are available: 1 node(s) had volume node affinity conflict. "
                         "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.", event["message"])
        self.assertEqual("Pending", self.get("pod", "stranded")["status"]["phase"])

    def test_a_volume_that_was_made_by_hand(self):
        directory = self.daemon.directory / "by-hand"
        directory.mkdir(exist_ok=True)
        self.make_volume("large", directory, "9Mi", storageClassName="hand")
        self.make_volume("small", directory, "2Mi", storageClassName="hand")
        self.phase(self.volumes, "small", "Available")
        self.phase(self.volumes, "large", "Available")
        self.make_claim("fits", "1Mi", storageClassName="hand")
        bound = self.phase(self.claims, "fits", "Bound")
        self.assertEqual("small", bound["spec"]["volumeName"])
        self.assertEqual({"storage": "2Mi"}, bound["status"]["capacity"])
        self.create(using("hands", "fits", "echo here > /data/proof; " + SLEEP))
        self.daemon.wait_running("hands")
        self.assertEqual("here\n", self.kubectl("exec", "hands", "--", "sh", "-c", "until cat /data/proof; do :; done").out)
        self.assertEqual("here\n", (directory / "proof").read_text())
        self.kubectl("delete", "pod", "hands", "--now")
        self.kubectl("delete", "pvc", "fits")
        self.phase(self.volumes, "small", "Released")
        self.assertTrue((directory / "proof").exists())
        self.kubectl("delete", "pv", "small")

    def test_a_pod_waits_for_its_claim(self):
        self.create(using("early", "late"))
        event = self.daemon.wait_event("early", "FailedScheduling")
        self.assertIn('persistentvolumeclaim "late" not found', event["message"])
        self.make_claim("late", storageClassName="nowhere")
        self.daemon.wait_pod("early", lambda p: "pod has unbound immediate PersistentVolumeClaims" in json.dumps(p["status"]))
        self.make_volume("nowhere-1", self.daemon.directory, storageClassName="nowhere")
        self.daemon.wait_running("early")

    def test_claims_and_volumes_do_not_change(self):
        self.make_claim("fixed", storageClassName="nowhere")
        said = self.refused("patch", "pvc", "fixed", "-p", '{"spec":{"accessModes":["ReadWriteMany"]}}')
        self.assertIn("spec is immutable after creation except resources.requests", said)
        self.make_volume("moved", "/srv/a")
        said = self.refused("patch", "pv", "moved", "-p", '{"spec":{"hostPath":{"path":"/srv/b"}}}')
        self.assertIn("spec.persistentvolumesource is immutable after creation", said)


if __name__ == "__main__":
    unittest.main()
