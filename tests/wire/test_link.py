"""The proxy and the mesh around it: a control plane in another pod, an admin port asked by peers."""

import http.client
import signal
import ssl
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}


def test_a_control_plane_behind_a_proxy_is_called_over_mtls(stage: conftest.Stage, state: world.State) -> None:
    remote, second = stage.all["remote"], stage.all["second"]
    done = remote.call("many", **WEB, count=50, connections=4)
    assert (done["clusters"], done["failures"]) == ({"server": 50}, [])
    assert second.metric("request_total", direction="inbound", client_id=world.identity("remote")) >= 1
    assert remote.metric("control_request_total", tls="true", server_id=world.identity("second")) >= 3


def test_calls_for_a_certificate_are_counted(stage: conftest.Stage, state: world.State) -> None:
    address = "127.0.0.1:8090"
    stage.client.restart_proxy(stage.anchors, IDENTITY_SVC_ADDR=address)
    for family in ("control_request_total", "control_response_total", "control_response_latency_ms_count"):
        assert stage.client.metric(family, addr=address, tls="no_identity") == 1, family
    stage.client.restart_proxy(stage.anchors)


def test_streams_are_opened_anew_after_silence_and_given_up_without_an_answer(
    stage: conftest.Stage, state: world.State
) -> None:
    remote, plane = stage.all["remote"], stage.all["second"].children["plane"].process
    limits = {"INITIAL_TIMEOUT": "500ms", "IDLE_TIMEOUT": "1s", "LIFETIME": "1h"}
    remote.restart_proxy(stage.anchors, **{f"CONTROL_STREAM_{name}": limit for name, limit in limits.items()})
    ended = lambda code: remote.metric("control_response_total", grpc_status=code)  # noqa: E731
    # One of the good ends is the certificate's.
    pods.wait_for(lambda: ended("0") > 2, 5, "the end of a silent stream")
    assert ended("4") == 0
    plane.send_signal(signal.SIGSTOP)
    try:
        pods.wait_for(lambda: ended("4") > 0, 5, "the end of an unanswered stream")
    finally:
        plane.send_signal(signal.SIGCONT)
    remote.restart_proxy(stage.anchors)


def test_a_connection_to_the_control_plane_is_made_anew_after_its_lifetime(
    stage: conftest.Stage, state: world.State
) -> None:
    remote, second = stage.all["remote"], stage.all["second"]
    ended = lambda: remote.metric("control_response_total", grpc_status="0")  # noqa: E731
    opened = lambda: second.metric("tcp_open_total", peer="src", client_id=world.identity("remote"))  # noqa: E731
    limits = {"CONTROL_STREAM_INITIAL_TIMEOUT": "200ms", "CONTROL_STREAM_IDLE_TIMEOUT": "500ms"}
    for lifetime, fresh in (("1h", 0), ("600ms", 3)):
        remote.restart_proxy(stage.anchors, **limits, CONTROL_STREAM_LIFETIME=lifetime)
        pods.wait_for(lambda: ended() > 2, 5, "the end of a silent stream")
        streams, connections = ended(), opened()
        pods.wait_for(lambda n=streams: ended() > n + 5, 10, "streams opened anew")
        pods.wait_for(lambda n=connections + fresh: opened() >= n, 10, f"{fresh} connections made anew")
        assert fresh or opened() == connections
    remote.restart_proxy(stage.anchors)


def test_a_control_plane_with_another_identity_is_not_believed(stage: conftest.Stage, state: world.State) -> None:
    remote = stage.all["remote"]
    remote.children["proxy"].end()
    other = world.identity("server")
    try:
        child = remote.start_proxy(stage.anchors, IDENTITY_SVC_NAME=other)
        pods.wait_for(lambda: b"not certified by" in child.log.read_bytes(), 5, "the refusal", child)
        assert remote.admin("/ready")[0] == 503
    finally:
        remote.restart_proxy(stage.anchors)


def over_tls(stage: conftest.Stage, name: str) -> http.client.HTTPSConnection:
    trust = ssl.create_default_context(cadata=stage.anchors)
    trust.minimum_version = ssl.TLSVersion.TLSv1_3
    connection = http.client.HTTPSConnection(world.IPS["client"], 4191, timeout=5, context=trust)
    connection.connect = lambda: named(connection, trust, name)  # type: ignore[method-assign]
    return connection


def named(connection: http.client.HTTPSConnection, trust: ssl.SSLContext, name: str) -> None:
    http.client.HTTPConnection.connect(connection)
    connection.sock = trust.wrap_socket(connection.sock, server_hostname=name)


def test_peers_ask_the_admin_port_over_mesh_tls(stage: conftest.Stage) -> None:
    connection = over_tls(stage, world.identity("client"))
    connection.request("GET", "/ready")
    assert connection.getresponse().read() == b"ready\n"
    connection.close()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        over_tls(stage, world.identity("server")).request("GET", "/ready")
