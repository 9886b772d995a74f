"""Whose token is this? In: a token; the API server's answer to a TokenReview. Out: a service account. Pure.

The review asks for our audience and takes only an answer that names it: a token made for another service proves nothing here.
Never here: the call (see `api`).
"""

from typing import Any, cast

from isthmus import names
from isthmus.identity.request import Malformed, Unmet

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_PREFIX = "system:serviceaccount:"


def body(token: str) -> dict[str, Any]:
    """What the API server is asked."""
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [names.IDENTITY_AUDIENCE]},
    }


def account(answer: dict[str, Any]) -> names.Key:
    """The service account a reviewed token belongs to.

    Raises:
        Unmet: the token is not good, or not meant for us.
        Malformed: it is good but belongs to something other than a service account.
    """
    status = cast("dict[str, Any]", answer.get("status") or {})
    if not status.get("authenticated"):
        raise Unmet(f"the token is not good: {status.get('error') or 'the API server does not say why'}"[:300])
    if names.IDENTITY_AUDIENCE not in (status.get("audiences") or ()):
        raise Unmet(f"the token is not meant for {names.IDENTITY_AUDIENCE}")
    user = str(cast("dict[str, Any]", status.get("user") or {}).get("username") or "")
    parts = user.removeprefix(_PREFIX).split(":")
    if not user.startswith(_PREFIX) or len(parts) != 2 or not all(parts):
        raise Malformed(f"the token is {user[:260]!r}'s, which is no service account")
    return names.Key(parts[0], parts[1])


def allow(owner: names.Key, identity: str, control_ns: str, trust_domain: str) -> None:
    """Whether an account may have an identity: it may have one, its own.

    Raises:
        Unmet: it is another's.
    """
    own = names.identity(owner.name, owner.namespace, control_ns, trust_domain)
    if own != identity:
        raise Unmet(f"service account {owner} has the identity {own}, not {identity}")
