# SPDX-License-Identifier: MIT OR Apache-2.0
"""Just enough of MQTT 3.1.1 to have many idle connections to a broker over TLS (busy ones: bench_mqtt.c).
`python3 mqtt.py PORT N` opens N connections, says "ready" and waits for the end of its input."""
import concurrent.futures
import resource
import socket
import ssl
import struct
import sys


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
