# SPDX-License-Identifier: MIT OR Apache-2.0
"""What it takes to make up for a holder that is lost: bytes moved and time, among real daemons (repair-holder)."""
import os
import re
import threading
import time

MEMBERS = 6


def whole(daemon):
    f = daemon.ask("GET", "/v1/enclaves/room/files/info?path=file")
    return "nowhere" not in f["detail"] and f["holders"] == MEMBERS - 1 and f["bad_shards"] == 0


def holder(bench, folder, circle_of):
    """One of six leaves and hands nothing over: until every segment has all its columns again."""
    mib = int(os.environ.get("BENCH_MIB", "1024"))
    name = f"repair-holder-{mib}mib"
    with folder() as place, circle_of(place, MEMBERS) as circle:
        source = os.path.join(place, "file")
        with open(source, "wb") as f:
            for _ in range(mib):
                f.write(os.urandom(1 << 20))
        first, gone, rest = circle.inside[0], circle.inside[-1], circle.inside[:-1]
        put = first.post("/v1/enclaves/room/puts", {"local": source, "path": "file"})
        while first.ask("GET", f"/v1/transfers/{put['id']}")["state"] != "safe":
            time.sleep(0.1)
        info = first.ask("GET", "/v1/enclaves/room/files/info?path=file")
        moved = {"sent": 0, "read": 0}

        def count(stream):
            for e in stream:
                m = re.search(r"repair: (\d+) bytes of shards sent, (\d+) read", e["text"])
                if m:
                    moved["sent"] += int(m.group(1))
                    moved["read"] += int(m.group(2))
        for d in rest:
            threading.Thread(target=count, args=(d.events("transfer"),), daemon=True).start()
        began = time.monotonic()
        gone.ask("DELETE", "/v1/enclaves/room?now=true")
        while not whole(first):
            time.sleep(0.1)
        seconds = time.monotonic() - began
        time.sleep(2)  # the last round is told when it is over
    # Six hold n columns of each segment, a sixth of them each; k of n are read for those of one.
    share = moved["sent"]
    least = share * info["k"] / (info["n"] / MEMBERS)
    bench.row(name + "-read", moved["read"] / 1048576, "MiB", "k columns a segment", least / 1048576,
              note=f"{info['k']} of {info['n']}, {info['segments']} segments; near columns count as read")
    bench.row(name + "-sent", moved["sent"] / 1048576, "MiB", note="what the lost holder had")
    bench.row(name, moved["sent"] / 1048576 / seconds, "MiB/s", note=f"made again, from the leaving on; {seconds:.1f} s")
