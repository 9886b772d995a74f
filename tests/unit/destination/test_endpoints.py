"""Which addresses a client gets, and how it is told to speak to them."""

from typing import Any

import pytest

from isthmus import names
from isthmus.destination import ask, endpoints
from tests.unit.destination.cluster import endpoint, known, node, pod, server, service, slice_

WEB = ask.Named(names.Key("shop", "web"), 80)
N1 = ask.Client("shop", "n1", "client")
ID = "buyer.shop.serviceaccount.identity.linkerd.cluster.local"


def ips(world, client=N1, asked=WEB):
    return [ip for ip, _ in endpoints.snapshot(world, asked, client).endpoints]


def only(world, asked=WEB):
    (found,) = endpoints.snapshot(world, asked, N1).endpoints.values()
    return found


def test_a_meshed_pod():
    world = known(service(), pod(), slice_(endpoint("10.0.0.1", "web-a")), node())
    found = only(world)
    assert (found.ip, found.port, found.identity, found.hint, found.tunnel) == ("10.0.0.1", 8080, ID, "h2", 4143)
    labels = dict(found.labels)
    assert labels["deployment"] == "web" and labels["pod"] == "web-a" and labels["serviceaccount"] == "buyer"
    assert labels["control_plane_ns"] == "linkerd" and labels["pod_template_hash"] == "5d4"


def test_a_pod_of_a_job():
    worker: Any = pod()
    worker.metadata.ownerReferences[0].kind, worker.metadata.ownerReferences[0].name = "Job", "nightly"
    labels = dict(only(known(service(), worker, slice_(endpoint("10.0.0.1", "web-a")), node())).labels)
    assert labels["k8s_job"] == "nightly" and "job" not in labels, "`job` is Prometheus' own label"


@pytest.mark.parametrize(
    "changes, identity, hint, tunnel",
    [
        pytest.param({"meshed": False}, "", "", 0, id="no-proxy"),
        pytest.param({"labels": {names.CONTROL_PLANE_NS_LABEL: "other"}}, "", "", 0, id="another-mesh"),
        pytest.param({"notes": {"config.linkerd.io/skip-inbound-ports": "8000-9000"}}, "", "", 0, id="skipped-port"),
        pytest.param({"notes": {"config.linkerd.io/opaque-ports": "8080"}}, ID, "opaque", 4143, id="opaque"),
        pytest.param(
            {"notes": {"config.linkerd.io/opaque-ports": "web"}, "ports": (("web", 8080),)},
            ID,
            "opaque",
            4143,
            id="opaque-by-name",
        ),
        pytest.param({"notes": {"config.linkerd.io/opaque-ports": "nonsense"}}, ID, "h2", 4143, id="malformed"),
        pytest.param({"sidecar": False}, ID, "h2", 4143, id="proxy-among-containers"),
    ],
)
def test_hints(changes, identity, hint, tunnel):
    found = only(known(service(), pod(**changes), slice_(endpoint("10.0.0.1", "web-a"))))
    assert (found.identity, found.hint, found.tunnel) == (identity, hint, tunnel)


@pytest.mark.parametrize(
    "mesh, opaque, hint, tunnel",
    [
        pytest.param({"transport_header": False}, False, "h2", 0, id="transparent"),
        pytest.param({"transport_header": False}, True, "opaque", 4143, id="transparent-opaque"),
        pytest.param({"h2_upgrade": False}, False, "", 4143, id="no-upgrade"),
    ],
)
def test_modes(mesh, opaque, hint, tunnel):
    world = known(service(), pod(), slice_(endpoint("10.0.0.1", "web-a")), *([server()] if opaque else []), **mesh)
    assert (only(world).hint, only(world).tunnel) == (hint, tunnel)


@pytest.mark.parametrize("port", [pytest.param(4191, id="admin"), pytest.param(4190, id="control")])
def test_a_proxys_own_ports_are_reached_plainly(port):
    world = known(service(ports=((port, "own"),)), pod(), slice_(endpoint("10.0.0.1", "web-a"), ports=(("own", port),)))
    assert only(world, ask.Named(WEB.service, port)).tunnel == 0


def test_a_mirror_leads_to_its_gateway():
    notes = {names.REMOTE_FQ_NAME: "web.shop.svc.west.example", names.REMOTE_GATEWAY_IDENTITY: "gw.identity"}
    labels = {names.MIRRORED_SERVICE: "true", names.CLUSTER_NAME: "west"}
    mirror = service("web-west", notes=notes, labels=labels)
    dead = endpoint("192.0.2.8", ready=False)
    gateway = slice_(endpoint("192.0.2.7"), dead, service="web-west", ports=(("http", 4143),), notes=notes)
    found = endpoints.snapshot(known(mirror, gateway), ask.Named(names.Key("shop", "web-west"), 80), N1)
    assert dict(found.labels) == {
        "namespace": "shop",
        "service": "web-west",
        "target_cluster": "west",
        "target_service": "web",
        "target_service_namespace": "shop",
    }
    (one,) = found.endpoints.values()
    assert one == endpoints.Endpoint(
        "192.0.2.7", 4143, identity="gw.identity", sni=False, hint="h2", authority="web.shop.svc.west.example:80"
    )


def test_a_gateway_is_probed_by_its_identity():
    notes = {names.REMOTE_GATEWAY_IDENTITY: "gw.identity"}
    found = only(known(service(), slice_(endpoint("192.0.2.7"), ports=(("http", 4191),), notes=notes)))
    assert found == endpoints.Endpoint("192.0.2.7", 4191, identity="gw.identity", sni=False, hint="h2")


@pytest.mark.parametrize(
    "slices, expected",
    [
        pytest.param([slice_(endpoint("10.0.0.1"), endpoint("10.0.0.2", ready=False))], ["10.0.0.1"], id="ready"),
        pytest.param([slice_(endpoint("10.0.0.1", "unknown"))], [], id="pod-not-known-yet"),
        pytest.param(
            [slice_(endpoint("10.0.0.1")), slice_(endpoint("10.0.0.2"), name="web-2")],
            ["10.0.0.1", "10.0.0.2"],
            id="two-slices",
        ),
        pytest.param(
            [slice_(endpoint("10.0.0.1")), slice_(endpoint("10.0.0.1"), name="web-2")], ["10.0.0.1"], id="twice"
        ),
        pytest.param([slice_(endpoint("10.0.0.1"), ports=(("grpc", 90),))], [], id="another-port"),
        pytest.param([slice_(endpoint("fd00::1"), family="IPv6")], [], id="v6-without-v6"),
        pytest.param([slice_(endpoint("example.com"), family="FQDN")], [], id="names"),
    ],
)
def test_which_are_sent(slices, expected):
    assert ips(known(service(), *slices)) == expected


def test_an_undeclared_port_is_looked_for_as_it_is():
    assert list(
        endpoints.snapshot(known(service(), slice_(endpoint("10.0.0.1"))), ask.Named(WEB.service, 99), N1).endpoints
    ) == [("10.0.0.1", 99)]


def test_a_hostname_picks_one():
    world = known(service(), slice_(endpoint("10.0.0.1", hostname="db-0"), endpoint("10.0.0.2", hostname="db-1")))
    assert ips(world, asked=ask.Named(WEB.service, 80, "db-1")) == ["10.0.0.2"]


def test_the_newer_family_wins_where_a_pod_has_both():
    both = [
        slice_(endpoint("10.0.0.1", "web-a"), endpoint("10.0.0.9")),
        slice_(endpoint("fd00::1", "web-a"), family="IPv6", name="v6"),
    ]
    assert ips(known(service(), pod(), *both, ipv6=True)) == ["fd00::1", "10.0.0.9"]
    assert ips(known(service(), pod(), *both)) == ["10.0.0.1", "10.0.0.9"]


def hinted(ip, zone, **more):
    return endpoint(ip, hints={"forZones": [{"name": zone}]}, **more)


@pytest.mark.parametrize(
    "members, local, expected",
    [
        pytest.param([hinted("10.0.0.1", "z1"), hinted("10.0.0.2", "z2")], False, ["10.0.0.1"], id="same-zone"),
        pytest.param(
            [hinted("10.0.0.1", "z1"), endpoint("10.0.0.2")], False, ["10.0.0.1", "10.0.0.2"], id="one-without-hint"
        ),
        pytest.param(
            [hinted("10.0.0.1", "z8"), hinted("10.0.0.2", "z9")], False, ["10.0.0.1", "10.0.0.2"], id="none-here"
        ),
        pytest.param(
            [endpoint("10.0.0.1", nodeName="n1"), endpoint("10.0.0.2", nodeName="n2")],
            True,
            ["10.0.0.1"],
            id="same-node",
        ),
        pytest.param([endpoint("10.0.0.2", nodeName="n2")], True, [], id="no-endpoint-on-node"),
    ],
)
def test_locality(members, local, expected):
    spec = {"internalTrafficPolicy": "Local"} if local else {}
    assert ips(known(service(**spec), slice_(*members), node())) == expected


@pytest.mark.parametrize(
    "zone, client_zone, expected",
    [
        pytest.param("z1", "z1", {"zone": "z1", "zone_locality": "local"}, id="local"),
        pytest.param("z2", "z1", {"zone": "z2", "zone_locality": "remote"}, id="remote"),
        pytest.param("z1", "", {"zone": "z1", "zone_locality": "unknown"}, id="client-unknown"),
        pytest.param("", "z1", {"zone_locality": "unknown"}, id="endpoint-unknown"),
    ],
)
def test_zone_labels(zone, client_zone, expected):
    world = known(service(), slice_(endpoint("10.0.0.1", zone=zone or None)), node(zone=client_zone))
    assert dict(only(world).labels) == expected


def test_a_missing_service_is_gone():
    assert endpoints.snapshot(known(), WEB, N1) is endpoints.GONE
