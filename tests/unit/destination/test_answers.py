"""Profiles: of Services, of pods, of addresses nobody knows; and whose word on splits is sent."""

from typing import Any

import pytest

from isthmus import names
from isthmus.destination import answers, ask
from isthmus.serve import refusal
from tests.unit.destination.cluster import (
    endpoint,
    http_route,
    known,
    pod,
    profile,
    server,
    service,
    slice_,
    traffic_split,
)

IP = ask.Address("10.96.0.1", 80)
CLIENT = ask.Client("shop", "n1", "p")
ROUTES: dict[str, Any] = {"routes": [{"name": "books", "condition": {"method": "GET", "pathRegex": "/books"}}]}
OVERRIDES: dict[str, Any] = {
    "dstOverrides": [
        {"authority": "web-v2.shop.svc.cluster.local", "weight": "500m"},
        {"authority": "x.shop.svc.cluster.local:81", "weight": 1},
    ]
}


def ask_for(*objects, asked: ask.Named | ask.Address = IP, client=CLIENT):
    return answers.profile(known(*objects), asked, client)


def overrides(found):
    return {d.authority.removesuffix(".shop.svc.cluster.local:80"): d.weight for d in found.dst_overrides}


def test_a_service():
    found = ask_for(service())
    assert found.fully_qualified_name == "web.shop.svc.cluster.local" and not found.opaque_protocol
    assert (found.parent_ref.resource.group, found.parent_ref.resource.port) == ("core", 80)
    budget = found.retry_budget
    assert (round(budget.retry_ratio, 3), budget.min_retries_per_second, budget.ttl.seconds) == (0.2, 10, 10)
    assert not found.HasField("profile_ref") and not found.HasField("endpoint")


@pytest.mark.parametrize(
    "made, port, opaque",
    [
        pytest.param(service(), 80, False, id="no"),
        pytest.param(service(ports=((3306, "db"),)), 3306, True, id="default-list"),
        pytest.param(service(notes={"config.linkerd.io/opaque-ports": "80"}), 80, True, id="annotation"),
        pytest.param(
            service(ports=((3306, "db"),), notes={"config.linkerd.io/opaque-ports": ""}), 3306, False, id="emptied"
        ),
        pytest.param(service(app="linkerd.io/opaque"), 80, True, id="app-protocol"),
        pytest.param(
            service(notes={"config.linkerd.io/opaque-ports": "80"}, app="http"), 80, False, id="app-protocol-wins"
        ),
    ],
)
def test_opaque(made, port, opaque):
    assert ask_for(made, asked=ask.Address("10.96.0.1", port)).opaque_protocol is opaque


def test_a_profile_whole():
    spec = ROUTES | OVERRIDES | {"retryBudget": {"retryRatio": 0.5, "minRetriesPerSecond": 3, "ttl": "5s"}}
    spec["routes"] = [
        ROUTES["routes"][0]
        | {
            "isRetryable": True,
            "timeout": "1.5s",
            "responseClasses": [{"condition": {"status": {"min": 500, "max": 599}}, "isFailure": True}],
        }
    ]
    found = ask_for(service(), profile(spec))
    (route,) = found.routes
    both = route.condition.all.matches
    assert both[0].method.registered == 0 and both[1].path.regex == "/books"
    assert (
        dict(route.metrics_labels) == {"route": "books"} and route.is_retryable and route.timeout.nanos == 500_000_000
    )
    assert route.response_classes[0].is_failure and route.response_classes[0].condition.status.min == 500
    assert overrides(found) == {"web-v2": 5000, "x.shop.svc.cluster.local:81": 10000}
    assert found.retry_budget.min_retries_per_second == 3 and found.profile_ref.resource.kind == "ServiceProfile"


@pytest.mark.parametrize(
    "client, route",
    [pytest.param("mine", "mine", id="clients-own-wins"), pytest.param("other", "books", id="else-the-services")],
)
def test_whose_profile(client, route):
    mine = profile({"routes": [{"name": "mine", "condition": {"method": "GET"}}]}, namespace="mine")
    found = ask_for(service(), profile(ROUTES), mine, client=ask.Client(client))
    assert found.routes[0].metrics_labels["route"] == route


@pytest.mark.parametrize(
    "objects, routes, expected",
    [
        pytest.param(
            [profile(ROUTES | OVERRIDES)], 1, {"web-v2", "x.shop.svc.cluster.local:81"}, id="the-profile-alone"
        ),
        pytest.param([profile(ROUTES | OVERRIDES), http_route()], 0, set(), id="a-route-takes-its-place"),
        pytest.param([profile(OVERRIDES), traffic_split()], 0, set(), id="a-split-silences-overrides"),
        pytest.param(
            [profile(ROUTES | OVERRIDES), traffic_split()], 1, {"web", "web-west"}, id="a-split-beside-routes"
        ),
        pytest.param([profile(ROUTES), http_route(port=81)], 1, set(), id="a-route-for-another-port"),
        pytest.param([profile(ROUTES), http_route(rules=[])], 1, set(), id="a-route-without-rules"),
        pytest.param(
            [profile(ROUTES), http_route(rules=[{"filters": [{"type": "URLRewrite"}]}])],
            1,
            set(),
            id="a-route-we-cannot-carry-out",
        ),
        pytest.param([profile(ROUTES), http_route(namespace="far")], 1, set(), id="a-route-for-other-clients"),
    ],
)
def test_whose_word_counts(objects, routes, expected):
    found = ask_for(service(), *objects)
    assert len(found.routes) == routes and set(overrides(found)) == expected


@pytest.mark.parametrize(
    "spec, word",
    [
        pytest.param({"routes": [{"name": "x", "condition": {}}]}, "no condition", id="empty-condition"),
        pytest.param(
            {"routes": [{"name": "x", "condition": {"method": "GET"}, "timeout": "soon"}]}, "timeout", id="timeout"
        ),
        pytest.param(
            {"retryBudget": {"retryRatio": 2000, "minRetriesPerSecond": 1, "ttl": "1s"}}, "retryRatio", id="ratio"
        ),
        pytest.param({"dstOverrides": [{"authority": "a", "weight": "lots"}]}, "weight", id="weight"),
    ],
)
def test_a_malformed_profile_is_left_out_and_told(spec, word):
    world = known(service(), profile(spec))
    assert not answers.profile(world, IP, CLIENT).HasField("profile_ref")
    assert any(word in sentence for sentence in world.take_complaints())


def test_a_pods_address():
    found = ask_for(pod(), asked=ask.Address("10.0.0.1", 8080))
    assert found.endpoint.tls_identity.dns_like_identity.name == found.endpoint.tls_identity.server_name.name
    assert (
        found.endpoint.protocol_hint.HasField("h2")
        and found.endpoint.protocol_hint.opaque_transport.inbound_port == 4143
    )
    assert (
        found.endpoint.metric_labels["namespace"] == "shop" and found.endpoint.http2.keep_alive.interval.seconds == 10
    )


def test_a_server_makes_a_pods_port_opaque():
    found = ask_for(pod(), server(), asked=ask.Address("10.0.0.1", 8080))
    assert found.opaque_protocol and found.endpoint.protocol_hint.HasField("opaque")


def test_a_port_on_the_host_leads_to_the_pod():
    ports = [{"containerPort": 8080, "hostPort": 30080}]
    held = pod(containers=[{"name": "app", "ports": ports}])
    found = ask_for(held, asked=ask.Address("192.0.2.1", 30080)).endpoint
    assert (found.addr.ip.ipv4, found.addr.port) == (0x0A000001, 8080)


@pytest.mark.parametrize(
    "held",
    [
        pytest.param([], id="nobody"),
        pytest.param([pod(status={"phase": "Succeeded"})], id="done"),
        pytest.param([pod(hostNetwork=True)], id="host-network"),
    ],
)
def test_an_address_nobody_knows(held):
    found = ask_for(*held, asked=ask.Address("10.0.0.1", 3306))
    assert found.endpoint.addr.port == 3306 and found.opaque_protocol
    assert not found.endpoint.HasField("tls_identity") and not found.endpoint.HasField("protocol_hint")


def test_two_pods_at_one_address():
    with pytest.raises(refusal.Refused) as caught:
        ask_for(pod("a"), pod("b"), asked=ask.Address("10.0.0.1", 80))
    assert caught.value.kind == "conflict"


def test_one_pod_of_a_headless_service():
    members = slice_(endpoint("10.0.0.1", "web-a", hostname="web-0"))
    found = ask_for(service(), pod(), members, asked=ask.Named(names.Key("shop", "web"), 80, "web-0"))
    assert found.endpoint.addr.port == 8080 and found.endpoint.tls_identity.server_name.name
