# SPDX-License-Identifier: MIT OR Apache-2.0
"""Files: odd ones, the tree, interrupted and refused transfers."""
import json
import os
import resource
import signal
import subprocess
import urllib.parse

import lib
from lib import CONFLICT, NOT_FOUND, OK, PARTIAL, SPACE, USAGE, expect


def tree(w):
    """empty file, one byte, odd names, directories, mv, rm; everybody sees the same"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    odd = b"caf\xe9 \x01 \xff %41 'quoted' \\ *"
    contents = {b"empty": b"", b"one byte": b"x", odd: b"odd" * 1000,
                "sch\u00f6n \U0001f512.txt".encode(): b"y" * 70000}
    for name, data in contents.items():
        local = os.path.join(os.fsencode(w.path), name)
        with open(local, "wb") as f:
            f.write(data)
        ada("put", local, "--wait")
    bob.until("four files", lambda: len(bob.files()) == 4)
    for name, data in contents.items():
        out = os.path.join(os.fsencode(w.path), b"out-" + name)
        bob("get", name, out)
        with open(out, "rb") as f:
            expect(f.read() == data, f"{name!r} came back otherwise")
    listed = {urllib.parse.unquote_to_bytes(f["path"]) if f.get("path_encoded")
              else f["path"].encode() for f in bob("ls")["files"]}
    expect(listed == set(contents), f"the list has {listed}")
    shown = bob.run("ls", json_flag=False)
    expect(b"\x01" not in shown.out, "a control character reaches the terminal")

    ada("mkdir", "papers")
    ada("mkdir", "papers", code=CONFLICT)
    ada("mv", "one byte", "papers/one")
    ada("mv", "empty", "papers")
    expect(set(ada.files("papers")) == {"papers/one", "papers/empty"}, f"{ada.files('papers')}")
    bob.until("he sees it moved", lambda: set(bob.files("papers")) ==
              {"papers/one", "papers/empty"})
    a = bob("get", "papers", str(w.path / "gone"), code=USAGE)
    expect("directory" in a["text"], f"{a}")
    ada("rm", "papers", code=CONFLICT)
    ada("rm", "papers/empty")
    ada("get", "papers/empty", str(w.path / "gone"), code=NOT_FOUND)
    ada("rm", "-r", "papers")
    for verb in (["ls", "papers"], ["info", "papers/one"], ["rm", "papers"], ["mv", "papers", "x"],
                 ["get", "papers/one", str(w.path / "gone")]):
        a = ada(*verb, code=NOT_FOUND)
        expect(a["text"], f"{verb}: {a}")
    expect(not (w.path / "gone").exists(), "a failed get left a file")
    bob.until("he sees it gone", lambda: bob.run("ls", "papers").code == NOT_FOUND)
    past(w, ada, bob)


def past(w, ada, bob):
    """versions, restore, the trash, and files whose keys are wrapped anew"""
    def numbers(who, path="plan"):
        return [v["number"] for v in who("versions", path)["versions"]]

    def content(who, *which):
        out = w.path / "old"
        who("get", "plan", str(out), "--replace", *which)
        return out.read_text()

    local = w.path / "plan"
    for text in ("first", "second", "third"):
        local.write_text(text)
        ada("put", str(local), "--wait")
    bob.until("three versions", lambda: bob.run("versions", "plan").code == OK
              and len(numbers(bob)) == 3)
    kept = numbers(bob)
    expect(kept == numbers(ada) and kept == sorted(kept), f"the numbers: {kept}, {numbers(ada)}")
    expect(content(bob, "--version", str(kept[0])) == "first", "an old version reads otherwise")
    bob.until("the first is a second old", lambda: bob.run(
        "get", "plan", str(local) + "y", "--replace", "--at", "1s").code == OK)
    expect(content(bob, "--at", "1s") in ("first", "second", "third"), "by time")
    expect(ada.run("get", "plan", str(local) + "x", "--at", "2020-01-01").code == NOT_FOUND,
           "there was something before the first version")
    bob("restore", "plan", "--version", str(kept[1]))
    ada.until("it is restored", lambda: len(numbers(ada)) == 4)
    expect(content(ada) == "second" and numbers(ada)[:3] == kept, f"restored: {numbers(ada)}")
    bob("restore", "plan", "--version", str(numbers(ada)[3]), code=CONFLICT)
    bob("restore", "plan", "--version", "999999", code=NOT_FOUND)

    # Removed, with all its versions; back again, by itself and with its directory.
    ada("rm", "plan")
    trash = {v["path"]: v for v in ada("trash")["versions"]}
    expect(set(trash) == {"papers/empty", "papers/one", "plan"}, f"the trash: {trash}")
    expect(trash["plan"]["older"] == 3 and trash["plan"]["gone_by"] == "ada", f"{trash['plan']}")
    ada("restore", "papers")
    bob.until("the directory is back", lambda: set(bob.files("papers") if bob.run(
        "ls", "papers").code == OK else ()) == {"papers/one", "papers/empty"})
    bob("restore", "plan")
    expect(content(bob) == "second" and len(numbers(bob)) == 5, f"back: {numbers(bob)}")
    expect(bob("trash")["versions"] == [], "what is back is not in the trash")

    expect(ada("retention")["keep"] == "staggered", "retention")
    ada("retention", "set", "all")
    bob.until("all is kept", lambda: bob("retention")["keep"] == "all")
    gc = ada("gc")
    expect(gc["versions"] == [] and gc["bytes"] == 0, f"nothing is due: {gc}")
    ada("rekey", "--files", code=CONFLICT)
    epoch = ada("info")["epoch"]
    ada("rekey")
    ada.until("a new epoch", lambda: ada("info")["epoch"] > epoch)
    ada("rekey", "--files")
    expect(content(bob, "--version", str(kept[2])) == "third", "wrapped anew, it reads otherwise")


def refused(w):
    """what cannot be put or got: unreadable, missing, a directory, in the way, a bad profile"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    a = ada("put", str(w.path / "missing"), code=NOT_FOUND)
    expect("missing" in a["text"], f"{a}")
    a = ada.run("put", str(w.path))
    expect(a.code == USAGE and "directory" in a.text, f"a directory: {a}")
    locked = w.path / "locked"
    locked.write_text("secret")
    locked.chmod(0)
    if os.geteuid() != 0:
        a = ada.run("put", str(locked))
        expect(a.code == 1 and "locked" in a.text, f"unreadable: {a}")
    pipe = w.path / "pipe"
    os.mkfifo(pipe)
    a = ada.run("put", str(pipe), seconds=20)
    expect(a.code in (1, USAGE), f"a pipe: {a}")
    source = lib.random_file(w.path / "source", 100000)
    for profile in ("0/1", "3/2", "x", "1/65", "8/20/3", "2"):
        a = ada.run("put", str(source), "--profile", profile)
        expect(a.code == USAGE, f"the profile {profile}: {a}")
    expect(ada.files() == {}, f"something was put: {ada.files()}")
    ada("put", str(source), "--wait")
    target = w.path / "target"
    target.write_text("precious")
    bob.until("the file", lambda: "source" in bob.files())
    bob("get", "source", str(target), code=CONFLICT)
    expect(target.read_text() == "precious", "get wrote over a file")
    bob("get", "source", str(target), "--replace")
    expect(lib.sha256(target) == lib.sha256(source), "replaced by something else")
    a = bob.run("get", "source", str(w.path / "no" / "such" / "dir"))
    expect(a.code in (1, NOT_FOUND), f"into nowhere: {a}")
    ada("put", str(source), "--profile", "1/2", "--wait")
    info = ada.info("source")
    expect((info["k"], info["n"]) == (1, 2), f"the profile is not kept: {info}")
    a = ada("put", str(source), "wide", "--profile", "2/5", "--strict")
    expect(a["state"] == "safe", f"strict, and not safe: {a}")
    piped(w, ada, bob)


def piped(w, ada, bob):
    """standard input and output, a part of a file, holes"""
    data = os.urandom(3 << 20) + bytes(2 << 20) + b"the end"
    ada("put", "-", "piped", "--wait", stdin=data)
    bob.until("the piped file", lambda: "piped" in bob.files())
    r = bob.run("get", "piped", "-o", "-", json_flag=False)
    expect((r.code, r.out == data) == (OK, True), f"standard output: {r.code}, {len(r.out)} bytes, {r.err}")
    for text, part in (("5-1000000", data[5:1000000]), ("5000000-", data[5000000:]), ("0-1", data[:1])):
        r = bob.run("get", "piped", "-o", "-", "--range", text, json_flag=False)
        expect((r.code, r.out == part) == (OK, True), f"--range {text}: {r.code}, {len(r.out)} bytes, {r.err}")
    for text in ("9", "a-b", "7-7", "8-2", f"{len(data) + 1}-"):
        expect(bob.run("get", "piped", "-o", "-", "--range", text).code == USAGE, f"--range {text}")
    bob("get", "piped", "-o", str(w.path / "sparse"))
    got = w.path / "sparse"
    expect(got.read_bytes() == data, "a file with holes came back otherwise")
    expect(got.stat().st_blocks * 512 < len(data) - (1 << 20), "its hole is full of zeros")
    r = ada.run("put", "-", "empty pipe", "--wait", stdin=b"")
    expect(r.code == OK and ada.info("empty pipe")["size"] == 0, f"nothing from a pipe: {r}")
    a = ada.run("put", "-", stdin=b"nameless")
    expect(a.code == USAGE, f"a pipe without a name: {a}")
    line = [w.program("enclave"), "--home", ada.home, "put", "-", "broken off"]
    put = w.spawn(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    put.stdin.write(b"x" * 100000)
    put.stdin.flush()
    put.send_signal(signal.SIGINT)
    expect(put.wait() != OK, "half a pipe was put")
    put.stdin.close()
    ada.until("the put that broke off", lambda: any(
        t["state"] == "failed" and t["path"] == "broken off" for t in ada("transfers")["transfers"]))
    expect("broken off" not in ada.files(), "half a pipe was put")
    whole(w, ada, bob)


def whole(w, ada, bob):
    """a directory with all that is in it, there and back; again: only what changed"""
    source = w.path / "album"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "void").mkdir()
    contents = {b"one": b"1" * 5000, b"deep/tw\xff o": b"2", b"deep/er/three": os.urandom(300000), b"deep/none": b""}
    for name, data in contents.items():
        with open(os.path.join(os.fsencode(source), name), "wb") as f:
            f.write(data)
    (source / "link").symlink_to("one")
    a = ada("put", "-r", str(source) + "/", "--wait")
    expect((a["files"], a["unchanged"], a["passed_over"], a["failed"]) == (4, 0, 1, []), f"put -r: {a}")
    (source / "one").write_bytes(b"changed")
    a = ada("put", "-r", str(source), "--wait")
    expect((a["files"], a["unchanged"]) == (1, 3), f"put -r again: {a}")
    contents[b"one"] = b"changed"
    bob.until("all of the album", lambda: bob.files("album").get("album/one", {}).get("size") == 7)
    out = w.path / "out"
    a = bob("get", "-r", "album", str(out))
    expect((a["files"], a["unchanged"]) == (4, 0), f"get -r: {a}")
    for name, data in contents.items():
        with open(os.path.join(os.fsencode(out), name), "rb") as f:
            expect(f.read() == data, f"{name!r} came back otherwise")
    expect((out / "void").is_dir(), "the empty directory is lost")
    (out / "deep" / "none").write_bytes(b"precious")
    (out / "one").unlink()
    a = bob("get", "-r", "album", str(out), code=1)
    expect((a["files"], a["unchanged"], len(a["failed"])) == (1, 2, 1), f"get -r again: {a}")
    expect((out / "deep" / "none").read_bytes() == b"precious", "get -r wrote over a file")


def interrupted(w):
    """the daemon dies in the middle of a put: it goes on at the next start"""
    sentinel = w.sentinel()
    ada, bob, eve = lib.found(w, sentinel, "ada", "bob", "eve")
    source = lib.random_file(w.path / "big", 96 << 20)
    line = [w.program("enclave"), "--home", ada.home, "--json", "put", source, "--progress"]
    put = w.spawn(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process, part = ada.process(), 0
    for raw in put.stderr:
        try:
            t = json.loads(raw)
        except ValueError:
            continue
        part = t.get("bytes", 0)
        if part > 0:
            break
    process.end(signal.SIGKILL)
    put.stderr.read()
    code = put.wait()
    expect(0 < part < source.stat().st_size, f"killed too late, at {part} bytes")
    expect(code not in (OK, PARTIAL), f"the client thinks that all is well: {code}")
    expect("big" not in bob.files(), "it was entered before it was safe")
    ada.start()
    ada.until("it goes on by itself", lambda: "big" in ada.files(), 60)
    bob.until("the others see it", lambda: "big" in bob.files())
    ada.until("all columns are out", lambda: ada.info("big")["holders"] == 3, 60)
    out = w.path / "big.out"
    eve("get", "big", str(out))
    expect(lib.sha256(out) == lib.sha256(source), "other bytes after the resume")


def spreading(w):
    """holders that are away: accepted, spreading, safe when they come back"""
    sentinel = w.sentinel()
    people = lib.found(w, sentinel, "ada", "bob", "eve")
    ada, bob, eve = people
    eve.stop()
    ada.until("eve is away", lambda: not [m for m in ada("members")["members"]
                                          if m["nick"] == "eve" and m["path"] != "offline"])
    source = lib.random_file(w.path / "source", 2 << 20)
    a = ada("put", str(source), code=PARTIAL)
    expect("spread" in a["text"], f"{a}")
    out = w.path / "out"
    bob.until("listed", lambda: "source" in bob.files())
    bob("get", "source", str(out))
    expect(lib.sha256(out) == lib.sha256(source), "other bytes")
    eve.start()
    ada.until("eve has hers", lambda: ada.info("source")["holders"] == 3, 60)
    expect(eve.shards(), "eve keeps nothing")


def full(w):
    """no space at a holder and at home: said so, nothing half-written, goes on when there is"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    source = lib.random_file(w.path / "source", 24 << 20)
    bob_pid = bob.pid()
    resource.prlimit(bob_pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    a = ada.run("put", str(source), "--wait", "--timeout", "3s", seconds=30)
    expect(a.code in (PARTIAL, SPACE, 13), f"a full holder: {a}")
    expect(bob("status")["vault"] == "open", "the full holder died")
    resource.prlimit(bob_pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    ada.until("room again: it goes on", lambda: ada.files().get("source", {}).get("holders") == 2,
              90)
    # Where the file shall be written there is no room: no file, no piece of one.
    resource.prlimit(bob_pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    target = w.path / "target"
    a = bob.run("get", "source", str(target))
    expect(a.code == SPACE, f"get on a full disk: {a}")
    expect(not target.exists(), "a piece of a file was left under its name")
    resource.prlimit(bob_pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    bob("get", "source", str(target))
    expect(lib.sha256(target) == lib.sha256(source), "other bytes")


lib.main(tree, refused, interrupted, spreading, full)
