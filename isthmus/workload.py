"""What several planes read off Pods and Servers, parsed once. In: Pods of Kubernetes, specs of `servers.policy.linkerd.io`. Out: facts.

A malformed annotation leaves its default in force and is told in `complaints`; a malformed Server is refused whole.
Never here: I/O, or what the facts are used for (see `destination.endpoints`, `policy.inbound`).
Limits: PORTS ports one annotation may name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from lightkube.models import core_v1, meta_v1

from isthmus import names, units
from isthmus.errors import BadValue

PORTS = 65535
SKIP_INBOUND = names.CONFIG + "skip-inbound-ports"
INBOUND_POLICY = names.CONFIG + "default-inbound-policy"
REQUIRE_IDENTITY = names.CONFIG + "proxy-require-identity-inbound-ports"
GATEWAY = names.CONFIG + "enable-gateway"
GATEWAY_SERVES = "config.isthmus.io/gateway-serves"
_PROXY = "linkerd-proxy"
_LISTEN = "LINKERD2_PROXY_{}_LISTEN_ADDR"
_PROTOCOLS = ("unknown", "HTTP/1", "HTTP/2", "gRPC", "opaque", "TLS")
_HASH_LABEL = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a pod's proxy listens, read from its own environment. `inbound` is None when that cannot be read, or it has no proxy."""

    inbound: int | None
    own: frozenset[int]
    there: bool = True


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod's facts; two equal ones mean the same to every plane. `live`: it has begun to run and is neither done nor being deleted.
    `gateway`: it lets other clusters in, to exported Services alone.
    """

    key: names.Key
    ips: tuple[str, ...]
    host_ip: str
    host_ports: Mapping[int, int]
    host_network: bool
    live: bool
    node: str
    account: str
    labels: Mapping[str, str]
    owner: tuple[str, str] | None
    ports: Mapping[str, int]
    opaque: frozenset[int]
    skipped: frozenset[int]
    identified: frozenset[int]
    inbound_policy: str
    proxy: Proxy
    probes: Mapping[int, frozenset[str]]
    gateway: bool = False
    complaints: tuple[str, ...] = field(default=(), compare=False)

    @property
    def control_ns(self) -> str:
        """The namespace of the control plane its proxy belongs to; "" when it has no proxy."""
        return self.labels.get(names.CONTROL_PLANE_NS_LABEL, "") if self.proxy.there else ""


def key_of(meta: meta_v1.ObjectMeta | None) -> names.Key:
    """Namespace and name."""
    return names.Key((meta.namespace or "") if meta else "", (meta.name or "") if meta else "")


def created(meta: meta_v1.ObjectMeta | None) -> float:
    """When an object was made, in seconds since 1970; 0 when it does not say. Older objects win conflicts."""
    return meta.creationTimestamp.timestamp() if meta and meta.creationTimestamp else 0.0


def labels_of(meta: meta_v1.ObjectMeta | None) -> Mapping[str, str]:
    """Labels, or none."""
    return cast("Mapping[str, str]", (meta.labels if meta else None) or {})


def annotations_of(meta: meta_v1.ObjectMeta | None) -> Mapping[str, str]:
    """Annotations, or none."""
    return cast("Mapping[str, str]", (meta.annotations if meta else None) or {})


def meshed(obj: core_v1.Pod) -> bool:
    """Whether a pod has a proxy: those of the control plane that have none carry the mesh's labels too."""
    spec = obj.spec
    containers = [*(spec.initContainers or ()), *spec.containers] if spec else []
    return any(one.name == _PROXY for one in containers)


def port_set(text: str, named: Mapping[str, int], *, key: str) -> frozenset[int]:
    """Ports and ranges, and names of container ports where `named` knows them: `25,http,4000-4002`.

    Raises:
        BadValue: a part is neither.
    """
    found: set[int] = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        found |= {named[part]} if part in named else units.ports(part, key=key)
    return frozenset(found)


def pod(obj: core_v1.Pod, opaque: frozenset[int]) -> Pod:
    """The facts of a pod. `opaque` are the ports that are opaque where its annotation does not say."""
    meta, spec, status = obj.metadata, obj.spec or core_v1.PodSpec(containers=[]), obj.status or core_v1.PodStatus()
    containers = [*(spec.initContainers or ()), *spec.containers]
    ports = {p.name: p.containerPort for c in containers for p in c.ports or () if p.name}
    notes, complaints = annotations_of(meta), list[str]()

    def read(annotation: str, default: frozenset[int]) -> frozenset[int]:
        if annotation not in notes:
            return default
        try:
            return port_set(notes[annotation], ports, key=f"{annotation} on Pod {key_of(meta)}")
        except BadValue as bad:
            complaints.append(str(bad.sentence))
            return default

    return Pod(
        key=key_of(meta),
        ips=tuple(dict.fromkeys(filter(None, (*(p.ip for p in status.podIPs or ()), status.podIP)))),
        host_ip=status.hostIP or "",
        host_ports={p.hostPort: p.containerPort for c in containers for p in c.ports or () if p.hostPort},
        host_network=bool(spec.hostNetwork),
        live=status.phase == "Running" and (meta is None or meta.deletionTimestamp is None),
        node=spec.nodeName or "",
        account=spec.serviceAccountName or "default",
        labels=labels_of(meta),
        owner=_owner(meta),
        ports=ports,
        opaque=read(names.OPAQUE_PORTS_ANNOTATION, opaque),
        skipped=read(SKIP_INBOUND, frozenset()),
        identified=read(REQUIRE_IDENTITY, frozenset()),
        inbound_policy=notes.get(INBOUND_POLICY, ""),
        proxy=_proxy(containers),
        probes=_probes(containers),
        gateway=notes.get(GATEWAY) == "true" and notes.get(GATEWAY_SERVES) != "all",
        complaints=tuple(complaints),
    )


def _owner(meta: meta_v1.ObjectMeta | None) -> tuple[str, str] | None:
    """Kind (lower case) and name of the workload a pod belongs to.

    A ReplicaSet that a Deployment made is named `<deployment>-<hash>`, and the pod carries that hash as a label.
    """
    for owner in (meta.ownerReferences if meta else None) or ():
        if not owner.controller:
            continue
        template = labels_of(meta).get(_HASH_LABEL)
        if owner.kind == "ReplicaSet" and template and owner.name.endswith(f"-{template}"):
            return "deployment", owner.name.removesuffix(f"-{template}")
        return owner.kind.lower(), owner.name
    return None


def _proxy(containers: Iterable[core_v1.Container]) -> Proxy:
    for container in containers:
        if container.name == _PROXY:
            env = {e.name: e.value or "" for e in container.env or ()}
            listens = {name: _port_of(env.get(_LISTEN.format(name), "")) for name in ("INBOUND", "ADMIN", "CONTROL")}
            return Proxy(listens["INBOUND"], frozenset(p for p in (listens["ADMIN"], listens["CONTROL"]) if p))
    return Proxy(None, frozenset(), there=False)


def _port_of(address: str) -> int | None:
    text = address.rpartition(":")[2]
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 65536 else None


def _probes(containers: Iterable[core_v1.Container]) -> Mapping[int, frozenset[str]]:
    """Port -> the paths kubelet asks there, without their queries."""
    found: dict[int, set[str]] = {}
    for container in containers:
        named = {p.name: p.containerPort for p in container.ports or () if p.name}
        for probe in (container.livenessProbe, container.readinessProbe, container.startupProbe):
            get = probe.httpGet if probe else None
            if get is None:
                continue
            port = get.port if isinstance(get.port, int) else named.get(get.port)
            if port:
                path = (get.path or "/").partition("?")[0]
                found.setdefault(port, set()).add(path if path.startswith("/") else f"/{path}")
    return {port: frozenset(paths) for port, paths in found.items()}


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector as Kubernetes writes it takes these labels: without terms it takes all, None takes nothing."""
    if selector is None:
        return False
    wanted = cast("Mapping[str, str]", selector.get("matchLabels") or {})
    terms = cast("Iterable[Mapping[str, Any]]", selector.get("matchExpressions") or ())
    return all(labels.get(k) == v for k, v in wanted.items()) and all(_holds(term, labels) for term in terms)


def _holds(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(str(term.get("key"))), term.get("values") or ()
    match term.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


@dataclass(frozen=True, slots=True)
class Server:
    """One port of some pods. `port` is a number or a name; `access` is who may call where no authorization says, "" for the default."""

    key: names.Key
    created: float
    selector: Mapping[str, Any] | None
    port: int | str
    protocol: str
    access: str
    labels: Mapping[str, str]

    def takes(self, pod: Pod, port: int) -> bool:
        """Whether it speaks for this port of this pod."""
        number = self.port if isinstance(self.port, int) else pod.ports.get(self.port)
        return number == port and pod.key.namespace == self.key.namespace and selects(self.selector, pod.labels)


def server(meta: meta_v1.ObjectMeta | None, spec: Mapping[str, Any]) -> Server:
    """The Server that `spec` describes.

    Raises:
        BadValue: the port or the protocol cannot be read.
    """
    key = key_of(meta)
    port: object = spec.get("port")
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port)
    if not (isinstance(port, str) and port) and not (isinstance(port, int) and 0 < port <= PORTS):
        raise BadValue(f"spec.port of Server {key}", port, "8080", why="neither a port nor a port's name")
    protocol = spec.get("proxyProtocol") or "unknown"
    if protocol not in _PROTOCOLS:
        raise BadValue(f"spec.proxyProtocol of Server {key}", protocol, '"HTTP/2"', why=f"not one of {_PROTOCOLS}")
    selector = cast("Mapping[str, Any] | None", spec.get("podSelector"))
    return Server(
        key, created(meta), selector, port, str(protocol), str(spec.get("accessPolicy") or ""), labels_of(meta)
    )


class Servers:
    """All Servers, found by namespace. Shrinks with what it is told."""

    def __init__(self) -> None:
        self._items: dict[str, dict[names.Key, Server]] = {}

    def put(self, found: Server) -> Server | None:
        """Takes one in; returns what stood there."""
        home = self._items.setdefault(found.key.namespace, {})
        before = home.get(found.key)
        home[found.key] = found
        return before

    def drop(self, key: names.Key) -> Server | None:
        home = self._items.get(key.namespace, {})
        before = home.pop(key, None)
        if not home:
            self._items.pop(key.namespace, None)
        return before

    def get(self, key: names.Key) -> Server | None:
        return self._items.get(key.namespace, {}).get(key)

    def of(self, namespace: str) -> Iterable[Server]:
        """The Servers of one namespace."""
        return self._items.get(namespace, {}).values()

    def choose(self, pod: Pod, port: int) -> Server | None:
        """The Server that speaks for a pod's port: the oldest of those that select it, then by name."""
        taking = [s for s in self.of(pod.key.namespace) if s.takes(pod, port)]
        return min(taking, key=lambda s: (s.created, s.key.name), default=None)
