"""Which endpoint gets a request, through real proxies: weights, zones, overload, breakers, and endpoints that come back."""

import time
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
KEY = f"{world.WEB}:80"
BACKOFF = {"minBackoff": "30s", "maxBackoff": "60s", "jitterRatio": 0.1}
Said = dict[str, Any]


def backend(path: str, **balancer: object) -> Said:
    """A balanced backend, in protobuf's JSON form."""
    name, _, port = path.rpartition(":")
    resource = {"group": "core", "kind": "Service", "name": name.split(".")[0], "namespace": "default", "port": port}
    return {
        "metadata": {"resource": resource},
        "queue": {"capacity": 100, "failfastTimeout": "1s"},
        "balancer": {"discovery": {"dst": {"path": path}}, **balancer},
    }


def routes(to: Said, **rule: object) -> list[Said]:
    return [
        {
            "metadata": {"default": "http"},
            "rules": [{"backends": {"firstAvailable": {"backends": [{"backend": to}]}}, **rule}],
        }
    ]


def policy(to: Said, **http: object) -> Said:
    """Every request goes to one backend."""
    both = {"routes": routes(to), **http}
    opaque = {"routes": []}
    return {
        "proto": {
            "metadata": {
                "resource": {"group": "core", "kind": "Service", "name": "web", "namespace": "default", "port": 80}
            },
            "protocol": {"detect": {"timeout": "10s", "http1": both, "http2": both, "opaque": opaque}},
        }
    }


def two(state: world.State, **changes: Said) -> None:
    """Two endpoints behind the web Service, both meshed."""
    made = [world.endpoint(pod, 8080) | changes.get(pod, {}) for pod in ("server", "second")]
    state.edit("endpoints", world.path("web"), made)


def ask(stage: conftest.Stage, count: int, path: str = "/") -> dict[str, int]:
    return stage.client.call("several", **WEB, path=path, count=count)


def wait_for_both(stage: conftest.Stage) -> None:
    pods.wait_for(lambda: len(ask(stage, 30)) == 2, 5, "both endpoints")


def test_weights_of_endpoints_shape_the_load(stage: conftest.Stage, state: world.State) -> None:
    two(state, second={"weight": 40_000})
    stage.client.restart_proxy(stage.anchors)

    def shaped() -> bool:
        """In one of some runs: on a busy machine latency shapes the load too."""
        done = stage.client.call("many", **WEB, count=2000, connections=16)
        seen = done["clusters"]
        assert (sum(seen.values()), done["failures"]) == (2000, [])
        return seen["second"] > 1.5 * seen.get("server", 0)

    pods.wait_for(shaped, 20, "a load that follows the weights")


def test_endpoints_of_the_own_zone_come_first(stage: conftest.Stage, state: world.State) -> None:
    near, far = (
        {"labels": {"pod": pod, "zone_locality": zone}} for pod, zone in (("second", "local"), ("server", "remote"))
    )
    two(state, second=near, server=far)
    pods.wait_for(lambda: ask(stage, 20) == {"second 200": 20}, 5, "the near one alone")
    state.edit("endpoints", world.path("web"), [world.endpoint("server", 8080) | far])
    pods.wait_for(lambda: ask(stage, 20) == {"server 200": 20}, 5, "the far one, when it is alone")


def test_an_endpoint_that_says_overloaded_is_spared(stage: conftest.Stage, state: world.State) -> None:
    two(state)
    load = {"penaltyPeakEwma": {"penalty": "30s", "maxRetryAfter": "60s", "penaltyDecay": "20s"}}
    state.edit("outbound", KEY, policy(backend(world.path("web"), **load)))
    stage.client.restart_proxy(stage.anchors)
    wait_for_both(stage)
    seen = ask(stage, 60, "/?status=429&at=server")
    assert seen.get("server 429", 0) <= 2, seen
    assert ask(stage, 30) == {"second 200": 30}


def test_a_breaker_by_share_of_successes_shuts_and_a_changed_policy_opens(
    stage: conftest.Stage, state: world.State
) -> None:
    two(state)
    unified = {"successRateThreshold": 0.8, "decay": "10s", "minRequests": 5, "backoff": BACKOFF}
    accrual = {"failureAccrual": {"unified": unified}}
    stage.client.restart_proxy(stage.anchors)
    wait_for_both(stage)
    state.edit("outbound", KEY, policy(backend(world.path("web")), **accrual))

    def shut() -> bool:
        ask(stage, 30, "/?status=500&at=server")
        return stage.client.metric("outbound_http_balancer_endpoints", endpoint_state="pending") == 1

    pods.wait_for(shut, 5, "the breaker")
    assert ask(stage, 40) == {"second 200": 40}
    assert stage.client.metric("outbound_http_balancer_p2c_endpoints") == 1
    state.edit("outbound", KEY, policy(backend(world.path("web"))))
    pods.wait_for(lambda: len(ask(stage, 30)) == 2, 5, "the first one, which nothing shuts any more")


def test_the_last_endpoint_stays_open(stage: conftest.Stage, state: world.State) -> None:
    state.edit("endpoints", world.path("web"), [world.endpoint("server", 8080)])
    row = {"consecutiveFailures": {"maxFailures": 2, "backoff": BACKOFF}, "ejection": {"minReadyEndpoints": 1}}
    state.edit("outbound", KEY, policy(backend(world.path("web")), failureAccrual=row))
    stage.client.restart_proxy(stage.anchors)
    assert ask(stage, 10, "/?status=500") == {"server 500": 10}


def test_retry_after_says_how_long_a_breaker_stays_shut(stage: conftest.Stage, state: world.State) -> None:
    two(state)
    backoff = {"minBackoff": "1s", "maxBackoff": "60s", "jitterRatio": 0, "respectRetryAfterHint": True}
    row = {"consecutiveFailures": {"maxFailures": 1, "backoff": backoff}}
    state.edit("outbound", KEY, policy(backend(world.path("web")), failureAccrual=row))
    stage.client.restart_proxy(stage.anchors)
    wait_for_both(stage)
    ask(stage, 30, "/?status=503&at=server&retry=20")
    time.sleep(2)
    assert ask(stage, 30) == {"second 200": 30}


def test_a_service_that_does_not_exist_fails_at_once(stage: conftest.Stage, state: world.State) -> None:
    state.edit("endpoints", world.path("web"), "missing")
    pods.wait_for(lambda: stage.client.call("one", **WEB)["status"] == 504, 5, "its end")
    done = stage.client.call("one", **WEB)
    assert (done["status"], done["seconds"] < 0.5) == (504, True)


def test_a_peer_that_comes_back_serves_within_two_seconds_and_a_probe(
    stage: conftest.Stage, state: world.State
) -> None:
    assert ask(stage, 3) == {"server 200": 3}
    stage.server.children["proxy"].end()
    away = time.monotonic()
    while time.monotonic() - away < 7:
        stage.client.call("one", **WEB)
    stage.server.start_proxy(stage.anchors)
    stage.server.wait_ready()
    back = time.monotonic()
    while stage.client.call("one", **WEB)["status"] != 200:
        assert time.monotonic() - back < 10, "it is not found again"
    # Two seconds, a probe, and this test's own processes; the wait would have grown to 6 s by now.
    assert time.monotonic() - back < 4.5


def test_routes_for_http2_may_differ_from_those_for_http1(stage: conftest.Stage, state: world.State) -> None:
    said = policy(backend(world.path("web")))
    said["proto"]["protocol"]["detect"]["http2"] = {"routes": routes(backend(world.path("health", 50051)))}
    state.edit("outbound", KEY, said)
    stage.client.restart_proxy(stage.anchors)
    assert ask(stage, 5) == {"server 200": 5}
    done = stage.client.call("grpc", host=world.WEB, port=80, name="web", count=5)
    assert (done["count"], done["answers"]) == (5, ["0801"])
