"""The gRPC seam over a real loopback connection."""

from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from isthmus.serve import grpc as seam


async def echo(request: bytes) -> bytes:
    if request == b"bad":
        raise seam.Refusal(seam.Code.INVALID_ARGUMENT, "not that")
    return request


async def count(request: bytes) -> AsyncIterator[bytes]:
    for number in range(int(request)):
        yield str(number).encode()
    if request == b"2":
        raise seam.Refusal(seam.Code.NOT_FOUND, "no third")


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    service = seam.Service("test.Echo")
    service.unary("Say", bytes, echo)
    service.stream("Count", bytes, count)
    server = await seam.serve([service], "127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
    await server.stop(0)


async def test_unary(channel: grpc.aio.Channel) -> None:
    assert await channel.unary_unary("/test.Echo/Say")(b"hello", timeout=5) == b"hello"


async def test_refusal_is_a_status_and_a_sentence(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="not that") as caught:
        await channel.unary_unary("/test.Echo/Say")(b"bad", timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_stream(channel: grpc.aio.Channel) -> None:
    call = cast("Any", channel.unary_stream("/test.Echo/Count"))(b"3", timeout=5)
    assert [m async for m in call] == [b"0", b"1", b"2"]


async def test_stream_refused_in_the_middle(channel: grpc.aio.Channel) -> None:
    call = cast("Any", channel.unary_stream("/test.Echo/Count"))(b"2", timeout=5)
    assert [await call.read(), await call.read()] == [b"0", b"1"]
    with pytest.raises(grpc.aio.AioRpcError, match="no third"):
        await call.read()
