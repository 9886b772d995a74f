"""What stat and its kin show, held against the load that was really sent; and the page of documentation made anew.

The load: the demonstration's client sends STEADY requests a second to `backend-svc`, split half and half between east and west; beside it
a burst goes from the client's pod to the mirror, so to west alone. Every figure is asked over a window that holds the burst. Bounds: a
split of n requests is off by 5 standard deviations at most; Prometheus stretches a window by two readings of 2 s, which SLACK covers.
"""

import json
import pathlib
import shutil
import time
from concurrent import futures
from typing import Any

import pytest
import yaml

from tests.lab import mesh
from tests.unit.docs import page as pages

pytestmark = pytest.mark.lab

STEADY = 5
WINDOW = 30
BURST = {"/": 60, "/status/503": 30, "/?delay=300ms": 10}
SENT = sum(BURST.values())
FAILED = BURST["/status/503"]
HALF = STEADY * WINDOW / 2
SPREAD = 5 * (STEADY * WINDOW / 4) ** 0.5
SLACK = 1.15
JSON = ("-n", mesh.NAMESPACE, "-o", "json")
ASKED = {
    "in": ("stat", "deploy", "--context", "east,west"),
    "called": ("stat", "svc", "--from", "deploy/client", "--context", "east"),
    "callers": ("stat", "deploy", "--to", f"svc/{mesh.MIRROR}", "--context", "east"),
    "out": ("stat-outbound", "deploy/client", "--context", "east"),
    "authz": ("authz", f"deploy/{mesh.SERVICE}", "--context", "west"),
    "edges": ("edges", "deploy", "--context", "east,west"),
    "gateways": ("gateways", "--context", "east"),
}
Row = dict[str, Any]


def rows(*words: str) -> list[Row]:
    window = () if words[0] == "edges" else ("-t", f"{WINDOW}s")
    return json.loads(mesh.isthmus(*words, *JSON, *window).stdout)


def only(found: list[Row], **wanted: object) -> Row:
    kept = [row for row in found if all(row[key] == value for key, value in wanted.items())]
    assert len(kept) == 1, f"{wanted} in {found}"
    return kept[0]


def near(rate: float, count: float, spread: float = 0.0) -> bool:
    """Whether a rate is that of `count` requests in the window, give or take `spread`."""
    return (count - spread) / SLACK <= rate * WINDOW <= (count + spread) * SLACK


@pytest.fixture(scope="module")
def seen(measured: mesh.Inside) -> dict[str, list[Row]]:
    """All answers, asked at once: the burst came when Prometheus had the steady load for most of a window, and was read twice since."""
    mesh.split(50, 50)
    address = mesh.cluster_ip("east", mesh.MIRROR)

    def send(path: str, count: int) -> None:
        measured.call("many", host=address, port=8888, name=mesh.MIRROR, count=count, connections=5, path=path)

    for path in BURST:  # a counter that is read for the first time with 30 in it has not grown, says Prometheus
        send(path, 1)
    time.sleep(WINDOW - 8)
    for path, count in BURST.items():
        send(path, count)
    time.sleep(6)
    with futures.ThreadPoolExecutor(3) as pool:
        return dict(zip(ASKED, pool.map(lambda words: rows(*words), ASKED.values()), strict=True))


def test_what_came_in_on_both_sides(seen: dict[str, list[Row]]) -> None:
    east, west = (only(seen["in"], cluster=one, name=mesh.SERVICE) for one in ("east", "west"))
    assert (east["meshed"], west["meshed"]) == ("1/1", "1/1")
    assert (east["success"], near(east["rps"], HALF, SPREAD)) == (1.0, True), east
    assert near(west["rps"], HALF + SENT, SPREAD), west
    assert 1 - FAILED * SLACK / (HALF + SENT - SPREAD) <= west["success"] <= 1 - FAILED / SLACK / (HALF + SENT + SPREAD)
    assert west["latency_ms_p50"] < 100 and 200 <= west["latency_ms_p99"] <= 500, west


def test_what_the_client_sent(seen: dict[str, list[Row]]) -> None:
    here, there = (only(seen["called"], name=name) for name in (mesh.SERVICE, mesh.MIRROR))
    assert near(here["rps"], HALF, SPREAD), here
    assert near(there["rps"], HALF + SENT, SPREAD), there
    sent = only(seen["callers"], name="client")
    assert near(sent["rps"], HALF + SENT, SPREAD), sent


def test_backends_of_the_split_by_weight(seen: dict[str, list[Row]]) -> None:
    split = [row for row in seen["out"] if row["route"] == "backend-split"]
    whole = only(split, backend=None)
    assert (whole["success"], near(whole["rps"], STEADY * WINDOW, STEADY)) == (1.0, True), whole
    for name in (mesh.SERVICE, mesh.MIRROR):
        backend = next(row for row in split if (row["backend"] or "").startswith(f"{name}."))
        assert (backend["weight"], near(backend["rps"], HALF, SPREAD)) == (50, True), backend


def test_who_talks_to_whom(seen: dict[str, list[Row]]) -> None:
    found = seen["edges"]
    assert [row for row in found if row["no_tls_reason"] and row["src_namespace"] == mesh.NAMESPACE] == []
    near_side = only(found, cluster="east", src="client", dst=mesh.SERVICE)
    assert (near_side["client_id"], near_side["server_id"]) == ("client.isthmus-demo", "backend-svc.isthmus-demo")
    far_side = only(found, cluster="west", src="linkerd-gateway", dst=mesh.SERVICE)
    assert far_side["client_id"] == "linkerd-gateway.linkerd-multicluster"


def test_the_gateway(seen: dict[str, list[Row]]) -> None:
    west = only(seen["gateways"], clusterName="west")
    assert (west["alive"], west["numberOfServices"]) == (True, 1)
    assert 0 <= west["latency_ms_p50"] <= west["latency_ms_p99"] < 1000


def test_who_was_let_in(seen: dict[str, list[Row]]) -> None:
    found = seen["authz"]
    kubelet = [row for row in found if row["authorization"] == "default/probe"]
    assert near(sum(row["rps"] or 0 for row in found if row not in kubelet), HALF + SENT, SPREAD), found
    assert sum(row["unauthorized"] for row in found) == 0


def test_a_cluster_that_is_away_hides_nobody(measured: mesh.Inside, tmp_path: pathlib.Path) -> None:
    doc = yaml.safe_load(mesh.isthmus("lab", "kubeconfig").stdout)
    doc["contexts"].append({"name": "away", "context": {"cluster": "away", "user": doc["users"][0]["name"]}})
    doc["clusters"].append({"name": "away", "cluster": {"server": "https://127.0.0.1:1"}})
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump(doc))
    done = mesh.isthmus("stat", "ns", "--context", "east,away", "--kubeconfig", str(config))
    assert "east" in done.stdout and "away: cluster 'away' does not answer" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(("stat", "deploy/bakend-svc"), "there is backend-svc", id="misspelt"),
        pytest.param(("stat", "deploy", "-n", "nowhere"), "there is no namespace 'nowhere'", id="no namespace"),
        pytest.param(("edges", "deploy", "-n", "kube-system"), "the mesh leaves it alone", id="not meshed"),
    ],
)
def test_nothing_to_see_says_why(measured: mesh.Inside, words: tuple[str, ...], says: str) -> None:
    where = () if "-n" in words else ("-n", mesh.NAMESPACE)
    assert says in mesh.isthmus(*words, *where, "--context", "east").stderr


def test_the_page_of_documentation_made_anew_has_the_same_shape(measured: mesh.Inside, tmp_path: pathlib.Path) -> None:
    made = tmp_path / "observability.md"
    shutil.copy(pages.tool.PAGE, made)
    pages.tool.main(["--to", str(made)])
    then, now = (pages.tool.shown(path.read_text()) for path in (pages.tool.PAGE, made))
    assert [(one.line, one.headers) for one in now] == [(one.line, one.headers) for one in then]
