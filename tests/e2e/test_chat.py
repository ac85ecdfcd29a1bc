# SPDX-License-Identifier: MIT OR Apache-2.0
"""enclave chat: others speak while one types; commands; what is hostile; pipes; a daemon that goes."""
import re

import lib
from lib import OK, expect
from terminal import Terminal

SIZE = (60, 24)


def flat(text):
    """Without blanks: a wide character leaves a gap at the margin where it does not fit."""
    return re.sub(r"\s+", "", text)


def open_chat(member, *words, size=SIZE):
    t = Terminal(member, "chat", *words, size=size)
    t.see("the prompt", lambda lines: any(x.endswith(">") for x in lines))
    return t


def typing(w):
    """what comes is shown above the line being typed, which stays as it is, also wrapped and resized"""
    ada, bob = lib.found(w, w.sentinel(), "ada", "bob", name="choir")
    bob("send", "before you came")
    ada.until("it is there", lambda: len(ada.messages()) == 1)
    t = open_chat(ada)
    expect("-- 1 unread --" in t.screen.text() and "before you came" in t.screen.text(),
           f"not what is unread: {t.screen.text()}")
    ada.until("it is read", lambda: ada.enclave()["unread"] == 0)
    half = "a long line with \u00e4\u00f6\u00fc and \u6f22\u5b57\u6f22\u5b57 in it, so that it wraps over the margin " \
           "twice and more than twice, "
    t.type(half, enter="")
    wanted = "choir> " + half
    t.see("what is typed", lambda lines: flat(wanted) in flat("".join(lines)))
    for i in range(3):
        bob("send", f"number {i}")
        t.see("the message", lambda lines, i=i: any(x.endswith(f"bob: number {i}") for x in lines))
        t.see("the typed line below it",
              lambda lines, i=i: flat(f"number {i}{wanted}") in flat("".join(lines)))
    lines = [x for x in t.screen.lines() if x]
    expect(sum(x.startswith("choir> ") for x in lines) == 1,
           f"the line is there twice: {t.screen.text()}")
    t.screen = type(t.screen)(90, 24)
    t.set_size(90, 24)
    t.see("the line at its new width", lambda lines: flat(wanted) in flat("".join(lines)))
    bob("send", "at another width")
    t.see("both", lambda lines: flat("at another width" + wanted) in flat("".join(lines)))
    # In the middle of the line, too.
    t.type("\x01", enter="")  # to its beginning
    t.type("So: ", enter="")
    t.see("the new beginning", lambda lines: flat("So: " + half) in flat("".join(lines)))
    bob("send", "in the middle")
    t.see("it", lambda lines: flat("in the middlechoir> So: " + half) in flat("".join(lines)))
    t.type("\x05the end.")
    said = "So: " + half + "the end."
    t.see("what was said", lambda lines: flat("ada: " + said) in flat("".join(lines)))
    bob.until("what was typed came whole", lambda: ("ada", said) in bob.messages())
    expect("choir> So" not in t.screen.text(), f"the typed line is left: {t.screen.text()}")
    t.type("\x04", enter="")
    code, shown = t.end()
    expect(code == OK, f"Ctrl-D: {code}: {shown}")


def hostile(w):
    """escape sequences and marks that turn the writing never reach the terminal"""
    ada, bob = lib.found(w, w.sentinel(), "ada", "bob", name="choir")
    t = open_chat(ada)
    t.type("my words", enter="")
    t.see("it", lambda lines: "choir> my words" in lines)
    evil = "a\x1b[2J\x1b]0;owned\x07b\u202ec\x9b2Jd\re\x08f\n12:00 ada: I agree"
    bob("send", "-", stdin=evil.encode())
    bob("send", "after it")
    t.see("what came after it", lambda lines: any("after it" in x for x in lines))
    text = t.screen.text()  # it knows no other sequences than ours
    expect("a?[2J?]0;owned?b?c?2Jd?e?f" in text, f"not shown as it should: {text}")
    expect("    | 12:00 ada: I agree" in text, f"a line looks like somebody else's: {text}")
    t.see("the typed line", lambda lines: "choir> my words" in lines)
    t.type("\x03", enter="")
    t.see("an empty line", lambda lines: "choir>" in lines)
    t.type("/quit")
    expect(t.end()[0] == OK, "/quit")
    t = Terminal(ada, "chat", size=SIZE, env={**w.environment(), "TERM": "xterm", "NO_COLOR": "1"})
    t.see("all of it", lambda lines: "choir>" in lines)
    expect(not re.search(r"\x1b\[[0-9;]*m", t.shown), f"colours with NO_COLOR: {t.shown!r}")
    t.type("\x04", enter="")
    expect(t.end()[0] == OK, "Ctrl-D")
    a = bob.run("chat", "--plain", json_flag=False)
    expect(a.code == OK and not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", a.out) and
           "12:00 ada: I agree" in a.text and "\n12:00 ada" not in a.text, f"--plain: {a}")


def commands(w):
    """completion, history, members, votes, files, several enclaves, slips"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob", name="choir")
    eve = w.member("eve")
    ada("create", "board", "--as", "lovelace", "--sentinel", sentinel.address)
    t = open_chat(ada, "choir", size=(100, 40))
    t.type("/memb\t")
    t.until(r"member.*reached.*\nada +you")
    t.type("/peers")
    t.until("2 of 2 members reachable")
    t.type("hello @b\t!")
    bob.until("a completed name", lambda: ("ada", "hello @bob !") in bob.messages())
    t.see("it", lambda lines: any(x.endswith("ada: hello @bob !") for x in lines))
    t.type("\x1b[A", enter="")
    t.see("what was typed before", lambda lines: "choir> hello @bob !" in lines)
    t.type("\x1b[A", enter="")
    t.see("what was typed before that", lambda lines: lines.count("choir> /peers") == 2)
    t.type("\x03\x1b[200~pasted\nin\x03 two lines\n\x1b[201~", enter="")
    t.see("what was pasted, as one line", lambda lines: "choir> pasted in  two lines" in lines)
    t.type("\x03/mebmers")
    t.until("no command /mebmers; did you mean /members")
    t.type("/send bob secret")
    t.until("no command /send" if "to" not in sent_params(w) else "bob")
    expect(not any("pasted" in text for _, text in ada.of("choir").messages()), "a paste is sent")
    t.type("//shrug")
    bob.until("a line with a slash", lambda: ("ada", "/shrug") in bob.messages())

    t.type("/add")
    _, found = t.until(r"(enclave:[A-Za-z0-9_-]+)\n")
    eve("join", found[1], "--as", "eve", code=lib.PENDING)
    t.until("eve.*/votes")
    t.type("/votes")
    _, found = t.until(r"> (?:\x1b\[1m)?/vote (\w+) yes compared")
    t.until(r"choir> ")
    t.type(f"/vote {found[1]} perhaps")
    t.until("It is typed like this: /vote")
    t.type(f"/vote {found[1][:6]}\t yes compared")
    bob.until("eve is proposed", lambda: lib.proposal_of(bob, "eve"))
    t.until("ada voted")
    bob("vote", "yes", "eve", "--compared")
    t.until("eve is in: everybody said yes")
    t.until("new epoch")
    t.type("/votes")
    t.until("Nothing is voted on")

    lib.random_file(w.path / "lake picture.bin", 300000)
    t.type(f"/file {w.path}/lake p\t")
    t.until("lake picture.bin: ", 30)
    bob.until("it is said", lambda: any("lake picture.bin" in text for _, text in bob.messages()))
    expect("lake picture.bin" in bob.files(), "the file is not there")
    t.type("/file /no/such/file")
    t.until("No such file")

    for answer in ("n", "y"):
        t.type("/broadcast --now I moved")
        t.until("link your enclaves")
        t.until(r"Say it to all of them\? \[y/N\] ")
        t.type(answer)
        t.until("Nothing was said" if answer == "n" else "2/2 delivered")
    for name in ("choir", "board"):
        texts = [text for _, text in ada.of(name).messages()]
        expect(texts.count("I moved") == 1, f"{name}: {texts}")
    t.type("/help")
    before, _ = t.until("leave the chat")
    expect(before.index("Examples:") < before.index("Commands:"), f"examples first: {before}")
    t.type("/quit")
    expect(t.end()[0] == OK, "/quit")


def sent_params(w):
    return w.run([w.program("enclave"), "openapi"]).text.split("/messages:")[1].split("/messages/")[0]


def pipes(w):
    """--plain: a line a message, no escape sequences, all of the input is said, in order"""
    ada, bob = lib.found(w, w.sentinel(), "ada", "bob", name="choir")
    bob("send", "-", stdin=b"two\nlines")
    ada.until("it is there", lambda: len(ada.messages()) == 1)
    lines = b"first\n/members\n\n//second\n/nonsense\n/file nowhere\nthird, without an end"
    a = ada.run("chat", "choir", stdin=lines, json_flag=False)
    out = a.out.decode()
    expect(a.code == OK and "\x1b" not in a.text and "\r" not in a.text, f"{a}")
    for pattern in (r"^\d\d:\d\d bob: two \| lines$", r"^\* -- 1 unread --$", r"^bob  ",
                    r"^\d\d:\d\d ada: first$", r"^\d\d:\d\d ada: /second$",
                    r"^\* There is no command /nonsense", r"^\* nowhere: ",
                    r"^\d\d:\d\d ada: third, without an end$"):
        expect(re.search(pattern, out, re.M), f"no {pattern} in {out}")
    bob.until("all of it", lambda: [m for m in bob.messages() if m[0] == "ada"] ==
              [("ada", "first"), ("ada", "/second"), ("ada", "third, without an end")])
    expect(ada.enclave()["unread"] == 0, "what was shown is read")
    a = ada.run("chat", "choir", "--json")
    expect(a.code == lib.USAGE, f"--json: {a}")
    a = ada.run("chat", "nowhere", json_flag=False)
    expect(a.code == lib.NOT_FOUND and not a.out, f"{a}")
    a = ada.run("chat", "choir", stdin=b"x" * 40000 + b"\nshort\n", json_flag=False)
    expect(a.code != OK and "32768" in a.text and ("ada", "short") in ada.messages(), f"too long: {a}")
    a = ada.run("chat", "choir", stdin=b"a\0b\n" + b"x" * 70000 + b"\nlast\n", json_flag=False)
    expect(a.code == lib.USAGE and a.text.count("it is not said") == 2 and
           ada.messages()[-2:] == [("ada", "short"), ("ada", "last")], f"what is no message: {a}")
    # At a terminal, for a screen reader.
    t = Terminal(ada, "chat", "--plain")
    t.until("you are ada")
    bob("send", "hello")
    t.until(r"\d\d:\d\d bob: hello\n")
    t.type("hello yourself")
    bob.until("it", lambda: ("ada", "hello yourself") in bob.messages())
    t.type("\x04", enter="")
    code, shown = t.end()
    expect(code == OK and "\x1b" not in shown and "ada: hello yourself" not in shown,
           f"{code}: {shown!r}")


def lost(w):
    """a daemon that stops: it is said, what was typed stays, and is sent when it is back"""
    ada, bob = lib.found(w, w.sentinel(), "ada", "bob", name="choir")
    t = open_chat(ada)
    t.type("half of", enter="")
    t.see("it", lambda lines: "choir> half of" in lines)
    ada.kill()
    t.until("trying again")
    t.type(" a line")
    t.until("It was not said")
    t.see("the line", lambda lines: any(x.endswith("> half of a line") for x in lines))
    ada.start()
    t.until("there again")
    t.see("the line", lambda lines: "choir> half of a line" in lines)
    bob("send", "welcome back")
    t.see("a message", lambda lines: any(x.endswith("bob: welcome back") for x in lines))
    t.type("")
    bob.until("the line", lambda: ("ada", "half of a line") in bob.messages())
    t.child.terminate()
    code, _ = t.end()
    expect(code == lib.INTERRUPTED, f"SIGTERM: {code}")


lib.main(typing, hostile, commands, pipes, lost)
