"""HTTP for processes of ours: an ASGI application behind uvicorn; for webhooks with a certificate that is re-read when its files change.

In: an application, a folder with `tls.crt` and `tls.key` (a mounted Secret). Out: a server that never needs a restart for a new
certificate; an unreadable new pair leaves the old one in place. Bodies are the application's to bound. Never here: what is answered.
"""

import asyncio
import contextlib
import pathlib
import socket
import ssl
from collections.abc import Generator
from typing import Any

import uvicorn
from uvicorn.protocols.http import httptools_impl

from isthmus.errors import IsthmusError

POLL = 1.0
GRACE = 3
BREAK = "isthmus.break"
CONNECTIONS = 512
"""Requests at once; more are answered with 503, which an API server retries."""


class Certificate:
    """A TLS context that follows its files."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._files = (folder / "tls.crt", folder / "tls.key")
        self._seen: tuple[bytes, bytes] | None = None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.refresh()

    def refresh(self) -> bool:
        """True when a new pair was taken. Raises IsthmusError when it cannot be read; the old one then stays."""
        try:
            now = (self._files[0].read_bytes(), self._files[1].read_bytes())
            if now == self._seen:
                return False
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                *map(str, self._files)
            )  # a trial, so that a bad pair harms nothing
            self.context.load_cert_chain(*map(str, self._files))
        except (OSError, ssl.SSLError) as error:
            raise IsthmusError(f"certificate in {self._files[0].parent} cannot be used: {error}") from error
        self._seen = now
        return True


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: signals belong to `runtime`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Breakable(httptools_impl.HttpToolsProtocol):
    """A connection that an application can break off by the extension BREAK, so that a peer that reads nothing holds nothing."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {BREAK: {"now": self.transport.abort}}


async def plain(app: Any, sock: socket.socket) -> None:
    """Serve HTTP on a listening socket until cancelled, then answer what is under way for at most GRACE seconds."""
    config = uvicorn.Config(
        app,
        http=Breakable,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=CONNECTIONS,
        server_header=False,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[sock]), name="serve")
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await asyncio.wait([serving], timeout=GRACE + 1)


async def serve(app: Any, port: int, folder: pathlib.Path, log: Any, *, host: str = "0.0.0.0") -> None:
    """Serve until cancelled, then answer what is under way for at most GRACE seconds. Follows the certificate's files each second.

    Raises:
        IsthmusError: the folder holds no usable pair at the start.
    """
    certificate = Certificate(folder)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=CONNECTIONS,
    )
    config.load()
    config.ssl = certificate.context
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(), name="serve")
        try:
            await _follow(certificate, log)
        finally:
            server.should_exit = True
            await asyncio.wait([serving], timeout=GRACE + 1)


async def _follow(certificate: Certificate, log: Any) -> None:
    while True:
        await asyncio.sleep(POLL)
        try:
            if certificate.refresh():
                log.info("certificate renewed")
        except IsthmusError as error:
            log.warning("certificate not renewed", error=error.sentence)
