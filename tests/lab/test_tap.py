"""Tap on two linked clusters: a request of east is seen, and one that crosses the link is one journey through three proxies."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.lab import mesh

pytestmark = pytest.mark.lab
WHERE = ("-n", mesh.NAMESPACE, "--context", "east,west")


@pytest.fixture(scope="module")
def tapped(client: mesh.Inside) -> mesh.Inside:
    """The client, and a tap service in both clusters; every request goes to west."""
    for cluster in ("east", "west"):
        mesh.isthmus("viz", "install", "--apply", "--no-wait", "--context", cluster)
        mesh.kubectl(
            cluster, "wait", "--for=condition=Available", "apiservice/v1alpha1.tap.linkerd.io", "--timeout=120s"
        )
    mesh.split(0, 100)
    mesh.until(
        lambda: set(client.call("many", **order(), count=10, connections=1)["clusters"]) == {"west"}, "the split"
    )
    return client


def order() -> dict[str, Any]:
    return {"host": mesh.cluster_ip("east", mesh.SERVICE), "port": 8888, "name": f"{mesh.SERVICE}:8888"}


def start(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "isthmus", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def caught(client: mesh.Inside, process: "subprocess.Popen[str]", **headers: str) -> str:
    """What a command says that waits for a request, which is sent again and again until it was seen."""
    end = time.monotonic() + 40
    while process.poll() is None and time.monotonic() < end:
        client.call("ask", **order(), path="/traced", fields=headers)
        time.sleep(0.3)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    return out


def test_tap_shows_a_request_of_east(tapped: mesh.Inside) -> None:
    words = ("tap", "deploy/client", *WHERE, "--path", "/traced", "--count", "3", "-o", "json")
    seen = [json.loads(line) for line in caught(tapped, start(*words)).splitlines()]
    head = next(one for one in seen if "requestInitEvent" in one)
    assert (head["cluster"], head["proxyDirection"]) == ("east", "OUTBOUND")
    assert head["source"]["metadata"]["deployment"] == "client"
    assert head["destination"]["metadata"]["target_cluster"] == "west"
    assert head["destination"]["metadata"]["server_id"] == mesh.GATEWAY_ID


def test_one_request_is_one_journey_through_three_proxies_of_two_clusters(tapped: mesh.Inside) -> None:
    words = ("trace", "the-one-we-follow", "--from", "deploy/client", *WHERE, "-o", "json")
    journey = json.loads(caught(tapped, start(*words), **{"x-request-id": "the-one-we-follow"}))
    assert (journey["joined"], journey["mark"]) == ("exact", "x-request-id=the-one-we-follow")
    hops = journey["hops"]
    assert [(hop["cluster"], hop["role"]) for hop in hops] == [
        ("east", "client"),
        ("west", "gateway"),
        ("west", "server"),
    ]
    assert [hop["identity"] for hop in hops] == [mesh.CLIENT_ID, mesh.GATEWAY_ID, mesh.BACKEND_ID]
    assert hops[0]["duration"] > hops[1]["duration"] > hops[2]["duration"] > 0
    assert 0 < hops[1]["offset"] <= hops[2]["offset"]
