"""An application behind a proxy: HTTP/1.1 on 8080, gRPC on 50051, an echo that speaks first on 9000. Standard library and grpcio.

In: `app.py NAME`. Out: `/` says who answered, `/headers` what arrived, `/bytes?n=`, `/upload`, `/slow?ms=`, `/ws` (an echoed frame).
`?status=` asks for that status, with `&at=NAME` of that application alone, with `&retry=` and a `retry-after`.
`/status/503`; `/flaky/2?key=` fails twice for each key and then says how often it was asked, `/sleepy/2?key=&for=` sleeps (ms) instead.
gRPC `Flaky` does the same with a request of `key 2`; `Ends` ends with the status whose number is asked.
Keys are counted for the life of the process: tests choose fresh ones.
Run as a child process in a pod's network namespace; never imported by tests.
"""

import asyncio
import base64
import collections
import hashlib
import json
import sys
import urllib.parse

import grpc.aio

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Headers = dict[str, str]
ASKED: collections.Counter[str] = collections.Counter()


async def body_of(reader: asyncio.StreamReader, headers: Headers) -> int:
    """Reads the body, whole; its length."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        left = size = int(headers.get("content-length", "0"))
        while left:
            left -= len(await reader.readexactly(min(left, 1 << 16)))
        return size
    total = 0
    while size := int((await reader.readline()).split(b";")[0], 16):
        await reader.readexactly(size + 2)
        total += size
    await reader.readline()
    return total


async def http(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            method, target, _ = line.decode().split()
            headers: Headers = {}
            while (raw := await reader.readline()).strip():
                field, _, value = raw.decode().partition(":")
                headers[field.lower()] = value.strip()
            url = urllib.parse.urlsplit(target)
            query = dict(urllib.parse.parse_qsl(url.query))
            if url.path == "/ws":
                await websocket(headers, reader, writer)
                return
            size = await body_of(reader, headers)
            await asyncio.sleep(int(query.get("ms", "0")) / 1000)
            said: dict[str, object] = {"cluster": name, "path": target, "method": method, "bytes": size}
            status = await told_status(url.path, query)
            said["asked"] = ASKED[query.get("key", "")]
            answers = {"/headers": lambda h=headers: json.dumps(h), "/bytes": lambda q=query: "x" * int(q["n"])}
            text = answers.get(url.path, lambda s=said: json.dumps(s))().encode()
            fails = query.get("at", name) == name and "status" in query
            line = f"{query['status']} Asked" if fails else f"{status} OK"
            more = f"retry-after: {query['retry']}\r\n" if fails and "retry" in query else ""
            head = f"HTTP/1.1 {line}\r\ncontent-type: text/plain\r\nx-app: {name}\r\n{more}content-length: {len(text)}"
            writer.write(f"{head}\r\n\r\n".encode() + text)
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def told_status(path: str, query: dict[str, str]) -> int:
    """The status that a path asks for; it may take its time."""
    match path.strip("/").split("/"):
        case ["status", status]:
            return int(status)
        case ["flaky", times]:
            ASKED[query["key"]] += 1
            return 503 if ASKED[query["key"]] <= int(times) else 200
        case ["sleepy", times]:
            ASKED[query["key"]] += 1
            if ASKED[query["key"]] <= int(times):
                await asyncio.sleep(int(query["for"]) / 1000)
        case _:
            pass
    return 200


async def websocket(headers: Headers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + MAGIC).encode()).digest()).decode()
    head = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: Upgrade"]
    writer.write("\r\n".join([*head, f"sec-websocket-accept: {accept}", "", ""]).encode())
    first, length = await reader.readexactly(2)
    mask = await reader.readexactly(4)
    data = await reader.readexactly(length & 0x7F)
    writer.write(bytes([first, len(data)]) + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))
    await writer.drain()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Echoes what comes, after a word of its own: protocols whose server speaks first."""
    try:
        writer.write(b"hello\n")
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def check(request: bytes, context: object) -> bytes:
    return b"\x08\x01"


async def flaky(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    key, _, times = request.decode().partition(" ")
    ASKED[key] += 1
    if ASKED[key] <= int(times):
        await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
    return str(ASKED[key]).encode()


async def ends(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    if code := int(request):
        await context.abort(next(one for one in grpc.StatusCode if one.value[0] == code), "as asked")
    return b""


async def main(name: str) -> None:
    served = await asyncio.start_server(lambda r, w: http(name, r, w), None, 8080)
    echoes = await asyncio.start_server(echo, None, 9000)
    rpc = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(check)
    handlers = {"Check": handler, "Flaky": grpc.unary_unary_rpc_method_handler(flaky)}
    handlers["Ends"] = grpc.unary_unary_rpc_method_handler(ends)
    rpc.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers)])
    rpc.add_insecure_port("0.0.0.0:50051")
    await rpc.start()
    print("serving", flush=True)
    async with served, echoes:
        await rpc.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
