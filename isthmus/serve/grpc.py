"""The one room that speaks gRPC. In: handlers over decoded requests. Out: a server whose streams carry bytes that were encoded once;
channels to servers, whose failures are sentences.

A plane declares a `Service` with unary and stream methods; a stream handler is an async iterator of messages or of bytes ready to
send (an update is encoded once and shared by the streams it goes to). A refusal is the exception `Refusal`.
Bounds: `STREAMS` concurrent streams a connection, messages of 4 MiB, connection age half an hour plus grace, so that clients find new
replicas. Never here: what is answered.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

from isthmus.serve import refusal

STREAMS = 16_384
"""A gateway's proxy holds about three for each Service it forwards to; at the limit its next lookups would wait for ever."""
AGE_MS = 30 * 60 * 1000
GRACE_MS = 60 * 1000


class Code(Enum):
    """The status codes our planes use."""

    INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
    NOT_FOUND = grpc.StatusCode.NOT_FOUND
    FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
    UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
    INTERNAL = grpc.StatusCode.INTERNAL
    UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
    RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


class Refusal(Exception):
    """Ends a call with a status and a sentence."""

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


_CODES = {
    "invalid": Code.INVALID_ARGUMENT,
    "missing": Code.NOT_FOUND,
    "conflict": Code.FAILED_PRECONDITION,
}


def refused(why: refusal.Refused) -> Refusal:
    """A question without an answer, as it goes over the wire."""
    return Refusal(_CODES[why.kind], why.sentence)


def full() -> Refusal:
    """No room for another stream."""
    return Refusal(Code.RESOURCE_EXHAUSTED, "this replica has as many streams as it takes; ask another")


class Message(Protocol):
    """What protobuf's classes offer."""

    def SerializeToString(self) -> bytes:  # noqa: N802 (protobuf's name)
        """The wire form."""
        ...


Q = TypeVar("Q")
Reply = Message | bytes
Unary = Callable[[Any], Awaitable[Reply]]
Stream = Callable[[Any], AsyncIterator[Reply]]


def encode(reply: Reply) -> bytes:
    """Bytes as they are, messages serialised."""
    return reply if isinstance(reply, bytes) else reply.SerializeToString()


class Service:
    """One gRPC service by its full name, `io.linkerd.proxy.destination.Destination`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def unary(self, method: str, decode: Callable[[bytes], Q], handler: Callable[[Q], Awaitable[Reply]]) -> None:
        """One request, one answer."""

        async def call(request: Any, context: Any) -> bytes:
            try:
                return encode(await handler(request))
            except Refusal as end:
                await context.abort(end.code.value, end.sentence)
                raise

        self.methods[method] = grpc.unary_unary_rpc_method_handler(call, request_deserializer=decode)

    def stream(self, method: str, decode: Callable[[bytes], Q], handler: Callable[[Q], AsyncIterator[Reply]]) -> None:
        """One request, answers until either side ends. The iterator is closed when the client goes."""

        async def call(request: Any, context: Any) -> AsyncIterator[bytes]:
            answers = handler(request)
            try:
                async for reply in answers:
                    yield encode(reply)
            except Refusal as end:
                await context.abort(end.code.value, end.sentence)
            finally:
                close = getattr(answers, "aclose", None)
                if close is not None:
                    await close()

        self.methods[method] = grpc.unary_stream_rpc_method_handler(call, request_deserializer=decode)


class Server:
    """A listening server. `stop` refuses new calls and gives running ones a grace."""

    def __init__(self, server: grpc.aio.Server, port: int) -> None:
        self._server = server
        self.port = port

    async def stop(self, grace: float = 5.0) -> None:
        """End open streams after `grace` seconds; proxies keep what they know and come back elsewhere."""
        await self._server.stop(grace)


async def serve(services: list[Service], address: str, *, max_connection_age_ms: int = AGE_MS) -> Server:
    """Listen in clear text on `address` (`[::]:8086`); the pod's own proxy adds TLS. Port 0 takes a free one."""
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_concurrent_streams", STREAMS),
            ("grpc.max_connection_age_ms", max_connection_age_ms),
            ("grpc.max_connection_age_grace_ms", GRACE_MS),
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            # A proxy may ping each 10 s on an idle stream; the default of 5 minutes would answer with GOAWAY.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.http2.max_ping_strikes", 0),
        ]
    )
    for service in services:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.name, service.methods),))
    port = server.add_insecure_port(address)
    await server.start()
    return Server(server, port)


class Failed(Exception):
    """A call of ours that ended badly: the status' name and what the server said."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@asynccontextmanager
async def dial(address: str) -> AsyncGenerator[grpc.aio.Channel]:
    """A channel in clear text; the pod's own proxy adds TLS. For the clients in `isthmus.rpc`. No proxy of the environment is used."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", 4 << 20), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel


async def answers(call: AsyncIterable[Q]) -> AsyncIterator[Q]:
    """What a stream brings.

    Raises:
        Failed: it ended with a status other than OK.
    """
    try:
        async for one in call:
            yield one
    except grpc.aio.AioRpcError as error:
        raise Failed(error.code().name, error.details() or "") from None
