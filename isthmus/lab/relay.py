"""Carries connections from the root namespace to the API servers: `python -m isthmus.lab.relay NETNS FD=HOST:PORT...`.

In: listening sockets on 127.0.0.1, handed over by `lab up`. Out: a connection for each, made inside the ops namespace. So a kubeconfig
context works from anywhere on the machine without a route or a firewall rule in the root namespace.
Never here: TLS (it passes through), other addresses than the ones named. Limit: `MOST` connections at a time, further ones wait.
"""

import asyncio
import signal
import socket
import sys

from isthmus import errors
from isthmus.lab import net

MOST = 512
CONNECT_SECONDS = 5.0
CHUNK = 64 * 1024


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes one way until the end, which is passed on as a half-close."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def relay(
    netns: str, host: str, port: int, slots: asyncio.Semaphore, near: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """One connection, both ways, until both have ended."""
    reader, writer = near
    async with slots:
        try:
            sock = await asyncio.to_thread(net.open_socket, netns)
            sock.setblocking(False)
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(sock, (host, port))
            far_reader, far_writer = await asyncio.open_connection(sock=sock)
        except (OSError, TimeoutError, errors.IsthmusError):
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(carry(reader, far_writer))
                group.create_task(carry(far_reader, writer))
        finally:
            far_writer.close()
            writer.close()


async def serve(netns: str, targets: list[tuple[int, str, int]]) -> None:
    """Accept on every handed-over socket until a signal ends the process."""
    stop, slots = asyncio.Event(), asyncio.Semaphore(MOST)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for fd, host, port in targets:
        listener = socket.socket(fileno=fd)

        async def accept(r: asyncio.StreamReader, w: asyncio.StreamWriter, host: str = host, port: int = port) -> None:
            await relay(netns, host, port, slots, (r, w))

        await asyncio.start_server(accept, sock=listener, limit=CHUNK)
    await stop.wait()


def target(text: str) -> tuple[int, str, int]:
    """`7=10.99.0.1:6443` as (7, "10.99.0.1", 6443)."""
    fd, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    return int(fd), host, int(port)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], [target(text) for text in sys.argv[2:]]))
