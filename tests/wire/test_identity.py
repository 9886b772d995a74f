"""Whom a proxy believes: strangers' certificates, trust anchors that change under it, and when its own certificate ends."""

import dataclasses
import json
import pathlib
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.wire import conftest, direct, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
ASK = "GET / HTTP/1.1\nhost: web\nconnection: close\n\n"
GOOD = direct.Shape(dns=(world.identity("peer"),))


def entered(stage: conftest.Stage, own: pathlib.Path | None, *, port: int = 4143) -> bytes:
    """What the server's application answers to the holder of this certificate; empty when nobody does."""
    start = direct.header(8080, http=True) if port == 4143 else b""
    try:
        conn = direct.connect(world.IPS["server"], world.identity("server"), stage.anchors, own, port=port)
    except OSError:
        return b""
    with conn:
        return direct.ask(conn, start, ASK)


def test_a_certificate_of_the_mesh_gets_in(stage: conftest.Stage, state: world.State, tmp_path: pathlib.Path) -> None:
    for port in (4143, 8080):
        assert b" 200 OK" in entered(stage, direct.issue(stage.ca, GOOD, tmp_path / "peer.pem"), port=port)
    assert stage.server.metric("request_total", direction="inbound", client_id=world.identity("peer")) >= 2


CASES: dict[str, tuple[direct.Shape, str]] = {
    "common-name-only": (direct.Shape(common=world.identity("peer")), "tls_nobody"),
    "two-uris": (direct.Shape(uris=("spiffe://t/a", "spiffe://t/b")), "tls_two_names"),
    "line-in-uri": (direct.Shape(uris=("spiffe://t/a\r\nx: y",)), "tls_odd_name"),
    "expired": (dataclasses.replace(GOOD, start=-3, end=-1), "tls_expired"),
    "not-yet-valid": (dataclasses.replace(GOOD, start=1, end=2), "tls_not_yet_valid"),
    "for-servers": (
        dataclasses.replace(GOOD, usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        "tls_purpose",
    ),
}


@pytest.mark.parametrize("port", [4143, 8080], ids=["direct", "transparent"])
@pytest.mark.parametrize("shape, reason", CASES.values(), ids=CASES.keys())
def test_odd_certificates_are_refused_with_a_reason(
    stage: conftest.Stage, state: world.State, tmp_path: pathlib.Path, shape: direct.Shape, reason: str, port: int
) -> None:
    before = stage.server.metric("inbound_refused_total", reason=reason)
    assert entered(stage, direct.issue(stage.ca, shape, tmp_path / "odd.pem"), port=port) == b""
    pods.wait_for(
        lambda: stage.server.metric("inbound_refused_total", reason=reason) > before, 3, f"the counter of {reason}"
    )


def test_another_authority_and_nobody_are_refused(
    stage: conftest.Stage, state: world.State, tmp_path: pathlib.Path
) -> None:
    conftest.make_root(tmp_path)
    theirs = direct.issue(tmp_path, GOOD, tmp_path / "theirs.pem")
    assert entered(stage, theirs) == b""
    assert entered(stage, None) == b"", "a transport header needs a certificate"
    for reason in ("tls_unknown_issuer", "direct_anonymous"):
        pods.wait_for(lambda r=reason: stage.server.metric("inbound_refused_total", reason=r) >= 1, 3, reason)


def test_tls_below_1_3_is_refused(stage: conftest.Stage) -> None:
    trust = ssl.create_default_context(cadata=stage.anchors)
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    for port in (4143, 8080):
        with socket.create_connection((world.IPS["server"], port), 5) as plain, pytest.raises((OSError, EOFError)):
            trust.wrap_socket(plain, server_hostname=world.identity("server"))


def test_the_end_of_a_certificate_is_a_metric(stage: conftest.Stage, state: world.State) -> None:
    end = stage.client.metric("control_identity_cert_expiration_timestamp_seconds")
    assert time.time() + 60 < end <= time.time() + 3600
    assert stage.client.metric("control_identity_cert_refresh_timestamp_seconds") <= time.time()
    groups = next(line for line in stage.client.admin("/metrics")[1].splitlines() if line.startswith("rustls_info{"))
    assert 'tls_kx_groups="X25519MLKEM768,X25519,' in groups


@dataclasses.dataclass
class Rotation:
    """Two roots, the file of anchors that client and server follow, and the folder the control planes sign from."""

    stage: conftest.Stage
    file: pathlib.Path
    old: str
    new: str
    folder: pathlib.Path

    def trust(self, *roots: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text("".join(roots))
        new.replace(self.file)

    def sign_with(self, folder: pathlib.Path) -> None:
        for name in ("ca.key", "ca.pem"):
            shutil.copy(folder / name, self.stage.ca / name)

    def anchors(self, number: int) -> None:
        """Waits until both proxies have that many in force."""
        for pod in (self.stage.client, self.stage.server):
            pods.wait_for(
                lambda pod=pod: pod.metric("control_identity_trust_anchors") == number,
                12,
                f"{pod.name}: {number} anchors",
            )


@pytest.fixture
def rotation(stage: conftest.Stage, state: world.State, tmp_path: pathlib.Path) -> Iterator[Rotation]:
    kept = tmp_path / "kept"
    shutil.copytree(stage.ca, kept, ignore=lambda _, names: [n for n in names if not n.startswith("ca.")])
    made = tmp_path / "new"
    made.mkdir()
    found = Rotation(stage, stage.ca / "anchors.pem", stage.anchors, conftest.make_root(made), made)
    found.trust(found.old)
    try:
        for pod in (stage.client, stage.server):
            pod.restart_proxy("", ISTHMUS_PROXY_TRUST_ANCHORS_FILE=str(found.file))
        yield found
    finally:
        found.sign_with(kept)
        for pod in (stage.client, stage.server):
            pod.restart_proxy(stage.anchors)


def works(stage: conftest.Stage) -> None:
    done = stage.client.call("many", **WEB, count=20, connections=2)
    assert (done["clusters"], done["failures"]) == ({"server": 20}, [])


def test_anchors_change_without_a_restart(rotation: Rotation) -> None:
    stage = rotation.stage
    over = rotation.folder / "over"
    held = stage.client.calling("hold", host=world.ECHO, port=9000, seconds=120, until=str(over))
    works(stage)
    rotation.trust(rotation.old, rotation.new)
    rotation.anchors(2)
    works(stage)
    # The control plane signs with the new root; a change of the file makes everybody renew at once.
    rotation.sign_with(rotation.folder)
    rotation.trust(rotation.new, rotation.old)
    renewed = ("control_identity_cert_refreshes_total",)
    counts = [pod.metric(*renewed, result="ok") for pod in (stage.client, stage.server)]
    for pod, count in zip((stage.client, stage.server), counts, strict=True):
        pods.wait_for(lambda pod=pod, n=count: pod.metric(*renewed, result="ok") > n, 12, f"{pod.name}: a renewal")
    works(stage)
    rotation.trust(rotation.new)
    rotation.anchors(1)
    works(stage)
    with pytest.raises(ssl.SSLError):
        direct.connect(world.IPS["server"], world.identity("server"), rotation.old, None)
    with direct.connect(world.IPS["server"], world.identity("server"), rotation.new, None) as conn:
        assert conn.version() == "TLSv1.3"
    over.touch()
    said = json.loads(held.communicate(timeout=30)[0])
    assert said["error"] == "" and said["echoes"] > 10, "a connection of before outlives every change"


def test_an_anchor_in_use_is_not_lost(rotation: Rotation) -> None:
    stage = rotation.stage
    rotation.trust(rotation.new)
    rotation.anchors(2)
    works(stage)
    assert "hangs on a trust anchor that is gone from its file" in stage.server.children["proxy"].log.read_text()
