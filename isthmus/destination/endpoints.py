"""Which addresses answer for a Service's port, for one client. In: the world, a port of a Service, who asks. Out: a Snapshot.

Not every ready address is sent: a pod the API has not told us of could have a proxy that must be spoken to by TLS, so its address waits
until it is known. Never here: messages (see `wire`), what was sent before (see `views`).
Order of choosing: ready, hostname, family, internalTrafficPolicy Local, zone hints (which count only when every address has them).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from isthmus import names, service, workload
from isthmus.destination import ask, slices, world

WEIGHT = 10_000

Addr = tuple[str, int]
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one address is spoken to. `hint` is "", h2 or opaque; `tunnel` the proxy's port for transport headers, 0 for none."""

    ip: str
    port: int
    labels: Labels = ()
    identity: str = ""
    sni: bool = True
    hint: str = ""
    tunnel: int = 0
    authority: str = ""
    weight: int = WEIGHT

    @property
    def addr(self) -> Addr:
        return self.ip, self.port


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a client is to know of a Service's port at one moment."""

    exists: bool
    labels: Labels = ()
    endpoints: Mapping[Addr, Endpoint] = field(default_factory=dict[Addr, Endpoint])


GONE = Snapshot(exists=False)


@dataclass(frozen=True, slots=True)
class _Candidate:
    member: slices.Member
    port: int
    home: slices.Slice
    v6: bool


def snapshot(known: world.World, asked: ask.Named, client: ask.Client) -> Snapshot:
    """The endpoints of `asked` for a client."""
    return at(known, asked, client.node, known.zones.get(client.node, ""))


def at(known: world.World, asked: ask.Named, node: str, zone: str) -> Snapshot:
    """The endpoints of `asked` for clients on a node, in a zone."""
    found = known.services.get(asked.service)
    if found is None:
        return GONE
    chosen = _choose(found, _family(_candidates(known, found, asked), known.mesh), node, zone)
    built = (_endpoint(known, c, asked.port, zone) for c in chosen)
    return Snapshot(exists=True, labels=_set_labels(found), endpoints={e.addr: e for e in built})


def _candidates(known: world.World, found: service.Service, asked: ask.Named) -> list[_Candidate]:
    """Ready addresses. A port the Service does not declare is looked for as it is, since a headless Service's pods may have it."""
    declared = found.port(asked.port)
    ready: list[_Candidate] = []
    for one in known.slices_of(found.key):
        port = asked.port if declared is None else one.ports.get(declared.name)
        if port is None:
            continue
        for member in one.members:
            wanted = member.ready and (not asked.host or member.host == asked.host)
            if wanted and (member.pod is None or member.pod in known.pods):
                ready.append(_Candidate(member, port, one, one.v6))
    return ready


def _family(candidates: list[_Candidate], mesh: world.Mesh) -> list[_Candidate]:
    """One address for each pod of two families: the newer where the mesh has it. Without it, only IPv4 is redirected to proxies."""
    if not mesh.ipv6:
        return [c for c in candidates if not c.v6]
    double = {c.member.pod for c in candidates if c.v6 and c.member.pod}
    return [c for c in candidates if c.v6 or c.member.pod not in double]


def _choose(found: service.Service, candidates: list[_Candidate], node: str, zone: str) -> Iterable[_Candidate]:
    if found.local_only:
        candidates = [c for c in candidates if c.member.node == node]
    if any(c.member.zones is None for c in candidates):
        return candidates
    near = [c for c in candidates if c.member.zones and zone in c.member.zones]
    return near or candidates


def _endpoint(known: world.World, one: _Candidate, service_port: int, client_zone: str) -> Endpoint:
    member = one.member
    zone = member.zone or known.zones.get(member.node, "")
    if member.pod is not None:
        return of_pod(known, known.pods[member.pod], member.ip, one.port, zone_labels(zone, client_zone))
    if not one.home.gateway and not one.home.remote:
        return Endpoint(member.ip, one.port, zone_labels(zone, client_zone))
    # A gateway in another cluster, whose identity is what the Link says. The authority tells it which Service is meant; a probe of the
    # gateway itself has none.
    return Endpoint(
        member.ip,
        one.port,
        identity=one.home.gateway,
        sni=False,
        hint="h2" if one.home.gateway else "",
        authority=f"{one.home.remote}:{service_port}" if one.home.remote else "",
    )


def of_pod(known: world.World, pod: workload.Pod, ip: str, port: int, extra: Labels = ()) -> Endpoint:
    """A pod's port: with identity and hints when its proxy belongs to this mesh and sees that port."""
    mesh, labels = known.mesh, (*_pod_labels(pod), *extra)
    if pod.control_ns != mesh.control_ns or port in pod.skipped:
        return Endpoint(ip, port, labels)
    opaque = known.opaque_at(pod, port)
    tunnel = (mesh.transport_header or opaque) and port not in pod.proxy.own and pod.proxy.inbound
    return Endpoint(
        ip,
        port,
        labels,
        identity=names.identity(pod.account, pod.key.namespace, mesh.control_ns, mesh.trust_domain),
        hint="opaque" if opaque else ("h2" if mesh.h2_upgrade else ""),
        tunnel=tunnel or 0,
    )


def zone_labels(zone: str, client_zone: str) -> Labels:
    """The zone of an endpoint, and whether its client is in the same."""
    near = "unknown" if not zone or not client_zone else ("local" if zone == client_zone else "remote")
    return (("zone", zone), ("zone_locality", near)) if zone else (("zone_locality", near),)


def _pod_labels(pod: workload.Pod) -> Labels:
    labels = {"pod": pod.key.name, "serviceaccount": pod.account}
    if pod.owner:
        kind, name = pod.owner
        # `job` is Prometheus' own label, so dashboards know Kubernetes' by another name.
        labels["k8s_job" if kind == "job" else kind] = name
    if pod.control_ns:
        labels["control_plane_ns"] = pod.control_ns
    if template := pod.labels.get("pod-template-hash"):
        labels["pod_template_hash"] = template
    return tuple(sorted(labels.items()))


def _set_labels(found: service.Service) -> Labels:
    labels = (("namespace", found.key.namespace), ("service", found.key.name))
    if found.remote is None:
        return labels
    cluster, name, namespace = found.remote
    return (
        *labels,
        ("target_cluster", cluster),
        ("target_service", name),
        ("target_service_namespace", namespace),
    )
