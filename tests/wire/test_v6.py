"""IPv6 beside IPv4 in the same pods: rules, original destinations, endpoints and mesh links; the options of sockets."""

import contextlib
import ctypes
import os
import pathlib
import socket
from collections.abc import Iterator

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire
V6 = {"client": "fd09::2", "server": "fd09::3"}
SERVICE, ECHO = "fd96::1", "fd96::2"
PIDFD_GETFD = 438


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
        wait = {"INBOUND_TCP_LISTEN_BACKLOG": "77", "OUTBOUND_TCP_LISTEN_BACKLOG": "78"}
        every = listen | networks | keep | user | wait
        pod.restart_proxy(stage.anchors, INBOUND_IPS=f"{pod.ip},{address}", **every)
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


def copies(pod: pods.Pod) -> Iterator[socket.socket]:
    """The established TCP sockets of the pod's proxy, each as a second handle of ours."""
    pid, libc = pod.children["proxy"].process.pid, ctypes.CDLL(None, use_errno=True)
    whole = os.pidfd_open(pid)
    try:
        for handle in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            copy = libc.syscall(PIDFD_GETFD, whole, int(handle.name), 0)
            if copy < 0:
                continue
            try:
                with socket.socket(fileno=copy) as one:
                    if one.type == socket.SOCK_STREAM and one.family in (socket.AF_INET, socket.AF_INET6):
                        yield one
            except OSError:
                os.close(copy)
    finally:
        os.close(whole)


def test_sockets_give_up_on_peers_that_do_not_acknowledge(dual: conftest.Stage) -> None:
    """Those between the proxies; the kernel says it in milliseconds."""
    dual.client.call("one", host=SERVICE, port=80, name="web6")
    for pod, name in ((dual.client, "getpeername"), (dual.server, "getsockname")):
        times: list[int] = []
        for one in copies(pod):
            with contextlib.suppress(OSError):
                if getattr(one, name)()[1] == 4143 and one.getpeername():
                    times.append(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        assert times, pod.name
        assert set(times) == {30_000}, pod.name


def test_listeners_have_the_backlog_that_was_asked_for(dual: conftest.Stage) -> None:
    for port, backlog in (("4143", "77"), ("4140", "78")):
        words = dual.client.inside("ss", "-Hltn", f"sport = :{port}")
        assert {line.split()[2] for line in pods.run(*words).splitlines()} == {backlog}, port
