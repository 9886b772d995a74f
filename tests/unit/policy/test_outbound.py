"""How traffic to a Service is routed: who rules, with which weights, and what happens to the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.policy import outbound
from isthmus.rpc import outbound_pb2 as pb
from isthmus.serve import refusal
from tests.unit.destination.cluster import http_route, service, traffic_split
from tests.unit.policy.cluster import WEB, grpc_route, known

IP = "10.96.0.1"
BOTH = (service(), service("web-west", ip="10.96.0.2"))


def policy(*objects, port=80, client="shop"):
    return outbound.by_address(known(*objects), IP, port, client)


def http(found):
    return found.protocol.detect.http1


def arms(distribution):
    """Path -> weight; a broken arm is named by its failure."""
    found = {}
    for one in distribution.random_available.backends:
        name = one.backend.backend.balancer.discovery.dst.path or one.backend.filters[-1].failure_injector.message
        found[name.removesuffix(".shop.svc.cluster.local:80")] = one.weight
    return found


def first_rule(found):
    return http(found).routes[0].rules[0]


def test_a_plain_service_is_detected_and_balanced():
    found = policy(service())
    detect = found.protocol.detect
    assert (
        detect.timeout.seconds == 10
        and found.metadata.resource.kind == "Service"
        and found.metadata.resource.port == 80
    )
    (backend,) = detect.http1.routes[0].rules[0].backends.first_available.backends
    assert backend.backend.balancer.discovery.dst.path == "web.shop.svc.cluster.local:80"
    assert backend.backend.queue.capacity == 10_000 and backend.backend.queue.failfast_timeout.seconds == 3
    ewma = backend.backend.balancer.peak_ewma
    assert (ewma.default_rtt.nanos, ewma.decay.seconds) == (30_000_000, 10)
    assert detect.http1.routes[0].metadata.default == "http" and detect.http2.routes == detect.http1.routes
    assert detect.opaque.routes[0].rules[0].backends.first_available.backends[0].backend == backend.backend


@pytest.mark.parametrize(
    "changes, kind",
    [
        pytest.param({}, "detect", id="nothing-said"),
        pytest.param({"notes": {"config.linkerd.io/opaque-ports": "80"}}, "opaque", id="annotation"),
        pytest.param({"notes": {"config.linkerd.io/opaque-ports": "http"}}, "opaque", id="annotation-by-name"),
        pytest.param({"app": "http"}, "http1", id="http"),
        pytest.param({"app": "kubernetes.io/h2c"}, "http2", id="h2c"),
        pytest.param({"app": "linkerd.io/tcp"}, "opaque", id="tcp"),
        pytest.param({"app": "mystery"}, "opaque", id="unknown"),
        pytest.param(
            {"app": "http", "notes": {"config.linkerd.io/opaque-ports": "80"}}, "http1", id="app-beats-annotation"
        ),
    ],
)
def test_protocol(changes, kind):
    assert policy(service(**changes)).protocol.WhichOneof("kind") == kind


def test_a_default_opaque_port():
    assert policy(service(ports=((3306, "db"),)), port=3306).protocol.WhichOneof("kind") == "opaque"


@pytest.mark.parametrize(
    "objects, expected, route",
    [
        pytest.param(
            [http_route(weights={"web": 90, "web-west": 10})], {"web": 90, "web-west": 10}, "route", id="route"
        ),
        pytest.param([traffic_split()], {"web": 500, "web-west": 500}, "ts", id="traffic-split"),
        pytest.param(
            [traffic_split(weights={"web": 1, "web-west": "250m"})],
            {"web": 1000, "web-west": 250},
            "ts",
            id="quantities",
        ),
        pytest.param(
            [traffic_split(), http_route(weights={"web": 1, "web-west": 0})],
            {"web": 1, "web-west": 0},
            "route",
            id="route-beats-split",
        ),
        pytest.param(
            [traffic_split(), http_route(rules=[])],
            {"web": 500, "web-west": 500},
            "ts",
            id="a-route-without-rules-is-none",
        ),
        pytest.param(
            [traffic_split(), http_route(port=81)], {"web": 500, "web-west": 500}, "ts", id="a-route-for-another-port"
        ),
        pytest.param(
            [traffic_split("b"), traffic_split("a", {"web": 1}, created="2027-01-01T00:00:00Z")],
            {"web": 500, "web-west": 500},
            "b",
            id="the-oldest-split",
        ),
        pytest.param(
            [http_route(weights={"web": 50, "nope": 50})],
            {"web": 50, "Service shop/nope does not exist": 50},
            "route",
            id="missing-backend",
        ),
    ],
)
def test_who_rules(objects, expected, route):
    found = policy(*BOTH, *objects)
    assert arms(first_rule(found).backends) == expected
    assert http(found).routes[0].metadata.resource.name == route


def test_an_opaque_service_follows_its_traffic_split():
    opaque = service(notes={"config.linkerd.io/opaque-ports": "80"})
    rule = policy(opaque, BOTH[1], traffic_split()).protocol.opaque.routes[0].rules[0]
    assert arms(rule.backends) == {"web": 500, "web-west": 500}


@pytest.mark.parametrize(
    "client, expected",
    [
        pytest.param("shop", {"web": 1}, id="producer-for-all"),
        pytest.param("other", {"web-west": 1}, id="consumer-for-its-own"),
        pytest.param("third", {"web": 1}, id="a-consumer-route-is-not-for-others"),
    ],
)
def test_a_clients_namespace_may_overrule(client, expected):
    refs = [{"name": "web-west", "namespace": "shop", "port": 80}]
    theirs = http_route("theirs", parent_ns="shop", namespace="other", rules=[{"backendRefs": refs}])
    found = policy(*BOTH, http_route(), theirs, client=client)
    assert arms(first_rule(found).backends) == expected


def test_weights_that_are_all_zero_fail_requests():
    rule = first_rule(policy(*BOTH, http_route(weights={"web": 0, "web-west": 0})))
    assert rule.filters[-1].failure_injector.status == 500


def test_a_missing_backend_answers_500_in_its_share():
    rule = first_rule(policy(*BOTH, http_route(weights={"nope": 1})))
    (one,) = rule.backends.random_available.backends
    assert one.backend.filters[0].failure_injector.status == 500 and one.backend.backend.WhichOneof("kind") is None
    assert one.backend.backend.metadata.default == "invalid"


@pytest.mark.parametrize(
    "ref, word",
    [
        pytest.param({"name": "web"}, "has no port", id="no-port"),
        pytest.param({"name": "web", "kind": "Bucket", "port": 80}, "no kind of backend", id="kind"),
    ],
)
def test_a_reference_that_leads_nowhere(ref, word):
    (one,) = first_rule(policy(*BOTH, http_route(rules=[{"backendRefs": [ref]}]))).backends.random_available.backends
    assert word in one.backend.filters[0].failure_injector.message


def test_grpc_routes_rule_before_http_routes():
    rules = [{"matches": [{"method": {"service": "a.B", "method": "C"}}], "backendRefs": [{"name": "web", "port": 80}]}]
    found = policy(service(), http_route(), grpc_route(rules))
    rule = found.protocol.grpc.routes[0].rules[0]
    assert (rule.matches[0].rpc.service, rule.matches[0].rpc.method) == ("a.B", "C")


def test_matches_filters_and_timeouts():
    rule = {
        "matches": [
            {
                "path": {"type": "Exact", "value": "/a"},
                "method": "GET",
                "headers": [{"name": "x", "value": "y"}, {"name": "z", "type": "RegularExpression", "value": "w.*"}],
                "queryParams": [{"name": "q", "value": "1"}],
            }
        ],
        "filters": [
            {
                "type": "RequestHeaderModifier",
                "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}], "remove": ["c"]},
            },
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "d", "value": "e"}]}},
            {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "hostname": "h", "statusCode": 301}},
        ],
        "timeouts": {"request": "1m30s", "backendRequest": "500ms"},
    }
    found = first_rule(policy(service(), http_route(rules=[rule])))
    (match,) = found.matches
    assert match.path.exact == "/a" and match.method.registered == 0 and match.query_params[0].exact == "1"
    assert match.headers[0].exact == b"y" and match.headers[1].regex == "w.*"
    assert [f.WhichOneof("kind") for f in found.filters] == [
        "request_header_modifier",
        "response_header_modifier",
        "redirect",
    ]
    assert (
        found.filters[0].request_header_modifier.set.headers[0].value == b"b"
        and found.filters[2].redirect.status == 301
    )
    assert found.timeouts.request.seconds == 90 and found.timeouts.response.nanos == 500_000_000
    assert found.backends.first_available.backends[0].backend.balancer.discovery.dst.path.startswith("web.")


def test_settings_come_from_route_rule_and_service_in_that_order():
    notes = {
        "timeout.linkerd.io/request": "9s",
        "timeout.linkerd.io/idle": "7s",
        "retry.linkerd.io/http": "5xx",
        "balancer.linkerd.io/failure-accrual": "consecutive",
    }
    route = http_route(rules=[{"timeouts": {"request": "3s"}}], notes={"timeout.linkerd.io/response": "2s"})
    found = policy(service(notes=notes), route)
    rule = first_rule(found)
    assert (rule.timeouts.request.seconds, rule.timeouts.response.seconds, rule.timeouts.idle.seconds) == (3, 2, 7)
    assert rule.retry.max_retries == 1 and rule.retry.conditions.status_ranges[0].start == 500
    assert http(found).failure_accrual.consecutive_failures.max_failures == 7


@pytest.mark.parametrize(
    "ip, port, kind",
    [
        pytest.param("10.96.0.9", 80, "missing", id="cluster-address"),
        pytest.param("10.96.0.7", 80, "conflict", id="two-services"),
    ],
)
def test_refused(ip, port, kind):
    world = known(service(), service("a", ip="10.96.0.7"), service("b", ip="10.96.0.7"))
    with pytest.raises(refusal.Refused) as caught:
        outbound.by_address(world, ip, port, "shop")
    assert caught.value.kind == kind


def test_an_undeclared_port_is_forbidden():
    route = policy(service(), port=99).protocol.opaque.routes[0]
    assert route.metadata.default == "undefined-port" and route.rules[0].filters[0].HasField("forbidden")
    assert route.rules[0].backends.HasField("empty")


@pytest.mark.parametrize("ip", [pytest.param("203.0.113.5", id="v4"), pytest.param("2001:db8::1", id="v6")])
def test_outside_the_cluster_goes_on_as_it_is(ip):
    found = outbound.by_address(known(), ip, 443, "shop")
    assert found.metadata.default == "egress-fallback"
    for routes in (found.protocol.detect.http1, found.protocol.detect.http2, found.protocol.detect.opaque):
        (backend,) = routes.routes[0].rules[0].backends.first_available.backends
        assert backend.backend.forward.addr.port == 443


def test_by_name():
    assert outbound.by_name(known(service()), WEB, 80, "shop") == policy(service())
    with pytest.raises(refusal.Refused):
        outbound.by_name(known(), WEB, 80, "shop")


def test_a_backend_that_comes_touches_who_names_it():
    world = known(service(), http_route(weights={"web": 1, "late": 1}))
    assert world.put_service(service("late", ip="10.96.0.3")) >= {WEB, IP}


@given(
    route=st.one_of(st.none(), st.lists(st.integers(0, 100), min_size=2, max_size=2)),
    split=st.one_of(st.none(), st.lists(st.integers(0, 100), min_size=2, max_size=2)),
)
def test_precedence_is_one_whatever_the_weights(route, split):
    objects = [http_route(weights=dict(zip(("web", "web-west"), route, strict=True)))] if route else []
    objects += [traffic_split(weights=dict(zip(("web", "web-west"), split, strict=True)))] if split else []
    found = arms(first_rule(policy(*BOTH, *objects)).backends)
    ruling = route or ([1000 * w for w in split] if split else [])
    assert list(found.values()) == ruling


def test_answers_are_whole_messages():
    found = policy(*BOTH, http_route(weights={"web": 1, "web-west": 1}), traffic_split())
    assert pb.OutboundPolicy.FromString(found.SerializeToString()) == found
