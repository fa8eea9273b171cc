"""The least that gives a bare container a pod's network: a namespace pinned by a bind mount, a veth pair on a bridge, an
address and a default route. Bare netlink, no process is started for it."""
import ctypes
import ipaddress
import os
import socket
import struct
import threading
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, MS_BIND, MNT_DETACH = 0x40000000, 4096, 2
NEWLINK, DELLINK, NEWADDR, NEWROUTE = 16, 17, 20, 24
REQUEST_ACK, CREATE_EXCL = 5, 0x600
IFNAME, MASTER, LINKINFO, NET_NS_FD = 3, 10, 18, 28
INFO_KIND, INFO_DATA, VETH_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL, RTA_OIF, RTA_GATEWAY = 1, 2, 4, 5
UP = 1


def checked(result, what):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def link_header(index=0, flags=0):
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


class Netlink:
    """One rtnetlink socket, in the network namespace of the thread that makes it."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self.socket.bind((0, 0))

    def run(self, kind, body, flags=0):
        self.socket.send(struct.pack("IHHII", 16 + len(body), kind, REQUEST_ACK | flags, 1, 0) + body)
        code = -struct.unpack_from("i", self.socket.recv(8192), 16)[0]
        if code != 0:
            raise OSError(code, f"rtnetlink {kind}: {os.strerror(code)}")

    def up(self, index, master=None):
        self.run(NEWLINK, link_header(index, UP) + (attribute(MASTER, struct.pack("i", master)) if master else b""))

    def address(self, index, ip, bits):
        raw = ip.packed
        self.run(NEWADDR, struct.pack("BBBBi", socket.AF_INET, bits, 0, 0, index) + attribute(IFA_LOCAL, raw) + attribute(IFA_ADDRESS, raw),
                 CREATE_EXCL)

    def way_out(self, index, gateway):
        head = struct.pack("BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 4, 0, 1, 0)  # main table, static, universe, unicast
        self.run(NEWROUTE, head + attribute(RTA_GATEWAY, gateway.packed) + attribute(RTA_OIF, struct.pack("i", index)), CREATE_EXCL)


class BareNetwork:
    """A bridge of its own and what hangs on it."""

    def __init__(self, directory, bridge, cidr):
        self.directory, self.bridge = Path(directory), bridge
        self.directory.mkdir(parents=True)
        self.network = ipaddress.ip_network(cidr)
        self.host, self.serial, self.lock = Netlink(), 1, threading.Lock()
        kind = attribute(INFO_KIND, b"bridge")
        self.host.run(NEWLINK, link_header() + attribute(IFNAME, bridge.encode() + b"\0") + attribute(LINKINFO, kind), CREATE_EXCL)
        self.index = socket.if_nametoindex(bridge)
        self.host.address(self.index, self.network[1], self.network.prefixlen)
        self.host.up(self.index)

    def make(self):
        """A namespace with eth0; its path."""
        with self.lock:
            self.serial += 1
            serial = self.serial
        pin = self.directory / str(serial)
        failed = []
        thread = threading.Thread(target=self.make_inside, args=(pin, serial, failed))
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return pin

    def make_inside(self, pin, serial, failed):
        """In a thread of its own, which leaves its namespace behind and ends."""
        try:
            checked(LIBC.unshare(CLONE_NEWNET), "unshare")
            pin.touch()
            checked(LIBC.mount(b"/proc/thread-self/ns/net", str(pin).encode(), None, MS_BIND, None), "mount")
            name = f"{self.bridge}v{serial}"
            with open(pin, "rb") as space, self.lock:
                peer = link_header() + attribute(IFNAME, b"eth0\0") + attribute(NET_NS_FD, struct.pack("I", space.fileno()))
                kind = attribute(INFO_KIND, b"veth") + attribute(INFO_DATA, attribute(VETH_PEER, peer))
                self.host.run(NEWLINK, link_header(0, UP) + attribute(IFNAME, name.encode() + b"\0")
                              + attribute(MASTER, struct.pack("i", self.index)) + attribute(LINKINFO, kind), CREATE_EXCL)
            inside = Netlink()
            eth0 = socket.if_nametoindex("eth0")
            inside.up(1)
            inside.address(eth0, self.network[2 + serial % 250], self.network.prefixlen)
            inside.up(eth0)
            inside.way_out(eth0, self.network[1])
            inside.socket.close()
        except OSError as error:
            failed.append(error)

    def remove(self, pin):
        LIBC.umount2(str(pin).encode(), MNT_DETACH)  # the last reference: eth0 and its peer go with it
        pin.unlink(missing_ok=True)

    def close(self):
        for pin in self.directory.iterdir():
            self.remove(pin)
        try:
            self.host.run(DELLINK, link_header(self.index))
        except OSError:
            pass
        self.host.socket.close()
