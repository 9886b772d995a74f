"""What rules say of a request: filters of rules and of backend references, redirects, time limits, who must answer, what failfast says."""

import json
import time
from typing import Any

import pytest

from tests.wire import conftest, pods, policies, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
EDIT = f"{world.WEB}:80"


def ask(stage: conftest.Stage, path: str = "/", **more: Any) -> dict[str, Any]:
    return stage.client.call("one", **WEB, path=path, **more)


def under(prefix: str) -> list[dict[str, Any]]:
    return [{"path": {"prefix": prefix}}]


def test_filters_of_rules_and_backend_references(stage: conftest.Stage, state: world.State) -> None:
    mine = policies.reference(
        world.path("web"), policies.headers("request", x_who="backend"), policies.headers("response", x_back="backend")
    )
    failing = policies.reference(world.path("web"), {"failureInjector": {"status": 418, "message": "teapot"}})
    moved = {"redirect": {"path": {"prefix": "/new"}, "host": "other.test", "status": 302}}
    rules = [
        policies.rule(filters=[policies.headers("request", x_who="rule", x_rule="yes")]),
        policies.rule(
            policies.first(mine),
            matches=under("/headers"),
            filters=[policies.headers("request", x_who="rule", x_rule="yes")],
        ),
        policies.rule(policies.first(failing), matches=under("/fail")),
        policies.rule(matches=under("/old"), filters=[moved]),
    ]
    state.edit("outbound", EDIT, policies.http(*rules))
    pods.wait_for(lambda: ask(stage, "/fail")["status"] == 418, 5, "the policy")
    done = ask(stage, "/headers", headers={"x-who": "client"})
    seen = json.loads(done["body"])
    assert (seen["x-who"], seen["x-rule"], done["headers"]["x-back"]) == ("backend", "yes", "backend")
    assert ask(stage, "/fail")["headers"]["l5d-proxy-error"] == "teapot"
    done = ask(stage, "/old/x?y=z")
    assert (done["status"], done["headers"]["location"]) == (302, "http://other.test/new/x?y=z")


@pytest.mark.parametrize(
    ("limits", "path", "status"),
    [
        ({"request": "0.3s"}, "/slow?ms=5000", 504),
        ({"response": "0.3s"}, "/slow?ms=5000", 504),
        ({"idle": "0.3s"}, "/slow?ms=5000", 504),
        ({"request": "5s", "response": "5s", "idle": "5s"}, "/slow?ms=300", 200),
    ],
    ids=["request", "response", "idle", "in time"],
)
def test_time_limits(stage: conftest.Stage, state: world.State, limits: dict[str, str], path: str, status: int) -> None:
    marked = policies.rule(timeouts=limits, filters=[policies.headers("response", x_policy="new")])
    state.edit("outbound", EDIT, policies.http(marked))
    pods.wait_for(lambda: ask(stage)["headers"].get("x-policy") == "new", 5, "the policy")
    start = time.monotonic()
    assert ask(stage, path)["status"] == status
    assert time.monotonic() - start < 4


def test_a_required_identity(stage: conftest.Stage, state: world.State) -> None:
    for pod, status in (("server", 200), ("second", 502)):
        assert ask(stage, headers={"l5d-require-id": world.identity(pod)})["status"] == status


def test_the_first_available_backend(stage: conftest.Stage, state: world.State) -> None:
    references = [policies.reference(world.path("web")), policies.reference(world.path("other"))]
    state.edit("endpoints", world.path("other"), [world.endpoint("second", 8080)])
    state.edit("outbound", EDIT, policies.http(policies.rule(policies.first(*references))))
    who = lambda: stage.client.call("many", **WEB, count=5, connections=1)  # noqa: E731
    for list_, wanted in (([], "second"), ([world.endpoint("server", 8080)], "server")):
        state.edit("endpoints", world.path("web"), list_)
        pods.wait_for(lambda wanted=wanted: who()["clusters"] == {wanted: 5}, 5, wanted)


def test_failfast_says_which_backend_and_why(stage: conftest.Stage, state: world.State) -> None:
    state.edit("endpoints", world.path("web"), [])
    state.edit("outbound", EDIT, policies.http(policies.rule()))
    wanted = f"{world.path('web')} has no endpoint"
    pods.wait_for(lambda: wanted in ask(stage)["headers"].get("l5d-proxy-error", ""), 8, "failfast")
    done = ask(stage)
    assert (done["status"], done["seconds"] < 1) == (504, True)
    assert stage.client.metric("outbound_http_errors_total", error="failfast") >= 1
    pods.wait_for(lambda: wanted in stage.client.children["proxy"].log.read_text(), 3, "the line in the log")
