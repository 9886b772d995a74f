"""Who asks, and may they? In: the client certificate's name, headers, the API server's configuration. Out: a `User` or a refusal. Pure.

A request is the API server's only when its certificate is signed by the authority that ConfigMap extension-apiserver-authentication names,
and carries one of its allowed names. With no allowed name nobody is let in: a cluster's client certificates may be signed by that same
authority, and any holder of one could say it is anybody.
Never here: TLS (see `serve.https`), the question to the API server (see `api`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from isthmus.tap.ask import resource

REVIEW = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
CONFIG = "extension-apiserver-authentication"
CONFIG_NS = "kube-system"
Doc = dict[str, Any]


class Denied(Exception):
    """Refused: `status` 401 or 403, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Trusted:
    """What the API server's front proxy is known by. `authority` is PEM."""

    authority: str = ""
    allowed: tuple[str, ...] = ()
    user_headers: tuple[str, ...] = ("x-remote-user",)
    group_headers: tuple[str, ...] = ("x-remote-group",)
    extra_prefixes: tuple[str, ...] = ("x-remote-extra-",)


@dataclass(frozen=True, slots=True)
class User:
    """Whom the API server speaks for."""

    name: str
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def trusted(data: Mapping[str, str]) -> Trusted:
    """What the ConfigMap says; what it does not say, or not as JSON, trusts nobody."""

    def listed(key: str, usual: tuple[str, ...]) -> tuple[str, ...]:
        if key not in data:
            return usual
        try:
            found: Any = json.loads(data[key])
        except ValueError:
            return ()
        return tuple(str(one) for one in cast("list[Any]", found)) if isinstance(found, list) else ()

    def lower(key: str, usual: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one.lower() for one in listed(key, usual))

    usual = Trusted()
    return Trusted(
        authority=data.get("requestheader-client-ca-file", ""),
        allowed=tuple(filter(None, listed("requestheader-allowed-names", ()))),
        user_headers=lower("requestheader-username-headers", usual.user_headers),
        group_headers=lower("requestheader-group-headers", usual.group_headers),
        extra_prefixes=lower("requestheader-extra-headers-prefix", usual.extra_prefixes),
    )


def user(peer: str | None, headers: Iterable[tuple[str, str]], trust: Trusted) -> User:
    """The user a request is for. `peer` is the common name of a verified client certificate; header names are in lower case.

    Raises:
        Denied: it did not come through the API server.
    """
    if peer is None:
        raise Denied(401, "this address answers to the Kubernetes API server alone: no client certificate")
    if not trust.allowed:
        raise Denied(401, f"ConfigMap {CONFIG_NS}/{CONFIG} allows no client name, so nobody is let in")
    if peer not in trust.allowed:
        raise Denied(401, f"client certificate {peer!r} is none of the API server's")
    rows = list(headers)
    name = next((value for key in trust.user_headers for got, value in rows if got == key and value), "")
    if not name:
        raise Denied(401, "the API server did not say who asks")
    groups = tuple(value for got, value in rows if got in trust.group_headers)
    extra: dict[str, tuple[str, ...]] = {}
    for got, value in rows:
        for prefix in trust.extra_prefixes:
            if got.startswith(prefix):
                key = got.removeprefix(prefix)
                extra[key] = (*extra.get(key, ()), value)
    return User(name, groups, extra)


def review(who: User, wanted: resource.Resource) -> Doc:
    """The question whether a user may tap a resource."""
    attributes = {
        "verb": "watch",
        "group": "tap.linkerd.io",
        "version": "v1alpha1",
        "resource": wanted.plural,
        "subresource": "tap",
        "namespace": wanted.namespace,
        "name": wanted.namespace if wanted.kind == resource.NAMESPACE else wanted.name,
    }
    spec = {
        "user": who.name,
        "groups": list(who.groups),
        "extra": {key: list(values) for key, values in who.extra.items()},
        "resourceAttributes": attributes,
    }
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def judge(answer: Mapping[str, Any], who: User, wanted: resource.Resource) -> None:
    """Read the answer to a review.

    Raises:
        Denied: the user may not.
    """
    status = cast("Mapping[str, Any]", answer.get("status") or {})
    if status.get("allowed") is not True:
        why = status.get("reason") or status.get("evaluationError") or "no rule allows it"
        raise Denied(
            403,
            f"{who.name} may not tap {wanted}: {why}. It takes verb watch on {wanted.plural}/tap of group tap.linkerd.io "
            "(ClusterRole linkerd-linkerd-viz-tap-admin)",
        )
