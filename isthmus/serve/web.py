"""HTTP for processes of ours: an ASGI application behind uvicorn, on a socket that listens already.

In: an application, a socket. Out: a server until it is cancelled. A connection may be broken off by its application (BREAK); the name of
a client's certificate stands in the scope (PEER), None without one. Bodies are the application's to bound.
Never here: what is answered, certificates (see `https`).
"""

import asyncio
import contextlib
import socket
from collections.abc import Generator, Mapping
from typing import Any

import uvicorn
from uvicorn.protocols.http import httptools_impl

GRACE = 3
BREAK = "isthmus.break"
PEER = "isthmus.peer"
"""Where an application finds the client certificate's common name; None without one."""
CONNECTIONS = 512
"""Requests at once; more are answered with 503, which an API server retries."""


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """The subject's common name of a certificate as `ssl` tells it."""
    rows = [pair for row in (certificate or {}).get("subject", ()) for pair in row]
    return next((value for key, value in rows if key == "commonName"), None)


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: signals belong to `runtime`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Connection(httptools_impl.HttpToolsProtocol):
    """A connection that an application can break off by the extension BREAK, so that a peer that reads nothing holds nothing, and whose
    client's verified name stands in the scope.
    """

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {BREAK: {"now": self.transport.abort}}
        secured: Any = self.transport.get_extra_info("ssl_object")
        scope: Any = self.scope
        scope[PEER] = common_name(secured.getpeercert() if secured else None)


async def plain(app: Any, sock: socket.socket) -> None:
    """Serve HTTP on a listening socket until cancelled, then answer what is under way for at most GRACE seconds."""
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=CONNECTIONS,
        server_header=False,
    )
    server = Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[sock]), name="serve")
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await asyncio.wait([serving], timeout=GRACE + 1)
