# SPDX-License-Identifier: MIT OR Apache-2.0
"""Words: answers, edits, signs, receipts, private words, what ends; slips; several enclaves; a power cut."""
import json
import os
import signal
import subprocess

import lib
from lib import CONFLICT, INTERRUPTED, NOT_FOUND, OK, PARTIAL, UNREACHABLE, USAGE, expect

SECRET = "between you and me: the spare key lies under the third stone"


def all_of(member):
    return member("read", "--from", "1", "--keep")["messages"]


def message(member, text):
    return next((m for m in all_of(member) if m["text"] == text), None)


def sees(member, text, test=lambda m: True):
    """Waits until the member has the message and it is as it should be; returns it."""
    def look():
        m = message(member, text)
        return m if m and test(m) else None
    return member.until(f"{text!r}, as it should be", look)


def number(member, text):
    return str(sees(member, text)["number"])


def shown(member):
    return member.run("read", "--from", "1", "--keep", json_flag=False).text


def signs(m):
    return [(s["nick"], s["sign"]) for s in m["signs"]]


def slip(member, code, part, *words, **more):
    """A command that must fail, and how."""
    a = member.run(*words, **more)
    expect(a.code == code and part in a.text, f"exit {code} and {part!r} were expected: {a}")


class Follower:
    """enclave read --json --follow: what comes, a line a message."""

    def __init__(self, w, member):
        line = [w.program("enclave"), "--home", member.home, "--json", "read", "--follow"]
        self.child = w.spawn(line, stdout=subprocess.PIPE)

    def next(self, text):
        got = json.loads(self.child.stdout.readline())
        expect(got["text"] == text, f"{text!r} was expected: {got}")
        return got

    def end(self):
        self.child.terminate()
        expect(self.child.wait(10) in (OK, INTERRUPTED), f"it ended with {self.child.returncode}")
        self.child.stdout.close()


def talking(w):
    """answers, mentions, receipts, signs, edits, what is taken back and what ends, for everybody"""
    sentinel = w.sentinel()
    ada, bob, eve = lib.found(w, sentinel, "ada", "bob", "eve", name="choir")
    follow = Follower(w, bob)
    dinner = "Dinner at eight, @bob"
    ada("send", dinner)
    got = follow.next(dinner)
    expect(got["mentions_you"] and not got["private"] and not got["answers"], f"{got}")
    expect(not sees(eve, dinner)["mentions_you"], "eve is not named")
    ada.until("the receipts", lambda: "2 of 2 have it" in shown(ada))
    n = number(ada, dinner)

    bob("send", "--reply", number(bob, dinner), "Yes, gladly")
    got = follow.next("Yes, gladly")
    expect(got["own"] and got["answers"] and str(got["reply"]) == number(bob, dinner), f"{got}")
    expect(str(sees(ada, "Yes, gladly")["reply"]) == n and f"(to #{n}) Yes, gladly" in shown(ada),
           f"not an answer: {shown(ada)}")

    eve("react", number(eve, dinner), "+1")
    sees(ada, dinner, lambda m: signs(m) == [("eve", "+1")])
    bob("react", number(bob, dinner), "\U0001f44d")
    eve("react", number(eve, dinner), "\u2665")
    both = [("bob", "\U0001f44d"), ("eve", "\u2665")]
    sees(ada, dinner, lambda m: sorted(signs(m)) == both)
    eve("react", number(eve, dinner))
    for m in (ada, bob, eve):
        sees(m, dinner, lambda m: signs(m) == [("bob", "\U0001f44d")])

    ada("edit", n, "Dinner at nine, @bob")
    for m in (bob, eve):
        sees(m, "Dinner at nine, @bob", lambda m: m["edited"] and len(m["signs"]) == 1)
        expect(message(m, dinner) is None and "(edited)" in shown(m), "the old words are there")

    ada("send", "I did not mean that")
    follow.next("I did not mean that")
    slip(eve, CONFLICT, "only its author", "unsay", number(eve, "I did not mean that"))
    gone = number(ada, "I did not mean that")
    ada("unsay", gone)
    for m in (ada, bob, eve):
        m.until("it is taken back", lambda m=m: any(x["unsaid"] for x in all_of(m)))
        expect("I did not mean that" not in shown(m) and "(taken back)" in shown(m), shown(m))
    slip(ada, NOT_FOUND, "taken back", "edit", gone, "again")

    ada("send", "--for", "2s", "The door code is 4711")
    expect(follow.next("The door code is 4711")["ends"], "it has no end")
    for m in (ada, bob, eve):
        m.until("it is dropped", lambda m=m: message(m, "The door code is 4711") is None)
        expect("4711" not in shown(m), shown(m))
    (w.path / "map.txt").write_text("here be dragons\n" * 9)
    ada("put", w.path / "map.txt", code=(OK, PARTIAL))
    ada("send", "--file", "map.txt")
    expect(follow.next("")["file"] == "map.txt" and "[file map.txt]" in shown(ada), shown(ada))
    handed_over(w, sentinel, ada, bob, follow)
    follow.end()
    private(w, ada, bob, eve)
    finding(ada, bob, eve)
    slips(ada, bob)
    history(w, ada, bob, eve)
    by_lines(ada, bob)


def handed_over(w, sentinel, ada, bob, settled):
    """While the sentinel stands still a word goes over the link between the two, not yet settled, and is shown
    once."""
    screen = w.spawn([w.program("enclave"), "--home", bob.home, "read", "--follow", "--keep"], stdout=subprocess.PIPE)

    def line(text):
        got = screen.stdout.readline().decode()
        expect(got.rstrip().endswith("ada: " + text), f"{text!r} was expected: {got!r}")
        return got

    ada("send", "Do you hear me?")
    settled.next("Do you hear me?")
    while "Do you hear me?" not in (got := screen.stdout.readline().decode()):
        expect(got, "the screen went dark")
    ada.until("a link to bob", lambda: any(m["nick"] == "bob" and m["path"] == "direct"
                                           for m in ada("members")["members"]))
    sentinel.child.send_signal(signal.SIGSTOP)
    try:
        for text in ("The sentinel sleeps", "and we talk"):
            ada("send", text)
            expect(" ... " in line(text), "it has a number already")
            expect(message(bob, text) is None, "it is settled already")
            expect(not message(ada, text)["sent"], "the sentinel has it already")
    finally:
        sentinel.child.send_signal(signal.SIGCONT)
    for text in ("The sentinel sleeps", "and we talk"):
        settled.next(text)
        sees(ada, text, lambda m: m["sent"])
    ada("send", "Good morning")
    line("Good morning")
    settled.next("Good morning")
    texts = [m["text"] for m in all_of(bob)]
    expect(texts.count("The sentinel sleeps") == 1 and texts.count("and we talk") == 1, f"{texts}")
    screen.terminate()
    screen.wait(10)
    screen.stdout.close()


def private(w, ada, bob, eve):
    ada("send", "--to", "bob", SECRET)
    bob_has = sees(bob, SECRET)
    expect(bob_has["private"] and bob_has["nick"] == "ada", f"{bob_has}")
    mine = sees(ada, SECRET, lambda m: m["sent"])
    expect(mine["private"] and mine["to"] == "bob" and mine["of"] == 1, f"{mine}")
    expect("(private, to bob) " in shown(ada) and "(private) " in shown(bob), shown(ada))
    slip(bob, USAGE, "is private", "send", "--reply", str(bob_has["number"]), "x")
    slip(bob, USAGE, "other one of the two", "send", "--to", "eve", "--reply",
         str(bob_has["number"]), "x")
    answer = "I found it: thank you for the third stone"
    bob("send", "--to", "ada", "--reply", str(bob_has["number"]), answer)
    expect(sees(ada, answer)["reply"] == mine["number"], "not an answer")
    ada("react", number(ada, answer), "+1")
    sees(bob, answer, lambda m: signs(m) == [("ada", "+1")])
    later = SECRET.replace("third", "fourth")
    ada("edit", str(mine["number"]), later)
    sees(bob, later, lambda m: m["edited"] and m["private"])
    # What came after it is there, so it came too, and nothing of it can be seen.
    ada("send", "a word to everybody")
    sees(eve, "a word to everybody")
    texts = (SECRET, later, answer)
    expect(not any(m["private"] or m["text"] in texts for m in all_of(eve)), f"{all_of(eve)}")
    expect(eve("search", "stone")["messages"] == [], "eve finds it")
    files = [p for home in (eve.home, w.path / "sentinel") for p in home.rglob("*") if p.is_file()]
    hits, read = lib.search(files, texts)
    expect(not hits and read > 10000, f"{hits} in {read} bytes")


def finding(ada, bob, eve):
    many = "\u0423\u0436\u0438\u043d \u0432 \u0432\u043e\u0441\u0435\u043c\u044c, " \
           "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1, \u6f22\u5b57\u306e\u8a66\u9a13, Gr\u00fc\u00dfe"
    bob("send", many)
    sees(eve, many)
    for words in (["\u0423\u0416\u0418\u041d"], ["\u039a\u0391\u039b\u0397\u039c\u0388\u03a1\u0391"],
                  ["\u8a66\u9a13"], ["GR\u00dc\u00dfE", "\u0443\u0436\u0438\u043d"]):
        got = [m["text"] for m in eve("search", *words)["messages"]]
        expect(got == [many], f"{words}: {got}")
    got = [m["text"] for m in eve("search", "NINE", "dinner")["messages"]]
    expect(got == ["Dinner at nine, @bob"], f"{got}")
    expect([m["text"] for m in ada("search", "FOURTH stone")["messages"]] ==
           [SECRET.replace("third", "fourth")], "one's own private words are not found")
    a = eve.run("search", "nine", "stone", json_flag=False)
    expect(a.code == OK and not a.out and "No message" in a.text, f"{a}")


def by_lines(ada, bob):
    """Each line a message; what is changed and found is one of them."""
    text = "".join(f"alarm {i} in hall {i % 3}\n\n" for i in range(1500))
    a = ada("send", "--lines", "-", stdin=(text + "@bob, the last one without an end").encode())
    expect(a["messages"] == 1501, f"{a}")
    newest = lambda: bob("read", "--last", "1", "--keep")["messages"][0]  # noqa: E731
    last = bob.until("the last line", lambda: newest()["text"].startswith("@bob, the last") and newest())
    expect(last["mentions_you"], f"{last}")
    got = [m["text"] for m in bob("read", "--last", "1000", "--keep")["messages"]][-1000:]
    expect(got == [f"alarm {i} in hall {i % 3}" for i in range(501, 1500)] + [last["text"]], "not all, or not in order")
    found = bob("search", "ALARM", "1207")["messages"]
    expect([m["text"] for m in found] == ["alarm 1207 in hall 1"], f"{found}")
    ada("unsay", str(ada("search", "alarm", "1207")["messages"][0]["number"]))
    bob.until("it is taken back", lambda: bob("search", "alarm", "1207")["messages"] == [])
    expect(len(bob("search", "alarm", "1208")["messages"]) == 1, "its neighbour is gone too")


def archive(member, name):
    return [m["text"] for m in member("history", "read", name)["messages"]]


def history(w, ada, bob, eve):
    """A newcomer sees nothing of before but what is shared; files of it; how long it is kept."""
    dan = w.member("dan")
    lib.admit([ada, bob, eve], dan)
    ada("send", "welcome, dan")
    sees(dan, "welcome, dan")
    expect([m["text"] for m in all_of(dan)] == ["welcome, dan"], f"{all_of(dan)}")
    slip(ada, NOT_FOUND, "no such member", "history", "share", "nobody")
    slip(ada, USAGE, "that is you", "history", "share", "ada")
    shared = ada("history", "share", "dan")["messages"]
    expect(shared > 5, f"{shared} messages are shared")
    dan.until("it came", lambda: dan("history")["archives"])
    texts = archive(dan, "choir-ada")
    expect({"Yes, gladly", "Dinner at nine, @bob", "the end of it"} <= set(texts), f"{texts}")
    told = "\n".join(texts)
    expect("stone" not in told and "4711" not in told and "did not mean" not in told, told)
    expect(len(all_of(dan)) == 1, "shared words stand among the genuine ones")
    a = dan.run("history", "read", "choir-ada", "--find", "GLADLY", json_flag=False)
    expect(a.code == OK and "shared by ada, who alone vouches" in a.text and
           a.out.count(b"\n") == 1, f"{a}")
    bob("history", "share", "dan", "--last", "3")
    ada("unsay", number(ada, "a word to everybody"))
    dan.until("that is dropped", lambda: "a word to everybody" not in archive(dan, "choir-ada"))
    expect(len(dan("history")["archives"]) == 1, "what is here already came again")
    table = dan.run("history", json_flag=False).text
    expect("shared by ada" in table and "forever" in table, table)

    file, plain = w.path / "choir.history", w.path / "choir.jsonl"
    key = w.path / "file.password"
    key.write_text("seven words are better than one\n")
    a = ada("history", "export", file, "--password-file", key)
    expect(a["state"] == "done" and a["messages"] > shared, f"{a}")
    expect(b"stone" not in file.read_bytes() and file.stat().st_mode & 0o777 == 0o600, "unsealed")
    slip(ada, CONFLICT, "exists already", "history", "export", file, "--password-file", key)
    slip(eve, lib.PASSWORD, "wrong password", "history", "import", file, *eve.secret())
    damaged = w.path / "damaged.history"
    damaged.write_bytes(b"?" + file.read_bytes()[1:])  # one in the middle: unit/test_node_history.c
    slip(eve, lib.INTEGRITY, "no history file", "history", "import", damaged, "--password-file", key)
    expect(eve("history")["archives"] == [], "half a file is here")
    a = eve("history", "import", file, "--as", "from-ada", "--password-file", key)
    texts = archive(eve, "from-ada")
    expect(a["archive"] == "from-ada" and SECRET.replace("third", "fourth") in texts and
           "Yes, gladly" not in texts and "4711" not in "\n".join(texts), f"{a} {texts}")
    eve("--yes", "history", "forget", "from-ada")
    slip(eve, NOT_FOUND, "no such archive", "history", "read", "from-ada")
    slip(ada, USAGE, "--yes", "history", "export", plain, "--plain", start_new_session=True)
    ada("--yes", "history", "export", plain, "--plain")
    lines = [json.loads(line) for line in plain.read_text().splitlines()]
    expect("Yes, gladly" in [m["text"] for m in lines], f"{lines}")

    slip(ada, USAGE, "30 days", "--yes", "history", "keep", "5d")
    ada("--yes", "history", "keep", "90d")
    expect(ada.enclave()["keep_ms"] == 90 * 86400000, f"{ada.enclave()}")
    ada("history", "keep", "forever")
    expect(message(ada, "Yes, gladly"), "it was erased")


def slips(ada, bob):
    theirs = number(ada, "Yes, gladly")
    slip(ada, CONFLICT, "only its author", "edit", theirs, "No")
    slip(ada, CONFLICT, "only its author", "unsay", theirs)
    for words in (("edit", "9999", "x"), ("unsay", "9999"), ("react", "9999", "+1"),
                  ("send", "--reply", "9999", "x"), ("send", "--to", "bob", "--reply", "9999", "x")):
        slip(ada, NOT_FOUND, "no such message here", *words)
    slip(ada, USAGE, "is a number", "edit", "seven", "x")
    slip(ada, USAGE, "is missing", "edit", "7")
    slip(ada, USAGE, "one sign", "react", theirs, "x" * 33)
    slip(ada, NOT_FOUND, "no such member", "send", "--to", "nobody", "x")
    slip(ada, NOT_FOUND, "no such member", "send", "--to", "bob,nobody", "x")
    slip(ada, USAGE, "other members", "send", "--to", "ada", "x")
    slip(ada, USAGE, "other members", "send", "--to", "bob,bob", "x")
    slip(ada, USAGE, "366 days", "send", "--for", "0s", "x")
    slip(ada, USAGE, "366 days", "send", "--for", "400d", "x")
    slip(ada, USAGE, "nothing to say", "send")
    slip(ada, USAGE, "plain messages to everybody", "send", "--lines", "--to", "bob", "x")
    slip(ada, USAGE, "nothing to say", "send", "-", stdin=b"\n")
    for words in (("send", "--to", "bob", "x"), ("send", "--reply", "1", "x"), ("edit", "1", "x"),
                  ("react", "1", "x"), ("unsay", "1")):
        slip(ada, NOT_FOUND, "no enclave nowhere", *words, "--enclave", "nowhere")
    bob("send", "the end of it")
    sees(ada, "the end of it")
    expect(not any(m["text"] in ("x", "No") for m in all_of(ada)), "a slip was said")


def several(w):
    """broadcast: it warns and asks, counts, names what failed, stops when told; a power cut after send"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob", name="choir")
    ada("create", "board", "--as", "lovelace", "--sentinel", sentinel.address)

    def said(text):
        return sum(m["text"] == text for n in ("choir", "board") for m in all_of(ada.of(n)))

    a = ada.run("broadcast", "--now", "I moved", json_flag=False, start_new_session=True)
    expect(a.code == USAGE and "link your enclaves" in a.text and "--yes" in a.text, f"{a}")
    expect(said("I moved") == 0, "it was said without a yes")
    a = ada.run("--yes", "broadcast", "--now", "I moved", json_flag=False)
    expect(a.code == OK and a.out == b"2/2 delivered\n" and b"link your enclaves" in a.err, f"{a}")
    expect(said("I moved") == 2, f"said {said('I moved')} times")
    bob.until("it came", lambda: ("ada", "I moved") in bob.messages())
    a = ada("broadcast", "--yes", "--now", "--to", "choir, board,choir", "-", stdin=b"both")
    expect((a["delivered"], a["of"], a["exit"]) == (2, 2, OK) and said("both") == 2, f"{a}")
    expect(sorted(e["enclave"] for e in a["enclaves"]) == ["board", "choir"] and
           all(e["delivered"] and e["number"] > 0 for e in a["enclaves"]), f"{a}")
    a = ada.run("broadcast", "--to", "choir", "one alone", json_flag=False)
    expect(a.code == OK and a.out == b"1/1 delivered\n" and "link" not in a.text, f"{a}")

    slip(ada, NOT_FOUND, "nowhere", "broadcast", "--yes", "--now", "--to", "choir,nowhere", "half")
    slip(ada, USAGE, "names no enclave", "broadcast", "--yes", "--to", ",", "half")
    slip(ada, USAGE, "is missing", "broadcast", "--yes")
    expect(said("half") == 0, "half of them heard it")
    a = ada.run("broadcast", "--yes", "--now", "x" * 32769)
    expect(a.code not in (OK, PARTIAL) and a.json["delivered"] == 0 and
           all("32768" in e["text"] for e in a.json["enclaves"]), f"{a}")
    # The gap has two seconds or more.
    a = ada.run("broadcast", "--yes", "--timeout", "1s", "in time", json_flag=False)
    expect(a.code == PARTIAL and a.out.startswith(b"1/2 delivered, not to ") and said("in time") == 1, f"{a}")
    child = w.spawn([w.program("enclave"), "--home", ada.home, "--yes", "broadcast", "no more"],
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    ada.until("the first has it", lambda: said("no more") == 1)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=20 * lib.PATIENCE)
    expect(child.returncode == INTERRUPTED and out.startswith(b"1/2 delivered") and
           said("no more") == 1, f"{child.returncode}: {out}")
    cut(ada.of("choir"), bob)
    flood(ada.of("choir"), bob)
    ada.stop()
    slip(ada, UNREACHABLE, "daemon", "broadcast", "--yes", "--now", "nobody hears it")


def cut(ada, bob):
    """What send returned for comes once, whatever happens after it."""
    for i in range(2):
        process = ada.process()
        ada("send", f"word {i}")
        process.end(signal.SIGKILL)
        process.close()
        ada.start()
        ada("send", f"after word {i}")
        sees(bob, f"after word {i}")
        for m in (ada, bob):
            texts = [m["text"] for m in all_of(m) if "word" in m["text"]][-2:]
            expect(texts == [f"word {i}", f"after word {i}"], f"{m.nick}: {texts}")
    expect(sum("word" in m["text"] for m in all_of(bob)) == 4, f"not each once: {bob.messages()}")


def flood(ada, bob):
    """Who says too much is muted by the reader; nothing of it is lost."""
    bob.stop()
    with open(os.path.join(bob.home, "enclave.yaml"), "a") as f:
        f.write("messages:\n  mute_messages: 5\n")
    bob.start()
    for i in range(8):
        ada("send", f"buy {i}")
    bob.until("all are here", lambda: sum(m["text"].startswith("buy") for m in all_of(bob)) == 8)
    muted = [m["text"] for m in all_of(bob) if m["muted"]]
    expect(muted == ["buy 5", "buy 6", "buy 7"], f"{muted}")
    a = bob.run("read", "--last", "8", "--keep", json_flag=False)
    expect(b"buy 4" in a.out and b"buy 5" not in a.out and
           b"ada was flooding: 3 messages muted" in a.out, f"{a}")
    a = bob.run("read", "--last", "8", "--muted", json_flag=False)
    expect(b"buy 7" in a.out and b"flooding" not in a.out, f"{a}")
    a = bob.run("members", json_flag=False)
    expect(b"ada is flooding: 3 messages muted" in a.out, f"{a}")
    a = bob.run("status", json_flag=False)
    expect(b"ada is flooding" in a.out, f"{a}")


lib.main(talking, several)
