"""The dashboard's backend on two linked clusters: moving the split in it moves real traffic, and the page sees it move."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from isthmus.demo import measure
from isthmus.kube import access
from isthmus.kube import client as kube
from tests.lab import mesh

pytestmark = pytest.mark.lab
GOAL = 2.0


@pytest.fixture
def dashboard(client: mesh.Inside) -> Iterator[str]:
    """`isthmus dashboard` for both clusters, as a person starts it; Ctrl-C must end it well."""
    words = [sys.executable, "-m", "isthmus", "dashboard", "--context", "east,west", "--no-open"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        address = running.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), running.communicate()
        yield address
        running.send_signal(signal.SIGINT)
        assert running.wait(15) == 0, running.communicate()


def ask(address: str, path: str, body: Any = None) -> Any:
    """One request of the page."""
    headers = {"Origin": address.rstrip("/"), "Content-Type": "application/json"} if body is not None else {}
    data = json.dumps(body).encode() if body is not None else None
    asked = urllib.request.Request(address.rstrip("/") + path, data, headers)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.loads(answer.read())


def split(address: str) -> dict[str, Any]:
    rows = ask(address, f"/api/view/splits?cluster=east&namespace={mesh.NAMESPACE}")["rows"]
    return next(row for row in rows if row["name"] == "backend-split")


def change(row: dict[str, Any], east: int, west: int) -> dict[str, Any]:
    weights = {mesh.SERVICE: east, mesh.MIRROR: west}
    told = [{**{k: b[k] for k in ("namespace", "name", "port")}, "weight": weights[b["name"]]} for b in row["backends"]]
    return {"id": row["id"], "version": row["version"], "weights": told}


def counted(pod: mesh.Inside) -> dict[str, float]:
    """Answers that the client's proxy has counted, by the cluster they came from."""

    async def page() -> str:
        async with kube.Client(access.load("east")) as client:
            return await client.text(f"/api/v1/namespaces/{mesh.NAMESPACE}/pods/{pod.pod}:4191/proxy/metrics")

    found: dict[str, float] = {}
    for peer, totals in measure.read(asyncio.run(page()), local="east", authority=mesh.SERVICE).items():
        found[peer.cluster] = found.get(peer.cluster, 0) + totals.ok
    return found


def moved(pod: mesh.Inside, wanted: str, since: float) -> float:
    """Seconds from `since` until every answer of an interval came from `wanted` (the end of that interval)."""
    before = counted(pod)
    while time.monotonic() - since < 30:
        after = counted(pod)
        told = {cluster: count - before.get(cluster, 0) for cluster, count in after.items()}
        if sum(told.values()) < 10:
            continue  # an interval that says something is a longer one
        if not sum(count for cluster, count in told.items() if cluster != wanted):
            return time.monotonic() - since
        before = after
    raise AssertionError(f"traffic did not move to {wanted}")


def test_moving_the_split_moves_the_traffic_in_two_seconds(client: mesh.Inside, dashboard: str) -> None:
    mesh.split(100, 0)
    order = {"host": mesh.cluster_ip("east", mesh.SERVICE), "port": 8888, "name": mesh.SERVICE}
    running = client.start("many", **order, count=10_000_000, seconds=25, connections=4)
    moved(client, "east", time.monotonic())
    times: list[float] = []
    for east, west in ((0, 100), (100, 0), (0, 100)):
        asked = change(split(dashboard), east, west)
        seen = ask(dashboard, "/api/split/preview", asked)
        assert [line["text"].strip() for line in seen["lines"] if line["sign"] == "+"] == [
            f"weight: {w}" for w in (east, west)
        ]
        since = time.monotonic()
        ask(dashboard, "/api/split", asked)
        times.append(moved(client, "west" if west else "east", since))
    out, err = running.communicate(timeout=60)
    done = json.loads(out or "{}") or pytest.fail(err)
    print(
        f"split moved by the dashboard: {', '.join(f'{t:.2f} s' for t in times)}; {sum(done['clusters'].values())} answers"
    )
    assert done["failed"] == 0, done["failures"]
    assert max(times) <= GOAL


def test_whoever_looks_sees_the_weights_move(client: mesh.Inside, dashboard: str) -> None:
    mesh.split(100, 0)
    row = split(dashboard)
    seen: list[tuple[float, list[int]]] = []
    path = f"api/live/splits?cluster=east&namespace={mesh.NAMESPACE}"

    def watch() -> None:
        with urllib.request.urlopen(dashboard + path, timeout=20) as stream:
            for line in stream:
                if line.startswith(b"data: ") and b"rows" in line:
                    rows = [r for r in json.loads(line[6:])["rows"] if r["name"] == "backend-split"]
                    seen.append((time.monotonic(), [b["weight"] for b in rows[0]["backends"]]))
                    if seen[-1][1] == [30, 70]:
                        return

    thread = threading.Thread(target=watch)
    thread.start()
    mesh.until(lambda: seen, "the first snapshot", limit=10)
    since = time.monotonic()
    ask(dashboard, "/api/split", change(row, 30, 70))
    thread.join(20)
    assert seen[-1][1] == [30, 70]
    print(f"the page saw the new weights after {seen[-1][0] - since:.2f} s")


def test_an_older_look_is_refused(client: mesh.Inside, dashboard: str) -> None:
    mesh.split(100, 0)
    stale = change(split(dashboard), 10, 90)
    mesh.split(60, 40)
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(dashboard, "/api/split", stale)
    assert refused.value.code == 409
    assert "changed by somebody else" in json.loads(refused.value.read())["sentence"]


def test_health_tells_what_check_tells(client: mesh.Inside, dashboard: str) -> None:
    found = ask(dashboard, "/api/view/health")
    assert {row["cluster"] for row in found["checks"]} == {"east", "west"}
    assert not [row for row in found["checks"] if row["verdict"] == "fail"]
    assert {"linkerd-identity", "linkerd-destination", "linkerd-gateway"} <= {c["name"] for c in found["components"]}


def test_the_link_of_east_is_shown_from_its_own_status(client: mesh.Inside, dashboard: str) -> None:
    row = ask(dashboard, "/api/view/links")["rows"][0]
    assert (row["source"], row["target"], row["alive"], row["mark"]) == ("east", "west", True, "ok")
    assert [e["mirror"] for e in row["exported"]] == [mesh.MIRROR]
