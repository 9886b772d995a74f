"""An ingress controller's pod (`inject: ingress`): its requests say where they go."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

PLAIN: dict[str, Any] = {"host": world.IPS["server"], "port": 8080, "name": "shop.example"}


@pytest.fixture(scope="module")
def ingress(stage: conftest.Stage) -> Iterator[conftest.Stage]:
    stage.client.restart_proxy(stage.anchors, INGRESS_MODE="true")
    yield stage
    stage.client.restart_proxy(stage.anchors)


def ask(stage: conftest.Stage, path: str, override: str = "") -> dict[str, Any]:
    headers = {"l5d-dst-override": override} if override else {}
    return stage.client.call("one", **PLAIN, path=path, headers=headers)


def test_the_override_is_the_target(ingress: conftest.Stage, state: world.State) -> None:
    done = ask(ingress, "/headers", world.path("web"))
    seen = json.loads(done["body"])
    assert (done["status"], seen["host"], seen["l5d-client-id"]) == (200, "shop.example", world.identity("client"))
    assert "l5d-dst-override" not in seen
    assert ingress.client.metric("request_total", direction="outbound", authority=world.path("web"), tls="true") >= 1


def test_without_one_requests_go_on_as_they_came(ingress: conftest.Stage, state: world.State) -> None:
    done = ask(ingress, "/headers")
    seen = json.loads(done["body"])
    assert (done["status"], seen["host"]) == (200, "shop.example")
    assert "l5d-client-id" not in seen
    assert ingress.client.metric("request_total", no_tls_reason="ingress_without_override") >= 1


def test_each_request_of_a_connection_has_its_own(ingress: conftest.Stage, state: world.State) -> None:
    state.edit("endpoints", world.path("web"), [world.endpoint("second", 8080)])
    pods.wait_for(lambda: json.loads(ask(ingress, "/", world.path("web"))["body"])["cluster"] == "second", 5, "it")
    assert json.loads(ask(ingress, "/")["body"])["cluster"] == "server"


def test_names_nobody_knows_and_what_is_no_name(ingress: conftest.Stage, state: world.State) -> None:
    # The destination plane knows no such service: there is nobody to wait for.
    done = ask(ingress, "/", world.path("nobody"))
    assert (done["status"], done["seconds"] < 4) == (504, True)
    assert ask(ingress, "/", "a b")["status"] == 400


def test_the_application_hears_nothing_of_the_proxy(ingress: conftest.Stage, state: world.State) -> None:
    assert not [name for name in ask(ingress, "/", world.path("nobody"))["headers"] if name.startswith("l5d-")]
