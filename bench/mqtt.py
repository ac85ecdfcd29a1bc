# SPDX-License-Identifier: MIT OR Apache-2.0
"""A peer for the sentinel: Debian's mosquitto with TLS on a free port of the loopback, and just enough of
MQTT 3.1.1 to have many idle connections to it (busy ones: bench_mqtt.c). Only scripts/bench uses it; nothing
needs it to be installed. `python3 mqtt.py PORT N` opens N connections, says "ready" and waits for the end of
its input."""
import concurrent.futures
import os
import pathlib
import resource
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import time

CONF = """listener {port} 127.0.0.1
certfile {place}/cert.pem
keyfile {place}/key.pem
allow_anonymous true
persistence false
max_connections -1
max_queued_messages 0
log_type none
user {user}
"""


def broker_path():
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Broker:
    """Started in `place`, with a key that is thrown away with it."""

    def __init__(self, place):
        os.makedirs(place, mode=0o700)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=bench",
                        "-keyout", f"{place}/key.pem", "-out", f"{place}/cert.pem"],
                       check=True, stderr=subprocess.DEVNULL)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        user = subprocess.run(["id", "-un"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        conf = pathlib.Path(place, "conf")
        conf.write_text(CONF.format(port=self.port, place=place, user=user), encoding="utf-8")
        self.child = subprocess.Popen([broker_path(), "-c", str(conf)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                connect(self.port, "first").close()
                break
            except OSError:
                if time.monotonic() > deadline or self.child.poll() is not None:
                    sys.exit("bench: mosquitto does not start")
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.child.terminate()
        self.child.wait()


def packet(kind, body):
    n, size = len(body), b""
    while True:
        n, low = n >> 7, n & 0x7F
        size += bytes([low | (0x80 if n else 0)])
        if not n:
            return bytes([kind]) + size + body


def text(s):
    return struct.pack(">H", len(s)) + s.encode()


CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE
CONTEXT.minimum_version = ssl.TLSVersion.TLSv1_3


def connect(port, name):
    s = CONTEXT.wrap_socket(socket.create_connection(("127.0.0.1", port), 60))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(packet(0x10, text("MQTT") + bytes([4, 2, 0, 0]) + text(name)))
    if s.recv(4) != b"\x20\x02\x00\x00":
        raise OSError("no CONNACK")
    return s


def connect_all(port, n):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda i: connect(port, f"c{i}"), range(n)))


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kept = connect_all(int(sys.argv[1]), int(sys.argv[2]))
    print("ready", flush=True)
    sys.stdin.read()
    del kept


if __name__ == "__main__":
    main()
