"""What pages show, from what clusters answered."""

import datetime as dt
from typing import Any

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service

from isthmus import names
from isthmus.check import facts, finding
from isthmus.dashboard import shapes
from isthmus.dashboard.pages import common, detail, health, links, overview, permissions, splits, tables
from isthmus.kube import crds
from isthmus.rpc import insight_pb2 as pb
from isthmus.rpc import viz_pb2

HEAD = shapes.Head(0.0, "1m", "isthmus", [])
ALL = common.Query()
Row = viz_pb2.StatTable.PodGroup.Row


def sub(name, kind="deployment", cluster="", namespace="demo"):
    return pb.Subject(cluster=cluster, namespace=namespace, kind=kind, name=name)


def gold(rps=1.0, success: float | None = 1.0, **latencies):
    return pb.Golden(rps=rps, success=success, **latencies)


def edge(source, target, rps=1.0, **more):
    return pb.GraphEdge(source=source, target=target, golden=gold(rps), **more)


def node(subject, rps=1.0):
    return pb.GraphNode(subject=subject, golden=gold(rps), pods=1, meshed=1)


def link(target="west", uid="uid-west", status=None):
    meta = ObjectMeta(
        name=target, namespace="linkerd-multicluster", annotations={"multicluster.linkerd.io/target-uid": uid}
    )
    return crds.Link(metadata=meta, spec={"targetClusterName": target}, status=status or {})


# Overview


def two_clusters():
    gateway = sub("linkerd-gateway", namespace="linkerd-multicluster")
    there = sub("web", "service", cluster="west")
    east = pb.GraphResponse(
        nodes=[node(sub("client"), 9)], edges=[edge(sub("client"), there, 9, service="web.demo:80", secured=1)]
    )
    west = pb.GraphResponse(nodes=[node(gateway, 8), node(sub("web"), 9)], edges=[edge(gateway, sub("web"), 9)])
    return {"east": overview.Seen(east, [link("west")], "uid-east"), "b": overview.Seen(west, (), "uid-west")}


def test_two_graphs_are_joined_across_the_link():
    seen = overview.overview(two_clusters(), {}, HEAD)
    assert [e.id for e in seen.edges] == [
        "east/demo/deployment/client>b/linkerd-multicluster/deployment/linkerd-gateway>web.demo:80",
        "b/linkerd-multicluster/deployment/linkerd-gateway>b/demo/deployment/web>",
    ]
    assert [e.link for e in seen.edges] == ["east -> b", ""]
    assert [n.gateway for n in seen.nodes] == [False, True, False]
    assert [(c.name, c.asked, c.mark) for c in seen.clusters] == [("east", True, "ok"), ("b", True, "ok")]


def test_a_cluster_seen_through_a_link_only_is_a_box_too():
    seen = overview.overview({"east": two_clusters()["east"]}, {"north": "cluster 'north' does not answer"}, HEAD)
    assert [(c.name, c.asked, c.says) for c in seen.clusters] == [
        ("east", True, "9 requests a second"),
        ("north", False, "cluster 'north' does not answer"),
        ("west", False, "seen through links only"),
    ]


@pytest.mark.parametrize(
    "denied, ruled, target, policy",
    [
        (0, True, "web", "ruled"),
        (0, False, "web", "open"),
        (2.5, True, "web", "denying"),
        (0, True, "other", "open"),
    ],
)
def test_an_edge_tells_its_policy(denied, ruled, target, policy):
    graph = pb.GraphResponse(edges=[edge(sub("client"), sub(target), denied_rps=denied)])
    keys = frozenset({("demo", "deployment", "web")} if ruled else ())
    assert overview.overview({"east": overview.Seen(graph, ruled=keys)}, {}, HEAD).edges[0].policy == policy


@pytest.mark.parametrize("success, mark", [(1.0, "ok"), (0.99, "ok"), (0.95, "warn"), (0.5, "fail"), (None, "unknown")])
def test_the_grade_of_success(success, mark):
    assert overview.grade(shapes.Golden(1, success)) == mark


# Tables


def row(name, ok=0, bad=0, namespace="demo", **more):
    stats = viz_pb2.BasicStats(
        success_count=ok, failure_count=bad, latency_ms_p50=1, latency_ms_p95=2, latency_ms_p99=3
    )
    return Row(
        resource=viz_pb2.Resource(namespace=namespace, name=name),
        stats=stats,
        running_pod_count=2,
        meshed_pod_count=1,
        **more,
    )


@pytest.mark.parametrize(
    "ok, bad, golden",
    [(90, 30, shapes.Golden(2.0, 0.75, 1, 2, 3)), (0, 0, shapes.Golden()), (60, 0, shapes.Golden(1.0, 1.0, 1, 2, 3))],
)
def test_counts_become_rates(ok, bad, golden):
    assert common.counted(row("web", ok, bad).stats, 60.0) == golden


def test_the_same_workload_of_two_clusters_stands_together():
    seen = {name: tables.Seen([row("web", 60), row("app")]) for name in ("east", "west")}
    page = tables.workloads(seen, ALL, "deployment", HEAD)
    assert [(r.subject.name, r.subject.cluster) for r in page.rows] == [
        ("app", "east"), ("app", "west"), ("web", "east"), ("web", "west"),
    ]  # fmt: skip


def test_bytes_are_per_second():
    tcp = viz_pb2.TcpStats(open_connections=3, read_bytes_total=600, write_bytes_total=60)
    made = tables.row("east", row("web", tcp_stats=tcp), "deployment", 60.0, {})
    assert (made.tcp_connections, made.read_bytes_per_second, made.write_bytes_per_second) == (3, 10.0, 1.0)


def test_namespaces_with_their_series():
    points = [pb.Point(at=t, golden=gold(t)) for t in (30, 60)]
    series = [pb.OneSeries(subject=sub("demo", "namespace", namespace=""), points=points)]
    page = overview.namespaces({"east": overview.Spaces([row("demo", 60)], series)}, ALL, HEAD)
    assert page.rows[0].spark == shapes.Spark(30.0, 30.0, [30.0, 60.0], [1.0, 1.0], [None, None])


@pytest.mark.parametrize(
    "value, shown", [(float("nan"), 0.0), (float("inf"), 0.0), (1234567.0, 1235000.0), (0.33333333, 0.3333)]
)
def test_numbers_are_what_a_screen_shows(value, shown):
    assert common.number(value) == shown


def test_a_sum_tells_the_worst_latency():
    parts = [shapes.Golden(1, 1.0, 1, 2, 3), shapes.Golden(3, 0.5, 9, 9, None), shapes.Golden()]
    assert common.summed(parts) == shapes.Golden(4.0, 0.625, 9, 9, 3)


# One workload


def pod(name="web-abc-1", owner="web-abc", identity="$(_pod_sa).$(_pod_ns).x") -> Any:
    env = [{"name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME", "value": identity}]
    return Pod.from_dict(
        {
            "metadata": {
                "name": name, "namespace": "demo", "labels": {"app": "web", "pod-template-hash": "abc"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "u", "controller": True}],
            },
            "spec": {"serviceAccountName": "web", "containers": [{"name": "linkerd-proxy", "env": env}]},
            "status": {"phase": "Running"},
        }
    )  # fmt: skip


WEB = common.Query("east", "demo", "deployment", "web")


def test_one_workload_its_ends_and_its_pods():
    graph = pb.GraphResponse(
        edges=[edge(sub("client"), sub("web"), 5), edge(sub("web"), sub("db", cluster="west"), 3, service="db.demo:80")]
    )
    seen = detail.Seen([row("web", 60)], [row("web-abc-1"), row("other")], graph, pods=[pod(), pod("x", "other-abc")])
    page = detail.workload_page(seen, WEB, 0.0, HEAD)
    assert page.found and page.golden.rps == 1.0
    assert [p.subject.name for p in page.upstream] == ["client"]
    assert [(p.subject.cluster, p.link) for p in page.downstream] == [("west", "east -> west")]
    assert [r.subject.name for r in page.pod_rows] == ["web-abc-1"]
    assert [c.identity for c in page.certificates] == ["web.demo.x"]


def test_a_workload_that_is_not_there():
    assert not detail.workload_page(detail.Seen(), WEB, 0.0, HEAD).found


@pytest.mark.parametrize(
    "expires, mark, says",
    [
        ("86400", "ok", "ends in 24.0 h"),
        ("1800", "warn", "ends in 30 min"),
        ("-5", "fail", "its certificate has ended"),
        (None, "unknown", "was not asked"),
    ],
)
def test_a_certificate(expires, mark, says):
    page = f"# HELP x\ncontrol_identity_cert_expiration_timestamp_seconds {expires}\n" if expires else None
    found = detail.certificate(pod(), page, 0.0)
    assert found.mark == mark and says in found.says


# Links


STATUS = {
    "conditions": [
        {"type": "GatewayAlive", "status": "True", "message": "1 of 1 addresses answer", "lastTransitionTime": "t"}
    ],
    "gateway": [{"address": "10.0.0.1", "health": "alive", "since": "t"}],
    "summary": {"mirrored": 1},
    "mirrorServices": [
        {
            "remoteRef": {"namespace": "demo", "name": "web"},
            "conditions": [{"status": "True", "message": "", "localRef": {"namespace": "demo", "name": "web-west"}}],
        }
    ],
}


def linked(status=None, alive: bool | None = True, age: float | None = 3.0, backends=("web", "web-west")):
    measured = pb.LinkSeries(
        cluster="west", alive=alive, target_age=age, p50=1.5, points=[pb.LinkPoint(at=1, latency_ms=2)]
    )
    rows = [
        pb.OutboundRow(subject=sub("client"), service="web.demo:80", backend=f"{b}.demo:80", golden=gold(2))
        for b in backends
    ]
    seen = links.Seen([link(status=STATUS if status is None else status)], [measured], [], rows)
    return links.links({"east": seen}, HEAD).rows[0]


def test_a_link_and_who_uses_it():
    found = linked()
    assert (found.mark, found.says, found.alive, found.services, found.p50) == (
        "ok",
        "1 of 1 addresses answer",
        True,
        1,
        1.5,
    )
    assert [(e.mirror, [u.name for u in e.users]) for e in found.exported] == [("web-west", ["client"])]
    assert found.points[0].latency_ms == 2.0 and found.points[0].alive is None


def dead(alive="False"):
    return {**STATUS, "conditions": [{"type": "GatewayAlive", "status": alive, "message": "no answer"}]}


@pytest.mark.parametrize(
    "status, backends, active, says",
    [
        (STATUS, ("web", "web-west"), False, "web would answer"),
        (dead(), ("web", "web-west"), True, "web should answer"),
        (dead(), ("web-west",), False, "nobody answers"),
    ],
)
def test_failover_of_a_split(status, backends, active, says):
    found = linked(status, backends=backends).failover[0]
    assert found.active is active and says in found.says


@pytest.mark.parametrize("age, mark", [(3.0, "ok"), (100.0, "warn"), (4000.0, "fail"), (None, "unknown")])
def test_the_age_of_a_stream(age, mark):
    assert linked(age=age).streams[0].mark == mark


@pytest.mark.parametrize(
    "status, measured, alive, mark",
    [
        (dead(), True, False, "fail"),
        ({}, True, True, "ok"),
        ({}, None, None, "unknown"),
        (dead("Unknown"), None, None, "unknown"),
    ],
)
def test_whose_word_counts_for_a_gateway(status, measured, alive, mark):
    found = linked(status, alive=measured)
    assert (found.alive, found.mark) == (alive, mark)


# Splits


def http_route(name="web", weights=(50, 50), created="2026-01-01T00:00:00Z", **spec):
    refs = [{"name": n, "port": 80, "weight": w} for n, w in zip(("web", "web-west"), weights, strict=True)]
    body = {
        "parentRefs": [{"group": "core", "kind": "Service", "name": "web", "port": 80}],
        "rules": [{"backendRefs": refs}],
        **spec,
    }
    meta = ObjectMeta(
        name=name, namespace="demo", resourceVersion="7", creationTimestamp=dt.datetime.fromisoformat(created)
    )
    return splits.Held("policy.linkerd.io", "HTTPRoute", crds.LinkerdHTTPRoute(metadata=meta, spec=body))


def traffic_split():
    spec = {"service": "web", "backends": [{"service": "web", "weight": 1}, {"service": "web-west", "weight": 1}]}
    meta = ObjectMeta(name="old", namespace="demo", resourceVersion="3")
    return splits.Held("split.smi-spec.io", "TrafficSplit", crds.TrafficSplit(metadata=meta, spec=spec))


def split_page(*held, outbound=(), writable=True):
    services = {names.Key("demo", "web"): "", names.Key("demo", "web-west"): "west"}
    return splits.splits({"east": splits.Seen(held, services, outbound, "east")}, ALL, HEAD, writable=writable).rows


def test_weights_meant_and_measured():
    rows = [
        pb.OutboundRow(service="web.demo:80", route="web", backend=f"{b}.demo:80", golden=gold(rps))
        for b, rps in (("web", 30), ("web-west", 10))
    ]
    found = split_page(http_route(weights=(60, 40)), outbound=rows)[0]
    assert [(b.name, b.intended, b.measured, b.link) for b in found.backends] == [
        ("web", 0.6, 0.75, ""),
        ("web-west", 0.4, 0.25, "east -> west"),
    ]
    assert found.id == "east|policy.linkerd.io|HTTPRoute|demo|web|0" and found.rules and found.writable
    assert found.command == "kubectl --context east -n demo get httproutes.policy.linkerd.io web -o yaml"


def test_a_route_has_the_word_over_a_traffic_split():
    parent = {"group": "core", "kind": "Service", "name": "web"}
    rows = {r.name: r for r in split_page(http_route(parentRefs=[parent]), traffic_split())}
    assert rows["web"].rules and not rows["old"].rules and rows["old"].says == "a route has the word"


def test_a_route_for_one_port_leaves_the_others_to_the_traffic_split():
    rows = {r.name: r for r in split_page(http_route(), traffic_split())}
    assert rows["old"].rules and rows["old"].says == "a route has the word on port 80"


def test_a_route_that_cannot_be_read_is_shown_with_the_reason():
    found = split_page(http_route(hostnames=["not a host"]))[0]
    assert not found.writable and "it cannot be read" in found.says and "hostnames" in found.says


@pytest.mark.parametrize(
    "matches, says",
    [
        ([], "all requests"),
        ([{"path": {"type": "Exact", "value": "/a"}, "method": "GET"}], "GET and path /a"),
        ([{"path": {"value": "/a"}}, {"headers": [{"name": "x", "value": "1"}]}], "path prefix /a or header x: 1"),
    ],
)
def test_a_rule_in_words(matches, says):
    rule = {"backendRefs": [{"name": "web", "port": 80}], "matches": matches}
    assert split_page(http_route(rules=[rule]))[0].matches == says


# Policy


SERVER = crds.Server(
    metadata=ObjectMeta(name="web", namespace="demo", labels={"app": "web"}),
    spec={"podSelector": {"matchLabels": {"app": "web"}}, "port": "http", "proxyProtocol": "HTTP/1"},
)


def rules(**more):
    return permissions.Seen([SERVER], default="all-unauthenticated", **more)


def policy_for(*refs):
    spec = {"targetRef": {"kind": "Server", "name": "web"}, "requiredAuthenticationRefs": list(refs)}
    return crds.AuthorizationPolicy(metadata=ObjectMeta(name="p", namespace="demo"), spec=spec)


CLIENTS = crds.MeshTLSAuthentication(
    metadata=ObjectMeta(name="c", namespace="demo"),
    spec={"identities": ["*"], "identityRefs": [{"kind": "Namespace", "name": "a"}]},
)
NET = crds.NetworkAuthentication(
    metadata=ObjectMeta(name="n", namespace="demo"), spec={"networks": [{"cidr": "10.0.0.0/8"}]}
)


@pytest.mark.parametrize(
    "refs, clients",
    [
        ([], ["everybody"]),
        ([{"kind": "ServiceAccount", "name": "a"}], ["ServiceAccount demo/a"]),
        ([{"kind": "MeshTLSAuthentication", "name": "c"}], ["every meshed client", "every account of namespace a"]),
        ([{"kind": "NetworkAuthentication", "name": "n"}], ["everybody from 10.0.0.0/8"]),
        ([{"kind": "MeshTLSAuthentication", "name": "gone"}], ["nobody: MeshTLSAuthentication demo/gone is missing"]),
    ],
)
def test_whom_a_policy_lets_in(refs, clients):
    page = permissions.policy(
        {"east": rules(policies=[policy_for(*refs)], clients=[CLIENTS], networks=[NET])}, ALL, HEAD
    )
    assert [p.clients for p in page.permissions] == [clients]
    assert page.defaults == {"east": "everybody"}


def test_an_older_authorization():
    spec = {
        "server": {"selector": {"matchLabels": {"app": "web"}}},
        "client": {"meshTLS": {"serviceAccounts": [{"name": "a"}]}},
    }
    older = crds.ServerAuthorization(metadata=ObjectMeta(name="s", namespace="demo"), spec=spec)
    page = permissions.policy({"east": rules(older=[older])}, ALL, HEAD)
    assert page.permissions[0].clients == ["ServiceAccount its own namespace/a"]


def test_nobody_is_let_in_by_a_server_alone():
    assert permissions.policy({"east": rules()}, ALL, HEAD).permissions[0].clients == ["nobody"]


def test_denials_by_client_where_it_is_known():
    inbound = [pb.InboundRow(subject=sub(n), server="web", golden=gold(0), denied_rps=2) for n in ("web", "db")]
    seen = rules(inbound=inbound, edges=[edge(sub("client"), sub("web"), denied_rps=2)])
    page = permissions.policy({"east": seen}, ALL, HEAD)
    assert [(d.client, d.target.name) for d in page.denials] == [("deployment/client.demo", "web"), ("", "db")]
    assert page.permissions[0].denied_rps == 4.0


@pytest.mark.parametrize(
    "labels, says", [({"app": "web"}, "lets in nobody"), ({"app": "db"}, "the default lets in everybody")]
)
def test_the_rules_of_a_workload(labels, says):
    assert says in permissions.rules(rules(), [labels], shapes.Subject("east", "demo", "deployment", "web"))[0].says


# Health


def test_health_of_components_proxies_and_checks():
    deployment = {
        "metadata": {"name": "linkerd-identity", "namespace": "linkerd"},
        "spec": {
            "replicas": 2,
            "selector": {},
            "template": {"spec": {"containers": [{"name": "identity", "image": "x/control:1.0"}]}},
        },
        "status": {"readyReplicas": 1},
    }
    found: Any = Deployment.from_dict(deployment)
    meshed = pod()
    seen = facts.Facts(
        "east",
        dt.datetime.now(dt.UTC),
        deployments={names.Key("linkerd", "linkerd-identity"): found},
        meshed_pods=[meshed],
    )
    check = finding.Check("id", "cat", "it is well", "do this", lambda _: None)
    results = [finding.Result(check, finding.fail("why")), finding.Result(check, finding.OK)]
    page = health.health({"east": health.Seen(seen, results)}, HEAD)
    assert [(c.name, c.mark, c.version) for c in page.components] == [("linkerd-identity", "warn", "1.0")]
    assert [(d.namespace, d.proxies, d.mark) for d in page.data_plane] == [("demo", 1, "warn")]
    assert [(c.verdict, c.hint) for c in page.checks] == [("fail", "do this"), ("ok", "")]


def test_mirrors_without_an_entry_in_the_status_are_listed_too():
    meta = ObjectMeta(
        name="db-west",
        namespace="demo",
        labels={names.CLUSTER_NAME: "west"},
        annotations={names.REMOTE_FQ_NAME: "db.demo.svc.cluster.local"},
    )
    page = links.links({"east": links.Seen([link(status={})], mirrors=[Service(metadata=meta)])}, HEAD)
    assert [(e.namespace, e.name, e.mirror) for e in page.rows[0].exported] == [("demo", "db", "db-west")]
