# SPDX-License-Identifier: MIT OR Apache-2.0
"""The demo's steps as assertions: admit by everybody's yes, refuse by one no, talk, put, lose two
members, get, a damaged shard, an ignorant sentinel, and the end of the enclave."""
import lib
from lib import OK, PENDING, REFUSED, expect

NICKS = ["ada-lovelace", "grace-hopper", "emmy-noether", "mary-somerville", "sophie-germain"]


def main_job(w):
    """five members admit, refuse, talk, keep a file over two deaths and a bad disk, and leave"""
    sentinel = w.sentinel()
    people = lib.found(w, sentinel, *NICKS)
    stranger = w.member("charles-babbage")
    refused(people, stranger)
    texts = talk(people)
    source = lib.random_file(w.path / "the-difference-engine.bin", 3 << 20)
    dead = [people[1], people[3]]
    survive(w, people, dead, source)
    blind(w, sentinel, [*NICKS, stranger.nick, *texts, source.name, "analytical-society"])
    for m in dead:
        m.start()
        m.until("all was kept", lambda m=m: {t for _, t in m.messages()} == set(texts))
    leave(sentinel, people)


def refused(people, stranger):
    code = people[0]("invite")["code"]
    stranger("join", code, "--as", stranger.nick, code=PENDING)
    people[0].until("a knock", lambda: lib.proposal_of(people[0], stranger.nick))
    people[0]("vote", "yes")
    people[1].until("a proposal", lambda: lib.proposal_of(people[1], stranger.nick))
    shown = [p["state"] for p in people[0]("proposals")["proposals"]]
    expect(shown == ["open"], f"the inviter sees {shown}")
    people[1]("vote", "no")
    for m in people[2:]:
        m.until("a proposal", lambda m=m: lib.proposal_of(m, stranger.nick))
        m("vote", "yes")
    stranger("join", code, "--as", stranger.nick, "--wait", code=REFUSED)
    expect(stranger.state() == "refused", stranger.state())
    for m in people:
        m.until("the vote is over", lambda m=m: m("proposals")["proposals"] == [])
        expect(m.nicks() == set(NICKS), f"{m.nick} counts {m.nicks()}")
        expect(m("proposals")["proposals"] == [], "a vote is still open")
    closed = [p for p in people[2]("proposals", "--all")["proposals"]
              if p["nick"] == stranger.nick]
    expect(closed and closed[0]["state"] == "refused", f"the ledger says {closed}")


def talk(people):
    texts = [f"This is what {m.nick} wanted to say: \u00e4\u20ac\U0001f512" for m in people]
    for m, text in zip(people, texts):
        m("send", text)
    want = {(m.nick, text) for m, text in zip(people, texts)}
    for m in people:
        m.until("all messages", lambda m=m: set(m.messages()) == want)
    return texts


def survive(w, people, dead, source):
    name, total = source.name, lib.sha256(source)
    people[0]("put", str(source), "--wait")
    for m in people:
        m.until("the file is listed", lambda m=m: name in m.files())
    info = people[4].info(name)
    expect(info["may_vanish"] >= 2 and "may vanish" in info["safety"], f"info says {info}")
    expect(info["sha256"] == total and info["size"] == source.stat().st_size, f"info says {info}")
    d = people[4]("drill", "--without", ",".join(m.nick for m in dead))
    expect(d["lost"] == 0 and d["readable"] == d["files"] >= 1, f"drill without two: {d}")
    d = people[4]("drill", "--without", ",".join(m.nick for m in people if m is not people[4]))
    expect(d["lost"] == 1 and name in d["examples"], f"drill without four: {d}")
    for m in dead:
        m.kill()
    for m in (people[2], people[4]):
        out = w.path / f"{m.nick}.out"
        m("get", name, str(out))
        expect(lib.sha256(out) == total, f"{m.nick} got other bytes")
    # Every shard of one member goes bad: whatever is read of them is named.
    for shard in people[2].shards():
        lib.flip_byte(shard, 140)
    out = w.path / "again.out"
    a = people[2]("get", name, str(out))
    expect(lib.sha256(out) == total, "other bytes after the disk went bad")
    expect("emmy-noether" in a["text"] and "damaged" in a["text"], f"nothing is named: {a}")
    people[2].until("they are made again", lambda: whole(people[2].info(name)))
    out = w.path / "whole.out"
    a = people[2]("get", name, str(out))
    expect(lib.sha256(out) == total and "damaged" not in a["text"], f"still damaged: {a}")


def whole(info):
    return info["bad_shards"] == 0 and "nowhere" not in info["detail"]


def blind(w, sentinel, words):
    proof = w.path / "proof"
    proof.write_bytes(b"\n".join(n for t in words for n in lib.disguises(t).values()))
    found, _ = lib.search([proof], words)
    expect({t for _, t, _ in found} == set(words), "the search does not find")
    hits, read = lib.search(sentinel.files(), words)
    expect(read > 10000, f"only {read} bytes were searched")
    expect(not hits, f"the sentinel knows {hits}")


def leave(sentinel, people):
    room = lib.room_of(people[0]("invite")["code"])
    expect(lib.search(sentinel.files(), [room])[0], "the room's number is nowhere: blind?")
    for i, m in enumerate(people):
        m("--yes", "leave")
        expect(m("status")["enclaves"] == [], f"{m.nick} still has it")
        left = [x.nick for x in people[i + 1:]]
        for x in people[i + 1:]:
            x.until("one less", lambda x=x: x.inside(*left), 60)
        if i == 0:
            for name in people[1].files():
                people[1].until("all shards are with those who stay", lambda name=name:
                                whole(people[1].info(name)))
    expect(sentinel.stop() == OK, "the sentinel does not end in order")
    left = {t: n for t, n in lib.rows(sentinel.data / "rooms.db").items() if n}
    expect(not left, f"rows are left: {left}")
    hits, _ = lib.search(sentinel.files(), [room])
    expect(not hits, f"the room's number is still in {hits}")


lib.main(main_job)
