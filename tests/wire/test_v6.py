"""IPv6 beside IPv4 in the same pods: rules, original destinations, endpoints and mesh links; the options of sockets."""

from collections.abc import Iterator

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire
V6 = {"client": "fd09::2", "server": "fd09::3"}
SERVICE, ECHO = "fd96::1", "fd96::2"


def endpoint(port: int, hint: str) -> world.Said:
    return world.endpoint("server", port, hint=hint) | {"addr": f"[{V6['server']}]:{port}"}


@pytest.fixture
def dual(stage: conftest.Stage, state: world.State) -> Iterator[conftest.Stage]:
    """Client and server with addresses, rules and listeners of both kinds."""
    for name, address in V6.items():
        pod = stage.all[name]
        pods.run("ip", "-n", pod.space, "addr", "replace", f"{address}/64", "dev", "eth0", "nodad")
        pods.run("ip", "-n", pod.space, "-6", "route", "replace", "default", "dev", "eth0")
        pod.redirect("auto", "--ipv6")
        listen = {"INBOUND_LISTEN_ADDR": "[::]:4143", "OUTBOUND_LISTEN_ADDRS": ""}
        networks = dict.fromkeys(("DESTINATION_PROFILE_NETWORKS", "POLICY_CLUSTER_NETWORKS"), "10.0.0.0/8,fd00::/8")
        keep = {"INBOUND_ACCEPT_KEEPALIVE": "10s", "OUTBOUND_CONNECT_KEEPALIVE": "10s"}
        user = {"INBOUND_ACCEPT_USER_TIMEOUT": "30s", "OUTBOUND_CONNECT_USER_TIMEOUT": "30s"}
        pod.restart_proxy(stage.anchors, INBOUND_IPS=f"{pod.ip},{address}", **listen, **networks, **keep, **user)
    state.edit("outbound", f"[{SERVICE}]:80", world.service("web6"))
    state.edit("endpoints", world.path("web6"), [endpoint(8080, "h2")])
    state.edit("outbound", f"[{ECHO}]:9000", world.service("echo6", 9000, kind="opaque"))
    state.edit("profiles", f"[{ECHO}]:9000", {"opaque": True})
    state.edit("endpoints", world.path("echo6", 9000), [endpoint(9000, "opaque")])
    yield stage
    for name in V6:
        stage.all[name].restart_proxy(stage.anchors)


def test_requests_and_bytes_travel_over_ipv6_and_over_ipv4(dual: conftest.Stage) -> None:
    answer = dual.client.call("one", host=SERVICE, port=80, name="web6", path="/headers")
    assert answer["status"] == 200
    assert world.identity("client") in answer["body"], "the server's proxy names the client, so it was mTLS"
    assert dual.client.metric("request_total", target_ip=V6["server"], server_id=world.identity("server")) == 1
    assert dual.server.metric("tcp_open_total", direction="inbound", peer="src", target_ip=V6["server"]) >= 1
    assert dual.client.call("one", host=world.WEB, port=80, name="web")["status"] == 200
    said = dual.client.call("tcp", host=ECHO, port=9000, size=100_000)
    assert said["bytes"] >= 100_000, "the echo, and the word it says first"


def test_sockets_probe_silent_peers(dual: conftest.Stage) -> None:
    """The kernel tells a socket's timers; for a moment after a write it is another one."""
    dual.client.call("one", host=SERVICE, port=80, name="web6")
    for pod, port in ((dual.client, "dport"), (dual.server, "sport")):
        words = pod.inside("ss", "-Htno", "state", "established", f"( {port} = :4143 )")
        pods.wait_for(lambda w=words: "timer:(keepalive," in pods.run(*w), 3, f"{pod.name}: keepalive")
