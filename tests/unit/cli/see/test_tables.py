"""The other answers of the metrics API as people and programs see them."""

import pytest

from isthmus.cli.see import authz, edges, gateways, routes, traffic
from isthmus.cli.viz import flags, table
from isthmus.rpc import insight_pb2 as insight
from isthmus.rpc import viz_pb2 as pb

STATS = pb.BasicStats(
    success_count=90,
    failure_count=0,
    latency_ms_p50=1,
    latency_ms_p95=2,
    latency_ms_p99=3,
    actual_success_count=90,
    actual_failure_count=30,
)


def lines(tables) -> list[str]:
    return [" ".join(line.split()) for one in tables for line in table.lines(one)]


ROUTES = [
    pb.RouteTable(
        resource="deploy/web",
        rows=[
            pb.RouteTable.Row(route="[DEFAULT]", authority="backend", time_window="1m"),
            pb.RouteTable.Row(route="GET /a", authority="backend", time_window="1m", stats=STATS),
        ],
    )
]


@pytest.mark.parametrize(
    ("wide", "shown"),
    [
        (
            False,
            [
                "ROUTE SERVICE SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99",
                "GET /a backend 100.00% 1.5rps 1ms 2ms 3ms",
                "[DEFAULT] backend - - - - -",
            ],
        ),
        (
            True,
            [
                "ROUTE SERVICE EFFECTIVE_SUCCESS EFFECTIVE_RPS ACTUAL_SUCCESS ACTUAL_RPS LATENCY_P50 LATENCY_P95 LATENCY_P99",
                "GET /a backend 100.00% 1.5rps 75.00% 2.0rps 1ms 2ms 3ms",
                "[DEFAULT] backend - - - - - - -",
            ],
        ),
    ],
)
def test_routes(wide, shown):
    assert lines(routes.layout(routes.rows(ROUTES, outbound=True), wide=wide)) == shown


def test_routes_of_several_resources_are_headed():
    other = pb.RouteTable(resource="deploy/api", rows=[pb.RouteTable.Row(route="/", authority="x", time_window="1m")])
    found = lines(routes.layout(routes.rows([*ROUTES, other], outbound=False), wide=False))
    assert [line for line in found if line.startswith("==>")] == ["==> deploy/api <==", "==> deploy/web <=="]


EDGES = [
    pb.Edge(
        src=pb.Resource(name="web", namespace="shop"),
        dst=pb.Resource(name="api", namespace="shop"),
        client_id="web.shop.serviceaccount.identity.linkerd.cluster.local",
        server_id="api.shop.serviceaccount.identity.linkerd.cluster.local",
    ),
    pb.Edge(
        src=pb.Resource(name="job", namespace="shop"),
        dst=pb.Resource(name="api", namespace="shop"),
        no_identity_msg="not provided",
    ),
    pb.Edge(
        src=pb.Resource(name="web", namespace="shop"),
        dst=pb.Resource(name="api-west", namespace="shop", type="service"),
        server_id="linkerd-gateway.mc.serviceaccount.identity.linkerd.cluster.local",
    ),
]


@pytest.mark.parametrize(
    ("wide", "shown"),
    [
        (
            False,
            [
                "SRC DST SRC_NS DST_NS SECURED",
                "job api shop shop not provided",
                "web api shop shop √",
                "web svc/api-west shop shop √",
            ],
        ),
        (
            True,
            [
                "SRC DST SRC_NS DST_NS CLIENT_ID SERVER_ID SECURED",
                "job api shop shop - - not provided",
                "web api shop shop web.shop api.shop √",
                "web svc/api-west shop shop - linkerd-gateway.mc √",
            ],
        ),
    ],
)
def test_edges(wide, shown):
    assert lines(edges.layout(edges.rows(EDGES), wide=wide)) == shown


def test_gateways():
    found = gateways.rows(
        [
            pb.GatewaysTable.Row(
                cluster_name="west", paired_services=2, alive=True, latency_ms_p50=3, latency_ms_p95=4, latency_ms_p99=5
            ),
            pb.GatewaysTable.Row(cluster_name="north", alive=False),
        ],
        [insight.LinkSeries(cluster="west", target_age=2.4), insight.LinkSeries(cluster="north")],
    )
    assert lines(gateways.layout(found, wide=False)) == [
        "CLUSTER ALIVE NUM_SVC LATENCY_P50 LATENCY_P95 LATENCY_P99",
        "north False 0 - - -",
        "west True 2 3ms 4ms 5ms",
    ]
    assert [line.split()[-1] for line in lines(gateways.layout(found, wide=True))] == ["LAST_HEARD", "-", "2s"]


def allowed(kind: str, name: str, server: tuple[str, str], denied: int = 0, stats=None) -> pb.StatTable.PodGroup.Row:
    said = pb.ServerStats(
        srv=pb.Resource(type=server[0], name=server[1]),
        route=pb.Resource(name="default"),
        authz=pb.Resource(type=kind, name=name),
        denied_count=denied,
    )
    return pb.StatTable.PodGroup.Row(time_window="1m", srv_stats=said, stats=stats)


def test_authz_shows_refusals_and_leaves_silent_defaults_out():
    found = authz.rows(
        [
            allowed("authorizationpolicy", "friends", ("server", "http"), stats=STATS),
            allowed("authorizationpolicy", "nobody", ("server", "http")),
            allowed("default", "all-unauthenticated", ("default", "all-unauthenticated")),
            allowed("", "", ("server", "http"), denied=30),
        ]
    )
    assert lines(authz.layout(found)) == [
        "ROUTE SERVER AUTHORIZATION UNAUTHORIZED SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99",
        "default http - 0.5rps - - - - -",
        "default http authorizationpolicy/friends 0.0rps 100.00% 1.5rps 1ms 2ms 3ms",
        "default http authorizationpolicy/nobody 0.0rps - - - - -",
    ]


WEB = insight.Subject(namespace="shop", kind="deployment", name="web")


def golden(rps: float, success: float = 1.0) -> insight.Golden:
    return insight.Golden(rps=rps, success=success, p50=1.2, p95=2.6, p99=3)


def out(backend: str = "", rps: float = 8.0, **more) -> insight.OutboundRow:
    return insight.OutboundRow(
        subject=WEB, service="b:80", route="split", type="httproute", backend=backend, golden=golden(rps), **more
    )


OUT = [
    out("b-west:80", 6.0, weight=75),
    out(retries_per_second=2.0, timeouts_per_second=0.8),
    out("b:80", 2.0, weight=25),
]


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        (
            "table",
            [
                "NAME SERVICE ROUTE TYPE BACKEND SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TIMEOUTS RETRIES",
                "web b:80 split httproute 100.00% 8.00 1ms 3ms 3ms 10.00% 20.00%",
                "├──── ────────► b-west:80 100.00% 6.00 1ms 3ms 3ms 0.00% -",
                "└──── ────────► b:80 100.00% 2.00 1ms 3ms 3ms 0.00% -",
            ],
        ),
        (
            "wide",
            [
                "NAME SERVICE ROUTE TYPE BACKEND WEIGHT SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TIMEOUTS RETRIES",
                "web b:80 split httproute - 100.00% 8.00 1ms 3ms 3ms 10.00% 20.00%",
                "├──── ────────► b-west:80 75 100.00% 6.00 1ms 3ms 3ms 0.00% -",
                "└──── ────────► b:80 25 100.00% 2.00 1ms 3ms 3ms 0.00% -",
            ],
        ),
    ],
)
def test_backends_stand_under_their_route(form, shown):
    found = [{"cluster": "east", **row} for row in traffic.outbound_rows(OUT)]
    assert lines(traffic.outbound_layout(found, flags.View(form=form))) == shown


def test_json_of_a_backend_repeats_its_route():
    found = traffic.outbound_rows(OUT)[1]
    assert (found["name"], found["route"], found["backend"], found["weight"]) == ("web", "split", "b-west:80", 75)


def test_inbound():
    found = traffic.inbound_rows(
        [insight.InboundRow(subject=WEB, server="http", route="get", type="httproute", golden=golden(2), denied_rps=1)]
    )
    assert lines(traffic.inbound_layout(found, flags.View(form="wide"))) == [
        "NAME SERVER ROUTE TYPE SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 UNAUTHORIZED",
        "web http get httproute 100.00% 2.00 1ms 3ms 3ms 1.00",
    ]
