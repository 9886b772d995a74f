"""Edges, routes, ways in and out, gateways, the graph, series: from samples to rows."""

import pytest

from isthmus import names
from isthmus.kube import crds
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve.refusal import Refused
from isthmus.viz.answer import authz, edges, gateways, graph, outbound, resolve, routes, series
from isthmus.viz.ask import query, window
from tests.unit.viz import cluster as c
from tests.unit.viz.rows import buckets, line, row

SPLIT = crds.LinkerdHTTPRoute(
    metadata=c.meta("split"),
    spec={"rules": [{"backendRefs": [{"name": "web", "port": 80, "weight": 9}, {"name": "web-west", "port": 80}]}]},
)
KNOWN = c.known(
    c.of_deployment("app", 1, account="buyer"),
    c.of_deployment("web", 1, account="seller"),
    deployment=[c.deployment("app"), c.deployment("web")],
    service=[c.service("web", app="web"), c.service("web-west", remote="west"), c.service("probe-west", remote="west")],
    httproute=[SPLIT],
    link=[crds.Link(metadata=c.meta("west", "linkerd-multicluster"), spec={"targetClusterName": "west"})],
)
NOW, MINUTE = query.Source(60), window.read("1m")
WEB = {"namespace": "shop", "deployment": "app", "dst_namespace": "shop", "dst_service": "web", "dst_deployment": "web"}
WEST = {
    "namespace": "shop",
    "deployment": "app",
    "dst_namespace": "shop",
    "dst_service": "web-west",
    "dst_target_cluster": "west",
    "dst_target_service": "web",
    "dst_target_service_namespace": "there",
}


def subject(kind, name="", namespace="shop") -> resolve.Subject:
    return resolve.one(pb.Resource(type=kind, name=name, namespace=namespace), KNOWN)


def edge_rows(rows, kind="deployment", name=""):
    made = edges.table(subject(kind, name), rows, KNOWN, control_ns="linkerd", trust_domain="cluster.local")
    return [(e.src.name, e.dst.type, e.dst.name, e.client_id, e.server_id, e.no_identity_msg) for e in made]


def test_edges_name_both_identities():
    client = names.identity("buyer", "shop")
    assert edge_rows([row(1, **WEB, server_id="s")]) == [("app", "deployment", "web", client, "s", "")]


def test_an_edge_that_is_not_secured_says_why_and_claims_no_client():
    rows = [row(1, **WEB, no_tls_reason="not_provided_by_service_discovery")]
    assert edge_rows(rows) == [("app", "deployment", "web", "", "", "not_provided_by_service_discovery")]


def test_an_edge_to_another_cluster_ends_at_its_mirror_and_a_closed_one_is_none():
    rows = [row(1, **WEST, server_id="gateway"), row(0, **WEB, server_id="s")]
    assert [(e[1], e[2]) for e in edge_rows(rows)] == [("service", "web-west")]


@pytest.mark.parametrize("name, there", [("app", 1), ("web", 1), ("other", 0)])
def test_an_edge_is_of_both_its_ends(name, there):
    assert len(edge_rows([row(1, **WEB, server_id="s")], name=name)) == there


@pytest.mark.parametrize("kind", ["service", "server", "authority"])
def test_kinds_without_connections(kind):
    with pytest.raises(Refused, match="edges are between"):
        edges.ask(subject(kind), NOW)


WAY = {"namespace": "shop", "deployment": "web", "srv_kind": "server", "srv_name": "http"}
EMPTY = {word: [] for word in ("responses", "buckets", "allow", "deny", "tcp_allow", "tcp_deny")}


def ways(**answers):
    handle = resolve.handle(subject("deployment"), KNOWN)
    return authz.read(handle.key, {**EMPTY, **answers})


def test_ways_in_with_permissions_and_refusals():
    by = {
        "route_kind": "default",
        "route_name": "default",
        "authz_kind": "authorizationpolicy",
        "authz_name": "friends",
    }
    seen = ways(
        responses=[row(2, **WAY, **by, classification="success")],
        allow=[row(2, **WAY, **by)],
        deny=[row(1, **WAY, route_kind="default", route_name="default")],
    )
    rows = authz.table("deployment", seen, MINUTE).pod_group.rows
    said = [(r.srv_stats.authz.name, r.srv_stats.allowed_count, r.srv_stats.denied_count) for r in rows]
    assert said == [("", 0, 60), ("friends", 120, 0)]
    (one,) = authz.inbound("deployment", seen)
    assert (one.server, one.route, one.golden.rps, one.denied_rps) == ("http", "default", 2, 1)


def test_connections_count_only_where_nothing_is_looked_into():
    opaque = {**WAY, "srv_name": "db"}
    seen = ways(
        responses=[row(1, **WAY, classification="success")],
        tcp_allow=[row(5, **WAY), row(7, **opaque)],
        tcp_deny=[row(3, **opaque)],
    )
    assert {(at.server[1], one.allowed, one.denied) for at, one in seen.items()} == {("http", 0, 0), ("db", 7, 3)}


OUT = {
    "namespace": "shop",
    "deployment": "app",
    "parent_kind": "Service",
    "parent_namespace": "shop",
    "parent_name": "web",
    "parent_port": "80",
    "route_group": "policy.linkerd.io",
    "route_kind": "HTTPRoute",
    "route_namespace": "shop",
    "route_name": "split",
}
BACK = {**OUT, "backend_kind": "Service", "backend_namespace": "shop", "backend_port": "80"}


def out(**answers):
    handle = resolve.handle(subject("deployment"), KNOWN)
    return outbound.read(handle.key, {word.replace("_", " "): rows for word, rows in answers.items()})


def test_ways_out_with_backends_weights_timeouts_and_retries():
    seen = out(
        http_statuses=[
            row(9, **OUT, http_status="200", error=""),
            row(1, **OUT, http_status="", error="REQUEST_TIMEOUT"),
        ],
        http_took=buckets({0.01: 5, 0.02: 10, "+Inf": 10}, **OUT),
        http_retries=[row(2, **OUT)],
        http_backend_statuses=[row(8, **BACK, backend_name="web", http_status="200", error="")],
    )
    whole, part = outbound.rows("deployment", seen, KNOWN)
    assert (whole.service, whole.route, whole.type, whole.backend) == ("web.shop:80", "split", "httproute", "")
    assert (whole.golden.success, whole.golden.p50) == (0.9, pytest.approx(10))
    assert (whole.timeouts_per_second, whole.retries_per_second) == (1, 2)
    assert (part.backend, part.weight, part.golden.rps) == ("web.shop:80", 9, 8)


@pytest.mark.parametrize("backend, weight", [("web", 9), ("web-west", 1), ("gone", None)])
def test_weights_are_what_the_route_says_today(backend, weight):
    seen = out(http_backend_statuses=[row(1, **BACK, backend_name=backend, http_status="200", error="")])
    (one,) = outbound.rows("deployment", seen, KNOWN)
    assert (one.weight if one.HasField("weight") else None) == weight


def test_routes_of_a_profile_have_what_was_really_sent():
    to = subject("service", "web")
    plan = routes.plan(subject("deployment", "app"), to, KNOWN, NOW, "cluster.local")
    at = {"namespace": "shop", "deployment": "app", "dst": "web.shop.svc.cluster.local:80", "rt_route": "GET /"}
    answers = {
        "effective": [row(3, **at, classification="success")],
        "actual": [row(3, **at, classification="success"), row(2, **at, classification="failure")],
        "buckets": [],
    }
    ((one,),) = [table.rows for table in routes.tables(subject("deployment", "app"), plan, answers, MINUTE, to)]
    assert (one.route, one.stats.success_count, one.stats.actual_failure_count) == ("GET /", 180, 120)
    assert r"web\.shop\.svc\.cluster\.local" in plan.queries["effective"].replace("\\\\", "\\")


@pytest.mark.parametrize(
    "kind, to, says", [("server", None, "workloads and Services"), ("deployment", ("pod", "x"), "lead to Services")]
)
def test_routes_that_are_none(kind, to, says):
    with pytest.raises(Refused, match=says):
        routes.plan(subject(kind), subject(*to) if to else None, KNOWN, NOW, "cluster.local")


def seen(alive, took=()):
    return gateways.read(KNOWN, {"alive": alive, "buckets": list(took), "age": []})


def test_a_gateway_with_its_services_and_latency():
    took = buckets({10: 0, 20: 1, "+Inf": 1}, target_cluster_name="west")
    (one,) = gateways.table(seen([row(1, target_cluster_name="west")], took), cluster="", namespace="", seconds=60).rows
    assert (one.cluster_name, one.alive, one.paired_services, one.latency_ms_p50) == ("west", True, 1, 15)


@pytest.mark.parametrize("alive", [[row(0, target_cluster_name="west")], []], ids=["dead", "unknown"])
def test_a_gateway_of_which_no_probe_told_is_not_alive(alive):
    (one,) = gateways.table(seen(alive), cluster="west", namespace="", seconds=60).rows
    assert not one.alive
    assert not gateways.table(seen(alive), cluster="south", namespace="", seconds=60).rows


def test_links_over_time():
    lines = {"alive": [line([(1, 1), (2, 0)], target_cluster_name="west")], "latency": []}
    (one,) = gateways.links(seen([row(0, target_cluster_name="west")]), lines)
    assert [(p.at, p.alive) for p in one.points] == [(1, True), (2, False)] and one.alive is False


def drawn(**answers):
    return graph.edges(answers, KNOWN)


def test_an_edge_into_another_cluster_is_named_by_its_own_words():
    found = drawn(responses=[row(2, **WEST, classification="success", tls="true")], open=[row(1, **WEST, tls="true")])
    (one,) = graph.messages(found)
    assert (one.target.cluster, one.target.namespace, one.target.name) == ("west", "there", "web")
    assert (one.service, one.secured, one.golden.rps, one.tcp_connections) == ("web-west.shop", 1, 2, 1)


def test_who_was_refused_is_known_by_identity():
    denied = row(4, namespace="shop", deployment="web", client_id=names.identity("buyer", "shop"))
    ((pair, one),) = drawn(deny=[denied]).items()
    assert (pair[0].name, pair[1].name, one.denied) == ("app", "web", 4)


def test_a_stranger_who_was_refused_makes_no_edge():
    assert not drawn(
        deny=[row(4, namespace="shop", deployment="web", client_id="nobody.nowhere.serviceaccount.identity.x")]
    )


def test_nodes_are_workloads_and_ends():
    found = drawn(responses=[row(2, **WEST, classification="success", tls="true")])
    answers = {"inbound": [row(3, namespace="shop", deployment="web", classification="success")], "inbound buckets": []}
    nodes = {(n.subject.cluster, n.subject.name): n for n in graph.nodes(answers, found, KNOWN, "shop")}
    assert set(nodes) == {("", "app"), ("", "web"), ("west", "web")}
    assert (nodes["", "web"].golden.rps, nodes["", "web"].meshed) == (3, 1)


def test_series_by_name_with_latencies():
    one = subject("deployment", "web")
    plan = series.questions(one, KNOWN, NOW)
    at = {"namespace": "shop", "deployment": "web"}
    lines = {
        "responses": [
            line([(1, 2), (2, 4)], **at, classification="success"),
            line([(2, 4)], **at, classification="failure"),
        ],
        "p50": [line([(2, 7)], **at)],
    }
    (made,) = series.series(one, plan, lines)
    assert [(p.golden.rps, p.golden.success) for p in made.points] == [(2, 1), (8, 0.5)]
    assert made.points[1].golden.p50 == 7 and not made.points[0].golden.HasField("p50")
