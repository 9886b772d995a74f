"""What the mirror of one Link knows, parsed once from Kubernetes' objects and kept in step object by object.

In: Services, EndpointSlices and Namespaces of the target and of the source, as their watches report them. Out: typed values
and the indexes `plan` asks (who claims a name, what came from where, is the remote ready).
Never here: decisions (see `plan`), I/O, clocks. A mirror's origin is its annotation; no name is ever cut.
Limits: `Target` holds what its watch selects, `Source` one entry for each Service of the source cluster; both shrink with them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from lightkube.models.core_v1 import ServicePort
from lightkube.models.discovery_v1 import EndpointSlice as SliceModel
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
COPIED = "multicluster.linkerd.io/copied-keys"
"""On a mirror: the labels (`l:`) and annotations (`a:`) that came from the target, so that dropping one there drops it here."""

Family = str
"""`IPv4` or `IPv6`, as an EndpointSlice's addressType."""


@dataclass(frozen=True, slots=True)
class Address:
    """A resolved gateway address. `alive` is False only on evidence (see `gateway`)."""

    ip: str
    alive: bool = True

    @property
    def family(self) -> Family:
        return "IPv6" if ":" in self.ip else "IPv4"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A TCP port of a Service; `name` may be empty where it is the only one."""

    name: str
    port: int
    app_protocol: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """A Service the target exports. `shape` is cluster, headless or external; `mirror_of` the cluster it is itself a mirror of."""

    key: names.Key
    ports: tuple[Port, ...]
    shape: str
    version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    mirror_of: str | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Local:
    """A Service of the source. `cluster` is whose mirror it is (None: not a mirror); `origin` the remote Service it says it mirrors."""

    key: names.Key
    uid: str
    version: str
    ports: tuple[Port, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    cluster: str | None = None
    origin: names.Key | None = None
    gateway_of: str | None = None
    cluster_ip: str = ""
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """An EndpointSlice of ours in the source: the gateway's addresses for one mirror, or for a probe (then without origin)."""

    key: names.Key
    uid: str
    version: str
    service: str
    cluster: str
    family: Family
    endpoints: tuple[tuple[str, bool], ...]
    ports: tuple[Port, ...]
    origin: names.Key | None = None
    fq_name: str | None = None
    identity: str | None = None


def split_fq(text: str | None) -> names.Key | None:
    """The Service a `<svc>.<ns>.svc.<domain>` names, or None."""
    parts = (text or "").split(".")
    return names.Key(parts[1], parts[0]) if len(parts) > 3 and parts[2] == "svc" and parts[0] and parts[1] else None


def _labels(meta: ObjectMeta | None) -> dict[str, str]:
    return cast(dict[str, str], (meta.labels if meta else None) or {})


def _annotations(meta: ObjectMeta | None) -> dict[str, str]:
    return cast(dict[str, str], (meta.annotations if meta else None) or {})


def _key(obj: Service | EndpointSlice | SliceModel) -> names.Key:
    meta = obj.metadata or ObjectMeta()
    return names.Key(meta.namespace or "", meta.name or "")


def _ports(ports: Iterable[ServicePort] | None) -> tuple[tuple[Port, ...], tuple[str, ...]]:
    """The TCP ports, and a word for each other one."""
    kept: list[Port] = []
    left: list[str] = []
    for port in ports or ():
        if (port.protocol or "TCP") == "TCP":
            kept.append(Port(port.name or "", port.port, port.appProtocol))
        else:
            left.append(f"{port.port}/{port.protocol}")
    return tuple(kept), tuple(left)


def export(obj: Service) -> Export:
    """A target's Service as the plan sees it."""
    meta, spec = obj.metadata or ObjectMeta(), obj.spec
    kept, left = _ports(spec.ports if spec else None)
    labels = _labels(meta)
    shape = "cluster"
    if spec and spec.type == "ExternalName":
        shape = "external"
    elif spec and spec.clusterIP == "None":
        shape = "headless"
    mirrored = names.MIRRORED_SERVICE in labels or names.MIRRORED_GATEWAY in labels
    mirror_of = labels.get(names.CLUSTER_NAME, "another cluster") if mirrored else None
    version = meta.resourceVersion or ""
    return Export(_key(obj), kept, shape, version, labels, _annotations(meta), mirror_of, left)


def local(obj: Service) -> Local:
    """A source's Service as the plan sees it."""
    meta, spec = obj.metadata or ObjectMeta(), obj.spec
    labels, annotations = _labels(meta), _annotations(meta)
    cluster = labels.get(names.CLUSTER_NAME)
    mirrors = cluster if labels.get(names.MIRRORED_SERVICE) == "true" else None
    return Local(
        key=_key(obj),
        uid=meta.uid or "",
        version=meta.resourceVersion or "",
        ports=_ports(spec.ports if spec else None)[0],
        labels=labels,
        annotations=annotations,
        cluster=mirrors,
        origin=split_fq(annotations.get(names.REMOTE_FQ_NAME)) if mirrors else None,
        gateway_of=cluster if labels.get(names.MIRRORED_GATEWAY) == "true" else None,
        cluster_ip=(spec.clusterIP or "") if spec else "",
        deleting=meta.deletionTimestamp is not None,
    )


def mirror_slice(obj: EndpointSlice | SliceModel) -> Slice | None:
    """One of our EndpointSlices; None for everybody else's."""
    meta = obj.metadata
    labels = _labels(meta)
    if meta is None or labels.get(MANAGED_BY) != names.MANAGED_BY_SLICE or not labels.get(names.CLUSTER_NAME):
        return None
    annotations = _annotations(meta)
    endpoints = tuple(
        (a, e.conditions is None or e.conditions.ready is not False) for e in obj.endpoints or () for a in e.addresses
    )
    return Slice(
        key=_key(obj),
        uid=meta.uid or "",
        version=meta.resourceVersion or "",
        service=labels.get(SERVICE_NAME, ""),
        cluster=labels[names.CLUSTER_NAME],
        family=obj.addressType,
        endpoints=endpoints,
        ports=tuple(Port(p.name or "", p.port or 0, p.appProtocol) for p in obj.ports or ()),
        origin=split_fq(annotations.get(names.REMOTE_FQ_NAME)),
        fq_name=annotations.get(names.REMOTE_FQ_NAME),
        identity=annotations.get(names.REMOTE_GATEWAY_IDENTITY),
    )


@dataclass(slots=True)
class Target:
    """What one target exports, and whether its Services have ready endpoints.

    `synced` is False until the first full list has come in: until then nothing may be concluded from absence.
    """

    cluster: str
    synced: bool = False
    exports: dict[names.Key, Export] = field(default_factory=dict)
    _claims: dict[names.Key, set[names.Key]] = field(default_factory=lambda: defaultdict(set))
    _ready: dict[names.Key, dict[str, bool]] = field(default_factory=lambda: defaultdict(dict))
    _service_of: dict[names.Key, names.Key] = field(default_factory=dict)

    def claim(self, key: names.Key) -> names.Key:
        """The mirror an export asks for."""
        return names.Key(key.namespace, names.mirror(key.name, self.cluster))

    def put_service(self, obj: Service) -> names.Key:
        found = export(obj)
        self.exports[found.key] = found
        self._claims[self.claim(found.key)].add(found.key)
        return found.key

    def drop_service(self, key: names.Key) -> None:
        self.exports.pop(key, None)
        mirror = self.claim(key)
        self._claims[mirror].discard(key)
        if not self._claims[mirror]:
            del self._claims[mirror]

    def claims(self, mirror: names.Key) -> frozenset[names.Key]:
        """The exports that ask for the name `mirror`; more than one is ambiguous."""
        return frozenset(self._claims.get(mirror, ()))

    def put_slice(self, obj: EndpointSlice | SliceModel) -> names.Key | None:
        """Takes in a remote slice; its Service, or None where it names none."""
        key = _key(obj)
        service = _labels(obj.metadata).get(SERVICE_NAME)
        if not service:
            return self.drop_slice(key)
        owner = names.Key(key.namespace, service)
        if self._service_of.get(key, owner) != owner:
            self.drop_slice(key)
        self._service_of[key] = owner
        self._ready[owner][key.name] = any(
            e.conditions is None or e.conditions.ready is not False for e in obj.endpoints or ()
        )
        return owner

    def drop_slice(self, key: names.Key) -> names.Key | None:
        owner = self._service_of.pop(key, None)
        if owner is not None:
            self._ready[owner].pop(key.name, None)
            if not self._ready[owner]:
                del self._ready[owner]
        return owner

    def ready(self, key: names.Key) -> bool | None:
        """Whether a remote Service has a ready endpoint; None while no slice of it is known, which proves nothing."""
        slices = self._ready.get(key)
        return any(slices.values()) if slices else None


@dataclass(slots=True)
class Source:
    """The source cluster: its Services, our EndpointSlices in it, its namespaces (True: usable, False: going away)."""

    services: dict[names.Key, Local] = field(default_factory=dict)
    slices: dict[names.Key, Slice] = field(default_factory=dict)
    namespaces: dict[str, bool] = field(default_factory=dict)
    _mirrors: dict[str, dict[names.Key, set[names.Key]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    _slices: dict[names.Key, set[names.Key]] = field(default_factory=lambda: defaultdict(set))

    def put_service(self, found: Local) -> None:
        self.drop_service(found.key)
        self.services[found.key] = found
        if found.cluster and found.origin:
            self._mirrors[found.cluster][found.origin].add(found.key)

    def drop_service(self, key: names.Key) -> Local | None:
        old = self.services.pop(key, None)
        if old and old.cluster and old.origin:
            _discard(self._mirrors[old.cluster], old.origin, key)
        return old

    def put_slice(self, found: Slice) -> None:
        self.drop_slice(found.key)
        self.slices[found.key] = found
        self._slices[names.Key(found.key.namespace, found.service)].add(found.key)

    def drop_slice(self, key: names.Key) -> Slice | None:
        old = self.slices.pop(key, None)
        if old:
            _discard(self._slices, names.Key(key.namespace, old.service), key)
        return old

    def put_namespace(self, obj: Namespace) -> None:
        meta = obj.metadata or ObjectMeta()
        self.namespaces[meta.name or ""] = meta.deletionTimestamp is None and not (
            obj.status and obj.status.phase == "Terminating"
        )

    def mirrors(self, cluster: str, origin: names.Key) -> tuple[Local, ...]:
        """Every Service that says it mirrors `origin` of `cluster`."""
        return tuple(self.services[k] for k in sorted(self._mirrors[cluster].get(origin, ()), key=str))

    def mirror_count(self, cluster: str) -> int:
        """Mirrored origins of `cluster`."""
        return len(self._mirrors[cluster])

    def origins(self, cluster: str) -> frozenset[names.Key]:
        """The remote Services that have a mirror, or a slice of ours, here."""
        left = {s.origin for s in self.slices.values() if s.cluster == cluster and s.origin}
        return frozenset(left | set(self._mirrors[cluster]))

    def slices_of(self, service: names.Key) -> tuple[Slice, ...]:
        """Our slices for the Service named `service`."""
        return tuple(self.slices[k] for k in sorted(self._slices.get(service, ()), key=str))


def _discard(index: dict[names.Key, set[names.Key]], entry: names.Key, key: names.Key) -> None:
    index[entry].discard(key)
    if not index[entry]:
        del index[entry]
