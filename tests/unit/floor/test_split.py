"""Who rules a Service's traffic, and what weights mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus import names, route, split
from isthmus.errors import BadValue
from tests.unit.destination.cluster import http_route, traffic_split

WEB = names.Key("shop", "web")


def claims(*objects):
    found = split.Claims()
    for one in objects:
        if one.spec.get("service"):
            found.put_split(split.parse(one.metadata, one.spec))
        else:
            found.put_route(route.parse(route.GATEWAY_API, "HTTPRoute", one.metadata, one.spec))
    return found


@pytest.mark.parametrize(
    "value, weight",
    [
        pytest.param(1, 1000, id="number"),
        pytest.param("500m", 500, id="milli"),
        pytest.param("0.5", 500, id="fraction"),
        pytest.param("1.25", 1250, id="more"),
        pytest.param(0, 0, id="zero"),
        pytest.param("100", 100_000, id="text"),
    ],
)
def test_quantity(value, weight):
    assert split.quantity(value, key="weight") == weight


@pytest.mark.parametrize("value", ["", "-1", "1.5m", "half", True, None, 1_000_000, "0.0001"])
def test_quantities_refused(value):
    with pytest.raises(BadValue, match="weight"):
        split.quantity(value, key="weight")


@given(routes=st.booleans(), has_split=st.booleans(), overrides=st.booleans())
def test_the_precedence_is_total(routes, has_split, overrides):
    order = [
        (routes, split.Ruler.ROUTE),
        (has_split, split.Ruler.SPLIT),
        (overrides, split.Ruler.PROFILE),
        (True, split.Ruler.DEFAULT),
    ]
    first = next(who for speaks, who in order if speaks)
    assert split.ruler(routes=routes, split=has_split, overrides=overrides) is first


@pytest.mark.parametrize(
    "objects, who",
    [
        pytest.param([], split.Ruler.DEFAULT, id="nobody"),
        pytest.param([http_route()], split.Ruler.ROUTE, id="route"),
        pytest.param([traffic_split()], split.Ruler.SPLIT, id="split"),
        pytest.param([traffic_split(), http_route()], split.Ruler.ROUTE, id="both"),
        pytest.param([http_route(parent="other")], split.Ruler.DEFAULT, id="another-parent"),
        pytest.param([http_route(port=81)], split.Ruler.DEFAULT, id="another-port"),
        pytest.param([http_route(namespace="far")], split.Ruler.DEFAULT, id="of-another-namespace"),
    ],
)
def test_who_rules(objects, who):
    assert claims(*objects).ruler(WEB, 80, "shop") is who


@pytest.mark.parametrize(
    "spec, word",
    [
        pytest.param({"service": "web", "backends": []}, "backends", id="no-backends"),
        pytest.param({"service": "", "backends": [{"service": "a", "weight": 1}]}, "spec.service", id="no-root"),
        pytest.param(
            {"service": "web.far.svc", "backends": [{"service": "a", "weight": 1}]}, "its namespace", id="elsewhere"
        ),
        pytest.param({"service": "web", "backends": [{"service": "a", "weight": "x"}]}, "weight", id="weight"),
        pytest.param(
            {"service": "web", "matches": [{}], "backends": [{"service": "a", "weight": 1}]}, "matches", id="matches"
        ),
    ],
)
def test_splits_refused(spec, word):
    with pytest.raises(BadValue, match=word):
        split.parse(traffic_split().metadata, spec)


def test_a_root_by_its_full_name():
    spec = {"service": "web.shop.svc.cluster.local", "backends": [{"service": "a", "weight": 1}]}
    assert split.parse(traffic_split().metadata, spec).root == WEB


def test_changes_touch_old_and_new_and_leave_nothing():
    found = claims(http_route(), traffic_split())
    moved = http_route(parent="other")
    assert found.put_route(route.parse(route.GATEWAY_API, "HTTPRoute", moved.metadata, moved.spec)) == {
        WEB,
        names.Key("shop", "other"),
    }
    assert found.naming(names.Key("shop", "web-west")) == {WEB} and found.naming(WEB) == {
        WEB,
        names.Key("shop", "other"),
    }
    found.drop_route((route.GATEWAY_API, "HTTPRoute", names.Key("shop", "route")))
    found.drop_split(names.Key("shop", "ts"))
    assert not any(
        getattr(found, f"_{n}") for n in ("routes", "splits", "routes_of", "splits_of", "of_server", "named")
    )
