"""Two workers in a proxy: connections and mesh links go to the one that has less to do."""

import pytest

from tests.wire import conftest, pods, test_memory, world

pytestmark = pytest.mark.wire


def held(pod: pods.Pod) -> list[int]:
    """Accepted connections of each worker, as shown within the last second."""
    return [int(pod.metric("proxy_worker_connections", worker=str(worker))) for worker in range(2)]


def test_connections_and_links_are_spread_by_load(stage: conftest.Stage, state: world.State) -> None:
    sides = (stage.client, stage.server)
    for pod in sides:
        pod.restart_proxy(stage.anchors, CORES="2")
    try:
        with test_memory.held(stage.client, "http", world.WEB, 80, 40):
            # One in eight may be more on one side; the kernel alone would often leave 12 to 28.
            pods.wait_for(lambda: sum(held(stage.client)) == 40 and min(held(stage.client)) >= 16, 5, "fair shares")
            # Each of the client's workers has a link; the server's workers have one each.
            pods.wait_for(lambda: held(stage.server) == [1, 1], 5, "a link for each worker")
            print(f"client {held(stage.client)}, server {held(stage.server)}")
        with test_memory.held(stage.client, "echo", world.ECHO, 9000, 64):
            pods.wait_for(lambda: min(held(stage.client)) >= 26 and min(held(stage.server)) >= 26, 5, "fair shares")
            print(f"client {held(stage.client)}, server {held(stage.server)}")
    finally:
        for pod in sides:
            pod.restart_proxy(stage.anchors)
