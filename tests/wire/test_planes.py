"""Real proxies under our own planes: the main job without Kubernetes, then who may call, and opaque bytes."""

import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.wire import cluster, conftest, pods, world

pytestmark = pytest.mark.wire

PORT = "8091"
WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
HERE = pathlib.Path(__file__).parent
OWN = {"DESTINATION_SVC_ADDR": f"localhost.:{PORT}", "POLICY_SVC_ADDR": f"localhost.:{PORT}"}

Tell = Callable[..., None]


@pytest.fixture(scope="module")
def tell(stage: conftest.Stage) -> Iterator[Tell]:
    """Client, server and gateway under our planes; call it with objects to add to the client's cluster."""
    files = {name: stage.ca / f"{name}-objects.json" for name in ("client", "server", "gateway")}

    def say(*more: cluster.Doc) -> None:
        for name in ("client", "server"):
            cluster.write(files[name], cluster.home(*more))

    say()
    cluster.write(files["gateway"], cluster.away())
    env = os.environ | {"PYTHONPATH": str(pods.ROOT)}
    for name, file in files.items():
        stage.all[name].start("planes", sys.executable, str(HERE / "planes.py"), PORT, str(file), env=env)
    for name in files:
        child = stage.all[name].children["planes"]
        pods.wait_for(lambda c=child: b"serving" in c.log.read_bytes(), 20, f"{name}: our planes", child)
        stage.all[name].restart_proxy(stage.anchors, **OWN)
    yield say
    for name in files:
        stage.all[name].restart_proxy(stage.anchors)
        stage.all[name].children["planes"].end()


@pytest.fixture(autouse=True)
def plain(tell: Tell) -> None:
    tell()


def shares(stage: conftest.Stage, count: int) -> dict[str, int]:
    done = stage.client.call("many", **WEB, count=count, connections=8)
    assert done["failures"] == []
    return done["clusters"]


def goes(stage: conftest.Stage, *where: str) -> None:
    """Waits until answers come from these pods alone."""
    pods.wait_for(lambda: set(shares(stage, 40)) == set(where), 10, f"answers from {where}")


def test_a_service_answers_with_identities_on_both_sides(stage: conftest.Stage) -> None:
    goes(stage, "server")
    done = stage.client.call("headers", **WEB)
    assert (done["status"], done["headers"]["l5d-client-id"]) == (200, world.identity("client"))


@pytest.mark.parametrize(
    "split",
    [
        pytest.param(cluster.route({"web": 50, "web-west": 50}), id="HTTPRoute"),
        pytest.param(cluster.traffic_split({"web": "500m", "web-west": "500m"}), id="TrafficSplit"),
        pytest.param(cluster.profile({"web": "500m", "web-west": "500m"}), id="ServiceProfile"),
    ],
)
def test_each_kind_of_split_reaches_the_other_cluster(stage: conftest.Stage, tell: Tell, split: cluster.Doc) -> None:
    tell(split)
    goes(stage, "server", "second")
    seen = shares(stage, 2000)
    assert 850 < seen["second"] < 1150  # 1000 expected, six deviations are 134


def test_a_route_beats_a_traffic_split_and_a_profile(stage: conftest.Stage, tell: Tell) -> None:
    tell(cluster.profile({"web": "1"}), cluster.traffic_split({"web": "1", "web-west": "0"}))
    goes(stage, "server")
    tell(cluster.profile({"web": "1"}), cluster.traffic_split({"web": "1"}), cluster.route({"web": 0, "web-west": 1}))
    goes(stage, "second")


def test_weights_move_under_load_without_a_failure(stage: conftest.Stage, tell: Tell) -> None:
    load = stage.client.calling("many", **WEB, count=1_000_000, connections=8, seconds=6)
    for share in (100, 50, 0, 50, 100, 0) * 2:
        tell(cluster.route({"web": share, "web-west": 100 - share}))
        shares(stage, 100)
    said, trouble = load.communicate(timeout=120)
    assert load.returncode == 0, trouble
    assert '"failures": []' in said and "server" in said and "second" in said


def test_a_backend_that_is_not_there_fails_its_share_alone(stage: conftest.Stage, tell: Tell) -> None:
    tell(cluster.route({"web": 1, "nowhere": 1}))
    pods.wait_for(lambda: stage.client.call("many", **WEB, count=40, connections=4)["failures"] != [], 10, "failures")
    done = stage.client.call("many", **WEB, count=400, connections=8)
    assert 120 < done["clusters"]["server"] < 280  # 200 expected, the others fail
    assert all(failure.startswith("500 ") for failure in done["failures"])


def test_opaque_bytes(stage: conftest.Stage) -> None:
    assert stage.client.call("tcp", host=world.ECHO, port=9000, size=70_000) == {"bytes": 70_006}


def test_a_server_lets_in_whom_its_policy_names(stage: conftest.Stage, tell: Tell) -> None:
    def answers(status: int) -> None:
        pods.wait_for(lambda: stage.client.call("download", **WEB, size=0)["status"] == status, 10, f"a {status}")

    tell(cluster.server(8080))
    answers(403)
    tell(cluster.server(8080), *cluster.allow(world.identity("client")))
    answers(200)
    tell(cluster.server(8080), *cluster.allow(world.identity("second")))
    answers(403)
