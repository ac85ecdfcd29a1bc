# SPDX-License-Identifier: MIT OR Apache-2.0
"""How long a word takes to another one's screen, at a steady pace: of our daemons, and of mosquitto over TLS at
QoS 1. One thread writes and reads, so that the driver waits for nothing but the clock and the bytes."""
import contextlib
import getpass
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time

TEXT = 100  # bytes of a message
LAST = "message"  # the event that comes last


def share(sorted_values, part):
    return sorted_values[min(len(sorted_values) - 1, int(part * len(sorted_values)))]


def line(number):
    return f"m{number:06d} ".ljust(TEXT, "x")


def paced(send, answers, news, pattern, first, n, rate):
    """Sends n messages, rate a second. send(number) writes one, answers() gives {descriptor: function that takes what
    came}, news is a descriptor of which pattern finds (kind, number). Returns {kind: {number: ms since its sending
    began}} when every message has come in the last of the kinds, or after a while without."""
    poll = select.poll()
    poll.register(news, select.POLLIN)
    sent, seen, kept = {}, {}, b""
    begin = time.monotonic() + 0.05
    deadline = begin + n / rate + 10
    number = first
    while time.monotonic() < deadline and len(seen.get(LAST, {})) < n:
        now = time.monotonic()
        due = begin + (number - first) / rate if number < first + n else None
        if due is not None and now >= due:
            sent[number] = time.monotonic()
            send(number)
            number += 1
            continue
        taken = answers()
        for fd in taken:
            poll.register(fd, select.POLLIN)
        # poll sleeps whole milliseconds: the last part of the wait is spent looking again
        for fd, _ in poll.poll(100 if due is None else int((due - now) * 1000)):
            if fd != news:
                taken[fd]()
                continue
            data = os.read(news, 65536)
            at = time.monotonic()
            if not data:
                raise SystemExit("bench: the stream of messages ended")
            kept += data
            end = 0
            for m in pattern.finditer(kept):
                end = m.end()
                kind, which = m.group(1).decode() or LAST, int(m.group(2))
                if which in sent:
                    seen.setdefault(kind, {}).setdefault(which, (at - sent[which]) * 1000)
            kept = kept[end:][-4096:]
    return seen


# ---- ours ----

EVENT = re.compile(rb'"kind":"(early|message)"[^{}]{0,120}?"text":"m(\d{6}) ')


def connected(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s


class Ours:
    """Writes to the sender's API and reads the reader's event stream. The connections are kept; one that waits for
    its answer is not written to: HTTP without pipelining, as libenclave does it."""

    def __init__(self, sender, reader):
        self.sender, self.all, self.free, self.half = sender, {}, [], {}
        self.news = connected(reader)
        self.news.sendall(b"GET /v1/daemon HTTP/1.1\r\nHost: localhost\r\n\r\n")
        last = re.search(rb'"last_event":(\d+)', self.news.recv(65536)).group(1)
        self.news.sendall(b"GET /v1/events?stream=true&after=" + last + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def taker(self, s):
        def take():
            answer = self.half.pop(s, b"") + s.recv(65536)
            if not answer.endswith(b"}"):
                self.half[s] = answer
            elif answer.startswith(b"HTTP/1.1 200"):
                self.free.append(s)
            else:
                raise SystemExit(f"bench: {answer.decode(errors='replace')}")
        return take

    def send(self, number):
        if not self.free:
            s = connected(self.sender)
            self.all[s.fileno()] = s
            self.free.append(s)
        body = json.dumps({"text": line(number)}).encode()
        self.free.pop().sendall(b"POST /v1/enclaves/room/messages HTTP/1.1\r\nHost: localhost\r\n"
                                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" %
                                (len(body), body))

    def answers(self):
        return {fd: self.taker(s) for fd, s in self.all.items()}

    def run(self, first, n, rate):
        return paced(self.send, self.answers, self.news.fileno(), EVENT, first, n, rate)

    def close(self):
        for s in self.all.values():
            s.close()
        self.news.close()


# ---- mosquitto ----

WORDS = re.compile(rb"()m(\d{6}) ")


def certificates(place):
    """A throw-away authority and a certificate for localhost, of Ed25519 keys."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=place, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=bench")
    openssl("req", "-newkey", "ed25519", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-out", "server.pem")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def programs():
    """mosquitto, and its two clients; None: they are not here."""
    sbin = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    found = [shutil.which(p, path=sbin) for p in ("mosquitto", "mosquitto_pub", "mosquitto_sub", "openssl")]
    return found[:3] if all(found) else None


@contextlib.contextmanager
def mosquitto(place):
    """A broker with TLS 1.3 on a port of its own; yields run(first, n, rate)."""
    broker, pub, sub = programs()
    certificates(place)
    port = free_port()
    with open(os.path.join(place, "conf"), "w", encoding="ascii") as f:
        f.write(f"user {getpass.getuser()}\nlistener {port} 127.0.0.1\nallow_anonymous true\ncafile {place}/ca.pem\ncertfile {place}/server.pem\n"
                f"keyfile {place}/server.key\ntls_version tlsv1.3\npersistence true\n"
                f"persistence_location {place}/\nset_tcp_nodelay true\nlog_type error\n")
    children = [subprocess.Popen([broker, "-c", os.path.join(place, "conf")])]
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        common = ["-h", "localhost", "-p", str(port), "--cafile", os.path.join(place, "ca.pem"), "-q", "1", "-t", "room",
                  "--nodelay"]
        reader = subprocess.Popen([sub, *common[:-1], "-i", "reader", "-c"], stdout=subprocess.PIPE)
        children.append(reader)
        writer = subprocess.Popen([pub, *common, "-i", "writer", "-l"], stdin=subprocess.PIPE)
        children.append(writer)

        def send(number):
            os.write(writer.stdin.fileno(), line(number).encode() + b"\n")

        def run(first, n, rate):
            return paced(send, dict, reader.stdout.fileno(), WORDS, first, n, rate)
        deadline = time.monotonic() + 20
        probe = 900000
        while not run(probe, 1, 100):  # until both are connected and subscribed
            probe += 1
            if time.monotonic() > deadline:
                raise SystemExit("bench: mosquitto passes nothing on")
        yield run
    finally:
        for c in reversed(children):
            with contextlib.suppress(ProcessLookupError):
                c.send_signal(signal.SIGTERM)
            c.wait()
