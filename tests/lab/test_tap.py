"""Tap on two linked clusters: a request of east is seen, and one that crosses the link is one journey through three proxies."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from tests.lab import mesh

pytestmark = pytest.mark.lab
HIDDEN = "X-Hidden"
WHERE = ("-n", mesh.NAMESPACE, "--context", "east,west")


@pytest.fixture(scope="module")
def tapped(client: mesh.Inside) -> mesh.Inside:
    """The client, and a tap service in both clusters; every request goes to west."""
    for cluster in ("east", "west"):
        mesh.isthmus(
            "viz", "install", "--apply", "--no-wait", "--set", f"tapIgnoreHeaders={HIDDEN}", "--context", cluster
        )
        mesh.kubectl(cluster, "-n", "linkerd-viz", "rollout", "status", "deploy/tap", "--timeout=120s")
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


def caught(
    client: mesh.Inside, process: "subprocess.Popen[str]", *, paths: Sequence[str] = ("/traced",), **headers: str
) -> str:
    """What a command says that waits for requests, which are sent again and again until they were seen."""
    end = time.monotonic() + 40
    while process.poll() is None and time.monotonic() < end:
        for path in paths:
            client.call("ask", **order(), path=path, fields=headers)
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


def test_tap_by_jsonpath_says_what_was_asked_for_and_no_hidden_header(tapped: mesh.Inside) -> None:
    template = "{.cluster} {.requestInitEvent.method} {.requestInitEvent.path}: {..headers[*].name}"
    words = (
        "tap",
        "deploy/client",
        *WHERE,
        "--path",
        "/traced",
        "--count",
        "2",
        "--headers",
        "-o",
        f"jsonpath={template}",
    )
    headers = {"x-hidden": "1", "X-HIDDEN": "2", "x-seen": "3", "x-request-id": "4"}
    said = [line.split(": ") for line in caught(tapped, start(*words), **headers).splitlines()]
    heads = [names.split() for what, names in said if what == "east GET /traced"]
    assert heads and all("x-seen" in one and "x-hidden" not in one for one in heads)


def test_a_joined_tap_by_jsonpath(tapped: mesh.Inside) -> None:
    words = ("tap", "deploy/client", *WHERE, "--join", "--path", "/traced", "--count", "1")
    words = (*words, "-o", "jsonpath={range .hops[*]}{.cluster}/{.role} {end}")
    assert caught(tapped, start(*words), **{"x-request-id": "by-path"}) == "east/client west/gateway west/server \n"


def test_a_profile_has_the_routes_that_came_in_and_kubernetes_takes_it(tapped: mesh.Inside) -> None:
    words = (
        "profile",
        "--tap",
        "deploy/backend-svc",
        "--tap-duration",
        "6s",
        "-n",
        mesh.NAMESPACE,
        "--context",
        "west",
    )
    text = caught(tapped, start(*words, mesh.SERVICE), paths=("/status/204", "/bytes?n=1", "/request"))
    (doc,) = yaml.safe_load_all(text)
    found = {one["name"]: one["condition"]["pathRegex"] for one in doc["spec"]["routes"]}
    assert found == {
        "GET /": "/",
        "GET /bytes": "/bytes",
        "GET /request": "/request",
        "GET /status/{id}": "/status/[^/]*",
    }
    mesh.kubectl("west", "apply", "--dry-run=server", "-f", "-", stdin=text)


def test_a_profile_ends_at_its_limit_of_routes(tapped: mesh.Inside) -> None:
    words = ("profile", "--tap", "deploy/backend-svc", "--tap-duration", "30s", "--tap-route-limit", "1")
    began = time.monotonic()
    text = caught(tapped, start(*words, "-n", mesh.NAMESPACE, "--context", "west", mesh.SERVICE))
    assert text.count("- name:") == 1 and time.monotonic() - began < 20


def test_a_profile_of_what_nobody_asks_is_a_sentence(tapped: mesh.Inside) -> None:
    words = ("profile", "--tap", "deploy/client", "--tap-duration", "4s", "-n", mesh.NAMESPACE, "--context", "east")
    done = mesh.isthmus(*words, mesh.SERVICE, ok=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no request to a Service came in at deploy/client within 4s" in done.stderr and "it sent" in done.stderr
