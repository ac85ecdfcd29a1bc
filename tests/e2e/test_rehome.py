# SPDX-License-Identifier: MIT OR Apache-2.0
"""A sentinel that is lost for ever: the room is made again at another one of the voted list, and at no
other; the members follow by themselves."""
import lib
from lib import OK, expect

NAME = "the-circle"


def move(w):
    """the sentinel is lost for ever: the room is made again at the other one of the list"""
    one, two = w.sentinel(), w.sentinel(data=w.path / "second")
    three = w.sentinel(data=w.path / "third")
    people = w.members("ann", "ben", "cem")
    ann, ben, cem = people
    ann("create", NAME, "--as", "ann", "--sentinel", f"{one.address},{two.address}")
    lib.admit([ann], ben)
    lib.admit([ann, ben], cem)
    ann("send", "kept")
    for m in people:
        m.until("it is read", lambda m=m: ("ann", "kept") in m.messages())
    # Each member's word for the seat list rides in its HEAD, a moment after it changed.
    ann.until("a majority has given its word", lambda: ann.enclave()["movable"], 60)
    a = ann.run("rehome", three.address.split("#")[0])
    expect(a.code != OK, f"it goes to a sentinel that nobody voted for: {a}")
    one.kill()
    def go():
        a = ann.run("rehome", two.address.split("#")[0], seconds=90)
        return a.code == OK
    ann.until("it has moved", go, 120)
    ann("send", "on the other side")
    for m in (ben, cem):
        m.until("they follow", lambda m=m: m.enclave()["sentinel"] ==
                two.address.split("#")[0] and m.enclave()["online"], 150)
        m.until("they read", lambda m=m: ("ann", "on the other side") in m.messages(), 60)
    for m in people:
        expect(m("verify")["agrees"], f"{m.nick} does not agree")


if __name__ == "__main__":
    lib.main(move)
