"""The main job: one name, two clusters, weights that hold, identities that are seen, nothing in the clear between clusters."""

import contextlib
import json
import pathlib
import subprocess
import time
from collections.abc import Callable, Generator, Iterator

import pytest

from isthmus.demo import run
from tests.lab import mesh, wan

pytestmark = pytest.mark.lab


def answers(client: mesh.Inside, count: int, connections: int = 16) -> dict[str, int]:
    address = mesh.cluster_ip("east", mesh.SERVICE)
    done = client.call("many", host=address, port=8888, name=mesh.SERVICE, count=count, connections=connections)
    assert done["failed"] == 0, done["failures"]
    return done["clusters"]


def settled(client: mesh.Inside, wanted: Callable[[dict[str, int]], bool]) -> float:
    return mesh.until(lambda: wanted(answers(client, 40, 4)), "the new weights", limit=10)


@pytest.mark.parametrize(("east", "west"), [(100, 0), (50, 50), (80, 20), (0, 100)])
def test_answers_follow_the_weights(client: mesh.Inside, east: int, west: int) -> None:
    mesh.split(east, west)
    settled(client, lambda seen: set(seen) == {c for c, w in (("east", east), ("west", west)) if w})
    share = answers(client, 2000).get("west", 0) / 2000
    expected = west / (east + west)
    assert abs(share - expected) <= 5 * (expected * (1 - expected) / 2000) ** 0.5


def test_forty_thousand_requests_while_weights_move_lose_nothing(client: mesh.Inside) -> None:
    mesh.split(100, 0)
    address = mesh.cluster_ip("east", mesh.SERVICE)
    order = {"host": address, "port": 8888, "name": mesh.SERVICE, "count": 40_000, "connections": 4}
    running = client.start("many", **order)
    moves = 0
    while running.poll() is None and moves < 200:
        mesh.split(*((50, 50), (0, 100), (100, 0))[moves % 3])
        moves += 1
        time.sleep(0.1)
    out, err = running.communicate(timeout=240)
    done = json.loads(out or "{}") or pytest.fail(err)
    assert (sum(done["clusters"].values()), done["failed"]) == (40_000, 0), done["failures"]
    assert moves >= 3
    assert set(done["clusters"]) == {"east", "west"}


def test_the_application_sees_who_called_and_not_what_was_forged(client: mesh.Inside) -> None:
    seen = client.call("headers", host=mesh.cluster_ip("east", mesh.MIRROR), port=8888, name=mesh.MIRROR)
    assert seen["status"] == 200
    found = {name.lower(): value for name, value in seen["headers"].items()}
    assert found["l5d-client-id"] in (mesh.GATEWAY_ID, [mesh.GATEWAY_ID])
    assert found["x-marker"] in ("seen", ["seen"])


def test_each_side_counts_the_other_by_its_identity(client: mesh.Inside) -> None:
    mesh.split(50, 50)
    answers(client, 200)
    outbound = {
        (labels.get("dst_target_cluster", ""), labels.get("server_id"))
        for name, labels, value in mesh.metrics(client)
        if name == "response_total" and labels.get("direction") == "outbound" and labels.get("tls") == "true" and value
    }
    assert {("west", mesh.GATEWAY_ID), ("", mesh.BACKEND_ID)} <= outbound
    for app, namespace, caller in (
        ("linkerd-gateway", "linkerd-multicluster", mesh.CLIENT_ID),
        (mesh.SERVICE, mesh.NAMESPACE, mesh.GATEWAY_ID),
    ):
        pod = mesh.inside("west", app, namespace)
        inbound = {labels.get("client_id") for _, labels, _ in mesh.metrics(pod)}
        assert caller in inbound, f"{app} did not see {caller}"


@contextlib.contextmanager
def captured(file: pathlib.Path) -> Generator[None]:
    """Everything that crosses the WAN's switch meanwhile, in `file`."""
    words = ["ip", "netns", "exec", mesh.ops(), "tcpdump", "-i", "wan", "-U", "-s", "0", "-w", str(file)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        mesh.until(lambda: file.exists() and file.stat().st_size >= 24, "the capture's beginning")
        yield
        time.sleep(0.5)
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture
def witness(client: mesh.Inside) -> Iterator[Callable[[], mesh.Inside]]:
    """A pod whose proxy opens links of its own, so that a capture sees them from their first byte on."""
    container = {"name": "app", "image": run.default_image(), "args": ["serve"], "imagePullPolicy": "IfNotPresent"}
    meta = {"name": "witness", "namespace": mesh.NAMESPACE, "labels": {"app": "witness"}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}

    def make() -> mesh.Inside:
        mesh.apply(client.cluster, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        mesh.kubectl(
            client.cluster, "-n", mesh.NAMESPACE, "wait", "pod/witness", "--for=condition=Ready", "--timeout=60s"
        )
        return mesh.inside(client.cluster, "witness")

    yield make
    mesh.kubectl(client.cluster, "-n", mesh.NAMESPACE, "delete", "pod", "witness", "--ignore-not-found")


CLEAR = (b"GET /", b"HTTP/1.", b"x-marker", b"backend-svc", b"transport.l5d.io", b"PRI * HTTP", b"linkerd-gateway")
HELLO = (b"transport.l5d.io", b"linkerd-gateway")
PORTS = {4143: "gateway", 4191: "gateway's health", 6443: "API server"}


def test_the_wan_carries_tls_only(witness: Callable[[], mesh.Inside], tmp_path: pathlib.Path) -> None:
    mesh.split(0, 100)
    with captured(tmp_path / "wan.pcap"):
        pod = witness()
        address = mesh.cluster_ip("east", mesh.MIRROR)
        for _ in range(20):
            pod.call("headers", host=address, port=8888, name=mesh.MIRROR)
    streams, others = wan.read((tmp_path / "wan.pcap").read_bytes())
    assert set(others) <= {"arp", "icmp6"}, others
    assert {s.port for s in streams} <= set(PORTS), {s.port: (s.source, s.target) for s in streams}
    begun = [s for s in streams if s.whole and s.data]
    for stream in begun:
        assert wan.records(stream.data)[0] == "handshake", stream.port
    # Both sides of the witness's link: a hello each, and the calls behind it.
    link = [wan.records(s.data) for s in begun if s.port == 4143]
    assert len(link) >= 2 and all("data" in kinds for kinds in link)
    for stream in streams:
        hello, rest = wan.hello(stream)
        assert [word for word in CLEAR if word in rest] == [], (stream.source, stream.target)
        # A client's hello names the gateway and the protocol, as TLS does; nothing of what is asked for.
        assert [word for word in CLEAR if word in hello and word not in HELLO] == [], (stream.source, stream.target)
