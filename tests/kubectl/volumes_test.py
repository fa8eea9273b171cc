"""Volumes of real pods: emptyDir, hostPath, what survives a killed daemon, and that nothing is left on the machine."""
import ctypes
import os
import shutil
import socket
import subprocess
import time
import unittest
from pathlib import Path

import leaks
from harness import SLEEP, SOURCE_DIR, DaemonTest, condition, container, deadline, phase, pod, status_of, waiting_reason


def empty_dir(name="data", **more):
    return {"name": name, "emptyDir": more}


def host_path(path, kind=None, name="data"):
    return {"name": name, "hostPath": {"path": str(path), **({"type": kind} if kind else {})}}


def mount(path="/data", name="data", **more):
    return {"name": name, "mountPath": path, **more}


def with_volume(name, volume, *, script=SLEEP, mounts=None, **more):
    return pod(name, container(script=script, volumeMounts=mounts or [mount()]), volumes=[volume], **more)


class VolumeTest(DaemonTest):
    def run_in(self, name, script, into=None, check=True):
        where = ["-c", into] if into else []
        return self.kubectl("exec", name, *where, "--", "sh", "-c", script, check=check)

    def finished(self, manifest, seconds=60):
        """Creates a pod that ends by itself; its log."""
        name = manifest["metadata"]["name"]
        manifest["spec"]["restartPolicy"] = "Never"
        self.create(manifest)
        ended = self.daemon.wait_pod(name, lambda p: phase(p) in ("Succeeded", "Failed"), seconds, "ended")
        log = self.kubectl("logs", name).out
        self.assertEqual("Succeeded", phase(ended), log)
        return log


class EmptyDir(VolumeTest):
    def test_two_containers_share_it(self):
        writer = container("writer", "echo from-writer > /out/word; " + SLEEP, volumeMounts=[mount("/out")])
        reader = container("reader", SLEEP, volumeMounts=[mount("/in", readOnly=True)])
        self.create(pod("sharing", writer, reader, volumes=[empty_dir()]))
        running = self.daemon.wait_running("sharing")
        self.assertEqual("from-writer\n", self.run_in("sharing", "until cat /in/word; do :; done", "reader").out)
        self.assertIn("Read-only file system", self.run_in("sharing", "touch /in/x", "reader", check=False).err)
        directory = self.daemon.data / "pods" / running["metadata"]["uid"] / "volumes/data"
        self.assertEqual("from-writer\n", (directory / "word").read_text())
        self.assertEqual(0o777, directory.stat().st_mode & 0o7777)
        self.kubectl("delete", "pod", "sharing", "--now")
        self.daemon.wait_gone("sharing")
        self.assertFalse(directory.exists())

    def test_it_outlives_the_containers_that_write_it(self):
        counting = with_volume("counting", empty_dir(), script="echo x >> /data/runs; wc -l < /data/runs; exit 1")
        counting["spec"]["restartPolicy"] = "OnFailure"
        self.create(counting)
        self.daemon.wait_pod("counting", lambda p: status_of(p).get("restartCount", 0) >= 2, what="restarted twice")
        self.assertRegex(self.kubectl("logs", "counting", "--previous").out, r"^([2-9]|\d\d+)\n$")

    def test_memory_is_a_file_system_of_its_size(self):
        self.create(with_volume("memory", empty_dir(medium="Memory", sizeLimit="1Mi")))
        uid = self.daemon.wait_running("memory")["metadata"]["uid"]
        self.assertRegex(self.run_in("memory", "df -k /data | tail -1").out, r" 1024 ")
        self.assertRegex(self.run_in("memory", "mount").out, r" on /data type tmpfs \(rw")
        self.assertIn("No space left", self.run_in("memory", "dd if=/dev/zero of=/data/x bs=1M count=2", check=False).err)
        self.assertTrue([m for m, kind in leaks.mounts_below(self.daemon.run) if uid in m and kind == "tmpfs"])
        self.kubectl("delete", "pod", "memory", "--now")
        self.daemon.wait_gone("memory")
        self.assertEqual([], [m for m, _ in leaks.mounts_below(self.daemon.directory) if uid in m])

    def test_memory_without_a_limit_has_the_pod_s(self):
        limited = container(script=SLEEP, volumeMounts=[mount()], resources={"limits": {"memory": "32Mi", "cpu": "1"}})
        self.create(pod("pod-limit", limited, volumes=[empty_dir(medium="Memory")]))
        self.daemon.wait_running("pod-limit")
        self.assertRegex(self.run_in("pod-limit", "df -k /data | tail -1").out, rf" {32 * 1024} ")

    def test_a_group_of_its_own(self):
        context = {"fsGroup": 4321, "runAsUser": 1234, "runAsGroup": 1234}
        for name, more in (("disk", {}), ("tmpfs", {"medium": "Memory"})):
            log = self.finished(with_volume(f"group-{name}", empty_dir(**more), script="id -G; touch /data/x; ls -ldn /data /data/x",
                                            securityContext=context))
            self.assertRegex(log, r"4321")
            self.assertRegex(log, r"drwxrws\S+ +\d+ 0 +4321 .* /data\n")
            self.assertRegex(log, r" 1234 +4321 .* /data/x")

    def test_what_is_mounted_into_it_from_elsewhere_stays(self):
        victim = self.daemon.directory / "victim"
        (victim / "deep").mkdir(parents=True)
        (victim / "deep/data").write_text("precious\n")
        self.addCleanup(shutil.rmtree, victim)
        self.create(with_volume("bound", empty_dir()))
        uid = self.daemon.wait_running("bound")["metadata"]["uid"]
        inside = self.daemon.data / "pods" / uid / "volumes/data/a/sub"
        inside.mkdir(parents=True)
        subprocess.run(["mount", "--bind", str(victim), str(inside)], check=True)
        self.kubectl("delete", "pod", "bound", "--now")
        self.daemon.wait_gone("bound")
        self.assertFalse(inside.exists())
        self.assertEqual("precious\n", (victim / "deep/data").read_text())

    def test_it_hides_what_the_image_has_there(self):
        log = self.finished(with_volume("over", empty_dir(), script="ls /etc/opt; echo done > /etc/opt/x; cat /etc/opt/x",
                                        mounts=[mount("/etc/opt")]))
        self.assertEqual("done\n", log)

    def test_mounts_inside_mounts(self):
        mounts = [mount("/a/b/c", "inner"), mount("/a", "outer")]
        inside = pod("nested", container(script="echo i > /a/b/c/x; echo o > /a/y; find /a -type f | sort", volumeMounts=mounts),
                     volumes=[empty_dir("inner"), empty_dir("outer")])
        self.assertEqual("/a/b/c/x\n/a/y\n", self.finished(inside))

    def test_one_that_grows_too_large_evicts_its_pod(self):
        manifest = with_volume("growing", empty_dir(sizeLimit="1Mi"), script="dd if=/dev/zero of=/data/x bs=1M count=3; " + SLEEP)
        self.create(manifest)
        failed = self.daemon.wait_pod("growing", lambda p: phase(p) == "Failed", 60, "evicted")
        self.assertEqual("Evicted", failed["status"]["reason"])
        self.assertEqual('Usage of EmptyDir volume "data" exceeds the limit "1Mi". ', failed["status"]["message"])
        self.assertEqual('Usage of EmptyDir volume "data" exceeds the limit "1Mi". ', self.daemon.wait_event("growing", "Evicted")["message"])
        # As with Kubernetes, how the containers ended comes before the pod's own reason.
        self.assertRegex(self.kubectl("get", "pod", "growing").out, r"growing +0/1 +Completed ")
        self.assertEqual("TerminationByKubelet", condition(failed, "DisruptionTarget").get("reason"))


class HostPath(VolumeTest):
    def setUp(self):
        super().setUp()
        self.host = self.daemon.directory / "host" / self.id().rpartition(".")[2]
        self.host.mkdir(parents=True)
        self.addCleanup(shutil.rmtree, self.host, ignore_errors=True)

    def test_types_that_fit(self):
        (self.host / "file").write_text("words\n")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.host / "socket"))
            rows = [("", "made-dir", "test -d /data"), ("DirectoryOrCreate", "new/dir", "touch /data/x"), ("Directory", "new", "ls /data"),
                    ("FileOrCreate", "new-file", "echo x > /data"), ("File", "file", "grep words /data"), ("Socket", "socket", "test -S /data")]
            for number, (kind, path, script) in enumerate(rows):
                self.finished(with_volume(f"fits-{number}", host_path(self.host / path, kind), script=script))
        self.finished(with_volume("fits-char", host_path("/dev/null", "CharDevice"), script="test -c /data"))
        self.assertEqual("x\n", (self.host / "new-file").read_text())
        self.assertTrue((self.host / "new/dir/x").exists())
        self.assertTrue((self.host / "made-dir").is_dir())

    def test_types_that_do_not_fit_wait_and_say_why(self):
        (self.host / "file").write_text("")
        rows = [("Directory", "file", "a directory"), ("DirectoryOrCreate", "file", "a directory"), ("File", "", "a file"),
                ("Socket", "file", "a socket file"), ("CharDevice", "file", "a character device"), ("BlockDevice", "file", "a block device"),
                ("Directory", "absent", "a directory")]
        for number, (kind, path, words) in enumerate(rows):
            full = str(self.host / path) if path else str(self.host)
            self.create(with_volume(f"unfit-{number}", host_path(full, kind)))
            event = self.daemon.wait_event(f"unfit-{number}", "FailedMount")
            self.assertEqual(f'MountVolume.SetUp failed for volume "data" : hostPath type check failed: {full} is not {words}', event["message"])
            self.assertEqual("ContainerCreating", waiting_reason(self.daemon.pod(f"unfit-{number}")))
        # It is tried again: what comes later is found.
        (self.host / "absent").mkdir()
        self.daemon.wait_running(f"unfit-{len(rows) - 1}")

    def test_it_stays_behind(self):
        self.finished(with_volume("stays", host_path(self.host), script="echo kept > /data/word"))
        self.kubectl("delete", "pod", "stays", "--now")
        self.daemon.wait_gone("stays")
        self.assertEqual("kept\n", (self.host / "word").read_text())

    def test_sub_paths(self):
        (self.host / "one").mkdir()
        (self.host / "one/file").write_text("from one\n")
        mounts = [mount("/one", subPath="one"), mount("/file", subPath="one/file"), mount("/made", subPath="deep/er"),
                  mount("/by-name", subPathExpr="$(POD)/logs")]
        script = "cat /one/file /file; echo m > /made/x; echo n > /by-name/x; echo again > /file"
        box = container(script=script, volumeMounts=mounts, env=[{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])
        self.assertEqual("from one\nfrom one\n", self.finished(pod("sub-paths", box, volumes=[host_path(self.host)])))
        self.assertEqual("m\n", (self.host / "deep/er/x").read_text())
        self.assertEqual("n\n", (self.host / "sub-paths/logs/x").read_text())
        self.assertEqual("again\n", (self.host / "one/file").read_text())

    def test_no_link_leads_out_of_a_volume(self):
        secret = self.host.parent / "outside"
        secret.mkdir(exist_ok=True)
        (secret / "word").write_text("outside\n")
        (self.host / "up").symlink_to("../outside")
        (self.host / "absolute").symlink_to(secret)
        for name in ("up", "absolute"):
            self.create(with_volume(f"link-{name}", host_path(self.host), mounts=[mount(subPath=name)]))
            event = self.daemon.wait_event(f"link-{name}", "Failed")
            self.assertEqual('Error: failed to prepare subPath for volumeMount "data" of container "main"', event["message"])
            self.assertEqual("CreateContainerConfigError", waiting_reason(self.daemon.wait_pod(
                f"link-{name}", lambda p: waiting_reason(p) == "CreateContainerConfigError", what="refused")))

    def test_a_missing_value_of_a_path_expression(self):
        box = container(script=SLEEP, volumeMounts=[mount(subPathExpr="$(NOBODY)/x")])
        self.create(pod("no-value", box, volumes=[host_path(self.host)]))
        self.assertEqual("Error: missing value for NOBODY", self.daemon.wait_event("no-value", "Failed")["message"])

    def bound(self):
        """The directory as a mount of its own, which is shared."""
        subprocess.run(["mount", "--bind", self.host, self.host], check=True)
        self.addCleanup(subprocess.run, ["umount", "-R", "-l", str(self.host)], check=False)
        subprocess.run(["mount", "--make-shared", self.host], check=True)

    def test_mounts_of_the_host_reach_the_container(self):
        self.bound()
        (self.host / "later").mkdir()
        self.create(with_volume("receiving", host_path(self.host), mounts=[mount(mountPropagation="HostToContainer")]),
                    with_volume("private", host_path(self.host)))
        self.daemon.wait_running("receiving")
        self.daemon.wait_running("private")
        subprocess.run(["mount", "-t", "tmpfs", "test", self.host / "later"], check=True)
        (self.host / "later/word").write_text("mounted\n")
        self.assertEqual("mounted\n", self.run_in("receiving", "cat /data/later/word").out)
        self.assertEqual("", self.run_in("private", "ls /data/later").out)

    def test_a_propagation_that_cannot_be_is_refused(self):
        self.create(with_volume("not-shared", host_path(self.host), mounts=[mount(mountPropagation="HostToContainer")]))
        shared = subprocess.run(["findmnt", "-no", "PROPAGATION", "-T", str(self.host)], capture_output=True, text=True, check=True).stdout
        if "shared" not in shared:
            self.assertRegex(self.daemon.wait_event("not-shared", "Failed")["message"],
                             r'path ".*" is mounted on ".*" but it is not a shared or slave mount')
        self.bound()
        privileged = container(script="mount -t tmpfs inner /data/inner && echo x > /data/inner/word; " + SLEEP,
                               securityContext={"privileged": True}, volumeMounts=[mount(mountPropagation="Bidirectional")])
        (self.host / "inner").mkdir()
        self.create(pod("both-ways", privileged, volumes=[host_path(self.host)]))
        if Path("/sys/fs/cgroup/unified/cgroup.controllers").exists() and Path("/sys/fs/cgroup/unified/cgroup.controllers").read_text().strip():
            self.assertIn("cannot work on this node: its cgroup hierarchy is hybrid", self.daemon.wait_event("both-ways", "Failed")["message"])
        else:
            self.daemon.wait_running("both-ways")

    def test_read_only_all_the_way_down(self):
        self.bound()
        (self.host / "inner").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "test", self.host / "inner"], check=True)
        script = "touch /plain/x || echo plain ro; touch /plain/inner/x && echo inner rw; touch /all/inner/x || echo inner ro"
        mounts = [mount("/plain", readOnly=True), mount("/all", readOnly=True, recursiveReadOnly="Enabled")]
        log = self.finished(pod("deep-ro", container(script=script, volumeMounts=mounts), volumes=[host_path(self.host)]))
        self.assertEqual(["inner ro", "inner rw", "plain ro"], sorted(line for line in log.splitlines() if "touch" not in line))


class Environment(VolumeTest):
    def test_fields_resources_and_references(self):
        def field(name, path):
            return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        env = [field("NAME", "metadata.name"), field("NS", "metadata.namespace"), field("UID_", "metadata.uid"), field("IP", "status.podIP"),
               field("NODE", "spec.nodeName"), field("APP", "metadata.labels['app']"), {"name": "HELLO", "value": "$(NAME).$(NOBODY).$$(NAME)"},
               {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
               {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}]
        box = container(command=["sh", "-c", "echo $(NAME) $NS $UID_ $IP $NODE $APP \"$HELLO\" $CPU $MEMORY"], env=env,
                        resources={"limits": {"cpu": "250m", "memory": "16Mi"}})
        log = self.finished(pod("fields", box, labels={"app": "web"}))
        made = self.daemon.pod("fields")
        words = ["fields", "default", made["metadata"]["uid"], r"10\.251\.\d+\.\d+", self.daemon.name, "web",
                 r"fields\.\$\(NOBODY\)\.\$\(NAME\)", "250", str(16 << 20)]
        self.assertRegex(log, "^" + " ".join(words) + "\n$")


class Configured(VolumeTest):
    """Volumes and environment from ConfigMaps, Secrets and the pod itself."""

    def config_map(self, name, data, update=False):
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        self.kubectl("apply" if update else "create", "-f", "-", stdin=manifest)
        if not update:
            self.addCleanup(self.kubectl, "delete", "configmap", name, "--ignore-not-found", check=False)

    def secret(self, name, **data):
        self.kubectl("create", "secret", "generic", name, *(f"--from-literal={key}={value}" for key, value in data.items()))
        self.addCleanup(self.kubectl, "delete", "secret", name, "--ignore-not-found", check=False)

    def test_files_and_environment(self):
        self.config_map("settings", {"a.conf": "one\n", "b": "two"})
        self.secret("login", user="admin", password="pa$$")
        volumes = [{"name": "all", "configMap": {"name": "settings", "defaultMode": 0o440}},
                   {"name": "some", "configMap": {"name": "settings", "items": [{"key": "b", "path": "deep/er", "mode": 0o400}]}},
                   {"name": "login", "secret": {"secretName": "login"}},
                   {"name": "none", "configMap": {"name": "absent", "optional": True}}]
        env = [{"name": "B", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "b"}}}]
        script = ("cat /all/a.conf /some/deep/er; echo; cat /login/password; echo; stat -L -c '%a %n' /all/b /some/deep/er /login/user; "
                  "ls /none; echo $B $L_user; readlink /all/b; touch /all/x || echo read only; grep -c ' /login tmpfs ' /proc/mounts")
        box = container(script=script, env=env, envFrom=[{"prefix": "L_", "secretRef": {"name": "login"}}],
                        volumeMounts=[mount(f"/{v['name']}", v["name"]) for v in volumes])
        log = self.finished(pod("files", box, volumes=volumes)).splitlines()
        log = [line for line in log if not line.startswith("..2") and "touch" not in line]
        self.assertEqual(["one", "two", "pa$$", "440 /all/b", "400 /some/deep/er", "644 /login/user", "two admin", "..data/b",
                          "read only", "1"], log)

    def test_updates_are_atomic_and_quick(self):
        self.config_map("live", {"a": "1", "b": "1"})
        # A reader that ever sees two versions at once, by one look at ..data, says so. (The old version goes after the change.)
        script = ("while :; do d=$(readlink /data/..data); a=$(cat /data/$d/a 2>&-); b=$(cat /data/$d/b 2>&-); "
                  '[ -n "$a" ] && [ -n "$b" ] && [ "$a" != "$b" ] && echo torn; done')
        self.create(with_volume("live", {"name": "data", "configMap": {"name": "live"}}, script=script, grace=1))
        self.daemon.wait_running("live")
        for version in range(2, 5):
            self.config_map("live", {"a": str(version), "b": str(version)}, update=True)
            begun = time.monotonic()
            self.run_in("live", f"until [ $(cat /data/a) = {version} ]; do :; done")
            self.assertLess(time.monotonic() - begun, deadline(1.0))
        self.assertEqual("", self.kubectl("logs", "live").out)
        uid = self.daemon.pod("live")["metadata"]["uid"]
        kept = sorted(entry.name for entry in (self.daemon.data / "pods" / uid / "volumes/data").iterdir())
        self.assertEqual(["..data", "a", "b"], [name for name in kept if not name.startswith("..2")])
        self.assertEqual(4, len(kept))

    def test_what_is_missing_is_waited_for(self):
        self.create(with_volume("waits", {"name": "data", "configMap": {"name": "later"}}))
        self.assertEqual('MountVolume.SetUp failed for volume "data" : configmap "later" not found',
                         self.daemon.wait_event("waits", "FailedMount")["message"])
        # Volumes come before the sandbox.
        status = self.daemon.pod("waits")["status"]
        self.assertNotIn("podIP", status)
        self.assertEqual("False", {c["type"]: c["status"] for c in status["conditions"]}["PodReadyToStartContainers"])
        box = container(script=SLEEP, env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "z"}}}])
        self.create(pod("waits-too", box))
        self.assertEqual('Error: configmap "later" not found', self.daemon.wait_event("waits-too", "Failed")["message"])
        self.daemon.wait_pod("waits-too", lambda p: waiting_reason(p) == "CreateContainerConfigError", what="waiting")
        self.config_map("later", {"k": "v"})
        self.daemon.wait_running("waits")
        self.daemon.wait_pod("waits-too", lambda p: "couldn't find key z in ConfigMap default/later" in
                             status_of(p).get("state", {}).get("waiting", {}).get("message", ""), what="waiting for the key")
        self.config_map("later", {"k": "v", "z": "1"}, update=True)
        self.daemon.wait_running("waits-too")

    def test_the_pod_s_own_fields(self):
        items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                 {"path": "limit", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory", "divisor": "1Mi"}}]
        box = container(script=SLEEP, volumeMounts=[mount()], resources={"limits": {"memory": "16Mi"}})
        self.create(pod("own", box, labels={"app": "web"}, volumes=[{"name": "data", "downwardAPI": {"items": items}}]))
        self.daemon.wait_running("own")
        self.assertEqual('app="web"\n16\n', self.run_in("own", "cat /data/labels; echo; cat /data/limit; echo").out)
        self.kubectl("label", "pod", "own", "tier=front")
        self.run_in("own", "until grep tier /data/labels; do :; done")

    def test_projected_together(self):
        self.config_map("part", {"c": "from config"})
        self.secret("part", s="from secret")
        sources = [{"configMap": {"name": "part"}}, {"secret": {"name": "part"}},
                   {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]
        log = self.finished(with_volume("projected", {"name": "data", "projected": {"sources": sources}},
                                        script="cd /data; for f in *; do echo $f=$(cat $f); done"))
        self.assertEqual("c=from config\nname=projected\ns=from secret\n", log)


class Hung(VolumeTest):
    """A file system whose server says nothing: whoever looks into it waits."""

    def hang(self, path):
        path.mkdir()
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
        self.assertEqual(0, libc.mount(b"hung", str(path).encode(), b"fuse", 0, options), os.strerror(ctypes.get_errno()))
        self.addCleanup(path.rmdir)
        self.addCleanup(libc.umount2, str(path).encode(), 2)  # MNT_DETACH
        self.addCleanup(os.close, device)  # whoever waits gets an error

    def test_paths_that_hang_hold_up_nobody_else(self):
        disk = self.daemon.directory / "hung-disk"
        self.hang(disk)
        names = [f"hung-{i}" for i in range(6)]
        for name in names:
            stuck = with_volume(name, host_path(disk / name, "DirectoryOrCreate"), mounts=[mount(), mount("/own", "own")])
            stuck["spec"]["volumes"].append(empty_dir("own"))
            self.create(stuck)
        self.create(with_volume("free", empty_dir()))
        self.daemon.wait_running("free")
        for name in names:
            self.assertEqual("ContainerCreating", waiting_reason(self.daemon.pod(name)))
        self.kubectl("delete", "pod", *names, "--now")
        for name in names:
            self.daemon.wait_gone(name)


class DaemonKilled(VolumeTest):
    def test_volumes_are_found_again_and_nothing_leaks(self):
        volumes = [empty_dir(), empty_dir("memory", medium="Memory", sizeLimit="1Mi")]
        mounts = [mount(), mount("/memory", "memory"), mount("/sub", subPath="below")]
        manifest = pod("survivor", container(script="echo d > /data/x; echo m > /memory/x; echo s > /sub/x; " + SLEEP, volumeMounts=mounts),
                       volumes=volumes)
        self.create(manifest)
        before = self.daemon.wait_running("survivor")
        uid = before["metadata"]["uid"]
        self.run_in("survivor", "until cat /sub/x; do :; done")
        counted = leaks.totals(leaks.count(self.daemon, [uid]))
        self.daemon.kill()
        self.daemon.start()
        after = self.daemon.wait_running("survivor")
        self.assertEqual(status_of(before)["containerID"], status_of(after)["containerID"])
        self.assertEqual("d\nm\ns\ns\n", self.run_in("survivor", "cat /data/x /memory/x /sub/x /data/below/x").out)
        self.assertEqual(counted, leaks.totals(leaks.count(self.daemon, [uid])))
        self.kubectl("delete", "pod", "survivor", "--now")
        self.daemon.wait_gone("survivor")
        self.assertEqual({}, leaks.wait_none(self.daemon, [uid]))

    def test_pods_that_wait_for_a_volume(self):
        volumes = [empty_dir(), empty_dir("memory", medium="Memory"), {"name": "later", "configMap": {"name": "later-still"}}]
        mounts = [mount(), mount("/memory", "memory"), mount("/later", "later")]
        names = ["comes", "goes"]
        for name in names:
            self.create(pod(name, container(script=SLEEP, volumeMounts=mounts), volumes=volumes))
        uids = [self.daemon.pod(name)["metadata"]["uid"] for name in names]
        for name in names:
            self.daemon.wait_event(name, "FailedMount")
        self.daemon.kill()
        self.daemon.start()
        self.kubectl("delete", "pod", "goes", "--now")
        self.daemon.wait_gone("goes")
        self.kubectl("create", "configmap", "later-still", "--from-literal=k=v")
        self.addCleanup(self.kubectl, "delete", "configmap", "later-still", check=False)
        self.daemon.wait_running("comes")
        self.run_in("comes", "until touch /data/x /memory/x && cat /later/k; do :; done")
        self.kubectl("delete", "pod", "comes", "--now")
        self.daemon.wait_gone("comes")
        self.assertEqual({}, leaks.wait_none(self.daemon, uids))

    def test_a_pod_that_is_gone_when_the_daemon_is_back(self):
        """Killed again and again in the middle of starts and ends: in the end nothing is left."""
        names = [f"churn-{n}" for n in range(4)]
        uids = []
        for round_ in range(3):
            for name in names:
                self.daemon.create(with_volume(name, empty_dir(medium="Memory", sizeLimit="1Mi"),
                                               mounts=[mount(), mount("/sub", subPath="below")], grace=1))
                uids.append(self.daemon.pod(name)["metadata"]["uid"])
            if round_:
                self.daemon.wait_running(names[0])
            self.daemon.kill()
            self.daemon.start()
            for name in names:
                self.kubectl("delete", "pod", name, "--now", "--wait=false")
            if round_ == 2:
                self.daemon.kill()
                self.daemon.start()
            for name in names:
                self.daemon.wait_gone(name)
        self.assertEqual({}, leaks.wait_none(self.daemon, uids))


class Example(VolumeTest):
    def test_the_document_s_web_server_and_sidecar(self):
        self.remove_later("web-and-sidecar")
        self.kubectl("create", "-f", SOURCE_DIR / "examples/web-and-sidecar.yaml")
        self.daemon.wait_running("web-and-sidecar")
        fetch = ["exec", "web-and-sidecar", "-c", "content", "--", "wget", "-q", "-O", "-", "http://localhost:8080/"]
        pages, end = set(), time.monotonic() + deadline(60)
        while len(pages) < 2 and time.monotonic() < end:  # the page changes by itself; wget is the only way to see it
            pages.add(self.kubectl(*fetch).out)
        self.assertGreaterEqual(len(pages), 2, pages)
        for page in pages:
            self.assertRegex(page, r"^version \d+, written by web-and-sidecar\n$")


if __name__ == "__main__":
    unittest.main()
