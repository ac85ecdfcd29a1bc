# SPDX-License-Identifier: MIT OR Apache-2.0
"""How long a word takes to another one's screen, at a steady pace: of our daemons, and of mosquitto over TLS at
QoS 1. One thread writes and reads, so that the driver waits for nothing but the clock and the bytes."""
import contextlib
import json
import os
import re
import select
import socket
import subprocess
import time

import brokers

TEXT = 100  # bytes of a message
LAST = "message"  # the event that comes last


def share(sorted_values, part):
    return sorted_values[min(len(sorted_values) - 1, int(part * len(sorted_values)))]


def line(number):
    return f"m{number:06d} ".ljust(TEXT, "x")


def paced(send, answers, news, pattern, first, n, rate):
    """Sends n messages, rate a second. send(number) writes one, answers() gives {descriptor: function that takes what
    came, and returns the socket if that is over}, news is a descriptor of which pattern finds (kind, number). Returns {kind: {number: ms since its sending
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
                if over := taken[fd]():
                    poll.unregister(fd)
                    over.close()
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
    """Writes to the sender's API, a connection a message as the daemon wants it, and reads the reader's event
    stream."""

    def __init__(self, sender, reader):
        self.sender, self.all, self.half = sender, {}, {}
        self.news = connected(reader)
        self.news.sendall(b"GET /v1/daemon HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):  # head and body come one after the other
            answer += self.news.recv(65536)
        last = re.search(rb'"last_event":(\d+)', answer).group(1)
        self.news.sendall(b"GET /v1/events?stream=true&after=" + last + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def taker(self, s):
        def take():
            answer = self.half.pop(s, b"") + s.recv(65536)
            if not answer.endswith(b"}"):
                self.half[s] = answer
                return None
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"bench: {answer.decode(errors='replace')}")
            del self.all[s.fileno()]
            return s
        return take

    def send(self, number):
        s = connected(self.sender)
        self.all[s.fileno()] = s
        body = json.dumps({"text": line(number)}).encode()
        s.sendall(b"POST /v1/enclaves/room/messages HTTP/1.1\r\nHost: localhost\r\n"
                  b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

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


@contextlib.contextmanager
def mosquitto():
    """A broker that keeps on disk what it has; yields run(first, n, rate)."""
    with brokers.Mosquitto(keeps=True) as broker:
        reader = broker.client("mosquitto_sub", "-i", "reader", "-c", stdout=subprocess.PIPE)
        writer = broker.client("mosquitto_pub", "--nodelay", "-i", "writer", "-l", stdin=subprocess.PIPE)

        def send(number):
            os.write(writer.stdin.fileno(), line(number).encode() + b"\n")

        def run(first, n, rate):
            return paced(send, dict, reader.stdout.fileno(), WORDS, first, n, rate)
        try:
            deadline = time.monotonic() + 20
            probe = 900000
            while not run(probe, 1, 100):  # until both are connected and subscribed
                probe += 1
                if time.monotonic() > deadline:
                    raise SystemExit("bench: mosquitto passes nothing on")
            yield run
        finally:
            for c in (writer, reader):
                with contextlib.suppress(ProcessLookupError):
                    c.terminate()
                c.wait()
