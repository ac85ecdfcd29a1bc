# SPDX-License-Identifier: MIT OR Apache-2.0
"""What messages cost among real daemons: many to many (fan_out), and one at a time (delays); and a picture of how
both grow."""
import base64
import os
import threading
import time

LINE = 100        # bytes of a message
PER_CALL = 1280   # messages handed over in one call: what fits into one entry


def lines(n):
    """n messages of LINE bytes that have nothing in common."""
    text = base64.b64encode(os.urandom(n * LINE)).decode()
    return [text[i * LINE:(i + 1) * LINE] for i in range(n)]


def fan_out(circle, n):
    """Messages a second that every other member has on its disk, one member saying n of them."""
    sender, others = circle.inside[0], circle.inside[1:]
    shown = sender.ask("GET", "/v1/enclaves/room/messages?last=1")["messages"]
    before = shown[-1]["number"] if shown else 0
    texts = lines(n)
    calls = ["\n".join(texts[i:i + PER_CALL]) for i in range(0, n, PER_CALL)]
    streams = [d.events() for d in others]  # told once it is on disk

    def until(stream):
        for e in stream:
            if e["ref"] >= before + n:
                return
    readers = [threading.Thread(target=until, args=(s,), daemon=True) for s in streams]
    for r in readers:
        r.start()
    began = time.monotonic()
    for text in calls:
        sender.post("/v1/enclaves/room/messages", {"text": text, "lines": True})
    for r in readers:
        r.join(300)
    if any(r.is_alive() for r in readers):
        raise SystemExit("bench: messages are missing")
    return n / (time.monotonic() - began)


def delays(circle, n):
    """Milliseconds from `send` to the event of the last of the other members, n messages one by one."""
    sender, streams = circle.inside[0], [d.events() for d in circle.inside[1:]]
    values = []
    for i in range(n):
        began = time.monotonic()
        sender.post("/v1/enclaves/room/messages", {"text": f"message {i}"})
        for s in streams:
            next(s)
        values.append((time.monotonic() - began) * 1000)
    return sorted(values)
