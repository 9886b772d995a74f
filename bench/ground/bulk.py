"""Bytes without a protocol: `bulk.py serve PORT` sends as many bytes as a client asks for; `bulk.py take HOST PORT BYTES` asks and
counts; `bulk.py hold HOST PORT COUNT SAY` opens COUNT connections one after the other, says SAY on each and waits for an answer, prints
`held` and waits for its end.

Run as a child in a namespace; uses the standard library alone. Bounded by the counts it is given.
"""

import contextlib
import socket
import socketserver
import struct
import sys

PIECE = bytes(1 << 20)


class Sender(socketserver.BaseRequestHandler):
    """Eight bytes in: how many to send."""

    def handle(self) -> None:
        asked = self.request.recv(8, socket.MSG_WAITALL)
        if len(asked) == 8:
            left = struct.unpack("!Q", asked)[0]
            with contextlib.suppress(OSError):
                while left > 0:
                    left -= self.request.send(PIECE[: min(left, len(PIECE))])


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 4096


def serve(port: int) -> None:
    with Server(("0.0.0.0", port), Sender) as server:
        print("serving", flush=True)
        server.serve_forever()


def take(host: str, port: int, count: int) -> None:
    room = bytearray(1 << 20)
    with socket.create_connection((host, port), 10) as conn:
        conn.sendall(struct.pack("!Q", count))
        left = count
        while left > 0 and (got := conn.recv_into(room)):
            left -= got
    print(count - left, flush=True)


def hold(host: str, port: int, count: int, say: bytes) -> None:
    held: list[socket.socket] = []
    for _ in range(count):
        conn = socket.create_connection((host, port), 30)
        conn.sendall(say)
        conn.recv(4096)
        held.append(conn)
    print("held", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", port]:
            serve(int(port))
        case ["take", host, port, count]:
            take(host, int(port), int(count))
        case ["hold", host, port, count, say]:
            hold(host, int(port), int(count), say.encode())
        case other:
            sys.exit(f"unknown: {other}")
