"""The graph of who calls whom. In: rows of outbound traffic by both ends, of inbound traffic, of refusals, the world. Out: nodes, edges.

Pure. A target in another cluster is named by its own cluster, namespace and Service; the Service that was called stands beside it. Who
was refused is known by the identity it came with. Limits: NODES and EDGES, the busiest first. Never here: asking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isthmus import names
from isthmus.rpc import insight_pb2 as insight
from isthmus.viz.answer import golden, stat
from isthmus.viz.ask import query, samples
from isthmus.viz.cluster import kinds, world

NODES, EDGES = 5_000, 10_000
OWNERS = {"k8s_job" if word == "job" else word: word for word in kinds.OWNERS}
"""Label of a series -> kind."""
_NEAR = ("namespace", *OWNERS)
_FAR = ("dst_namespace", "dst_service", *(f"dst_{label}" for label in OWNERS))
_TARGET = ("dst_target_cluster", "dst_target_service", "dst_target_service_namespace")
_ACCOUNT = ".serviceaccount.identity."


@dataclass(frozen=True, slots=True)
class End:
    """One end: a workload, a Service, or a Service of another cluster."""

    namespace: str
    kind: str
    name: str
    cluster: str = ""

    def message(self) -> insight.Subject:
        return insight.Subject(cluster=self.cluster, namespace=self.namespace, kind=self.kind, name=self.name)


Pair = tuple[End, End, str]
"""Source, target, the Service that was called."""


@dataclass(slots=True)
class Link:
    """What went over one edge."""

    measured: golden.Golden = field(default_factory=golden.Golden)
    tls: float = 0.0
    connections: float = 0.0
    tls_connections: float = 0.0
    bytes: float = 0.0
    server_id: str = ""
    denied: float = 0.0


def questions(namespace: str, source: query.Source) -> dict[str, str]:
    """What to ask, by a word of ours; of one namespace, both what goes out of it and what comes in."""
    made: dict[str, str] = {}
    sides = [("", ())]
    if namespace:
        within = query.equal("namespace", namespace), query.equal("dst_namespace", namespace)
        sides = [(" out", (within[0],)), (" in", (within[1], query.Match("namespace", "!=", namespace)))]
    for side, where in sides:
        matches = (stat.OUTBOUND, query.there("dst_namespace"), *where)
        base = query.Select("", matches, (*_NEAR, *_FAR, *_TARGET), "edge")
        peer = query.Select("", matches, base.by, "edge", (query.equal("peer", "dst"),))
        made |= {
            f"responses{side}": query.rate(base.of("response_total", "classification", "tls"), source),
            f"buckets{side}": query.rate(base.of("response_latency_ms_bucket", "le"), source),
            f"open{side}": query.gauge(peer.of("tcp_open_connections", "tls", "server_id"), source),
            f"read{side}": query.rate(peer.of("tcp_read_bytes_total"), source),
            f"write{side}": query.rate(peer.of("tcp_write_bytes_total"), source),
        }
    inside = (query.equal("namespace", namespace),) if namespace else ()
    inbound = query.Select("", (stat.INBOUND, *inside), _NEAR, "workload")
    made["inbound"] = query.rate(inbound.of("response_total", "classification"), source)
    made["inbound buckets"] = query.rate(inbound.of("response_latency_ms_bucket", "le"), source)
    refused = query.Select("", (query.there("client_id"), *inside), _NEAR)
    made["deny"] = query.rate(refused.of("inbound_http_authz_deny_total", "client_id"), source)
    return made


def edges(answers: Mapping[str, Sequence[samples.Row]], known: world.World) -> dict[Pair, Link]:
    """Every edge."""
    found: dict[Pair, Link] = {}

    def rows(word: str) -> Iterable[samples.Row]:
        for name, listed in answers.items():
            if name in (word, f"{word} in", f"{word} out"):
                yield from listed

    for at, one in golden.gather(_pair, rows("responses"), rows("buckets")).items():
        if one.rps > 0:
            found[at] = Link(one)
    for row in rows("responses"):
        at = _pair(row)
        if at in found and row.label("tls") == "true":
            found[at].tls += row.value
    for row in rows("open"):
        at = _pair(row)
        if at is not None and row.value > 0:
            link = found.setdefault(at, Link())
            link.connections += row.value
            link.tls_connections += row.value if row.label("tls") == "true" else 0.0
            link.server_id = link.server_id or row.label("server_id")
    for word in ("read", "write"):
        for row in rows(word):
            at = _pair(row)
            if at in found:
                found[at].bytes += row.value
    _refusals(found, answers.get("deny", ()), known)
    return found


def _refusals(found: dict[Pair, Link], rows: Iterable[samples.Row], known: world.World) -> None:
    """Refusals by the client's account: on the edges of that account's workloads, or on edges of their own."""
    for row in rows:
        target, (account, _, _) = _near(row), row.label("client_id").partition(_ACCOUNT)
        name, _, space = account.partition(".")
        clients = {
            End(pod.key.namespace, *pod.owner)
            for pod in known.members("namespace", names.Key("", space))
            if pod.account == name
        }
        if target is None or row.value <= 0 or not clients:
            continue
        met = [pair for pair in found if pair[0] in clients and pair[1] == target]
        for pair in met or [(client, target, "") for client in sorted(clients, key=str)]:
            found.setdefault(pair, Link()).denied += row.value / len(met or clients)


def nodes(
    answers: Mapping[str, Sequence[samples.Row]], met: Iterable[Pair], known: world.World, namespace: str
) -> list[insight.GraphNode]:
    """Every workload with pods, and every end of an edge."""
    seen = golden.gather(_near, answers["inbound"], answers["inbound buckets"])
    pods: dict[End, list[int]] = {}
    for pod in known.pods.values():
        if pod.running and (not namespace or pod.key.namespace == namespace):
            count = pods.setdefault(End(pod.key.namespace, *pod.owner), [0, 0])
            count[0] += 1
            count[1] += bool(pod.control_ns)
    ends = dict.fromkeys([*pods, *(end for pair in met for end in pair[:2])])
    made = [
        insight.GraphNode(
            subject=end.message(),
            golden=seen.get(end, golden.Golden()).message(),
            pods=pods.get(end, (0, 0))[0],
            meshed=pods.get(end, (0, 0))[1],
        )
        for end in ends
    ]
    return sorted(made, key=lambda node: -node.golden.rps)[:NODES]


def messages(found: Mapping[Pair, Link]) -> list[insight.GraphEdge]:
    """The edges, the busiest first."""
    made = [
        insight.GraphEdge(
            source=source.message(),
            target=target.message(),
            golden=link.measured.message(),
            tcp_connections=link.connections,
            bytes_per_second=link.bytes,
            secured=_share(link),
            server_id=link.server_id,
            denied_rps=link.denied,
            service=service,
        )
        for (source, target, service), link in found.items()
    ]
    return sorted(made, key=lambda edge: -edge.golden.rps)[:EDGES]


def _share(link: Link) -> float | None:
    if link.measured.rps > 0:
        return link.tls / link.measured.rps
    return link.tls_connections / link.connections if link.connections > 0 else None


def _pair(row: samples.Row) -> Pair | None:
    source, target = _near(row), _far(row)
    if source is None or target is None:
        return None
    name = row.label("dst_service")
    return (
        source,
        target,
        f"{name}.{row.label('dst_namespace')}"
        if name and target.kind != "service"
        else (f"{name}.{row.label('dst_namespace')}" if target.cluster else ""),
    )


def _near(row: samples.Row) -> End | None:
    return _owner(row, "")


def _far(row: samples.Row) -> End | None:
    if row.label("dst_target_cluster"):
        return End(
            row.label("dst_target_service_namespace"),
            "service",
            row.label("dst_target_service"),
            row.label("dst_target_cluster"),
        )
    owner = _owner(row, "dst_")
    if owner is None and row.label("dst_service"):
        return End(row.label("dst_namespace"), "service", row.label("dst_service"))
    return owner


def _owner(row: samples.Row, before: str) -> End | None:
    for label, kind in OWNERS.items():
        name = row.label(before + label)
        if name:
            return End(row.label(f"{before}namespace"), kind, name)
    return None
