"""What happens when things come and go: endpoints, the control plane, the proxy itself."""

import os
import signal
import time
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
AWAY = float(os.environ.get("ISTHMUS_TEST_OUTAGE", "4"))
"""Seconds without a control plane."""


def test_endpoints_churn_under_load_without_a_failure(stage: conftest.Stage, state: world.State) -> None:
    sets = [["server"], ["server", "second"], ["second"], ["second", "server"]]
    load = stage.client.calling("many", **WEB, count=1_000_000, connections=8, seconds=6)
    for i in range(20):
        state.edit("endpoints", world.path("web"), [world.endpoint(pod, 8080) for pod in sets[i % 4]])
        time.sleep(0.25)
    said = load.communicate(timeout=30)[0]
    assert '"failed": 0' in said, said


def test_traffic_goes_on_without_a_control_plane(stage: conftest.Stage, state: world.State) -> None:
    stage.client.call("many", **WEB, count=10, connections=1)
    meshed = [pod for pod in stage.all.values() if "plane" in pod.children]
    load = stage.client.calling("many", **WEB, count=10_000_000, connections=8, seconds=AWAY + 2)
    for pod in meshed:
        pod.children["plane"].end()
    try:
        answered_without_anybody(stage)
        said = load.communicate(timeout=AWAY + 60)[0]
        assert '"failed": 0' in said, said
        pods.wait_for(lambda: stage.client.metric("control_stale_streams") > 0, 5, "staleness")
        answered_without_anybody(stage)
    finally:
        for pod in meshed:
            pod.start_plane(stage.state.file, stage.ca)
    state.edit("endpoints", world.path("web"), [world.endpoint("second", 8080)])
    moved = lambda: stage.client.call("many", **WEB, count=1, connections=1)["clusters"] == {"second": 1}  # noqa: E731
    pods.wait_for(moved, 15, "news after the outage")
    pods.wait_for(lambda: stage.client.metric("control_stale_streams") == 0, 20, "all streams")


def answered_without_anybody(stage: conftest.Stage) -> None:
    """New connections to a known Service work; an unknown one is answered within 2 s, never hung."""
    assert stage.client.call("many", **WEB, count=50, connections=50)["failures"] == []
    for last in (99, 98):
        unknown = stage.client.call("one", host=f"10.96.0.{last}", port=80, name="x", limit=20)
        assert unknown["seconds"] < 2 + pods.SLOW, unknown


def test_a_certificate_is_renewed_before_it_ends(stage: conftest.Stage, state: world.State) -> None:
    state.edit("lifetime", "seconds", 5)
    time.sleep(1)  # the control plane reads it
    remote = stage.all["remote"]
    remote.restart_proxy(stage.anchors, IDENTITY_MIN_REFRESH="1s")
    renewed = lambda: remote.metric("control_identity_cert_refreshes_total", result="ok") >= 3  # noqa: E731
    pods.wait_for(renewed, 12, "two renewals")
    done = remote.call("many", **WEB, count=20, connections=2)
    assert done["failures"] == []
    state.reset()
    remote.restart_proxy(stage.anchors)


def test_sigterm_finishes_what_runs_then_ends(stage: conftest.Stage, state: world.State) -> None:
    pod = stage.all["second"]
    # Streams of another proxy to the control plane here last until the grace is over.
    pod.restart_proxy(stage.anchors, SHUTDOWN_GRACE_PERIOD="4s")
    state.edit("endpoints", world.path("web"), [world.endpoint("second", 8080)])
    moved = lambda: stage.client.call("many", **WEB, count=1, connections=1)["clusters"] == {"second": 1}  # noqa: E731
    pods.wait_for(moved, 5, "the endpoint")
    slow = stage.client.calling("one", **WEB, path="/slow?ms=1500")
    time.sleep(0.7)
    proxy = pod.children["proxy"]
    proxy.process.send_signal(signal.SIGTERM)
    said = slow.communicate(timeout=20)[0]
    assert '"status": 200' in said, said
    assert proxy.process.wait(12) == 0
    pod.start_proxy(stage.anchors)
    pod.wait_ready()
    pods.wait_for(moved, 15, "the peer to be used again")
