"""Who says how a Service's traffic is split. In: parsed routes, TrafficSplits of SMI. Out: the one that rules, with its weights.

The precedence, one for all planes (docs/decisions/0003-split-precedence.md): a route with rules, then the oldest TrafficSplit, then
`dstOverrides` of a ServiceProfile, then nothing. policy sends the first two; destination sends the third only where they are absent.
Never here: Kubernetes objects beyond their specs, wire messages, whether backends exist. Limit: BACKENDS backends a TrafficSplit.
"""

import enum
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lightkube.models.meta_v1 import ObjectMeta

from isthmus import names, route, workload
from isthmus.errors import BadValue

BACKENDS = 32
MOST = 400_000_000
"""The largest weight, in thousandths: ten times as much still fits the wire's 32 bits."""
_QUANTITY = re.compile(r"^(\d{1,9})(?:\.(\d{1,3}))?(m?)$")


class Ruler(enum.Enum):
    """Whose word counts."""

    ROUTE = "route"
    SPLIT = "split"
    PROFILE = "profile"
    DEFAULT = "default"


def ruler(*, routes: bool, split: bool, overrides: bool) -> Ruler:
    """The precedence itself, for HTTP and gRPC; for opaque traffic ask with `routes=False`, since routes do not speak of it."""
    if routes:
        return Ruler.ROUTE
    if split:
        return Ruler.SPLIT
    return Ruler.PROFILE if overrides else Ruler.DEFAULT


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """Backend Services of one root Service (all in its namespace) with their weights in thousandths."""

    key: names.Key
    created: float
    root: names.Key
    backends: tuple[tuple[names.Key, int], ...]


def quantity(value: object, *, key: str) -> int:
    """A weight in thousandths: 1 is 1000, `500m` is 500, `0.5` is 500.

    Raises:
        BadValue: it is no quantity.
    """
    found = None if isinstance(value, bool) else _QUANTITY.match(str(value))
    if not found or (found[2] and found[3]):
        raise BadValue(key, value, '"500m" or 50', why="not a weight")
    whole, part, milli = int(found[1]), found[2] or "", found[3]
    weight = whole if milli else whole * 1000 + int(part.ljust(3, "0"))
    if weight > MOST:
        raise BadValue(key, value, '"500m" or 50', why=f"more than {MOST // 1000}")
    return weight


def parse(meta: ObjectMeta | None, spec: Mapping[str, Any]) -> TrafficSplit:
    """The TrafficSplit (split.smi-spec.io v1alpha1 and v1alpha2) that `spec` describes.

    Raises:
        BadValue: a weight is no quantity, or the root or its backends are missing.
    """
    home = workload.key_of(meta)

    def service(text: object, field: str) -> names.Key:
        name, _, rest = str(text or "").partition(".")
        if not name or (rest and rest.partition(".")[0] != home.namespace):
            raise BadValue(f"spec.{field} of TrafficSplit {home}", text, '"web"', why="not a Service of its namespace")
        return names.Key(home.namespace, name)

    listed = cast("Sequence[Mapping[str, Any]]", spec.get("backends") or ())
    if not 0 < len(listed) <= BACKENDS:
        raise BadValue(
            f"spec.backends of TrafficSplit {home}", f"{len(listed)} backends", "[{service: web-v2, weight: 50}]"
        )
    if spec.get("matches"):
        raise BadValue(f"spec.matches of TrafficSplit {home}", "set", "an HTTPRoute", why="a split is for all requests")
    backends = tuple(
        (service(b.get("service"), "backends"), quantity(b.get("weight"), key=f"weight in TrafficSplit {home}"))
        for b in listed
    )
    return TrafficSplit(home, workload.created(meta), service(spec.get("service"), "service"), backends)


class Claims:
    """Routes and TrafficSplits, found by the Service they speak for. Each change returns the Services whose answer may differ.

    Shrinks with what it is told. Only what parsed comes in, so whatever is here counts.
    """

    def __init__(self) -> None:
        self._routes: dict[route.Id, route.Route] = {}
        self._splits: dict[names.Key, TrafficSplit] = {}
        self._routes_of: defaultdict[names.Key, set[route.Id]] = defaultdict(set)
        self._splits_of: defaultdict[names.Key, set[names.Key]] = defaultdict(set)
        self._of_server: defaultdict[names.Key, set[route.Id]] = defaultdict(set)
        self._named: defaultdict[names.Key, set[route.Id | names.Key]] = defaultdict(set)

    def put_route(self, found: route.Route) -> frozenset[names.Key]:
        if self._routes.get(found.id) == found:
            return frozenset()
        touched = self.drop_route(found.id)
        self._routes[found.id] = found
        for service in _roots(found):
            self._routes_of[service].add(found.id)
        for server in _servers(found):
            self._of_server[server].add(found.id)
        for backend in _backends(found):
            self._named[backend].add(found.id)
        return touched | _roots(found)

    def drop_route(self, ident: route.Id) -> frozenset[names.Key]:
        before = self._routes.pop(ident, None)
        if before is None:
            return frozenset()
        for service in _roots(before):
            _discard(self._routes_of, service, ident)
        for server in _servers(before):
            _discard(self._of_server, server, ident)
        for backend in _backends(before):
            _discard(self._named, backend, ident)
        return _roots(before)

    def put_split(self, found: TrafficSplit) -> frozenset[names.Key]:
        if self._splits.get(found.key) == found:
            return frozenset()
        touched = self.drop_split(found.key)
        self._splits[found.key] = found
        self._splits_of[found.root].add(found.key)
        for backend, _ in found.backends:
            self._named[backend].add(found.key)
        return touched | {found.root}

    def drop_split(self, key: names.Key) -> frozenset[names.Key]:
        before = self._splits.pop(key, None)
        if before is None:
            return frozenset()
        _discard(self._splits_of, before.root, key)
        for backend, _ in before.backends:
            _discard(self._named, backend, key)
        return frozenset((before.root,))

    def naming(self, backend: names.Key) -> frozenset[names.Key]:
        """The Services whose split names `backend`: their answer changes when it comes or goes."""
        found: set[names.Key] = set()
        for ident in self._named.get(backend, ()):
            found |= {self._splits[ident].root} if isinstance(ident, names.Key) else _roots(self._routes[ident])
        return frozenset(found)

    def get(self, ident: route.Id) -> route.Route | None:
        return self._routes.get(ident)

    def server_routes(self, server: names.Key, port: int, kind: str) -> tuple[route.Route, ...]:
        """The routes of `kind` with that Server as parent, oldest first."""
        found = [self._routes[i] for i in self._of_server.get(server, ()) if i[1] == kind]
        asked = [
            r
            for r in found
            if r.rules and any(p.server and p.key == server and p.port in (None, port) for p in r.parents)
        ]
        return tuple(sorted(asked, key=_age))

    def routes(self, service: names.Key, port: int, client_ns: str, kind: str) -> tuple[route.Route, ...]:
        """The routes of `kind` that rule for clients in `client_ns`, oldest first.

        Those of the Service's own namespace are for all clients; a client's namespace may overrule them for itself.
        """
        found = [self._routes[i] for i in self._routes_of.get(service, ()) if i[1] == kind]
        speaking = [r for r in found if r.rules and _speaks(r, service, port)]
        own = [r for r in speaking if r.key.namespace == client_ns and client_ns != service.namespace]
        chosen = own or [r for r in speaking if r.key.namespace == service.namespace]
        return tuple(sorted(chosen, key=_age))

    def split(self, service: names.Key) -> TrafficSplit | None:
        """The TrafficSplit that rules: the oldest, then by name."""
        found = (self._splits[key] for key in self._splits_of.get(service, ()))
        return min(found, key=lambda s: (s.created, s.key.name), default=None)

    def ruler(self, service: names.Key, port: int, client_ns: str, *, overrides: bool = False) -> Ruler:
        """Who rules HTTP and gRPC traffic to a Service's port."""
        routes = any(self.routes(service, port, client_ns, kind) for kind in ("GRPCRoute", "HTTPRoute"))
        return ruler(routes=routes, split=self.split(service) is not None, overrides=overrides)


def _roots(found: route.Route) -> frozenset[names.Key]:
    return frozenset(p.key for p in found.parents if p.service)


def _servers(found: route.Route) -> frozenset[names.Key]:
    return frozenset(p.key for p in found.parents if p.server)


def _age(found: route.Route) -> tuple[float, str, str]:
    """Older first, then by name."""
    return found.created, str(found.key), found.group


def _backends(found: route.Route) -> frozenset[names.Key]:
    return frozenset(b.key for rule in found.rules for b in rule.backends if b.service)


def _speaks(found: route.Route, service: names.Key, port: int) -> bool:
    return any(p.service and p.key == service and p.port in (None, port) for p in found.parents)


def _discard(index: dict[names.Key, set[Any]], at: names.Key, member: Any) -> None:
    index[at].discard(member)
    if not index[at]:
        del index[at]
