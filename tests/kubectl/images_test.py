"""Images from a real registry: policies, names, logins, one pull for many, what an image's configuration says, collection."""
import base64
import json
import os
import re
import select
import unittest
from pathlib import Path

import leaks
from harness import SLEEP, DaemonTest, container, deadline, pod, status_of, waiting_reason
from image_registry import INDEX, MANIFEST, Registry, architecture

SHA256 = r"sha256:[0-9a-f]{64}"


def settled(reason):
    return lambda p: waiting_reason(p) == reason


def waiting_message(pod_object):
    return status_of(pod_object)["state"]["waiting"].get("message", "")


class RegistryTest(DaemonTest):
    """A daemon and a registry, which a loopback host makes plain HTTP."""

    users = None
    registry: Registry

    @classmethod
    def setUpClass(cls):
        if cls is RegistryTest:
            raise unittest.SkipTest("what the others stand on")
        cls.registry = Registry(cls.users)
        cls.addClassCleanup(cls.registry.stop)
        super().setUpClass()

    def image_pod(self, name, image, policy=None, **more):
        more.setdefault("script", SLEEP)
        item = container(**more)
        item["image"] = image
        if policy:
            item["imagePullPolicy"] = policy
        ends = more["script"] != SLEEP
        return pod(name, item, **({"restartPolicy": "Never"} if ends else {}))

    def events(self, name, reason):
        listed = self.daemon.api.get("/api/v1/namespaces/default/events")["items"]
        return [e for e in listed if e["involvedObject"]["name"] == name and e["reason"] == reason]

    def wait_waiting(self, name, reason):
        return self.daemon.wait_pod(name, settled(reason), what=reason)

    def logs(self, name):
        self.daemon.wait_pod(name, lambda p: "terminated" in status_of(p).get("state", {}), what="ended")
        return self.kubectl("logs", name).out

    def fetching(self):
        """A pidfd of the one process that fetches."""
        found = [pid for pid, arguments in leaks.processes_with(str(self.daemon.data)) if "skopeo" in arguments[0]]
        self.assertEqual(1, len(found))
        process = os.pidfd_open(found[0])
        self.addCleanup(os.close, process)
        return process

    def wait_ended(self, process):
        self.assertTrue(select.select([process], [], [], deadline(30))[0])

    def layer_directories(self):
        return set(os.listdir(self.daemon.data / "images/layers"))


class Pull(RegistryTest):
    def test_by_tag_and_by_digest(self):
        digest = self.registry.push("by-tag", "1", [{"etc/release": "one\n"}])
        image = self.registry.image("by-tag", "1")
        self.create(self.image_pod("by-tag", image))
        running = self.daemon.wait_running("by-tag")
        self.assertEqual(image, status_of(running)["image"])
        self.assertEqual(f"{self.registry.host}/by-tag@{digest}", status_of(running)["imageID"])
        self.assertEqual(f'Pulling image "{image}"', self.daemon.wait_event("by-tag", "Pulling")["message"])
        pulled = self.daemon.wait_event("by-tag", "Pulled")
        self.assertRegex(pulled["message"], rf'^Successfully pulled image "{re.escape(image)}" in [0-9.]+m?s '
                                            r"\([0-9.]+m?s including waiting\)\. Image size: \d+ bytes\.$")
        self.assertEqual(("Normal", "spec.containers{main}"), (pulled["type"], pulled["involvedObject"]["fieldPath"]))
        # The same image by its digest is there already.
        by_digest = f"{self.registry.host}/by-tag@{digest}"
        self.create(self.image_pod("by-digest", by_digest))
        self.assertEqual("IfNotPresent", self.daemon.wait_running("by-digest")["spec"]["containers"][0]["imagePullPolicy"])
        self.assertEqual(f'Container image "{by_digest}" already present on machine',
                         self.daemon.wait_event("by-digest", "Pulled")["message"])
        # One that never had a tag here.
        other = self.registry.push("only-digest", "moving", [{"etc/release": "two\n"}])
        self.registry.push("only-digest", "moving", [{"etc/release": "three\n"}])
        self.create(self.image_pod("only-digest", f"{self.registry.host}/only-digest@{other}", script="cat /etc/release"))
        self.assertTrue(self.logs("only-digest").startswith("two\n"))

    def test_an_image_for_several_platforms(self):
        mine = self.registry.push("platforms", "mine", [{"etc/release": "mine\n"}])
        other = self.registry.push("platforms", "other", [{"etc/release": "other\n"}])
        index = self.registry.push_manifest("platforms", "all", {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": MANIFEST, "digest": digest, "platform": {"os": "linux", "architecture": arch},
             "size": int(self.registry.request("HEAD", f"/v2/platforms/manifests/{digest}", headers={"Accept": MANIFEST})[1]["Content-Length"])}
            for digest, arch in ((other, "s390x"), (mine, architecture()))]})
        for name, image in (("by-index-tag", self.registry.image("platforms", "all")),
                            ("by-index-digest", f"{self.registry.host}/platforms@{index}")):
            self.create(self.image_pod(name, image, script="cat /etc/release"))
            self.assertTrue(self.logs(name).startswith("mine\n"))

    def test_default_policies(self):
        digest = self.registry.push("defaults", "1")
        self.registry.push("defaults", "latest")
        for name, suffix, policy in (("tagged", ":1", "IfNotPresent"), ("latest", ":latest", "Always"), ("untagged", "", "Always"),
                                     ("digested", "@" + digest, "IfNotPresent")):
            self.create(self.image_pod(name, f"{self.registry.host}/defaults{suffix}"))
            self.assertEqual(policy, self.daemon.pod(name)["spec"]["containers"][0]["imagePullPolicy"])
            self.daemon.wait_running(name)

    def test_always_asks_the_registry_again(self):
        first = self.registry.push("always", "1", [{"version": "1\n"}])
        image = self.registry.image("always", "1")
        for name, asked in (("always-1", 1), ("always-2", 2)):
            self.create(self.image_pod(name, image, "Always"))
            self.assertIn(first, status_of(self.daemon.wait_running(name))["imageID"])
            self.assertEqual(asked, self.registry.gate.count("/v2/always/manifests/"))
            self.daemon.wait_event(name, "Pulling")
        second = self.registry.push("always", "1", [{"version": "2\n"}])
        # IfNotPresent takes what is there, Always what the name means now.
        self.create(self.image_pod("always-old", image, "IfNotPresent"))
        self.assertIn(first, status_of(self.daemon.wait_running("always-old"))["imageID"])
        self.create(self.image_pod("always-new", image, "Always"))
        self.assertIn(second, status_of(self.daemon.wait_running("always-new"))["imageID"])

    def test_never(self):
        self.registry.push("never", "1")
        image = self.registry.image("never", "1")
        self.create(self.image_pod("never-absent", image, "Never"))
        text = f'Container image "{image}" is not present with pull policy of Never'
        self.assertEqual(text, waiting_message(self.wait_waiting("never-absent", "ErrImageNeverPull")))
        self.assertEqual(text, self.daemon.wait_event("never-absent", "ErrImageNeverPull")["message"])
        self.assertIn("Error: ErrImageNeverPull", [e["message"] for e in self.events("never-absent", "Failed")])
        self.assertEqual(0, self.registry.gate.count("/v2/never/"))
        self.assertRegex(self.kubectl("get", "pod", "never-absent").out, r"never-absent +0/1 +ErrImageNeverPull +0 ")
        # Once it is there, the waiting pod starts too.
        self.create(self.image_pod("never-pulls", image, "IfNotPresent"))
        self.daemon.wait_running("never-pulls")
        self.daemon.wait_running("never-absent")

    def test_an_invalid_name(self):
        self.create(self.image_pod("bad-name", "Not/A//Name"))
        text = waiting_message(self.wait_waiting("bad-name", "InvalidImageName"))
        self.assertEqual('Failed to apply default image tag "Not/A//Name": couldn\'t parse image name "Not/A//Name": '
                         "invalid reference format: repository name must be lowercase", text)
        self.assertEqual(text, self.daemon.wait_event("bad-name", "InspectFailed")["message"])
        self.assertIn("Error: InvalidImageName", [e["message"] for e in self.events("bad-name", "Failed")])
        described = self.kubectl("describe", "pod", "bad-name").out
        self.assertRegex(described, r"State: +Waiting\n +Reason: +InvalidImageName")
        self.assertEqual([], self.events("bad-name", "Pulling"))

    def test_an_unknown_image_backs_off_until_it_is_there(self):
        image = self.registry.image("late", "1")
        self.create(self.image_pod("late", image))
        first = waiting_message(self.wait_waiting("late", "ErrImagePull"))
        self.assertIn(f'failed to pull image "{image}"', first)
        self.assertIn("manifest unknown", first)
        backing_off = waiting_message(self.wait_waiting("late", "ImagePullBackOff"))
        self.assertEqual(f'Back-off pulling image "{image}": ErrImagePull: {first}', backing_off)
        self.assertEqual(f'Back-off pulling image "{image}"', self.daemon.wait_event("late", "BackOff")["message"])
        messages = [e["message"] for e in self.events("late", "Failed")]
        for text in (f'Failed to pull image "{image}": {first}', "Error: ErrImagePull", "Error: ImagePullBackOff"):
            self.assertIn(text, messages)
        self.assertRegex(self.kubectl("get", "pod", "late").out, r"late +0/1 +(ErrImagePull|ImagePullBackOff) +0 ")
        described = self.kubectl("describe", "pod", "late").out
        self.assertRegex(described, rf'Warning +Failed +.* Failed to pull image "{re.escape(image)}": ')
        self.registry.push("late", "1")
        self.daemon.wait_running("late")

    def test_a_registry_that_is_not_there(self):
        self.create(self.image_pod("nobody", "127.0.0.1:1/app:1"))
        self.assertIn("connection refused", waiting_message(self.wait_waiting("nobody", "ErrImagePull")))

    def test_many_pods_share_one_pull(self):
        self.registry.push("shared", "1", [{"data": "x" * 100_000}])
        image = self.registry.image("shared", "1")
        names = [f"shared-{i}" for i in range(5)]
        self.registry.gate.close()
        self.addCleanup(self.registry.gate.open.set)
        self.create(*[self.image_pod(name, image) for name in names])
        self.registry.gate.wait_held()
        for name in names:
            self.daemon.wait_event(name, "Pulling")
            self.assertEqual("ContainerCreating", waiting_reason(self.daemon.pod(name)))
        self.registry.gate.open.set()
        for name in names:
            self.daemon.wait_running(name)
            self.daemon.wait_event(name, "Pulled")
        self.assertEqual(1, self.registry.gate.count("/v2/shared/manifests/"))
        blobs = [path for method, path in self.registry.gate.requests if method == "GET" and path.startswith("/v2/shared/blobs/")]
        self.assertEqual(sorted(set(blobs)), sorted(blobs))

    def test_layers_are_shared(self):
        before = self.layer_directories()
        base = {"base": "of both\n" * 1000}
        self.registry.push("one", "1", [base, {"own": "one\n"}])
        self.registry.push("two", "1", [base, {"own": "two\n"}])
        for name in ("one", "two"):
            self.create(self.image_pod(f"layers-{name}", self.registry.image(name, "1"), script="cat /own; head -n 1 /base"))
            self.assertEqual(f"{name}\nof both\n", self.logs(f"layers-{name}"))
        # busybox' own may have been there: base, one's and two's are new.
        self.assertIn(len(self.layer_directories() - before), (3, 4))
        blobs = [path for method, path in self.registry.gate.requests if method == "GET" and re.match("/v2/(one|two)/blobs/", path)]
        digests = [path.rsplit("/", 1)[1] for path in blobs]
        self.assertEqual(len(set(digests)), len(digests), "a layer came twice")

    def test_a_layer_hides_what_lies_below(self):
        self.registry.push("hiding", "1", [{"d/a": "a\n", "d/b": "b\n", "gone": "x"}, {"d/.wh..wh..opq": "", "d/c": "c\n", ".wh.gone": ""}])
        self.create(self.image_pod("hiding", self.registry.image("hiding", "1"), script="ls /d; ls /gone 2>&1"))
        self.assertEqual("c\nls: /gone: No such file or directory\n", self.logs("hiding"))


class Progress(RegistryTest):
    settings = {"images": {"progressAfter": "50ms"}}

    def test_a_long_pull_tells_how_far_it_is(self):
        self.registry.push("slow", "1", [{"data": "x" * 1000}])
        self.registry.gate.close()
        self.addCleanup(self.registry.gate.open.set)
        image = self.registry.image("slow", "1")
        self.create(self.image_pod("slow", image))
        path = "/api/v1/namespaces/default/events"
        said = lambda e: e["reason"] == "Pulling" and re.fullmatch(rf'Pulling image "{image}": \d+\.\d MiB fetched in [\d.]+m?s', e["message"])
        events = self.daemon.api.get(path)
        version = events["metadata"]["resourceVersion"]
        if not any(said(e) for e in events["items"]):
            self.assertTrue(any(said(e["object"]) for e in self.daemon.api.watch(path, 30, resourceVersion=version)))
        self.registry.gate.open.set()
        self.daemon.wait_running("slow")


class Unwanted(RegistryTest):
    settings = {"images": {"parallelPulls": 1}}

    def test_a_pull_ends_with_the_pod_that_waits_for_it(self):
        for name in ("unwanted", "wanted"):
            self.registry.push(name, "1", [{"data": name * 1000}])
        self.registry.gate.close()
        self.addCleanup(self.registry.gate.open.set)
        self.create(self.image_pod("unwanted", self.registry.image("unwanted", "1")))
        self.registry.gate.wait_held()
        first = self.fetching()
        self.create(self.image_pod("wanted", self.registry.image("wanted", "1")))
        self.daemon.wait_event("wanted", "Pulling")
        self.kubectl("delete", "pod", "unwanted", "--now")
        self.daemon.wait_gone("unwanted")
        # The registry still says nothing: the place that it held up is free for who waits.
        self.wait_ended(first)
        self.registry.gate.wait_for(r"/wanted/blobs/")
        self.registry.gate.open.set()
        self.daemon.wait_running("wanted")


class Killed(RegistryTest):
    users = {"reader": "reading-is-fun"}

    def test_in_the_middle_of_a_pull(self):
        self.registry.push("killed", "1", [{"data": "x" * 1000}])
        self.kubectl("create", "secret", "docker-registry", "reader", f"--docker-server={self.registry.host}",
                     "--docker-username=reader", "--docker-password=reading-is-fun")
        self.addCleanup(lambda: self.kubectl("delete", "secret", "reader", "--ignore-not-found", check=False))
        self.registry.gate.close()
        self.addCleanup(self.registry.gate.open.set)
        made = self.image_pod("killed", self.registry.image("killed", "1"))
        made["spec"]["imagePullSecrets"] = [{"name": "reader"}]
        self.create(made)
        self.registry.gate.wait_held()
        fetching = self.fetching()
        temporary = self.daemon.data / "images/tmp"
        left = sorted(file.name for file in temporary.iterdir())
        self.assertRegex(" ".join(left), r"^auth-\S+ pull-\S+$")
        self.daemon.kill()
        # Nothing fetches for a daemon that is no more.
        self.wait_ended(fetching)
        self.assertEqual(left, sorted(file.name for file in temporary.iterdir()))
        # The next daemon takes away what that one left, before it fetches again. It gives the same names.
        for name in left:
            (temporary / name).rename(temporary / (name + "00"))
        self.daemon.start()
        self.registry.gate.wait_held()
        self.assertEqual([], list(temporary.glob("*00")))
        self.registry.gate.open.set()
        self.assertEqual(0, status_of(self.daemon.wait_running("killed"))["restartCount"])
        self.assertEqual([], list(temporary.glob("auth-*")))


class Configuration(RegistryTest):
    CONFIG = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ['echo "$GREETING from $(id -u):$(id -g) in $(pwd)"; echo path=$PATH'],
              "Env": ["PATH=/opt/bin:/bin", "GREETING=hello"], "User": "33:8", "WorkingDir": "/var/www", "StopSignal": "SIGUSR1"}

    def run_with(self, name, config, **more):
        self.registry.push(name, "1", [{"etc/motd": name}], config)
        item = {"name": "main", "image": self.registry.image(name, "1"), **more}
        self.create(pod(name, item, restartPolicy="Never"))
        return self.logs(name)

    def test_as_the_image_says(self):
        self.assertEqual("hello from 33:8 in /var/www\npath=/opt/bin:/bin\n", self.run_with("as-image", self.CONFIG))

    def test_the_pod_overrides(self):
        out = self.run_with("args-only", self.CONFIG, args=["echo args of $GREETING"])
        self.assertEqual("args of hello\n", out)
        # A command of the pod drops the image's Cmd too.
        out = self.run_with("command-only", self.CONFIG, command=["/bin/busybox", "echo", "x"])
        self.assertEqual("x\n", out)
        out = self.run_with("other-env", self.CONFIG, env=[{"name": "GREETING", "value": "bye"}], workingDir="/tmp",
                            securityContext={"runAsUser": 65534, "runAsGroup": 65534})
        self.assertEqual("bye from 65534:65534 in /tmp\npath=/opt/bin:/bin\n", out)

    def test_a_user_by_name_and_a_directory_that_is_made(self):
        out = self.run_with("by-name", {**self.CONFIG, "User": "www-data", "WorkingDir": "/made/here"})
        self.assertEqual("hello from 33:33 in /made/here\npath=/opt/bin:/bin\n", out)

    def test_nothing_to_run(self):
        self.registry.push("nothing", "1", config={})
        self.create(pod("nothing", {"name": "main", "image": self.registry.image("nothing", "1")}))
        waiting = self.daemon.wait_pod("nothing", lambda p: waiting_reason(p) in ("CreateContainerError", "RunContainerError"), what="refused")
        self.assertIn("no command specified", waiting_message(waiting))

    def test_the_stop_signal(self):
        script = "trap 'echo got USR1; exit 7' USR1; trap '' TERM; echo ready; while :; do sleep 0.1; done"
        self.registry.push("stopping", "1", config={**self.CONFIG, "Cmd": [script], "User": ""})
        self.create(pod("stopping", {"name": "main", "image": self.registry.image("stopping", "1")}, grace=60, restartPolicy="Never"))
        self.daemon.wait_running("stopping")
        follow = self.daemon.kubectl_process("logs", "-f", "stopping", stdout=-1)
        self.addCleanup(follow.stdout.close)
        self.assertEqual(b"ready\n", follow.stdout.readline())
        self.kubectl("delete", "pod", "stopping", "--wait=false")
        self.assertEqual(b"got USR1\n", follow.stdout.readline())
        self.daemon.wait_gone("stopping", seconds=30)
        follow.wait(deadline(30))


class Private(RegistryTest):
    users = {"reader": "reading-is-fun", "writer": "and-writing"}

    def secret(self, name, logins, legacy=False):
        config = {host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()} for host, (user, password) in logins.items()}
        key, kind = (".dockercfg", "dockercfg") if legacy else (".dockerconfigjson", "dockerconfigjson")
        text = json.dumps(config if legacy else {"auths": config})
        self.kubectl("create", "-f", "-", stdin={
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": f"kubernetes.io/{kind}",
            "data": {key: base64.b64encode(text.encode()).decode()}})
        self.addCleanup(lambda: self.kubectl("delete", "secret", name, "--ignore-not-found", check=False))

    def private_pod(self, name, *secrets, repository=None, policy="Always", **more):
        item = self.image_pod(name, self.registry.image(repository or name, "1"), policy)
        item["spec"].update({"imagePullSecrets": [{"name": secret} for secret in secrets]} if secrets else {}, **more)
        return item

    def test_without_a_login(self):
        self.registry.push("closed", "1")
        self.create(self.private_pod("closed"))
        text = waiting_message(self.wait_waiting("closed", "ErrImagePull"))
        self.assertRegex(text, "authentication required|unauthorized|no basic auth credentials")

    def test_with_a_secret(self):
        self.registry.push("opened", "1")
        self.kubectl("create", "secret", "docker-registry", "reader", f"--docker-server={self.registry.host}",
                     "--docker-username=reader", "--docker-password=reading-is-fun")
        self.addCleanup(lambda: self.kubectl("delete", "secret", "reader", "--ignore-not-found", check=False))
        self.create(self.private_pod("opened", "reader"))
        self.daemon.wait_running("opened")
        # One that may not have it at the registry may use what is here.
        self.create(self.private_pod("present", repository="opened", policy="IfNotPresent"))
        self.daemon.wait_running("present")
        self.create(self.private_pod("refused", repository="opened"))
        self.wait_waiting("refused", "ErrImagePull")

    def test_each_fitting_login_is_tried(self):
        self.registry.push("team/app", "1")
        host = self.registry.host
        self.secret("wrong", {f"{host}/team": ("reader", "wrong")})
        self.secret("elsewhere", {"registry.example": ("reader", "reading-is-fun")})
        self.secret("right", {f"https://{host}/v2/": ("writer", "and-writing")}, legacy=True)
        self.create(self.private_pod("tried", "wrong", "elsewhere", "right", repository="team/app"))
        self.daemon.wait_running("tried")
        self.create(self.private_pod("wrong-only", "wrong", repository="team/app"))
        self.assertRegex(waiting_message(self.wait_waiting("wrong-only", "ErrImagePull")), "authentication required|unauthorized|invalid username/password")

    def test_a_secret_that_comes_later(self):
        self.registry.push("later", "1")
        self.create(self.private_pod("later", "comes-later"))
        missing = self.daemon.wait_event("later", "FailedToRetrieveImagePullSecret")
        self.assertEqual("Unable to retrieve some image pull secrets (comes-later); attempting to pull the image may not succeed.",
                         missing["message"])
        self.wait_waiting("later", "ImagePullBackOff")
        self.secret("comes-later", {self.registry.host: ("reader", "reading-is-fun")})
        self.daemon.wait_running("later")

    def test_through_the_service_account(self):
        self.registry.push("by-account", "1")
        self.secret("of-default", {self.registry.host: ("reader", "reading-is-fun")})
        self.kubectl("patch", "serviceaccount", "default", "-p", '{"imagePullSecrets": [{"name": "of-default"}]}')
        self.addCleanup(lambda: self.kubectl("patch", "serviceaccount", "default", "-p", '{"imagePullSecrets": null}'))
        self.create(self.private_pod("by-account"))
        self.daemon.wait_running("by-account")

    def test_what_is_secret_stays_so(self):
        self.registry.push("quiet", "1", [{"data": "x" * 1000}])
        self.secret("quiet", {self.registry.host: ("reader", "reading-is-fun")})
        self.registry.gate.close()
        self.addCleanup(self.registry.gate.open.set)
        self.create(self.private_pod("quiet", "quiet"))
        self.registry.gate.wait_held()
        temporary = self.daemon.data / "images/tmp"
        files = list(temporary.glob("auth-*"))
        self.assertEqual([0o600], [file.stat().st_mode & 0o777 for file in files])
        coded = base64.b64encode(b"reader:reading-is-fun")
        for process in Path("/proc").glob("[0-9]*"):
            try:
                told = (process / "cmdline").read_bytes()
            except OSError:
                continue
            self.assertNotIn(b"reading-is-fun", told if b"skopeo" in told else b"")
        self.registry.gate.open.set()
        self.daemon.wait_running("quiet")
        self.assertEqual([], list(temporary.glob("auth-*")))
        log = (self.daemon.directory / "daemon.log").read_bytes() + "\n".join(self.daemon.output).encode()
        for text in (b"reading-is-fun", coded):
            self.assertNotIn(text, log)


class Collection(RegistryTest):
    # Fuller than it may be at all times.
    settings = {"imageGC": {"highThresholdPercent": 1, "lowThresholdPercent": 0, "minAge": "0s", "period": "1s"}}

    def images(self):
        # The file that holds while not all is on the disk, else the one that is.
        for name in ("images.early.json", "images.json"):
            try:
                text = (self.daemon.data / "images" / name).read_text(encoding="utf-8")
            except OSError:
                continue
            return [name for image in json.loads(text)["images"] for name in image["names"]]
        return []

    def test_unused_images_go_and_used_ones_stay(self):
        for name in ("kept", "dropped"):
            self.registry.push(name, "1", [{"base": "of both\n"}, {"own": name}])
        self.create(self.image_pod("kept", self.registry.image("kept", "1")))
        self.create(self.image_pod("dropped", self.registry.image("dropped", "1")))
        self.daemon.wait_running("kept")
        self.daemon.wait_running("dropped")
        layers = self.layer_directories()
        self.kubectl("delete", "pod", "dropped", "--now")
        self.daemon.wait_gone("dropped")
        # The event tells that a collection has been through and found no more that it might remove.
        path = "/api/v1/namespaces/default/events"
        listed = self.daemon.api.get(path)
        # The index loses the image first, its directories go after that; of two layers one is the other image's too.
        collected = lambda: len(layers - self.layer_directories()) == 1 and not any("/dropped:" in name for name in self.images())
        if not collected():
            for event in self.daemon.api.watch(path, 30, resourceVersion=listed["metadata"]["resourceVersion"]):
                if event["object"]["reason"] in ("FreeDiskSpaceFailed", "ImageGCFailed") and collected():
                    break
        self.assertEqual([self.registry.image("kept", "1")], self.images())
        self.assertEqual(1, len(layers - self.layer_directories()), "busybox' layer and the shared one are still in use")
        self.assertEqual("kept", self.kubectl("exec", "kept", "--", "cat", "/own").out)
        # What was removed can come again.
        self.create(self.image_pod("again", self.registry.image("dropped", "1")))
        self.daemon.wait_running("again")
        self.assertEqual("dropped", self.kubectl("exec", "again", "--", "cat", "/own").out)
        events = self.daemon.api.get(path)["items"]
        said = [e["message"] for e in events if e["reason"] == "FreeDiskSpaceFailed"]
        self.assertRegex(said[0], r"^Failed to garbage collect required amount of images\. Attempted to free \d+ bytes, "
                                  r"but only found \d+ bytes eligible to free\.$")
        self.assertIn("Warning", {e["type"] for e in events if e["reason"] == "ImageGCFailed"})


if __name__ == "__main__":
    unittest.main()
