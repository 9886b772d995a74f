"""What each change touches: enough, and no more."""

import pytest

from isthmus import names
from isthmus.destination import world
from tests.unit.destination.cluster import (
    custom,
    endpoint,
    http_route,
    known,
    node,
    pod,
    profile,
    put,
    server,
    service,
    slice_,
    traffic_split,
)

WEB, IP, POD = names.Key("shop", "web"), "10.96.0.1", "10.0.0.1"
WHOLE = (service(), pod(), slice_(endpoint(POD, "web-a")), node())


@pytest.mark.parametrize(
    "change, touched",
    [
        pytest.param(service(), set(), id="same-service"),
        pytest.param(service(ip="10.96.0.2"), {WEB, IP, "10.96.0.2"}, id="new-address"),
        pytest.param(slice_(endpoint(POD, "web-a")), set(), id="same-slice"),
        pytest.param(slice_(endpoint("10.0.0.2")), {WEB}, id="slice"),
        pytest.param(slice_(service="other"), {WEB, names.Key("shop", "other")}, id="slice-moves"),
        pytest.param(pod(), set(), id="same-pod"),
        pytest.param(pod(notes={"any.example/thing": "1"}), set(), id="annotation-that-says-nothing"),
        pytest.param(pod(labels={"x": "y"}), {WEB, POD}, id="pod"),
        pytest.param(pod("stranger", "10.0.0.7"), {"10.0.0.7"}, id="a-pod-of-no-slice"),
        pytest.param(server(), {WEB, POD}, id="server"),
        pytest.param(server(podSelector={"matchLabels": {"app": "other"}}), set(), id="server-of-others"),
        pytest.param(node(), set(), id="same-node"),
        pytest.param(node(zone="z2"), {world.EVERYONE}, id="node-in-another-zone"),
        pytest.param(node("n2", ""), set(), id="node-without-zone"),
        pytest.param(profile({}), {WEB, IP}, id="profile"),
        pytest.param(profile({}, namespace="client"), {WEB, IP}, id="a-clients-profile"),
        pytest.param(profile({}, name="example.com"), set(), id="profile-of-no-service"),
        pytest.param(http_route(), {WEB, IP}, id="route"),
        pytest.param(traffic_split(), {WEB, IP}, id="split"),
    ],
)
def test_touched(change, touched):
    assert put(known(*WHOLE), change) == touched


@pytest.mark.parametrize(
    "drop, key, touched",
    [
        pytest.param("drop_service", "web", {WEB, IP}, id="service"),
        pytest.param("drop_slice", "web-1", {WEB}, id="slice"),
        pytest.param("drop_pod", "web-a", {WEB, POD}, id="pod"),
        pytest.param("drop_server", "srv", {WEB, POD}, id="server"),
        pytest.param("drop_split", "ts", {WEB, IP}, id="split"),
        pytest.param("drop_pod", "nobody", set(), id="nothing"),
    ],
)
def test_what_goes_touches_what_it_was(drop, key, touched):
    found = known(*WHOLE, server(), traffic_split())
    assert getattr(found, drop)(names.Key("shop", key)) == touched
    assert getattr(found, drop)(names.Key("shop", key)) in (frozenset(), {names.Key("shop", key)})


def test_nothing_stays_behind():
    found = known(*WHOLE, server(), traffic_split(), http_route(), profile({}))
    found.drop_service(WEB)
    found.drop_slice(names.Key("shop", "web-1"))
    found.drop_pod(names.Key("shop", "web-a"))
    found.drop_server(names.Key("shop", "srv"))
    found.drop_split(names.Key("shop", "ts"))
    found.drop_route("gateway.networking.k8s.io", "HTTPRoute", names.Key("shop", "route"))
    found.drop_node(names.Key("", "n1"))
    found.drop_profile(names.Key("shop", "web.shop.svc.cluster.local"))
    inner = [
        found.services,
        found.pods,
        found.zones,
        found.profiles,
        *(getattr(found, f"_{n}") for n in ("slices", "slices_by", "slices_with", "services_at", "pods_at", "pods_in")),
    ]
    assert not any(inner) and found.claims.split(WEB) is None


def test_complaints_are_bounded_and_taken_once():
    found = known()
    for n in range(2 * world.COMPLAINTS):
        put(found, service(f"s{n}", notes={"config.linkerd.io/opaque-ports": "x"}))
    assert len(found.take_complaints()) == world.COMPLAINTS and not found.take_complaints()


def test_one_slice_among_many_touches_its_service_alone():
    found = known(*(service(f"s{n}", ip=f"10.97.{n // 250}.{n % 250}") for n in range(2000)))
    assert put(found, slice_(endpoint("10.0.0.1"), service="s7")) == {names.Key("shop", "s7")}


def test_a_malformed_server_is_as_if_absent():
    found = known(*WHOLE, server())
    broken = server(protocol="smoke")
    assert put(found, broken) == {WEB, POD} and found.servers.get(names.Key("shop", "srv")) is None
    assert custom(type(broken), "x", {}) and found.take_complaints()
