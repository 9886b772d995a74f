"""Requests sent again: by policy, by header, by profile; with bodies, budgets and time limits; HTTP and gRPC."""

import json
import uuid
from typing import Any

import pytest

from tests.wire import conftest, pods, policies, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
HEALTH: dict[str, Any] = {"host": world.HEALTH, "port": 50051, "name": "health"}


def key() -> str:
    return uuid.uuid4().hex


def ask(stage: conftest.Stage, path: str, **more: Any) -> dict[str, Any]:
    return stage.client.call("one", **WEB, path=path, **more)


def asked(done: dict[str, Any]) -> int:
    """How often the application was asked, when it said so."""
    return json.loads(done["body"])["asked"] if done["status"] == 200 else 0


def counted(stage: conftest.Stage, what: str, kind: str = "http") -> float:
    return stage.client.metric(f"outbound_{kind}_route_retry_{what}_total", route_name="r")


def settle(stage: conftest.Stage, state: world.State, policy: dict[str, Any]) -> None:
    """The policy, and the proof that the client's proxy follows it: its rule marks requests."""
    mark = key()
    detect = policy["proto"]["protocol"]["detect"]
    marked = policies.headers("response", x_policy=mark)
    for kind in ("http1", "http2"):
        for rule in detect[kind]["routes"][0]["rules"]:
            rule["filters"] = [*(one for one in rule.get("filters", []) if "responseHeaderModifier" not in one), marked]
    state.edit("outbound", f"{world.WEB}:80", policy)
    pods.wait_for(lambda: ask(stage, "/")["headers"].get("x-policy") == mark, 5, "the policy")


@pytest.mark.parametrize("body", ["", "hello"], ids=["without a body", "with a body"])
def test_an_answer_of_the_rule_is_asked_for_again(stage: conftest.Stage, state: world.State, body: str) -> None:
    settle(stage, state, policies.http(policies.rule(retry=policies.retry(2))))
    before = [counted(stage, what) for what in ("requests", "successes")]
    done = ask(stage, f"/flaky/2?key={key()}", body=body)
    assert (done["status"], asked(done), json.loads(done["body"])["bytes"]) == (200, 3, len(body))
    after = [counted(stage, what) for what in ("requests", "successes")]
    assert [new - old for old, new in zip(before, after, strict=True)] == [2, 1]


def test_tries_end_and_other_answers_go_on(stage: conftest.Stage, state: world.State) -> None:
    settle(stage, state, policies.http(policies.rule(retry=policies.retry(1))))
    before = counted(stage, "limit_exceeded")
    assert ask(stage, "/status/503")["status"] == 503
    assert counted(stage, "limit_exceeded") - before == 1
    before = counted(stage, "requests")
    assert ask(stage, "/status/404")["status"] == 404
    assert counted(stage, "requests") == before


def test_a_body_beyond_the_cap_is_sent_once(stage: conftest.Stage, state: world.State) -> None:
    settle(stage, state, policies.http(policies.rule(retry=policies.retry(2, size=1000))))
    assert ask(stage, f"/flaky/1?key={key()}", body="x" * 1000)["status"] == 200
    assert ask(stage, f"/flaky/1?key={key()}", body="x" * 1001)["status"] == 503


def test_a_try_has_its_time(stage: conftest.Stage, state: world.State) -> None:
    settle(stage, state, policies.http(policies.rule(retry=policies.retry(1, timeout="0.3s"))))
    done = ask(stage, f"/sleepy/1?key={key()}&for=20000")
    assert (done["status"], asked(done)) == (200, 2)
    assert 0.3 <= done["seconds"] < 10
    # The last one has all the time it needs.
    done = ask(stage, f"/sleepy/2?key={key()}&for=1000")
    assert (done["status"], asked(done)) == (200, 2)


def test_headers_decide_where_the_rule_lets_them(stage: conftest.Stage, state: world.State) -> None:
    wish = {"l5d-retry-http": "gateway-error", "l5d-retry-limit": "2"}
    settle(stage, state, policies.http(policies.rule()))
    assert ask(stage, f"/flaky/1?key={key()}", headers=wish)["status"] == 503
    settle(stage, state, policies.http(policies.rule(allowL5dRequestHeaders=True)))
    done = ask(stage, f"/flaky/2?key={key()}", headers=wish)
    assert (done["status"], asked(done)) == (200, 3)
    assert ask(stage, f"/flaky/1?key={key()}")["status"] == 503
    done = ask(stage, "/slow?ms=5000", headers={"l5d-timeout": "200ms"})
    assert (done["status"], done["seconds"] < 4) == (504, True)
    seen = json.loads(ask(stage, "/headers", headers={**wish, "l5d-timeout": "9s"})["body"])
    assert not [name for name in seen if name.startswith(("l5d-retry", "l5d-timeout"))]


def test_grpc_is_asked_again_by_its_status(stage: conftest.Stage, state: world.State) -> None:
    again = {"maxRetries": 2, "maxRequestBytes": 1000, "conditions": {"unavailable": True}}
    rule = {
        "backends": policies.first(policies.reference(world.path("health", 50051))),
        "retry": {**again, "backoff": {"minBackoff": policies.SHORT, "maxBackoff": "0.050s"}},
    }
    call = lambda: stage.client.call("rpc", **HEALTH, method="Flaky", request=f"{key()} 2")  # noqa: E731
    assert call()["code"] == "UNAVAILABLE"
    before = counted(stage, "requests", "grpc")
    state.edit("outbound", f"{world.HEALTH}:50051", policies.grpc(rule))
    pods.wait_for(lambda: call() == {"code": "OK", "answer": "3"}, 5, "the policy")
    assert counted(stage, "requests", "grpc") - before >= 2
    assert counted(stage, "successes", "grpc") >= 1


def test_a_profile_s_retries_and_budget(stage: conftest.Stage, state: world.State) -> None:
    route = {
        "condition": {"path": {"regex": "/flaky/.*"}},
        "isRetryable": True,
        "metricsLabels": {"route": "flaky"},
    }
    other = {"condition": {"path": {"regex": "/.*"}}, "metricsLabels": {"route": "rest"}}
    fqn = world.path("web").rpartition(":")[0]
    poor = {"retryRatio": 0.0, "minRetriesPerSecond": 0, "ttl": "10s"}
    rich = {"retryRatio": 0.2, "minRetriesPerSecond": 10, "ttl": "10s"}
    for budget, status in ((rich, 200), (poor, 503)):
        said = {"fullyQualifiedName": fqn, "retryBudget": budget, "routes": [route, other]}
        state.edit("profiles", f"{world.WEB}:80", {"proto": said})
        call = lambda: ask(stage, f"/flaky/1?key={key()}")["status"]  # noqa: E731
        pods.wait_for(lambda call=call, status=status: call() == status, 8, "the profile")
    metric = stage.client.metric
    assert metric("route_retryable_total", rt_route="flaky", skipped="no_budget") >= 1
    assert metric("route_actual_request_total", rt_route="flaky") > metric("route_request_total", rt_route="flaky")
