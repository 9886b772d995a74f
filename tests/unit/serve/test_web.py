"""HTTPS whose certificate follows its files."""

import asyncio
import contextlib
import datetime as dt
import pathlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import prometheus_client
import pytest
import trustme
from cryptography import x509
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from isthmus import logs
from isthmus.errors import IsthmusError
from isthmus.serve import https, web

CA = trustme.CA()


def write(folder: pathlib.Path, name: str = "localhost") -> bytes:
    pair = CA.issue_cert(name, "localhost")
    (folder / "tls.crt").write_bytes(pair.cert_chain_pems[0].bytes())
    (folder / "tls.key").write_bytes(pair.private_key_pem.bytes())
    return ssl.PEM_cert_to_DER_cert(pair.cert_chain_pems[0].bytes().decode())


async def hello(request: Request) -> PlainTextResponse:
    await asyncio.sleep(float(request.query_params.get("after", 0)))
    return PlainTextResponse("hello")


async def ask(port: int, path: str = "/") -> tuple[bytes | None, bytes]:
    """The certificate that was shown, and the answer's last line."""
    context = ssl.create_default_context()
    CA.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]  # names pyOpenSSL, which is not here
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return shown, answer.rpartition(b"\r\n")[2]


@pytest.fixture
async def port(tmp_path: pathlib.Path) -> AsyncIterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    write(tmp_path)
    app: Any = Starlette(routes=[Route("/", hello)])
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(https.serve(app, free, tmp_path, logs.get(), host="127.0.0.1"))
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", free)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        yield free
        serving.cancel()


async def test_a_new_pair_is_shown_without_a_restart(port: int, tmp_path: pathlib.Path) -> None:
    assert (await ask(port))[1] == b"hello"
    fresh = write(tmp_path)
    async with asyncio.timeout(4):
        while (await ask(port))[0] != fresh:
            await asyncio.sleep(0.1)


async def test_a_bad_pair_leaves_the_old_one(port: int, tmp_path: pathlib.Path) -> None:
    before = (await ask(port))[0]
    (tmp_path / "tls.key").write_text("nonsense")
    await asyncio.sleep(1.2)
    assert (await ask(port))[0] == before


def test_how_long_a_pair_lasts_is_measured(tmp_path: pathlib.Path) -> None:
    write(tmp_path)
    kept, registry = https.Certificate(tmp_path), prometheus_client.CollectorRegistry()
    https.measure(registry, kept.ttl)
    days = (registry.get_sample_value("serving_cert_ttl_seconds") or 0.0) / 86400
    ends = x509.load_pem_x509_certificate((tmp_path / "tls.crt").read_bytes()).not_valid_after_utc
    assert days == pytest.approx((ends - dt.datetime.now(dt.UTC)) / dt.timedelta(days=1), abs=0.001)
    kept.ends = 1.0
    assert registry.get_sample_value("serving_cert_ttl_seconds") == 0.0


def test_no_pair_at_the_start_is_a_sentence(tmp_path: pathlib.Path) -> None:
    with pytest.raises(IsthmusError, match="cannot be used"):
        https.Certificate(tmp_path)


@pytest.fixture
async def plain_port() -> AsyncIterator[int]:
    async def forever(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["extensions"][web.BREAK]["now"]()

    with socket.create_server(("127.0.0.1", 0)) as sock:
        serving = asyncio.get_running_loop().create_task(web.plain(forever, sock))
        yield sock.getsockname()[1]
        serving.cancel()
        await asyncio.wait([serving])


async def test_an_application_may_break_a_connection_off(plain_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", plain_port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(2):
        with contextlib.suppress(ConnectionResetError):
            assert b"200 OK" in await reader.read(4096)
            assert not await reader.read(4096)
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()


class Peers:
    """A server that asks for client certificates, and whom it trusts."""

    def __init__(self) -> None:
        self.trusted = trustme.CA()
        self.port = 0

    def pem(self) -> str:
        return self.trusted.cert_pem.bytes().decode()

    async def greet(self, ca: trustme.CA | None, name: str = "front") -> bytes:
        """What a client with a certificate of `ca` hears; empty when the connection was ended."""
        context = ssl.create_default_context()
        CA.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
        if ca:
            ca.issue_cert("x", common_name=name).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname="localhost")
        try:
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return (await reader.read()).rpartition(b"\r\n")[2]
        except (ssl.SSLError, ConnectionError):
            return b""
        finally:
            writer.close()


async def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.scope[web.PEER]))


@pytest.fixture
async def peers(tmp_path: pathlib.Path) -> AsyncIterator[Peers]:
    made = Peers()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made.port = int(probe.getsockname()[1])
    write(tmp_path)
    app: Any = Starlette(routes=[Route("/", who)])
    serving = https.serve(app, made.port, tmp_path, logs.get(), host="127.0.0.1", authorities=made.pem)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serving)
        async with asyncio.timeout(10):
            while not await _open(made.port):
                await asyncio.sleep(0.02)
        yield made
        task.cancel()


async def _open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_client_certificate_is_read_and_a_stranger_s_ends_the_connection(peers: Peers) -> None:
    assert await peers.greet(peers.trusted) == b"front"
    assert await peers.greet(None) == b"None"
    assert await peers.greet(trustme.CA()) == b""


async def test_who_may_sign_clients_changes_without_a_restart(peers: Peers) -> None:
    before, peers.trusted = peers.trusted, trustme.CA()
    async with asyncio.timeout(4):
        while await peers.greet(peers.trusted) != b"front":
            await asyncio.sleep(0.1)
    assert await peers.greet(before) == b""
