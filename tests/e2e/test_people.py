# SPDX-License-Identifier: MIT OR Apache-2.0
"""Coming, talking, going: what a person does beside the main road."""
import json
import subprocess

import lib
from lib import CONFLICT, NOT_FOUND, OK, PENDING, USAGE, expect


def joining(w):
    """pending 7, then 0; the daemon may rest meanwhile; an invitation admits one"""
    sentinel = w.sentinel()
    ada, bob, eve = w.members("ada", "bob", "eve")
    ada("create", "choir", "--as", "ada", "--sentinel", sentinel.address)
    for bad in ("nonsense", "enclave:", "enclave:AAAA", "https://example.org/"):
        a = bob.run("join", bad, "--as", "bob")
        expect(a.code == USAGE, f"{bad!r} is an invitation? {a}")
    code = ada("invite", "--expires", "1d")["code"]
    half = len(code) // 2
    for bad in (code[:-4], code[:half] + ("A" if code[half] != "A" else "B") + code[half + 1:]):
        a = bob.run("join", bad, "--as", "bob")
        expect(a.code in (USAGE, NOT_FOUND), f"a broken invitation: {a}")
        expect(bob("status")["enclaves"] == [], "a broken invitation leaves something behind")
    a = bob("join", code, "--as", "bob", "--message", "It is me, from the choir", code=PENDING)
    expect(a["state"] == "joining" and lib.digits(a["safety"]), f"{a}")
    bob("join", code, "--as", "bob", code=PENDING)
    a = bob("send", "may I?", code=PENDING)
    expect("not inside yet" in a["text"], f"{a}")
    a = bob.run("join", code, "--as", "bob", "--wait", "--timeout", "1s")
    expect(a.code in (PENDING, 13), f"waiting does not end with the time: {a}")
    bob.stop()
    p = ada.until("bob knocks", lambda: lib.proposal_of(ada, "bob"))
    expect(p["message"] == "It is me, from the choir", f"{p}")
    ada("vote", "yes", "bob")
    ada("vote", "yes", "bob", code=(CONFLICT, NOT_FOUND))
    bob.start()
    bob("join", code, "--as", "bob", "--wait")
    bob.until("both are inside", lambda: bob.inside("ada", "bob"))
    expect(bob.state() == "member", bob.state())
    bob("join", code, "--as", "bob", code=OK)
    # The same invitation does not admit another one.
    a = eve.run("join", code, "--as", "eve")
    expect(a.code == NOT_FOUND, f"an invitation works twice: {a}")
    a = ada.run("vote", "yes")
    expect(a.code == NOT_FOUND, f"a vote on nothing: {a}")


def following(w):
    """read --follow shows what comes; read marks as read; a restart keeps everything"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    line = [w.program("enclave"), "--home", bob.home, "--json", "read", "--follow"]
    follower = w.spawn(line, stdout=subprocess.PIPE)
    for i in range(5):
        ada("send", f"line {i}")
        got = json.loads(follower.stdout.readline())
        expect((got["nick"], got["text"], got["own"]) == ("ada", f"line {i}", False), f"{got}")
    bob("send", "an answer")
    got = json.loads(follower.stdout.readline())
    expect((got["text"], got["own"]) == ("an answer", True), f"{got}")
    follower.terminate()
    expect(follower.wait(10) in (0, 130, -15), f"the follower ended with {follower.returncode}")
    ada.until("one unread", lambda: ada.enclave()["unread"] == 1)
    expect([m["text"] for m in ada("read")["messages"]] == ["an answer"], "not only what is unread")
    ada.until("all is read", lambda: ada.enclave()["unread"] == 0)
    before = (ada.messages(), ada.nicks(), ada.enclave()["head"])
    for m in (ada, bob):
        m.stop()
    for m in (ada, bob):
        m.start()
    ada.until("the sentinel is back", lambda: ada.enclave()["online"])
    expect(before == (ada.messages(), ada.nicks(), ada.enclave()["head"]), "a restart changed it")
    bob("send", "after the night")
    ada.until("it comes", lambda: ("bob", "after the night") in ada.messages())


def sleeping(w):
    """who slept through messages and an admission wakes up to all of it"""
    sentinel = w.sentinel()
    ada, bob, eve = w.members("ada", "bob", "eve")
    ada("create", "choir", "--as", "ada", "--sentinel", sentinel.address)
    lib.admit([ada], bob)
    code = ada("invite")["code"]
    eve("join", code, "--as", "eve", code=PENDING)
    ada.until("a knock", lambda: lib.proposal_of(ada, "eve"))
    ada("vote", "yes", "eve")
    bob.until("a proposal", lambda: lib.proposal_of(bob, "eve"))
    bob("vote", "yes", "eve")
    bob.kill()
    eve("join", code, "--as", "eve", "--wait")
    for i in range(8):
        ada("send", f"ada {i}")
        eve("send", f"eve {i}")
    bob.start()
    want = {("ada", f"ada {i}") for i in range(8)} | {("eve", f"eve {i}") for i in range(8)}
    bob.until("he reads it all", lambda: set(bob.messages()) == want)
    expect(bob.inside("ada", "bob", "eve"), f"{bob.nicks()}")
    for nick in ("ada", "eve"):
        told = [t for n, t in bob.messages() if n == nick]
        expect(told == [f"{nick} {i}" for i in range(8)], f"out of order: {told}")


lib.main(joining, following, sleeping)
