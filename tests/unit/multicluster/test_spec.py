"""Links at the door: what is read, and the sentence for what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import BadValue
from isthmus.multicluster import objects, spec
from isthmus.multicluster.spec import Requirement, Selector

FIELDS = (
    "gatewayAddress",
    "gatewayPort",
    "gatewayIdentity",
    "probeSpec",
    "selector",
    "excludedLabels",
    "targetClusterName",
)
GOOD = {"targetClusterName": "west", "gatewayAddress": "192.0.2.7,gw.west.example", "gatewayIdentity": "gw"}


def parse(**changes):
    return spec.parse("west", "mc", "u", GOOD | changes)


def test_defaults():
    link = parse()
    assert (link.cluster, link.hosts, link.port) == ("west", ("192.0.2.7", "gw.west.example"), 4143)
    assert link.probe == spec.Probe("/ready", 4191, 3.0, 30.0, 3)
    assert link.selector.text() == "mirror.linkerd.io/exported=true" and link.credentials == "cluster-credentials-west"


@pytest.mark.parametrize(
    "field, value, words",
    [
        pytest.param("targetClusterName", "", "it must be set", id="no-cluster"),
        pytest.param("targetClusterName", "West_1", "not a DNS label", id="bad-cluster"),
        pytest.param("targetClusterName", 7, "Expected `str`, got `int`", id="not-text"),
        pytest.param("gatewayAddress", "gw west", "neither an IP address nor a DNS name", id="bad-host"),
        pytest.param("gatewayAddress", "192.0.2.700", "neither an IP address nor a DNS name", id="bad-ip"),
        pytest.param("gatewayAddress", ",".join(f"192.0.2.{i}" for i in range(51)), "at most 50", id="many-hosts"),
        pytest.param("gatewayPort", "70000", "not a port", id="bad-port"),
        pytest.param("probeSpec", {"period": "3"}, "probeSpec.period", id="bad-period"),
        pytest.param("probeSpec", {"period": "1ms"}, "shorter than", id="short-period"),
        pytest.param("probeSpec", {"timeout": "0"}, "needs some time", id="no-timeout"),
        pytest.param("probeSpec", {"failureThreshold": "0"}, "not a count", id="bad-threshold"),
        pytest.param("probeSpec", {"path": "/a b"}, "not a path", id="bad-path"),
        pytest.param("selector", "exported=true", "Expected `object | null`, got `str`", id="selector-text"),
        pytest.param(
            "selector",
            {"matchExpressions": [{"key": "a", "operator": "Is"}]},
            "not a label expression",
            id="bad-operator",
        ),
        pytest.param(
            "selector", {"matchLabels": {"a": "b,c"}}, "not a label expression", id="selector-value-with-comma"
        ),
        pytest.param("selector", {"matchLabels": {"a=b": "c"}}, "not a label expression", id="selector-bad-key"),
        pytest.param("clusterCredentialsSecret", "../x", "not a DNS name", id="secret-with-a-path"),
        pytest.param("gatewayIdentity", "*", "not a DNS name", id="identity-that-is-all"),
        pytest.param("targetClusterDomain", "a b", "not a DNS name", id="bad-domain"),
        pytest.param("excludedLabels", ["a*b"], "neither a key nor a prefix", id="bad-pattern"),
        pytest.param("excludedAnnotations", "a", "Expected `array", id="pattern-text"),
    ],
)
def test_refusals_name_the_field(field, value, words):
    with pytest.raises(BadValue) as caught:
        parse(**{field: value})
    assert words in str(caught.value) and f"{field}" in caught.value.key and "Link mc/west" in caught.value.key


@pytest.mark.parametrize(
    "labels, matches",
    [
        pytest.param({"a": "1", "b": "x"}, True, id="all"),
        pytest.param({"a": "2", "b": "x"}, False, id="value"),
        pytest.param({"a": "1"}, False, id="absent"),
        pytest.param({"a": "1", "b": "x", "c": ""}, False, id="must-not-exist"),
        pytest.param({"a": "1", "b": "no"}, False, id="not-in"),
    ],
)
def test_selector(labels, matches):
    terms = (
        Requirement("a", "In", ("1",)),
        Requirement("b", "NotIn", ("no", "never")),
        Requirement("b", "Exists"),
        Requirement("c", "DoesNotExist"),
    )
    assert Selector(terms).matches(labels) is matches
    assert Selector(terms).text() == "a=1,b notin (no,never),b,!c"


def test_an_empty_selector_selects_nothing():
    assert not parse(selector={}).selector.matches({"any": "thing"})


def test_a_link_we_write_is_a_link_we_read():
    probe = {"path": "/ready", "port": "4191", "period": "3s", "timeout": "5s", "failureThreshold": "3"}
    made = objects.link(
        "west", gateway=["192.0.2.7"], gateway_port=4143, gateway_identity="gw", probe=probe, excluded_labels=["x/*"]
    )
    link = spec.parse("west", "mc", "u", made["spec"])
    assert (link.hosts, link.probe.timeout, link.excluded_labels) == (("192.0.2.7",), 5.0, ("x/*",))


TEXT = st.text(max_size=5)
LEAVES = st.none() | st.booleans() | st.integers() | TEXT
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def outcome(fields) -> str:
    try:
        return spec.parse("west", "mc", "u", fields).cluster
    except BadValue as refused:
        return refused.key


@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), JSON))
def test_whatever_a_spec_holds_it_is_read_or_refused_by_the_fields_name(fields):
    assert outcome(fields).startswith("spec.") or outcome(fields) == fields["targetClusterName"]
