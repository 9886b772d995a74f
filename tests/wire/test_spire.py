"""A proxy certified by a SPIRE agent instead of the identity plane: a small agent in the tests' own process, on a socket."""

import concurrent.futures
import pathlib
import queue
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.wire import conftest, direct, pods, world

pytestmark = pytest.mark.wire

ID = "spiffe://mesh/ns/default/sa/client"
WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    length, out = len(value), bytearray([number << 3 | 2])
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(out) + bytes([length]) + value


def svid(ca: pathlib.Path, into: pathlib.Path) -> bytes:
    """An X509SVIDResponse with one SVID, signed by the stage's root."""
    both = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
    text = direct.issue(ca, direct.Shape(uris=(ID,), usages=both), into).read_bytes()
    leaf = x509.load_pem_x509_certificate(text).public_bytes(serialization.Encoding.DER)
    root = x509.load_pem_x509_certificate((ca / "ca.pem").read_bytes()).public_bytes(serialization.Encoding.DER)
    key = serialization.load_pem_private_key(text, None).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return field(1, field(1, ID.encode()) + field(2, leaf) + field(3, key) + field(4, root))


class Agent:
    """Sends what is put into `said`, to one caller at a time; None ends the stream."""

    def __init__(self, socket: pathlib.Path) -> None:
        self.said: queue.Queue[bytes | None] = queue.Queue()
        self.callers: list[bool] = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        handler = grpc.unary_stream_rpc_method_handler(self.fetch)
        known = grpc.method_handlers_generic_handler("SpiffeWorkloadAPI", {"FetchX509SVID": handler})
        self.server.add_generic_rpc_handlers([known])
        self.server.add_insecure_port(f"unix:{socket}")
        self.server.start()
        socket.chmod(0o777)

    def fetch(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self.callers.append(("workload.spiffe.io", "true") in [tuple(pair) for pair in context.invocation_metadata()])
        while (message := self.said.get(timeout=60)) is not None:
            yield message


@pytest.fixture
def agent(stage: conftest.Stage, state: world.State) -> Iterator[Agent]:
    socket = stage.ca / "agent.sock"
    found = Agent(socket)
    try:
        yield found
    finally:
        found.said.put(None)
        found.server.stop(0).wait(5)
        socket.unlink(missing_ok=True)
        stage.client.restart_proxy(stage.anchors)


def test_an_agent_certifies_and_renews(stage: conftest.Stage, agent: Agent, tmp_path: pathlib.Path) -> None:
    client = stage.client
    client.children["proxy"].end()
    # Neither anchors nor an identity plane: all comes from the agent.
    changes = {
        "IDENTITY_SPIRE_WORKLOAD_API_ADDRESS": f"unix://{stage.ca / 'agent.sock'}",
        "IDENTITY_SERVER_ID": ID,
        "IDENTITY_SERVER_NAME": world.identity("client"),
        "IDENTITY_SVC_ADDR": "",
        "IDENTITY_SVC_NAME": "",
        "IDENTITY_TOKEN_FILE": "",
        "IDENTITY_LOCAL_NAME": "",
    }
    client.start_proxy("", **changes)
    pods.wait_for(lambda: client.admin("/live")[0] == 200, 10, "the proxy", client.children["proxy"])
    assert client.admin("/ready")[0] == 503
    agent.said.put(field(1, field(1, b"spiffe://mesh/somebody/else")))
    agent.said.put(svid(stage.ca, tmp_path / "first.pem"))
    client.wait_ready()
    assert client.call("many", **WEB, count=20, connections=2)["clusters"] == {"server": 20}
    assert stage.server.metric("request_total", direction="inbound", client_id=ID) >= 20
    assert client.metric("control_identity_cert_refreshes_total", result="error") == 1
    agent.said.put(svid(stage.ca, tmp_path / "second.pem"))
    pods.wait_for(lambda: client.metric("control_identity_cert_refreshes_total", result="ok") == 2, 5, "the renewal")
    agent.said.put(None)
    pods.wait_for(lambda: len(agent.callers) > 1, 5, "another stream after the end of one")
    assert client.call("one", **WEB)["status"] == 200, "what we have stays"
    assert all(agent.callers), "every caller says that it knows whom it calls"
