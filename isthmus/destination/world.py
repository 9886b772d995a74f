"""What the cluster looks like to the destination plane, kept in step object by object. In: Services, EndpointSlices, Pods, Nodes,
Servers, ServiceProfiles, routes and TrafficSplits. Out: indexed facts, and for each change the topics it touches.

A topic is the Key of a Service or an IP. A change that says nothing new touches nothing, and one of a single slice or pod costs what
that slice or pod holds. Never here: answers (see `endpoints`, `profile`), I/O. Limits: as large as the cluster; complaints: COMPLAINTS.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from lightkube.models import core_v1, discovery_v1

from isthmus import names, route, service, split, workload
from isthmus.destination import profiles, slices
from isthmus.errors import BadValue
from isthmus.kube import crds
from isthmus.serve import topics

COMPLAINTS = 100
ZONE = "topology.kubernetes.io/zone"
EVERYONE = topics.EVERY
"""The topic of a change that may concern any stream, such as a node that moves to another zone."""

K = TypeVar("K")
Topics: TypeAlias = frozenset[Hashable]
NOTHING: Topics = frozenset()


@dataclass(frozen=True, slots=True)
class Mesh:
    """What is fixed for the life of the process. `opaque` are the default opaque ports."""

    control_ns: str = names.CONTROL_NS
    cluster_domain: str = names.CLUSTER_DOMAIN
    trust_domain: str = names.CLUSTER_DOMAIN
    opaque: frozenset[int] = frozenset()
    transport_header: bool = True
    h2_upgrade: bool = True
    ipv6: bool = False


class World:
    """Everything known, by key and by what points at it."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.services: dict[names.Key, service.Service] = {}
        self.pods: dict[names.Key, workload.Pod] = {}
        self.zones: dict[str, str] = {}
        self.servers = workload.Servers()
        self.claims = split.Claims()
        self.profiles: dict[names.Key, profiles.Profile] = {}
        self.complaints: list[str] = []
        self._slices: dict[names.Key, slices.Slice] = {}
        self._slices_by: defaultdict[names.Key, set[names.Key]] = defaultdict(set)
        self._slices_with: defaultdict[names.Key, set[names.Key]] = defaultdict(set)
        self._services_at: defaultdict[str, set[names.Key]] = defaultdict(set)
        self._pods_at: defaultdict[str, set[names.Key]] = defaultdict(set)
        self._pods_in: defaultdict[str, set[names.Key]] = defaultdict(set)

    # Questions

    def slices_of(self, key: names.Key) -> Iterable[slices.Slice]:
        """The slices of a Service, in the order of their names."""
        return (self._slices[k] for k in sorted(self._slices_by.get(key, ()), key=lambda k: k.name))

    def services_at(self, ip: str) -> list[service.Service]:
        """The Services with that cluster IP."""
        return [self.services[k] for k in sorted(self._services_at.get(ip, ()), key=str)]

    def pods_at(self, ip: str) -> list[workload.Pod]:
        """The live pods with that address, their own or their host's."""
        return [self.pods[k] for k in sorted(self._pods_at.get(ip, ()), key=str) if self.pods[k].live]

    def opaque_at(self, pod: workload.Pod, port: int) -> bool:
        """Whether a pod's port takes traffic nobody looks into."""
        server = self.servers.choose(pod, port)
        return server.protocol == "opaque" if server and server.protocol != "unknown" else port in pod.opaque

    # Changes

    def put_service(self, obj: core_v1.Service) -> Topics:
        found = service.parse(obj, self.mesh.opaque)
        if self.services.get(found.key) == found:
            return NOTHING
        touched = self.drop_service(found.key)
        self._complain(found.complaints)
        self.services[found.key] = found
        for ip in found.ips:
            self._services_at[ip].add(found.key)
        return touched | self._around(found.key)

    def drop_service(self, key: names.Key) -> Topics:
        touched = self._around(key)
        before = self.services.pop(key, None)
        for ip in before.ips if before else ():
            _discard(self._services_at, ip, key)
        return touched

    def put_slice(self, obj: discovery_v1.EndpointSlice) -> Topics:
        found = slices.parse(obj)
        if found is None:
            return self.drop_slice(workload.key_of(obj.metadata))
        if self._slices.get(found.key) == found:
            return NOTHING
        touched = self.drop_slice(found.key)
        self._slices[found.key] = found
        self._slices_by[found.service].add(found.key)
        for pod in _pods_of(found):
            self._slices_with[pod].add(found.key)
        return touched | {found.service}

    def drop_slice(self, key: names.Key) -> Topics:
        before = self._slices.pop(key, None)
        if before is None:
            return NOTHING
        _discard(self._slices_by, before.service, key)
        for pod in _pods_of(before):
            _discard(self._slices_with, pod, key)
        return frozenset((before.service,))

    def put_pod(self, obj: core_v1.Pod) -> Topics:
        found = workload.pod(obj, self.mesh.opaque)
        if self.pods.get(found.key) == found:
            return NOTHING
        touched = self.drop_pod(found.key)
        self._complain(found.complaints)
        self.pods[found.key] = found
        self._pods_in[found.key.namespace].add(found.key)
        for ip in _addresses(found):
            self._pods_at[ip].add(found.key)
        return touched | self._through(found)

    def drop_pod(self, key: names.Key) -> Topics:
        before = self.pods.pop(key, None)
        if before is None:
            return NOTHING
        _discard(self._pods_in, key.namespace, key)
        for ip in _addresses(before):
            _discard(self._pods_at, ip, key)
        return self._through(before)

    def put_node(self, obj: core_v1.Node) -> Topics:
        name, zone = workload.key_of(obj.metadata).name, workload.labels_of(obj.metadata).get(ZONE, "")
        before, self.zones[name] = self.zones.get(name), zone
        return NOTHING if before == zone or (before is None and not zone) else frozenset((EVERYONE,))

    def drop_node(self, key: names.Key) -> Topics:
        return frozenset((EVERYONE,)) if self.zones.pop(key.name, "") else NOTHING

    def put_server(self, obj: crds.Server) -> Topics:
        try:
            found = workload.server(obj.metadata, obj.spec)
        except BadValue as bad:
            self._complain((str(bad.sentence),))
            return self.drop_server(workload.key_of(obj.metadata))
        before = self.servers.put(found)
        return NOTHING if before == found else self._selected(before) | self._selected(found)

    def drop_server(self, key: names.Key) -> Topics:
        return self._selected(self.servers.drop(key))

    def put_profile(self, obj: crds.ServiceProfile) -> Topics:
        key = workload.key_of(obj.metadata)
        try:
            found = profiles.parse(key, obj.spec)
        except BadValue as bad:
            self._complain((str(bad.sentence),))
            return self.drop_profile(key)
        before, self.profiles[key] = self.profiles.get(key), found
        return NOTHING if before == found else self._named(key)

    def drop_profile(self, key: names.Key) -> Topics:
        return self._named(key) if self.profiles.pop(key, None) else NOTHING

    def put_route(self, group: str, kind: str, obj: crds.Custom) -> Topics:
        try:
            touched = self.claims.put_route(route.parse(group, kind, obj.metadata, obj.spec))
        except BadValue:  # policy tells, in the route's own status
            touched = self.claims.drop_route((group, kind, workload.key_of(obj.metadata)))
        return self._each(touched)

    def drop_route(self, group: str, kind: str, key: names.Key) -> Topics:
        return self._each(self.claims.drop_route((group, kind, key)))

    def put_split(self, obj: crds.TrafficSplit) -> Topics:
        try:
            touched = self.claims.put_split(split.parse(obj.metadata, obj.spec))
        except BadValue:  # policy tells
            touched = self.claims.drop_split(workload.key_of(obj.metadata))
        return self._each(touched)

    def drop_split(self, key: names.Key) -> Topics:
        return self._each(self.claims.drop_split(key))

    # What a change touches

    def _around(self, key: names.Key) -> Topics:
        found = self.services.get(key)
        return frozenset((key, *(found.ips if found else ())))

    def _each(self, keys: Iterable[names.Key]) -> Topics:
        return NOTHING.union(*(self._around(key) for key in keys))

    def _through(self, pod: workload.Pod) -> Topics:
        services = {self._slices[k].service for k in self._slices_with.get(pod.key, ())}
        return frozenset(services | set(_addresses(pod)))

    def _selected(self, server: workload.Server | None) -> Topics:
        if server is None:
            return NOTHING
        pods = (self.pods[k] for k in self._pods_in.get(server.key.namespace, ()))
        return NOTHING.union(*(self._through(p) for p in pods if workload.selects(server.selector, p.labels)))

    def _named(self, profile: names.Key) -> Topics:
        found = service.name_of(profile.name, self.mesh.cluster_domain)
        return self._around(found[1]) if found else NOTHING

    def _complain(self, sentences: Iterable[str]) -> None:
        self.complaints = [*self.complaints, *sentences][-COMPLAINTS:]

    def take_complaints(self) -> list[str]:
        """What was found malformed since the last call."""
        taken, self.complaints = self.complaints, []
        return taken


def _pods_of(found: slices.Slice) -> frozenset[names.Key]:
    return frozenset(m.pod for m in found.members if m.pod)


def _addresses(pod: workload.Pod) -> tuple[str, ...]:
    """Where a pod is found: at its own addresses, and at its host's where it holds ports there."""
    own = () if pod.host_network else pod.ips
    return (*own, pod.host_ip) if pod.host_ports and pod.host_ip and not pod.host_network else own


def _discard(index: dict[K, set[names.Key]], at: K, key: names.Key) -> None:
    index[at].discard(key)
    if not index[at]:
        del index[at]
