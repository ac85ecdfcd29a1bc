# SPDX-License-Identifier: MIT OR Apache-2.0
"""What is erased is gone from the raw files: of the sentinel, of a member, of a holder of shards. Each
search first finds what it later must not find."""
import contextlib
import os
import pathlib
import sqlite3

import lib
from lib import OK, expect

NAME = "the-archive"
WINDOW = 24


def blobs(folder, pattern):
    """Every value of 64 bytes or more in the database, as a copy of its files holds it."""
    found = []
    for file in sorted(folder.glob(pattern)):
        base = sqlite3.connect(file)
        with contextlib.closing(base):
            tables = [r[0] for r in base.execute("SELECT name FROM sqlite_master "
                                                 "WHERE type = 'table'")]
            for table in tables:
                for row in base.execute(f"SELECT * FROM {table}"):
                    found += [v for v in row if isinstance(v, bytes) and len(v) >= 64]
    return found


def copied(w, folder, name):
    """A copy of a folder: nothing that we do to it disturbs a running program."""
    to = w.path / name
    to.mkdir()
    for file in folder.iterdir():
        if file.is_file():
            (to / file.name).write_bytes(file.read_bytes())
    return to


def needles(values):
    """A piece out of the middle of each value: random bytes, as all of it is sealed (but for the zeros
    that fill a shard)."""
    found = {v[len(v) // 2:len(v) // 2 + WINDOW] for v in values}
    return {n for n in found if len(set(n)) > WINDOW // 2}


def present(files, wanted):
    raw = b"\0".join(pathlib.Path(f).read_bytes() for f in files)
    return {n for n in wanted if n in raw}


def own_rows(w, member):
    """What a home without an enclave keeps: one row, by which it knows whether it is a copy."""
    left = blobs(copied(w, member.home, f"left-{member.nick}"), "*.db")
    expect(len(left) <= 1, f"{len(left)} rows are still at {member.nick}")
    return needles(left)


def all_files(folder):
    return [p for p in folder.rglob("*") if p.is_file()]


def world_of_three(w):
    sentinel = w.sentinel()
    people = lib.found(w, sentinel, "ann", "ben", "cem", name=NAME)
    for m in people:
        m("send", f"the words of {m.nick}")
    source = lib.random_file(w.path / "paper.bin", 300_000)
    people[0]("put", str(source), "--wait")
    for m in people:
        m.until("all is here", lambda m=m: len(m.messages()) == 3 and "paper.bin" in m.files())
    return sentinel, people


def the_end(w):
    """the last one out erases the room: no sealed byte is left at the sentinel, none at the members"""
    sentinel, people = world_of_three(w)
    room = lib.room_of(people[0]("invite")["code"])
    at_sentinel = needles(blobs(copied(w, sentinel.data, "s"), "rooms.db"))
    at_member = {m: needles(blobs(copied(w, m.home, f"h-{m.nick}"), "*.db")) for m in people}
    shards = {m: needles([p.read_bytes() for p in m.shards()]) for m in people}
    expect(len(at_sentinel) > 20, f"only {len(at_sentinel)} values at the sentinel")
    expect(len(present(sentinel.files(), at_sentinel)) > len(at_sentinel) // 2, "the search is blind")
    for m in people:
        expect(len(at_member[m]) > 20 and len(shards[m]) > 0, f"{m.nick} keeps little")
        found = present(all_files(m.home), at_member[m] | shards[m])
        expect(len(found) > len(at_member[m]) // 2, f"the search is blind at {m.nick}")
    for m in people:
        preview = m.run("--yes", "leave", json_flag=False)
        expect(preview.code == OK, str(preview))
    for m in people:
        m.stop()
        hits = present(all_files(m.home), at_member[m] | shards[m]) - own_rows(w, m)
        expect(not hits, f"{len(hits)} sealed pieces are still at {m.nick}")
        expect(m.shards() == [], f"{m.nick} still keeps shards")
    expect(sentinel.stop() == OK, "the sentinel does not end in order")
    hits = present(sentinel.files(), at_sentinel | {room})
    expect(not hits, f"{len(hits)} pieces of the room are still at the sentinel")


def one_copy(w):
    """destroy erases one's own copy at once, without the sentinel; the others go on"""
    sentinel, people = world_of_three(w)
    ann, ben, cem = people
    mine = needles(blobs(copied(w, cem.home, "h-cem"), "*.db"))
    mine |= needles([p.read_bytes() for p in cem.shards()])
    sentinel.kill()
    refused = cem.run("destroy", NAME)
    expect(refused.code != OK and cem.enclave(NAME), f"without the flag: {refused}")
    cem("destroy", "--yes-really", NAME)
    expect(cem("status")["enclaves"] == [], "it is still listed")
    cem.stop()
    hits = present(all_files(cem.home), mine) - own_rows(w, cem)
    expect(not hits, f"{len(hits)} sealed pieces are still there")
    sentinel.start()
    ann.until("the others go on", lambda: ann.enclave()["online"])
    ann("send", "we are still here")
    ben.until("he reads", lambda: ("ann", "we are still here") in ben.messages())


def what_goes_with_me(w):
    """leave says first what only this member holds, and hands it over; --now would not"""
    sentinel = w.sentinel()
    ann = w.member("ann")
    ann("create", NAME, "--as", "ann", "--sentinel", sentinel.address)
    source = lib.random_file(w.path / "alone.bin", 50_000)
    ann("put", str(source), "--wait")
    ben = w.member("ben")
    lib.admit([ann], ben)
    said = ann.run("leave", "--now", json_flag=False)
    expect(said.code != OK and "alone.bin" in said.text, f"nothing is said of it: {said}")
    ben.until("he sees it", lambda: "alone.bin" in ben.files())
    ann("put", str(source), "two.bin", "--wait")
    cem = w.member("cem")
    lib.admit([ann, ben], cem)
    expect(ann.info("two.bin")["holders"] == 2, "moved by itself")
    ann("rebalance")
    expect(ann.info("two.bin")["holders"] == 3, f"{ann.info('two.bin')}")
    ann("--yes", "leave", "--background")
    ann.kill()
    ann.start()
    ann.until("she is out", lambda: ann("status")["enclaves"] == [])
    ben.until("she is gone", lambda: ben.inside("ben", "cem"))
    cem.until("all shards are with those who stay", lambda: cem.info("two.bin")["holders"] == 2
              and "nowhere" not in cem.info("two.bin")["detail"])
    ben("get", "alone.bin", str(w.path / "kept.bin"))
    expect(lib.sha256(w.path / "kept.bin") == lib.sha256(source), "other bytes were handed over")


if __name__ == "__main__":
    lib.main(the_end, one_copy, what_goes_with_me)
