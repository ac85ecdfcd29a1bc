# SPDX-License-Identifier: MIT OR Apache-2.0
"""A home and its vault: passwords, recovery words, rights, one daemon at a time."""
import contextlib
import os
import resource
import socket

import lib
from lib import (CONFLICT, FAILED, LOCKED, NOT_FOUND, OK, PASSWORD, SPACE, UNREACHABLE, USAGE,
                 expect)


def passwords(w):
    """wrong password 12, locked 11, changed, forgotten and recovered with 24 words"""
    m = w.member("ada-lovelace")
    expect(m("status")["vault"] == "open", "the vault is not open after init")
    m("--yes", "init", *m.secret(), code=CONFLICT)
    m.stop()
    right = m.password
    m.write_password("something else")
    a = m("daemon", "start", *m.secret(), code=PASSWORD)
    expect(a["exit"] == PASSWORD and a["next"], f"no next step: {a}")
    # The daemon runs, locked: nothing but the vault's own verbs is answered.
    expect(m("status")["vault"] == "locked", "it is not locked")
    a = m("create", "choir", "--as", "ada", "--sentinel", "127.0.0.1:1#" + "0" * 64, code=LOCKED)
    expect("daemon start" in a["next"], f"no next step: {a}")
    m("read", code=LOCKED)
    m.write_password(right)
    m.start()
    expect(m("status")["vault"] == "open", "the right password does not open it")

    change = w.path / "new.password"
    change.write_text("entirely new words\n")
    m("password", "change", *m.secret(), "--new-password-file", str(change))
    m.stop()
    m.start(code=PASSWORD)
    m.write_password("entirely new words")
    m.start()

    words = w.path / "words"
    words.write_text(" ".join(m.words) + "\n")
    m("recovery", "test", "--words-file", str(words))
    wrong = w.path / "wrong"
    wrong.write_text(" ".join([*m.words[1:], m.words[0]]) + "\n")
    a = m.run("recovery", "test", "--words-file", str(wrong))
    expect(a.code in (USAGE, PASSWORD), f"swapped words pass: {a}")
    wrong.write_text(" ".join([*m.words[:-1], "zzzzzz"]) + "\n")
    a = m.run("recovery", "test", "--words-file", str(wrong))
    expect(a.code == USAGE and "zzzzzz" in a.text, f"the misspelt word is not named: {a}")
    m.stop()
    m.write_password("after I forgot it")
    m("recover", "--words-file", str(words), *m.secret(), *m.daemon_options())
    expect(m("status")["vault"] == "open", "recover does not open the vault")
    m.stop()
    m.start()
    # The words themselves stay what they are.
    m("recovery", "test", "--words-file", str(words))


def weak(w):
    """too short a password, no password at all, no daemon, no vault: each says what to do"""
    m = w.member("eve", init=False)
    m.write_password("short")
    a = m.run("--yes", "init", *m.secret())
    expect(a.code == USAGE and "8" in a.text, f"a short password passes: {a}")
    m.write_password("")
    expect(m.run("--yes", "init", *m.secret()).code == USAGE, "an empty password passes")
    m.write_password("long enough")
    if (m.home / "daemon.sock").exists():
        m("daemon", "stop")
    a = m("status", code=UNREACHABLE)
    expect("enclave init" in a["next"], f"no next step: {a}")
    m("daemon", "status", code=UNREACHABLE)
    a = m.run("daemon", "start", *m.secret())
    expect(a.code == NOT_FOUND and "init" in a.text, f"started without a vault: {a}")
    a = m.run("--yes", "init", "--password-file", str(w.path / "none"))
    expect(a.code == NOT_FOUND and "none" in a.text, f"a missing password file: {a}")


def rights(w):
    """a home that others can read is refused, and said so with the remedy"""
    m = w.member("grace")
    m.stop()
    for path, loose, tight in ((m.home, 0o750, 0o700), (m.home / "vault", 0o640, 0o600)):
        path.chmod(loose)
        a = m.run("daemon", "start", *m.secret())
        expect(a.code == FAILED and "chmod" in a.text, f"{path.name} may be {loose:o}: {a}")
        path.chmod(tight)
        if m.run("daemon", "status").code == OK:
            m.stop()
    m.start()
    for path in [m.home, *m.home.rglob("*")]:
        mode = path.lstat().st_mode & 0o777
        expect(mode & 0o077 == 0, f"{path} has mode {mode:o}")


def alone(w):
    """two daemons on one home are refused; a dead one's leftovers do no harm"""
    m = w.member("emmy")
    a = w.run([w.program("enclaved"), "--home", m.home])
    expect(a.code != OK and "another daemon" in a.text, f"a second daemon: {a}")
    expect(m("status")["vault"] == "open", "the first one suffered")
    a = m.start()
    expect(a["vault"] == "open", f"starting twice: {a}")
    m.kill()
    expect((m.home / "daemon.sock").exists(), "there is no stale socket to test with")
    m("status", code=UNREACHABLE)
    m.start()
    m.stop()


def secrets(w):
    """no word and no key of the vault is in the log, in a core limit or on a command line"""
    m = w.member("mary")
    log = m.log()
    expect(m.password not in log, "the password is in the log")
    expect(sum(word in log.split() for word in m.words) < 6, "recovery words are in the log")
    pid = m.pid()
    limits = open(f"/proc/{pid}/limits", encoding="ascii").read()
    core = next(x for x in limits.splitlines() if x.startswith("Max core"))
    expect(core.split()[4:6] == ["0", "0"], f"core dumps are possible: {core}")
    line = open(f"/proc/{pid}/cmdline", "rb").read()
    with contextlib.suppress(PermissionError):  # not even its owner may look
        line += open(f"/proc/{pid}/environ", "rb").read()
    expect(m.password.encode() not in line, "the password is on the command line")
    hits, _ = lib.search([p for p in m.home.rglob("*") if p.is_file()], [m.password])
    expect(not hits, f"the password is in {hits}")


def ports(w):
    """a port that is taken: refused with its number, or a warning and the way through the sentinel"""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ada = lib.Member(w, "ada", listen=None)
        a = ada.run("--yes", "init", *ada.secret(), "--host", address)
        expect(a.code == CONFLICT and address in a.text and "in use" in a.text, f"{a}")
        expect(not (ada.home / "vault").exists(), "half a home was made")
        ada.init()
        bob = lib.Member(w, "bob", listen=address)
        bob.init()
        sentinel = w.sentinel()
        ada("create", "choir", "--as", "ada", "--sentinel", sentinel.address)
        lib.admit([ada], bob)
        told = [e["text"] for e in bob("events")["events"] if e["kind"] == "warning"]
        expect(any(address in t and "in use" in t for t in told), f"bob is not warned: {told}")
        source = lib.random_file(w.path / "source", 300000)
        ada("put", str(source), "--wait")
        paths = {m["path"] for m in ada("members")["members"] if not m["self"]}
        expect(paths == {"circuit"}, f"no circuit: {paths}")
        bob.until("it is listed", lambda: "source" in bob.files())
        bob("get", "source", str(w.path / "out"))
        expect(lib.sha256(source) == lib.sha256(w.path / "out"), "other bytes")
    for wrong in ("nonsense", "127.0.0.1:99999", ":1"):
        eve = lib.Member(w, "eve", listen=None)
        a = eve.run("--yes", "init", *eve.secret(), "--listen", wrong)
        expect(a.code == USAGE and wrong.split(":")[-1] in a.text, f"--listen {wrong}: {a}")


def full(w):
    """a full disk at home: said so, nothing that was acknowledged is lost, goes on after"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    pid = ada.pid()
    sent = []
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (64 << 10, resource.RLIM_INFINITY))
    for i in range(40):
        a = ada.run("send", f"{i} " + "x" * 3000)
        if a.code != OK:
            break
        sent.append(a.words[-1])
    expect(a.code == SPACE and "disk" in a.text, f"a full disk is not told: {a}")
    a = ada.run("send", "more")
    expect(a.code == FAILED and "no space" in a.text and "daemon start" in a.text, f"{a}")
    expect(ada.state() == "halted", ada.state())
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    ada.stop()
    ada.start()
    ada("send", "room again")
    sent.append("room again")
    for m in (ada, bob):
        m.until("what was acknowledged", lambda m=m: set(sent) <= {t for _, t in m.messages()})


lib.main(passwords, weak, rights, alone, secrets, ports, full)
