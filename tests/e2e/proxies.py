# SPDX-License-Identifier: MIT OR Apache-2.0
"""A SOCKS5 server that insists on user and password and notes what it is asked, for the tests."""
import contextlib
import socket
import struct
import threading

import capture

OWN_ADDRESS = "127.0.0.9"  # what it calls from: so it is told from everybody else


class Socks:
    """asked: (user, password, kind of address, host, port) of each request."""

    def __init__(self):
        self.asked, self.calls, self.lock = [], set(), threading.Lock()
        self.port, self.listener = 0, None
        self.start()

    def start(self):
        """Also again, after a stop: at the same port."""
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for s in self.calls:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)

    def serve(self, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.calls.add(s)
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        try:
            target = self.handshake(s)
            other = socket.socket()
            other.bind((OWN_ADDRESS, 0))
            other.connect(target)
        except (OSError, ValueError, EOFError):
            s.close()
            return
        with self.lock:
            self.calls.add(other)
        s.sendall(b"\5\0\0\1" + bytes(6))
        capture.join(s, other)

    def handshake(self, s):
        version, n = take(s, 2)
        methods = take(s, n)
        if version != 5 or 2 not in methods:
            s.sendall(b"\5\xff")
            raise ValueError("no user and password offered")
        s.sendall(b"\5\2")
        take(s, 1)
        user = take(s, take(s, 1)[0])
        password = take(s, take(s, 1)[0])
        s.sendall(b"\1\0")
        _, command, _, kind = take(s, 4)
        if kind == 3:
            host = take(s, take(s, 1)[0]).decode()
        elif kind == 1:
            host = socket.inet_ntoa(take(s, 4))
        else:
            host = socket.inet_ntop(socket.AF_INET6, take(s, 16))
        port = struct.unpack("!H", take(s, 2))[0]
        with self.lock:
            self.asked.append((user.decode(), password.decode(), kind, host, port))
        if command != 1:
            raise ValueError("no CONNECT")
        return host, port


def take(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
