# SPDX-License-Identifier: MIT OR Apache-2.0
"""Nonsense at every port: nothing is answered that tells who lives there, nobody falls over."""
import contextlib
import os
import re
import socket
import struct
import subprocess

import lib
from lib import expect

HTTP = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


def garbage(w):
    """random bytes, HTTP, foreign TLS and broken frames at the sentinel, a member, the API"""
    sentinel = w.sentinel()
    ada, bob = lib.found(w, sentinel, "ada", "bob")
    host, port = sentinel.listen.rsplit(":", 1)
    ports = {"sentinel": int(port), "member": place_of(ada)}
    for who, number in ports.items():
        for junk in (b"", b"\0", HTTP, os.urandom(3000), b"\x16\x03\x01\xff\xff" + b"a" * 4000,
                     b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\xff" * 70000):
            said = poke(number, junk)
            # At most a TLS alert of seven bytes: no certificate, no name, no banner.
            expect(len(said) <= 7, f"{who} answers {junk[:8]!r} with {said[:60]!r}")
        foreign(who, number)
        # Half a conversation each, all at once.
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                s = stack.enter_context(socket.create_connection(("127.0.0.1", number), 5))
                s.sendall(b"\x16\x03\x01")
    log = sentinel.log()
    expect(re.search(r"plain|TLS|group|refus", log), f"the sentinel's log says no why: {log[-500:]}")
    api(ada)
    for m in (ada, bob):
        m("send", f"{m.nick} is well")
    for m in (ada, bob):
        m.until("both talk", lambda m=m: len(m.messages()) == 2)
    third = w.member("eve")
    lib.admit([ada, bob], third)


def foreign(who, port):
    """A TLS client without the hybrid group, and one with it (OpenSSL 3.5) that nobody knows: a member
    shows its certificate to neither; a sentinel is there for strangers, its certificate is pinned."""
    strange = [["-groups", "X25519"], ["-tls1_2"]]
    if who == "member":
        strange.append(["-servername", "example.org"])
    for options in strange:
        a = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options],
                           input=b"", capture_output=True, timeout=20, check=False)
        text = (a.stdout + a.stderr).decode("utf-8", "replace")
        expect("BEGIN CERTIFICATE" not in text, f"{who} shows a certificate to {options}")
        expect(a.returncode != 0, f"{who} talks with {options}")


def place_of(member):
    """Starts the daemon again where we know it to listen: nobody else may look into its descriptors."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    member.stop()
    member.listen = f"127.0.0.1:{port}"
    member.start()

    def listens():
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5).close()
            return True
        return False
    member.until("its daemon listens", listens)
    return port


def poke(port, junk):
    said = b""
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.settimeout(3)
        with contextlib.suppress(OSError):
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            while piece := s.recv(4096):
                said += piece
        with contextlib.suppress(OSError):
            # Linger 0: the close is a reset.
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return said


def api(member):
    """The API's socket: junk, wrong methods, wrong documents, too much of everything."""
    where = str(member.home / "daemon.sock")
    base = b"Host: localhost\r\nContent-Type: application/json\r\n"

    def ask(raw):
        said = b""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(3)
            s.connect(where)
            with contextlib.suppress(OSError):
                s.sendall(raw)
                s.shutdown(socket.SHUT_WR)
                while piece := s.recv(65536):
                    said += piece
        return said

    def post(path, body, more=b""):
        return ask(b"POST " + path + b" HTTP/1.1\r\n" + base + more +
                   b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)

    send = b"/v1/enclaves/-/messages"
    for raw, status in (
        (os.urandom(2000), None),
        (b"GET /v1/status HTTP/9.9\r\n\r\n", None),
        (b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n" + base + b"\r\n", None),
        (b"GET /v1/status HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", None),
        (b"GET /v1/../../etc/passwd HTTP/1.1\r\n" + base + b"Connection: close\r\n\r\n", b"404"),
        (b"GET /v2/status HTTP/1.1\r\n" + base + b"Connection: close\r\n\r\n", b"404"),
        (b"PUT /v1/status HTTP/1.1\r\n" + base + b"Content-Length: 0\r\n\r\n", b"40"),
        (b"POST " + send + b" HTTP/1.1\r\n" + base + b"Transfer-Encoding: chunked\r\n\r\n"
         b"5\r\nhello\r\n0\r\n\r\n", b"411"),
        (b"POST " + send + b" HTTP/1.1\r\n" + base + b"Content-Length: 99999999999\r\n\r\n", b"4"),
    ):
        said = ask(raw)
        first = said.split(b"\r\n")[0]
        expect(status is None or b" " + status in first, f"{raw[:60]!r} is answered {first!r}")
        expect(b"root:" not in said, "the API hands out files")
    for body in (b"", b"{", b"[]", b"null", b"{}", b'{"text":1}', b'{"text":"x","more":1}',
                 b'{"text":"a\\u0000b"}', b'{"text":"\xff"}', b"[" * 100000, b'{"text":""}'):
        said = post(send, body)
        expect(re.match(rb"HTTP/1.1 4\d\d ", said), f"{body[:40]!r} is answered {said[:80]!r}")
    expect(member("status")["vault"] == "open", "the API fell over")
    expect(member.messages() == [], f"junk became words: {member.messages()}")


lib.main(garbage)
