"""Certify with the real TokenReview: a service account's own token gets its own identity, and nothing else does."""

import asyncio
import pathlib
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import prometheus_client
import pytest
from cryptography import x509
from lightkube.resources.core_v1 import Event

from isthmus import logs
from isthmus.identity import run
from isthmus.kube import client as kube
from isthmus.rpc import identity_grpc, identity_pb2
from isthmus.serve import runtime
from tests.unit.identity import making

Status = grpc.StatusCode


@pytest.fixture
async def certify(client: kube.Client, tmp_path: pathlib.Path) -> AsyncIterator[identity_grpc.Identity]:
    """The identity process's parts on a free port."""
    root = making.Authority("root", days=9999)
    own = making.Authority("issuer", root, days=9999)
    for name, content in (("crt.pem", own.pem), ("key.pem", own.key_pem), ("ca-bundle.crt", root.pem)):
        (tmp_path / name).write_bytes(content)
    options = run.Options(issuer_dir=str(tmp_path), roots_dir=str(tmp_path), address="127.0.0.1:0")
    async with asyncio.TaskGroup() as group:
        process = runtime.Runtime(group, logs.get(), prometheus_client.CollectorRegistry())
        drain = group.create_task(process.drain())
        server = await run.serve(process, options, client)
        async with asyncio.timeout(10):
            while process.unready():
                await asyncio.sleep(0.05)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield identity_grpc.Identity(channel)
        process.stop()
        await drain


async def token(client: kube.Client, space: str, audience: str) -> bytes:
    await client.apply_dict(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": space}}
    )
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [audience]}}
    answer = await client.raw("POST", f"/api/v1/namespaces/{space}/serviceaccounts/web/token", body)
    return str(answer["status"]["token"]).encode()


def ask(identity: str, proof: bytes) -> identity_pb2.CertifyRequest:
    return identity_pb2.CertifyRequest(
        identity=identity, token=proof, certificate_signing_request=making.csr(x509.DNSName(identity))
    )


def who(space: str, account: str = "web") -> str:
    return f"{account}.{space}.serviceaccount.identity.linkerd.cluster.local"


async def test_own_identity(client: kube.Client, certify: identity_grpc.Identity, space: str) -> None:
    answer = await certify.Certify(ask(who(space), await token(client, space, "identity.l5d.io")), timeout=10)
    leaf = x509.load_der_x509_certificate(answer.leaf_certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [who(space)]
    async with asyncio.timeout(10):
        while not [e for e in await client.list(Event, space) if e.reason == "IssuedLeafCertificate"]:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "account, audience, code",
    [
        pytest.param("api", "identity.l5d.io", Status.FAILED_PRECONDITION, id="another-account's-identity"),
        pytest.param("web", "https://kubernetes.default.svc", Status.FAILED_PRECONDITION, id="another-audience"),
    ],
)
async def test_refused(
    client: kube.Client, certify: identity_grpc.Identity, space: str, account: str, audience: str, code: Status
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await certify.Certify(ask(who(space, account), await token(client, space, audience)), timeout=10)
    assert told.value.code() is code


async def test_a_token_nobody_signed(certify: identity_grpc.Identity, space: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await certify.Certify(ask(who(space), b"eyJhbGciOiJub25lIn0.e30."), timeout=10)
    assert told.value.code() is Status.FAILED_PRECONDITION
