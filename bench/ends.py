# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a bench starts and talks with: a daemon, a sentinel, a circle of members."""
import contextlib
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

BUILD = pathlib.Path(os.environ.get("ENCLAVE_BUILD", pathlib.Path(__file__).resolve().parent.parent / "build")).resolve()
PASSWORD = "a password for the bench"


def say(text):
    print(text, file=sys.stderr, flush=True)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """An enclaved with a home of its own, spoken to as libenclave does."""

    def __init__(self, home, listen=None):
        os.makedirs(home, mode=0o700, exist_ok=True)
        self.socket, self.left = os.path.join(home, "daemon.sock"), []
        hear, tell = os.pipe()
        before = time.monotonic()
        self.child = subprocess.Popen(
            [BUILD / "enclaved", "--home", home, "--ready-fd", str(tell), "--log-level", "warn",
             "--set", "messages.mute_messages=0", "--set", "messages.mute_mb=0",  # nobody floods here
             *(["--listen", listen] if listen else [])], pass_fds=[tell])
        os.close(tell)
        with os.fdopen(hear) as f:
            line = f.readline()
        self.ready_ms = (time.monotonic() - before) * 1000
        if not line.startswith("ready"):
            sys.exit(f"bench: enclaved does not start: {line.strip()}")
        self.connection = UnixConnection(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.child.terminate()
        self.child.wait()

    def ask(self, method, path, body=None):
        for again in (True, False):
            try:
                self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                        {"Content-Type": "application/json"})
                r = self.connection.getresponse()
                break
            except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
                self.connection.close()  # the daemon lets idle connections go
                if not again:
                    raise
        text = r.read()
        if r.status >= 300:
            sys.exit(f"bench: {method} {path}: {r.status} {text.decode()}")
        return json.loads(text) if text.strip() else {}

    def post(self, path, body):
        return self.ask("POST", path, body)

    def until(self, path, test):
        deadline = time.monotonic() + 60
        while not test(self.ask("GET", path)):
            if time.monotonic() > deadline:
                sys.exit(f"bench: {path} waited in vain")
            time.sleep(0.01)

    def events(self, *kinds):
        """An iterator over the events of these kinds (messages) that come from now on."""
        last = self.ask("GET", "/v1/daemon")["last_event"]
        c = UnixConnection(self.socket)
        c.request("GET", f"/v1/events?stream=true&after={last}")
        r = c.getresponse()

        def each():
            while line := r.readline():
                if line.strip() and (e := json.loads(line))["kind"] in (kinds or ("message",)):
                    yield e
            sys.exit("bench: the event stream ended")
        return each()

    def pipeline(self, path, body, n):
        """n requests over 16 connections, answers are read by drain."""
        text = json.dumps(body)
        self.left = [UnixConnection(self.socket) for _ in range(16)]
        head = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(text)}\r\n\r\n{text}").encode()
        for c in self.left:
            c.connect()
        self.head, self.todo = head, n

        def serve(c, share):
            for _ in range(share):
                c.sock.sendall(self.head)
                r = http.client.HTTPResponse(c.sock)
                r.begin()
                r.read()
                if r.status >= 300:
                    say(f"bench: {path}: {r.status}")
        shares = [n // 16 + (i < n % 16) for i in range(16)]
        self.threads = [threading.Thread(target=serve, args=(c, s)) for c, s in zip(self.left, shares)]
        for t in self.threads:
            t.start()

    def drain(self, n):
        for t in self.threads:
            t.join()
        for c in self.left:
            c.close()


class Sentinel:
    def __init__(self, place, *settings):
        self.child = subprocess.Popen(
            [BUILD / "sentinel", "--listen", "127.0.0.1:0", "--data", place + "/sentinel", "--log-level", "warn",
             *[word for pair in settings for word in ("--set", pair)]],
            stdout=subprocess.PIPE, text=True)
        self.child.stdout.readline()
        self.address = self.child.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.child.terminate()
        self.child.wait()


class Circle:
    """A sentinel, members of one enclave that are all there, and a candidate who comes and goes."""

    def __init__(self, place, n):
        self.stack = contextlib.ExitStack()
        try:
            self.begin(place, n)
        except BaseException:
            self.stack.close()
            raise

    def begin(self, place, n):
        self.sentinel = self.stack.enter_context(Sentinel(place))
        self.daemons = [self.stack.enter_context(Daemon(f"{place}/home{i}", "127.0.0.1:0")) for i in range(n + 1)]
        for d in self.daemons:
            d.post("/v1/vault/init", {"password": PASSWORD})
        self.inside, self.candidate = self.daemons[:1], self.daemons[n]
        self.daemons[0].post("/v1/enclaves", {"name": "room", "nick": "person0", "sentinel": self.sentinel.address})
        for i in range(1, n):
            say(f"bench:   {i} of {n} are inside")
            self.admit(self.daemons[i], f"person{i}")
            self.inside.append(self.daemons[i])

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.stack.close()

    def knock(self, who, nick):
        code = self.inside[0].post("/v1/enclaves/room/invitations", {})["code"]
        who.post("/v1/joins", {"code": code, "nick": nick, "name": "room"})
        self.inside[0].until("/v1/enclaves/room/proposals",
                             lambda r: any(p["nick"] == nick and p["mine_to_vote"] for p in r["proposals"]))

    def admit(self, who, nick):
        """Everybody says yes as soon as it is asked. Returns when what had come to whom, in seconds from the
        first yes on: {phase: the latest of all}."""
        self.knock(who, nick)
        seen = [{} for _ in self.inside]
        streams = [d.events("proposal", "member", "epoch") for d in self.inside]
        turns = threading.Semaphore(len(seen) if len(seen) <= 16 else 4)  # 64 at once lose each other's places
        threads = [threading.Thread(target=self.say_yes, args=(d, nick, stream, s, turns), daemon=True)
                   for d, stream, s in zip(self.inside[1:], streams[1:], seen[1:])]
        for t in threads:
            t.start()
        began = time.monotonic()
        self.say_yes(self.inside[0], nick, streams[0], seen[0], turns, first=True)
        for t in threads:
            t.join(120)
        if any("keys" not in s for s in seen):
            sys.exit("bench: a vote did not end")
        who.until("/v1/enclaves/room", lambda r: r["state"] == "member")
        return {phase: 1000 * (max(s[phase] for s in seen) - began) for phase in VOTE_PHASES}

    @staticmethod
    def say_yes(daemon, nick, events, seen, turns, first=False):
        """What one member's machine sees, and when. Whoever is asked answers at once, as the first has done."""
        def yes():
            with turns:
                daemon.post("/v1/enclaves/room/votes", {"choice": "yes", "who": nick, "compared": True, "now": True})
            seen["voted"] = time.monotonic()

        answer = threading.Thread(target=yes, daemon=True)
        if first:
            answer.start()
        for e in events:
            if e["kind"] == "proposal" and "proposed" not in seen and "proposes a vote" in e["text"]:
                seen["proposed"] = time.monotonic()
                if not first:
                    answer.start()
            elif e["kind"] == "member" and e["who"] == nick:
                seen["added"] = time.monotonic()
            elif e["kind"] == "epoch" and "added" in seen:
                answer.join()
                seen["keys"] = time.monotonic()
                return

    def admit_measured(self):
        times = self.admit(self.candidate, "candidate")
        streams = [d.events("epoch") for d in self.inside]
        self.candidate.ask("DELETE", "/v1/enclaves/room")
        for s in streams:
            next(s)
        return times


VOTE_PHASES = {
    "proposed": "the first yes: the proposal is in the ledger, and everybody was asked",
    "voted": "every ballot is in the ledger",
    "added": "decided: everybody sees the newcomer inside",
    "keys": "everybody has the new keys"}
