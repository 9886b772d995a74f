"""Linking refuses before it changes: each refusal is a sentence with what to do; and what it reads of a target."""

import pytest
from cryptography import x509
from lightkube.models.core_v1 import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Service

from isthmus.errors import IsthmusError
from isthmus.multicluster import link

EAST = link.Survey(
    "east", "uid-e", "cluster.local", "cluster.local", frozenset({"a"}), True, "https://192.0.2.1:6443", b""
)
WEST = link.Survey(
    "west", "uid-w", "cluster.local", "cluster.local", frozenset({"a", "b"}), True, "https://192.0.2.2:6443", b"CA"
)
CHOICES = link.Choices("west", "east")


def changed(survey: link.Survey, **fields) -> link.Survey:
    return link.Survey(**({f: getattr(survey, f) for f in link.Survey.__slots__} | fields))


def test_contexts_need_be_no_names():
    arn = "arn:aws:eks:eu-west-1:111122223333:cluster/west"
    link.checks(changed(EAST, name="kubernetes-admin@east"), changed(WEST, name=arn), CHOICES, None)


def test_two_good_clusters_pass():
    link.checks(EAST, WEST, CHOICES, None)
    link.checks(EAST, WEST, CHOICES, "uid-w")


@pytest.mark.parametrize(
    "source, target, choices, existing, words",
    [
        pytest.param(EAST, changed(WEST, uid="uid-e"), CHOICES, None, "same cluster", id="itself"),
        pytest.param(
            EAST, changed(WEST, anchors=frozenset({"z"})), CHOICES, None, "share no trust anchor", id="anchors"
        ),
        pytest.param(
            changed(EAST, installed=False), WEST, CHOICES, None, "'east' has no namespace", id="source-not-installed"
        ),
        pytest.param(
            EAST, changed(WEST, installed=False), CHOICES, None, "'west' has no namespace", id="target-not-installed"
        ),
        pytest.param(EAST, WEST, CHOICES, "uid-x", "leads to another cluster", id="name-used"),
        pytest.param(EAST, WEST, CHOICES, "", "leads to another cluster", id="name-used-by-unknown"),
        pytest.param(EAST, WEST, link.Choices("West_1", "east"), None, "not a DNS label", id="bad-target-name"),
        pytest.param(EAST, WEST, link.Choices("west", "me@east"), None, "--source-name", id="bad-source-name"),
        pytest.param(EAST, WEST, link.Choices("west", "e" * 40), None, "too long", id="long-source-name"),
        pytest.param(
            EAST, WEST, link.Choices("west", "west"), None, "the source has it already", id="one-name-for-both"
        ),
    ],
)
def test_refusals(source, target, choices, existing, words):
    with pytest.raises(IsthmusError) as refused:
        link.checks(source, target, choices, existing)
    assert words in refused.value.sentence and refused.value.hint and refused.value.code != 0


@pytest.mark.parametrize(
    "server, expected",
    [
        pytest.param("https://127.0.0.1:6443", True, id="loopback"),
        pytest.param("https://localhost:8443/x", True, id="localhost"),
        pytest.param("https://[::1]:6443", True, id="loopback-v6"),
        pytest.param("https://0.0.0.0:6443", True, id="unspecified"),
        pytest.param("https://10.99.0.2:6443", False, id="private"),
        pytest.param("https://api.west.example", False, id="name"),
    ],
)
def test_an_address_of_no_use_elsewhere(server, expected):
    assert link.loopback(server) is expected


def gateway_service(kind="LoadBalancer", ip="192.0.2.7", **notes: str) -> Service:
    ports = [ServicePort(4143, name="mc-gateway", nodePort=30143), ServicePort(4191, name="mc-probe", nodePort=30191)]
    ingress = [LoadBalancerIngress(ip=ip)] if ip else []
    return Service(
        metadata=ObjectMeta(
            name="linkerd-gateway",
            annotations={f"mirror.linkerd.io/{k.replace('_', '-')}": v for k, v in notes.items()},
        ),
        spec=ServiceSpec(type=kind, ports=ports),
        status=ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=ingress)),
    )


def test_a_gateway_is_read_with_defaults():
    found = link.describe(gateway_service(), "gw", WEST, CHOICES)
    assert (found.addresses, found.port) == (("192.0.2.7",), 4143)
    assert found.identity == "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local"
    assert found.probe == {"path": "/ready", "port": "4191", "period": "3s", "timeout": "5s", "failureThreshold": "3"}


def test_a_gateway_is_read_with_its_annotations():
    notes = {
        "gateway_identity": "gw.id",
        "probe_period": "7",
        "probe_path": "/well",
        "probe_timeout": "2s",
        "probe_failure_threshold": "5",
    }
    found = link.describe(gateway_service(**notes), "gw", WEST, CHOICES)
    assert found.identity == "gw.id"
    assert found.probe == {"path": "/well", "port": "4191", "period": "7s", "timeout": "2s", "failureThreshold": "5"}


def test_node_ports_need_an_address_and_are_linked():
    with pytest.raises(IsthmusError, match="has no address yet") as refused:
        link.describe(gateway_service("NodePort", ip=""), "gw", WEST, CHOICES)
    assert "--gateway-addresses" in refused.value.hint
    found = link.describe(
        gateway_service("NodePort", ip=""), "gw", WEST, link.Choices("west", "east", gateway_addresses=("192.0.2.9",))
    )
    assert (found.addresses, found.port, found.probe["port"]) == (("192.0.2.9",), 30143, "30191")


def test_unreadable_anchors_name_the_cluster():
    with pytest.raises(IsthmusError, match="'west' cannot be read"):
        link.anchors("not pem", "west")


def test_anchors_are_told_apart_by_content(anchor_pem):
    assert link.anchors(anchor_pem * 2, "west") == link.anchors(anchor_pem, "east")
    assert len(link.anchors(anchor_pem, "east")) == 1


@pytest.fixture
def anchor_pem() -> str:
    from datetime import UTC, datetime, timedelta

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root.linkerd.cluster.local")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(start).not_valid_after(start + timedelta(days=365))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
