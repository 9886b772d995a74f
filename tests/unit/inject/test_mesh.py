"""Stored values become what proxies must know."""

import pytest

from isthmus.errors import BadValue
from isthmus.inject import mesh


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("localhost/isthmus-proxy:0.1.0", ("localhost/isthmus-proxy", "0.1.0")),
        ("host:5000/proxy", ("host:5000/proxy", "")),
        ("host:5000/proxy:1", ("host:5000/proxy", "1")),
    ],
)
def test_split_image(image, parts):
    assert mesh.split_image(image) == parts


def test_values_are_taken_over():
    found = mesh.from_values(
        {
            "proxyImage": "r/p:9",
            "clusterDomain": "k8s",
            "identityTrustDomain": "t",
            "proxy": {"proxy-log-level": "debug"},
        },
        "PEM",
        control_ns="mesh",
    )
    assert (found.tag, found.cluster_domain, found.trust_domain, found.control_ns) == ("9", "k8s", "t", "mesh")
    assert (found.defaults.proxy_image, found.defaults.proxy_log_level) == ("r/p", "debug")
    assert found.identity("linkerd-identity") == "linkerd-identity.mesh.serviceaccount.identity.mesh.t"


@pytest.mark.parametrize(
    "values", [{"firewallMode": "magic"}, {"proxy": {"inbound-port": "0"}}, {"proxy": {"no-such": "1"}}]
)
def test_bad_values_are_refused_by_where_they_stand(values):
    with pytest.raises(BadValue) as refused:
        mesh.from_values(values, "PEM", control_ns="linkerd")
    assert "linkerd-config" in refused.value.sentence


@pytest.mark.parametrize("text", ["", "[1]", "a: [", "null"])
def test_what_is_no_map_is_empty(text):
    assert mesh.stored(text) == {}
