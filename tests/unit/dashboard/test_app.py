"""What a browser may ask, end to end inside one process."""

import datetime as dt
import re
from typing import Any

import prometheus_client
import pytest

from isthmus import logs
from isthmus.dashboard import app, files, guard, live, login
from isthmus.rpc import insight_pb2
from tests.unit.dashboard import doubles
from tests.unit.dashboard.test_writer import ID, route

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
CHANGE = {
    "id": ID,
    "version": "7",
    "weights": [{"namespace": "demo", "name": n, "port": 8888, "weight": w} for n, w in (("web", 1), ("web-west", 3))],
}
USERS = {"good": "viewer"}


def graph():
    east, west = (
        insight_pb2.Subject(namespace="demo", kind="deployment", name="client"),
        insight_pb2.Subject(cluster="west", namespace="demo", kind="deployment", name="web"),
    )
    return insight_pb2.GraphResponse(
        nodes=[insight_pb2.GraphNode(subject=east, pods=1, meshed=1)],
        edges=[insight_pb2.GraphEdge(source=east, target=west, golden=insight_pb2.Golden(rps=5, success=1), secured=1)],
    )


def made(*, own=True, may_write=True, page=None, server=None, **answers):
    hub = live.Hub(lambda _: None, live.Meters(prometheus_client.CollectorRegistry()), logs.get())  # pyright: ignore[reportArgumentType]
    server = server or doubles.Kube({"httproutes": [route()]}, None if own else USERS)

    def enter(token=""):
        known: dict[str, Any] = {"Graph": graph(), **answers}
        return doubles.room(doubles.cluster(server=server, token=token, **known))

    logins = None if own else login.Logins(enter, lambda: 0.0, busy=hub.busy, ended=hub.end)
    backend = app.Backend(
        hub,
        page or files.Page({}),
        enter() if own else None,
        logins,
        may_write,
        "machine" if own else "cluster",
        lambda: NOW,
    )
    return guard.Guard(app.app(backend), re.compile(guard.LOCAL))


async def test_the_overview_of_one_cluster():
    answer = await doubles.ask(made(), "GET", "/api/view/overview?window=5m")
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    assert answer.json["head"]["command"] == "isthmus edges deploy --context east -A -t 5m"
    assert [e["link"] for e in answer.json["edges"]] == ["east -> west"]


@pytest.mark.parametrize(
    "path, command",
    [
        ("overview?namespace=demo", "isthmus edges deploy --context east -n demo"),
        ("namespaces", "isthmus stat ns --context east"),
        ("workloads?kind=service", "isthmus stat svc --context east -A"),
        (
            "workload?cluster=east&namespace=demo&kind=deployment&name=web",
            "isthmus stat deploy/web --context east -n demo",
        ),
        ("links?window=10m", "isthmus gateways --context east -t 10m"),
        ("splits", "isthmus stat-outbound deploy --context east -A"),
        ("policy", "isthmus authz deploy --context east -A"),
        ("health", "isthmus check --proxy --context east"),
    ],
)
async def test_every_page_tells_the_command_that_says_the_same(path, command):
    assert (await doubles.ask(made(), "GET", f"/api/view/{path}")).json["head"]["command"] == command


@pytest.mark.parametrize(
    "path, status, says",
    [
        ("/api/view/nothing", 400, "view is 'nothing'"),
        ("/api/view/overview?window=3s", 400, "window is '3s'"),
        ("/api/view/overview?color=red", 400, "the query is 'color'"),
        ("/api/view/overview?cluster=north", 400, "cluster is 'north'"),
        ("/api/view/overview?namespace=%00", 400, "namespace is"),
        ("/api/view/workloads?kind=secret", 400, "kind is 'secret'"),
        ("/api/view/workload?cluster=east", 400, "namespace is ''"),
        ("/api/live/links?cluster=north", 400, "cluster is 'north'"),
        ("/api/other", 404, "there is no /api/other"),
    ],
)
async def test_a_question_nobody_can_answer(path, status, says):
    answer = await doubles.ask(made(), "GET", path)
    assert answer.status == status and says in answer.json["sentence"]


ONE = "workload?cluster=east&namespace=demo&kind=deployment&name=web"


@pytest.mark.parametrize("view", ["overview", "namespaces", "workloads", ONE, "links", "splits", "policy"])
async def test_metrics_that_are_away_are_a_problem_of_the_page(view):
    away = dict.fromkeys(("Graph", "StatSummary", "Series", "Inbound", "Outbound", "Links"), doubles.AWAY)
    server = doubles.Kube({"httproutes": [route()], "links": [LINK], "services": []})
    answer = await doubles.ask(made(server=server, **away), "GET", f"/api/view/{view}")
    assert answer.status == 200 and answer.json["head"]["problems"][0]["hint"] == "isthmus check"


LINK = {"metadata": {"name": "west", "namespace": "linkerd-multicluster"}, "spec": {"targetClusterName": "west"}}


async def test_a_split_is_previewed_then_written():
    gate = made()
    seen = await doubles.ask(gate, "POST", "/api/split/preview", CHANGE)
    assert seen.status == 200 and seen.json["changed"]
    done = await doubles.ask(gate, "POST", "/api/split", CHANGE)
    assert done.json == {"version": "next", "says": "HTTPRoute demo/web: web 1, web-west 3"}
    again = await doubles.ask(gate, "POST", "/api/split", CHANGE)
    assert again.status == 409 and "somebody else" in again.json["sentence"]


@pytest.mark.parametrize(
    "body, status, says",
    [
        (b"{", 400, "the body is no SplitChange"),
        ({**CHANGE, "weights": "all"}, 400, "the body is no SplitChange"),
        ({**CHANGE, "id": "north|policy.linkerd.io|HTTPRoute|demo|web|0"}, 400, "cluster is 'north'"),
        ({**CHANGE, "id": "east|policy.linkerd.io|HTTPRoute|demo|none|0"}, 409, "is gone"),
        (b"x" * (guard.BODY + 1), 413, "more than"),
    ],
)
async def test_a_change_that_cannot_be(body, status, says):
    answer = await doubles.ask(made(), "POST", "/api/split", body)
    assert answer.status == status and says in answer.json["sentence"]


async def test_a_dashboard_for_everybody_changes_nothing():
    answer = await doubles.ask(made(may_write=False), "POST", "/api/split", CHANGE)
    assert answer.status == 403 and "changes nothing" in answer.json["sentence"]
    splits = await doubles.ask(made(may_write=False), "GET", "/api/view/splits")
    assert [row["writable"] for row in splits.json["rows"]] == [False]


async def test_a_login_opens_the_pages_and_a_logout_closes_them():
    gate = made(own=False)
    assert (await doubles.ask(gate, "GET", "/api/session")).json["login"] == "needed"
    assert (await doubles.ask(gate, "GET", "/api/view/splits")).status == 401
    assert (await doubles.ask(gate, "POST", "/api/login", {"token": "bad"})).status == 401
    into = await doubles.ask(gate, "POST", "/api/login", {"token": "good"})
    assert (into.json["login"], into.json["user"], into.json["clusters"][0]["name"]) == ("in", "viewer", "east")
    cookie = {"cookie": into.headers["set-cookie"].partition(";")[0]}
    assert (await doubles.ask(gate, "GET", "/api/view/splits", headers=cookie)).status == 200
    out = await doubles.ask(gate, "POST", "/api/logout", {}, cookie)
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert (await doubles.ask(gate, "GET", "/api/view/splits", headers=cookie)).status == 401


async def test_what_a_viewer_may_not_see_is_told_in_the_page():
    class Narrow(doubles.Kube):
        def answer(self, request):
            return (
                doubles.refused(403, "Forbidden")
                if request.url.path.endswith("/httproutes")
                else super().answer(request)
            )

    answer = await doubles.ask(made(server=Narrow({})), "GET", "/api/view/splits")
    assert [(p["kind"], p["cluster"]) for p in answer.json["head"]["problems"]] == [("refused", "east")]


async def test_the_topology_stands_for_who_may_not_see_policy_and_links():
    class Narrow(doubles.Kube):
        def answer(self, request):
            return doubles.refused(403, "Forbidden")

    answer = await doubles.ask(made(server=Narrow({})), "GET", "/api/view/overview?namespace=demo")
    assert not answer.json["head"]["problems"] and [e["policy"] for e in answer.json["edges"]] == ["unknown"]


async def test_files_of_the_page_and_how_to_build_them():
    unbuilt = await doubles.ask(made(), "GET", "/")
    assert unbuilt.status == 503 and b"make web" in unbuilt.body
    page = files.Page({"/index.html": files.File("text/html", b"plain", b"packed", forever=False)})
    assert (await doubles.ask(made(page=page), "GET", "/links")).body == b"plain"
    packed = await doubles.ask(made(page=page), "GET", "/", headers={"accept-encoding": "gzip, br"})
    assert (packed.body, packed.headers["content-encoding"]) == (b"packed", "gzip")
    assert (await doubles.ask(made(page=page), "GET", "/assets/old.js")).status == 404
