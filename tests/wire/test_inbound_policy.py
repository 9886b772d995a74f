"""Who may enter, how often, and under which name: the inbound side against every kind of policy the API can say."""

import json
import pathlib
import socket
import time
from typing import Any

import pytest

from tests.wire import conftest, direct, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
ANYWHERE = {"net": {"ip": {"ipv4": 0}, "prefixLen": 0}}
OPEN = {"unauthenticated": {}}
NAME = "web.default.svc.cluster.local"


def authz(permit: dict[str, Any], name: str = "wire") -> dict[str, Any]:
    return {"networks": [ANYWHERE], "authentication": permit, "metadata": {"default": name}}


def only(*identities: str) -> dict[str, Any]:
    return {"meshTLS": {"identities": {"identities": [{"name": one} for one in identities]}}}


def port_policy(protocol: dict[str, Any], *authorizations: dict[str, Any]) -> dict[str, Any]:
    labels = {"group": "policy.linkerd.io", "kind": "server", "name": "wire"}
    return {"proto": {"protocol": protocol, "authorizations": list(authorizations), "labels": labels}}


def detect(**more: Any) -> dict[str, Any]:
    return {"detect": {"timeout": "10s", **more}}


def rated(**rates: int) -> dict[str, Any]:
    limit = {scope: {"requestsPerSecond": rate} for scope, rate in rates.items()}
    return detect(httpLocalRateLimit={"metadata": {"default": "wire"}, **limit})


def closed(ip: str, port: int) -> bool:
    """Whether a connection ends without a byte."""
    with socket.create_connection((ip, port), 5) as conn:
        try:
            return conn.recv(1) == b""
        except ConnectionError:
            return True


def told(pod: pods.Pod, name: str, **labels: str) -> float:
    return pod.metric(name, **labels)


def clear(ip: str, request: str, port: int = 8080) -> bytes:
    """A stranger's request in clear text."""
    with socket.create_connection((ip, port), 5) as conn:
        conn.sendall(request.replace("\n", "\r\n").encode())
        return b"".join(iter(lambda: conn.recv(1 << 16), b""))


ASK = "GET /headers HTTP/1.1\nhost: web\nconnection: close\n\n"


def test_a_rate_limit_refuses_what_is_above_it(stage: conftest.Stage, state: world.State) -> None:
    state.edit("ports", "8080", port_policy(rated(identity=20), authz(OPEN)))
    pods.wait_for(lambda: stage.client.call("many", **WEB, count=60, connections=2)["failed"] > 0, 5, "the limit", None)
    time.sleep(1.5)
    start = time.monotonic()
    done = stage.client.call("many", **WEB, count=200, connections=2)
    seconds = time.monotonic() - start
    assert 20 <= done["clusters"]["server"] <= 20 * (seconds + 1) + 2
    assert set(done["failures"]) == {"429 None"}, "the reason stays between the proxies"
    labels = {"ratelimit_scope": "identity", "client_id": world.identity("client")}
    assert told(stage.server, "inbound_http_local_ratelimit_total", **labels) >= done["failed"]
    # Another client has a share of its own, whatever this one does.
    assert b" 200 OK" in clear(world.IPS["server"], ASK)


def test_http_1_0_without_host_is_for_the_address_it_came_to(stage: conftest.Stage, state: world.State) -> None:
    pods.wait_for(lambda: b" 200 OK" in clear(world.IPS["server"], ASK), 5, "the default policy")
    answer = clear(world.IPS["server"], "GET /headers HTTP/1.0\n\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["host"] == f"{world.IPS['server']}:8080"


@pytest.mark.parametrize("protocol", [{"http1": {}}, detect()], ids=["http1", "detect"])
def test_requests_enter_ports_of_each_http_kind(
    stage: conftest.Stage, state: world.State, protocol: dict[str, Any]
) -> None:
    state.edit("ports", "8080", port_policy(protocol, authz(only(world.identity("client")))))
    pods.wait_for(lambda: b" 403 " in clear(world.IPS["server"], ASK), 5, "the policy")
    assert stage.client.call("one", **WEB)["status"] == 200


@pytest.mark.parametrize("kind", ["http2", "grpc"])
def test_calls_enter_ports_that_are_http2(stage: conftest.Stage, state: world.State, kind: str) -> None:
    health: dict[str, Any] = {"host": world.HEALTH, "port": 50051, "name": "health", "count": 3}
    state.edit("ports", "50051", port_policy({kind: {}}, authz(only(world.identity("client")))))
    assert stage.client.call("grpc", **health)["answers"] == ["0801"]


def test_an_inbound_route_filters_and_authorizes_by_itself(stage: conftest.Stage, state: world.State) -> None:
    def route(name: str, path: str, *filters: dict[str, Any], who: dict[str, Any] = OPEN) -> dict[str, Any]:
        rule = {"matches": [{"path": {"prefix": path}}], "filters": list(filters)}
        return {"metadata": {"default": name}, "rules": [rule], "authorizations": [authz(who, name)]}

    fail = {"failureInjector": {"status": 418, "message": "teapot", "ratio": {"numerator": 1, "denominator": 1}}}
    edit = {"requestHeaderModifier": {"set": {"headers": [{"name": "x-set", "value": "bmV3"}]}, "remove": ["x-gone"]}}
    move = {"redirect": {"host": "other", "status": 301}}
    routes = [
        route("probe", "/headers", edit),
        route("fail", "/fail", fail),
        route("move", "/move", move),
        route("mesh", "/mesh", who=only(world.identity("client"))),
    ]
    state.edit("ports", "8080", port_policy(detect(httpRoutes=routes)))

    def status(path: str) -> int:
        request = f"GET {path} HTTP/1.1\nhost: web\nx-set: old\nx-gone: 1\nconnection: close\n\n"
        return int(clear(world.IPS["server"], request).split()[1])

    pods.wait_for(lambda: status("/fail") == 418, 5, "the policy")
    assert [status(path) for path in ("/move", "/mesh", "/none", "/headers")] == [301, 403, 404, 200]
    answer = clear(world.IPS["server"], ASK.replace("host: web", "host: web\nx-set: old\nx-gone: 1"))
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert seen["x-set"] == "new" and "x-gone" not in seen
    assert told(stage.server, "inbound_http_authz_deny_total", route_name="mesh") >= 1
    assert stage.client.call("one", **WEB, path="/mesh")["status"] == 200


def test_bytes_let_in_are_cut_when_policy_takes_it_back(stage: conftest.Stage, state: world.State) -> None:
    with socket.create_connection((world.IPS["server"], 9000), 5) as conn:
        stream = conn.makefile("rb")
        assert stream.readline() == b"hello\n"
        assert told(stage.server, "tcp_open_total", peer="src", no_tls_reason="port_skipped") >= 1
        state.edit("ports", "9000", port_policy({"opaque": {}}, authz(only(world.identity("client")))))
        try:
            assert stream.read(1) == b""
        except ConnectionResetError:
            pass
    assert told(stage.server, "inbound_tcp_authz_terminate_total", no_tls_reason="port_skipped") >= 1
    assert closed(world.IPS["server"], 9000), "nor does a new one get in"


@pytest.fixture
def peer(stage: conftest.Stage, tmp_path: pathlib.Path) -> pathlib.Path:
    """A certificate of another workload of the mesh."""
    return direct.issue(stage.ca, direct.Shape(dns=(world.identity("peer"),)), tmp_path / "peer.pem")


def at_gateway(stage: conftest.Stage, peer: pathlib.Path, request: str, *, name: str = NAME) -> bytes:
    with direct.connect(world.IPS["gateway"], world.identity("gateway"), stage.anchors, peer) as conn:
        return direct.ask(conn, direct.header(80, name, http=True), request)


def test_at_a_gateway_a_request_has_the_name_of_its_connection(
    stage: conftest.Stage, state: world.State, peer: pathlib.Path
) -> None:
    ask = ASK.replace("host: web", "host: echo.default.svc.cluster.local")
    pods.wait_for(lambda: b" 200 OK" in at_gateway(stage, peer, ask), 5, "the default policy")
    answer = at_gateway(stage, peer, ask)
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert seen["host"] == f"{NAME}:80" and seen["l5d-client-id"] == world.identity("gateway")
    assert f"for={world.identity('peer')}" in seen["forwarded"] and f'host="{NAME}:80"' in seen["forwarded"]


@pytest.mark.parametrize("who, status", [("peer", 200), ("client", 403)])
def test_a_gateway_authorizes_by_target(
    stage: conftest.Stage, state: world.State, peer: pathlib.Path, who: str, status: int
) -> None:
    def route(host: str, identity: str) -> dict[str, Any]:
        match = {"path": {"prefix": "/"}}
        return {
            "metadata": {"default": host[:3]},
            "hosts": [{"exact": host}],
            "rules": [{"matches": [match]}],
            "authorizations": [authz(only(identity))],
        }

    routes = [route("echo.default.svc.cluster.local", world.identity("peer")), route(NAME, world.identity(who))]
    state.edit("ports", "4143", port_policy(detect(httpRoutes=routes)))
    # The name in the request is one that this client may ask for; the connection's is what counts.
    ask = ASK.replace("host: web", "host: echo.default.svc.cluster.local")
    pods.wait_for(lambda: f" {status} ".encode() in at_gateway(stage, peer, ask)[:20], 5, "the policy")


def test_a_gateway_refuses_what_is_not_exported(stage: conftest.Stage, state: world.State, peer: pathlib.Path) -> None:
    gateway = stage.all["gateway"]
    pods.wait_for(lambda: b" 200 OK" in at_gateway(stage, peer, ASK), 5, "the default policy")
    before = stage.server.metric("request_total", direction="inbound")
    state.edit("outbound", f"{NAME}:80", {"refuse": "Service default/web is not exported"})
    pods.wait_for(lambda: b" 404 " in at_gateway(stage, peer, ASK)[:20], 5, "the refusal")
    for name in ("kubernetes.default.svc.cluster.local", "example.com"):
        assert b" 200 " not in at_gateway(stage, peer, ASK, name=name)[:20], name
    seen = stage.server.metric("request_total", direction="inbound")
    for _ in range(5):
        assert b" 404 " in at_gateway(stage, peer, ASK)[:20]
    assert stage.server.metric("request_total", direction="inbound") == seen >= before, "no backend byte"
    assert gateway.metric("inbound_http_errors_total", error="gateway domain invalid") >= 6
    assert gateway.metric("inbound_tcp_errors_total", error="gateway domain invalid") >= 1


@pytest.mark.parametrize(
    "policy, stranger, peer_gets",
    [("audit", 200, 200), ("deny", 403, 403), ("cluster-authenticated", 403, 200)],
    ids=["audit", "deny", "cluster-authenticated"],
)
def test_the_default_policy_stands_while_nobody_answers(
    stage: conftest.Stage, state: world.State, policy: str, stranger: int, peer_gets: int
) -> None:
    try:
        stage.server.restart_proxy(stage.anchors, INBOUND_DEFAULT_POLICY=policy, POLICY_SVC_ADDR="localhost.:8099")
        assert f" {stranger} ".encode() in clear(world.IPS["server"], ASK)[:20]
        pods.wait_for(lambda: stage.client.call("one", **WEB)["status"] == peer_gets, 5, "the peer's answer")
        # Where strangers are refused, so are those who read metrics.
        labels = {"srv_kind": "default", "srv_name": policy, "authz_name": policy}
        assert stranger == 403 or told(stage.server, "inbound_http_authz_allow_total", **labels) >= 2
    finally:
        stage.server.restart_proxy(stage.anchors)
