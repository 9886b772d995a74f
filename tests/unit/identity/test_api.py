"""Certify over a real connection: each step's refusal has its code, in Linkerd's order."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import prometheus_client
import pytest
from cryptography import x509

from isthmus import names
from isthmus.errors import Unreachable
from isthmus.identity import api, issuer
from isthmus.rpc import identity_grpc, identity_pb2
from isthmus.serve import grpc as seam
from tests.unit.identity import making
from tests.unit.identity.making import DAY, ISSUER, NOW, ROOT, WHO

GOOD = {
    "status": {
        "authenticated": True,
        "audiences": ["identity.l5d.io"],
        "user": {"username": "system:serviceaccount:shop:web"},
    }
}
Status = grpc.StatusCode


class World:
    """What the server stands on, for a test to bend."""

    def __init__(self) -> None:
        self.issuer: issuer.Issuer | None = issuer.load(ISSUER.pem, ISSUER.key_pem, ROOT.pem, NOW)
        self.now = NOW
        self.answer: dict[str, Any] | Exception = GOOD
        self.reviewed: list[str] = []
        self.told: list[names.Key | None] = []
        self.registry = prometheus_client.CollectorRegistry()

    async def review(self, body: dict[str, Any]) -> dict[str, Any]:
        self.reviewed.append(body["spec"]["token"])
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def service(self) -> seam.Service:
        return api.Identity(
            api.Terms(),
            lambda: self.issuer,
            self.review,
            now=lambda: self.now,
            serial=lambda: 7,
            tell=lambda owner, _: self.told.append(owner),
            registry=self.registry,
        ).service()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[identity_grpc.Identity]:
    server = await seam.serve([world.service()], "127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield identity_grpc.Identity(channel)
    await server.stop(0)


def ask(identity: str = WHO, token: bytes = b"token", csr: bytes | None = None) -> identity_pb2.CertifyRequest:
    return identity_pb2.CertifyRequest(identity=identity, token=token, certificate_signing_request=csr or making.csr())


async def refused(client: identity_grpc.Identity, asked: identity_pb2.CertifyRequest) -> Status:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.Certify(asked, timeout=5)
    return caught.value.code()


async def test_a_certificate(client: identity_grpc.Identity, world: World) -> None:
    answer = await client.Certify(ask(), timeout=5)
    leaf = x509.load_der_x509_certificate(answer.leaf_certificate)
    leaf.verify_directly_issued_by(x509.load_der_x509_certificate(answer.intermediate_certificates[0]))
    assert answer.valid_until.seconds == int(leaf.not_valid_after_utc.timestamp())
    assert (world.reviewed, world.told) == (["token"], [names.Key("shop", "web")])
    assert world.registry.get_sample_value("identity_certify_total", {"status": "OK"}) == 1


async def test_no_issuer_yet(client: identity_grpc.Identity, world: World) -> None:
    world.issuer = None
    assert await refused(client, ask()) is Status.UNAVAILABLE


async def test_an_issuer_that_ended_is_told(client: identity_grpc.Identity, world: World) -> None:
    world.now = NOW + 400 * DAY
    assert (await refused(client, ask()), world.told, world.reviewed) == (Status.UNAVAILABLE, [None], [])


@pytest.mark.parametrize(
    "asked, code",
    [
        pytest.param(ask(identity="Not A Name"), Status.INVALID_ARGUMENT, id="malformed"),
        pytest.param(ask(csr=making.csr(x509.DNSName("other.test"))), Status.FAILED_PRECONDITION, id="another-name"),
        pytest.param(ask(csr=making.tampered()), Status.FAILED_PRECONDITION, id="not-its-key"),
    ],
)
async def test_refused_before_the_token_is_reviewed(
    client: identity_grpc.Identity, world: World, asked: identity_pb2.CertifyRequest, code: Status
) -> None:
    assert (await refused(client, asked), world.reviewed) == (code, [])


@pytest.mark.parametrize(
    "answer, code",
    [
        pytest.param({"status": {"authenticated": False}}, Status.FAILED_PRECONDITION, id="bad-token"),
        pytest.param(
            {"status": {**GOOD["status"], "user": {"username": "alice"}}},
            Status.INVALID_ARGUMENT,
            id="a-person's-token",
        ),
        pytest.param(
            {"status": {**GOOD["status"], "user": {"username": "system:serviceaccount:shop:api"}}},
            Status.FAILED_PRECONDITION,
            id="another-account",
        ),
        pytest.param(Unreachable("away"), Status.INTERNAL, id="no-answer"),
    ],
)
async def test_refused_by_the_review(
    client: identity_grpc.Identity, world: World, answer: dict[str, Any] | Exception, code: Status
) -> None:
    world.answer = answer
    assert await refused(client, ask()) is code
    assert world.registry.get_sample_value("identity_certify_total", {"status": code.name}) == 1
