# SPDX-License-Identifier: MIT OR Apache-2.0
"""Four members and a sentinel while processes are killed at random: afterwards everybody has read
the same words in the same order and sees the same files, each of them whole and as safe as it can
be. SEED=n and ROUNDS=m choose another course (the processes' own timing is not repeated)."""
import os
import random

import lib
from lib import expect

SEED = int(os.environ.get("SEED", "1"))
ROUNDS = int(os.environ.get("ROUNDS", "90"))
SIZES = (0, 1, 100, 5000, 300000, 3000000)


class Course:
    def __init__(self, w):
        self.w, self.dice = w, random.Random(SEED)
        self.sentinel, self.there = w.sentinel(), True
        self.people = lib.found(w, self.sentinel, "ada", "bob", "eve", "joe")
        self.up = {m.nick: True for m in self.people}
        self.sent, self.sums, self.story = [], set(), []

    def tell(self, *what):
        self.story.append(" ".join(map(str, what)))

    def power(self, m):
        if self.up[m.nick]:
            m.kill()
        else:
            m.start()
        self.up[m.nick] = not self.up[m.nick]
        self.tell(m.nick, "starts" if self.up[m.nick] else "is killed")

    def sentinel_power(self):
        if self.there:
            self.sentinel.kill()
        else:
            self.sentinel.start()
        self.there = not self.there
        self.tell("the sentinel", "starts" if self.there else "is killed")

    def put(self, m, i):
        source = lib.random_file(self.w.path / f"source{i}", self.dice.choice(SIZES))
        name = f"f{self.dice.randrange(6)}"
        self.sums.add(lib.sha256(source))
        m("put", str(source), name, "--background")
        self.tell(m.nick, "puts", name, source.stat().st_size)

    def change(self, m, verb, *paths):
        a = m.run(verb, *paths, "--timeout", "3s")
        self.tell(m.nick, verb, *paths, a.code)

    def step(self, i):
        m, x = self.dice.choice(self.people), self.dice.random()
        if x < 0.10:
            self.power(m)
        elif x < 0.16:
            self.sentinel_power()
        elif not self.up[m.nick]:
            return
        elif x < 0.30:
            self.put(m, i)
        elif x < 0.34:
            self.change(m, "mv", f"f{self.dice.randrange(6)}", f"g{self.dice.randrange(4)}")
        elif x < 0.37:
            self.change(m, "rm", f"g{self.dice.randrange(4)}")
        else:
            text = f"{m.nick} {i}"
            m("send", text)
            self.sent.append((m.nick, text))

    def calm(self):
        if not self.there:
            self.sentinel.start()
        for m in self.people:
            if not self.up[m.nick]:
                m.start()
        for m in self.people:
            m.until("the sentinel", lambda m=m: m.enclave()["online"], 60)
            m.until("all words", lambda m=m: sorted(m.messages()) == sorted(self.sent), 60)
            for nick in self.up:
                told = [t for n, t in m.messages() if n == nick]
                expect(told == [t for n, t in self.sent if n == nick],
                       f"{m.nick} reads {nick} out of order: {told}")
        for m in self.people:
            m.until("all transfers are over", lambda m=m: all(
                t["state"] in ("safe", "done") for t in m("transfers")["transfers"]), 120)
            e = m.enclave()
            expect(e["state"] == "member" and not e["trouble"], f"{m.nick}: {e}")

    def compare(self):
        def tree(m):
            return sorted((p, f["size"], f["version"], f["safety"]) for p, f in m.files().items())
        first = self.people[0]
        first.until("everybody sees the same files",
                    lambda: all(tree(m) == tree(first) for m in self.people), 60)
        for path, f in first.files().items():
            expect(f["size"] == 0 or f["holders"] == 4, f"{path} does not spread: {f}")
            out = self.w.path / "out"
            self.dice.choice(self.people)("get", path, str(out), "--replace")
            expect(lib.sha256(out) in self.sums, f"{path} has other bytes")


def chaos(w):
    """members and the sentinel are killed while people talk and put: nothing is lost, all agree"""
    c = Course(w)
    try:
        for i in range(ROUNDS):
            c.step(i)
        c.calm()
        c.compare()
    except lib.Failure as error:
        raise lib.Failure(f"{error}\n  SEED={SEED} ROUNDS={ROUNDS}: " + "; ".join(c.story)) from error


lib.main(chaos)
