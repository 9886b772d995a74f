"""Whose token it is, and which identity that account may have."""

from typing import Any

import pytest

from isthmus import names
from isthmus.identity import request, review

OURS = ["identity.l5d.io"]


def answer(user: str, *, good: bool = True, audiences: list[str] | None = OURS) -> dict[str, Any]:
    return {"status": {"authenticated": good, "audiences": audiences, "user": {"username": user}, "error": "expired"}}


def test_account() -> None:
    assert review.account(answer("system:serviceaccount:shop:web")) == names.Key("shop", "web")


def test_body_asks_for_our_audience() -> None:
    assert review.body("t")["spec"] == {"token": "t", "audiences": OURS}


@pytest.mark.parametrize(
    "told, kind, said",
    [
        pytest.param({}, request.Unmet, "does not say why", id="empty-answer"),
        pytest.param(answer("x", good=False), request.Unmet, "expired", id="not-authenticated"),
        pytest.param(
            answer("system:serviceaccount:a:b", audiences=["other"]), request.Unmet, "not meant", id="another-audience"
        ),
        pytest.param(answer("system:serviceaccount:a:b", audiences=None), request.Unmet, "not meant", id="no-audience"),
        pytest.param(answer("alice"), request.Malformed, "no service account", id="a-person"),
        pytest.param(answer("system:serviceaccount:a"), request.Malformed, "no service account", id="one-part"),
        pytest.param(answer("system:serviceaccount:a:b:c"), request.Malformed, "no service account", id="three-parts"),
        pytest.param(answer("system:serviceaccount::b"), request.Malformed, "no service account", id="empty-part"),
    ],
)
def test_refused(told: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        review.account(told)


@pytest.mark.parametrize(
    "identity, fine",
    [
        ("web.shop.serviceaccount.identity.linkerd.example.org", True),
        ("api.shop.serviceaccount.identity.linkerd.example.org", False),
        ("web.shop.serviceaccount.identity.linkerd.cluster.local", False),
        ("web.shop.serviceaccount.identity.other.example.org", False),
    ],
)
def test_an_account_may_have_its_own_identity_only(identity: str, fine: bool) -> None:
    try:
        review.allow(names.Key("shop", "web"), identity, "linkerd", "example.org")
    except request.Unmet:
        assert not fine
    else:
        assert fine
