"""Tap: requests of one proxy as its one permitted client sees them, over the mesh."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
HEALTH: dict[str, Any] = {"host": world.HEALTH, "port": 50051, "name": "health"}
TAP = f"{world.IPS['server']}:4190"
TAPPER = pods.HERE / "tapper.py"
Said = dict[str, Any]


@pytest.fixture(scope="module")
def tapped(stage: conftest.Stage) -> Iterator[pods.Pod]:
    """The server's proxy, which the client's identity may tap."""
    stage.server.restart_proxy(stage.anchors, TAP_SVC_NAME=world.identity("client"))
    yield stage.server
    stage.server.restart_proxy(stage.anchors)


@pytest.fixture
def reached(tapped: pods.Pod, state: world.State, stage: conftest.Stage) -> pods.Pod:
    """The same, and the tap port is an endpoint with an identity, as the control plane says it of pods."""
    state.edit("endpoints", world.path("tap", 4190), [world.endpoint("server", 4190, header=False)])
    state.edit("outbound", TAP, world.service("tap", 4190))
    web = lambda: stage.client.call("one", **WEB)["status"] == 200  # noqa: E731
    pods.wait_for(web, 10, "the proxy after its restart")
    return tapped


def tap(pod: pods.Pod, **request: object) -> subprocess.Popen[str]:
    words = ["env", f"PYTHONPATH={pods.ROOT}", sys.executable, str(TAPPER), TAP, json.dumps(request)]
    return subprocess.Popen(pod.inside(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def events(session: subprocess.Popen[str]) -> list[Said]:
    out, errors = session.communicate(timeout=60)
    assert out, errors
    return [json.loads(line) for line in out.splitlines()]


def open_session(stage: conftest.Stage, **request: object) -> subprocess.Popen[str]:
    session = tap(stage.client, **request)
    pods.wait_for(lambda: stage.server.metric("tap_sessions") == 1, 10, "the session")
    return session


def test_a_request_is_seen_from_head_to_end_and_the_session_ends_at_its_limit(
    stage: conftest.Stage, reached: pods.Pod
) -> None:
    match = {"http": {"path": {"prefix": "/bytes"}}}
    session = open_session(stage, limit=1, match=match, extract={"http": {"headers": {}}})
    stage.client.call("one", **WEB, path="/other")
    stage.client.call("one", **WEB, path="/bytes?n=2000")
    request, response, end, last = events(session)
    assert last == {"end": "OK", "sentence": ""}
    assert request["proxyDirection"] == "INBOUND"
    assert request["destination"]["port"] == 8080
    assert request["sourceMeta"]["labels"] == {"tls": "true", "client_id": world.identity("client")}
    head = request["http"]["requestInit"]
    assert (head["path"], head["authority"], head["method"]) == ("/bytes", "web", {"registered": "GET"})
    names = {header["name"] for header in head["headers"]["headers"]}
    assert "l5d-client-id" in names
    answer = response["http"]["responseInit"]
    assert answer["httpStatus"] == 200
    assert "x-app" in {header["name"] for header in answer["headers"]["headers"]}
    over = end["http"]["responseEnd"]
    assert over["responseBytes"] == "2000"
    assert over["id"] == head["id"] == answer["id"]
    assert float(over["sinceRequestInit"].rstrip("s")) > 0
    pods.wait_for(lambda: stage.server.metric("tap_sessions") == 0, 5, "the end of the session")


def test_grpc_ends_with_its_status_and_the_source_is_matched_by_address(
    stage: conftest.Stage, reached: pods.Pod
) -> None:
    match = {"destination": {"ports": {"min": 50051}}}
    session = open_session(stage, limit=2, match=match, extract={"http": {"headers": {}}})
    stage.client.call("grpc", **HEALTH, count=2)
    seen = [event["http"] for event in events(session) if "http" in event]
    ends = [event["responseEnd"] for event in seen if "responseEnd" in event]
    assert [end["eos"] for end in ends] == [{"grpcStatusCode": 0}] * 2
    trailers = {header["name"] for header in ends[0]["trailers"]["headers"]}
    assert "grpc-status" in trailers
    paths = {event["requestInit"]["path"] for event in seen if "requestInit" in event}
    assert paths == {"/grpc.health.v1.Health/Check"}


def test_a_client_that_leaves_takes_its_session_along(stage: conftest.Stage, reached: pods.Pod) -> None:
    session = open_session(stage, limit=100)
    session.kill()
    session.communicate()
    pods.wait_for(lambda: stage.server.metric("tap_sessions") == 0, 10, "the end of the session")
    assert stage.client.call("one", **WEB)["status"] == 200


def test_a_client_that_does_not_read_holds_up_nobody_and_what_it_misses_is_counted(
    stage: conftest.Stage, reached: pods.Pod
) -> None:
    session = open_session(stage, limit=1_000_000, extract={"http": {"headers": {}}})
    session.send_signal(signal.SIGSTOP)
    done = stage.client.call("many", **WEB, count=6000, connections=8)
    assert done["failed"] == 0, done
    assert stage.server.metric("tap_events_dropped_total") > 0
    session.kill()
    session.communicate()
    pods.wait_for(lambda: stage.server.metric("tap_sessions") == 0, 20, "the end of the session")


@pytest.mark.parametrize(
    "request_, sentence",
    [
        ({"limit": 0}, "limit must be over 0"),
        ({"limit": 1, "match": {"destination": {"ports": {"min": 9, "max": 1}}}}, "9 to 1 is no port range"),
        ({"limit": 1, "match": {"all": {"matches": [{}]}}}, "a match in a sequence is empty"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    stage: conftest.Stage, reached: pods.Pod, request_: Said, sentence: str
) -> None:
    assert events(tap(stage.client, **request_)) == [{"end": "INVALID_ARGUMENT", "sentence": sentence}]


def test_strangers_do_not_tap(stage: conftest.Stage, reached: pods.Pod) -> None:
    (by_identity,) = events(tap(stage.all["second"], limit=1))
    assert by_identity["end"] == "UNAUTHENTICATED"
    # From the bridge: no TLS at all.
    words = [sys.executable, str(TAPPER), TAP, json.dumps({"limit": 1})]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, cwd=pods.ROOT, env=env())
    assert json.loads(done.stdout)["end"] == "UNAUTHENTICATED", done.stderr


def test_who_says_nothing_is_shown_the_door_after_a_second(tapped: pods.Pod) -> None:
    start = time.monotonic()
    with socket.create_connection((tapped.ip, 4190), 10) as silent:
        assert silent.recv(1) == b""
    assert 0.9 < time.monotonic() - start < 1 + pods.SLOW


def env() -> dict[str, str]:
    return {"PYTHONPATH": str(pods.ROOT), "PATH": "/usr/bin:/bin"}


def test_without_a_name_there_is_no_tap_port(stage: conftest.Stage) -> None:
    closed = f"{world.IPS['second']}:4190"
    words = [sys.executable, str(TAPPER), closed, json.dumps({"limit": 1})]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, cwd=pods.ROOT, env=env())
    assert json.loads(done.stdout)["end"] == "UNAVAILABLE", done.stderr
