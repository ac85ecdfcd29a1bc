# SPDX-License-Identifier: MIT OR Apache-2.0
"""Who knocks at a member's port without its name of the hour learns nothing: not who lives there, not
whether an enclave does, not which of its guesses was nearest."""
import os
import re
import socket
import threading
import time

import capture
import lib
from lib import expect

SEEN_AS = "127.0.0.2"  # where members are told that ada listens: our door before hers


class Door:
    """Before one port of hers: passes callers on and notes them; holding, keeps what they say."""

    def __init__(self, port):
        self.port, self.held, self.flows = port, [], []
        self.holding, self.changed = False, threading.Condition()
        self.listener = socket.create_server((SEEN_AS, port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, client = self.listener.accept()
            except OSError:
                return
            flow = capture.Flow(client, ("127.0.0.1", self.port), time.monotonic())
            self.flows.append(flow)
            threading.Thread(target=self.carry, args=(s, flow), daemon=True).start()

    def carry(self, s, flow):
        capture.pump(s, flow.server, flow, self.passes)
        with self.changed:
            self.changed.notify_all()

    def passes(self, data):
        if not self.holding or data[:1] != b"\x16":
            with self.changed:  # of an answer: it speaks again
                self.changed.notify_all()
            return True
        with self.changed:
            self.held.append(data)
            self.changed.notify_all()
        return False

    def has_called(self, seconds):
        """And has got an answer."""
        with self.changed:
            return self.changed.wait_for(lambda: any(f.down for f in self.flows),
                                         seconds * lib.PATIENCE)

    def has_held(self, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: self.held, seconds * lib.PATIENCE)


def probe(port, data):
    """Everything that is answered until the other end is done; None: it waits for more."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(data)
        answer = b""
        try:
            while piece := s.recv(1 << 16):
                answer += piece
                if answer[:1] == b"\x16":
                    break  # it talks: enough seen
        except ConnectionResetError:
            pass
        except TimeoutError:
            return None
        return answer


def ports_of(member, n):
    found = re.findall(r"members may connect to 127\.0\.0\.1:(\d+)", member.log())
    expect(len(found) == n, f"{member.nick} listens at {found}")
    return [int(p) for p in found]


def wrong_names(hello, other):
    """Guesses, by what they are."""
    name = hello.sni.decode()
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    guesses = {"upper case": name.upper(), "guess": "".join(letters[b & 31] for b in os.urandom(39)),
               "all the same": "a" * 39, "digits": "0" * 39, "a host": "x" * 27 + ".example.org",
               "reversed": name[::-1], "zero bytes": "\0" * 39}
    for at in range(0, 38, 6):  # the last letter holds spare bits
        letter = letters[(letters.index(name[at]) + 1) % 32]
        guesses[f"letter {at} changed"] = name[:at] + letter + name[at + 1:]
    found = {what: hello.with_sni(guess.encode("latin-1")) for what, guess in guesses.items()}
    found["no name"] = hello.without_sni()
    found["another enclave's name"] = hello.with_sni(other.sni)
    return found


def call(w, bob, door, done):
    """Bob has something for ada until he calls her by this door. Where he has not heard of her address
    in time he takes a circuit: then he forgets his links and tries again."""
    for turn in range(8):
        bob("put", lib.random_file(w.path / f"film-{door.port}-{turn}", 100000))
        if done():
            return
        bob.stop()
        bob.start()
        bob.until("he is back", lambda: bob.enclave()["online"])
    expect(False, "bob does not call ada directly")


def nothing_is_learnt(w):
    """wrong names of every kind get the same seven bytes; a name works once; no certificate is seen"""
    sentinel = w.sentinel()
    ada, bob = w.member("ada", init=False), w.member("bob", listen=None)
    ada.settings["NODE_ANNOUNCE"] = SEEN_AS
    ada.init()
    doors = []
    for n, name in enumerate(("choir", "chess"), 1):
        ada("create", name, "--as", "ada", "--sentinel", sentinel.address)
        doors.append(Door(ports_of(ada, n)[-1]))
        lib.admit([ada.of(name)], bob.of(name))
    # A first call of bob's goes through: its name is used.
    choir, chess = doors
    call(w, bob.of("choir"), choir, lambda: choir.has_called(10))
    used = capture.Hello(choir.flows[0].up)
    expect(len(used.sni) == 39, f"name {used.sni!r}")
    # The next ones are held: names that are good, and not used.
    held = []
    for name, door in (("choir", choir), ("chess", chess)):
        door.holding = True
        bob.stop()  # and lets go of the links it has
        bob.start()
        call(w, bob.of(name), door, lambda door=door: door.has_held(10))
        held.append(capture.Hello(door.held[0]))
    fresh, other = held
    port = choir.port
    answers = {"replayed": probe(port, used.record)}
    for what, hello in wrong_names(fresh, other).items():
        answers[what] = probe(port, hello)
    expect(len(set(answers.values())) == 1, f"answers differ: {answers}")
    alert = answers["replayed"]
    expect(len(alert) == 7 and alert[0] == 21, f"no alert: {alert!r}")
    print(f"     {len(answers)} wrong names: each is answered {alert.hex(' ')}")
    # What was held is good, once; and what lies behind the name stays sealed: no certificate in the clear.
    first = probe(port, fresh.record)
    expect(first[:1] == b"\x16" and 11 not in plain_messages(first), f"{first[:20]!r}")
    again = probe(port, fresh.record)
    expect(again == alert, f"a name works twice: {again[:20]!r}")
    said = {what: probe(port, data) for what, data in garbage(fresh.record).items()}
    for what, answer in said.items():
        expect(answer is not None and len(answer) <= 7, f"{what}: {answer!r}")
    print(f"     the held name works once, then: {again.hex(' ')}; {len(said)} kinds of garbage: "
          f"{sorted({a.hex(' ') for a in said.values()})}")
    log = ada.log()
    expect(fresh.sni.decode() not in log and used.sni.decode() not in log, "names are in the log")
    for door in doors:
        door.holding = False
    bob.of("choir")("send", "still well")
    ada.of("choir").until("it came", lambda: ("bob", "still well") in ada.of("choir").messages())


def plain_messages(stream):
    """Types of the handshake messages that are in the clear."""
    return [payload[0] for kind, payload in capture.records(stream) if kind == 22]


def garbage(hello):
    cut = bytearray(hello)
    cut[9] ^= 0xFF  # the version inside
    return {"HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "random": b"\x81" + os.urandom(400),
            "SSH": b"SSH-2.0-OpenSSH_9.6\r\n", "a server's hello": b"\x16\x03\x03\0\x04\x02\0\0\0",
            "another version": bytes(cut), "an alert": bytes.fromhex("15030300020228")}


lib.main(nothing_is_learnt)
