"""HTTPRoute and GRPCRoute, read once. In: the spec of a route of `policy.linkerd.io` or the Gateway API. Out: a typed Route, or BadValue.

Two planes need the same answer to "does this route count": policy turns it into rules, destination keeps ServiceProfiles out of its
way. What we cannot carry out (mirroring, rewriting, extensions) refuses the whole route, so that none is half obeyed.
Never here: whether parents and backends exist (see `policy.status`), wire messages. Limits: those of the kinds' own schemas.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lightkube.models.meta_v1 import ObjectMeta

from isthmus import names, workload
from isthmus.errors import BadValue

POLICY = "policy.linkerd.io"
GATEWAY_API = "gateway.networking.k8s.io"
_DURATION = re.compile(r"^(\d{1,5}(h|m|s|ms)){1,4}$")
_PART = re.compile(r"(\d{1,5})(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_HOST = re.compile(r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parent:
    """What a route says it belongs to. `port` None: all ports."""

    group: str
    kind: str
    key: names.Key
    port: int | None = None
    section: str = ""

    @property
    def service(self) -> bool:
        return self.kind == "Service" and self.group in ("", "core")

    @property
    def server(self) -> bool:
        return self.kind == "Server" and self.group == POLICY


@dataclass(frozen=True, slots=True)
class Value:
    """A header or query parameter to match: `how` is exact or regex."""

    name: str
    how: str
    value: str


@dataclass(frozen=True, slots=True)
class Match:
    """All parts must hold. `path` is (exact | prefix | regex, value); for gRPC it is empty, and `rpc` is (service, method)."""

    path: tuple[str, str] | None
    headers: tuple[Value, ...] = ()
    query: tuple[Value, ...] = ()
    method: str = ""
    rpc: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Headers:
    """Changes to the headers of a `side`, request or response: added, then set, then removed."""

    side: str
    add: tuple[tuple[str, str], ...] = ()
    set: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that sends the client elsewhere. `path` is (full | prefix, value). Empty fields keep the request's."""

    scheme: str = ""
    host: str = ""
    path: tuple[str, str] | None = None
    port: int = 0
    status: int = 302


Filter = Headers | Redirect


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a share of the requests goes. `port` is None where the route does not say."""

    group: str
    kind: str
    key: names.Key
    port: int | None
    weight: int
    filters: tuple[Filter, ...] = ()

    @property
    def service(self) -> bool:
        return self.kind == "Service" and self.group in ("", "core")


@dataclass(frozen=True, slots=True)
class Rule:
    """Matches, of which one must hold, and what then happens. Timeouts in seconds."""

    matches: tuple[Match, ...]
    filters: tuple[Filter, ...] = ()
    backends: tuple[Backend, ...] = ()
    request_timeout: float | None = None
    backend_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A route of `kind` HTTPRoute or GRPCRoute in the API `group`."""

    group: str
    kind: str
    key: names.Key
    created: float
    parents: tuple[Parent, ...]
    hosts: tuple[str, ...]
    rules: tuple[Rule, ...]
    annotations: Mapping[str, str]

    @property
    def id(self) -> "Id":
        return (self.group, self.kind, self.key)


Id = tuple[str, str, names.Key]
"""Group, kind and place of a route: what tells routes apart."""


def parse(group: str, kind: str, meta: ObjectMeta | None, spec: Spec) -> Route:
    """The Route that `spec` describes.

    Raises:
        BadValue: something is malformed, or asks for what a proxy cannot do; the key names the field.
    """
    home = workload.key_of(meta)
    reader = _Reader(kind, home)
    rules = tuple(reader.rule(rule, f"rules[{n}]") for n, rule in enumerate(_list(spec, "rules")))
    return Route(
        group=group,
        kind=kind,
        key=home,
        created=workload.created(meta),
        parents=parents(group, home.namespace, spec),
        hosts=tuple(reader.host(h) for h in cast("Sequence[Any]", spec.get("hostnames") or ())),
        rules=rules,
        annotations=workload.annotations_of(meta),
    )


def parents(group: str, namespace: str, spec: Spec) -> tuple[Parent, ...]:
    """The parents a spec names, even where the rest of it cannot be read."""
    return tuple(
        Parent(
            # Schemas put their own group in; where one does not, a Service is Kubernetes' own.
            str(ref.get("group", "" if ref.get("kind") == "Service" else group) or ""),
            str(ref.get("kind") or "Gateway"),
            names.Key(str(ref.get("namespace") or namespace), str(ref.get("name"))),
            cast("int | None", ref.get("port")),
            str(ref.get("sectionName") or ""),
        )
        for ref in _list(spec, "parentRefs")
    )


def duration(text: object, *, key: str) -> float:
    """Seconds in a Gateway API duration (`1h30m`, `500ms`); 0 means no limit there.

    Raises:
        BadValue: it is none.
    """
    if not isinstance(text, str) or not _DURATION.match(text):
        raise BadValue(key, text, '"10s"', why="not a duration")
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def _list(spec: Spec, field: str) -> Sequence[Spec]:
    return cast("Sequence[Spec]", spec.get(field) or ())


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of one route, so that refusals can say whose they are."""

    kind: str
    home: names.Key

    def key(self, where: str) -> str:
        return f"spec.{where} of {self.kind} {self.home}"

    def host(self, text: object) -> str:
        if not isinstance(text, str) or not _HOST.match(text):
            raise BadValue(self.key("hostnames"), text, '"*.example.com"', why="not a host name")
        return text

    def rule(self, rule: Spec, where: str) -> Rule:
        read = self._grpc_match if self.kind == "GRPCRoute" else self._http_match
        matches = tuple(read(m, f"{where}.matches[{n}]") for n, m in enumerate(_list(rule, "matches")))
        limits = cast("Spec", rule.get("timeouts") or {})
        backends = tuple(
            self._backend(b, f"{where}.backendRefs[{n}]") for n, b in enumerate(_list(rule, "backendRefs"))
        )
        return Rule(
            matches or (read({}, where),),
            self._filters(rule, where),
            backends,
            self._limit(limits, "request", where),
            self._limit(limits, "backendRequest", where),
        )

    def _limit(self, limits: Spec, name: str, where: str) -> float | None:
        if limits.get(name) is None:
            return None
        return duration(limits[name], key=self.key(f"{where}.timeouts.{name}")) or None

    def _http_match(self, match: Spec, where: str) -> Match:
        path = cast("Spec", match.get("path") or {})
        hows = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}
        how, value = path.get("type") or "PathPrefix", str(path.get("value") or "/")
        if how not in hows:
            raise BadValue(self.key(f"{where}.path.type"), how, '"PathPrefix"', why="no such way to match")
        if how != "RegularExpression" and not value.startswith("/"):
            raise BadValue(self.key(f"{where}.path.value"), value, '"/api"', why="a path begins with /")
        return Match(
            (hows[how], value),
            self._values(match, "headers", where),
            self._values(match, "queryParams", where),
            str(match.get("method") or ""),
        )

    def _grpc_match(self, match: Spec, where: str) -> Match:
        rpc = cast("Spec", match.get("method") or {})
        if (rpc.get("type") or "Exact") != "Exact":
            raise BadValue(self.key(f"{where}.method.type"), rpc.get("type"), '"Exact"', why="proxies match exactly")
        call = (str(rpc.get("service") or ""), str(rpc.get("method") or ""))
        return Match(None, self._values(match, "headers", where), rpc=call)

    def _values(self, match: Spec, field: str, where: str) -> tuple[Value, ...]:
        found: list[Value] = []
        for one in _list(match, field):
            hows = {"Exact": "exact", "RegularExpression": "regex"}
            how = hows.get(str(one.get("type") or "Exact"))
            if how is None:
                raise BadValue(self.key(f"{where}.{field}"), one.get("type"), '"Exact"', why="no such way to match")
            found.append(Value(str(one.get("name")), how, str(one.get("value") or "")))
        return tuple(found)

    def _filters(self, holder: Spec, where: str) -> tuple[Filter, ...]:
        return tuple(self._filter(f, f"{where}.filters[{n}]") for n, f in enumerate(_list(holder, "filters")))

    def _filter(self, one: Spec, where: str) -> Filter:
        match one.get("type"):
            case "RequestHeaderModifier":
                return self._headers("request", cast("Spec", one.get("requestHeaderModifier") or {}))
            case "ResponseHeaderModifier":
                return self._headers("response", cast("Spec", one.get("responseHeaderModifier") or {}))
            case "RequestRedirect" if self.kind != "GRPCRoute":
                return self._redirect(cast("Spec", one.get("requestRedirect") or {}), where)
            case other:
                raise BadValue(self.key(where), other, '"RequestHeaderModifier"', why="proxies cannot do that")

    def _headers(self, side: str, change: Spec) -> Headers:
        def pairs(field: str) -> tuple[tuple[str, str], ...]:
            return tuple((str(h.get("name")), str(h.get("value") or "")) for h in _list(change, field))

        remove = tuple(str(name) for name in cast("Sequence[object]", change.get("remove") or ()))
        return Headers(side, pairs("add"), pairs("set"), remove)

    def _redirect(self, spec: Spec, where: str) -> Redirect:
        change, path = cast("Spec", spec.get("path") or {}), None
        match change.get("type"):
            case None:
                pass
            case "ReplaceFullPath":
                path = ("full", str(change.get("replaceFullPath") or "/"))
            case "ReplacePrefixMatch":
                path = ("prefix", str(change.get("replacePrefixMatch") or "/"))
            case other:
                raise BadValue(self.key(f"{where}.path.type"), other, '"ReplaceFullPath"', why="no such replacement")
        status = int(spec.get("statusCode") or 302)
        if not 300 <= status <= 399:
            raise BadValue(self.key(f"{where}.statusCode"), status, "302", why="not a redirect")
        return Redirect(
            str(spec.get("scheme") or ""), str(spec.get("hostname") or ""), path, int(spec.get("port") or 0), status
        )

    def _backend(self, ref: Spec, where: str) -> Backend:
        weight: object = ref.get("weight", 1)
        if not isinstance(weight, int) or not 0 <= weight <= 1_000_000:
            raise BadValue(self.key(f"{where}.weight"), weight, "50", why="not a weight from 0 to 1000000")
        key = names.Key(str(ref.get("namespace") or self.home.namespace), str(ref.get("name")))
        kind, group = str(ref.get("kind") or "Service"), str(ref.get("group") or "")
        return Backend(group, kind, key, cast("int | None", ref.get("port")), weight, self._filters(ref, where))
