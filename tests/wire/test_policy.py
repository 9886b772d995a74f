"""What policy decides: splits, refusals, nothing to go to."""

import socket
import time
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
BOTH: dict[str, Any] = {"host": world.BOTH, "port": 80, "name": "both"}


def shares(stage: conftest.Stage, count: int) -> dict[str, int]:
    done = stage.client.call("many", **BOTH, count=count, connections=8)
    assert done["failures"] == []
    return done["clusters"]


def test_a_split_keeps_its_weights(stage: conftest.Stage, state: world.State) -> None:
    second = [world.endpoint("second", 8080)]
    state.edit("endpoints", world.path("web-west"), second)
    state.edit(
        "outbound", f"{world.BOTH}:80", world.service("both", split={world.path("web"): 80, world.path("web-west"): 20})
    )
    pods.wait_for(lambda: len(shares(stage, 50)) == 2, 5, "the split")
    seen = shares(stage, 2000)
    assert sum(seen.values()) == 2000
    assert 300 < seen["second"] < 500  # 400 expected, five deviations are 89


def test_weights_move_under_load_without_a_failure(stage: conftest.Stage, state: world.State) -> None:
    state.edit("endpoints", world.path("web-west"), [world.endpoint("second", 8080)])
    load = stage.client.calling("many", **BOTH, count=1_000_000, connections=8, seconds=6)
    for share in (100, 50, 0, 50, 100, 0) * 3:
        split = {world.path("web"): share, world.path("web-west"): 100 - share}
        state.edit("outbound", f"{world.BOTH}:80", world.service("both", split=split))
        time.sleep(0.25)
    said = load.communicate(timeout=30)[0]
    assert '"failed": 0' in said, said


def test_a_denied_port_is_403_and_counted(stage: conftest.Stage, state: world.State) -> None:
    before = stage.server.metric("inbound_http_authz_deny_total")
    state.edit("ports", "8080", "deny")
    pods.wait_for(lambda: stage.client.call("one", **WEB)["status"] == 403, 5, "the policy")
    assert stage.server.metric("inbound_http_authz_deny_total") > before
    state.edit("ports", "8080", "allow")
    pods.wait_for(lambda: stage.client.call("one", **WEB)["status"] == 200, 5, "the policy")


def test_mtls_only_lets_the_mesh_in(stage: conftest.Stage, state: world.State) -> None:
    state.edit("ports", "8080", "mtls")
    pods.wait_for(lambda: b" 403 " in clear(world.IPS["server"]), 5, "the policy")
    assert stage.client.call("one", **WEB)["status"] == 200


def clear(ip: str) -> bytes:
    with socket.create_connection((ip, 8080), 5) as conn:
        conn.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return conn.makefile("rb").readline()


def test_no_endpoint_fails_fast_with_a_reason(stage: conftest.Stage, state: world.State) -> None:
    state.edit("endpoints", world.path("web"), [])
    pods.wait_for(lambda: stage.client.call("one", **WEB)["status"] in (503, 504), 10, "failfast")
    again = stage.client.call("one", **WEB)
    assert again["status"] in (503, 504) and again["seconds"] < 2.5
    state.edit("endpoints", world.path("web"), [world.endpoint("server", 8080)])
    pods.wait_for(lambda: stage.client.call("one", **WEB)["status"] == 200, 5, "recovery")
