# SPDX-License-Identifier: MIT OR Apache-2.0
"""A storage node: taken on, filled, and read from when the member who filled it is gone."""
import signal
import subprocess

import lib
from lib import INTEGRITY, NOT_FOUND, OK, SPACE, USAGE, Failure, expect


class Node:
    def __init__(self, world, name):
        self.world, self.data, self.child = world, world.path / name, None
        self.log = world.path / (name + ".log")

    def start(self, *more):
        """Returns the offer that it prints."""
        line = [self.world.program("storaged"), "--data", self.data, "--listen", "127.0.0.1:0"]
        with open(self.log, "ab") as log:
            self.child = self.world.spawn([*line, *more], stdout=subprocess.PIPE, stderr=log)
        said = [self.child.stdout.readline().decode().strip() for _ in range(2)]
        if not said[1].startswith("enclave-storage:"):
            raise Failure(f"storaged: {said} {self.log.read_text()[-400:]}")
        return said[1]

    def stop(self, number=signal.SIGTERM):
        self.child.send_signal(number)
        code = self.child.wait(20 * lib.PATIENCE)
        self.child.stdout.close()
        return code

    def run(self, *words):
        return self.world.run([self.world.program("storaged"), "--data", self.data, *words])

    def shards(self):
        return sorted(p for p in (self.data / "shards").rglob("*")
                      if p.is_file() and ".tmp" not in p.name)

    def memory(self):
        text = open(f"/proc/{self.child.pid}/status").read()
        return int(next(x for x in text.splitlines() if x.startswith("VmRSS")).split()[1]) << 10


def nodes(m):
    return [h for h in m("storage")["holders"] if h["node"]]


def ready(m):
    return [h for h in nodes(m) if h["state"] == "ready" and h["up"]]


def audited(ada, bob, node):
    """What the node lost it says, signed; everybody knows, and it gets it again."""
    shard = node.shards()[0]
    sound = shard.read_bytes()
    lib.flip_byte(shard, 140)
    lost = {h["holder"]: h for h in bob("audit", "--now", code=INTEGRITY)["holders"]}
    expect(lost[4096]["lost"] > 0 and lost[4096]["wrong"] == 0, f"{lost}")
    why = bob("storage", "why", "4096")
    expect("damaged" in why["faults"][0]["cause"] and why["nick"] == nodes(bob)[0]["who"], f"{why}")
    ada.until("the proof", lambda: ada("storage", "why", "4096")["faults"])
    expect(ada("audit", "verify")["proofs"] >= 1, "the proof is not counted")
    ada.until("it has the shard again", lambda: shard.read_bytes() == sound)


def let_go_and_back(ada, bob, offer):
    """What a node had is made again with the members once it is let go of; taken on again, it gets its share."""
    def placed(holders):
        f = bob.info("source")
        return f["holders"] == holders and "nowhere" not in f["detail"]
    ada("storage", "remove", "4096", "--yes")
    bob.until("made again without it", lambda: placed(2))
    ada("storage", "add", offer, "--quota", "2G")
    for m in (ada, bob):
        m.until("the node is back", lambda m=m: ready(m), 60)
    bob("rebalance")
    bob.until("the node has its share", lambda: placed(3))
    a = bob("drill", "--without", "4096")
    expect(a["lost"] == 0 and a["without"] == 1, f"{a}")


def kept(w):
    """a node taken on, filled, audited, let go of, back again, restarted, read from without its writer"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    node = Node(w, "node")
    offer = node.start()
    ada("storage", "add", "enclave-storage:AUWq", code=USAGE)
    ada("storage", "add", offer, "--quota", "99T", code=SPACE)
    ada("storage", "add", offer, "--quota", "2G")
    for m in (ada, bob):
        m.until("the node is ready", lambda m=m: ready(m), 60)
    h = nodes(bob)[0]
    expect((h["number"], h["offered_bytes"]) == (4096, 2000000000), f"{h}")
    source = lib.random_file(w.path / "source", 3 << 20)
    ada("put", str(source), "--wait")
    expect(node.shards(), "the node keeps nothing")
    bob.until("the file", lambda: bob.files().get("source", {}).get("holders") == 3)
    expect("3 holders may vanish" in bob.files()["source"]["safety"], f"{bob.files()}")
    audited(ada, bob, node)
    let_go_and_back(ada, bob, offer)
    # Nothing readable lies there, and its owner sees what it has.
    a = node.run("--check")
    expect(a.code == 1 and b"stop it first" in a.err, f"a check beside a running node: {a}")
    expect(node.memory() < (16 << 20) or lib.os.environ.get("ENCLAVE_SANITIZED"),
           f"a resting node takes {node.memory() >> 10} KiB")
    # Killed and started again it is the same node at the same place.
    node.stop(signal.SIGKILL)
    a = node.run("--check")
    expect(a.code == OK and b" 0 not whole" in a.out, f"{a}")
    expect(node.start() != offer, "an offer is printed twice")
    # The member who put it is gone, and what bob has himself, too: the node alone gives it back.
    ada.stop()
    for shard in bob.shards():
        shard.unlink()
    out = w.path / "out"
    bob("get", "source", str(out))
    expect(lib.sha256(out) == lib.sha256(source), "other bytes came back")
    # A rotten shard is named, and nobody is told that all is well.
    expect(node.stop() == 0, "the node does not end in order")
    lib.flip_byte(node.shards()[0])
    a = node.run("--check")
    expect(a.code == 8 and b" 1 not whole" in a.out, f"{a}")
    away = {h["holder"]: h for h in bob("audit", "--now", code=INTEGRITY)["holders"]}[4096]
    # What it answered when it was last there stands; that it is away lowers its availability.
    expect(away["text"] == "away" and away["lost"] > 0 and away["looks"] == 2, f"{away}")
    expect(away["availability"] < 90, f"{away}")
    bob("storage", "remove", "4097", "--yes", code=NOT_FOUND)
    bob("storage", "remove", "4096", "--yes")
    bob.until("let go of", lambda: nodes(bob)[0]["state"] == "let go")
    bob("storage", "offer", "7G")
    expect(bob("storage")["offered_bytes"] == 7000000000, "the offer is not kept")


lib.main(kept)
