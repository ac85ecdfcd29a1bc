# SPDX-License-Identifier: MIT OR Apache-2.0
"""Message brokers from Debian's packages, as peers of a measurement: mosquitto and nats-server over TLS, on a
free port of the loopback, in a folder of their own, with a certificate made for the run. A peer that is not
installed is None: the row then stands without it."""
import contextlib
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time


def found(program):
    """Servers are not in everybody's PATH."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(place):
    """A throw-away one that signs itself."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", f"{place}/key.pem", "-out", f"{place}/cert.pem"],
                   check=True, stderr=subprocess.DEVNULL)


def wait_port(port, child):
    while child.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    raise RuntimeError("a peer did not start")


class Mosquitto:
    """mosquitto over TLS; clients are mosquitto_pub and mosquitto_sub."""
    name = "mosquitto TLS QoS 1"

    def __init__(self, keeps=False):
        """keeps: on disk, from time to time."""
        self.place = tempfile.mkdtemp(prefix="broker-")
        certificate(self.place)
        self.port = free_port()
        with open(f"{self.place}/conf", "w", encoding="utf-8") as f:
            f.write(f"""user {getpass.getuser()}
listener {self.port} 127.0.0.1
certfile {self.place}/cert.pem
keyfile {self.place}/key.pem
tls_version tlsv1.3
allow_anonymous true
max_connections -1
max_queued_messages 0
persistence {"true" if keeps else "false"}
persistence_location {self.place}/
set_tcp_nodelay true
log_type none
""")
        self.child = subprocess.Popen([found("mosquitto"), "-c", f"{self.place}/conf"], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        wait_port(self.port, self.child)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.child.terminate()
        self.child.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    @staticmethod
    def there():
        return all(map(found, ("mosquitto", "mosquitto_pub", "mosquitto_sub", "openssl")))

    def client(self, program, *more, **how):
        return subprocess.Popen([program, "-h", "localhost", "-p", str(self.port), "--cafile",
                                 f"{self.place}/cert.pem", "-q", "1", "-t", "room", *more],
                                stderr=subprocess.DEVNULL, **how)

    def fan_out(self, receivers, text, n):
        """Seconds until every receiver has n messages; from the first one on."""
        subs = [self.client("mosquitto_sub", "-C", str(n + 1), stdout=subprocess.PIPE) for _ in range(receivers)]
        first = threading.Barrier(receivers + 1)

        def drain(sub):
            sub.stdout.read(1)
            first.wait()
            while sub.stdout.read(1 << 20):
                pass
        readers = [threading.Thread(target=drain, args=(s,), daemon=True) for s in subs]
        for r in readers:
            r.start()
        hello = []
        while first.n_waiting < receivers:  # a subscription is there when a message comes
            hello.append(self.client("mosquitto_pub", "-m", "x"))
            hello.pop().wait()
            if first.n_waiting == receivers:
                break
            time.sleep(0.05)
        began = time.monotonic()
        first.wait()
        pub = self.client("mosquitto_pub", "-l", stdin=subprocess.PIPE)
        pub.stdin.write((text + "\n").encode() * n)
        pub.stdin.close()
        for r in readers:
            r.join()
        took = time.monotonic() - began
        pub.wait()
        for s in subs:
            s.wait()
        return took


class Nats:
    """nats-server over TLS, spoken to in its own protocol. It keeps nothing."""
    name = "NATS TLS"

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="broker-")
        certificate(self.place)
        self.port = free_port()
        self.child = subprocess.Popen(
            [found("nats-server"), "-a", "127.0.0.1", "-p", str(self.port), "--tls", "--tlscert", f"{self.place}/cert.pem",
             "--tlskey", f"{self.place}/key.pem"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(self.port, self.child)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.child.terminate()
        self.child.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    @staticmethod
    def there():
        return bool(found("nats-server") and found("openssl"))

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        greeting = b""
        while not greeting.endswith(b"\r\n"):  # INFO comes in the clear
            greeting += s.recv(1)
        context = ssl.create_default_context(cafile=f"{self.place}/cert.pem")
        s = context.wrap_socket(s, server_hostname="localhost")
        s.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
        while b"PONG" not in s.recv(65536):
            pass
        return s

    def fan_out(self, receivers, text, n):
        subs = [self.connect() for _ in range(receivers)]
        for s in subs:
            s.sendall(b"SUB room 1\r\nPING\r\n")
            while b"PONG" not in s.recv(65536):
                pass
        message = f"PUB room {len(text)}\r\n{text}\r\n".encode()
        arrives = len(f"MSG room 1 {len(text)}\r\n{text}\r\n") * n

        def drain(s):
            left, room = arrives, bytearray(1 << 18)
            while left > 0:
                got = s.recv_into(room)
                if got == 0:
                    raise RuntimeError("NATS dropped a receiver")
                left -= got
        readers = [threading.Thread(target=drain, args=(s,), daemon=True) for s in subs]
        for r in readers:
            r.start()
        pub = self.connect()
        began = time.monotonic()
        many = message * 500
        for _ in range(n // 500):
            pub.sendall(many)
        pub.sendall(message * (n % 500))
        for r in readers:
            r.join()
        took = time.monotonic() - began
        for s in (*subs, pub):
            s.close()
        return took
