# SPDX-License-Identifier: MIT OR Apache-2.0
"""Wrong use of the command line: exit codes, the shape of errors, the next step."""
import json
import os

import lib
from lib import CONFLICT, NOT_FOUND, OK, USAGE, expect

SHAPE = {"status": str, "exit": int, "http": int, "text": str, "next": str}


def usage(w):
    """exit 2 with the nearest word, in --json as one document of fixed shape"""
    m = w.member("nobody", init=False)
    for words, hint in (
        (["membres"], "members"),
        (["daemon", "strat"], "daemon start"),
        (["put"], "FILE"),
        (["join", "enclave:x"], "--as"),
        (["invite", "--expire", "2d"], "--expires"),
        (["invite", "--expires", "soon"], "30s"),
        (["vote", "maybe"], "yes|no"),
        (["read", "--last", "many"], "number"),
        (["create", "a", "b", "--as", "c"], "b"),
        (["put", "--profile"], "value"),
        (["create", "a", "--as", "b", "--mode", "pigeon"], "direct|relay|tor"),
        (["create", "a", "--as", "b", "--ballot", "public"], "open|secret"),
        (["join", "enclave:x", "--as", "b", "--mode", "relay"], "tor"),
        (["vote", "yes", "bob", "--compred"], "--compared"),
        (["vote", "yes", "bob", "eve"], "eve"),
        (["remove"], "WHO"),
        (["remove", "bob", "eve"], "eve"),
        (["remove", "bob", "--reson", "x"], "--reason"),
        (["remove", "bob"], "--yes"),
        (["policy", "a", "b"], "a"),
        (["policy", "idle=3d"], "enclave policy set idle=3d"),
        (["policy", "set"], "KEY=VALUE"),
        (["policy", "st", "a=b"], "too many"),
        (["withdraw", "bob", "eve"], "eve"),
        (["away"], "UNTIL"),
        (["away", "someday"], "2026-12-24"),
        (["away", "2026-13-01"], "2026-12-24"),
        (["away", "2001-01-01"], "past"),
        (["away", "0s"], "past"),
        (["destroy", "--yes-really"], "value"),
        (["recovery", "kit", "a", "b"], "b"),
        (["revoke-self", "a", "b"], "b"),
        (["revoke-self", "--kitt", "a"], "--kit"),
        (["verify", "--proof", "a", "--save-proof", "b"], "exclude"),
        (["rekey", "a", "b"], "a"),
        (["rehome", "a", "b"], "b"),
    ):
        a = m.run(*words)
        expect(a.code == USAGE, f"{a}: 2 was expected")
        check_shape(a)
        expect(hint in a.json["text"] + a.json["next"], f"{a}: no word of {hint}")
        plain = m.run(*words, json_flag=False)
        expect(plain.code == USAGE and not plain.out, f"{plain}: an error on standard output")
        expect(plain.err.startswith(b"enclave: "), f"{plain}: who speaks?")
    for words in (["revoke-self", "--kit", "nowhere"], ["revoke-self"],
                  ["verify", "--proof", "nowhere"]):
        a = m.run(*words)
        expect(a.code == NOT_FOUND, f"{a}: 4 was expected")
        check_shape(a)
    expect(not m.home.exists(), "wrong use made a home")


def check_shape(answer):
    doc = json.loads(answer.out)
    for key, kind in SHAPE.items():
        expect(isinstance(doc.get(key), kind), f"{answer}: no {key}")
    expect(doc["exit"] == answer.code, f"{answer}: exit is another in the document")
    expect(doc["text"], f"{answer}: no text")


def helping(w):
    """every verb explains itself, its example first; --version; an overview"""
    m = w.member("nobody", init=False)
    overview = m.run("help", json_flag=False)
    expect(overview.code == OK, str(overview))
    verbs = ["init", "daemon start", "daemon stop", "daemon status", "status", "create", "invite",
             "join", "proposals", "vote", "remove", "policy", "policy set", "withdraw", "members",
             "away", "leave", "destroy", "send", "read", "put", "get", "ls", "info", "mkdir", "mv",
             "rm", "transfers", "recover", "recovery test", "recovery kit", "revoke-self", "verify",
             "rekey", "rehome", "password change", "events", "version"]
    for verb in verbs:
        expect(verb in overview.text, f"the overview lacks {verb}")
        a = m.run(*verb.split(), "--help", json_flag=False)
        expect(a.code == OK and not a.err, f"{a}: help is data")
        first = next(x for x in a.text.splitlines() if "enclave " in x)
        expect(f"enclave {verb}" in first, f"{verb}: the example does not come first: {first}")
        expect(m.run("help", *verb.split(), json_flag=False).out == a.out, f"help {verb} differs")
    expect(b"enclave " in m.run("--version", json_flag=False).out, "no version")
    for program in ("sentinel", "enclaved"):
        for option in ("--help", "--version"):
            expect(w.run([w.program(program), option]).code == OK, f"{program} {option}")
        a = w.run([w.program(program), "--nonsense"])
        expect(a.code == USAGE and "--help" in a.text, f"{a}")


def names(w):
    """enclaves by name: unknown 4, taken 5, several to choose from 2"""
    sentinel = w.sentinel()
    m = w.member("ada")
    a = m.run("send", "hello")
    expect(a.code == NOT_FOUND and "create" in a.json["next"], f"nothing to send to: {a}")
    for bad in ("two words", "", "-", "x" * 65, "a/b"):
        a = m.run("create", "--as", "ada", "--sentinel", sentinel.address, "--", bad)
        expect(a.code == USAGE, f"the name {bad!r}: {a}")
    for bad in ("127.0.0.1:1", "127.0.0.1#00", "nonsense", sentinel.address[:-1]):
        a = m.run("create", "choir", "--as", "ada", "--sentinel", bad)
        expect(a.code == USAGE, f"the sentinel {bad!r}: {a}")
    a = m.run("create", "choir", "--as", "ada")
    expect(a.code == USAGE and "--sentinel" in a.text, f"no sentinel: {a}")
    m("create", "choir", "--as", "ada", "--sentinel", sentinel.address)
    m("create", "choir", "--as", "ada", "--sentinel", sentinel.address, code=CONFLICT)
    a = m("send", "hello", "--enclave", "nowhere", code=NOT_FOUND)
    expect("nowhere" in a["text"] and a["next"], f"{a}")
    m("send", "to the only one")
    m("create", "band", "--as", "ada", "--sentinel", sentinel.address)
    a = m("send", "to whom", code=USAGE)
    expect("choir" in a["text"] and "band" in a["text"], f"the choice is not shown: {a}")
    m("send", "to the band", "--enclave", "band")
    identity = m.enclave("choir")["id"]
    m("send", "by its id", "--enclave", identity[:12])
    env = dict(w.environment(), ENCLAVE_NAME="choir")
    read = [x["text"] for x in m("read", "--from", "1", env=env)["messages"]]
    expect(read == ["to the only one", "by its id"], f"ENCLAVE_NAME does not choose: {read}")
    expect(m.run("status", env=dict(env, ENCLAVE_HOME="/nonexistent")).code == OK,
           "--home does not win over ENCLAVE_HOME")


def texts(w):
    """a message from standard input, too long a message, bytes that are no text"""
    sentinel = w.sentinel()
    m = w.member("ada")
    m("create", "choir", "--as", "ada", "--sentinel", sentinel.address)
    m("send", "-", stdin="from a pipe\nin two lines".encode())
    m("send", "many", "words", "without", "quotes")
    expect(m.run("send", "").code == USAGE, "an empty message")
    a = m.run("send", "-", stdin=b"x" * 40000)
    expect(a.code == USAGE and "put" in a.text, f"too long a message: {a}")
    m("send", "-", stdin=b"y" * 32768)
    got = [t for _, t in m.messages()]
    expect([t.rstrip("\n") for t in got] ==
           ["from a pipe\nin two lines", "many words without quotes", "y" * 32768], f"{got!r:.200}")
    a = m.run(b"send", b"\xff\xfe odd")
    expect(a.code == USAGE, f"bytes that are no UTF-8: {a}")
    # What a hostile member writes cannot speak to our terminal.
    m("send", "\x1b[31mred\x07")
    shown = m.run("read", "--from", "1", json_flag=False)
    expect(b"\x1b" not in shown.out and b"\x07" not in shown.out, f"escapes pass: {shown.out!r}")
    expect(os.fsencode("red") in shown.out, "the text is lost")


def erasing(w):
    """destroy wants the enclave's own name said; a verb's words choose no other enclave"""
    sentinel = w.sentinel()
    m = w.member("ada")
    m("create", "choir", "--as", "ada", "--sentinel", sentinel.address)
    a = m.run("destroy")
    expect(a.code == USAGE and "--yes-really choir" in a.json["next"], f"{a}")
    expect("erased" in a.text, f"what would be lost is not said: {a}")
    a = m.run("destroy", "--yes-really", "band")
    expect(a.code == NOT_FOUND, f"{a}")
    a = m.run("destroy", "--yes-really", "yes", "--enclave", "choir")
    expect(a.code == USAGE and "--yes-really choir" in a.json["next"], f"{a}")
    a = m.run("leave", "choir")
    expect(a.code == USAGE and "--yes" in a.json["next"], f"{a}")
    expect(m.state() == "member", m.state())
    a = m.run("vote", "yes")
    expect(a.code == NOT_FOUND and "enclave proposals" in a.json["next"], f"{a}")
    a = m.run("proposals", "--qr", json_flag=False)
    expect(a.code == OK and not a.out and a.err, f"{a}")


lib.main(usage, helping, names, texts, erasing)
