# SPDX-License-Identifier: MIT OR Apache-2.0
"""What an observer of the network sees: every TCP connection with its bytes, and every datagram.

own_network() starts the test again in a network of its own (unshare -Urn; no root needed), where Lo
records all there is on the loopback. Where that is refused, Tap stands between the daemons and a
server instead and records what passes through it.
"""
import contextlib
import fcntl
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import threading
import time

OUTGOING = 4  # each packet is seen twice on lo: as it goes and as it comes
MARK = b"capture: up to here"


def own_network():
    """True inside; else starts the whole test again inside, or returns False: it cannot be had."""
    if os.environ.get("TEST_OWN_NETWORK") == "1":
        with socket.socket() as s:  # lo is down in a new network
            name = struct.pack("16sh", b"lo", 0)
            flags = struct.unpack("16sh", fcntl.ioctl(s, 0x8913, name)[:18])[1]
            fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", flags | 1))
        return True
    if os.environ.get("TEST_OWN_NETWORK") == "0":
        print("     recording by a proxy, as asked")
        return False
    with contextlib.suppress(OSError):
        if subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0:
            os.environ["TEST_OWN_NETWORK"] = "1"
            sys.stdout.flush()
            os.execvp("unshare", ["unshare", "-Urn", sys.executable, "-B", *sys.argv])
    print("     no network of our own (unshare -Urn is refused): recording by a proxy instead")
    return False


class Flow:
    """One TCP connection: who called whom, and the bytes both ways."""

    def __init__(self, client, server, began):
        self.client, self.server, self.began = client, server, began
        self.up, self.down = bytearray(), bytearray()

    def __repr__(self):
        return f"{self.client[0]}:{self.client[1]} -> {self.server[0]}:{self.server[1]}"


class Stream:
    """One direction: bytes in the order of their sequence numbers."""

    def __init__(self, first, out):
        self.next, self.out, self.later = first, out, {}

    def take(self, seq, data):
        if not data:
            return
        self.later[seq] = max(data, self.later.get(seq, b""), key=len)
        while True:
            at = next((s for s in self.later if (self.next - s) & 0xFFFFFFFF < 1 << 31), None)
            if at is None:
                return
            piece = self.later.pop(at)[(self.next - at) & 0xFFFFFFFF:]
            self.out += piece
            self.next = (self.next + len(piece)) & 0xFFFFFFFF


class Lo:
    def __enter__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.bind(("lo", 3))
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.list, self.streams, self.open, self.udp = [], {}, {}, []
        self.marks, self.changed, self.lock = 0, threading.Condition(), threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.mark(stop=True)
        self.thread.join(10)
        self.socket.close()

    def mark(self, stop=False):
        """Everything up to now has been taken in."""
        self.stop = stop
        with self.changed:
            want = self.marks + 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(MARK, ("127.0.0.1", 9))
        with self.changed:
            if not self.changed.wait_for(lambda: self.marks >= want, 60):
                raise RuntimeError("the capture does not keep up")

    stop = False

    def run(self):
        while True:
            packet, where = self.socket.recvfrom(1 << 18)
            if where[2] == OUTGOING or where[1] != 0x0800:
                if where[1] == 0x86DD and where[2] != OUTGOING:
                    self.udp.append(("IPv6", packet[:60]))
                continue
            if self.packet(packet):
                with self.changed:
                    self.marks += 1
                    self.changed.notify_all()
                if self.stop:
                    return

    def packet(self, p):
        head = (p[0] & 15) * 4
        length = struct.unpack("!H", p[2:4])[0] or len(p)
        source, target = socket.inet_ntoa(p[12:16]), socket.inet_ntoa(p[16:20])
        body = p[head:length]
        if p[9] == socket.IPPROTO_UDP:
            if body[8:] == MARK:
                return True
            self.udp.append(((source, target), body))
        elif p[9] == socket.IPPROTO_TCP:
            self.segment(source, target, body)
        return False

    def segment(self, source, target, body):
        sport, dport, seq = struct.unpack("!HHI", body[:8])
        flags = body[13]
        a, b = (source, sport), (target, dport)
        data = bytes(body[(body[12] >> 4) * 4:])
        with self.lock:
            if flags & 2 and not flags & 16:  # SYN: a new one
                if (a, b) in self.streams and not self.open[a, b].up and not self.open[a, b].down:
                    return  # sent again
                flow = Flow(a, b, time.monotonic())
                self.list.append(flow)
                self.open[a, b] = flow
                self.streams[a, b] = Stream((seq + 1) & 0xFFFFFFFF, flow.up)
                self.streams.pop((b, a), None)
            elif flags & 2 and (b, a) in self.open:
                self.streams[b, a, "down"] = Stream((seq + 1) & 0xFFFFFFFF, self.open[b, a].down)
            elif (a, b) in self.open:
                self.streams[a, b].take(seq, data)
            elif (b, a, "down") in self.streams:
                self.streams[b, a, "down"].take(seq, data)

    def flows(self):
        self.mark()
        with self.lock:
            return list(self.list)

    def address(self, server):
        """Under which the server is to be called."""
        return server


class Tap:
    """A recording proxy before one server at a time; sees only what is sent to it."""

    def __enter__(self):
        self.list, self.listeners, self.lock = [], [], threading.Lock()
        self.udp = []
        return self

    def __exit__(self, *_):
        for s in self.listeners:
            s.close()

    def address(self, server):
        """server: HOST:PORT#PIN. A new door before it."""
        where, pin = server.split("#")
        listener = socket.create_server(("127.0.0.1", 0))
        self.listeners.append(listener)
        host, port = where.rsplit(":", 1)
        threading.Thread(target=self.serve, args=(listener, (host, int(port))), daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}#{pin}"

    def serve(self, listener, server):
        while True:
            try:
                s, client = listener.accept()
            except OSError:
                return
            flow = Flow(client, server, time.monotonic())
            with self.lock:
                self.list.append(flow)
            threading.Thread(target=pump, args=(s, server, flow), daemon=True).start()

    def flows(self):
        with self.lock:
            return list(self.list)


def pump(caller, server, flow=None, through=None):
    try:
        other = socket.create_connection(server, 10)
    except OSError:
        caller.close()
        return
    join(caller, other, flow, through)


def join(caller, other, flow=None, through=None):
    """Bytes both ways until both ends are done; through(data) may keep back what the caller says."""
    ends = {caller: other, other: caller}
    open_ends = set(ends)
    with caller, other, contextlib.suppress(OSError):
        while open_ends:
            for s in select.select(list(open_ends), [], [])[0]:
                data = s.recv(1 << 16)
                if flow is not None:
                    (flow.up if s is caller else flow.down).extend(data)
                if not data:
                    open_ends.discard(s)
                    ends[s].shutdown(socket.SHUT_WR)
                elif through is None or s is other or through(data):
                    ends[s].sendall(data)


# ---- sockets that are there ----


def sockets(kind):
    """(address, port, state) of all sockets in this network: kind tcp, udp, tcp6, udp6."""
    found = []
    for line in pathlib.Path("/proc/self/net/" + kind).read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        host, port = words[1].split(":")
        raw = bytes.fromhex(host)
        address = socket.inet_ntoa(raw[::-1]) if len(raw) == 4 else host
        found.append((address, int(port, 16), int(words[3], 16)))
    return found


def listening():
    return {port for kind in ("tcp", "tcp6") for _, port, state in sockets(kind) if state == 10}


# ---- TLS ClientHello ----


class Hello:
    """The first record of a TLS client. skeleton: all of it with what is random blanked."""

    def __init__(self, stream):
        data = bytes(stream)
        if len(data) < 9 or data[0] != 22 or data[5] != 1:
            raise ValueError(f"no ClientHello: {data[:16]!r}")
        self.record = data[:5 + struct.unpack("!H", data[3:5])[0]]
        p = self.record
        blank = bytearray(p)
        self.random = p[11:43]
        blank[11:43] = bytes(32)
        at = 43
        self.session = p[at + 1:at + 1 + p[at]]
        blank[at + 1:at + 1 + p[at]] = bytes(p[at])
        at += 1 + p[at]
        at += 2 + struct.unpack("!H", p[at:at + 2])[0]
        at += 1 + p[at]
        self.extensions_at = at
        end = at + 2 + struct.unpack("!H", p[at:at + 2])[0]
        at += 2
        self.extensions, self.places = {}, {}
        while at < end:
            kind, n = struct.unpack("!HH", p[at:at + 4])
            self.extensions[kind] = p[at + 4:at + 4 + n]
            self.places[kind] = (at, at + 4 + n)
            at += 4 + n
        name = self.extensions.get(0, b"")
        self.sni = name[5:] if name else None
        share = self.extensions.get(51, b"")
        self.group, self.share = share[2:4], share[6:]
        for kind, skip in ((0, 9), (51, 10)):
            if kind in self.places:
                a, b = self.places[kind]
                blank[a + skip:b] = bytes(b - a - skip)
        self.skeleton = bytes(blank)

    def with_sni(self, name):
        a, b = self.places[0]
        if len(name) != len(self.sni):
            raise ValueError("another length")
        return self.record[:b - len(name)] + name + self.record[b:]

    def without_sni(self):
        a, b = self.places[0]
        p = bytearray(self.record[:a] + self.record[b:])
        n, at = b - a, self.extensions_at
        p[at:at + 2] = struct.pack("!H", struct.unpack("!H", p[at:at + 2])[0] - n)
        p[6:9] = struct.pack("!I", struct.unpack("!I", b"\0" + p[6:9])[0] - n)[1:]
        p[3:5] = struct.pack("!H", struct.unpack("!H", p[3:5])[0] - n)
        return bytes(p)


def records(stream):
    """(type, payload) of each whole TLS record."""
    at = 0
    while at + 5 <= len(stream):
        n = struct.unpack("!H", stream[at + 3:at + 5])[0]
        if at + 5 + n > len(stream):
            return
        yield stream[at], bytes(stream[at + 5:at + 5 + n])
        at += 5 + n


def sealed(stream):
    """What is encrypted in it, piece by piece."""
    return [payload for kind, payload in records(stream) if kind == 23]


def answers(stream):
    """random and key share of a ServerHello, and all of it with these and the session id blanked."""
    kind, p = next(records(stream))
    if kind != 22 or p[0] != 2:
        raise ValueError("no ServerHello")
    blank = bytearray(p)
    at = 39 + p[38]  # cipher suite
    blank[6:38], blank[39:at] = bytes(32), bytes(p[38])
    at += 5
    while at < len(p):
        kind, n = struct.unpack("!HH", p[at:at + 4])
        if kind == 51:
            share = p[at + 8:at + 4 + n]
            blank[at + 8:at + 4 + n] = bytes(len(share))
        at += 4 + n
    return p[6:38], share, bytes(blank)


def windows(data, n=8):
    data = bytes(data)
    return {data[i:i + n] for i in range(len(data) - n + 1)}
