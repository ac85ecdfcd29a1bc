# SPDX-License-Identifier: MIT OR Apache-2.0
"""check and repair: bit rot in every part of a shard and in the database is named, with the files
that suffer, and mended. And libenclave as a program of somebody else would use it."""
import os
import shlex
import sqlite3

import lib
from lib import CONFLICT, INTEGRITY, NOT_FOUND, OK, UNREACHABLE, USAGE, expect


def library(w, ada):
    """the installed header and pkg-config file build the example; it runs against a real daemon"""
    prefix = w.path / "prefix"
    done = w.run(["cmake", "--install", w.build, "--prefix", prefix, "--component", "library"])
    expect(done.code == OK, f"{done}")
    env = {**w.environment(), "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig"),
           "LD_LIBRARY_PATH": str(prefix / "lib"), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    flags = w.run(["pkg-config", "--cflags", "--libs", "libenclave"], env=env)
    expect(flags.code == OK, f"{flags}")
    keep = w.path / "keep"
    strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    if os.environ.get("ENCLAVE_SANITIZED"):
        strict.append("-fsanitize=address,undefined")
    built = w.run(["cc", *strict, lib.SOURCE / "examples" / "keep.c",
                   *shlex.split(flags.out.decode()), "-o", keep], env=env)
    expect(built.code == OK, f"{built}")
    source, copy = lib.random_file(w.path / "kept", 3 << 20), w.path / "copy"
    a = w.run([keep, ada.home, source, "papers/kept", copy], env=env)
    expect(a.code == OK and lib.sha256(copy) == lib.sha256(source), f"{a}")
    expect(lib.sha256(source).encode() in a.out and b"may vanish" in a.out, f"{a}")
    for state in (b"up safe", b"down done"):
        expect(state in a.err, f"no progress {state}: {a}")
    (w.path / "empty").touch()
    a = w.run([keep, ada.home, w.path / "empty", "empty", copy], env=env)
    expect(a.code == CONFLICT and b"replace it" in a.err, f"the copy is there: {a}")
    a = w.run([keep, ada.home, w.path / "none", "x", copy], env=env)
    expect(a.code == NOT_FOUND, f"no such source: {a}")
    a = w.run([keep, w.path / "nowhere", source, "x", copy], env=env)
    expect(a.code == UNREACHABLE and b"enclave daemon start" in a.err, f"no daemon: {a}")


def rot(ada, bob):
    """every part of a shard: said, with the file that suffers, and made again as it was"""
    shards = ada.shards()
    whole = {s: s.read_bytes() for s in shards}
    size = len(whole[shards[0]])
    a = ada("check")
    expect(a["sound"] and a["shards"] == len(shards) == 10 and a["entries"] > 5, f"{a}")
    # Magic, index, first and last unit, root in the trailer; cut short; gone.
    for shard, at in zip(shards, (0, 36, 40, size - 300, size - 130)):
        lib.flip_byte(shard, at)
    os.truncate(shards[5], size - 7)
    shards[6].unlink()
    a = ada("check", code=INTEGRITY)
    expect((a["shards_bad"], a["shards_missing"]) == (6, 1), f"{a}")
    expect([(f["path"], f["bad"], f["readable"]) for f in a["files"]] ==
           [("papers/kept", 7, True)], f"{a}")
    expect(a["next"].startswith("enclave repair"), f"{a}")
    ada("repair", code=USAGE)
    a = ada("repair", "--yes")  # beside the one that goes on by itself since the check
    expect(a["sound"], f"{a}")
    ada.until("all is as it was", lambda: {s: s.read_bytes() for s in ada.shards()} == whole)
    a = bob("check", "analytical-society", "--read-data", "100")
    expect(a["sound"] and a["far"] > 0 and a["far_away"] == 0, f"{a}")


def spoil_ledger(ada):
    """The third entry of the ledger becomes zeros, on the disk."""
    count, first = ada("info")["ledger_count"], -(1 << 63)  # how SQLite has number 0
    with sqlite3.connect(ada.home / "state.db", timeout=20) as db:
        spaces = db.execute("SELECT space FROM rows GROUP BY space HAVING max(n) = ? AND "
                            "count(*) = ?", (first + count - 1, count)).fetchall()
        for (space,) in spaces:
            db.execute("UPDATE rows SET value = zeroblob(length(value)) WHERE space = ? AND n = ?",
                       (space, first + 2))
    db.close()


def entries(ada):
    """a damaged row of the database: said, and had from the sentinel again"""
    spoil_ledger(ada)
    a = ada("check", code=INTEGRITY)
    expect(a["entries_bad"] >= 1 and "entry 2 of the ledger is damaged" in a["detail"], f"{a}")
    ada("verify", code=INTEGRITY)
    a = ada("repair", "--yes")
    expect(a["sound"] and a["entries_mended"] == a["entries_bad"], f"{a}")
    expect(ada("verify")["agrees"] and ada("check")["sound"], "not as it was")


def hopeless(w, people):
    """fewer than k columns are sound: said so; nothing is dropped, nothing is written out"""
    ada = people[0]
    source = lib.random_file(w.path / "doomed", 100000)
    before = {p.nick: set(p.shards()) for p in people}
    ada("put", str(source), "--profile", "1/2", "--wait")
    for p in people:
        for shard in set(p.shards()) - before[p.nick]:
            lib.flip_byte(shard, 40)
    spoilt = {s: s.read_bytes() for s in ada.shards()}
    a = ada("check", "--read-data", "100", code=INTEGRITY)
    expect([(f["path"], f["readable"]) for f in a["files"]] == [("doomed", False)], f"{a}")
    a = ada("repair", "--yes", code=INTEGRITY)
    expect(a["shards_mended"] == 0 and "again when more" in a["next"], f"{a}")
    expect({s: s.read_bytes() for s in ada.shards()} == spoilt, "a damaged shard was dropped")
    ada("get", "doomed", str(w.path / "out"), code=INTEGRITY)
    expect(not (w.path / "out").exists(), "unverified bytes were written")


def broken(ada):
    """not repaired before the daemon ends, it does not load again: shown, with the way out"""
    spoil_ledger(ada)
    ada.stop()
    ada.start()
    e = ada.enclave()
    expect(e["state"] == "halted" and "restore a backup" in e["trouble"], f"{e}")
    for verb in (["check"], ["ls"], ["send", "x"]):
        a = ada(*verb, code=1)
        expect("restore a backup" in a["text"], f"{verb}: {a}")


def check(w):
    """libenclave; bit rot here and there: named, mended"""
    people = lib.found(w, w.sentinel(), "ada", "bob")
    ada, bob = people
    library(w, ada)
    rot(ada, bob)
    entries(ada)
    hopeless(w, people)
    broken(ada)
    for word in ("upload", "download", "peers"):
        expect(ada.run(word, "--help", json_flag=False).code == OK, word)


lib.main(check)
