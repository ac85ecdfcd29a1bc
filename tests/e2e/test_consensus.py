# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a group decides, with the real programs: secret ballots and their silence, removal, rules,
withdrawal, new keys, absence, a machine revoked by its words, one that comes back from an old backup,
a ledger that anybody can judge again."""
import contextlib
import shutil
import sqlite3

import lib
from lib import CONFLICT, INTEGRITY, NOT_FOUND, OK, PENDING, USAGE, expect

NAME = "the-circle"


def ballot_sizes(w, sentinel, first):
    """Sizes of the entries of the ledger from index `first` on, as the sentinel holds them."""
    copy = w.path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in sentinel.files():
        if file.name.startswith("rooms.db"):
            shutil.copy(file, copy)
    base = sqlite3.connect(copy / "rooms.db")
    with contextlib.closing(base):
        # key = room number | feed, 2 bits | index, 38 bits
        rows = base.execute("SELECT key & ((1 << 38) - 1), length(sealed) FROM entry "
                            "WHERE (key >> 38) & 3 = 0 ORDER BY key")
        sizes = [size for n, size in rows if n >= first]
    expect(len(sizes) >= 4, f"only {len(sizes)} entries since the knock")
    return sizes


def knock(inviter, newcomer):
    code = inviter("invite")["code"]
    newcomer("join", code, "--as", newcomer.nick, code=PENDING)
    inviter.until("a knock", lambda: lib.proposal_of(inviter, newcomer.nick))
    return code


def vote_all(people, nick, choices):
    """Everybody votes in turn; what each screen said."""
    said = []
    for m, choice in zip(people, choices):
        m.until(f"{nick} is proposed", lambda m=m: lib.proposal_of(m, nick))
        a = m.run("vote", choice, nick, json_flag=False)
        expect(a.code == OK, str(a))
        said.append((a.out, a.err))
    return said


def shown(m, nick):
    """The proposal as its JSON shows it, without what names the vote itself."""
    p = next(p for p in m("proposals", "--all")["proposals"] if p["nick"] == nick)
    return {k: v for k, v in p.items()
            if k not in ("ref", "number", "nick", "safety", "time", "deadline", "message")}


def secret(w):
    """a veto is as silent as a yes: the same screens, sizes and listings until the last ballot"""
    sentinel = w.sentinel()
    people = lib.found(w, sentinel, "ann", "ben", "cem", name=NAME)
    guests = w.members("dora", "emil")
    runs = []
    for guest, choices in zip(guests, (["yes", "no", "yes"], ["yes", "yes", "yes"])):
        knock(people[0], guest)
        first = people[0].enclave()["ledger_count"]
        said = vote_all(people[:2], guest.nick, choices)
        people[2].until("two have voted", lambda: sum(
            b["choice"] == "voted" for b in shown(people[2], guest.nick)["ballots"]) == 2)
        before = [shown(m, guest.nick) for m in people]
        said += vote_all(people[2:], guest.nick, choices[2:])
        for m in people:
            m.until("it is over", lambda m=m: shown(m, guest.nick)["state"] not in
                    ("open", "passed"))
        ends = {shown(m, guest.nick)["state"] for m in people}
        ballots = {b["choice"] for m in people for b in shown(m, guest.nick)["ballots"]}
        expect(ballots == {"voted"}, f"a screen tells more than that: {ballots}")
        runs.append((said, before, ballot_sizes(w, sentinel, first)[:4], ends))
    veto, yes = runs
    expect(veto[0] == yes[0], f"the screens of yes and no differ: {veto[0]} and {yes[0]}")
    expect(veto[1] == yes[1], f"the listings differ: {veto[1]} and {yes[1]}")
    expect(veto[2] == yes[2], f"the sizes differ: {veto[2]} and {yes[2]}")
    expect(veto[3] == {"refused"} and yes[3] == {"added"}, f"{veto[3]} and {yes[3]}")
    people.append(guests[1])
    for m in people:
        m.until("emil is in", lambda m=m: m.inside("ann", "ben", "cem", "emil"))
        v = m("verify")
        expect(v["agrees"] and v["tallies_secret"] >= 3, f"{m.nick} verifies: {v}")
    twice = people[1].run("vote", "yes", "emil")
    expect(twice.code in (NOT_FOUND, CONFLICT), str(twice))


def removal(w):
    """all but one remove one: it sees why, reads nothing new, and its seat is gone"""
    sentinel = w.sentinel()
    people = lib.found(w, sentinel, "ann", "ben", "cem", "eve", name=NAME)
    ann, ben, cem, eve = people
    ann("send", "before")
    eve.until("she reads", lambda: ("ann", "before") in eve.messages())
    epoch = ann.enclave()["epoch"]
    ann("--yes", "remove", "eve", "--reason", "she sells our words")
    refused = eve.run("policy", "set", "idle=20d")
    expect(refused.code != OK, f"a target proposes: {refused}")
    for m in (ben, cem):
        p = m.until("a removal", lambda m=m: lib.proposal_of(m, "eve"))
        expect(p["kind"] == "remove" and p["message"] == "she sells our words", f"{p}")
        expect({b["nick"] for b in p["ballots"]} == {"ann", "ben", "cem"}, "the target votes")
        m("vote", "yes", "eve")
    for m in (ann, ben, cem):
        m.until("she is out", lambda m=m: m.inside("ann", "ben", "cem"))
        m.until("new keys", lambda m=m: m.enclave()["epoch"] > epoch)
    eve.until("she knows", lambda: eve.state() == "removed")
    expect("she sells our words" in eve.enclave()["removed"], f"{eve.enclave()}")
    ann("send", "after")
    ben.until("he reads", lambda: ("ann", "after") in ben.messages())
    expect(("ann", "before") in eve.messages(), "her own copy is gone")
    expect(("ann", "after") not in eve.messages(), "a removed member reads on")
    expect(eve.run("send", "let me").code != OK, "a removed member speaks")
    eve.stop()
    eve.start()
    expect(eve.state() == "removed", eve.state())
    expect(("ann", "before") in eve.messages(), "after a restart her own copy is gone")
    eve("destroy", "--yes-really", NAME)
    expect(eve("status")["enclaves"] == [], "it is still there")


def rules(w):
    """rules change by everybody's yes; proposals are taken back; keys change on demand"""
    sentinel = w.sentinel()
    ann, ben = lib.found(w, sentinel, "ann", "ben", name=NAME)
    ann("policy", "set", "idle=20d", "history=no", "--reason", "less is more")
    p = ben.until("a change", lambda: lib.proposal_of(ben, ""))
    expect(p["kind"] == "policy" and "idle: 30d -> 20d" in p["changes"], f"{p}")
    ben("vote", "yes")
    for m in (ann, ben):
        m.until("it holds", lambda m=m: {s["key"]: s["value"] for s in m("policy")["settings"]}
                .get("idle") == "20d")
    ann("policy", "set", "deadline=5d")
    ben.until("another change", lambda: lib.proposal_of(ben, ""))
    expect(ben.run("withdraw").code != OK, "somebody else withdraws")
    ann("withdraw")
    ben.until("it is withdrawn", lambda: ben("proposals")["proposals"] == [])
    expect(ann.run("policy", "set", "idle=nonsense").code == USAGE, "nonsense is taken")
    epoch = ben.enclave()["epoch"]
    ben("rekey")
    ann.until("new keys", lambda: ann.enclave()["epoch"] > epoch)
    ben("away", "3d")
    away = ann.until("he is away", lambda: next(
        (m for m in ann("members")["members"] if m["nick"] == "ben" and m.get("away")), None))
    expect(away, "nobody knows")
    ben("away", "back")
    ann.until("he is back", lambda: not next(
        m for m in ann("members")["members"] if m["nick"] == "ben").get("away"))


def patient(w):
    """a ballot that waits for its moment outlives a kill, and still counts once"""
    sentinel = w.sentinel()
    ann, ben, cem = lib.found(w, sentinel, "ann", "ben", "cem", name=NAME)
    ben.stop()
    slow = {**w.environment(), "ENCLAVE_NODE_BALLOT_DELAY": "1h"}
    ben.start(env=slow)
    ann("policy", "set", "idle=12d")
    ben.until("a vote", lambda: lib.proposal_of(ben, ""))
    a = ben.run("vote", "yes", "--timeout", "1s")
    expect(a.code != OK, f"an hour went by? {a}")
    twice = ben.run("vote", "no", "--timeout", "1s")
    expect(twice.code != OK and "on its way" in twice.text, f"{twice}")
    expect({b["nick"] for b in ann("proposals")["proposals"][0]["ballots"]
            if b["choice"] == "voted"} == {"ann"}, "it has left")
    ben.kill()
    ben.start()
    ann.until("his ballot is in", lambda: sum(
        b["choice"] == "voted" for b in ann("proposals")["proposals"][0]["ballots"]) == 2)
    cem("vote", "yes")
    ann.until("it passed", lambda: {s["key"]: s["value"] for s in ann("policy")["settings"]}
              ["idle"] == "12d")


def revoked(w):
    """a seized machine is put out from anywhere by the words and the kit"""
    sentinel = w.sentinel()
    ann, ben = lib.found(w, sentinel, "ann", "ben", name=NAME)
    kit = ben.home / "recovery-kit"
    ben.until("the kit is there", lambda: kit.exists())
    copy = w.path / "kit"
    shutil.copy(kit, copy)
    expect(copy.read_bytes().find(NAME.encode()) < 0, "the kit is not sealed")
    words = w.path / "words"
    words.write_text(" ".join(ben.words))
    words.chmod(0o600)
    elsewhere = w.member("somebody-else")
    wrong = w.path / "wrong"
    wrong.write_text(" ".join(elsewhere.words))
    wrong.chmod(0o600)
    a = elsewhere.run("revoke-self", "--kit", str(copy), "--words-file", str(wrong))
    expect(a.code not in (OK, 3), f"other words revoke: {a}")
    elsewhere("revoke-self", "--kit", str(copy), "--words-file", str(words))
    ann.until("he is out", lambda: ann.inside("ann"))
    ben.until("he knows", lambda: ben.state() == "removed")
    expect("recovery words" in ben.enclave()["removed"], f"{ben.enclave()}")


def backup(w):
    """a machine set back by many epochs gets the thread again and can vote"""
    sentinel = w.sentinel()
    ann, ben, cem = lib.found(w, sentinel, "ann", "ben", "cem", name=NAME)
    ben("send", "first")
    ben.stop()
    saved = w.path / "saved"
    shutil.copytree(ben.home, saved)
    ben.start()
    for _ in range(3):
        ben("rekey")
        ben("send", "said and lost")
    source = lib.random_file(w.path / "later.bin", 70_000)
    ann("put", str(source), "--wait")
    ann.until("she reads", lambda: sum(t == "said and lost" for _, t in ann.messages()) == 3)
    ben.stop()
    shutil.rmtree(ben.home)
    shutil.copytree(saved, ben.home)
    ben.start()
    ben.until("it is in again", lambda: ben.enclave()["epoch"] == ann.enclave()["epoch"] and
              not ben.enclave()["trouble"], 60)
    ben("send", "here again")
    for m in (ann, cem):
        m.until("they read", lambda m=m: ("ben", "here again") in m.messages())
    ben.until("he sees the file put in epochs that he missed", lambda: "later.bin" in ben.files())
    out = w.path / "later.out"
    ben("get", "later.bin", str(out))
    expect(lib.sha256(out) == lib.sha256(source), "other bytes")
    ann("policy", "set", "idle=40d")
    for m in (ben, cem):
        m.until("a vote", lambda m=m: lib.proposal_of(m, ""))
        m("vote", "yes")
    ann.until("it passed", lambda: {s["key"]: s["value"] for s in ann("policy")["settings"]}
              ["idle"] == "40d")
    for m in (ann, ben, cem):
        expect(m("verify")["agrees"], f"{m.nick} does not agree")


def proofs(w):
    """what is no proof of a fork is told so"""
    junk = w.path / "junk"
    junk.write_bytes(b"ENCFORK1" + bytes(300))
    m = w.member("ann")
    a = m.run("verify", "--proof", str(junk))
    expect(a.code in (INTEGRITY, USAGE), str(a))


if __name__ == "__main__":
    lib.main(secret, removal, rules, patient, revoked, backup, proofs)
