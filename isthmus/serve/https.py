"""HTTPS for webhooks and aggregated APIs, with a certificate that is re-read when its files change.

In: an application, a folder with `tls.crt` and `tls.key` (a mounted Secret). Out: a server that never needs a restart for a new
certificate; an unreadable new pair leaves the old one in place. With `authorities` clients are asked for a certificate: one that is
signed by none of them ends the connection, the common name of one that is stands in the scope under `web.PEER`; who has none comes in
without. Never here: what is answered.
"""

import asyncio
import pathlib
import ssl
import time
from collections.abc import Callable
from typing import Any

import prometheus_client
import uvicorn
from cryptography import x509

from isthmus.errors import IsthmusError
from isthmus.serve import web

POLL = 1.0
Authorities = Callable[[], str]
"""PEM of who may sign clients' certificates, as of now; "" for nobody."""
IDLE = 120
"""Seconds a connection may rest. An API server lets go after 90: whoever closes first must not meet the other's next request."""


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
        timeout_graceful_shutdown=web.GRACE,
        http=web.Connection,
        limit_concurrency=web.CONNECTIONS,
    )
    config.load()
    config.ssl = certificate.context
    server = web.Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(), name="serve")
        try:
            await _follow(certificate, log)
        finally:
            server.should_exit = True
            await asyncio.wait([serving], timeout=web.GRACE + 1)


async def _follow(certificate: Certificate, log: Any) -> None:
    while True:
        await asyncio.sleep(POLL)
        try:
            if certificate.refresh():
                log.info("certificate renewed")
        except IsthmusError as error:
            log.warning("certificate not renewed", error=error.sentence)
