"""What a proxy weighs: at rest, for each idle connection, and after a burst."""

import contextlib
import pathlib
import subprocess
import sys
import time
from collections.abc import Generator

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire
MIB = 1 << 20
IDLER = pathlib.Path(__file__).parent / "idler.py"


@pytest.fixture
def fresh(stage: conftest.Stage, state: world.State) -> conftest.Stage:
    """The stage with proxies that have served nothing yet."""
    state.reset()
    for pod in (stage.client, stage.server):
        pod.restart_proxy(stage.anchors)
    return stage


@contextlib.contextmanager
def held(pod: pods.Pod, kind: str, host: str, port: int, count: int) -> Generator[list[str]]:
    """What the idler said once its connections were open; they are, inside."""
    words = ["sh", "-c", f"ulimit -n $(ulimit -H -n); exec {sys.executable} {IDLER} {kind} {host} {port} {count}"]
    process = subprocess.Popen(pod.inside(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        said: list[str] = []
        while not said or said[-1] != "ready":
            line = process.stdout.readline()
            assert line, f"the idler ended: {said}"
            said.append(line.strip())
        yield said
    finally:
        process.communicate("")


def bound(pod: pods.Pod, size: int) -> int:
    """A debug build carries its symbols about with it."""
    return size + int(pod.metric("proxy_build_info", profile="debug")) * 16 * MIB


def private(pod: pods.Pod) -> int:
    """Resident bytes that no file stands behind."""
    lines = pathlib.Path(f"/proc/{pod.children['proxy'].process.pid}/smaps_rollup").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("Anonymous:")).split()[1])


def lightest(pod: pods.Pod, seconds: float) -> int:
    """The least resident memory seen within that time."""
    end, least = time.monotonic() + seconds, pod.memory()
    while time.monotonic() < end:
        least = min(least, pod.memory())
        time.sleep(0.2)
    return least


def test_a_proxy_at_rest_is_small(fresh: conftest.Stage) -> None:
    for pod in (fresh.client, fresh.server):
        own, all_of_it = private(pod) / MIB, pod.memory() / MIB
        print(f"{pod.name} at rest: {all_of_it:.1f} MiB, {own:.1f} of them its own")
        # Most of it are pages of the program's file, shared by every proxy of a node.
        assert own <= 2
        assert pod.memory() <= bound(pod, 8_000_000)


@pytest.mark.parametrize(
    "kind, host, port, count, limit", [("http", world.WEB, 80, 2000, 1024), ("echo", world.ECHO, 9000, 500, 6144)]
)
def test_an_idle_connection_is_small(
    fresh: conftest.Stage, kind: str, host: str, port: int, count: int, limit: int
) -> None:
    with held(fresh.client, kind, host, port, 100):
        pass
    sides = (fresh.client, fresh.server)
    before = [lightest(pod, 1) for pod in sides]
    with held(fresh.client, kind, host, port, count):
        # The buffers of the opening are let go within a few seconds, and the trim comes after ten.
        least = [before[i] + limit * count for i in range(2)]
        pods.wait_for(lambda: all(pod.memory() <= most for pod, most in zip(sides, least, strict=True)), 40, "rest")
        each = [(pod.memory() - old) / count for pod, old in zip(sides, before, strict=True)]
    print(f"{kind}: {each[0]:.0f} bytes on the client's side, {each[1]:.0f} on the server's")
    assert max(each) <= limit


def test_memory_comes_back_after_a_burst(fresh: conftest.Stage) -> None:
    sides = (fresh.client, fresh.server)
    with held(fresh.client, "burst", world.WEB, 80, 2000) as said:
        peak = [pod.memory() for pod in sides]
    # Some wait for one of eight links' streams, on a busy machine longer than the failfast time of a second.
    assert int(said[0].split()[0]) >= 1000
    most = bound(fresh.client, 12 * MIB)
    end = time.monotonic() + 60
    while time.monotonic() < end and any(pod.memory() > most for pod in sides):
        time.sleep(0.5)
    after = [pod.memory() for pod in sides]
    print(f"{[f'{n / MIB:.1f}' for n in peak]} MiB in the burst, {[f'{n / MIB:.1f}' for n in after]} after")
    assert max(after) <= most
