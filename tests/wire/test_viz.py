"""What the metrics API tells of real proxies, by a real Prometheus, against the load that was really sent.

Counts are of a window that Prometheus widens by at most a scrape at each end: BOUND is what that may add to a load of ten seconds.
Quantiles are within the bucket that holds the injected latency.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import yaml

from isthmus.install.viz import plan, scrape, values
from isthmus.rpc import insight_pb2 as insight
from isthmus.rpc import viz_pb2 as pb
from tests import promtool
from tests.unit.install import builders
from tests.wire import cluster, conftest, pods, test_planes, world

pytestmark = pytest.mark.wire

PORT, PROMETHEUS = 8087, "127.0.0.1:9090"
FAST, FAILED, SLOW, AWAY = 300, 60, 40, 120
BOUND = 0.25
SHOP = "10.96.0.21"
BY_ROUTE = {"/headers": 90, "/status/503": 50, "/": 40}
BY_STATUS = {"0": 120, "5": 30, "14": 60}
"""Of gRPC: OK; NOT_FOUND, which is an answer; UNAVAILABLE, which is a failure."""
OWNED = ("client", "server", "second", "gateway")
ID = world.identity


def owned(doc: cluster.Doc) -> cluster.Doc:
    """A pod as a Deployment's, with the ports and labels that its injection leaves."""
    name = doc["metadata"]["name"]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-5d", "uid": "u", "controller": True}
    labels = {"pod-template-hash": "5d", "linkerd.io/proxy-deployment": name}
    ports = [{"name": "linkerd-admin", "containerPort": 4191}]
    containers = [c | ({"ports": ports} if c["name"] == "linkerd-proxy" else {}) for c in doc["spec"]["containers"]]
    meta = doc["metadata"] | {"labels": doc["metadata"]["labels"] | labels, "ownerReferences": [owner]}
    return doc | {"metadata": meta, "spec": doc["spec"] | {"containers": containers}}


def objects(*more: cluster.Doc) -> list[cluster.Doc]:
    """The client's cluster with owners and the mirror's marks."""
    made = [owned(d) if d["kind"] == "Pod" else d for d in cluster.home(*more)]
    mirror = next(d for d in made if d["kind"] == "Service" and d["metadata"]["name"] == "web-west")
    marks = {"mirror.linkerd.io/mirrored-service": "true", "mirror.linkerd.io/cluster-name": "west"}
    mirror["metadata"]["labels"] = marks
    mirror["metadata"]["annotations"] |= {"mirror.linkerd.io/remote-svc-fq-name": "web.default.svc.cluster.local"}
    deployments = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": n, "namespace": "default"}} for n in OWNED
    ]
    return [*made, *others(), owned(cluster.pod("gateway")), *deployments]


def others() -> list[cluster.Doc]:
    """On pod second: Service `shop` with a profile of two routes, Service `health` that speaks gRPC."""
    return [
        cluster.service("shop", SHOP),
        cluster.members("shop", ["second"], 8080),
        cluster.routes("shop", headers="/headers", broken="/status/5.."),
        cluster.service("health", world.HEALTH, 50051),
        cluster.members("health", ["second"], 50051),
    ]


@dataclasses.dataclass(frozen=True)
class Metrics:
    """The metrics API, asked as the CLI asks."""

    def ask(self, service: str, method: str, question: Any, kind: Any) -> Any:
        url = f"http://127.0.0.1:{PORT}/rpc/{service}/{method}"
        request = urllib.request.Request(url, data=question.SerializeToString(), method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return kind.FromString(answer.read())

    def stat(self, kind: str, name: str = "", **more: Any) -> dict[str, Any]:
        chosen = pb.ResourceSelection(resource=pb.Resource(namespace="default", type=kind, name=name))
        question = pb.StatSummaryRequest(selector=chosen, time_window="1m", tcp_stats=True, **more)
        answer = self.ask("linkerd2.viz.Api", "StatSummary", question, pb.StatSummaryResponse)
        assert not answer.HasField("error"), answer.error
        return {row.resource.name: row for table in answer.ok.stat_tables for row in table.pod_group.rows}

    def insight(self, method: str, question: Any, kind: Any) -> Any:
        return self.ask("isthmus.viz.Insight", method, question, kind)


@pytest.fixture(scope="module")
def metrics(stage: conftest.Stage) -> Iterator[Metrics]:
    """Real proxies under our planes, a Prometheus that scrapes them each second, and the metrics API; with the load sent."""
    files = {name: stage.ca / f"{name}-viz.json" for name in ("client", "server", "gateway")}
    own = test_planes.OWN
    children: list[subprocess.Popen[bytes]] = []
    env = os.environ | {"PYTHONPATH": str(pods.ROOT)}
    for name, file in files.items():
        listed = objects() if name != "gateway" else [*map(owned, cluster.away()[:2]), *cluster.away()[2:]]
        cluster.write(file, listed)
        words = [sys.executable, str(test_planes.HERE / "planes.py"), test_planes.PORT, str(file)]
        stage.all[name].start("planes", *words, env=env)
    try:
        for name in files:
            child = stage.all[name].children["planes"]
            pods.wait_for(lambda c=child: b"serving" in c.log.read_bytes(), 30, f"{name}: our planes", child)
            stage.all[name].restart_proxy(stage.anchors, **own)
        children += [api(stage, files["client"], env), prometheus(stage.ca)]
        send(stage)
        yield Metrics()
    finally:
        for child in children:
            child.kill()
            child.communicate()
        for name in files:
            stage.all[name].restart_proxy(stage.anchors)
            stage.all[name].children["planes"].end()


def api(stage: conftest.Stage, file: pathlib.Path, env: dict[str, str]) -> "subprocess.Popen[bytes]":
    words = [sys.executable, str(test_planes.HERE / "viz.py"), str(PORT), str(file), f"http://{PROMETHEUS}"]
    child = subprocess.Popen(words, env=env, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"serving\n"
    return child


def prometheus(folder: pathlib.Path) -> "subprocess.Popen[bytes]":
    """Debian's, with the configuration of our installation but for where targets are asked for."""
    chosen = values.overlay(values.Values(), {"scrapeInterval": "1s"})
    text = json.dumps(scrape.config(plan.Plan(builders.plan(), chosen, builders.webhook())))
    config = yaml.safe_load(text.replace("metrics-api.linkerd-viz.svc.cluster.local:8087", f"127.0.0.1:{PORT}"))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config | {"rule_files": []}))
    words = [promtool.program("prometheus"), f"--config.file={folder}/prometheus.yml"]
    words += [f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address={PROMETHEUS}", "--log.level=error"]
    return subprocess.Popen(words)


def scraped(name: str) -> bool:
    """Whether Prometheus has read a proxy twice."""
    query = f"http://{PROMETHEUS}/api/v1/query?query=count_over_time(up%7Bdeployment%3D%22{name}%22%7D%5B30s%5D)"
    try:
        with urllib.request.urlopen(query, timeout=3) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return False
    return bool(found) and float(found[0]["value"][1]) >= 2


def send(stage: conftest.Stage) -> None:
    """One of each first, so that every series is there before what is counted; then the load; then two scrapes."""
    web: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
    west: dict[str, Any] = {"host": world.WEST, "port": 80, "name": "web-west"}
    for name in OWNED:
        pods.wait_for(lambda n=name: scraped(n), 30, f"{name} to be scraped")
    for first in (True, False):
        stage.client.call("several", **web, path="/", count=1 if first else FAST)
        stage.client.call("several", **web, path="/status/500", count=1 if first else FAILED)
        stage.client.call("several", **web, path="/?ms=150", count=1 if first else SLOW)
        stage.client.call("several", **west, path="/", count=1 if first else AWAY)
        for path, count in BY_ROUTE.items():
            stage.client.call("several", host=SHOP, port=80, name="shop", path=path, count=1 if first else count)
        counts = dict.fromkeys(BY_STATUS, 1) if first else BY_STATUS
        stage.client.call("ends", host=world.HEALTH, port=50051, name="health", counts=counts)
        time.sleep(3)


def near(found: float, sent: float) -> bool:
    return sent <= found + 2 and found <= sent * (1 + BOUND) + 2


def test_requests_and_success(metrics: Metrics) -> None:
    row = metrics.stat("deployment")["server"]
    assert near(row.stats.success_count, FAST + SLOW)
    assert near(row.stats.failure_count, FAILED)
    assert (row.meshed_pod_count, row.running_pod_count, row.failed_pod_count) == (1, 1, 0)


def test_latencies_lie_in_the_bucket_of_what_was_injected(metrics: Metrics) -> None:
    stats = metrics.stat("deployment")["server"].stats
    assert stats.latency_ms_p50 < 50
    assert 100 < stats.latency_ms_p95 <= 200 and 100 < stats.latency_ms_p99 <= 300


@pytest.mark.parametrize(
    "kind, more, name, success, failure",
    [
        ("pod", {}, "server", FAST + SLOW, FAILED),
        ("service", {}, "web", FAST + SLOW + AWAY, FAILED),
        ("service", {}, "web-west", AWAY, 0),
        ("deployment", {"to_resource": ("service", "web")}, "client", FAST + SLOW, FAILED),
        ("deployment", {"to_resource": ("service", "web-west")}, "client", AWAY, 0),
        ("deployment", {"to_resource": ("deployment", "server")}, "client", FAST + SLOW, FAILED),
        ("deployment", {"from_resource": ("deployment", "client")}, "server", FAST + SLOW, FAILED),
        ("service", {"from_resource": ("pod", "client")}, "web-west", AWAY, 0),
        ("authority", {}, "web.default.svc.cluster.local:80", FAST + SLOW + AWAY, FAILED),
    ],
)
def test_the_same_load_from_every_side(metrics: Metrics, kind, more, name, success, failure) -> None:
    """What the gateway forwards is a call of Service `web` too: here both clusters are in one namespace."""
    ends: dict[str, Any] = {word: pb.Resource(namespace="default", type=k, name=n) for word, (k, n) in more.items()}
    stats = metrics.stat(kind, **ends)[name].stats
    assert near(stats.success_count, success)
    assert near(stats.failure_count, failure)


@contextlib.contextmanager
def held(stage: conftest.Stage, stop: pathlib.Path, count: int) -> Generator[None]:
    """So many connections to the echo service, open inside; each must end well."""
    words: dict[str, Any] = {"host": world.ECHO, "port": 9000, "seconds": 20, "until": str(stop)}
    children = [stage.client.calling("hold", **words) for _ in range(count)]
    try:
        yield
    finally:
        stop.touch()
        said = [json.loads(child.communicate(timeout=30)[0]) for child in children]
    assert [one["error"] for one in said] == [""] * count


def test_connections_and_bytes(metrics: Metrics, stage: conftest.Stage, tmp_path: pathlib.Path) -> None:
    def opened(kind: str, name: str) -> int:
        return metrics.stat(kind)[name].tcp_stats.open_connections

    with held(stage, tmp_path / "stop", 4):
        # Each proxy is scraped at its own moment of the second.
        pods.wait_for(lambda: opened("service", "echo") == 4, 15, "four connections")
        pods.wait_for(lambda: opened("deployment", "server") >= 4, 5, "the server's side of them")
    assert metrics.stat("deployment")["server"].tcp_stats.read_bytes_total > FAST * 20


def test_edges_and_identities(metrics: Metrics, stage: conftest.Stage, tmp_path: pathlib.Path) -> None:
    chosen = pb.ResourceSelection(resource=pb.Resource(namespace="default", type="deployment"))

    def edges() -> set[tuple[str, ...]]:
        answer = metrics.ask("linkerd2.viz.Api", "Edges", pb.EdgesRequest(selector=chosen), pb.EdgesResponse)
        return {(e.src.name, e.dst.name, e.client_id, e.server_id, e.no_identity_msg) for e in answer.ok.edges}

    wanted = ("client", "server", ID("client"), ID("server"), "")
    with held(stage, tmp_path / "stop", 1):
        pods.wait_for(lambda: wanted in edges(), 12, f"{wanted} among {edges()}")


def test_routes(metrics: Metrics) -> None:
    chosen = pb.ResourceSelection(resource=pb.Resource(namespace="default", type="deployment", name="client"))
    to = pb.Resource(namespace="default", type="service", name="web")
    question = pb.TopRoutesRequest(selector=chosen, time_window="1m", to_resource=to)
    answer = metrics.ask("linkerd2.viz.Api", "TopRoutes", question, pb.TopRoutesResponse)
    ((table,), (row,)) = answer.ok.routes, answer.ok.routes[0].rows
    assert table.resource == "deployment/client" and row.authority == "web.default:80"
    assert near(row.stats.success_count, FAST + SLOW) and near(row.stats.failure_count, FAILED)
    assert near(row.stats.actual_success_count, FAST + SLOW)


def test_routes_of_a_profile(metrics: Metrics) -> None:
    chosen = pb.ResourceSelection(resource=pb.Resource(namespace="default", type="deployment", name="client"))
    to = pb.Resource(namespace="default", type="service", name="shop")
    question = pb.TopRoutesRequest(selector=chosen, time_window="1m", to_resource=to)
    answer = metrics.ask("linkerd2.viz.Api", "TopRoutes", question, pb.TopRoutesResponse)
    rows = {row.route: row for table in answer.ok.routes for row in table.rows if ".svc." in row.authority}
    assert set(rows) == {"headers", "broken", "[DEFAULT]"}, rows
    assert {row.authority for row in rows.values()} == {"shop.default.svc.cluster.local:80"}
    assert near(rows["headers"].stats.success_count, BY_ROUTE["/headers"])
    assert near(rows["broken"].stats.failure_count, BY_ROUTE["/status/503"])
    assert near(rows["[DEFAULT]"].stats.success_count, BY_ROUTE["/"])
    assert [rows["headers"].stats.failure_count, rows["broken"].stats.success_count] == [0, 0]


@pytest.mark.parametrize("kind, ends", [("authority", {}), ("service", {}), ("deployment", ("service", "health"))])
def test_grpc_fails_by_its_status(metrics: Metrics, kind: str, ends: Any) -> None:
    more: dict[str, Any] = {"to_resource": pb.Resource(namespace="default", type=ends[0], name=ends[1])} if ends else {}
    name = {"authority": "health.default.svc.cluster.local:50051", "service": "health", "deployment": "client"}[kind]
    stats = metrics.stat(kind, **more)[name].stats
    assert near(stats.success_count, BY_STATUS["0"] + BY_STATUS["5"])
    assert near(stats.failure_count, BY_STATUS["14"])


def test_grpc_by_backend(metrics: Metrics) -> None:
    subject = insight.Subject(namespace="default", kind="deployment", name="client")
    rows = metrics.insight("Outbound", insight.RowsRequest(subject=subject), insight.OutboundResponse).rows
    sent, good = sum(BY_STATUS.values()), BY_STATUS["0"] + BY_STATUS["5"]
    (whole,) = [
        row.golden for row in rows if row.service == "health.default:50051" and row.backend == "health.default:50051"
    ]
    assert near(whole.rps * 60, sent)
    assert abs(whole.success - good / sent) < 0.05


def test_inbound_by_server_and_route(metrics: Metrics) -> None:
    subject = insight.Subject(namespace="default", kind="deployment", name="server")
    (row,) = metrics.insight("Inbound", insight.RowsRequest(subject=subject), insight.InboundResponse).rows
    assert (row.server, row.route, row.type) == ("default:all-unauthenticated", "default", "default")
    sent = FAST + SLOW + FAILED
    assert near(row.golden.rps * 60, sent) and abs(row.golden.success - (FAST + SLOW) / sent) < 0.02


def test_outbound_by_backend(metrics: Metrics) -> None:
    subject = insight.Subject(namespace="default", kind="deployment", name="client")
    rows = metrics.insight("Outbound", insight.RowsRequest(subject=subject), insight.OutboundResponse).rows
    found = {(row.service, row.backend): row.golden.rps * 60 for row in rows}
    assert near(found["web.default:80", ""], FAST + SLOW + FAILED)
    assert near(found["web.default:80", "web.default:80"], FAST + SLOW + FAILED)
    assert near(found["web-west.default:80", "web-west.default:80"], AWAY)


def test_the_graph_reaches_into_the_other_cluster(metrics: Metrics) -> None:
    answer = metrics.insight("Graph", insight.GraphRequest(namespace="default"), insight.GraphResponse)
    edges = {(e.source.name, e.target.cluster, e.target.kind, e.target.name, e.service): e for e in answer.edges}
    here = edges["client", "", "deployment", "server", "web.default"]
    away = edges["client", "west", "service", "web", "web-west.default"]
    assert near(here.golden.rps * 60, FAST + SLOW + FAILED) and near(away.golden.rps * 60, AWAY)
    assert here.secured == 1 and away.secured == 1
    nodes = {(n.subject.cluster, n.subject.name): n for n in answer.nodes}
    assert (nodes["", "server"].pods, nodes["", "server"].meshed) == (1, 1)
    assert near(nodes["", "server"].golden.rps * 60, FAST + SLOW + FAILED)


def test_series_follow_the_load(metrics: Metrics) -> None:
    subject = insight.Subject(namespace="default", kind="deployment", name="server")
    question = insight.SeriesRequest(subject=subject, window="15s", range="2m", step="1s")
    (one,) = metrics.insight("Series", question, insight.SeriesResponse).series
    assert max(p.golden.rps for p in one.points) > min(p.golden.rps for p in one.points)
    assert one.points[-1].at > time.time() - 5


@pytest.mark.parametrize(
    "question, says",
    [
        ({"type": "king"}, "no such resource: 'king'"),
        ({"type": "server", "namespace": "x" * 300}, "no name of a resource"),
    ],
)
def test_a_question_that_is_none_is_told_in_the_answer(metrics: Metrics, question, says) -> None:
    request = pb.StatSummaryRequest(selector=pb.ResourceSelection(resource=pb.Resource(**question)), time_window="1m")
    answer = metrics.ask("linkerd2.viz.Api", "StatSummary", request, pb.StatSummaryResponse)
    assert says in answer.error.error


def test_who_was_refused(metrics: Metrics, stage: conftest.Stage) -> None:
    """The last test here: a Server that lets in nobody who calls it."""
    for name in ("client", "server"):
        cluster.write(stage.ca / f"{name}-viz.json", objects(cluster.server(8080), *cluster.allow(ID("second"))))
    web: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
    pods.wait_for(lambda: stage.client.call("one", **web)["status"] == 403, 10, "a refusal")
    time.sleep(2.5)
    stage.client.call("several", **web, path="/", count=80)
    time.sleep(2.5)
    asked = pb.Resource(namespace="default", type="deployment", name="server")
    answer = metrics.ask(
        "linkerd2.viz.Api", "Authz", pb.AuthzRequest(resource=asked, time_window="15s"), pb.AuthzResponse
    )
    said = [row.srv_stats for row in answer.ok.stat_table.pod_group.rows]
    assert near(sum(one.denied_count for one in said if (one.srv.type, one.srv.name) == ("server", "web")), 80)
    graph = metrics.insight("Graph", insight.GraphRequest(namespace="default", window="15s"), insight.GraphResponse)
    denied = sum(e.denied_rps for e in graph.edges if (e.source.name, e.target.name) == ("client", "server"))
    assert near(denied * 15, 80)
