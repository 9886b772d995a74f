"""Who may call a pod's port: default policies, Servers, authorizations, routes."""

import pytest

from isthmus import names
from isthmus.kube import crds
from isthmus.policy import inbound
from tests.unit.destination.cluster import custom, pod, server
from tests.unit.policy.cluster import OUR_ID, authorization, clients, known, nets, put, server_route

POD = names.Key("shop", "web-a")


def answer(*objects, port=8080, **mesh):
    world = known(*([] if any(type(o).__name__ == "Pod" for o in objects) else [pod()]), *objects, **mesh)
    return inbound.answer(world, world.pods[POD], port)


def who(authz):
    """An authorization in words."""
    permit = authz.authentication.WhichOneof("permit")
    if permit == "unauthenticated":
        return "anyone"
    tls = authz.authentication.meshTLS
    if tls.WhichOneof("clients") == "unauthenticated":
        return "encrypted"
    return [i.name for i in tls.identities.identities] + [
        "*" + "".join(f".{p}" for p in s.parts) for s in tls.identities.suffixes
    ]


@pytest.mark.parametrize(
    "policy, clients_, networks",
    [
        pytest.param("all-unauthenticated", ["anyone"], 2, id="all-unauthenticated"),
        pytest.param("all-authenticated", [["*"]], 2, id="all-authenticated"),
        pytest.param("cluster-unauthenticated", ["anyone"], 5, id="cluster-unauthenticated"),
        pytest.param("cluster-authenticated", [["*"]], 5, id="cluster-authenticated"),
        pytest.param("audit", ["anyone"], 2, id="audit"),
        pytest.param("deny", [], 0, id="deny"),
    ],
)
def test_default_policies(policy, clients_, networks):
    found = answer(inbound_policy=policy)
    assert dict(found.labels) == {"group": "", "kind": "default", "name": policy}
    assert [who(a) for a in found.authorizations] == clients_
    assert sum(len(a.networks) for a in found.authorizations) == networks
    assert all(a.metadata.default == policy and a.labels["name"] == policy for a in found.authorizations)


@pytest.mark.parametrize(
    "notes, port, name",
    [
        pytest.param({"config.linkerd.io/default-inbound-policy": "deny"}, 8080, "deny", id="pods-own"),
        pytest.param(
            {"config.linkerd.io/default-inbound-policy": "nonsense"}, 8080, "all-unauthenticated", id="unknown-word"
        ),
        pytest.param(
            {"config.linkerd.io/proxy-require-identity-inbound-ports": "8080"},
            8080,
            "all-authenticated",
            id="identity-required",
        ),
        pytest.param(
            {"config.linkerd.io/proxy-require-identity-inbound-ports": "8080"},
            8081,
            "all-unauthenticated",
            id="on-another-port",
        ),
    ],
)
def test_what_a_pod_asks_for(notes, port, name):
    assert answer(pod(notes=notes), port=port).labels["name"] == name


def test_kubelet_may_probe():
    routes = answer(inbound_policy="deny").protocol.detect.http_routes
    assert [r.metadata.default for r in routes] == ["probe", "default"]
    (match,) = routes[0].rules[0].matches
    assert (
        match.path.exact == "/healthz" and match.method.registered == 0 and who(routes[0].authorizations[0]) == "anyone"
    )


@pytest.mark.parametrize(
    "port, path", [pytest.param(8080, "/healthz", id="application"), pytest.param(4191, "/ready", id="proxy")]
)
def test_probe_paths(port, path):
    assert answer(port=port).protocol.detect.http_routes[0].rules[0].matches[0].path.exact == path


def test_an_opaque_port():
    assert answer(port=3306).protocol.WhichOneof("kind") == "opaque"


@pytest.mark.parametrize(
    "protocol, kind",
    [
        pytest.param("unknown", "detect", id="unknown"),
        pytest.param("HTTP/1", "http1", id="http1"),
        pytest.param("HTTP/2", "http2", id="http2"),
        pytest.param("gRPC", "grpc", id="grpc"),
        pytest.param("opaque", "opaque", id="opaque"),
        pytest.param("TLS", "tls", id="tls"),
    ],
)
def test_a_servers_protocol(protocol, kind):
    found = answer(server(protocol=protocol))
    assert found.protocol.WhichOneof("kind") == kind and not found.authorizations
    assert dict(found.labels) == {"group": "policy.linkerd.io", "kind": "server", "name": "srv"}


@pytest.mark.parametrize(
    "servers, name",
    [
        pytest.param([server("b"), server("a", created="2027-01-01T00:00:00Z")], "b", id="oldest"),
        pytest.param([server(port="http")], "srv", id="by-port-name"),
        pytest.param([server(podSelector={"matchLabels": {"app": "other"}})], "all-unauthenticated", id="other-pods"),
        pytest.param([server(podSelector={})], "srv", id="empty-selects-all"),
        pytest.param([server(podSelector=None)], "all-unauthenticated", id="no-selector-selects-none"),
        pytest.param(
            [server(podSelector={"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]})],
            "all-unauthenticated",
            id="expression",
        ),
        pytest.param([server(protocol="HTTP/9")], "all-unauthenticated", id="malformed"),
    ],
)
def test_which_server_speaks(servers, name):
    assert answer(pod(ports=(("http", 8080),)), *servers).labels["name"] == name


FRIENDS = ("MeshTLSAuthentication", "friends")
OFFICE = ("NetworkAuthentication", "office")
SERVER = ("Server", "srv")


@pytest.mark.parametrize(
    "objects, expected",
    [
        pytest.param([authorization(SERVER, FRIENDS), clients("*")], [["*"]], id="everybody-meshed"),
        pytest.param(
            [authorization(SERVER, FRIENDS), clients("a.b", "*.c.d")], [["a.b", "*.c.d"]], id="names-and-suffixes"
        ),
        pytest.param(
            [authorization(SERVER, FRIENDS), clients(refs=[{"kind": "ServiceAccount", "name": "buyer"}])],
            [[OUR_ID]],
            id="account",
        ),
        pytest.param(
            [authorization(SERVER, FRIENDS), clients(refs=[{"kind": "Namespace", "name": "ops"}])],
            [["*.ops.serviceaccount.identity.linkerd.cluster.local"]],
            id="namespace",
        ),
        pytest.param([authorization(SERVER, ("ServiceAccount", "buyer"))], [[OUR_ID]], id="account-itself"),
        pytest.param([authorization(("Namespace", "shop"), FRIENDS), clients("*")], [["*"]], id="for-the-namespace"),
        pytest.param([authorization(SERVER, OFFICE), nets("10.0.0.0/8")], ["anyone"], id="network"),
        pytest.param([authorization(SERVER)], ["anyone"], id="nothing-required"),
        pytest.param([authorization(SERVER, FRIENDS)], [], id="dangling"),
        pytest.param([authorization(SERVER, FRIENDS, OFFICE), clients("*")], [], id="half-dangling"),
        pytest.param([authorization(("Server", "other"), FRIENDS), clients("*")], [], id="another-server"),
        pytest.param(
            [authorization(SERVER, FRIENDS, ("ServiceAccount", "buyer")), clients("*")], [], id="two-identities"
        ),
        pytest.param([authorization(SERVER, FRIENDS), clients("a*b")], [], id="malformed-identity"),
        pytest.param([authorization(SERVER, FRIENDS), clients()], [], id="nobody"),
    ],
)
def test_authorization_policies(objects, expected):
    assert [who(a) for a in answer(server(), *objects).authorizations] == expected


def test_networks_have_exceptions():
    found = answer(server(), authorization(SERVER, OFFICE), nets({"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}))
    (net,) = found.authorizations[0].networks
    assert net.net.prefix_len == 8 and getattr(net, "except")[0].ip.ipv4 == 0x0A010000
    assert found.authorizations[0].metadata.resource.kind == "authorizationpolicy"


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}, id="outside"),
        pytest.param("nonsense", id="no-network"),
    ],
)
def test_malformed_networks_let_nobody_in(block):
    world = known(pod(), server(), authorization(SERVER, OFFICE), nets(block))
    assert not inbound.answer(world, world.pods[POD], 8080).authorizations and world.take_complaints()


@pytest.mark.parametrize(
    "spec, expected",
    [
        pytest.param({"server": {"name": "srv"}, "client": {"unauthenticated": True}}, ["anyone"], id="anyone"),
        pytest.param({"server": {"selector": {}}, "client": {"unauthenticated": True}}, ["anyone"], id="by-selector"),
        pytest.param({"server": {"name": "x"}, "client": {"unauthenticated": True}}, [], id="another"),
        pytest.param(
            {"server": {"name": "srv"}, "client": {"meshTLS": {"unauthenticatedTLS": True}}},
            ["encrypted"],
            id="encrypted",
        ),
        pytest.param(
            {"server": {"name": "srv"}, "client": {"meshTLS": {"identities": ["*"]}}}, [["*"]], id="identities"
        ),
        pytest.param(
            {"server": {"name": "srv"}, "client": {"meshTLS": {"serviceAccounts": [{"name": "buyer"}]}}},
            [[OUR_ID]],
            id="accounts",
        ),
        pytest.param({"server": {"name": "srv"}, "client": {}}, [], id="nobody"),
    ],
)
def test_server_authorizations(spec, expected):
    found = answer(server(), custom(crds.ServerAuthorization, "old", spec))
    assert [who(a) for a in found.authorizations] == expected


def test_access_policy_is_the_servers_own_default():
    assert [who(a) for a in answer(server(accessPolicy="all-unauthenticated")).authorizations] == ["anyone"]


def test_routes_of_a_server_and_who_may_call_them():
    objects = [
        server(protocol="HTTP/1"),
        server_route(),
        authorization(("HTTPRoute", "admin"), FRIENDS),
        clients("boss"),
    ]
    (route,) = answer(*objects).protocol.http1.routes
    assert route.metadata.resource.name == "admin" and route.rules[0].matches[0].path.prefix == "/admin"
    assert [who(a) for a in route.authorizations] == [["boss"]]


def test_a_change_is_seen_and_undone():
    world = known(pod(), server(), authorization(SERVER, FRIENDS))
    look = lambda: [who(a) for a in inbound.answer(world, world.pods[POD], 8080).authorizations]  # noqa: E731
    assert look() == []
    assert put(world, clients("*")) and look() == [["*"]]
    assert not put(world, clients("*"))
    assert world.drop_clients(names.Key("shop", "friends")) and look() == []
