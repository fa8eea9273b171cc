"""The daemon killed -9 at each step of a pod's life: before the system call that the step is. Nothing leaks, nothing is lost, no
container restarts for it, and a pod beside it does not notice. `./dev crash-sweep` does the same at every call there is."""
import contextlib
import itertools
import unittest

from crash_points import after, step
from crash_world import CrashWorld, victim
from harness import SLEEP, container, pod

POD, MOUNTS = "/pods/[^/]*", "/sandboxes/[^/]*"

# (step, the rule that finds it) while a pod is made ...
MAKING = [
    ("the pod is stored", lambda: step("fdatasync", program="podium")),
    ("its directory is made", lambda: step("mkdir", f"{POD}$")),
    ("an address is leased", lambda: step("rename", r"/network/pods/.*\.json")),
    ("the network namespace is pinned", lambda: step("mount", f"{MOUNTS}/net$")),
    ("the veth is made", lambda: step("sendto")),
    ("the veth is there", lambda: step("sendto", nth=4)),
    ("the host port is opened", lambda: step("sendmsg")),
    ("the address is recorded", lambda: step("rename", r"/network/pods/.*\.json", nth=2)),
    ("/dev/shm is mounted", lambda: step("mount", f"{MOUNTS}/shm$")),
    ("a cgroup is made", lambda: step("mkdir", r"^/sys/fs/cgroup/.*/pod[^/]*$")),
    ("the first process is started", lambda: step("execve", "podium-pod-init")),
    ("the first process leaves the host's files", lambda: step("pivot_root", program="podium-pod-init")),
    ("the process namespace is pinned", lambda: step("mount", f"{MOUNTS}/pid$")),
    ("the sandbox is recorded", lambda: step("rename", f"{POD}/sandbox.json$")),
    ("a volume is mounted", lambda: step("mount", "/volumes/.*/memory$")),
    ("a volume's files are shown", lambda: step("rename", r"/\.\.data$")),
    ("the root file system is mounted", lambda: step("mount", "/rootfs$", program="podium")),
    ("a sub path is pinned", lambda: step("mount", "/subpaths/1$")),
    ("the container is recorded", lambda: step("rename", "/state.json$")),
    ("conmon is started", lambda: step("execve", "/conmon$")),
    ("crun create is called", lambda: step("execve", program="conmon")),
    ("crun makes the container's cgroup", lambda: step("mkdirat", "^/sys/fs/cgroup/", program="crun")),
    ("crun changes the root", lambda: step("pivot_root", program="crun")),
    ("the container is created, nobody knows", lambda: after(step("pivot_root", program="crun"), step("exit_group", program="crun"))),
    ("the container is let go", lambda: step("unlink", "/exec.fifo$", program="podium")),
    ("the container starts", lambda: step("execve", words="trap")),
    ("the start is recorded", lambda: step("rename", "/state.json$", nth=2)),
    ("the store learns of the start", lambda: after(step("rename", "/state.json$", nth=2), step("fdatasync", program="podium"))),
    ("a probe runs", lambda: step("execve", words=" exec ")),
    ("a probe has run", lambda: step("execve", words="^true$")),
]

# ... and while it ends.
ENDING = [
    ("the deletion is stored", lambda: step("fdatasync", program="podium")),
    ("a hook or a probe is called", lambda: step("execve", words=" exec ")),
    ("the preStop hook runs", lambda: step("execve", words="^true hook$")),
    ("the stop signal is sent", lambda: step("pidfd_send_signal", program="podium")),
    ("conmon writes the exit code", lambda: step("rename", "/exits/", program="conmon")),
    ("the end is recorded", lambda: step("rename", "/state.json$")),
    ("crun delete is called", lambda: step("execve", words=" delete ")),
    ("crun removes its state", lambda: step("unlinkat", "/oci/", program="crun")),
    ("the container's cgroup is removed", lambda: step("rmdir", r"^/sys/fs/cgroup/.*/[0-9a-f]{64}$", program="podium")),
    ("the root file system is unmounted", lambda: step("umount2", "/rootfs$", program="podium")),
    ("the bundle is removed", lambda: step("unlink", "/config.json$", program="podium")),
    ("volumes are unmounted", lambda: step("umount2", "/volumes/.*/memory$")),
    ("the veth is removed", lambda: step("sendto", program="podium")),
    ("the host port is closed", lambda: step("sendmsg", program="podium")),
    ("the address is given back", lambda: step("unlink", r"/network/pods/.*\.json$")),
    ("the network namespace is let go", lambda: step("umount2", f"{MOUNTS}/net$")),
    ("the process namespace is let go", lambda: step("umount2", f"{MOUNTS}/pid$")),
    ("the pod's cgroup is removed", lambda: step("rmdir", r"^/sys/fs/cgroup/.*/pod[^/]*$")),
    ("the records are removed", lambda: step("unlinkat", f"{POD}/containers")),
    ("the sandbox's record is removed", lambda: step("unlinkat", f"{POD}/sandbox.json$")),
    ("the pod's directory is removed", lambda: step("rmdir", f"{POD}$")),
    ("the logs are removed", lambda: step("unlinkat", "/logs/")),
    ("the object is removed", lambda: after(step("unlinkat", "/logs/"), step("fdatasync", program="podium"))),
]


def image_files(world):
    """The index may be whole, or newer in its journal: that is no leftover."""
    images = world.daemon.data / "images"
    found = [str(path.relative_to(images)) for depth in ("*", "*/*", "*/*/*") for path in images.glob(depth)]
    return sorted(name for name in found if name not in ("images.json", "images.early.json"))


class Killed(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def test_at_each_step_of_its_life(self):
        world = self.stack.enter_context(CrashWorld("killed"))
        for number, (making, ending) in enumerate(itertools.zip_longest(MAKING, ENDING, fillvalue=(None, None))):
            name = f"victim-{number}"
            with self.subTest(making=making[0], ending=ending[0]):
                manifest = victim(name)
                question = world.create(manifest)
                if making[0]:
                    self.kill(world, making, question)
                else:
                    question.ask()
                world.comes_up(manifest, question, making[0])
                question = world.delete(name)
                if ending[0]:
                    self.kill(world, ending, question)
                else:
                    question.ask()
                world.goes(name, question, ending[0])

    def test_killed_again_while_it_finds_what_was_begun(self):
        world = self.stack.enter_context(CrashWorld("again"))
        begun = dict(MAKING)
        for number, (first, name, rule) in enumerate([
                ("the network namespace is pinned", "a stranger's veth or namespace is removed", lambda: step("sendto")),
                ("the first process is started", "what was half made is removed", lambda: step("rmdir", "^/sys/fs/cgroup/")),
                ("a volume is mounted", "a volume is found again", lambda: step("fdatasync", program="podium", nth=2)),
                ("the container is created, nobody knows", "crun is asked for its state", lambda: step("execve", words=" state ")),
                ("the container is created, nobody knows", "what was half started is removed", lambda: step("execve", words=" delete ")),
                ("the start is recorded", "what runs is taken over", lambda: step("rename", "/state.json$"))]):
            with self.subTest(first=first, then=name):
                manifest = victim(f"victim-{number}")
                question = world.create(manifest)
                self.assertTrue(world.kill_at(begun[first](), question))
                self.assertFalse(world.start(rule()), f"{name}: there was no such call in {world.points[-1].log}")
                world.start()
                world.comes_up(manifest, question, name)
                world.goes(manifest["metadata"]["name"], world.delete(manifest["metadata"]["name"]), name)

    def kill(self, world, at, question):
        name, rule = at
        self.assertTrue(world.kill_at(rule(), question), f"{name}: there was no such call in {world.points[-1].log}")
        world.start()

    def test_at_each_step_of_a_pull(self):
        """In a data directory of its own each time, so that there is something to pull."""
        steps = [("skopeo is called", lambda: step("execve", words="skopeo")),
                 ("a blob comes", lambda: step("renameat|rename", program="skopeo")),
                 ("the image is unpacked", lambda: step("mkdirat|mkdir", "/images/", program="podium", nth=3)),
                 ("the layer is there", lambda: step("rename|renameat2", "/images/", program="podium"))]
        manifest, whole = pod("victim", container(script=SLEEP)), None
        for number, (name, rule) in enumerate([("nothing", None), *steps]):
            with self.subTest(name), CrashWorldWithoutImage(f"pull{number}") as world:
                question = world.create(manifest)
                if rule:
                    self.kill(world, (name, rule), question)
                else:
                    question.ask()
                world.comes_up(manifest, question, name)
                world.goes("victim", world.delete("victim"), name)
                files = image_files(world)
                whole = whole or files
                self.assertEqual(whole, files, "what a pull that was cut short leaves behind")


class CrashWorldWithoutImage(CrashWorld):
    """Nobody stands beside the pull: a bystander would have brought the image."""

    def __enter__(self):
        self.group.mkdir(exist_ok=True)
        self.start()
        self.bystander, self.before = self.identity(), self.counted()
        return self

    def identity(self):
        return None


if __name__ == "__main__":
    unittest.main()
