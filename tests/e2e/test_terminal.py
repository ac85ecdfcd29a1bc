# SPDX-License-Identifier: MIT OR Apache-2.0
"""A person at a terminal: prompts, three words asked back, Ctrl-C, what is shown and what is not."""
import re

import lib
from lib import INTERRUPTED, OK, PASSWORD, expect
from terminal import Terminal


def first_time(w):
    """init asks twice, shows 24 words once, asks three of them back; no secret is echoed"""
    m = lib.Member(w, "ada")
    t = Terminal(m, "init")
    t.until("Choose a password: ")
    expect(not t.echoes(), "the password would be shown")
    t.type("short")
    t.until("8 characters")
    t.until("Choose a password: ")
    t.type(m.password)
    t.until("once more: ")
    t.type(m.password + "x")
    t.until("two different")
    t.until("Choose a password: ")
    t.type(m.password)
    t.until("once more: ")
    t.type(m.password)
    before, _ = t.until("To be sure: what is word (?=[0-9]+)", 60)
    words = {int(n): word for n, word in re.findall(r"\b(\d+) (?:\x1b\[\d+m)?([a-z]+)", before)}
    expect(sorted(words) == list(range(1, 25)), f"24 words are not shown: {before}")
    expect(m.password not in before, "the password was echoed")
    wrong = True
    for _ in range(4):
        _, found = t.until(r"(\d+)\? ")
        if wrong:
            t.type("nonsense")
            t.until("That is not word")
            wrong = False
        else:
            t.type(words[int(found[1])])
    t.until("Right")
    code, last = t.end()
    expect(code == OK and "next: enclave create" in last, f"{code}: {last}")
    m.words = [words[i] for i in range(1, 25)]
    file = w.path / "words"
    file.write_text(" ".join(m.words))
    m("recovery", "test", "--words-file", str(file))


def coming_back(w):
    """daemon start asks again after a wrong password; Ctrl-C leaves the terminal as it was"""
    m = w.member("ada")
    m.stop()
    t = Terminal(m, "daemon", "start")
    t.until("Password: ")
    t.type("not this one")
    t.until("not the password", 30)
    t.until("Password: ")
    t.type("\x03", enter="")
    code, shown = t.end()
    expect(code == INTERRUPTED, f"Ctrl-C at a prompt: {code} {shown}")
    t = Terminal(m, "daemon", "start")
    t.until("Password: ")
    t.type(m.password)
    code, shown = t.end()
    expect(code == OK and "open" in shown and m.password not in shown, f"{code}: {shown}")
    m.stop()
    t = Terminal(m, "daemon", "start")
    for _ in range(3):
        t.until("Password: ")
        t.type("wrong again")
    code, shown = t.end()
    expect(code == PASSWORD and "recover" in shown, f"{code}: {shown}")


def leaving(w):
    """leave asks for the name; another one keeps the enclave; status speaks to a person"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    source = lib.random_file(w.path / "holiday pictures.zip", 300000)
    t = Terminal(ada, "put", str(source), "--wait")
    t.until("any 1 of 2 members may vanish")
    expect(t.end()[0] == OK, "put")
    bob("send", "see you")
    ada.until("unread", lambda: ada.enclave()["unread"] == 1)
    t = Terminal(ada, "status")
    code, shown = t.end()
    for word in ("analytical-society", "2 of 2 members reachable", "online", "1 unread",
                 "enclave read", "1 file, each survives"):
        expect(word in re.sub(r"\x1b\[\d+m", "", shown), f"status does not say {word!r}: {shown}")
    for typed, end, state in (("yes", lib.FAILED, "member"), ("analytical-society", OK, "none")):
        t = Terminal(ada, "leave")
        t.until("cannot be undone")
        t.until(r"Type the enclave's name .*: ")
        t.type(typed)
        code, shown = t.end()
        expect(code == end and ada.state() == state, f"{typed!r}: {code} {shown}")


def squares(text):
    """The modules of the QR code in a text, dark is True; without its margin."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", x).strip("\r\n")[4:] for x in text.splitlines()]
    lines = [x for x in lines if x and set(x) <= set(" \u2580\u2584\u2588")]
    rows = []
    for line in lines:
        rows.append([c not in "\u2580\u2588" for c in line])
        rows.append([c not in "\u2584\u2588" for c in line])
    side = len(rows[0]) if rows else 0
    return [row[2:side - 2] for row in rows[2:side - 2]]


def comparing(w):
    """both sides see one code, as digits and as QR: on a terminal, or when asked for"""
    sentinel = w.sentinel()
    ada, bob = w.members("ada", "bob")
    ada("create", "choir", "--as", "ada", "--sentinel", sentinel.address)
    code = ada("invite")["code"]
    env = dict(w.environment(), LC_ALL="C.UTF-8")
    t = Terminal(bob, "join", code, "--as", "bob", env=env)
    end, shown = t.end()
    expect(end == lib.PENDING, f"{end}: {shown}")
    digits = lib.digits(bob.enclave()["safety"])
    theirs = squares(shown)
    expect(len(theirs) == 25 and all(len(row) == 25 for row in theirs), f"no QR code: {shown}")
    ring = [True] * 7
    expect(theirs[0][:7] == theirs[6][:7] == theirs[0][18:] == theirs[24][:7] == ring and
           theirs[1][:7] == [True] + [False] * 5 + [True], f"not the corners of a QR code: {shown}")
    ada.until("bob knocks", lambda: lib.proposal_of(ada, "bob"))
    for member, words in ((ada, ["proposals"]), (bob, ["status"])):
        _, shown = Terminal(member, *words, env=env).end()
        expect(squares(shown) == theirs, f"{words}: another QR code: {shown}")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        groups = " ".join(digits[i:i + 5] for i in range(0, 60, 5))
        expect(groups in plain, f"{words}: not in groups of five: {plain}")
        _, shown = Terminal(member, *words, "--no-qr", env=env).end()
        expect(not squares(shown), f"--no-qr shows one: {shown}")
        a = member.run(*words, json_flag=False, env=env)
        expect(not squares(a.out.decode()), f"a QR code in a pipe: {a}")
        a = member.run(*words, "--qr", json_flag=False, env=env)
        expect(squares(a.out.decode()) == theirs, f"--qr shows none: {a}")
        a = member.run(*words, "--qr", json_flag=False, env=dict(env, LC_ALL="C"))
        expect(a.out.isascii() and b"##  " in a.out, f"not in ASCII: {a}")


lib.main(first_time, coming_back, leaving, comparing)
