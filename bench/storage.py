# SPDX-License-Identifier: MIT OR Apache-2.0
"""Jobs of scripts/bench about files kept by many: what is lost, small files, memory, growth, and restic beside them.

  get-degraded-1gib  the same with 12 of the 20 holders gone: beside the whole get of the same run
  put-5000   5,000 files of 16 KiB in a directory, `put -r` among three members; beside restic and cp -r
  get-5000   and back, `get -r`
  erasure    erasure coding at 8/20, 4/6, 16/20 beside Jerasure (libjerasure-dev)
  memory     the most memory of the one who puts and of a holder, for 1 and 16 GiB
  growth-storage  put against size, holders and number of files; results/growth-storage.svg

BENCH_FILES=100 takes fewer small files, BENCH_SIZES="64 1024" other sizes in MiB for memory and growth-storage,
BENCH_MANY="100 1000" other numbers of files for growth-storage.
"""
import __main__ as bench
import os
import pathlib
import shutil
import subprocess
import time

import growth

FILES = int(os.environ.get("BENCH_FILES", "5000"))
FILE_BYTES = 16 << 10
SIZES = os.environ.get("BENCH_SIZES")
growth.COLOURS.update({"size, MiB": "#2563a8", "holders": "#b45309", "files": "#7a2e8a"})


def timed(*line, **more):
    before = time.monotonic()
    subprocess.run([str(word) for word in line], check=True, stdout=subprocess.DEVNULL, **more)
    return time.monotonic() - before


def restic(place, source):
    """Seconds that restic takes to back up source to the same disk and to restore it, or None."""
    if not shutil.which("restic"):
        return None
    repo, back = os.path.join(place, "repo"), os.path.join(place, "back")
    env = {**os.environ, "RESTIC_PASSWORD": bench.PASSWORD, "RESTIC_CACHE_DIR": os.path.join(place, "cache")}
    timed("restic", "-r", repo, "init", env=env)
    put = timed("restic", "-r", repo, "backup", source, env=env)
    get = timed("restic", "-r", repo, "restore", "latest", "--target", back, env=env)
    for path in (repo, back):
        shutil.rmtree(path)
    return put, get


def peers(b, job, value):
    """A row that sets the rate of a large put or get beside restic's for the same number of bytes."""
    if "restic" not in b.kept:
        runs = []
        for _ in range(bench.RUNS):
            with bench.folder() as place:
                source = pathlib.Path(place) / "source"
                with open(source, "wb") as f:
                    for _ in range(bench.MIB):
                        f.write(os.urandom(1 << 20))
                    os.fsync(f.fileno())
                runs.append(restic(place, source))
        b.kept["restic"] = None if None in runs else [min(r[i] for r in runs) for i in (0, 1)]
    found = b.kept["restic"]
    rate = found and bench.MIB / found[0 if job == "put" else 1]
    b.row(f"{job}-{bench.SIZE}-restic", value, "MiB/s", rate and "restic, one local copy", rate,
          note=f"to {bench.PROFILE}" if rate else "no peer: restic is not installed")


def degraded(b):
    runs = []
    for _ in range(bench.RUNS):
        with bench.folder() as place:
            whole = bench.program("bench_files", place)
        with bench.folder() as place:
            lost = bench.program("bench_files", place, BENCH_LOST="12")
        runs.append({"whole": whole["get"], "lost": lost["get"]})
    rows = bench.best(runs)
    b.row(f"get-degraded-{bench.SIZE}", rows["lost"]["value"], "MiB/s", "with all holders", rows["whole"]["value"],
          note="12 of 20 holders gone")


def erasure(b):
    rows = bench.best(bench.program("bench_erasure") for _ in range(bench.RUNS))
    for job, r in rows.items():
        if job.endswith("-jerasure"):
            continue
        peer = rows.get(f"{job}-jerasure")
        b.row(job, r["value"], "MiB/s", peer and "Jerasure", peer and peer["value"],
              note="payload, one thread" if peer or job.endswith("-decode") else "no peer: libjerasure-dev is not installed")


def sizes(otherwise):
    return [int(n) for n in (SIZES or otherwise).split()]


def memory(b):
    for mib in sizes("1024 16384"):
        with bench.folder() as place:
            rows = bench.program("bench_files", place, BENCH_MIB=str(mib))
        for job, value in (("putter", rows["put"]["rss_mib"]), ("putter-and-getter", rows["get"]["rss_mib"]),
                           ("holder", rows["holder-memory"]["value"])):
            b.row(f"memory-{job}-{mib}mib", value, "MiB", note="the most at any moment")


def grow(b):
    lines = {"size, MiB": {}, "holders": {}, "files": {}}

    def put(mib, holders, profile):
        with bench.folder() as place:
            return bench.program("bench_files", place, BENCH_MIB=str(mib), BENCH_HOLDERS=str(holders),
                                 BENCH_PROFILE=profile)["put"]["value"]
    for mib in sizes("1 16 128 1024 16384"):
        lines["size, MiB"][mib] = put(mib, 20, "8/20")
    for holders in (5, 10, 20, 40):
        lines["holders"][holders] = put(min(sizes("1024")), holders, f"{holders * 2 // 5}/{holders}")
    for n in map(int, os.environ.get("BENCH_MANY", "100 1000 10000 100000").split()):
        lines["files"][n] = n / small(n)["put"]
    for name, line in lines.items():
        for n, v in line.items():
            b.row(f"growth-storage-{name.split(',')[0]}-{n}", v, "files/s" if name == "files" else "MiB/s")
        b.tables += ["", f"growth-storage, {name}:", *(f"{n:7}  {v:9.1f}" for n, v in line.items())]
    for name, unit in (("size, MiB", "MiB/s"), ("holders", "MiB/s"), ("files", "/s")):
        picture = growth.picture("growth-storage: put", [(f"put, over {name}", unit, {name: lines[name]})], name)
        (bench.ROOT / "bench" / "results" / f"growth-storage-{name.split(',')[0]}.svg").write_text(picture, encoding="utf-8")


def small(n):
    """Seconds for n small files put and got by real programs among three members, and by the peers."""
    with bench.folder() as place, bench.Circle(place, 3) as circle:
        source = pathlib.Path(place) / "many"
        for i in range(n):
            path = source / f"{i // 500:03}" / f"{i:06}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(FILE_BYTES))
        os.sync()
        home = os.path.dirname(circle.inside[0].socket)
        enclave = [bench.BUILD / "enclave", "--home", home, "--quiet"]
        found = {"put": timed(*enclave, "put", "-r", source, "--wait"),
                 "get": timed(*enclave, "get", "-r", "many", os.path.join(place, "back"))}
        found["restic"] = restic(place, source)
        found["cp"] = timed("cp", "-r", source, os.path.join(place, "copy"))
        return found


def many(b, job):
    if "small" not in b.kept:
        b.kept["small"] = small(FILES)
    r = b.kept["small"]
    mine = FILES / r[job]
    i = 0 if job == "put" else 1
    b.row(f"{job}-{FILES}", mine, "files/s", r["restic"] and "restic", r["restic"] and FILES / r["restic"][i],
          note=f"{r[job]:.2f} s" + (f", restic {r['restic'][i]:.2f} s" if r["restic"] else "; no peer: restic is not installed"))
    b.row(f"{job}-{FILES}-cp", mine, "files/s", "cp -r", FILES / r["cp"], note="the peer syncs nothing")


JOBS = {"get-degraded-1gib": degraded, "put-5000": lambda b: many(b, "put"), "get-5000": lambda b: many(b, "get"),
        "erasure": erasure, "memory": memory, "growth-storage": grow}
