"""The admin port of a process: `/live`, `/ping`, `/ready`, `/metrics`. In: questions by HTTP. Out: one line or a metrics page.

Own small server on asyncio streams: it must answer while everything else is busy or failing, and costs no library at start.
A connection lives at most `LIMIT` seconds and 8 KiB of request; more than `CONNECTIONS` at once are closed unread.
Never here: anything that changes the process.
"""

import asyncio
from collections.abc import Callable

import prometheus_client

LIMIT = 10.0
CONNECTIONS = 64
HEAD = 8192

Pages = dict[str, Callable[[], tuple[int, str, bytes]]]


class Admin:
    """Answers for one process. `ready` says which conditions still fail; empty means ready."""

    def __init__(self, ready: Callable[[], list[str]], registry: prometheus_client.CollectorRegistry) -> None:
        self._ready = ready
        self._registry = registry
        self._open = 0

    async def start(self, port: int, host: str | None = None) -> asyncio.Server:
        """Listen on all addresses of the pod; the caller closes the server."""
        return await asyncio.start_server(self._serve, host, port, limit=HEAD)

    def page(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type, body."""
        match path:
            case "/live" | "/ping":
                return 200, "text/plain", b"pong\n" if path == "/ping" else b"live\n"
            case "/ready":
                missing = self._ready()
                text = "ready\n" if not missing else "not ready: " + ", ".join(missing) + "\n"
                return (503 if missing else 200), "text/plain", text.encode()
            case "/metrics":
                return 200, prometheus_client.CONTENT_TYPE_LATEST, prometheus_client.generate_latest(self._registry)
            case _:
                return 404, "text/plain", b"no such page; there are /live /ready /metrics /ping\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            async with asyncio.timeout(LIMIT):
                head = await reader.readuntil(b"\r\n\r\n")
                words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
                path = words[1].split("?", 1)[0] if len(words) == 3 else ""
                status, kind, body = self.page(path)
                line = f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
                writer.write(line.encode() + (b"" if words[0] == "HEAD" else body))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a visitor who does not finish is none of our concern
        finally:
            self._open -= 1
            writer.close()
