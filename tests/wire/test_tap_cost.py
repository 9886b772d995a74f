"""What it costs a proxy to be tapped at 1 000 events a second, printed (`pytest -s`); the bounds are for any machine."""

import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.wire import conftest, pods, test_bulk, test_tap, world

pytestmark = pytest.mark.wire
LIMIT = 334
"""Requests a second, of three events each."""
COUNT = 1500
PAIRS = 3
REST = 0.015
"""Seconds a connection waits after each answer."""
WAKES = 60
"""A second: of the thread that writes events. One for each batch, and some for what the client acknowledges."""


@pytest.fixture
def tapped(stage: conftest.Stage, state: world.State) -> Iterator[pods.Pod]:
    stage.server.restart_proxy(stage.anchors, TAP_SVC_NAME=world.identity("client"))
    state.edit("endpoints", world.path("tap", 4190), [world.endpoint("server", 4190, header=False)])
    state.edit("outbound", test_tap.TAP, world.service("tap", 4190))
    pods.wait_for(lambda: stage.client.call("one", **test_tap.WEB)["status"] == 200, 10, "the proxy after its restart")
    yield stage.server
    stage.server.restart_proxy(stage.anchors)


def wakes(pod: pods.Pod) -> int:
    """How often the control thread of the proxy has waited."""
    pid = pod.children["proxy"].process.pid
    status = pathlib.Path(f"/proc/{pid}/task/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))


def cost(stage: conftest.Stage) -> tuple[float, float]:
    """Microseconds of the server's proxy for one request, at about 500 a second: what one tap takes is spread over its second. And
    how often a second its control thread woke up."""
    began, before, woken = time.monotonic(), test_bulk.cpu(stage.server), wakes(stage.server)
    done = stage.client.call("many", **test_tap.WEB, count=COUNT, connections=8, rest=REST)
    assert done["failed"] == 0, done
    seconds = time.monotonic() - began
    each, often = (test_bulk.cpu(stage.server) - before) / COUNT * 1000, (wakes(stage.server) - woken) / seconds
    print(f"{COUNT / seconds:.0f} requests/s: {each:.0f} µs each, {often:.0f} wake-ups of the control thread a second")
    return each, often


def test_a_thousand_events_a_second(stage: conftest.Stage, tapped: pods.Pod) -> None:
    cost(stage)
    off: list[float] = []
    on: list[float] = []
    woken: list[float] = []
    for _ in range(PAIRS):
        off.append(cost(stage)[0])
        words = ["env", f"PYTHONPATH={pods.ROOT}", sys.executable, str(test_tap.TAPPER), test_tap.TAP]
        line = stage.client.inside(*words, json.dumps({"limit": LIMIT}), "30")
        session = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        pods.wait_for(lambda: stage.server.metric("tap_sessions") == 1, 10, "the session")
        each, often = cost(stage)
        on.append(each)
        woken.append(often)
        session.kill()
        session.communicate()
        pods.wait_for(lambda: stage.server.metric("tap_sessions") == 0, 20, "its end")
    print(f"µs a request: {statistics.median(off):.0f} untapped, {statistics.median(on):.0f} tapped; all: {off} {on}")
    ratios = [tap / bare for tap, bare in zip(on, off, strict=True)]
    print(f"ratio {statistics.median(ratios):.3f}; dropped {tapped.metric('tap_events_dropped_total'):.0f}")
    assert statistics.median(ratios) < 1.5
    assert statistics.median(woken) < WAKES
    assert tapped.metric("tap_events_dropped_total") == 0
