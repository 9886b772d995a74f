"""Routes at the door: what is read, and the sentence for what is refused."""

import pytest

from isthmus import names, route
from isthmus.errors import BadValue
from tests.unit.destination.cluster import http_route


def parse(rule, kind="HTTPRoute", **spec):
    obj = http_route(rules=[rule])
    return route.parse(route.GATEWAY_API, kind, obj.metadata, obj.spec | spec)


def test_defaults():
    (rule,) = parse({"backendRefs": [{"name": "a", "port": 80}]}).rules
    assert rule.matches == (route.Match(("prefix", "/")),)
    assert rule.backends == (route.Backend("", "Service", names.Key("shop", "a"), 80, 1),)


@pytest.mark.parametrize(
    "group, ref, parent",
    [
        pytest.param(
            route.POLICY, {"kind": "Service", "name": "a"}, ("", "Service", "shop"), id="service-without-group"
        ),
        pytest.param(
            route.POLICY,
            {"group": "core", "kind": "Service", "name": "a", "namespace": "b"},
            ("core", "Service", "b"),
            id="whole",
        ),
        pytest.param(route.POLICY, {"kind": "Server", "name": "a"}, (route.POLICY, "Server", "shop"), id="server"),
        pytest.param(route.GATEWAY_API, {"name": "gw"}, (route.GATEWAY_API, "Gateway", "shop"), id="gateway"),
    ],
)
def test_parents(group, ref, parent):
    (found,) = route.parents(group, "shop", {"parentRefs": [ref]})
    assert (found.group, found.kind, found.key.namespace) == parent


@pytest.mark.parametrize(
    "text, seconds",
    [
        pytest.param("10s", 10, id="seconds"),
        pytest.param("1h30m", 5400, id="two-units"),
        pytest.param("500ms", 0.5, id="millis"),
        pytest.param("0s", 0, id="zero"),
    ],
)
def test_duration(text, seconds):
    assert route.duration(text, key="k") == seconds


@pytest.mark.parametrize("text", ["", "10", "1.5s", "-1s", "1d", 5, None])
def test_durations_refused(text):
    with pytest.raises(BadValue, match="not a duration"):
        route.duration(text, key="k")


@pytest.mark.parametrize(
    "rule, word",
    [
        pytest.param({"filters": [{"type": "RequestMirror"}]}, "cannot do that", id="mirror"),
        pytest.param({"filters": [{"type": "URLRewrite"}]}, "cannot do that", id="rewrite"),
        pytest.param(
            {"backendRefs": [{"name": "a", "filters": [{"type": "ExtensionRef"}]}]},
            "cannot do that",
            id="backend-extension",
        ),
        pytest.param(
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 200}}]},
            "not a redirect",
            id="redirect-code",
        ),
        pytest.param(
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {"path": {"type": "X"}}}]},
            "no such replacement",
            id="redirect-path",
        ),
        pytest.param({"matches": [{"path": {"type": "Fuzzy", "value": "/"}}]}, "no such way", id="path-type"),
        pytest.param({"matches": [{"path": {"type": "Exact", "value": "a"}}]}, "begins with /", id="path"),
        pytest.param(
            {"matches": [{"headers": [{"name": "a", "type": "X", "value": "b"}]}]}, "no such way", id="header-type"
        ),
        pytest.param({"timeouts": {"request": "soon"}}, "not a duration", id="timeout"),
        pytest.param({"backendRefs": [{"name": "a", "port": 80, "weight": -1}]}, "not a weight", id="weight"),
    ],
)
def test_refused(rule, word):
    with pytest.raises(BadValue, match=word) as caught:
        parse(rule)
    assert "spec.rules[0]" in caught.value.key and "HTTPRoute shop/route" in caught.value.key


def test_hosts():
    assert parse({}, hostnames=["*.example.com", "a.example.com"]).hosts == ("*.example.com", "a.example.com")
    with pytest.raises(BadValue, match="not a host name"):
        parse({}, hostnames=["a..b"])


def test_a_grpc_regular_expression_is_refused():
    with pytest.raises(BadValue, match="match exactly"):
        parse({"matches": [{"method": {"type": "RegularExpression", "service": ".*"}}]}, "GRPCRoute")
