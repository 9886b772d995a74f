"""Decide what to mirror. In: a World (a Link, the target's exports, the source's Services and our slices, the gateway's addresses).
Out: for each remote Service the ordered actions that make the source agree, and the condition to show on the Link.

Never here: I/O, clocks, retries (see `mirror`), gateway health (see `gateway`), the shape of API objects (see `write`).
Laws: an object that is not ours is never the object of an action; nothing is removed before the target was seen whole; an unknown
(readiness, address, health) keeps what stands; an update never takes a port's endpoints away while the Service still has the port.
A new Service comes before its slice: a slice alone would feed a user's Service that takes the name in the same instant.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from isthmus import names
from isthmus.multicluster import spec, world

MIRRORS = 10_000
"""Mirrors one Link may have; a further export gets the condition QuotaExceeded, those that exist stay.

Keys decided at the same instant do not see each other: there may be as many more as there are writers (see `mirror`)."""
PORTS = 100
"""Ports of one mirror; a Service with more is refused."""
COPIED_KEYS = 64
COPIED_BYTES = 16 * 1024
"""Labels and annotations taken over from one export; a Service with more is refused."""

_ALLOWED = frozenset(
    {
        names.OPAQUE_PORTS_ANNOTATION,
        "app.kubernetes.io/name",
        "app.kubernetes.io/component",
        "app.kubernetes.io/version",
    }
)


@dataclass(slots=True)
class World:
    """All a decision may look at."""

    link: spec.Link
    target: world.Target
    source: world.Source
    gateway: tuple[world.Address, ...]
    mirrors: int = MIRRORS
    create_namespaces: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """What the Link says of one remote Service.

    `reason` is Mirrored, InvalidService, Error, MissingNamespace, NameTaken or QuotaExceeded.
    """

    mirrored: bool
    reason: str
    message: str = ""
    local: names.Key | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One write. `verb` is create, update or delete. `want` is the content to reach (None to delete, or for a Namespace);
    `have` is the object as it was seen, whose uid and version the write is bound to.
    """

    verb: str
    kind: str
    key: names.Key
    want: world.Local | world.Slice | None = None
    have: world.Local | world.Slice | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Actions in order, and the condition (None: the export is gone, nothing is to be said).

    `again`: the state these actions lead to must be looked at once more, even if no watch tells of it.
    """

    actions: tuple[Action, ...] = ()
    condition: Condition | None = None
    again: bool = False


def keys(now: World) -> frozenset[names.Key]:
    """Every remote Service that has an export, a mirror or a slice."""
    return frozenset(now.target.exports) | now.source.origins(now.link.cluster)


def decide(now: World, key: names.Key) -> Decision:
    """What must happen for the mirror of the remote Service `key`."""
    if not now.target.synced:
        return Decision()
    export = now.target.exports.get(key)
    if export is None:
        return Decision(tuple(_remove(now, key)))
    refusal = _invalid(now, export)
    if refusal:
        return Decision(tuple(_remove(now, key)), refusal)
    wanted = now.target.claim(key)
    astray = tuple(_remove(now, key, keep=wanted))
    obstacle = _obstacle(now, export, wanted)
    if obstacle:
        return Decision(astray + tuple(_stray_slices(now, wanted)), obstacle)
    first = _namespace(now, wanted.namespace)
    left = f"not carried: {', '.join(export.left_out)}" if export.left_out else ""
    have = now.source.services.get(wanted)
    again = have is not None and _shrinks(have, _want(now, export, wanted))
    return Decision(
        first + astray + tuple(_mirror(now, export, wanted)), Condition(True, "Mirrored", left, wanted), again
    )


def probes(now: World) -> tuple[Action, ...]:
    """The Services through which the gateway is probed: one for all addresses, and one for each where there are several."""
    wanted: dict[names.Key, tuple[world.Address, ...]] = {}
    if now.link.hosts and now.link.identity:
        wanted = {names.Key(now.link.namespace, probe_name(now.link.cluster, None)): now.gateway}
        if len(now.gateway) > 1:
            wanted |= {names.Key(now.link.namespace, probe_name(now.link.cluster, a.ip)): (a,) for a in now.gateway}
    actions: list[Action] = []
    for key, addresses in wanted.items():
        have = now.source.services.get(key)
        if not addresses or (have and (have.gateway_of != now.link.cluster or have.deleting)):
            continue
        ports = (world.Port("mc-probe", now.link.probe.port),)
        labels = {names.MIRRORED_GATEWAY: "true", names.CLUSTER_NAME: now.link.cluster}
        want = world.Local(key, "", "", ports, labels, {}, gateway_of=now.link.cluster)
        actions += _service(have, want)
        always = tuple(replace(address, alive=True) for address in addresses)
        actions += _slices(now, want, always, None)
    for local in sorted(now.source.services.values(), key=lambda s: str(s.key)):
        if local.gateway_of == now.link.cluster and local.key not in wanted and (now.gateway or not now.link.hosts):
            actions += _delete(now, local)
    return tuple(actions)


def probe_name(cluster: str, ip: str | None) -> str:
    """The probe Service for all addresses (`ip` None) or for one."""
    return names.probe(cluster if ip is None else f"{cluster}-{ip.replace('.', '-').replace(':', '-').strip('-')}")


def teardown(now: World) -> tuple[Action, ...]:
    """Removes everything this Link has made in the source; needs nothing of the target."""
    cluster = now.link.cluster
    ours = (s for s in now.source.services.values() if cluster in (s.cluster if s.origin else None, s.gateway_of))
    actions = [action for local in sorted(ours, key=lambda s: str(s.key)) for action in _delete(now, local)]
    gone = {action.key for action in actions if action.kind == "EndpointSlice"}
    left = (s for s in now.source.slices.values() if s.cluster == cluster and s.key not in gone)
    return tuple(actions) + tuple(
        Action("delete", "EndpointSlice", s.key, have=s) for s in sorted(left, key=lambda s: str(s.key))
    )


def _invalid(now: World, export: world.Export) -> Condition | None:
    """Why this export can have no mirror, whatever the source looks like."""
    size = sum(
        len(k) + len(v) for k, v in (*_copied(export.labels, ()).items(), *_copied(export.annotations, ()).items())
    )
    count = len(_copied(export.labels, ())) + len(_copied(export.annotations, ()))
    why = ""
    if export.mirror_of:
        why = f"it is itself a mirror of {export.mirror_of}; a mirror is not exported again"
    elif export.shape == "external":
        why = "a Service of type ExternalName has no endpoints behind the gateway"
    elif export.shape == "headless":
        why = "a headless Service has no address of its own to mirror; export a Service with a cluster IP"
    elif not export.ports:
        why = "it has no TCP port" + (f" (only {', '.join(export.left_out)})" if export.left_out else "")
    elif len(export.ports) > PORTS:
        why = f"it has {len(export.ports)} ports; at most {PORTS} are mirrored"
    elif count > COPIED_KEYS or size > COPIED_BYTES:
        why = f"{count} labels and annotations of {size} bytes; at most {COPIED_KEYS} of {COPIED_BYTES} bytes are taken over"
    elif (
        now.target.claim(export.key).name == probe_name(now.link.cluster, None)
        and export.key.namespace == now.link.namespace
    ):
        why = "its mirror would take the name of the gateway's probe Service"
    return Condition(False, "InvalidService", why) if why else None


def _obstacle(now: World, export: world.Export, wanted: names.Key) -> Condition | None:
    """Why the mirror must wait or cannot be, given the source; an existing mirror stays as it is."""
    have = now.source.services.get(wanted)
    rivals = now.target.claims(wanted) - {export.key}
    usable = now.source.namespaces.get(wanted.namespace)
    if usable is False or (usable is None and not now.create_namespaces):
        what = "is being deleted" if usable is False else "does not exist here"
        return Condition(False, "MissingNamespace", f"namespace {wanted.namespace} {what}")
    if have and not _owned(now, have):
        by = f"mirrors {have.origin} of {have.cluster}" if have.cluster else "is not ours"
        return Condition(False, "NameTaken", f"Service {wanted} {by}; rename it, or the exported Service")
    if rivals and not (have and have.origin == export.key):
        others = ", ".join(sorted(map(str, rivals)))
        return Condition(False, "NameTaken", f"{others} asks for the name {wanted} as well; rename one of them")
    if have and have.deleting:
        return Condition(False, "Error", f"Service {wanted} is being deleted; it comes back after that", wanted)
    if not now.link.hosts:
        return Condition(False, "Error", f"Link {now.link.key} has no gateway address", wanted if have else None)
    if not now.gateway and not have:
        return Condition(False, "Error", f"gateway {', '.join(now.link.hosts)} has no usable address yet")
    if not have and now.source.mirror_count(now.link.cluster) >= now.mirrors:
        return Condition(False, "QuotaExceeded", f"Link {now.link.key} may have {now.mirrors} mirrors and has them")
    return None


def _owned(now: World, local: world.Local) -> bool:
    return local.cluster == now.link.cluster and local.origin is not None


def _namespace(now: World, namespace: str) -> tuple[Action, ...]:
    if namespace in now.source.namespaces:
        return ()
    return (Action("create", "Namespace", names.Key("", namespace)),)


def _mirror(now: World, export: world.Export, wanted: names.Key) -> Iterator[Action]:
    have = now.source.services.get(wanted)
    want = _want(now, export, wanted)
    addresses = now.gateway
    if now.target.ready(export.key) is False:
        addresses = tuple(replace(address, alive=False) for address in addresses)
    if have and _shrinks(have, want):
        # Old and new ports first; the next pass finds the Service changed and takes the old ones out of the slices.
        both = {port.name: port for port in (*have.ports, *want.ports)}
        yield from _slices(now, replace(want, ports=tuple(both.values())), addresses, export)
        yield from _service(have, want)
    elif have:
        yield from _slices(now, want, addresses, export)
        yield from _service(have, want)
    else:
        yield from _service(None, want)
        yield from _slices(now, want, addresses, export)


def _shrinks(have: world.Local, want: world.Local) -> bool:
    """Whether a port name goes away."""
    return not {port.name for port in have.ports} <= {port.name for port in want.ports}


def _want(now: World, export: world.Export, wanted: names.Key) -> world.Local:
    labels = _copied(export.labels, now.link.excluded_labels)
    annotations = _copied(export.annotations, now.link.excluded_annotations, names.OPAQUE_PORTS_ANNOTATION)
    copied = ",".join([*(f"l:{k}" for k in sorted(labels)), *(f"a:{k}" for k in sorted(annotations))])
    marks = {
        names.REMOTE_FQ_NAME: names.fq_service(export.key.name, export.key.namespace, now.link.domain),
        names.REMOTE_VERSION: export.version,
        **({world.COPIED: copied} if copied else {}),
    }
    owner = {names.MIRRORED_SERVICE: "true", names.CLUSTER_NAME: now.link.cluster}
    cluster = now.link.cluster
    return world.Local(
        wanted, "", "", export.ports, labels | owner, annotations | marks, cluster=cluster, origin=export.key
    )


def _copied(source: Mapping[str, str], excluded: Iterable[str], always: str = "") -> dict[str, str]:
    """What may be taken over. A key without a prefix belongs to people; one with a prefix belongs to a machine that might act on it."""
    patterns = tuple(excluded)

    def dropped(key: str) -> bool:
        return key != always and any(key == p or (p.endswith("/*") and key.startswith(p[:-1])) for p in patterns)

    return {k: v for k, v in source.items() if ("/" not in k or k in _ALLOWED) and not dropped(k)}


def stale(have: world.Local, want: world.Local) -> tuple[frozenset[str], frozenset[str]]:
    """Labels and annotations once taken over from the target that are no longer wanted."""
    before = [part.partition(":") for part in have.annotations.get(world.COPIED, "").split(",") if part]
    labels = frozenset(key for kind, _, key in before if kind == "l" and key in have.labels and key not in want.labels)
    annotations = frozenset(
        key for kind, _, key in before if kind == "a" and key in have.annotations and key not in want.annotations
    )
    if world.COPIED in have.annotations and world.COPIED not in want.annotations:
        annotations |= {world.COPIED}
    return labels, annotations


def _service(have: world.Local | None, want: world.Local) -> Iterator[Action]:
    if have is None:
        yield Action("create", "Service", want.key, want)
        return
    # The remote's version is told, not compared: a new status over there must not cost a write here.
    told = {k: v for k, v in want.annotations.items() if k != names.REMOTE_VERSION}
    same = (
        have.ports == want.ports
        and want.labels.items() <= have.labels.items()
        and told.items() <= have.annotations.items()
    )
    if not same or any(stale(have, want)):
        yield Action("update", "Service", want.key, want, have)


def _slices(
    now: World,
    service: world.Local,
    addresses: tuple[world.Address, ...],
    export: world.Export | None,
) -> Iterator[Action]:
    """The slices of one Service, one for each address family; with no address at all, what stands stays."""
    if not addresses:
        return
    have = {
        s.family: s
        for s in now.source.slices_of(service.key)
        if s.cluster == now.link.cluster and s.key == slice_key(service.key, s.family)
    }
    for family in ("IPv4", "IPv6"):
        mine = tuple((a.ip, a.alive) for a in addresses if a.family == family)
        before = have.get(family)
        if not mine:
            if before:
                yield Action("delete", "EndpointSlice", before.key, have=before)
            continue
        want = world.Slice(
            key=slice_key(service.key, family),
            uid="",
            version="",
            service=service.key.name,
            cluster=now.link.cluster,
            family=family,
            endpoints=mine,
            ports=_slice_ports(now, service.ports, export),
            origin=export.key if export else None,
            fq_name=names.fq_service(export.key.name, export.key.namespace, now.link.domain) if export else None,
            identity=now.link.identity or None,
        )
        if before is None:
            yield Action("create", "EndpointSlice", want.key, want)
        elif replace(before, uid="", version="") != want:
            yield Action("update", "EndpointSlice", want.key, want, before)
    for other in now.source.slices_of(service.key):
        if other.cluster == now.link.cluster and other.key != slice_key(service.key, other.family):
            yield Action("delete", "EndpointSlice", other.key, have=other)


def slice_key(service: names.Key, family: world.Family) -> names.Key:
    """Where our slice for `service` lives; the dot keeps it apart from every name a Service can have."""
    return names.Key(service.namespace, f"{service.name}.{family.lower()}")


def _slice_ports(now: World, ports: tuple[world.Port, ...], export: world.Export | None) -> tuple[world.Port, ...]:
    number = now.link.port if export else now.link.probe.port
    return tuple(world.Port(port.name, number, port.app_protocol) for port in ports)


def _remove(now: World, key: names.Key, keep: names.Key | None = None) -> Iterator[Action]:
    """Takes away the mirrors of a remote Service, except the one at `keep`."""
    mirrors = now.source.mirrors(now.link.cluster, key)
    for local in mirrors:
        if local.key != keep and not local.deleting:
            yield from _delete(now, local)
    claim = now.target.claim(key)
    if keep is None and claim not in {m.key for m in mirrors}:
        yield from (a for a in _stray_slices(now, claim) if isinstance(a.have, world.Slice) and a.have.origin == key)


def _delete(now: World, local: world.Local) -> Iterator[Action]:
    yield Action("delete", "Service", local.key, have=local)
    for piece in now.source.slices_of(local.key):
        if piece.cluster == now.link.cluster:
            yield Action("delete", "EndpointSlice", piece.key, have=piece)


def _stray_slices(now: World, service: names.Key) -> Iterator[Action]:
    """Our slices that feed a Service which is not our mirror (gone, or somebody else's now)."""
    have = now.source.services.get(service)
    if have and (_owned(now, have) or have.gateway_of == now.link.cluster):
        return
    for piece in now.source.slices_of(service):
        if piece.cluster == now.link.cluster:
            yield Action("delete", "EndpointSlice", piece.key, have=piece)
