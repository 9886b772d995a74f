"""What the cluster looks like to the policy plane, kept in step object by object. In: Services, Pods, Servers, authorizations,
authentications, routes, TrafficSplits. Out: indexed facts, and for each change the topics it touches.

Topics: the Key of a Service or an IP (outbound), a pod or a namespace (inbound), AUTHENTICATIONS. A change that says
nothing new touches nothing. Never here: answers (see `inbound`, `outbound`), I/O. Limits: as large as the cluster; COMPLAINTS sentences.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from lightkube.models import core_v1

from isthmus import names, route, service, split, workload
from isthmus.errors import BadValue
from isthmus.kube import crds
from isthmus.policy import authz, limits, settings
from isthmus.rpc import inbound_pb2

COMPLAINTS = 100
AUTHENTICATIONS = object()
"""The topic of identities and networks, to which policies of any namespace may refer."""

R = TypeVar("R")
Topics: TypeAlias = frozenset[Hashable]
NOTHING: Topics = frozenset()
Nets: TypeAlias = tuple[inbound_pb2.Network, ...]


@dataclass(frozen=True, slots=True)
class PodTopic:
    """A change of one pod."""

    key: names.Key


@dataclass(frozen=True, slots=True)
class SpaceTopic:
    """A change of the Servers, routes or authorizations of a namespace."""

    name: str


@dataclass(frozen=True, slots=True)
class Mesh:
    """What is fixed for the life of the process. `opaque` are the default opaque ports, `networks` those of the cluster."""

    control_ns: str = names.CONTROL_NS
    cluster_domain: str = names.CLUSTER_DOMAIN
    trust_domain: str = names.CLUSTER_DOMAIN
    opaque: frozenset[int] = frozenset()
    networks: tuple[authz.Network, ...] = tuple(ipaddress.ip_network(n) for n in names.CLUSTER_NETWORKS.split(","))
    inbound_policy: str = "all-unauthenticated"

    def inside(self, ip: str) -> bool:
        """Whether an address is the cluster's."""
        found = ipaddress.ip_address(ip)
        return any(found.version == net.version and found in net for net in self.networks)


class Shelf(Generic[R]):
    """Objects found by namespace, in the order of their names. Shrinks with what it is told."""

    def __init__(self) -> None:
        self._spaces: dict[str, dict[names.Key, R]] = {}

    def get(self, key: names.Key) -> R | None:
        return self._spaces.get(key.namespace, {}).get(key)

    def of(self, namespace: str) -> list[R]:
        """The objects of one namespace."""
        home = self._spaces.get(namespace, {})
        return [home[key] for key in sorted(home, key=lambda k: k.name)]

    def put(self, key: names.Key, found: R) -> bool:
        """Whether that is news."""
        home = self._spaces.setdefault(key.namespace, {})
        news = home.get(key) != found
        home[key] = found
        return news

    def drop(self, key: names.Key) -> bool:
        """Whether it was there."""
        home = self._spaces.get(key.namespace, {})
        there = home.pop(key, None) is not None
        if not home:
            self._spaces.pop(key.namespace, None)
        return there


@dataclass(slots=True)
class World:
    """Everything known, by key and by what points at it."""

    mesh: Mesh
    services: dict[names.Key, service.Service] = field(default_factory=dict[names.Key, service.Service])
    traffic: dict[names.Key, settings.Traffic] = field(default_factory=dict[names.Key, settings.Traffic])
    pods: dict[names.Key, workload.Pod] = field(default_factory=dict[names.Key, workload.Pod])
    servers: workload.Servers = field(default_factory=workload.Servers)
    claims: split.Claims = field(default_factory=split.Claims)
    policies: Shelf[authz.Policy] = field(default_factory=Shelf[authz.Policy])
    older: Shelf[authz.Older] = field(default_factory=Shelf[authz.Older])
    clients: Shelf[authz.Clients] = field(default_factory=Shelf[authz.Clients])
    nets: Shelf[Nets] = field(default_factory=Shelf[Nets])
    rates: Shelf[limits.Limit] = field(default_factory=Shelf[limits.Limit])
    complaints: list[str] = field(default_factory=list[str])
    _at: defaultdict[str, set[names.Key]] = field(default_factory=lambda: defaultdict(set))

    @property
    def naming(self) -> authz.Naming:
        return authz.Naming(self.mesh.control_ns, self.mesh.trust_domain)

    def services_at(self, ip: str) -> list[service.Service]:
        """The Services with that cluster IP."""
        return [self.services[k] for k in sorted(self._at.get(ip, ()), key=str)]

    # Services and what splits their traffic

    def put_service(self, obj: core_v1.Service) -> Topics:
        found = service.parse(obj, self.mesh.opaque)
        if self.services.get(found.key) == found:
            return NOTHING
        touched = self.drop_service(found.key)
        read, complaints = settings.read(found.traffic, f"on Service {found.key}")
        self._complain((*found.complaints, *complaints))
        self.services[found.key], self.traffic[found.key] = found, read
        for ip in found.ips:
            self._at[ip].add(found.key)
        return touched | self._around(found.key) | self._each(self.claims.naming(found.key))

    def drop_service(self, key: names.Key) -> Topics:
        touched = self._around(key) | self._each(self.claims.naming(key))
        before = self.services.pop(key, None)
        self.traffic.pop(key, None)
        for ip in before.ips if before else ():
            self._at[ip].discard(key)
            if not self._at[ip]:
                del self._at[ip]
        return touched

    def put_route(self, group: str, kind: str, obj: crds.Custom) -> Topics:
        try:
            found = route.parse(group, kind, obj.metadata, obj.spec)
        except BadValue as bad:
            self._complain((bad.sentence,))
            return self.drop_route(group, kind, workload.key_of(obj.metadata))
        before = self.claims.get(found.id)
        if before != found:
            self._complain(settings.read(found.annotations, f"on {kind} {found.key}")[1])
        return self._each(self.claims.put_route(found)) | _spaces(before) | _spaces(found)

    def drop_route(self, group: str, kind: str, key: names.Key) -> Topics:
        before = self.claims.get((group, kind, key))
        return self._each(self.claims.drop_route((group, kind, key))) | _spaces(before)

    def put_split(self, obj: crds.TrafficSplit) -> Topics:
        try:
            touched = self.claims.put_split(split.parse(obj.metadata, obj.spec))
        except BadValue as bad:
            self._complain((bad.sentence,))
            touched = self.claims.drop_split(workload.key_of(obj.metadata))
        return self._each(touched)

    def drop_split(self, key: names.Key) -> Topics:
        return self._each(self.claims.drop_split(key))

    # Pods, Servers and who may call them

    def put_pod(self, obj: core_v1.Pod) -> Topics:
        found = workload.pod(obj, self.mesh.opaque)
        if self.pods.get(found.key) == found:
            return NOTHING
        self._complain(found.complaints)
        self.pods[found.key] = found
        return frozenset((PodTopic(found.key),))

    def drop_pod(self, key: names.Key) -> Topics:
        return frozenset((PodTopic(key),)) if self.pods.pop(key, None) else NOTHING

    def put_server(self, obj: crds.Server) -> Topics:
        key = workload.key_of(obj.metadata)
        try:
            found = workload.server(obj.metadata, obj.spec)
        except BadValue as bad:
            self._complain((bad.sentence,))
            return self.drop_server(key)
        return NOTHING if self.servers.put(found) == found else frozenset((SpaceTopic(key.namespace),))

    def drop_server(self, key: names.Key) -> Topics:
        return frozenset((SpaceTopic(key.namespace),)) if self.servers.drop(key) else NOTHING

    def put_policy(self, obj: crds.AuthorizationPolicy) -> Topics:
        key = workload.key_of(obj.metadata)
        return self._put(self.policies, key, SpaceTopic(key.namespace), lambda: authz.policy(obj.metadata, obj.spec))

    def drop_policy(self, key: names.Key) -> Topics:
        return _drop(self.policies, key, SpaceTopic(key.namespace))

    def put_older(self, obj: crds.ServerAuthorization) -> Topics:
        key, naming = workload.key_of(obj.metadata), self.naming
        return self._put(
            self.older, key, SpaceTopic(key.namespace), lambda: authz.older(obj.metadata, obj.spec, naming)
        )

    def drop_older(self, key: names.Key) -> Topics:
        return _drop(self.older, key, SpaceTopic(key.namespace))

    def put_clients(self, obj: crds.MeshTLSAuthentication) -> Topics:
        key, naming = workload.key_of(obj.metadata), self.naming
        return self._put(self.clients, key, AUTHENTICATIONS, lambda: authz.mesh_tls(obj.metadata, obj.spec, naming))

    def drop_clients(self, key: names.Key) -> Topics:
        return _drop(self.clients, key, AUTHENTICATIONS)

    def put_nets(self, obj: crds.NetworkAuthentication) -> Topics:
        key = workload.key_of(obj.metadata)
        return self._put(self.nets, key, AUTHENTICATIONS, lambda: authz.network_authentication(obj.metadata, obj.spec))

    def drop_nets(self, key: names.Key) -> Topics:
        return _drop(self.nets, key, AUTHENTICATIONS)

    def put_limit(self, obj: crds.HTTPLocalRateLimitPolicy) -> Topics:
        key, naming = workload.key_of(obj.metadata), self.naming
        return self._put(
            self.rates, key, SpaceTopic(key.namespace), lambda: limits.parse(obj.metadata, obj.spec, naming)
        )

    def drop_limit(self, key: names.Key) -> Topics:
        return _drop(self.rates, key, SpaceTopic(key.namespace))

    # What a change touches

    def _put(self, into: Shelf[R], key: names.Key, topic: Hashable, read: Callable[[], R]) -> Topics:
        """Takes in what `read` gives; what it refuses is as if it were not there."""
        try:
            found = read()
        except BadValue as bad:
            self._complain((bad.sentence,))
            return _drop(into, key, topic)
        return frozenset((topic,)) if into.put(key, found) else NOTHING

    def _around(self, key: names.Key) -> Topics:
        found = self.services.get(key)
        return frozenset((key, *(found.ips if found else ())))

    def _each(self, keys: Iterable[names.Key]) -> Topics:
        return NOTHING.union(*(self._around(key) for key in keys))

    def _complain(self, sentences: Iterable[str]) -> None:
        self.complaints = [*self.complaints, *sentences][-COMPLAINTS:]

    def take_complaints(self) -> list[str]:
        """What was found malformed since the last call."""
        taken, self.complaints = self.complaints, []
        return taken


def _drop(of: Shelf[R], key: names.Key, topic: Hashable) -> Topics:
    return frozenset((topic,)) if of.drop(key) else NOTHING


def _spaces(found: route.Route | None) -> Topics:
    """The namespaces whose Servers a route speaks for."""
    return frozenset(SpaceTopic(p.key.namespace) for p in found.parents if p.server) if found else NOTHING
