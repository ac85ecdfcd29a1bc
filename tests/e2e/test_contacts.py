# SPDX-License-Identifier: MIT OR Apache-2.0
"""Contacts without a server: two cards, one `enclaved --host`, an enclave of two."""
from concurrent.futures import ThreadPoolExecutor

import lib
from lib import INTEGRITY, NOT_FOUND, OK, PENDING, USAGE, expect

WORDS = "no server knows that we two are talking"


HOST = ("--host", "127.0.0.1:0")


def start(w, **people):
    members = {nick: w.member(nick, init=False) for nick in people}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda nick: members[nick].init(*people[nick]), people))
    return members.values()


def export(w, m):
    file = w.path / (m.nick + ".pub")
    m.card = m("key", "export", "--as", m.nick, "--out", file)
    m.card["file"] = file
    again = m("key", "show")
    for key in ("fingerprint", "words", "nick", "address"):
        expect(again[key] == m.card[key], f"{key} changed: {again}")
    expect(len(m.card["fingerprint"]) == 64 and len(m.card["words"].split()) == 12, f"{m.card}")
    expect(not set(m.card["words"].split()) >= set(m.words), "these are the recovery words")
    return file


def peer(m, nick):
    return next((p for p in m("peer", "list")["peers"] if p["nick"] == nick), None)


def connected(m, nick):
    return m.until(f"connected with {nick}",
                   lambda: (p := peer(m, nick)) and p["state"] == "connected" and p)


def slip(m, code, part, *words):
    a = m.run(*words)
    expect(a.code == code and part in a.text, f"exit {code} and {part!r} were expected: {a}")


def says(a, b, text, **more):
    a("send", "--enclave", b.card["fingerprint"][:8], *more.get("words", ()), text)
    b.until(f"{text!r}", lambda: (a.nick, text) in
            [(m["nick"], m["text"]) for m in
             b("read", "--enclave", a.card["fingerprint"][:10], "--from", "1", "--keep")["messages"]])


def host(m):
    """The address of the sentinel inside, without its pin: the card has that."""
    return m("status")["hosted"].split("#")[0]


def two_cards(w):
    """both type one command, in either order; a third who has a card and the address stays outside"""
    ada, bob, eve = start(w, ada=HOST, bob=(), eve=HOST)
    cards = {m.nick: export(w, m) for m in (ada, bob, eve)}
    expect(ada.card["address"] == host(ada) and not bob.card["address"], f"{ada.card}")

    # The looser comes first: nobody has added him, and nothing that he can host.
    p = bob("peer", "add", cards["ada"], "--address", host(ada))
    expect(p["state"] == "waiting" and "not added you" in p["text"], f"{p}")
    slip(bob, PENDING, "not connected yet", "send", "--enclave", ada.card["fingerprint"][:8], "hi")
    p = eve("peer", "add", cards["ada"], "--address", host(ada))
    expect(p["state"] == "waiting", f"{p}")
    p = ada("peer", "add", cards["bob"], "--name", "bobby")
    expect(p["host"] == "you" and p["fingerprint"] == bob.card["fingerprint"], f"{p}")
    ends = [connected(ada, "bob"), connected(bob, "ada")]
    expect(ends[0]["safety"] == ends[1]["safety"] and len(lib.digits(ends[0]["safety"])) == 60,
           f"{ends}")
    expect(ends[0]["name"] == "bobby" and ends[1]["name"] == "ada", f"{ends}")
    says(ada, bob, WORDS)
    says(bob, ada, "and yet we hear each other")
    # A fingerprint names the other one also where a member is named.
    says(ada, bob, "between you and me", words=("--to", bob.card["fingerprint"][:12]))
    prefixes(ada, bob)

    # eve has ada's card and address, and bob's card. So much she is told, and no more.
    eve("peer", "add", cards["bob"], "--address", host(ada) + "#" + "1" * 64)
    eve.until("she looks in vain", lambda: "another sentinel" in peer(eve, "bob")["text"])
    expect(peer(eve, "ada")["state"] == "waiting", f"eve: {peer(eve, 'ada')}")
    expect(ada.of("bobby").nicks() == {"ada", "bob"}, "somebody else is inside")
    expect([x["name"] for x in ada("status")["enclaves"]] == ["bobby"], "another enclave")

    restart(ada, bob)
    slip(bob, OK, "", "peer", "add", cards["ada"])  # how it stands
    broken(w, bob, eve, cards)
    leaving(ada, bob, cards)
    both_host(ada, eve, cards)


def prefixes(ada, bob):
    fp = bob.card["fingerprint"]
    slip(ada, USAGE, "8 or more", "send", "--enclave", fp[:7], "x")
    slip(ada, NOT_FOUND, "no enclave", "send", "--enclave", "0" * 10 + fp, "x")
    slip(ada, USAGE, "8 or more", "peer", "remove", fp[:5], "--yes")
    slip(ada, NOT_FOUND, "no contact", "peer", "remove", "nobody", "--yes")


def restart(ada, bob):
    """The host goes and comes: bob finds it again, and nothing of the meeting place is left."""
    ada.stop()
    rows = lib.rows(ada.home / "sentinel" / "rooms.db")
    expect(rows["room"] == 1, f"the meeting room is still there: {rows}")
    ada.start(*HOST)
    says(bob, ada, "back again")


def broken(w, bob, eve, cards):
    text = cards["bob"].read_text()
    at = len(text) // 2
    other = "A" if text[at] != "A" else "B"
    (w.path / "bad.pub").write_text(text[:at] + other + text[at + 1:])
    slip(eve, INTEGRITY, "cut or altered", "peer", "add", w.path / "bad.pub")
    (w.path / "bad.pub").write_text(text[:at])
    slip(eve, INTEGRITY, "cut or altered", "peer", "add", w.path / "bad.pub")
    slip(eve, USAGE, "no contact card", "peer", "add", eve.password_file)
    slip(eve, USAGE, "your own card", "peer", "add", cards["eve"])
    slip(eve, INTEGRITY, "another fingerprint", "peer", "add", cards["bob"], "--fingerprint",
         "0" * 32)
    eve("peer", "remove", "bob", "--yes")
    eve("key", "export", "--bare", "--out", w.path / "bare.pub")
    slip(bob, USAGE, "must host", "peer", "add", w.path / "bare.pub")
    slip(bob, USAGE, "by which key", "peer", "add", w.path / "bare.pub", "--address", "127.0.0.1:1")


def leaving(ada, bob, cards):
    bob("peer", "remove", ada.card["fingerprint"][:8], "--yes")
    expect(not bob("peer", "list")["peers"] and not bob("status")["enclaves"], "something is left")
    ada.until("bob has left", lambda: peer(ada, "bob")["state"] == "alone")
    ada("peer", "remove", "bobby", "--yes")
    expect(not ada("status")["enclaves"], "ada is still in it")
    # And once more, the other way round.
    ada("peer", "add", cards["bob"])
    bob("peer", "add", cards["ada"], "--wait", seconds=30)
    says(bob, ada, "we begin anew")


def both_host(ada, eve, cards):
    """each hosts and gives the other's address, as people do who know no better: one enclave"""
    ada("peer", "add", cards["eve"], "--address", host(eve))
    for m, nick in ((ada, "eve"), (eve, "ada")):
        connected(m, nick)
        m.until("the second enclave is given up", lambda m=m, nick=nick: [
            e["name"] for e in m("status")["enclaves"] if e["name"] != "bob"] == [nick])
    says(eve, ada, WORDS)


if __name__ == "__main__":
    lib.main(two_cards)
