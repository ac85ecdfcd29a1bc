# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a growing group pays, out of the rows of `bench_ledger growth`: a table, and a picture of two panels
(time of one member, bytes in the whole enclave) over the number of members, both axes logarithmic."""
import math
import re

STEPS = ("admit", "rekey-made", "rekey-judged", "remove")
SIZES = ("admit", "rekey", "remove")
COLOURS = {"admit": "#2563a8", "rekey-made": "#b45309", "rekey-judged": "#d99a4e", "rekey": "#b45309",
           "remove": "#7a2e8a", "deliveries": "#2563a8", "delay": "#b45309",
           "entries": "#2563a8", "attached": "#b45309"}


def series(rows, what, unit):
    """n -> value, of one step."""
    pattern = re.compile(rf"growth-{what}-(\d+){'-bytes' if unit == 'bytes' else ''}$")
    found = ((pattern.match(job), r["value"]) for job, r in rows.items() if r["unit"] == unit)
    return {int(m.group(1)): v for m, v in found if m}


def table(rows):
    """A line for each size."""
    times = {s: series(rows, s, "ms") for s in STEPS}
    sizes = {s: series(rows, s, "bytes") for s in SIZES}
    lines = ["  n   admit ms  re-key made ms  judged ms  remove ms   admit KiB  re-key KiB  remove KiB"]
    for n in sorted(times["admit"]):
        t = [times[s][n] for s in STEPS]
        b = [sizes[s][n] / 1024 for s in SIZES]
        lines.append(f"{n:3}  {t[0]:9.2f} {t[1]:15.2f} {t[2]:10.2f} {t[3]:10.2f}  {b[0]:10.1f} {b[1]:11.1f} "
                     f"{b[2]:11.1f}")
    return lines


def panel(left, title, unit, lines, over="members"):
    """One set of axes with its lines; values 10^low .. 10^high."""
    wide, high, top = 380, 300, 60
    every = [v for line in lines.values() for v in line.values()]
    low, up = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    sizes = sorted(next(iter(lines.values())))

    def x(n):
        return left + wide * math.log2(n / sizes[0]) / math.log2(sizes[-1] / sizes[0])

    def y(v):
        return top + high * (up - math.log10(v)) / (up - low)

    out = [f'<text x="{left}" y="{top - 24}" class="title">{title}</text>']
    for n in sizes:
        out.append(f'<line x1="{x(n):.1f}" y1="{top}" x2="{x(n):.1f}" y2="{top + high}" class="grid"/>'
                   f'<text x="{x(n):.1f}" y="{top + high + 18}" text-anchor="middle">{n}</text>')
    for p in range(low, up + 1):
        out.append(f'<line x1="{left}" y1="{y(10 ** p):.1f}" x2="{left + wide}" y2="{y(10 ** p):.1f}" class="grid"/>'
                   f'<text x="{left - 6}" y="{y(10 ** p) + 4:.1f}" text-anchor="end">{10 ** p:g} {unit}</text>')
    for i, (name, line) in enumerate(lines.items()):
        points = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in sorted(line.items()))
        colour = COLOURS[name]
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3" fill="{colour}"/>' for n, v in line.items()]
        out.append(f'<text x="{left + 10}" y="{top + 18 + 17 * i}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{left + wide / 2}" y="{top + high + 40}" text-anchor="middle">{over}</text>')
    return out


def picture(name, panels, over="members"):
    """Two panels (title, unit, {line: {n: value}}) side by side."""
    body = [line for left, (title, unit, lines) in zip((90, 600), panels) for line in panel(left, title, unit, lines, over)]
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1010 420" font-family="sans-serif" font-size="12">\n'
            f"<title>{name}</title>\n"
            "<style>.grid{stroke:#ddd}.title{font-size:15px;font-weight:bold}</style>\n"
            '<rect width="1010" height="420" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n")


def svg(rows):
    times = {s: series(rows, s, "ms") for s in STEPS}
    sizes = {s: {n: b / 1024 for n, b in series(rows, s, "bytes").items()} for s in SIZES}
    return picture("growth-group", [("Time of one member's machine", "ms", times),
                                    ("Sealed entries, the whole enclave", "KiB", sizes)])
