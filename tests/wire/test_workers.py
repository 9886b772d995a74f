"""Two workers in a proxy: connections and mesh links go to the one that has less to do."""

import contextlib

import pytest

from tests.wire import conftest, pods, test_memory, world

pytestmark = pytest.mark.wire


def held(pod: pods.Pod) -> list[int]:
    """Accepted connections of each worker, as shown within the last second."""
    return [int(pod.metric("proxy_worker_connections", worker=str(worker))) for worker in range(2)]


def settled(pod: pods.Pod, count: int) -> list[int]:
    """The same, once they hold `count` together; what they hold after 5 s if they do not."""
    with contextlib.suppress(AssertionError):
        pods.wait_for(lambda: sum(held(pod)) == count, 5, "all connections")
    return held(pod)


def test_connections_and_links_are_spread_by_load(stage: conftest.Stage, state: world.State) -> None:
    sides = (stage.client, stage.server)
    for pod in sides:
        pod.restart_proxy(stage.anchors, CORES="2")
    try:
        with test_memory.held(stage.client, "http", world.WEB, 80, 40):
            # One in eight may be more on one side; the kernel alone would often leave 12 to 28.
            shares = settled(stage.client, 40)
            assert sum(shares) == 40 and min(shares) >= 16, shares
            # Each of the client's workers has a link; the server's workers have one each.
            assert settled(stage.server, 2) == [1, 1]
        with test_memory.held(stage.client, "echo", world.ECHO, 9000, 64):
            shares = [settled(stage.client, 64), settled(stage.server, 66)]
            assert min(map(min, shares)) >= 24, shares
    finally:
        for pod in sides:
            pod.restart_proxy(stage.anchors)
