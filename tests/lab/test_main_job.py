"""The main job: one name, two clusters, weights that hold, identities that are seen, nothing in the clear between clusters."""

import json
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.lab import mesh

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


def test_the_wan_carries_tls_only(client: mesh.Inside) -> None:
    mesh.split(0, 100)
    capture = subprocess.Popen(
        [
            "ip",
            "netns",
            "exec",
            mesh.ops(),
            "tcpdump",
            "-i",
            "any",
            "-U",
            "-w",
            "-",
            "-s",
            "0",
            "-c",
            "20000",
            "tcp port 4143",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(1.0)
    address = mesh.cluster_ip("east", mesh.MIRROR)
    for _ in range(20):
        client.call("headers", host=address, port=8888, name=mesh.MIRROR)
    time.sleep(0.5)
    capture.terminate()
    packets, _ = capture.communicate(timeout=10)
    assert len(packets) > 5000
    for clear in (b"GET /", b"HTTP/1.1", b"x-marker", b"backend-svc", b"transport.l5d.io", b"PRI * HTTP"):
        assert clear not in packets, clear
    assert b"\x17\x03\x03" in packets
