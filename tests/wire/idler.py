"""Many connections from one process: `idler.py KIND HOST PORT COUNT` opens them, says `ready`, and holds them until its input ends.

KIND is `http` (one request on each, answered), `echo` (one message on each, echoed) or `burst` (a slow request on each at the same time,
all answered before `ready`; says how many were answered with 200). Standard library only; run inside a pod, never imported by tests.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str = "/") -> int:
    writer.write(f"GET {path} HTTP/1.1\r\nhost: web\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.split(b":")[1]))
    return int(head.split()[1])


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    return await http(reader, writer, "/slow?ms=300")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    await reader.readuntil(b"hello\n")
    writer.write(b"ping")
    return 200 if await reader.readexactly(4) == b"ping" else 0


DO: dict[str, Callable[..., Awaitable[int]]] = {"http": http, "echo": echo, "burst": slow}


async def main(kind: str, host: str, port: int, count: int) -> None:
    pairs: list[Pair] = []
    for start in range(0, count, 100):
        some = min(100, count - start)
        pairs += await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(some)))
        if kind != "burst":
            await asyncio.gather(*(DO[kind](*pair) for pair in pairs[start:]))
    if kind == "burst":
        answers = await asyncio.gather(*(slow(*pair) for pair in pairs), return_exceptions=True)
        print(f"{answers.count(200)} answered", flush=True)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for _, writer in pairs:
        writer.close()
    for _, writer in pairs:
        with contextlib.suppress(OSError):
            await writer.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
