"""What several planes read off Services, parsed once. In: Services of Kubernetes. Out: facts, equal when nothing that counts differs.

A malformed annotation leaves its default in force and is told in `complaints`.
Never here: endpoints (see `destination.endpoints`), routes (see `route`), I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lightkube.models import core_v1

from isthmus import names, workload
from isthmus.errors import BadValue

PREFIXES = ("retry.linkerd.io/", "timeout.linkerd.io/", "balancer.linkerd.io/", "balancer.alpha.linkerd.io/")
"""Annotations of a Service that outbound policy reads."""


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port of a Service; `app` is its appProtocol, "" when it has none."""

    name: str
    port: int
    app: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A Service's facts. `remote` is (cluster, service, namespace) of what a mirror stands for; `exported`: other
    clusters may reach it through a gateway. `traffic` its policy annotations.
    """

    key: names.Key
    ips: tuple[str, ...]
    ports: tuple[Port, ...]
    external: bool = False
    local_only: bool = False
    opaque: frozenset[int] = frozenset()
    remote: tuple[str, str, str] | None = None
    exported: bool = False
    traffic: Mapping[str, str] = field(default_factory=dict[str, str])
    complaints: tuple[str, ...] = field(default=(), compare=False)

    def port(self, number: int) -> Port | None:
        """The declared port of that number."""
        return next((p for p in self.ports if p.port == number), None)

    def protocol(self, number: int) -> str:
        """What is spoken at a port: detect, opaque, http1 or http2. appProtocol beats the opaque-ports annotation.

        Any appProtocol we do not know is opaque, as Linkerd has it: guessing into it could break what the owner declared.
        """
        port = self.port(number)
        match port.app if port else "":
            case "":
                return "opaque" if number in self.opaque else "detect"
            case "http":
                return "http1"
            case "kubernetes.io/h2c":
                return "http2"
            case _:
                return "opaque"


def parse(obj: core_v1.Service, opaque: frozenset[int]) -> Service:
    """The facts of a Service. `opaque` are the ports that are opaque where its annotation does not say."""
    meta, spec = obj.metadata, obj.spec or core_v1.ServiceSpec()
    notes, complaints = workload.annotations_of(meta), list[str]()
    key = workload.key_of(meta)
    ports = tuple(
        Port(p.name or "", p.port, p.appProtocol or "") for p in spec.ports or () if (p.protocol or "TCP") == "TCP"
    )
    if names.OPAQUE_PORTS_ANNOTATION in notes:
        try:
            opaque = workload.port_set(
                notes[names.OPAQUE_PORTS_ANNOTATION],
                {p.name: p.port for p in ports if p.name},
                key=f"{names.OPAQUE_PORTS_ANNOTATION} on Service {key}",
            )
        except BadValue as bad:
            complaints.append(str(bad.sentence))
    return Service(
        key=key,
        ips=tuple(ip for ip in dict.fromkeys(filter(None, (*(spec.clusterIPs or ()), spec.clusterIP))) if ip != "None"),
        ports=ports,
        external=spec.type == "ExternalName",
        local_only=spec.internalTrafficPolicy == "Local",
        opaque=opaque,
        remote=_remote(workload.labels_of(meta), notes),
        exported=workload.labels_of(meta).get(names.EXPORTED, "false") not in ("", "false"),
        traffic={k: v for k, v in notes.items() if k.startswith(PREFIXES)},
        complaints=tuple(complaints),
    )


def _remote(labels: Mapping[str, str], notes: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Where a mirror's traffic ends, from the annotation its mirror wrote."""
    parts = notes.get(names.REMOTE_FQ_NAME, "").split(".")
    cluster = labels.get(names.CLUSTER_NAME, "")
    return (cluster, parts[0], parts[1]) if cluster and len(parts) > 2 and parts[2] == "svc" else None


def name_of(text: str, cluster_domain: str) -> tuple[str, names.Key] | None:
    """(hostname or "", Service) of a DNS name in the cluster: `[<hostname>.]<svc>.<ns>.svc.<cluster domain>`; None for any other."""
    suffix = f".svc.{cluster_domain}".lower()
    name = text.lower().removesuffix(".")
    if not name.endswith(suffix):
        return None
    parts = name.removesuffix(suffix).split(".")
    if len(parts) not in (2, 3) or not all(parts):
        return None
    return ("" if len(parts) == 2 else parts[0]), names.Key(parts[-1], parts[-2])
