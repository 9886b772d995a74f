# ruff: noqa: E501 (rows of tables)
"""Made-up meshes in the shapes of the dashboard, for what a lab cannot show at will: thousands of services, silence, refusals, broken streams.

In: a scene's name, a time. Out: shapes. Numbers move with time, the same at the same time. Never here: HTTP (see `stage`).
"""

import math
from collections.abc import Callable

from isthmus.dashboard import shapes, shapes_more
from isthmus.dashboard.shapes import Golden, Head, Mark, Problem, Spark, Subject

STEP = 15.0
POINTS = 40

FEW = (
    ("east", "isthmus-demo", "client", 1, 1, 120.0, 0.999),
    ("east", "isthmus-demo", "backend-svc", 2, 2, 62.0, 1.0),
    ("east", "shop", "storefront", 3, 3, 48.0, 0.9971),
    ("east", "shop", "cart", 2, 2, 31.0, 0.9664),
    ("east", "shop", "checkout", 2, 2, 9.4, 0.882),
    ("east", "shop", "recommendations-generator", 2, 0, 0.0, None),
    ("east", "shop", "ledger", 1, 1, 0.4, 1.0),
    ("east", "linkerd", "linkerd-destination", 2, 2, 0.0, None),
    ("east", "kube-system", "coredns", 2, 0, 0.0, None),
    ("west", "isthmus-demo", "backend-svc", 2, 2, 58.0, 0.998),
    ("west", "linkerd-multicluster", "linkerd-gateway", 1, 1, 74.0, 0.998),
    ("west", "shop", "payments", 2, 2, 9.2, 0.91),
)
CALLS = (
    ("east/isthmus-demo/client", "east/isthmus-demo/backend-svc", 62.0, 1.0, 1.0, "ruled", ""),
    (
        "east/isthmus-demo/client",
        "west/linkerd-multicluster/linkerd-gateway",
        58.0,
        0.998,
        1.0,
        "ruled",
        "east -> west",
    ),
    ("west/linkerd-multicluster/linkerd-gateway", "west/isthmus-demo/backend-svc", 58.0, 0.998, 1.0, "ruled", ""),
    ("east/shop/storefront", "east/shop/cart", 31.0, 0.9664, 1.0, "open", ""),
    ("east/shop/storefront", "east/shop/recommendations-generator", 12.0, 1.0, 0.0, "unknown", ""),
    ("east/shop/cart", "east/shop/checkout", 9.4, 0.882, 1.0, "ruled", ""),
    ("east/shop/checkout", "west/linkerd-multicluster/linkerd-gateway", 9.2, 0.91, 1.0, "denying", "east -> west"),
    ("west/linkerd-multicluster/linkerd-gateway", "west/shop/payments", 9.2, 0.91, 1.0, "denying", ""),
    ("east/shop/checkout", "east/shop/ledger", 0.4, 1.0, 0.6, "open", ""),
)


def wave(now: float, size: float, phase: float = 0.0) -> float:
    """A number near `size` that moves."""
    return round(size * (1 + 0.12 * math.sin(now / 7 + phase)), 3)


def golden(now: float, rps: float, success: float | None, phase: float = 0.0) -> Golden:
    if rps <= 0:
        return Golden()
    slow = 1.0 if (success or 1) > 0.95 else 9.0
    return Golden(wave(now, rps, phase), success, wave(now, 2.1 * slow), wave(now, 7.5 * slow), wave(now, 21.0 * slow))


def spark(now: float, rps: float, success: float | None, phase: float = 0.0) -> Spark | None:
    if rps <= 0:
        return None
    start = now - now % STEP - STEP * (POINTS - 1)
    times = [start + STEP * n for n in range(POINTS)]
    return Spark(
        start,
        STEP,
        [wave(t, rps, phase) for t in times],
        [success for _ in times],
        [wave(t, 8.0, phase) for t in times],
    )


def head(now: float, command: str, *problems: Problem) -> Head:
    return Head(now, "1m", command, list(problems))


def subject(identifier: str, kind: str = "deployment") -> Subject:
    cluster, namespace, name = identifier.split("/")
    return Subject(cluster, namespace, kind, name)


def node_id(identifier: str) -> str:
    cluster, namespace, name = identifier.split("/")
    return f"{cluster}/{namespace}/deployment/{name}"


def few(now: float) -> shapes.Overview:
    """Two clusters, a third that is only heard of."""
    nodes = [
        shapes.Node(
            node_id(f"{c}/{ns}/{name}"),
            Subject(c, ns, "deployment", name),
            golden(now, rps, success, n),
            pods,
            meshed,
            gateway=name == "linkerd-gateway",
        )
        for n, (c, ns, name, pods, meshed, rps, success) in enumerate(FEW)
    ]
    edges = [_edge(now, n, *call) for n, call in enumerate(CALLS)]
    boxes = [
        shapes.ClusterBox("east", True, "warn", "checkout fails more than it should", 9, golden(now, 271, 0.985)),
        shapes.ClusterBox("west", True, "ok", "all is well", 3, golden(now, 141, 0.99)),
        shapes.ClusterBox("north", False, "unknown", "seen through the link east -> north alone", 0, Golden()),
    ]
    return shapes.Overview(head(now, "isthmus edges deploy -A --all-clusters"), boxes, nodes, edges)


def _edge(
    now: float, n: int, source: str, target: str, rps: float, success: float, secured: float, policy: str, link: str
) -> shapes.Edge:
    denied = 1.3 if policy == "denying" else 0.0
    says = {
        "ruled": "Server web lets identities of isthmus-demo in",
        "denying": "Server payments denies checkout",
        "open": "no Server rules the target",
    }.get(policy, "not known")
    return shapes.Edge(
        id=f"e{n}",
        source=node_id(source),
        target=node_id(target),
        service=target.split("/")[2] + ":8888",
        golden=golden(now, rps, success, n),
        tcp_connections=4.0,
        bytes_per_second=rps * 900,
        secured=secured,
        server_id=f"{target.split('/')[2]}.{target.split('/')[1]}.serviceaccount.identity.linkerd.cluster.local"
        if secured
        else "",
        denied_rps=denied,
        policy=policy,  # type: ignore[arg-type]
        policy_says=says,
        link=link,
    )


def many(now: float, services: int = 2000, namespaces: int = 25) -> shapes.Overview:
    """A mesh that nobody can draw whole."""
    names = [f"{'east' if n % 2 else 'west'}/team-{n % namespaces:02}/service-{n:04}" for n in range(services)]
    nodes = [
        shapes.Node(node_id(name), subject(name), golden(now, 1 + n % 40, 0.9 if n % 97 == 0 else 0.9995, n), 2, 2)
        for n, name in enumerate(names)
    ]
    edges = [
        _edge(
            now,
            n,
            names[n],
            names[(n * 7 + 13) % services],
            1 + n % 40,
            0.9 if n % 97 == 0 else 0.9995,
            1.0,
            "open",
            "",
        )
        for n in range(services)
        if names[n] != names[(n * 7 + 13) % services]
    ]
    boxes = [
        shapes.ClusterBox(c, True, "ok", "all is well", services // 2, golden(now, 9000, 0.999))
        for c in ("east", "west")
    ]
    return shapes.Overview(head(now, "isthmus edges deploy -A --all-clusters"), boxes, nodes, edges)


def silent(now: float) -> shapes.Overview:
    """Workloads, and not one request."""
    full = few(now)
    nodes = [shapes.Node(n.id, n.subject, Golden(), n.pods, n.meshed, n.gateway) for n in full.nodes]
    quiet = Problem(
        "",
        "No meshed workload sent a request in the last 1m.",
        "Is there traffic? isthmus check says whether pods are meshed.",
        "empty",
    )
    return shapes.Overview(head(now, "isthmus edges deploy -A", quiet), full.clusters, nodes, [])


def away(now: float) -> shapes.Overview:
    """Prometheus of one cluster does not answer, the other cluster cannot be reached."""
    full = few(now)
    problems = (
        Problem(
            "east",
            "Prometheus does not answer at prometheus.linkerd-viz:9090.",
            "kubectl -n linkerd-viz get pods tells why.",
        ),
        Problem(
            "west",
            "The cluster cannot be reached: no answer from its API server within 5 s.",
            "isthmus check --context west",
        ),
    )
    boxes = [shapes.ClusterBox(b.name, b.asked, "fail", "does not answer", 0, Golden()) for b in full.clusters[:2]]
    return shapes.Overview(head(now, "isthmus edges deploy -A --all-clusters", *problems), boxes, [], [])


def namespaces(now: float, view: shapes.Overview) -> shapes.Namespaces:
    found: dict[tuple[str, str], list[shapes.Node]] = {}
    for node in view.nodes:
        found.setdefault((node.subject.cluster, node.subject.namespace), []).append(node)
    rows = [
        shapes.NamespaceRow(
            cluster,
            name,
            sum(n.meshed for n in nodes),
            sum(n.pods for n in nodes),
            golden(now, sum(n.golden.rps for n in nodes), min((n.golden.success or 1.0) for n in nodes), len(name)),
            spark(now, sum(n.golden.rps for n in nodes), 1.0, len(name)),
        )
        for (cluster, name), nodes in found.items()
    ]
    return shapes.Namespaces(head(now, "isthmus stat ns --all-clusters"), rows)


def workloads(now: float, view: shapes.Overview, namespace: str, kind: str) -> shapes.Workloads:
    rows = [
        _row(now, n, node, kind)
        for n, node in enumerate(view.nodes)
        if (not namespace or node.subject.namespace == namespace) and kind in ("deployment", "pod", "service")
    ]
    return shapes.Workloads(head(now, f"isthmus stat {kind} -A --all-clusters"), namespace, kind, rows)


def _row(now: float, n: int, node: shapes.Node, kind: str) -> shapes.WorkloadRow:
    one = node.subject
    name = f"{one.name}-6f9c7d5b8-x{n % 10}k2p" if kind == "pod" else one.name
    return shapes.WorkloadRow(
        Subject(one.cluster, one.namespace, kind, name),
        node.meshed,
        node.pods,
        1 if one.name == "checkout" else 0,
        node.golden,
        4 if node.meshed else None,
        node.golden.rps * 800 if node.meshed else None,
        node.golden.rps * 300 if node.meshed else None,
        "Running" if kind == "pod" else "",
        spark(now, node.golden.rps, node.golden.success, n),
    )


def workload(now: float, view: shapes.Overview, asked: Subject) -> shapes.Workload:
    node = next((n for n in view.nodes if n.subject.name == asked.name and n.subject.cluster == asked.cluster), None)
    if node is None:
        return shapes.Workload(head(now, "isthmus stat"), asked, False, Golden(), None, 0, 0, [], [], [], [], [], [])
    by_id = {n.id: n for n in view.nodes}
    up = [_peer(by_id[e.source].subject, e) for e in view.edges if e.target == node.id]
    down = [_peer(by_id[e.target].subject, e) for e in view.edges if e.source == node.id]
    routes = [
        shapes.RouteRow("inbound", "web-http", "", "GET /api", "httproute", "", None, golden(now, 40, 0.999)),
        shapes.RouteRow("inbound", "web-http", "", "default", "default", "", None, golden(now, 3, 0.97), 0.2),
        shapes.RouteRow("outbound", "", "backend-svc.isthmus-demo:8888", "backend-split", "httproute", "", None, golden(now, 120, 0.999), 0, 0.1, 0.4),
        shapes.RouteRow("outbound", "", "backend-svc.isthmus-demo:8888", "backend-split", "httproute", "backend-svc", 50, golden(now, 62, 1.0)),
        shapes.RouteRow("outbound", "", "backend-svc.isthmus-demo:8888", "backend-split", "httproute", "backend-svc-west", 50, golden(now, 58, 0.998)),
    ]  # fmt: skip
    rules = [
        shapes.Rule("web-http", "8888", "HTTP/1", "AuthorizationPolicy", "demo-only", "identities of accounts in isthmus-demo", 40.0, 0.0),
        shapes.Rule("", "9990", "unknown", "default", "", "everybody in the cluster (all-unauthenticated)", 0.1, 0.0),
    ]  # fmt: skip
    mark: Mark = "ok"
    certificates = [
        shapes.Certificate(f"{asked.name}-6f9c7d5b8-x0k2p", f"{asked.name}.{asked.namespace}.serviceaccount.identity.linkerd.cluster.local", now + 61_000, mark, "valid"),
        shapes.Certificate(f"{asked.name}-6f9c7d5b8-x1k2p", f"{asked.name}.{asked.namespace}.serviceaccount.identity.linkerd.cluster.local", now + 900, "warn", "expires soon"),
    ]  # fmt: skip
    return shapes.Workload(
        head(now, f"isthmus stat deploy/{asked.name} -n {asked.namespace} --context {asked.cluster}"),
        asked,
        True,
        node.golden,
        spark(now, node.golden.rps, node.golden.success),
        node.meshed,
        node.pods,
        up,
        down,
        routes,
        rules,
        certificates,
        [_row(now, n, node, "pod") for n in range(2)],
    )


def _peer(other: Subject, edge: shapes.Edge) -> shapes.Peer:
    return shapes.Peer(
        other, edge.service, edge.golden, edge.secured, edge.server_id, edge.denied_rps, edge.tcp_connections, edge.link
    )


def links(now: float) -> shapes_more.Links:
    points = [
        shapes_more.LinkPoint(now - 600 + n * 15, None if n < 3 else not 18 <= n < 22, None if 18 <= n < 22 or n < 3 else wave(now - 600 + n * 15, 21))
        for n in range(41)
    ]  # fmt: skip
    user = subject("east/isthmus-demo/client")
    exported = [
        shapes_more.ExportedService("isthmus-demo", "backend-svc", "backend-svc-west", True, "", golden(now, 58, 0.998), [user]),
        shapes_more.ExportedService("shop", "payments", "payments-west", True, "", golden(now, 9.2, 0.91), [subject("east/shop/checkout"), user, user]),
        shapes_more.ExportedService("shop", "invoices", "", False, "the namespace shop is not in east", None, []),
    ]  # fmt: skip
    west = shapes_more.LinkRow(
        "east", "west", "ok", "alive, 2 services mirrored", True, 2, 21.0, 34.0, 40.2, points,
        [
            shapes_more.GatewayAddress("172.18.0.4:4143", "alive", "2026-11-26T09:10:00Z"),
            shapes_more.GatewayAddress("172.18.0.5:4143", "dead", "2026-11-26T12:10:00Z", "no answer within 1 s"),
        ],
        [shapes_more.Condition("Ready", "True", "Mirrored", "2 of 3 exported services are mirrored", "2026-11-26T09:10:00Z")],
        exported,
        [
            shapes_more.Stream("Services of west", 1.4, "ok", "watched"),
            shapes_more.Stream("EndpointSlices of west", 3.0, "ok", "watched"),
            shapes_more.Stream("credentials", 4000.0, "warn", "rotated later than planned"),
        ],
        [shapes_more.Failover("backend-svc", active=False, says="to backend-svc of east when west is dead")],
    )  # fmt: skip
    north = shapes_more.LinkRow(
        "east", "north", "fail", "the gateway does not answer since 4 min", False, 1, None, None, None,
        [shapes_more.LinkPoint(now - 600 + n * 15, n < 25, wave(now, 30) if n < 25 else None) for n in range(41)],
        [], [], [], [shapes_more.Stream("Services of north", 260.0, "fail", "the API server does not answer")],
        [shapes_more.Failover("search", active=True, says="to search of east")],
    )  # fmt: skip
    return shapes_more.Links(head(now, "isthmus gateways --all-clusters"), [west, north])


def splits(now: float, weights: list[int], since: float) -> shapes_more.Splits:
    """`since` is how long ago the weights became these; measured shares follow within some seconds."""
    total = sum(weights) or 1
    pull = 1 - math.exp(-since / 2)
    backends = [
        shapes_more.Backend(
            "isthmus-demo", name, 8888, weight, weight / total,
            round(0.5 + (weight / total - 0.5) * pull, 4), golden(now, 120 * weight / total, 0.999), True, link,
        )
        for name, weight, link in zip(("backend-svc", "backend-svc-west"), weights, ("", "east -> west"), strict=True)
    ]  # fmt: skip
    one = shapes_more.Split(
        "east/HTTPRoute/isthmus-demo/backend-split/0", "east", Subject("east", "isthmus-demo", "service", "backend-svc"),
        "policy.linkerd.io/v1beta3", "HTTPRoute", "isthmus-demo", "backend-split", 0, "", f"v{total}-{weights[0]}", backends,
        rules=True, writable=True, says="", command="kubectl --context east -n isthmus-demo edit httproute backend-split",
    )  # fmt: skip
    canary = [
        shapes_more.Backend("shop", name, 80, weight, weight / 100, share, golden(now, 48 * share, 0.997), exists)
        for name, weight, share, exists in (
            ("cart-v1", 80, 0.81, True), ("cart-v2", 15, 0.145, True), ("cart-v3", 5, 0.045, False),
        )
    ]  # fmt: skip
    two = shapes_more.Split(
        "east/TrafficSplit/shop/cart/0", "east", Subject("east", "shop", "service", "cart"), "split.smi-spec.io/v1alpha2",
        "TrafficSplit", "shop", "cart", 0, "", "7", canary, rules=False, writable=False,
        says="HTTPRoute shop/cart-canary has the word for this Service.", command="kubectl --context east -n shop edit trafficsplit cart",
    )  # fmt: skip
    return shapes_more.Splits(head(now, "isthmus stat-outbound deploy -A --all-clusters"), [one, two])


def policy(now: float) -> shapes_more.Policy:
    ids = [
        f"{name}.isthmus-demo.serviceaccount.identity.linkerd.cluster.local"
        for name in ("client", "probe", "batch", "admin")
    ]
    permissions = [
        shapes_more.Permission("east", "isthmus-demo", "backend-http", "8888", "HTTP/1", ["backend-svc"], "", "AuthorizationPolicy", "demo-only", ids, wave(now, 62), 0.0),
        shapes_more.Permission("west", "shop", "payments", "8443", "HTTP/2", ["payments"], "pay", "AuthorizationPolicy", "gateway-only", ["linkerd-gateway.linkerd-multicluster"], wave(now, 9.2), 1.3),
        shapes_more.Permission("west", "shop", "ledger", "5432", "opaque", [], "", "Server", "ledger", [], None, None),
    ]  # fmt: skip
    denials = [
        shapes_more.Denial("west", "checkout.shop.serviceaccount.identity.linkerd.cluster.local", subject("west/shop/payments"), "payments", 1.3, "no authorization names it"),
        shapes_more.Denial("east", "", subject("east/shop/ledger"), "ledger", 0.2, "not meshed, and only meshed callers are let in"),
    ]  # fmt: skip
    defaults = {
        "east": "everybody may call (all-unauthenticated)",
        "west": "meshed callers of the cluster (cluster-authenticated)",
    }
    return shapes_more.Policy(head(now, "isthmus authz deploy -A --all-clusters"), defaults, permissions, denials)


def health(now: float) -> shapes_more.Health:
    components = [
        shapes_more.Component("east", "linkerd", "linkerd-destination", 2, 2, "0.1.0", "ok", "ready"),
        shapes_more.Component("east", "linkerd", "linkerd-identity", 1, 2, "0.1.0", "warn", "1 of 2 ready"),
        shapes_more.Component("east", "linkerd", "linkerd-proxy-injector", 2, 2, "0.1.0", "ok", "ready"),
        shapes_more.Component("west", "linkerd", "linkerd-destination", 0, 1, "0.1.0", "fail", "no pod is ready"),
    ]
    proxies = [
        shapes_more.DataPlane("east", "isthmus-demo", "0.1.0", 3, 3, "ok"),
        shapes_more.DataPlane("east", "shop", "0.1.0", 8, 7, "warn"),
        shapes_more.DataPlane("west", "shop", "", 2, 2, "unknown"),
    ]
    rows = [
        shapes_more.CheckRow("east", "linkerd-identity", "issuer", "the issuer's certificate is valid for 60 days and more", "warn", ["it ends on 2026-12-20"], "docs/checks.md#issuer says how to renew it"),
        shapes_more.CheckRow("east", "linkerd-existence", "crds", "all custom resources are there", "ok", [], ""),
        shapes_more.CheckRow("east", "linkerd-existence", "pods", "the control plane's pods are ready", "ok", [], ""),
        shapes_more.CheckRow("west", "linkerd-existence", "pods", "the control plane's pods are ready", "fail", ["linkerd-destination-7c: not ready"], "kubectl -n linkerd get pods"),
        shapes_more.CheckRow("west", "linkerd-multicluster", "links", "every Link's gateway answers", "ok", [], ""),
    ]  # fmt: skip
    return shapes_more.Health(head(now, "isthmus check --all-clusters"), components, proxies, rows)


def tap_row(now: float, n: int, *, joined: bool) -> shapes_more.TapRow:
    """One request; a joined one passed client, gateway and server."""
    stages = [
        shapes_more.Stage("east", "client-5d9-abcde", "client", 0.0, 9.1),
        shapes_more.Stage("west", "linkerd-gateway-7f-xyz", "gateway", 2.3, 7.9),
        shapes_more.Stage("west", "backend-svc-66-qrstu", "server", 3.1, 6.8),
    ]
    status = 503 if n % 29 == 0 else 200
    return shapes_more.TapRow(
        f"r{n}", now, "east", "outbound", "10.1.0.5:49152", "client-5d9-abcde", "10.2.0.9:4143", "backend-svc-66-qrstu",
        True, "GET", "backend-svc:8888", f"/hello?n={n}", status, None, 9.1, 512, "backend-split", stages if joined else [],
    )  # fmt: skip


def top(now: float, seen: int) -> shapes_more.TopTable:
    rows = [
        shapes_more.TopRow("east", "client-5d9-abcde", "backend-svc-66-qrstu", "GET", "/hello", seen, 1.1, 40.2, wave(now, 4), 0.998),
        shapes_more.TopRow("east", "client-5d9-abcde", "backend-svc-66-qrstu", "POST", "/orders", seen // 3, 2.0, 90.0, wave(now, 9), 0.9),
    ]  # fmt: skip
    return shapes_more.TopTable(rows, seen, 0, 0)


SCENES: dict[str, Callable[[float], shapes.Overview]] = {"few": few, "many": many, "silent": silent, "away": away}
