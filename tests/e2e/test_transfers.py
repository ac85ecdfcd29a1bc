# SPDX-License-Identifier: MIT OR Apache-2.0
"""Transfers on bad days: too few holders, Ctrl-C, a daemon that stops in the middle, two writers."""
import json
import os
import pathlib
import signal
import subprocess

import lib
from lib import INTEGRITY, INTERRUPTED, NOT_FOUND, OK, PARTIAL, UNREACHABLE, USAGE, expect

# A sanitizer keeps what was freed for a while.
MEMORY = (1024 if os.environ.get("ENCLAVE_SANITIZED") else 256) << 20


def lost(w):
    """too few sound shards: an error that says so, no file; back when the holders are"""
    sentinel = w.sentinel()
    ada, bob, eve = lib.found(w, sentinel, "ada", "bob", "eve")
    source = lib.random_file(w.path / "source", 3 << 20)
    ada("put", str(source), "--profile", "3/3", "--wait")
    info = ada.info("source")
    expect(info["may_vanish"] == 0 and info["holders"] == 3, f"{info}")
    bob.until("listed", lambda: "source" in bob.files())
    eve.kill()
    out = w.path / "out"
    a = bob("get", "source", str(out), code=UNREACHABLE, seconds=90)
    expect(a["state"] == "failed" and "too few" in a["text"], f"{a}")
    if out.exists():  # it was quicker than the stop
        expect(lib.sha256(out) == lib.sha256(source), "an unfinished file under its name")
        out.unlink()
    eve.start()
    bob.until("eve is back", lambda: "offline" not in
              {m["path"] for m in bob("members")["members"]})
    bob("get", "source", str(out))
    expect(lib.sha256(out) == lib.sha256(source), "other bytes")
    for m in (ada, eve):
        for shard in m.shards():
            lib.flip_byte(shard, 140)
    a = bob("get", "source", str(w.path / "bad"), code=INTEGRITY, seconds=90)
    expect("ada" in a["text"] or "eve" in a["text"], f"who keeps bad shards? {a}")
    expect(not (w.path / "bad").exists(), "unverified bytes were written")
    left = [p.name for p in w.path.iterdir() if p.name.endswith(".part")]
    expect(not left, f"pieces lie about: {left}")
    audited(w, ada, bob, eve)


def audited(w, ada, bob, eve):
    """an audit finds what is damaged and what is gone, names who lost it, and tells everybody; then it
    is made again"""
    before = {p.nick: set(p.shards()) for p in (ada, eve)}
    ada("put", str(lib.random_file(w.path / "kept", 3 << 20)), "--wait")
    bob.until("listed", lambda: "kept" in bob.files())
    new = {p.nick: sorted(set(p.shards()) - before[p.nick]) for p in (ada, eve)}
    for shard in new["ada"] + new["eve"][:1]:
        lib.flip_byte(shard, 140)
    for shard in new["eve"][1:]:
        shard.unlink()
    lost_ones = {h["nick"]: h for h in bob("audit", "--now", code=INTEGRITY)["holders"]}
    expect(set(lost_ones) == {"ada", "eve"}, f"{lost_ones}")
    for h in lost_ones.values():
        expect(h["lost"] > 0 and h["wrong"] == 0 and h["lost"] + h["right"] == h["asked"], f"{h}")
        expect(h["score"] < 75, f"a loss costs nothing: {h}")
    why = bob("storage", "why", "eve")
    expect(why["faults"] and all(f["by"] == "bob" for f in why["faults"]), f"{why}")
    causes = {f["cause"] for f in why["faults"]}
    expect(any("damaged" in c for c in causes), f"{causes}")
    shown = bob.run("storage", "why", "eve", json_flag=False)
    expect("damaged" in shown.text and "next:" in shown.text, f"{shown}")
    ada.until("bob's proof against eve", lambda: ada("storage", "why", "eve")["faults"])
    ada.until("bob's receipts", lambda: any(
        line["by"] == "bob" and "eve" in line["text"] and "right" in line["text"]
        for line in ada("audit", "log")["entries"]))
    verdict = ada("audit", "verify")
    expect(verdict["whole"] and verdict["proofs"] >= 2, f"{verdict}")
    expect(bob("storage", "why", "bob", code=USAGE)["next"], "nothing to type next")
    bob("storage", "why", "nobody", code=NOT_FOUND)
    bob.until("all is made again", lambda: bob.info("kept")["may_vanish"] == 2)


def begin(member, *words):
    """A put or get; returns when its first bytes have moved."""
    line = [member.world.program("enclave"), "--home", member.home, "--json", *words,
            "--progress"]
    child = member.world.spawn(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for raw in child.stderr:
        try:
            t = json.loads(raw)
        except ValueError:
            continue
        if 0 < t["bytes"] < t["total"]:
            return child
    raise lib.Failure(f"{words} was over too soon: {child.wait()}")


def finish(child):
    out, _ = child.communicate(timeout=60 * lib.PATIENCE)
    return child.returncode, out


def peak(member, reset=False):
    """The most memory it had since the last reset; only root may reset: else what it has now."""
    folder = pathlib.Path("/proc", str(member.pid()))
    field = "VmHWM" if os.geteuid() == 0 else "VmRSS"
    if reset and os.geteuid() == 0:
        (folder / "clear_refs").write_text("5")
    line = next(x for x in (folder / "status").read_text().splitlines() if field in x)
    return int(line.split()[1]) << 10


def interrupted(w):
    """Ctrl-C ends the command, not the transfer; a stopped daemon goes on; memory stays small"""
    sentinel = w.sentinel()
    ada, bob, eve = lib.found(w, sentinel, "ada", "bob", "eve")
    source = lib.random_file(w.path / "big", 96 << 20)
    for m in (ada, bob, eve):
        peak(m, reset=True)
    put = begin(ada, "put", source)
    put.send_signal(signal.SIGINT)
    code, _ = finish(put)
    expect(code == INTERRUPTED, f"Ctrl-C: {code}")
    ada.until("it goes on", lambda: ada.files().get("big", {}).get("holders") == 3, 60)
    bob.until("listed", lambda: "big" in bob.files())
    out = w.path / "out"
    get = begin(bob, "get", "big", out)
    # Now the daemon goes, in order; the same command goes on where it was.
    bob.stop()
    code, _ = finish(get)
    if out.exists():  # it was quicker than the stop
        expect(lib.sha256(out) == lib.sha256(source), f"an unfinished file under its name: {code}")
        out.unlink()
    else:
        expect(code not in (OK, PARTIAL), f"a get without a daemon: {code}")
    bob.start()
    bob("get", "big", str(out))
    expect(lib.sha256(out) == lib.sha256(source), "other bytes after the resume")
    for m in (ada, eve):
        most = peak(m)
        expect(most < MEMORY, f"{m.nick}'s daemon took {most >> 20} MiB")


def writers(w):
    """a new version, two writers of one name, two enclaves in one home"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    one, two = w.path / "one", w.path / "two"
    lib.random_file(one, 200000)
    lib.random_file(two, 200001)
    ada("put", str(one), "notes", "--wait")
    ada("put", str(two), "notes", "--wait")
    bob.until("the new version", lambda: bob.files().get("notes", {}).get("size") == 200001)
    bob("get", "notes", str(w.path / "now"))
    expect(lib.sha256(w.path / "now") == lib.sha256(two), "not the new version")
    # Both begin from the same state, while neither hears the other.
    children = [m.world.spawn([w.program("enclave"), "--home", m.home, "--json", "put", f, "plan",
                               "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for m, f in ((ada, one), (bob, two))]
    for child in children:
        code, out = finish(child)
        expect(code == OK, f"put ended with {code}: {out}")
    def sizes(m):
        return sorted(f["size"] for p, f in m.files().items() if p.startswith("plan"))
    for m in (ada, bob):
        m.until("both or the later one", lambda m=m: sizes(m) in ([200000, 200001], [200000],
                                                                  [200001]))
    expect(ada.files() == bob.files(), f"they see other trees: {ada.files()} {bob.files()}")
    own_order(w, sentinel, ada, bob, [one, two, one, two])
    # Another enclave in ada's home knows nothing of these files.
    ada("create", "second", "--as", "ada", "--sentinel", sentinel.address)
    expect(ada("ls", "--enclave", "second")["files"] == [], "files of another enclave")
    ada("put", str(one), "--enclave", "second", "--wait")
    a = ada("info", "one", "--enclave", "second")
    expect("only on" in a["safety"] and (a["k"], a["n"]) == (1, 1), f"alone: {a}")
    ada("get", "one", str(w.path / "alone"), "--enclave", "second")
    expect(lib.sha256(w.path / "alone") == lib.sha256(one), "other bytes")
    ada("--yes", "leave", "--enclave", "second")
    expect([e["name"] for e in ada("status")["enclaves"]] == ["analytical-society"], "both left")
    bob("get", "notes", str(w.path / "still"))


def own_order(w, sentinel, ada, bob, versions):
    """Several puts of one name while the sentinel is away, a kill among them: no conflict copies."""
    sentinel.kill()
    for i, local in enumerate(versions):
        ada("put", str(local), "diary", "--background")
        if i == 2:
            ada.until("nothing is read any more", lambda: all(
                t["state"] in ("safe", "spreading", "waiting")
                for t in ada("transfers")["transfers"]))
            ada.kill()
            ada.start()
    sentinel.start()
    size = versions[-1].stat().st_size
    ada.until("all puts are through", lambda: all(
        t["state"] == "safe" for t in ada("transfers")["transfers"]), 60)
    for m in (ada, bob):
        m.until("the last version", lambda m=m: m.files().get("diary", {}).get("size") == size, 60)
        names = [p for p in m.files() if p.startswith("diary")]
        expect(names == ["diary"], f"in conflict with oneself: {names}")
        expect(m.files()["diary"]["holders"] == 2, f"it does not spread: {m.info('diary')}")
    bob("get", "diary", str(w.path / "diary"))
    expect(lib.sha256(w.path / "diary") == lib.sha256(versions[-1]), "not the last version")


lib.main(lost, interrupted, writers)
