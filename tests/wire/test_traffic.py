"""Every protocol from one application to another through two proxies, and who they say they are."""

import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
WEST: dict[str, Any] = {"host": world.WEST, "port": 80, "name": "web-west"}


def test_http1_arrives_with_the_verified_identity_and_nothing_forged(stage: conftest.Stage, state: world.State) -> None:
    done = stage.client.call("headers", **WEB)
    assert done["status"] == 200
    assert done["headers"]["l5d-client-id"] == world.identity("client")
    assert done["headers"]["x-marker"] == "seen"
    assert done["headers"]["host"] == "web"
    assert "l5d-orig-proto" not in done["headers"]


def test_many_connections_at_once(stage: conftest.Stage, state: world.State) -> None:
    done = stage.client.call("many", **WEB, count=2000, connections=32)
    assert (done["clusters"], done["failures"]) == ({"server": 2000}, [])


@pytest.mark.parametrize("header", [True, False], ids=["transport header", "transparent"])
@pytest.mark.parametrize("hint", ["h2", "none"])
def test_every_way_to_a_meshed_peer(stage: conftest.Stage, state: world.State, hint: str, header: bool) -> None:
    state.edit("endpoints", world.path("web"), [world.endpoint("second", 8080, hint=hint, header=header)])
    pods.wait_for(
        lambda: stage.client.call("many", **WEB, count=1, connections=1)["clusters"] == {"second": 1}, 5, "it"
    )
    done = stage.client.call("headers", **WEB)
    assert (done["status"], done["headers"]["l5d-client-id"]) == (200, world.identity("client"))


@pytest.mark.parametrize("size", [0, 1, 70_000, 20_000_000])
def test_bodies_both_ways(stage: conftest.Stage, state: world.State, size: int) -> None:
    assert stage.client.call("download", **WEB, size=size) == {"status": 200, "bytes": size}
    done = stage.client.call("upload", **WEB, size=size)
    assert (done["status"], done["body"]["bytes"]) == (200, size)


def test_grpc(stage: conftest.Stage, state: world.State) -> None:
    done = stage.client.call("grpc", host=world.HEALTH, port=50051, name="health", count=50)
    assert (done["count"], done["answers"], done["unknown"]) == (50, ["0801"], "UNIMPLEMENTED")


def test_websocket(stage: conftest.Stage, state: world.State) -> None:
    done = stage.client.call("websocket", **WEB, text="hello")
    assert done == {"status": 101, "accepted": True, "echo": "hello"}


@pytest.mark.parametrize("host", [world.ECHO, world.WEST], ids=["direct", "gateway"])
@pytest.mark.parametrize("size", [1, 70_000, 5_000_000])
def test_opaque_bytes_where_the_server_speaks_first(
    stage: conftest.Stage, state: world.State, size: int, host: str
) -> None:
    done = stage.client.call("tcp", host=host, port=9000, size=size)
    assert done == {"bytes": size + len("hello\n")}


def test_by_name_through_the_gateway(stage: conftest.Stage, state: world.State) -> None:
    done = stage.client.call("headers", **WEST)
    assert done["status"] == 200
    assert done["headers"]["l5d-client-id"] == world.identity("gateway")
    assert done["headers"]["host"] == world.path("web")
    assert f"by={world.identity('gateway')}" in done["headers"]["forwarded"]
    assert f"for={world.identity('client')}" in done["headers"]["forwarded"]


def test_a_name_the_gateway_does_not_know_is_404(stage: conftest.Stage, state: world.State) -> None:
    unknown = [world.through_gateway(world.path("nobody"))]
    state.edit("endpoints", world.path("web-west"), unknown)
    pods.wait_for(lambda: stage.client.call("many", **WEST, count=1, connections=1)["failed"] == 1, 5, "the endpoint")
    assert stage.client.call("many", **WEST, count=5, connections=1)["failed"] == 5


def test_the_wire_between_pods_is_tls_and_its_peer_is_ours(stage: conftest.Stage, state: world.State) -> None:
    stage.client.call("many", **WEB, count=10, connections=1)
    assert (
        stage.client.metric("request_total", direction="outbound", tls="true", server_id=world.identity("server")) >= 10
    )
    assert (
        stage.server.metric("request_total", direction="inbound", tls="true", client_id=world.identity("client")) >= 10
    )


def test_a_peer_with_the_wrong_identity_gets_nothing(stage: conftest.Stage, state: world.State) -> None:
    wrong = world.endpoint("server", 8080) | {"id": world.identity("second")}
    state.edit("endpoints", world.path("web"), [wrong])
    pods.wait_for(lambda: stage.client.call("many", **WEB, count=1, connections=1)["failed"] == 1, 5, "the endpoint")


def test_clear_text_from_outside_the_mesh_is_served_without_an_identity(
    stage: conftest.Stage, state: world.State
) -> None:
    with socket.create_connection((world.IPS["server"], 8080), 5) as conn:
        conn.sendall(b"GET /headers HTTP/1.1\r\nhost: x\r\nl5d-client-id: forged\r\nconnection: close\r\n\r\n")
        answer = conn.makefile("rb").read()
    assert b"200 OK" in answer
    assert b"forged" not in answer


def test_destinations_outside_the_mesh_are_forwarded(stage: conftest.Stage, state: world.State) -> None:
    code = (
        "import http.server, threading, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        '    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b\'{"cluster": "plain"}\')\n'
        "http.server.HTTPServer(('10.9.0.254', 18080), H).serve_forever()\n"
    )
    outside = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        call = lambda: stage.client.call("many", host="10.9.0.254", port=18080, name="x", count=3, connections=1)  # noqa: E731
        pods.wait_for(lambda: call()["clusters"] == {"plain": 3}, 5, "the outside")
    finally:
        outside.kill()
        outside.wait()
