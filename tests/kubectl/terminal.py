"""A kubectl that believes to sit at a terminal: what is typed into it and what it shows."""
import fcntl
import os
import pty
import select
import struct
import termios
import time

from harness import deadline


class Terminal:
    """Runs kubectl on a pseudo terminal. Use as a context manager."""

    def __init__(self, daemon, *args, rows=33, columns=123):
        self.primary, secondary = pty.openpty()
        self.resize_to(secondary, rows, columns)
        self.process = daemon.kubectl_process(*args, stdin=secondary, stdout=secondary, stderr=secondary, start_new_session=True)
        os.close(secondary)
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.primary)

    @staticmethod
    def resize_to(descriptor, rows, columns):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """Reads once more; False at the end, TimeoutError when nothing comes."""
        if not select.select([self.primary], [], [], max(0.0, seconds))[0]:
            raise TimeoutError(f"nothing more on the terminal: {self.seen!r}")
        try:
            data = os.read(self.primary, 65536)
        except OSError:  # EIO: nobody has the other end open
            return False
        self.seen += data
        return bool(data)

    def until(self, text, seconds=30):
        """Reads until the text was shown, and forgets what came before it."""
        end = time.monotonic() + deadline(seconds)
        while text not in self.seen:
            if not self.read(end - time.monotonic()):
                raise AssertionError(f"the terminal ended without {text!r}: {self.seen!r}")
        self.seen = self.seen.split(text, 1)[1]

    def type(self, data):
        os.write(self.primary, data)

    def finish(self, seconds=30):
        """Reads to the end; the exit code. A terminal that is not read would keep kubectl from ending."""
        end = time.monotonic() + deadline(seconds)
        while self.read(end - time.monotonic()):
            pass
        return self.process.wait(max(1.0, end - time.monotonic()))
