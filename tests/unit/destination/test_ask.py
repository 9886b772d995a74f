"""What proxies ask, and who they say they are."""

import pytest

from isthmus import names
from isthmus.destination import ask
from isthmus.serve import refusal

WEB = names.Key("shop", "web")


@pytest.mark.parametrize(
    "text, meant",
    [
        pytest.param("web.shop.svc.cluster.local:8888", ask.Named(WEB, 8888), id="service"),
        pytest.param("web.shop.svc.cluster.local", ask.Named(WEB, 80), id="no-port-is-80"),
        pytest.param("WEB.shop.svc.cluster.local.:80", ask.Named(WEB, 80), id="case-and-dot"),
        pytest.param("db-0.web.shop.svc.cluster.local:80", ask.Named(WEB, 80, "db-0"), id="hostname"),
        pytest.param("10.1.2.3:80", ask.Address("10.1.2.3", 80), id="ipv4"),
        pytest.param("[fd00::0:1]:80", ask.Address("fd00::1", 80), id="ipv6"),
    ],
)
def test_path(text, meant):
    assert ask.path(text, "cluster.local") == meant


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("web.shop.svc.cluster.local:0", id="port-0"),
        pytest.param("web.shop.svc.cluster.local:65536", id="port-too-large"),
        pytest.param("web.shop.svc.cluster.local:http", id="port-name"),
        pytest.param("example.com:80", id="outside"),
        pytest.param("shop.svc.cluster.local:80", id="no-service"),
        pytest.param("a.b.web.shop.svc.cluster.local:80", id="too-deep"),
        pytest.param("..svc.cluster.local:80", id="empty-labels"),
        pytest.param("", id="nothing"),
    ],
)
def test_refused(text):
    with pytest.raises(refusal.Refused) as caught:
        ask.path(text, "cluster.local")
    assert caught.value.kind == "invalid" and repr(text.partition(":")[0])[:5] in caught.value.sentence


def test_get_takes_no_addresses():
    with pytest.raises(refusal.Refused, match="by name"):
        ask.name("10.1.2.3:80", "cluster.local")


@pytest.mark.parametrize(
    "token, client",
    [
        pytest.param('{"ns":"shop","nodeName":"n1","pod":"p"}', ask.Client("shop", "n1", "p"), id="json"),
        pytest.param("ns:shop", ask.Client("shop"), id="old"),
        pytest.param("{", ask.Client(), id="broken"),
        pytest.param("[1]", ask.Client(), id="not-a-map"),
        pytest.param('{"ns":"' + "x" * 5000 + '"}', ask.Client(), id="too-long"),
    ],
)
def test_client(token, client):
    assert ask.client(token) == client
