"""A request by resource as what one proxy is asked. In: `TapByResourceRequest`. Out: an `Asked` that is checked, `ObserveRequest`s. Pure.

Never here: which proxies (see `plan`). Limits: PARTS parts of a match; at most MAX_RPS requests a second.
"""

import math
from dataclasses import dataclass

from isthmus.errors import BadValue
from isthmus.rpc import http_types_pb2, tap_pb2
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap.ask import resource

PARTS = 128
MAX_RPS = 10_000.0
USUAL_RPS = 100.0
TEXT = 4096

_METHODS = frozenset(http_types_pb2.HttpMethod.Registered.keys())
_SCHEMES = frozenset(http_types_pb2.Scheme.Registered.keys())
Match = tap_pb2.ObserveRequest.Match
Http = api.TapByResourceRequest.Match.Http


@dataclass(frozen=True, slots=True)
class Asked:
    """What is tapped: `target`, of its pods those with `labels` (a selector), `rps` requests a second in all, and which."""

    target: resource.Resource
    labels: str
    rps: float
    match: tap_pb2.ObserveRequest.Match
    headers: bool

    def observe(self, limit: int) -> tap_pb2.ObserveRequest:
        """What one proxy is asked: its next `limit` requests that fit."""
        made = tap_pb2.ObserveRequest(limit=limit, match=self.match)
        if self.headers:
            made.extract.http.headers.SetInParent()
        return made


def read(said: api.TapByResourceRequest) -> Asked:
    """Check a request.

    Raises:
        BadValue: it names no resource that can be tapped, or a match or rate that cannot be.
    """
    if not said.target.HasField("resource"):
        raise BadValue("target.resource", "", "deployment web in namespace shop", why="nothing is named")
    rps = said.maxRps or USUAL_RPS
    if not math.isfinite(rps) or not 0 < rps <= MAX_RPS:
        raise BadValue("maxRps", said.maxRps, "100", why=f"not a number above 0, at most {MAX_RPS:.0f}")
    left = [PARTS]
    match = _one(said.match, left) if said.match.WhichOneof("match") else Match(all=Match.Seq())
    return Asked(
        target=resource.of_message(said.target.resource, key="target.resource"),
        labels=said.target.label_selector,
        rps=rps,
        match=match,
        headers=said.extract.WhichOneof("extract") == "http",
    )


def _one(said: api.TapByResourceRequest.Match, left: list[int]) -> tap_pb2.ObserveRequest.Match:
    left[0] -= 1
    if left[0] < 0:
        raise BadValue("match", f"more than {PARTS} parts", "a path, a method and an authority", why="too long")
    match said.WhichOneof("match"):
        case "all":
            return Match(all=Match.Seq(matches=[_one(one, left) for one in said.all.matches]))
        case "any":
            return Match(any=Match.Seq(matches=[_one(one, left) for one in said.any.matches]))
        case "not":
            return _not(_one(getattr(said, "not"), left))
        case "destinations":
            return _destination(resource.of_message(said.destinations.resource, key="match.destinations.resource"))
        case "http":
            return Match(http=_http(said.http))
        case _:
            raise BadValue("match", "", "http.path", why="a part of it is empty")


def _not(inner: tap_pb2.ObserveRequest.Match) -> tap_pb2.ObserveRequest.Match:
    made = Match()
    getattr(made, "not").CopyFrom(inner)  # a word of Python's
    return made


def _destination(wanted: resource.Resource) -> tap_pb2.ObserveRequest.Match:
    """By the labels that the destination plane gives endpoints. Only requests on their way out carry them."""
    parts = [_label("namespace", wanted.namespace)]
    if wanted.kind != resource.NAMESPACE and wanted.name:
        parts.append(_label(wanted.kind, wanted.name))
    return Match(all=Match.Seq(matches=parts))


def _label(key: str, value: str) -> tap_pb2.ObserveRequest.Match:
    return Match(destination_label=Match.Label(key=key, value=value))


def _http(said: Http) -> tap_pb2.ObserveRequest.Match.Http:
    which = said.WhichOneof("match")
    text: str = getattr(said, which) if which else ""
    if not text or len(text) > TEXT:
        raise BadValue(f"match.http.{which}", text[:40], "/api", why=f"not a text of 1 to {TEXT} characters")
    made = Match.Http()
    match which:
        case "scheme":
            scheme = http_types_pb2.Scheme
            made.scheme.CopyFrom(
                scheme(registered=text.upper()) if text.upper() in _SCHEMES else scheme(unregistered=text)
            )
        case "method":
            method = http_types_pb2.HttpMethod
            made.method.CopyFrom(
                method(registered=text.upper()) if text.upper() in _METHODS else method(unregistered=text)
            )
        case "authority":
            made.authority.exact = text
        case _:
            made.path.prefix = text
    return made
