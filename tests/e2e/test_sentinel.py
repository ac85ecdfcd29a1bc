# SPDX-License-Identifier: MIT OR Apache-2.0
"""When the server in the middle is away, dies, forgets, or cannot start."""
import shutil
import socket

import lib
from lib import OK, UNREACHABLE, USAGE, expect


def starting(w):
    """port in use, loose rights, wrong configuration: each with its reason and status"""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = [w.program("sentinel"), "--listen", f"127.0.0.1:{port}", "--data"]
        a = w.run([*line, w.path / "one"])
        expect(a.code == 1 and str(port) in a.text and "use" in a.text, f"port in use: {a}")
    sentinel = w.sentinel()
    a = w.run([w.program("sentinel"), "--listen", "127.0.0.1:0", "--data", sentinel.data])
    expect(a.code == 1 and a.text, f"two sentinels in one directory: {a}")
    expect(sentinel.stop() == OK, "SIGTERM does not end it in order")
    sentinel.data.chmod(0o755)
    a = w.run([w.program("sentinel"), "--listen", "127.0.0.1:0", "--data", sentinel.data])
    expect(a.code == 1 and str(sentinel.data) in a.text, f"loose rights: {a}")
    sentinel.data.chmod(0o700)
    yaml = w.path / "bad.yaml"
    yaml.write_text("coordinator:\n  port: 8000\n  prot: 1\n")
    a = w.run([w.program("sentinel"), "--config", yaml, "--check-config"])
    expect(a.code == USAGE and "prot" in a.text and ":3" in a.text.replace("line ", ":"), f"{a}")
    a = w.run([w.program("sentinel"), "--listen", "nonsense", "--data", w.path / "two"])
    expect(a.code == USAGE and "HOST:PORT" in a.text, f"{a}")
    # The pin is that of the key on disk, and stays.
    first = sentinel.address
    expect(sentinel.start() == first, "another address or key after a restart")


def away(w):
    """down at the start: what is written waits and goes out when it comes back"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    for m in (ada, bob):
        m.stop()
    sentinel.stop()
    for m in (ada, bob):
        m.start()
    a = ada("send", "written while it was away")
    expect("sentinel" in a["text"], f"nobody says that it waits: {a}")
    expect(not ada.enclave()["online"], "online without a sentinel?")
    a = ada("invite", code=UNREACHABLE)
    expect("sentinel cannot be reached" in a["text"] and a["next"], f"{a}")
    a = ada("create", "other", "--as", "ada", "--sentinel", sentinel.address, code=UNREACHABLE)
    expect(len(ada("status")["enclaves"]) == 1, "a room that was never made is listed")
    sentinel.start()
    bob.until("it came", lambda: ("ada", "written while it was away") in bob.messages(), 45)
    ada.until("it is out", lambda: ada.enclave()["outbox"] == 0)


def killed(w):
    """killed in the middle of a conversation, three times: nothing acknowledged is lost"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    sent = []
    for turn in range(3):
        for i in range(6):
            for m in (ada, bob):
                text = f"{m.nick} {turn}.{i}"
                m("send", text)
                sent.append((m.nick, text))
            if i == 3:
                sentinel.kill()
        sentinel.start()
    for m in (ada, bob):
        m.until("all of it, once", lambda m=m: sorted(m.messages()) == sorted(sent), 60)
        told = [t for n, t in m.messages() if n != m.nick]
        expect(told == [t for n, t in sent if n != m.nick], f"{m.nick} reads out of order: {told}")
    for m in (ada, bob):
        m.until("the outbox is empty", lambda m=m: m.enclave()["outbox"] == 0, 45)


def forgetful(w):
    """an older database comes back: the members give it the lost entries"""
    sentinel = w.sentinel()
    ada, bob, eve = lib.found(w, sentinel, "ada", "bob", "eve")
    ada("send", "before the backup")
    bob.until("it is there", lambda: len(bob.messages()) == 1)
    eve.until("it is there", lambda: len(eve.messages()) == 1)
    eve.stop()
    sentinel.stop()
    backup = w.path / "backup"
    shutil.copytree(sentinel.data, backup)
    sentinel.start()
    sent = [("ada", "before the backup")]
    for i in range(4):
        for m in (ada, bob):
            m("send", f"{m.nick} {i}")
            sent.append((m.nick, f"{m.nick} {i}"))
    for m in (ada, bob):
        m.until("all is there", lambda m=m: sorted(m.messages()) == sorted(sent), 45)
        m.until("all is out", lambda m=m: m.enclave()["outbox"] == 0)
    sentinel.stop()
    shutil.rmtree(sentinel.data)
    shutil.copytree(backup, sentinel.data)
    sentinel.start()
    # Eve slept: what she reads now can only come from what the others gave back.
    eve.start()
    eve.until("the others gave it back", lambda: sorted(eve.messages()) == sorted(sent), 60)
    eve("send", "and on it goes")
    sent.append(("eve", "and on it goes"))
    for m in (ada, bob):
        m.until("new words pass", lambda m=m: sorted(m.messages()) == sorted(sent), 45)
        expect(m.state() == "member", f"{m.nick} is {m.state()}: {m.enclave()['trouble']}")


def inside(w):
    """a sentinel inside the daemon serves its own enclave over a restart"""
    ada = lib.Member(w, "ada")
    ada.init("--host", "127.0.0.1:0")
    hosted = ada("daemon", "status")["hosted"]
    expect("#" in hosted, f"no sentinel inside: {hosted!r}")
    ada("create", "family", "--as", "ada", "--host")
    bob = w.member("bob")
    lib.admit([ada], bob)
    bob("send", "hello from outside")
    ada.until("it came", lambda: ("bob", "hello from outside") in ada.messages())
    ada.stop()
    ada.start("--host", "127.0.0.1:0")
    expect(ada("daemon", "status")["hosted"] == hosted, "another address after a restart")
    bob.until("bob is back", lambda: bob.enclave()["online"], 45)
    ada("send", "and back")
    bob.until("it came", lambda: ("ada", "and back") in bob.messages())


lib.main(starting, away, killed, forgetful, inside)
