# SPDX-License-Identifier: MIT OR Apache-2.0
"""A terminal for tests: a pseudo-terminal with `enclave` in it, and, where a size is given, a screen
that shows what a person would see."""
import codecs
import contextlib
import fcntl
import os
import re
import select
import struct
import termios
import time
import unicodedata

import lib


class Screen:
    """As much of an xterm as line editing needs; what it does not know is an error, for nothing of
    what others say may reach it."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.x = self.y = 0
        self.full = False  # the last column is written: the next character wraps
        self.rest = ""

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def feed(self, text):
        text = self.rest + text
        at = 0
        while at < len(text):
            c = text[at]
            if c == "\x1b":
                found = re.match(r"\x1b\[([?\d;]*)([@-~])|\x1b([=>])", text[at:])
                if not found:
                    break  # the rest of it is still to come
                if found[2]:
                    self.control(found[1], found[2])
                at += found.end()
                continue
            self.put(c)
            at += 1
        self.rest = text[at:]
        lib.expect(len(self.rest) < 32, f"no sequence of ours: {self.rest!r}")

    def down(self):
        self.y += 1
        if self.y == self.rows:
            self.cells = self.cells[1:] + [[" "] * self.columns]
            self.y -= 1

    def put(self, c):
        if c == "\r":
            self.x, self.full = 0, False
        elif c == "\n":
            self.down()
            self.full = False
        elif c == "\b":
            self.x, self.full = max(0, self.x - 1), False
        elif c == "\t":
            self.x = min(self.columns - 1, self.x // 8 * 8 + 8)
        elif c == "\a":
            pass
        else:
            lib.expect(c.isprintable(), f"{c!r} reaches the terminal")
            wide = unicodedata.east_asian_width(c) in "WF"
            if self.full or (wide and self.x == self.columns - 1):
                self.x, self.full = 0, False
                self.down()
            self.cells[self.y][self.x] = c
            if wide:
                self.cells[self.y][self.x + 1] = ""
            self.x += 2 if wide else 1
            if self.x >= self.columns:
                self.x, self.full = self.columns - 1, True

    def control(self, numbers, letter):
        if letter in "mhl":
            return
        n = int(numbers or "0")
        row = self.cells[self.y]
        self.full = False
        if letter == "A":
            self.y = max(0, self.y - max(n, 1))
        elif letter == "B":
            self.y = min(self.rows - 1, self.y + max(n, 1))
        elif letter == "C":
            self.x = min(self.columns - 1, self.x + max(n, 1))
        elif letter == "D":
            self.x = max(0, self.x - max(n, 1))
        elif letter == "G":
            self.x = min(self.columns, max(n, 1)) - 1
        elif letter == "K" and n == 0:
            row[self.x:] = [" "] * (self.columns - self.x)
        elif letter == "J" and n == 0:
            row[self.x:] = [" "] * (self.columns - self.x)
            for y in range(self.y + 1, self.rows):
                self.cells[y] = [" "] * self.columns
        elif letter == "P":
            row[self.x:] = row[self.x + max(n, 1):] + [" "] * max(n, 1)
        elif letter == "@":
            row[self.x:] = ([" "] * max(n, 1) + row[self.x:])[:self.columns - self.x]
        else:
            raise lib.Failure(f"no sequence of ours: CSI {numbers} {letter}")


class Terminal:
    """`enclave` with a terminal of its own."""

    def __init__(self, member, *words, size=None, **more):
        self.shown, self.screen = "", Screen(*size) if size else None
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")  # pieces end anywhere
        self.fd, other = os.openpty()
        if size:
            self.set_size(*size)
            more.setdefault("env", {**member.world.environment(), "TERM": "xterm",
                                    "LC_ALL": "C.UTF-8"})
        line = [member.world.program("enclave"), "--home", member.home, *words]
        self.child = member.world.spawn(
            line, stdin=other, stdout=other, stderr=other, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **more)
        os.close(other)
        self.words = words

    def look(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        with contextlib.suppress(OSError):
            piece = os.read(self.fd, 65536)
            text = self.decoder.decode(piece)
            if self.screen:
                self.screen.feed(text)
            self.shown += text.replace("\r\n", "\n")
            return bool(piece)
        return False

    def until(self, pattern, seconds=20):
        """Waits until the pattern is shown; what comes after is looked at by the next call."""
        deadline = time.monotonic() + seconds * lib.PATIENCE
        while not (found := re.search(pattern, self.shown)):
            if not self.look(0.2) or time.monotonic() > deadline:
                raise lib.Failure(f"{self.words}: {pattern!r} is not shown: {self.shown!r}")
        before, self.shown = self.shown[:found.start()], self.shown[found.end():]
        return before, found

    def see(self, what, test, seconds=20):
        """Waits until test(lines of the screen) is true."""
        deadline = time.monotonic() + seconds * lib.PATIENCE
        while not test(self.screen.lines()):
            if not self.look(0.2) or time.monotonic() > deadline:
                raise lib.Failure(f"{what} is not on the screen:\n" +
                                  "\n".join(self.screen.lines()))

    def set_size(self, columns, rows):
        """The kernel tells the program; a terminal that lays lines out anew starts with a clean
        screen here, for what it does with the old one is its own affair."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text, enter="\n"):
        os.write(self.fd, (text + enter).encode())

    def end(self):
        """The exit status, and what was shown last."""
        deadline = time.monotonic() + 30 * lib.PATIENCE
        while self.look(0.2) and time.monotonic() < deadline:
            if self.child.poll() is not None and not select.select([self.fd], [], [], 0)[0]:
                break
        code = self.child.wait(20 * lib.PATIENCE)
        os.close(self.fd)
        return code, self.shown

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)
