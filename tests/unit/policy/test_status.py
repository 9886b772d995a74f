"""What a route's status says, and that it is written only when it differs."""

import pytest

from isthmus.policy import status
from isthmus.route import GATEWAY_API
from tests.unit.destination.cluster import http_route, server, service
from tests.unit.policy.cluster import known

NOW, LATER = "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"
SERVER = {"group": "policy.linkerd.io", "kind": "Server", "name": "srv"}


def wanted(obj, *objects, now=NOW):
    return status.wanted(known(*objects), GATEWAY_API, "HTTPRoute", obj, now)


def conditions(entry):
    return {c["type"]: (c["status"], c["reason"]) for c in entry["conditions"]}


GOOD = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}


@pytest.mark.parametrize(
    "route, objects, expected",
    [
        pytest.param(http_route(), [service()], GOOD, id="good"),
        pytest.param(http_route(port=80), [service()], GOOD, id="port"),
        pytest.param(
            http_route(port=81), [service()], GOOD | {"Accepted": ("False", "NoMatchingParent")}, id="no-such-port"
        ),
        pytest.param(
            http_route(parent="x"), [service()], GOOD | {"Accepted": ("False", "NoMatchingParent")}, id="no-parent"
        ),
        pytest.param(
            http_route(weights={"x": 1}),
            [service()],
            GOOD | {"ResolvedRefs": ("False", "BackendNotFound")},
            id="no-backend",
        ),
        pytest.param(
            http_route(rules=[{"backendRefs": [{"name": "web"}]}]),
            [service()],
            GOOD | {"ResolvedRefs": ("False", "BackendNotFound")},
            id="no-backend-port",
        ),
        pytest.param(
            http_route(rules=[{"backendRefs": [{"kind": "Bucket", "name": "b"}]}]),
            [service()],
            GOOD | {"ResolvedRefs": ("False", "InvalidKind")},
            id="kind",
        ),
        pytest.param(
            http_route(rules=[{"filters": [{"type": "URLRewrite"}]}]),
            [service()],
            {"Accepted": ("False", "UnsupportedValue")},
            id="what-we-cannot-do",
        ),
    ],
)
def test_verdicts(route, objects, expected):
    (entry,) = wanted(route, *objects) or [{}]
    assert conditions(entry) == expected and entry["controllerName"] == "linkerd.io/policy-controller"


def test_a_server_as_parent():
    route = http_route(rules=[{}])
    route.spec["parentRefs"] = [SERVER]
    (entry,) = wanted(route, server()) or [{}]
    assert entry["parentRef"] == SERVER and conditions(entry) == GOOD


def test_written_once_and_again_only_when_it_differs():
    route = http_route()
    route.status = {"parents": wanted(route, service())}
    assert wanted(route, service(), now=LATER) is None
    (entry,) = wanted(route, now=LATER) or [{}]
    times = {c["type"]: c["lastTransitionTime"] for c in entry["conditions"]}
    assert times == {"Accepted": LATER, "ResolvedRefs": LATER} and entry["conditions"][0]["message"]


def test_others_are_left_alone():
    route, other = (
        http_route(),
        {"controllerName": "example.com/gateway", "parentRef": {"name": "gw"}, "conditions": []},
    )
    route.status = {"parents": [other]}
    found = wanted(route, service()) or []
    assert found[0] == other and len(found) == 2


def test_a_gateways_route_is_none_of_ours():
    route = http_route()
    route.spec["parentRefs"] = [{"group": GATEWAY_API, "kind": "Gateway", "name": "gw"}]
    assert wanted(route, service()) is None


def test_the_patch_is_bound_to_what_was_read():
    route = http_route()
    assert route.metadata
    route.metadata.resourceVersion = "7"
    assert status.patch(route, []) == {"metadata": {"resourceVersion": "7"}, "status": {"parents": []}}
