"""A server that does to its client what it should not, and writes down what reaches it: HTTP/1 on 8070, HTTP/2 on 8071.

In: `evil.py LOG`. Out: a JSON line per request head in LOG (`conn`, `head`), and answers by path: `/101`, `/1xx`, `/204`, `/304`, `/cut`,
`/two-lengths`, `/both`, `/bad-chunk`, `/hang`, `/big`, anything else `ok`. HEAD is always answered with a body.
Run as a child process in a pod's network namespace; never imported by tests. A thread per connection.
"""

import contextlib
import itertools
import json
import pathlib
import re
import socket
import sys
import threading
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BIG = 8 << 20
ANSWERS = {
    "/101": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    "/1xx": b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 100 + OK,
    "/204": b"HTTP/1.1 204 No Content\r\n\r\nextra",
    "/304": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nextra",
    "/cut": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "/two-lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "/both": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "/bad-chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
    "/big": b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % BIG + b"x" * BIG,
}
ENDS = {"/cut", "/bad-chunk"}
numbers = itertools.count()


class Log:
    """Lines in a file."""

    def __init__(self, file: pathlib.Path) -> None:
        self.file = file
        self.lock = threading.Lock()

    def add(self, conn: int, head: str) -> None:
        with self.lock, self.file.open("a") as out:
            out.write(json.dumps({"conn": conn, "head": head}) + "\n")


def body_end(data: bytes, head: str) -> int | None:
    """Where the body ends in `data`; None when it is not whole."""
    if re.search(r"transfer-encoding: *chunked", head, re.IGNORECASE):
        if data.startswith(b"0\r\n\r\n"):
            return 5
        end = data.find(b"\r\n0\r\n\r\n")
        return end + 7 if end >= 0 else None
    found = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
    size = int(found[1]) if found else 0
    return size if len(data) >= size else None


def one(sock: socket.socket, log: Log) -> None:
    conn, data = next(numbers), b""
    with sock:
        while True:
            while b"\r\n\r\n" not in data:
                new = sock.recv(1 << 16)
                if not new:
                    return
                data += new
            raw, _, data = data.partition(b"\r\n\r\n")
            head = raw.decode("latin-1")
            log.add(conn, head)
            while (end := body_end(data, head)) is None:
                new = sock.recv(1 << 16)
                if not new:
                    return
                data += new
            data = data[end:]
            method, path = head.split(" ")[:2]
            path = "/" + path.split("/")[1].split("?")[0]
            if path == "/hang":
                continue
            sock.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello" if method == "HEAD" else ANSWERS.get(path, OK)
            )
            if path in ENDS:
                return


class Two:
    """An HTTP/2 connection: answers a request once it is whole."""

    def __init__(self, sock: socket.socket, log: Log) -> None:
        self.sock, self.log, self.number = sock, log, next(numbers)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        self.left: dict[int, int] = {}
        self.paths: dict[int, str] = {}

    def serve(self) -> None:
        self.h2.initiate_connection()
        with self.sock:
            while True:
                self.sock.sendall(self.h2.data_to_send())
                data = self.sock.recv(1 << 16)
                if not data:
                    return
                for event in self.h2.receive_data(data):
                    self.event(event)
                self.write()

    def event(self, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            fields = [(str(name), str(value)) for name, value in event.headers]
            self.paths[event.stream_id] = dict(fields).get(":path", "")
            self.log.add(self.number, "\n".join(f"{name}: {value}" for name, value in fields))
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded) and self.paths.get(event.stream_id) != "/hang":
            # What was reset in the same read is gone already.
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self.h2.send_headers(event.stream_id, [(":status", "200"), ("content-type", "text/plain")])
            self.left[event.stream_id] = BIG if self.paths.get(event.stream_id) == "/big" else 32
        elif isinstance(event, h2.events.StreamReset):
            self.left.pop(event.stream_id, None)

    def write(self) -> None:
        for stream in list(self.left):
            if self.gone(stream):
                del self.left[stream]
                continue
            while room := min(self.left[stream], self.room(stream)):
                self.left[stream] -= room
                self.h2.send_data(stream, (b"ok" * room)[:room], end_stream=not self.left[stream])
            if not self.left[stream]:
                del self.left[stream]

    def gone(self, stream: int) -> bool:
        try:
            self.h2.local_flow_control_window(stream)
        except h2.exceptions.ProtocolError:
            return True
        return False

    def room(self, stream: int) -> int:
        return min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)


def listen(port: int, serve: Any) -> None:
    server = socket.create_server(("0.0.0.0", port), backlog=1024)

    def quietly(sock: socket.socket) -> None:
        try:
            serve(sock)
        except (OSError, ValueError, h2.exceptions.ProtocolError) as error:
            print(repr(error), flush=True)
            sock.close()

    while True:
        sock, _ = server.accept()
        threading.Thread(target=quietly, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    written = Log(pathlib.Path(sys.argv[1]))
    threading.Thread(target=listen, args=(8071, lambda s: Two(s, written).serve()), daemon=True).start()
    print("serving", flush=True)
    listen(8070, lambda s: one(s, written))
