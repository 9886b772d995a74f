"""Raw bytes to a proxy's ports: sockets in a pod's network, mesh TLS with any certificate, transport headers, HTTP/2 frames by hand.

In: addresses, bytes. Out: what came back and how the connection ended. Every wait has a limit. Never here: what is right or wrong.
"""

import ctypes
import dataclasses
import os
import pathlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable

ALPN = "transport.l5d.io/v1"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32
PROTOCOL_ERROR, FLOW_CONTROL, CALM = 1, 3, 11
TCP_CLOSE = 7
"""The state of a socket that was reset."""
Fields = list[tuple[bytes, bytes]]


@dataclasses.dataclass
class Answer:
    """What came, and how it ended: `closed`, `reset`, or `open` when the limit came first."""

    data: bytes
    end: str

    @property
    def status(self) -> int:
        """Of the first HTTP/1 answer; 0 when there is none."""
        return int(self.data.split(b" ", 2)[1]) if self.data.startswith(b"HTTP/1.") else 0


def connect(host: str, port: int, space: str | None = None, limit: float = 10) -> socket.socket:
    """A connection, made in a network namespace: a socket stays where it was made, so one thread has to go there and back."""
    if space is None:
        return socket.create_connection((host, port), limit)
    made: list[socket.socket | OSError] = []

    def go() -> None:
        try:
            place = os.open(f"/run/netns/{space}", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(place, 0x40000000):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(place)
            made.append(socket.create_connection((host, port), limit))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def read(sock: socket.socket, limit: float = 3, until_seen: Callable[[bytes], bool] | None = None) -> Answer:
    """Everything until the end, the limit, or what is waited for; a test that waits for nothing waits for what should not come."""
    data, until = b"", time.monotonic() + limit
    while True:
        sock.settimeout(max(0.01, until - time.monotonic()))
        try:
            new = sock.recv(1 << 16)
        except (TimeoutError, ssl.SSLWantReadError):
            return Answer(data, "open")
        except OSError:
            return Answer(data, "reset")
        if not new:
            return Answer(data, "closed")
        data += new
        if time.monotonic() > until or (until_seen is not None and until_seen(data)):
            return Answer(data, "open")


def send(sock: socket.socket, data: bytes) -> bool:
    """Sends; false when the other side would not have it."""
    try:
        sock.sendall(data)
    except OSError:
        return False
    return True


def ask(
    sock: socket.socket, data: bytes, limit: float = 3, until_seen: Callable[[bytes], bool] | None = None
) -> Answer:
    """Sends, reads, closes."""
    with sock:
        sock.settimeout(10)
        send(sock, data)
        return read(sock, limit, until_seen)


def context(ca: pathlib.Path, chain: pathlib.Path | None, alpn: str | None = None) -> ssl.SSLContext:
    """A client that trusts `ca`, with certificate and key of `chain`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.load_verify_locations(ca)
    if chain:
        made.load_cert_chain(chain)
    if alpn:
        made.set_alpn_protocols([alpn])
    return made


def header(port: int, name: str = "", session: str = "http1") -> bytes:
    """A transport header."""
    body = b"\x08" + varint(port)
    if name:
        body += b"\x12" + varint(len(name)) + name.encode()
    body += {"http1": b"\x1a\x02\x0a\x00", "http2": b"\x1a\x02\x12\x00"}.get(session, b"")
    return b"transport.l5d.io/v1\r\n\r\n" + struct.pack(">I", len(body)) + body


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A header block without tables or Huffman, so that any byte can be said."""
    return b"".join(b"\x00" + prefixed(len(n), 7) + n + prefixed(len(v), 7) + v for n, v in fields)


def prefixed(number: int, bits: int, first: int = 0) -> bytes:
    """An integer of RFC 7541 section 5.1."""
    top = (1 << bits) - 1
    return bytes([first | number]) if number < top else bytes([first | top]) + varint(number - top)


def request(path: bytes = b"/", method: bytes = b"GET", *more: tuple[bytes, bytes]) -> Fields:
    return [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"evil"), *more]


def headers(stream: int, fields: Fields, flags: int = END_HEADERS | END_STREAM) -> bytes:
    return frame(HEADERS, flags, stream, literal(fields))


def greeting(settings: bytes = b"") -> bytes:
    return PREFACE + frame(SETTINGS, 0, 0, settings) + frame(SETTINGS, ACK, 0)


def frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """The whole frames in `data`: kind, flags, stream, payload."""
    found: list[tuple[int, int, int, bytes]] = []
    while len(data) >= 9:
        size = int.from_bytes(data[:3])
        found.append((data[3], data[4], int.from_bytes(data[5:9]), data[9 : 9 + size]))
        data = data[9 + size :]
    return found


def saw(kind: int, *streams: int) -> Callable[[bytes], bool]:
    """Whether a frame of this kind came for each of the streams."""
    return lambda data: set(streams) <= {stream for of, _, stream, _ in frames(data) if of == kind}


def was_reset(sock: socket.socket, limit: float) -> bool:
    """Whether the other side broke the connection off within the limit, seen without reading from it."""
    until = time.monotonic() + limit
    while sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != TCP_CLOSE:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def resets(data: bytes) -> dict[int, int]:
    """Streams that were reset, and why."""
    return {stream: int.from_bytes(payload[:4]) for kind, _, stream, payload in frames(data) if kind == RST}


def goaway(data: bytes) -> int | None:
    """Why the connection ended."""
    codes = [int.from_bytes(payload[4:8]) for kind, _, _, payload in frames(data) if kind == GOAWAY]
    return codes[-1] if codes else None
