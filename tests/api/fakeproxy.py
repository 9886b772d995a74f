"""A proxy's tap port, played: each Observe brings one request, then nothing. Run as a child process where the tap service runs.

In: `fakeproxy.py PORT`. Out: "ready" on stdout. In clear, as the pod's own proxy would pass it on. Never imported by tests.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from isthmus.rpc import net_pb2, tap_pb2

LIMIT = 300


async def observe(request: tap_pb2.ObserveRequest, _context: Any) -> AsyncIterator[tap_pb2.TapEvent]:
    here = net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=0x7F000001), port=80)
    for part in ("request_init", "response_init", "response_end"):
        event = tap_pb2.TapEvent(source=here, destination=here, proxy_direction="INBOUND")
        getattr(event.http, part).id.stream = 0
        if part == "request_init":
            event.http.request_init.path = "/seen"
            event.http.request_init.headers.headers.add(name="authorization", value=b"secret")
        yield event
    await asyncio.sleep(LIMIT)


async def main(port: int) -> None:
    server = grpc.aio.server()
    handler = grpc.unary_stream_rpc_method_handler(
        observe,
        request_deserializer=tap_pb2.ObserveRequest.FromString,
        response_serializer=tap_pb2.TapEvent.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("io.linkerd.proxy.tap.Tap", {"Observe": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print("ready", flush=True)
    await asyncio.sleep(LIMIT)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
