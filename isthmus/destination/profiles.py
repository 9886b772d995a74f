"""Read ServiceProfiles. In: the spec of a `linkerd.io` ServiceProfile. Out: routes, a retry budget and overrides, as the wire has them.

Never here: whose profile counts for whom (see `answers`). Limits: ROUTES routes a profile, DEPTH levels of all, any and not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from isthmus import names, split
from isthmus.errors import BadValue
from isthmus.rpc import destination_pb2 as pb
from isthmus.rpc import http_types_pb2

ROUTES = 1000
DEPTH = 16
_GO_DURATION = re.compile(r"^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$")
_GO_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_METHODS = http_types_pb2.HttpMethod.Registered

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """What one ServiceProfile says. `overrides` are (authority, weight); `budget` None where it says nothing."""

    key: names.Key
    routes: tuple[pb.Route, ...]
    budget: pb.RetryBudget | None
    overrides: tuple[tuple[str, int], ...]


def default_budget() -> pb.RetryBudget:
    """20 % more requests, at least 10 a second, over 10 s."""
    budget = pb.RetryBudget(retry_ratio=0.2, min_retries_per_second=10)
    budget.ttl.FromSeconds(10)
    return budget


def parse(key: names.Key, spec: Spec) -> Profile:
    """The profile that `spec` describes.

    Raises:
        BadValue: a condition, a duration or a weight cannot be read.
    """
    reader = _Reader(key)
    routes = cast("Sequence[Spec]", spec.get("routes") or ())
    if len(routes) > ROUTES:
        raise BadValue(reader.key("routes"), f"{len(routes)} routes", f"at most {ROUTES}")
    overrides = tuple(
        # Linkerd sends milli-units times ten; both meshes' proxies then see the same numbers.
        (str(o.get("authority")), split.quantity(o.get("weight"), key=reader.key("dstOverrides.weight")) * 10)
        for o in cast("Sequence[Spec]", spec.get("dstOverrides") or ())
    )
    return Profile(
        key,
        tuple(reader.route(r, f"routes[{n}]") for n, r in enumerate(routes)),
        reader.budget(cast("Spec | None", spec.get("retryBudget"))),
        overrides,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of one profile, so that refusals can say whose they are."""

    owner: names.Key

    def key(self, where: str) -> str:
        return f"spec.{where} of ServiceProfile {self.owner}"

    def route(self, spec: Spec, where: str) -> pb.Route:
        found = pb.Route(
            condition=self.request(cast("Spec", spec.get("condition") or {}), f"{where}.condition", DEPTH),
            metrics_labels={"route": str(spec.get("name") or "")},
            is_retryable=bool(spec.get("isRetryable")),
        )
        for n, one in enumerate(cast("Sequence[Spec]", spec.get("responseClasses") or ())):
            condition = self.response(cast("Spec", one.get("condition") or {}), f"{where}.responseClasses[{n}]", DEPTH)
            found.response_classes.add(condition=condition, is_failure=bool(one.get("isFailure")))
        if spec.get("timeout"):
            found.timeout.FromMilliseconds(self.millis(spec["timeout"], f"{where}.timeout"))
        return found

    def budget(self, spec: Spec | None) -> pb.RetryBudget | None:
        if not spec:
            return None
        ratio, least = spec.get("retryRatio"), spec.get("minRetriesPerSecond")
        if not isinstance(ratio, int | float) or not 0 <= ratio <= 1000:
            raise BadValue(self.key("retryBudget.retryRatio"), ratio, "0.2")
        if not isinstance(least, int) or not 0 <= least < 2**32:
            raise BadValue(self.key("retryBudget.minRetriesPerSecond"), least, "10")
        budget = pb.RetryBudget(retry_ratio=ratio, min_retries_per_second=least)
        budget.ttl.FromMilliseconds(self.millis(spec.get("ttl"), "retryBudget.ttl"))
        return budget

    def millis(self, text: object, where: str) -> int:
        """Milliseconds of a duration as Go writes them: `1m30s`, `250ms`, `1.5s`."""
        if not isinstance(text, str) or not _GO_DURATION.match(text):
            raise BadValue(self.key(where), text, '"250ms"', why="not a duration")
        return round(1000 * sum(float(number) * _SECONDS[unit] for number, unit in _GO_PART.findall(text)))

    def request(self, spec: Spec, where: str, depth: int) -> pb.RequestMatch:
        self._deep(where, depth)
        found: list[pb.RequestMatch] = []
        for word in ("all", "any"):
            if spec.get(word):
                parts = [self.request(one, where, depth - 1) for one in cast("Sequence[Spec]", spec[word])]
                seq = pb.RequestMatch.Seq(matches=parts)
                found.append(pb.RequestMatch(all=seq) if word == "all" else pb.RequestMatch(any=seq))
        if spec.get("not"):
            inner = pb.RequestMatch()
            getattr(inner, "not").CopyFrom(self.request(spec["not"], where, depth - 1))
            found.append(inner)
        if spec.get("method"):
            found.append(pb.RequestMatch(method=method(str(spec["method"]))))
        if spec.get("pathRegex"):
            found.append(pb.RequestMatch(path=pb.PathMatch(regex=str(spec["pathRegex"]))))
        if not found:
            raise BadValue(self.key(where), dict(spec), "{method: GET, pathRegex: /books}", why="no condition")
        return found[0] if len(found) == 1 else pb.RequestMatch(all=pb.RequestMatch.Seq(matches=found))

    def response(self, spec: Spec, where: str, depth: int) -> pb.ResponseMatch:
        self._deep(where, depth)
        found: list[pb.ResponseMatch] = []
        for word in ("all", "any"):
            if spec.get(word):
                parts = [self.response(one, where, depth - 1) for one in cast("Sequence[Spec]", spec[word])]
                seq = pb.ResponseMatch.Seq(matches=parts)
                found.append(pb.ResponseMatch(all=seq) if word == "all" else pb.ResponseMatch(any=seq))
        if spec.get("not"):
            inner = pb.ResponseMatch()
            getattr(inner, "not").CopyFrom(self.response(spec["not"], where, depth - 1))
            found.append(inner)
        if spec.get("status"):
            found.append(pb.ResponseMatch(status=self._range(cast("Spec", spec["status"]), where)))
        if not found:
            raise BadValue(self.key(where), dict(spec), "{status: {min: 500, max: 599}}", why="no condition")
        return found[0] if len(found) == 1 else pb.ResponseMatch(all=pb.ResponseMatch.Seq(matches=found))

    def _range(self, spec: Spec, where: str) -> pb.HttpStatusRange:
        low, high = spec.get("min", 0), spec.get("max", 0)
        if not all(isinstance(n, int) and (n == 0 or 100 <= n <= 599) for n in (low, high)) or (high and low > high):
            raise BadValue(self.key(f"{where}.status"), dict(spec), "{min: 500, max: 599}", why="not a range of codes")
        return pb.HttpStatusRange(min=low, max=high)

    def _deep(self, where: str, depth: int) -> None:
        if depth <= 0:
            raise BadValue(self.key(where), "deeper nesting", "one all of conditions", why=f"more than {DEPTH} levels")


def method(word: str) -> http_types_pb2.HttpMethod:
    """An HTTP method: one of the known nine, or by its word."""
    if word in _METHODS.keys():
        return http_types_pb2.HttpMethod(registered=word)
    return http_types_pb2.HttpMethod(unregistered=word)
