"""HTTP for processes of ours: an ASGI application behind uvicorn; for webhooks with a certificate that is re-read when its files change.

In: an application, a folder with `tls.crt` and `tls.key` (a mounted Secret). Out: a server that never needs a restart for a new
certificate; an unreadable new pair leaves the old one in place. With `authorities` clients are asked for a certificate: one that is
signed by none of them ends the connection, the common name of one that is stands in the scope under PEER; who has none comes in without.
Bodies are the application's to bound. Never here: what is answered.
"""

import asyncio
import contextlib
import pathlib
import socket
import ssl
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import prometheus_client
import uvicorn
from cryptography import x509
from uvicorn.protocols.http import httptools_impl

from isthmus.errors import IsthmusError

POLL = 1.0
GRACE = 3
BREAK = "isthmus.break"
PEER = "isthmus.peer"
"""Where an application finds the client certificate's common name; None without one."""
Authorities = Callable[[], str]
"""PEM of who may sign clients' certificates, as of now; "" for nobody."""
IDLE = 120
"""Seconds a connection may rest. An API server lets go after 90: whoever closes first must not meet the other's next request."""
CONNECTIONS = 512
"""Requests at once; more are answered with 503, which an API server retries."""


class Certificate:
    """A TLS context that follows its files, and who may sign clients' certificates.

    A listener keeps the context it began with; each hello is answered from the newest.
    """

    def __init__(self, folder: pathlib.Path, authorities: Authorities | None = None) -> None:
        self._files = (folder / "tls.crt", folder / "tls.key")
        self._authorities = authorities
        self._seen: tuple[bytes, bytes, str] | None = None
        self.context = self._bare()
        self._newest = self.context
        self.ends = 0.0
        self.refresh()
        self.context.sni_callback = self._answer

    def refresh(self) -> bool:
        """True when something new was taken. Raises IsthmusError when it cannot be read; the old then stays."""
        try:
            signers = self._authorities() if self._authorities else ""
            now = (self._files[0].read_bytes(), self._files[1].read_bytes(), signers)
            if now == self._seen:
                return False
            made = self._bare()
            made.load_cert_chain(*map(str, self._files))
            if now[2]:
                made.load_verify_locations(cadata=now[2])
            ends = x509.load_pem_x509_certificate(now[0]).not_valid_after_utc.timestamp()
            if self._seen is None:
                self.context.load_cert_chain(*map(str, self._files))
        except (OSError, ssl.SSLError, ValueError) as error:
            raise IsthmusError(f"certificate in {self._files[0].parent} cannot be used: {error}") from error
        self._seen, self._newest, self.ends = now, made, ends
        return True

    def ttl(self) -> float:
        """Seconds until the newest one ends."""
        return max(0.0, self.ends - time.time())

    def _bare(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._authorities:
            made.verify_mode = ssl.CERT_OPTIONAL
            made.num_tickets = 0  # a session that goes on would not show its certificate to a new authority
            made.options |= ssl.OP_NO_TICKET
        return made

    def _answer(self, hello: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        hello.context = self._newest


def measure(registry: prometheus_client.CollectorRegistry, ttl: Callable[[], float]) -> None:
    """A gauge of the certificate's life, read when asked."""
    made = prometheus_client.Gauge(
        "serving_cert_ttl_seconds", "Seconds until the certificate that clients are shown ends.", registry=registry
    )
    made.set_function(ttl)


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """The subject's common name of a certificate as `ssl` tells it."""
    rows = [pair for row in (certificate or {}).get("subject", ()) for pair in row]
    return next((value for key, value in rows if key == "commonName"), None)


class _Server(uvicorn.Server):
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
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[sock]), name="serve")
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await asyncio.wait([serving], timeout=GRACE + 1)


async def serve(
    app: Any,
    port: int,
    folder: pathlib.Path,
    log: Any,
    *,
    host: str = "0.0.0.0",
    authorities: Authorities | None = None,
    registry: prometheus_client.CollectorRegistry | None = None,
) -> None:
    """Serve until cancelled, then answer what is under way for at most GRACE seconds. Follows the certificate's files each second.

    A `registry` shows how long the certificate lasts.

    Raises:
        IsthmusError: the folder holds no usable pair at the start.
    """
    certificate = Certificate(folder, authorities)
    if registry is not None:
        measure(registry, certificate.ttl)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
        http=Connection,
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
