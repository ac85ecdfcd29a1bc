# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the end-to-end tests and scripts/demo share: a World is a temporary directory with the real
programs in it, a sentinel and members, each its own process and home. Members are driven through
`enclave --home DIR --json` only. Nothing sleeps to keep step: waiting means looking again at each
event of a daemon, or at the end of a process, until a deadline.
"""
import base64
import contextlib
import copy
import ctypes
import hashlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

OK, FAILED, USAGE, PARTIAL, NOT_FOUND, CONFLICT, REFUSED, PENDING = 0, 1, 2, 3, 4, 5, 6, 7
INTEGRITY, SPACE, LOCKED, PASSWORD, UNREACHABLE, INTERRUPTED = 8, 9, 11, 12, 13, 130
PR_SET_CHILD_SUBREAPER = 36

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# A machine under a sanitizer or a heavy load is slow, not wrong.
PATIENCE = float(os.environ.get("ENCLAVE_PATIENCE", "1"))


class Failure(Exception):
    """What went wrong, in a line for a person."""


def build_folder():
    folder = pathlib.Path(os.environ.get("ENCLAVE_BUILD", SOURCE / "build")).resolve()
    for program in ("enclave", "enclaved", "sentinel"):
        if not os.access(folder / program, os.X_OK):
            raise Failure(f"{program} is not in {folder}: type make, or set ENCLAVE_BUILD")
    return folder


def expect(truth, text):
    if not truth:
        raise Failure(text)


class Answer:
    """How one run of a program ended."""

    def __init__(self, words, code, out, err, seconds):
        self.words, self.code, self.out, self.err, self.seconds = words, code, out, err, seconds

    @property
    def json(self):
        # An error's document comes on standard error, for standard output is data.
        for text in (self.out, self.err):
            for piece in (text, text.strip().rsplit(b"\n", 1)[-1]):
                try:
                    return json.loads(piece)
                except ValueError:
                    continue
        raise Failure(f"{self}: no JSON in its answer")

    @property
    def text(self):
        return (self.out + self.err).decode("utf-8", "replace")

    def __str__(self):
        words = " ".join(os.fsdecode(w) for w in self.words)
        said = self.text.strip()
        return f"`{words}` ended with {self.code}" + (f": {said}" if said else "")


class Process:
    """A process that may be no child of ours: its end is seen through a descriptor of it."""

    def __init__(self, pid):
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def gone(self, seconds=0.0):
        return bool(select.select([self.fd], [], [], seconds)[0])

    def end(self, number=signal.SIGKILL, seconds=20):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.fd, number)
        if not self.gone(seconds * PATIENCE):
            raise Failure(f"process {self.pid} did not end within {seconds} s of {number!r}")
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class Member:
    """A person: a home, a password, a daemon, and `enclave` to talk with it."""

    def __init__(self, world, nick, home=None, listen="127.0.0.1:0", password="correct horse "):
        self.world, self.nick, self.listen = world, nick, listen
        self.home = pathlib.Path(home) if home else world.path / ("home-" + nick)
        self.password = password + nick
        self.password_file = world.path / (nick + ".password")
        self.words = []
        # ENCLAVE_... of every command, and so of the daemon. Those who wait want all enclaves at once.
        # The least cost of a password: 256 MiB for each of a hundred homes would be half of the time.
        self.settings, self.name = {"START_GAP": "0", "SECURITY_PASSWORD_MB": "64"}, None
        self.write_password(self.password)

    def write_password(self, password):
        self.password = password
        self.password_file.write_text(password + "\n")
        self.password_file.chmod(0o600)

    # ---- commands ----

    def run(self, *words, stdin=b"", seconds=60, json_flag=True, **more):
        """Runs `enclave` and returns its Answer, whatever its exit status."""
        line = [self.world.program("enclave"), "--home", self.home]
        line += (["--json"] if json_flag else []) + list(words)
        env = self.world.environment()
        more.setdefault("env", {**env, **{"ENCLAVE_" + k: v for k, v in self.settings.items()}})
        return self.world.run(line, stdin=stdin, seconds=seconds, **more)

    def __call__(self, *words, code=OK, **more):
        """Runs `enclave`, insists on its exit status and returns its JSON."""
        a = self.run(*words, **more)
        codes = code if isinstance(code, tuple) else (code,)
        if a.code not in codes:
            raise Failure(f"{self.nick}: {a}, {' or '.join(map(str, codes))} was expected")
        return a.json if a.out.strip() or a.err.strip() else {}

    def of(self, enclave):
        """The same person, with one of several enclaves in mind."""
        m = copy.copy(self)
        m.name, m.settings = enclave, {**self.settings, "NAME": enclave}
        return m

    def secret(self):
        return ["--password-file", self.password_file]

    def daemon_options(self):
        return ["--listen", self.listen] if self.listen else []

    def init(self, *more):
        answer = self("--yes", "init", *self.secret(), *self.daemon_options(), *more)
        self.words = answer["words"]
        expect(len(self.words) == 24, f"init shows {len(self.words)} recovery words")
        return answer

    def start(self, *more, **keys):
        return self("daemon", "start", *self.secret(), *self.daemon_options(), *more, **keys)

    def stop(self):
        process = self.process()
        self("daemon", "stop")
        expect(process.gone(20 * PATIENCE), f"{self.nick}'s daemon does not stop")
        process.close()

    def pid(self):
        return self("daemon", "status")["pid"]

    def process(self):
        return Process(self.pid())

    def kill(self):
        """As a power cut: nothing is said, nothing is finished."""
        process = self.process()
        process.end(signal.SIGKILL)
        process.close()

    def log(self):
        file = self.home / "daemon.log"
        return file.read_text(errors="replace") if file.exists() else ""

    # ---- waiting ----

    def last_event(self):
        return self("daemon", "status")["last_event"]

    def until(self, what, test, seconds=30):
        """Looks again at each event, at least once a second; returns what test returned."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            last = self.last_event()
            found = test()
            if found:
                return found
            if time.monotonic() > deadline:
                raise Failure(f"{self.nick} waited {seconds:.0f} s in vain: {what}")
            self("events", "--after", str(last), "--wait", "1s")

    # ---- what is often asked ----

    def enclave(self, name=None):
        all_of_them = self("status")["enclaves"]
        name = name or self.name
        if name is None:
            return all_of_them[0] if all_of_them else None
        return next((e for e in all_of_them if e["name"] == name), None)

    def state(self):
        e = self.enclave()
        return e["state"] if e else "none"

    def nicks(self):
        a = self.run("members")
        return {m["nick"] for m in a.json["members"]} if a.code == OK else set()

    def inside(self, *nicks):
        return self.nicks() == set(nicks)

    def messages(self):
        return [(m["nick"], m["text"]) for m in self("read", "--from", "1", "--keep")["messages"]]

    def files(self, path=None):
        return {f["path"]: f for f in self("ls", *([path] if path else []))["files"]}

    def info(self, path):
        return self("info", path)

    def shards(self):
        return sorted(p for p in (self.home / "shards").rglob("*")
                      if p.is_file() and ".tmp" not in p.name)


class Sentinel:
    def __init__(self, world, data=None, listen="127.0.0.1:0", options=()):
        self.world, self.listen, self.options = world, listen, options
        self.data = pathlib.Path(data) if data else world.path / "sentinel"
        self.log_file = world.path / (self.data.name + ".log")
        self.child, self.address = None, ""

    def start(self):
        """Returns HOST:PORT#PIN. Once chosen, the port stays over restarts."""
        line = [self.world.program("sentinel"), "--listen", self.listen, "--data", self.data]
        with open(self.log_file, "ab") as log:
            self.child = self.world.spawn([*line, *self.options], stdout=subprocess.PIPE,
                                          stderr=log)
        said = [self.child.stdout.readline().decode() for _ in range(2)]
        if "#" not in said[1]:
            code = self.child.wait()
            raise Failure(f"the sentinel ended with {code}: {self.log()[-400:].strip()}")
        self.address = said[1].strip()
        self.listen = self.address.split("#")[0]
        return self.address

    def stop(self, number=signal.SIGTERM):
        self.child.send_signal(number)
        code = self.child.wait(20 * PATIENCE)
        self.child.stdout.close()
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)

    def files(self):
        return sorted(p for p in self.data.iterdir() if p.is_file())

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


class World:
    """with World("name") as w: ... ; on failure the directory stays and its name is told."""

    def __init__(self, name, keep=False):
        # Daemons that outlive the command which started them become our children.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.build = build_folder()
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"enclave-{name}-"))
        self.keep, self.children, self.lock = keep, [], threading.Lock()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda n, frame: sys.exit(128 + n))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        left = self.end_all()
        if kind is None and left:
            raise Failure(f"still running after the end, and killed: {', '.join(left)}")
        found = self.sanitizers()
        if kind is None and found:
            raise Failure(found)
        if kind is None and not self.keep:
            shutil.rmtree(self.path, ignore_errors=True)
        return False

    def logs(self):
        return sorted([*self.path.glob("*.log"), *self.path.glob("*/daemon.log")])

    def sanitizers(self):
        """What a sanitizer, built into the programs, said in their logs."""
        for log in self.logs():
            for line in log.read_text(errors="replace").splitlines():
                if re.search(r"Sanitizer: |runtime error: |WARNING: ThreadSanitizer", line):
                    return f"{log.relative_to(self.path)}: {line}"
        return ""

    # ---- programs ----

    def program(self, name):
        return self.build / name

    def environment(self):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("ENCLAVE_", "XDG_")) or k == "ENCLAVE_BUILD"}
        env["HOME"] = str(self.path)
        # Nobody is hidden from here: ballots leave at once.
        env["ENCLAVE_NODE_BALLOT_DELAY"] = "0s"
        env["PATH"] = f"{self.build}{os.pathsep}{env.get('PATH', '/usr/bin:/bin')}"
        return env

    def spawn(self, line, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("env", self.environment())
        child = subprocess.Popen([os.fspath(w) for w in line], cwd=self.path, **more)
        with self.lock:
            self.children.append(child)
        return child

    def run(self, line, stdin=b"", seconds=60, **more):
        began = time.monotonic()
        child = self.spawn(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, **more)
        try:
            out, err = child.communicate(stdin, seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            words = " ".join(os.fsdecode(w) for w in line[1:])
            raise Failure(f"`{words}` took more than {seconds:.0f} s; so far: "
                          f"{(out + err).decode('utf-8', 'replace').strip()}") from None
        finally:
            with self.lock:
                self.children.remove(child)
        words = [pathlib.Path(os.fsdecode(line[0])).name, *line[1:]]
        return Answer(words, child.returncode, out, err, time.monotonic() - began)

    def sentinel(self, **more):
        s = Sentinel(self, **more)
        s.start()
        return s

    def member(self, nick, init=True, **more):
        m = Member(self, nick, **more)
        if init:
            m.init()
        return m

    def members(self, *nicks, **more):
        """Side by side, for Argon2id takes its time."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda nick: self.member(nick, **more), nicks))

    # ---- the end ----

    def ours(self):
        """Processes whose command line names our directory: the daemons."""
        found = {}
        mark = os.fsencode(self.path) + b"/"
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                line = pathlib.Path("/proc", entry.name, "cmdline").read_bytes()
                if mark in line:
                    found[int(entry.name)] = line.split(b"\0")[0].decode("utf-8", "replace")
        return found

    def end_all(self):
        """Ends everything we started. Returns what did not even end when asked to."""
        stubborn = []
        with self.lock:
            for child in self.children:
                if child.poll() is None:
                    child.terminate()
        for number in (signal.SIGTERM, signal.SIGKILL):
            waiting = []
            for pid, name in self.ours().items():
                with contextlib.suppress(ProcessLookupError):
                    waiting.append((Process(pid), name))
                    signal.pidfd_send_signal(waiting[-1][0].fd, number)
            deadline = time.monotonic() + 15 * PATIENCE
            for process, name in waiting:
                if not process.gone(max(0.0, deadline - time.monotonic())):
                    stubborn.append(f"{pathlib.Path(name).name} {process.pid}")
                process.close()
        for child in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return stubborn


# ---- an enclave in one line ----


def room_of(code):
    """The room's number out of an invitation: version, length, address, pin 32, room 32, ..."""
    text = code.split(":", 1)[1]
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    at = 2 + raw[1] + 32
    return raw[at:at + 32]


def rows(database):
    """Table -> number of rows, of a database that nobody has open."""
    base = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    with contextlib.closing(base):
        names = [r[0] for r in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {n: base.execute(f"SELECT count(*) FROM {n}").fetchone()[0] for n in names}


def digits(code):
    return re.sub(r"\D", "", code)


def admit(inside, newcomer, watch=None, votes=None):
    """The newcomer knocks, everybody inside compares codes and votes. Returns the inviter's and the
    newcomer's safety code. votes: nick -> "yes" or "no"."""
    watch = watch or (lambda line: None)
    inviter = inside[0]
    code = inviter("invite")["code"]
    knock = newcomer("join", code, "--as", newcomer.nick, code=PENDING)
    theirs = knock.get("safety") or newcomer.enclave()["safety"]
    seen = []
    for m in inside:
        p = m.until(f"{newcomer.nick} is proposed", lambda m=m: proposal_of(m, newcomer.nick))
        seen.append(p["safety"])
        choice = (votes or {}).get(m.nick, "yes")
        m("vote", choice, newcomer.nick, "--compared")
        watch(f"{m.nick} votes {choice}")  # a secret vote is open until the last ballot
    for safety in seen:
        expect(digits(safety) == digits(theirs) and len(digits(theirs)) == 60,
               f"safety codes differ: {safety} and {theirs}")
    end = OK if "no" not in (votes or {}).values() else REFUSED
    newcomer("join", code, "--as", newcomer.nick, "--wait", code=end, seconds=60)
    if end == OK:
        nicks = [m.nick for m in inside] + [newcomer.nick]
        for m in [*inside, newcomer]:
            m.until(f"{newcomer.nick} is inside", lambda m=m: m.inside(*nicks))
    return seen[0], theirs


def proposal_of(member, nick):
    for p in member("proposals")["proposals"]:
        if p["nick"] == nick and p["mine_to_vote"]:
            return p
    return None


def found(world, sentinel, *nicks, name="analytical-society"):
    """A sentinel's new enclave with these members."""
    people = world.members(*nicks)
    people[0]("create", name, "--as", people[0].nick, "--sentinel", sentinel.address)
    for i in range(1, len(people)):
        admit(people[:i], people[i])
    return people


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            h.update(piece)
    return h.hexdigest()


def random_file(path, size):
    with open(path, "wb") as f:
        while size > 0:
            f.write(os.urandom(min(size, 1 << 20)))
            size -= min(size, 1 << 20)
    return path


def flip_byte(path, offset=None):
    size = path.stat().st_size
    offset = size // 2 if offset is None else offset
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)[0]
        f.seek(offset)
        f.write(bytes([byte ^ 0xFF]))
    return offset


# ---- looking for words where none must be ----


def disguises(text):
    """The text as it may lie in a file: name of the disguise -> its bytes."""
    raw = text if isinstance(text, bytes) else text.encode()
    found = {"as it is": raw, "in hex": raw.hex().encode(), "in HEX": raw.hex().upper().encode()}
    if not isinstance(text, bytes):
        found["in UTF-16LE"] = text.encode("utf-16-le")
        found["in UTF-16BE"] = text.encode("utf-16-be")
    for shift in range(3):
        # What stands before and after it may change the outer characters only.
        coded = base64.b64encode(b"\0" * shift + raw)
        middle = coded[-(-shift * 8 // 6):len(raw + b"\0" * shift) * 8 // 6]
        if len(middle) >= 6:
            found[f"in base64 ({shift})"] = middle
            found[f"in base64url ({shift})"] = base64.urlsafe_b64encode(
                b"\0" * shift + raw)[-(-shift * 8 // 6):len(raw + b"\0" * shift) * 8 // 6]
    return found


def search(files, texts):
    """All (file, text, disguise) that were found, and how many bytes were read."""
    hits, read = [], 0
    for file in files:
        data = pathlib.Path(file).read_bytes()
        read += len(data)
        for text in texts:
            for disguise, needle in disguises(text).items():
                if needle in data:
                    hits.append((pathlib.Path(file).name, text, disguise))
    return hits, read


# ---- running the functions of a test file ----


def main(*tests):
    """Runs them in order; the first failure ends with status 1 and tells where the logs are."""
    name = pathlib.Path(sys.argv[0]).stem
    for test in tests:
        began = time.monotonic()
        world = World(f"{name}-{test.__name__}")
        try:
            with world:
                test(world)
        except (Failure, AssertionError) as error:
            where = trace_line(error)
            print(f"not ok  {test.__name__} ({where}): {error}\n  logs: {world.path}", flush=True)
            show_logs(world)
            sys.exit(1)
        except BaseException:
            print(f"not ok  {test.__name__}; logs: {world.path}", flush=True)
            raise
        print(f"ok  {time.monotonic() - began:5.1f} s  {test.__name__}: "
              f"{(test.__doc__ or '').strip()}", flush=True)


def trace_line(error):
    trace, line = error.__traceback__, ""
    while trace:
        if trace.tb_frame.f_code.co_filename != __file__:
            line = f"{pathlib.Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return line


def show_logs(world):
    for log in world.logs():
        lines = log.read_text(errors="replace").splitlines()[-12:]
        print(f"  -- {log.relative_to(world.path)}\n" + "\n".join("     " + x for x in lines))
