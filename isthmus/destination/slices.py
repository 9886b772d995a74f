"""Read EndpointSlices. In: a slice as Kubernetes holds it. Out: its addresses, and for a mirror what they stand for.

Never here: which addresses a client gets (see `endpoints`), pods. Limit: an endpoint has one address, as Kubernetes' own have.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lightkube.models import discovery_v1

from isthmus import names, workload

_SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Member:
    """One address of a slice. `zones` are the zones it is meant for; None where nobody said."""

    ip: str
    ready: bool
    host: str
    node: str
    zone: str
    zones: frozenset[str] | None
    pod: names.Key | None


@dataclass(frozen=True, slots=True)
class Slice:
    """Addresses of a Service, the same ports on each. A mirror's slice says which remote Service and gateway identity it stands for."""

    key: names.Key
    service: names.Key
    v6: bool
    ports: Mapping[str, int]
    members: tuple[Member, ...]
    remote: str = ""
    gateway: str = ""


def parse(obj: discovery_v1.EndpointSlice) -> Slice | None:
    """The facts of a slice; None where it belongs to no Service or holds names instead of addresses."""
    key, owner = workload.key_of(obj.metadata), workload.labels_of(obj.metadata).get(_SERVICE_NAME)
    if not owner or obj.addressType not in ("IPv4", "IPv6"):
        return None
    notes = workload.annotations_of(obj.metadata)
    return Slice(
        key=key,
        service=names.Key(key.namespace, owner),
        v6=obj.addressType == "IPv6",
        ports={p.name or "": p.port for p in obj.ports or () if p.port and (p.protocol or "TCP") == "TCP"},
        members=tuple(_member(e, key.namespace) for e in obj.endpoints or () if e.addresses),
        remote=notes.get(names.REMOTE_FQ_NAME, ""),
        gateway=notes.get(names.REMOTE_GATEWAY_IDENTITY, ""),
    )


def _member(endpoint: discovery_v1.Endpoint, namespace: str) -> Member:
    target, hints = endpoint.targetRef, endpoint.hints
    return Member(
        ip=endpoint.addresses[0],  # Kubernetes gives no meaning to further ones
        ready=endpoint.conditions is None or endpoint.conditions.ready is not False,
        host=endpoint.hostname or "",
        node=endpoint.nodeName or "",
        zone=endpoint.zone or "",
        zones=frozenset(z.name for z in hints.forZones) if hints and hints.forZones else None,
        pod=names.Key(target.namespace or namespace, target.name or "") if target and target.kind == "Pod" else None,
    )
