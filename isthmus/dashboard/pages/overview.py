"""The topology and the namespaces. In: each cluster's graph, its Links, its table of namespaces. Out: `Overview`, `Namespaces`.

Two clusters' graphs are joined by names: an end that another cluster of the same view knows is its node. A cluster that is only named by
others is a box too, `asked` false. Never here: who is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from isthmus import names
from isthmus.dashboard import shapes
from isthmus.dashboard.pages import common
from isthmus.kube import crds
from isthmus.rpc import insight_pb2, viz_pb2

Ruling = Literal["open", "ruled", "denying", "unknown"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one cluster answered. `ruled` are (namespace, workload kind, name) for which some Server speaks; None: not known."""

    graph: insight_pb2.GraphResponse
    links: Sequence[crds.Link] = ()
    uid: str = ""
    ruled: frozenset[tuple[str, str, str]] | None = frozenset()


@dataclass(slots=True)
class _Drawing:
    """The nodes and edges so far, by id."""

    nodes: dict[str, shapes.Node] = field(default_factory=dict[str, shapes.Node])
    edges: dict[str, shapes.Edge] = field(default_factory=dict[str, shapes.Edge])


def overview(seen: Mapping[str, Seen], silent: Mapping[str, str], head: shapes.Head) -> shapes.Overview:
    """The topology of all clusters; `silent` said nothing, with the reason."""
    known = common.aliases({n: s.uid for n, s in seen.items()}, {n: s.links for n, s in seen.items()})
    drawn = _Drawing()
    for name, one in seen.items():
        for node in one.graph.nodes:
            _node(drawn, common.subject(name, node.subject, known), node)
    for name, one in seen.items():
        for edge in one.graph.edges:
            _edge(drawn, name, edge, known, one.ruled)
    return shapes.Overview(
        head, _boxes(drawn, seen, silent, known), list(drawn.nodes.values()), list(drawn.edges.values())
    )


def _node(drawn: _Drawing, subject: shapes.Subject, said: insight_pb2.GraphNode | None) -> str:
    """The id of a subject's node, which is made where it is not there yet; who measured it best wins."""
    at = common.ident(subject)
    if said is not None:
        found = shapes.Node(
            at, subject, common.golden(said.golden), said.pods, said.meshed, gateway=common.is_gateway(subject)
        )
        before = drawn.nodes.get(at)
        if before is None or found.golden.rps >= before.golden.rps:
            drawn.nodes[at] = found
    elif at not in drawn.nodes:
        drawn.nodes[at] = shapes.Node(at, subject, shapes.Golden(), 0, 0, gateway=common.is_gateway(subject))
    return at


def _by_gateway(drawn: _Drawing, target: shapes.Subject) -> shapes.Subject:
    """What is called in another cluster is a Service there, and requests come in through the gateway: where that cluster was asked too,
    its gateway is the end that its own graph goes on from.
    """
    gateway = shapes.Subject(target.cluster, names.MULTICLUSTER_NS, "deployment", common.GATEWAY)
    return gateway if target.kind == "service" and common.ident(gateway) in drawn.nodes else target


def _edge(
    drawn: _Drawing,
    asked: str,
    said: insight_pb2.GraphEdge,
    known: common.Names,
    ruled: frozenset[tuple[str, str, str]] | None,
) -> None:
    source, target = common.subject(asked, said.source, known), common.subject(asked, said.target, known)
    target = _by_gateway(drawn, target) if target.cluster != asked else target
    begin, end = _node(drawn, source, None), _node(drawn, target, None)
    at = f"{begin}>{end}>{said.service}"
    if at in drawn.edges and drawn.edges[at].golden.rps >= said.golden.rps:
        return
    policy, says = _policy(target, said, ruled if target.cluster == asked else None)
    drawn.edges[at] = shapes.Edge(
        id=at,
        source=begin,
        target=end,
        service=said.service,
        golden=common.golden(said.golden),
        tcp_connections=common.number(said.tcp_connections),
        bytes_per_second=common.number(said.bytes_per_second),
        secured=common.number(said.secured) if said.HasField("secured") else None,
        server_id=said.server_id,
        denied_rps=common.number(said.denied_rps),
        policy=policy,
        policy_says=says,
        link=common.link(source.cluster, target.cluster),
    )


def _policy(
    target: shapes.Subject, said: insight_pb2.GraphEdge, ruled: frozenset[tuple[str, str, str]] | None
) -> tuple[Ruling, str]:
    if said.denied_rps > 0:
        return "denying", f"{common.number(said.denied_rps, 2):g} requests a second are denied"
    if ruled is None:
        return "unknown", "the policy of the target is not known here"
    if (target.namespace, target.kind, target.name) in ruled:
        return "ruled", "a Server speaks for the target; nobody was denied in the window"
    return "open", "no Server speaks for the target: the default policy holds"


def _boxes(
    drawn: _Drawing, seen: Mapping[str, Seen], silent: Mapping[str, str], known: common.Names
) -> list[shapes.ClusterBox]:
    """Asked clusters first, then silent ones, then those that are only named by nodes or Links."""
    linked = [
        known.of(name, str(one.spec.get("targetClusterName") or "")) for name, s in seen.items() for one in s.links
    ]
    named = [n.subject.cluster for n in drawn.nodes.values()]
    order = dict.fromkeys([*seen, *silent, *sorted({*linked, *named})])
    goldens: dict[str, list[shapes.Golden]] = {name: [] for name in order}
    for node in drawn.nodes.values():
        goldens[node.subject.cluster].append(node.golden)
    return [_box(name, name in seen, silent.get(name, ""), goldens[name]) for name in order]


def _box(name: str, asked: bool, silent: str, goldens: Sequence[shapes.Golden]) -> shapes.ClusterBox:  # noqa: FBT001
    total = common.summed(goldens)
    if silent:
        return shapes.ClusterBox(name, asked=False, mark="unknown", says=silent, workloads=0, golden=total)
    if not asked:
        says = "seen through links only"
        return shapes.ClusterBox(name, asked=False, mark="unknown", says=says, workloads=len(goldens), golden=total)
    mark = grade(total)
    says = "no traffic in the window" if not total.rps else f"{total.rps:g} requests a second"
    return shapes.ClusterBox(name, asked=True, mark=mark, says=says, workloads=len(goldens), golden=total)


def grade(golden: shapes.Golden) -> shapes.Mark:
    """How well traffic goes, by its success: the thresholds of the page's colours."""
    if golden.success is None:
        return "unknown"
    return "ok" if golden.success >= 0.99 else "warn" if golden.success >= 0.9 else "fail"


@dataclass(frozen=True, slots=True)
class Spaces:
    """One cluster's namespaces: rows over the window, and series."""

    rows: Sequence[viz_pb2.StatTable.PodGroup.Row]
    series: Sequence[insight_pb2.OneSeries] = ()


def namespaces(seen: Mapping[str, Spaces], query: common.Query, head: shapes.Head) -> shapes.Namespaces:
    """A row for each namespace of each cluster."""
    rows: list[shapes.NamespaceRow] = []
    for cluster, one in seen.items():
        sparks = {s.subject.name or s.subject.namespace: s.points for s in one.series}
        rows += [
            shapes.NamespaceRow(
                cluster,
                row.resource.name,
                row.meshed_pod_count,
                row.running_pod_count,
                common.counted(row.stats, query.seconds),
                common.spark(sparks.get(row.resource.name, ())),
            )
            for row in one.rows
        ]
    return shapes.Namespaces(head, sorted(rows, key=lambda r: (r.name, r.cluster)))
