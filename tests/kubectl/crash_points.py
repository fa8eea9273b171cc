"""Stops a daemon at an exact step: whoever it starts asks this process before each system call that changes something.

A seccomp filter with user notification is put on the daemon, and by inheritance on all that it starts (conmon, crun, skopeo,
the containers). Each call of TABLE waits until it has been looked at here, so the daemon can be killed *before* the n-th call of
a kind, also while the call is a child's: it is dead before the child goes on. Python's own library only."""
import ctypes
import fcntl
import os
import platform
import re
import select
import signal
import socket
import struct
import threading

# By machine: (the architecture's mark in a filter, number of seccomp(2), {number: name}).
NAMES_X86 = {40: "sendfile", 44: "sendto", 46: "sendmsg", 59: "execve", 62: "kill", 75: "fdatasync", 82: "rename", 83: "mkdir",
             84: "rmdir", 86: "link", 87: "unlink", 88: "symlink", 155: "pivot_root", 165: "mount", 166: "umount2",
             170: "sethostname", 231: "exit_group", 258: "mkdirat", 263: "unlinkat", 264: "renameat", 266: "symlinkat",
             272: "unshare", 308: "setns", 316: "renameat2", 424: "pidfd_send_signal", 429: "move_mount"}
NAMES_ARM = {34: "mkdirat", 35: "unlinkat", 36: "symlinkat", 38: "renameat", 39: "umount2", 40: "mount", 41: "pivot_root",
             71: "sendfile", 83: "fdatasync", 94: "exit_group", 97: "unshare", 129: "kill", 161: "sethostname", 206: "sendto",
             211: "sendmsg", 221: "execve", 268: "setns", 276: "renameat2", 424: "pidfd_send_signal", 429: "move_mount"}
MACHINES = {"x86_64": (0xC000003E, 317, NAMES_X86), "aarch64": (0xC00000B7, 277, NAMES_ARM)}

# Which arguments are paths, and which are directories that a path is relative to: name: [(directory, path), ...].
PATHS = {"execve": [(None, 0)], "rename": [(None, 0), (None, 1)], "mkdir": [(None, 0)], "rmdir": [(None, 0)], "unlink": [(None, 0)],
         "link": [(None, 0), (None, 1)], "symlink": [(None, 0), (None, 1)], "mount": [(None, 0), (None, 1)],
         "umount2": [(None, 0)], "mkdirat": [(0, 1)], "unlinkat": [(0, 1)], "renameat": [(0, 1), (2, 3)],
         "renameat2": [(0, 1), (2, 3)], "symlinkat": [(None, 0), (1, 2)], "move_mount": [(0, 1), (2, 3)]}

NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif with its seccomp_data
ANSWER = struct.Struct("=QqiI")            # struct seccomp_notif_resp
RECEIVE = 3 << 30 | NOTIFICATION.size << 16 | ord("!") << 8
SEND = 3 << 30 | ANSWER.size << 16 | ord("!") << 8 | 1
GO_ON = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
AT_FDCWD = -100


def filter_program():
    """A classic BPF program: the calls of the table are asked about, all others just go on."""
    mark, _, names = MACHINES[platform.machine()]
    count = len(names)

    def step(code, k, if_so=0, if_not=0):
        return struct.pack("=HBBI", code, if_so, if_not, k)
    program = [step(0x20, 4), step(0x15, mark, 0, count + 1), step(0x20, 0)]      # another architecture: not asked about
    program += [step(0x15, number, count - i, 0) for i, number in enumerate(names)]  # each jumps to the last step
    program += [step(0x06, 0x7FFF0000), step(0x06, 0x7FC00000)]                     # ALLOW, USER_NOTIF
    return b"".join(program)


class Call:
    """One system call that waits."""

    def __init__(self, number, name, thread, process, program, paths, words):
        self.number, self.name, self.thread, self.process = number, name, thread, process
        self.program, self.paths, self.words = program, paths, words

    def __repr__(self):
        return f"{self.number}: {self.program} {self.name}({', '.join(self.paths)}){' ' + ' '.join(self.words) if self.words else ''}"


def step(name, path=None, program=None, words=None, nth=1):
    """A rule: the nth call of that name by that program whose paths (or an execve's words) match the patterns."""
    seen = [0]

    def fits(call):
        if call.name not in name.split("|") or (program and not re.search(program, call.program)):
            return False
        if path and not any(re.search(path, p) for p in call.paths):
            return False
        if words and not re.search(words, " ".join(call.words)):
            return False
        seen[0] += 1
        return seen[0] == nth
    return fits


def after(first, second):
    """A rule: what fits the second, once the first has been met."""
    met = []

    def fits(call):
        if met:
            return second(call)
        if first(call):
            met.append(call)
        return False
    return fits


def call_number(k):
    """A rule: the k-th call of all."""
    return lambda call: call.number == k


class CrashPoints:
    """One filter and who listens to it. Give `install` to Popen's preexec_fn: that process is the daemon."""

    def __init__(self):
        if platform.machine() not in MACHINES:
            raise OSError(f"the system calls of {platform.machine()} are not known here")
        # All that the child needs is made before the fork: there, another thread's lock would never be let go.
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.seccomp = MACHINES[platform.machine()][1]
        steps = filter_program()
        self.steps = ctypes.create_string_buffer(steps)
        self.program = struct.pack("=HxxxxxxQ", len(steps) // 8, ctypes.addressof(self.steps))
        self.here, self.there = socket.socketpair()
        self.listener = None
        self.daemon = None  # its number
        self.rule, self.count, self.killed_at = None, 0, None
        self.log = []
        self.hit = threading.Event()
        self.lock = threading.Lock()
        self.stop, self.stopped = socket.socketpair()
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    # --- in the child, before it becomes the daemon ---

    def install(self):
        self.here.close()  # so that the end of who listens is seen
        new_listener, wait_killable = 1 << 3, 1 << 5
        for flags in (new_listener | wait_killable, new_listener):  # older kernels lack the second
            fd = self.libc.syscall(self.seccomp, 1, flags, self.program)
            if fd >= 0:
                # write and not sendmsg, which waits for an answer now: the number is enough for pidfd_getfd.
                os.write(self.there.fileno(), struct.pack("=ii", os.getpid(), fd))
                if not os.read(self.there.fileno(), 1):
                    raise OSError("nobody listens")
                return
        raise OSError(ctypes.get_errno(), "seccomp")

    # --- here ---

    def arm(self, rule):
        """Kills the daemon at the first call that the rule fits. Calls are counted from now."""
        with self.lock:
            self.rule, self.count, self.killed_at = rule, 0, None
            self.log = []
            self.hit.clear()

    def wait(self, seconds):
        """The call at which the daemon was killed; None when it never came."""
        return self.killed_at if self.hit.wait(seconds) else None

    def disarm(self):
        with self.lock:
            self.rule = None

    def close(self):
        """Only once nobody lives who has the filter: their calls would fail."""
        try:
            self.stop.send(b"x")
        except OSError:
            pass  # it has ended by itself
        self.thread.join()
        self.stop.close()

    def listen(self):
        try:
            if self.take_listener():
                while self.wait_for(self.listener):
                    self.take_call()
        finally:
            if self.listener is not None:
                os.close(self.listener)
            for end in (self.here, self.there, self.stopped):
                end.close()

    def wait_for(self, descriptor):
        """False when it is to stop, or nobody has the filter any more."""
        polling = select.poll()
        polling.register(descriptor, select.POLLIN)
        polling.register(self.stopped, select.POLLIN)
        events = dict(polling.poll())
        return self.stopped.fileno() not in events and bool(events[descriptor] & select.POLLIN)

    def take_listener(self):
        if not self.wait_for(self.here.fileno()):
            return False
        self.daemon, number = struct.unpack("=ii", self.here.recv(8))
        pidfd = os.pidfd_open(self.daemon)
        self.listener = self.libc.syscall(438, pidfd, number, 0)  # pidfd_getfd, the same number everywhere
        os.close(pidfd)
        if self.listener < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        self.here.send(b"x")
        return True

    def take_call(self):
        buffer = bytearray(NOTIFICATION.size)
        try:
            fcntl.ioctl(self.listener, RECEIVE, buffer)
        except OSError:  # who asked was killed meanwhile
            return
        ident, thread, _, number, _, _, *arguments = NOTIFICATION.unpack(buffer)
        with self.lock:
            if self.rule:
                self.look(thread, number, arguments)
        try:
            fcntl.ioctl(self.listener, SEND, bytearray(ANSWER.pack(ident, 0, 0, GO_ON)))
        except OSError:
            return

    def look(self, thread, number, arguments):
        name = MACHINES[platform.machine()][2].get(number, str(number))
        process, program = who_is(thread)
        if name == "exit_group" and program in ("sleep", "sh"):
            return  # what runs in containers is not a step of ours
        if name in ("sendmsg", "sendto", "sendfile") and not is_netlink(thread, arguments[0]):
            return
        self.count += 1
        paths = [path_of(thread, arguments, *where) for where in PATHS.get(name, [])]
        words = words_of(thread, arguments[1]) if name == "execve" else []
        call = Call(self.count, name, thread, process, program, paths, words)
        self.log.append(call)
        if self.rule(call):
            self.rule = None
            self.killed_at = call
            self.kill_daemon()
            self.hit.set()

    def kill_daemon(self):
        pidfd = os.pidfd_open(self.daemon)
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            ended.poll(30_000)  # dead, with all its threads, before anybody goes on
        finally:
            os.close(pidfd)


def who_is(thread):
    try:
        with open(f"/proc/{thread}/status", encoding="utf-8", errors="replace") as status:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        process = int(fields["Tgid"])
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as comm:
            return process, comm.read().rstrip("\n")
    except (OSError, KeyError, ValueError):
        return 0, "?"


def is_netlink(thread, descriptor):
    try:
        link = os.readlink(f"/proc/{thread}/fd/{descriptor & 0xFFFFFFFF}")
        inode = re.fullmatch(r"socket:\[(\d+)\]", link)
        if not inode:
            return False
        with open(f"/proc/{thread}/net/netlink", encoding="ascii") as table:
            return any(line.split()[-1] == inode.group(1) for line in table)
    except OSError:
        return False


def memory(thread, address, size):
    try:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as mem:
            mem.seek(address)
            return mem.read(size)
    except (OSError, ValueError, OverflowError):
        return b""


def text_at(thread, address):
    page = 4096
    data = memory(thread, address, page - address % page)
    if b"\0" not in data:
        data += memory(thread, address + len(data), page)
    return data.split(b"\0", 1)[0].decode(errors="replace")


def path_of(thread, arguments, directory, path):
    text = text_at(thread, arguments[path]) if arguments[path] else ""
    if text.startswith("/") or directory is None:
        return text
    number = arguments[directory] & 0xFFFFFFFF
    try:
        base = os.readlink(f"/proc/{thread}/" + ("cwd" if number == AT_FDCWD & 0xFFFFFFFF else f"fd/{number}"))
    except OSError:
        return text
    return f"{base}/{text}"


def words_of(thread, address):
    words = []
    while address and len(words) < 64:
        pointer = int.from_bytes(memory(thread, address + 8 * len(words), 8), "little")
        if pointer == 0:
            break
        words.append(text_at(thread, pointer))
    return words
