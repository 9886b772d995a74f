"""Servers in no mesh, on HTTP/2, in this process: one that refuses every stream unread, one that goes away before it reads any,
one that serves.

In: an address. Out: how many requests came, and with how much body. A thread for the listener and one for each connection; `close` ends
all. Never here: what a proxy should do about it.
"""

import contextlib
import socket
import threading
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions


class Refuser:
    """`how`: `refuse` (RST_STREAM with REFUSED_STREAM), `leave` (GOAWAY that took no stream, then the end), `serve`."""

    def __init__(self, host: str, how: str) -> None:
        self.how = how
        self.requests = 0
        self.bodies: list[int] = []
        self.listener = socket.create_server((host, 0))
        self.address = f"{host}:{self.listener.getsockname()[1]}"
        self.held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for sock in (self.listener, *self.held):
            # Wakes the thread that reads from it.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.held.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        conn.initiate_connection()
        size: dict[int, int] = {}
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError), sock:
            while True:
                sock.sendall(conn.data_to_send())
                data = sock.recv(1 << 16)
                if not data or not all(self._take(conn, event, size) for event in conn.receive_data(data)):
                    sock.sendall(conn.data_to_send())
                    return

    def _take(self, conn: h2.connection.H2Connection, event: Any, size: dict[int, int]) -> bool:
        """Whether the connection goes on."""
        if isinstance(event, h2.events.RequestReceived):
            self.requests += 1
            size[event.stream_id] = 0
            if self.how == "leave":
                conn.close_connection(h2.errors.ErrorCodes.NO_ERROR, last_stream_id=0)
                return False
            if self.how == "refuse":
                conn.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
        elif isinstance(event, h2.events.DataReceived):
            conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            size[event.stream_id] += len(event.data)
        elif isinstance(event, h2.events.StreamEnded) and self.how == "serve":
            self.bodies.append(size[event.stream_id])
            conn.send_headers(event.stream_id, [(":status", "200"), ("content-length", "2")])
            conn.send_data(event.stream_id, b"ok", end_stream=True)
        return True
