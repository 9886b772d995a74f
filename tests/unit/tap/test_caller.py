"""Whom the API server speaks for, and who is nobody."""

import pytest

from isthmus.tap.ask import caller, resource

DATA = {
    "requestheader-client-ca-file": "PEM",
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}
SAID = [
    ("x-remote-user", "ann"),
    ("x-remote-group", "dev"),
    ("x-remote-group", "all"),
    ("x-remote-extra-scopes", "a"),
    ("x-remote-extra-scopes", "b"),
]
WEB = resource.read("deploy/web", "shop")


def test_the_user_is_whom_the_front_proxy_names():
    found = caller.user("front-proxy-client", SAID, caller.trusted(DATA))
    assert found == caller.User("ann", ("dev", "all"), {"scopes": ("a", "b")})


@pytest.mark.parametrize(
    "peer, changes, said, sentence",
    [
        pytest.param(None, {}, SAID, "no client certificate", id="no certificate"),
        pytest.param("kubelet", {}, SAID, "none of the API server's", id="another name"),
        pytest.param("kubelet", {"requestheader-allowed-names": "[]"}, SAID, "nobody is let in", id="empty list"),
        pytest.param("", {"requestheader-allowed-names": '[""]'}, SAID, "nobody is let in", id="an empty name"),
        pytest.param("x", {"requestheader-allowed-names": "no json"}, SAID, "nobody is let in", id="not json"),
        pytest.param("front-proxy-client", {}, SAID[1:], "did not say who", id="no user"),
        pytest.param("front-proxy-client", {}, [("x-remote-user", "")], "did not say who", id="an empty user"),
    ],
)
def test_nobody(peer, changes, said, sentence):
    with pytest.raises(caller.Denied, match=sentence):
        caller.user(peer, said, caller.trusted({**DATA, **changes}))


def test_no_configmap_trusts_nobody():
    assert caller.trusted({}) == caller.Trusted()


def test_a_review_asks_for_the_subresource():
    spec = caller.review(caller.User("ann", ("dev",), {"s": ("a",)}), WEB)["spec"]
    assert (spec["user"], spec["groups"], spec["extra"]) == ("ann", ["dev"], {"s": ["a"]})
    asked = spec["resourceAttributes"]
    assert (asked["verb"], asked["resource"], asked["subresource"]) == ("watch", "deployments", "tap")
    assert (asked["namespace"], asked["name"]) == ("shop", "web")


@pytest.mark.parametrize(
    "answer", [{}, {"status": None}, {"status": {"allowed": False}}, {"status": {"allowed": "yes"}}]
)
def test_only_a_clear_yes_is_one(answer):
    with pytest.raises(caller.Denied, match="ann may not tap deployment/web in shop"):
        caller.judge(answer, caller.User("ann"), WEB)


def test_yes():
    caller.judge({"status": {"allowed": True}}, caller.User("ann"), WEB)
