"""Long opaque streams: bytes arrive whole, and what a gigabyte costs is printed (`pytest -s`); the bound is for any machine."""

import pathlib

import pytest

from tests.wire import conftest, pods, test_memory, world

pytestmark = pytest.mark.wire
SIZE = 256 << 20


def cpu(pod: pods.Pod) -> float:
    """Milliseconds that the proxy's threads ran."""
    tasks = pathlib.Path(f"/proc/{pod.children['proxy'].process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e6


def test_a_long_stream_is_cheap(stage: conftest.Stage, state: world.State) -> None:
    sides = (stage.client, stage.server)
    for pod in sides:
        pod.restart_proxy(stage.anchors)
    stage.client.call("tcp", host=world.ECHO, port=9000, size=1 << 20)
    before = [cpu(pod) for pod in sides]
    said = stage.client.call("tcp", host=world.ECHO, port=9000, size=SIZE)
    assert said["bytes"] >= SIZE
    # There and back: each proxy carries twice the size.
    each = [(cpu(pod) - old) / (2 * SIZE / 1e9) for pod, old in zip(sides, before, strict=True)]
    print(f"ms CPU per GB: {each[0]:.0f} on the client's side, {each[1]:.0f} on the server's")
    # A debug build on a machine full of other work needs some seconds a gigabyte; ten would be a loop gone wrong.
    assert max(each) < 10_000
    assert all(pod.memory() < test_memory.bound(pod, 24 << 20) for pod in sides)
