"""What all pages need: the protobuf answers' values as shapes. In: messages, names of clusters. Out: subjects, golden metrics, sparklines.

Never here: any page. Numbers are rounded to what a screen can show, which halves what is sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from isthmus import names, workload
from isthmus.dashboard import shapes
from isthmus.kube import crds
from isthmus.multicluster import objects
from isthmus.rpc import insight_pb2, viz_pb2

WINDOWS = {"30s": 30.0, "1m": 60.0, "5m": 300.0, "10m": 600.0, "1h": 3600.0}
"""The windows people may choose from."""
GATEWAY = "linkerd-gateway"
PLURALS = {"deployment": "deploy", "statefulset": "sts", "daemonset": "ds", "namespace": "ns", "service": "svc"}


@dataclass(frozen=True, slots=True)
class Query:
    """What a page is asked about. Empty means all."""

    cluster: str = ""
    namespace: str = ""
    kind: str = ""
    name: str = ""
    window: str = "1m"

    @property
    def seconds(self) -> float:
        return WINDOWS[self.window]


@dataclass(frozen=True, slots=True)
class Names:
    """What clusters are called: `aliases` maps (who says it, the name in its Links) to the name of a cluster that is asked too."""

    aliases: Mapping[tuple[str, str], str]

    def of(self, asked: str, said: str) -> str:
        """The cluster that `asked` calls `said`; "" is itself."""
        return self.aliases.get((asked, said), said) if said else asked


def aliases(uids: Mapping[str, str], links: Mapping[str, Sequence[crds.Link]]) -> Names:
    """Links name their targets as their makers liked; the target's uid tells whether it is one of those that are asked."""
    of_uid = {uid: name for name, uid in uids.items() if uid}
    found: dict[tuple[str, str], str] = {}
    for name, listed in links.items():
        for one in listed:
            known = of_uid.get(workload.annotations_of(one.metadata).get(objects.TARGET_UID, ""))
            if known:
                found[name, str(one.spec.get("targetClusterName") or "")] = known
    return Names(found)


def subject(cluster: str, said: insight_pb2.Subject, names_: Names | None = None) -> shapes.Subject:
    """A subject, its cluster by the name we call it."""
    home = (names_ or Names({})).of(cluster, said.cluster)
    return shapes.Subject(home, said.namespace, said.kind, said.name)


def ident(one: shapes.Subject) -> str:
    """How a node is named in the topology."""
    return f"{one.cluster}/{one.namespace}/{one.kind}/{one.name}"


def number(value: float, digits: int = 4) -> float:
    """`value` to so many significant digits; what is no number becomes 0."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 (NaN is unlike itself)
        return 0.0
    return float(f"{value:.{digits}g}")


def golden(said: insight_pb2.Golden) -> shapes.Golden:
    """Golden metrics as they are shown."""
    return shapes.Golden(
        number(said.rps),
        number(said.success) if said.HasField("success") else None,
        number(said.p50) if said.HasField("p50") else None,
        number(said.p95) if said.HasField("p95") else None,
        number(said.p99) if said.HasField("p99") else None,
    )


def counted(said: viz_pb2.BasicStats, seconds: float) -> shapes.Golden:
    """Golden metrics of counts over a window."""
    total = said.success_count + said.failure_count
    if not total:
        return shapes.Golden()
    latencies = (float(said.latency_ms_p50), float(said.latency_ms_p95), float(said.latency_ms_p99))
    return shapes.Golden(number(total / seconds), number(said.success_count / total), *latencies)


def summed(parts: Iterable[shapes.Golden]) -> shapes.Golden:
    """Several subjects as one. Latencies cannot be summed: the worst is told."""
    listed = [p for p in parts if p.rps]
    rps = sum(p.rps for p in listed)
    if not rps:
        return shapes.Golden()
    judged = [(p.rps, p.success) for p in listed if p.success is not None]
    weight = sum(w for w, _ in judged)
    success = number(sum(w * s for w, s in judged) / weight) if weight else None
    worst = [
        max((v for v in values if v is not None), default=None)
        for values in zip(*((p.p50, p.p95, p.p99) for p in listed), strict=True)
    ]
    return shapes.Golden(number(rps), success, *worst)


def spark(points: Sequence[insight_pb2.Point]) -> shapes.Spark | None:
    """A series; None without points."""
    if not points:
        return None
    step = points[1].at - points[0].at if len(points) > 1 else 0.0
    rps: list[float | None] = []
    success: list[float | None] = []
    p95: list[float | None] = []
    for point in points:
        said = point.golden
        rps.append(number(said.rps, 3))
        success.append(number(said.success, 3) if said.HasField("success") else None)
        p95.append(number(said.p95, 3) if said.HasField("p95") else None)
    return shapes.Spark(points[0].at, step, rps, success, p95)


def is_gateway(one: shapes.Subject) -> bool:
    """Whether a node is where traffic of other clusters comes in."""
    return one.namespace == names.MULTICLUSTER_NS and one.name == GATEWAY


def link(source: str, target: str) -> str:
    """The link between two clusters in words; "" inside one."""
    return f"{source} -> {target}" if source != target and source and target else ""


def flags(query: Query, contexts: Sequence[str], *, namespaced: bool = True) -> str:
    """The flags of a command that says the same as a page."""
    words = [f"--context {','.join(contexts)}"] if contexts else []
    if namespaced:
        words.append(f"-n {query.namespace}" if query.namespace else "-A")
    if query.window != "1m":
        words.append(f"-t {query.window}")
    return "".join(f" {word}" for word in words)


def short(kind: str) -> str:
    """A kind as people type it."""
    return PLURALS.get(kind, kind)
