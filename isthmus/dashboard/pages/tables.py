"""Tables of workloads, Services and pods. In: each cluster's table of one kind, and series. Out: `Workloads`. Never here: who is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isthmus.dashboard import shapes
from isthmus.dashboard.pages import common
from isthmus.rpc import insight_pb2, viz_pb2

Row = viz_pb2.StatTable.PodGroup.Row


@dataclass(frozen=True, slots=True)
class Seen:
    """What one cluster answered."""

    rows: Sequence[Row]
    series: Sequence[insight_pb2.OneSeries] = ()


def workloads(seen: Mapping[str, Seen], query: common.Query, kind: str, head: shapes.Head) -> shapes.Workloads:
    """A row for each workload of each cluster; the same name in two clusters stands together."""
    rows: list[shapes.WorkloadRow] = []
    for cluster, one in seen.items():
        sparks = {(s.subject.namespace, s.subject.name): s.points for s in one.series}
        rows += [row(cluster, said, kind, query.seconds, sparks) for said in one.rows]
    order = sorted(rows, key=lambda r: (r.subject.namespace, r.subject.name, r.subject.cluster))
    return shapes.Workloads(head, query.namespace, kind, order)


def row(
    cluster: str,
    said: Row,
    kind: str,
    seconds: float,
    sparks: Mapping[tuple[str, str], Sequence[insight_pb2.Point]],
) -> shapes.WorkloadRow:
    """One row of Linkerd's table, as a shape."""
    tcp = said.tcp_stats if said.HasField("tcp_stats") else None
    return shapes.WorkloadRow(
        subject=shapes.Subject(cluster, said.resource.namespace, kind, said.resource.name),
        meshed=said.meshed_pod_count,
        pods=said.running_pod_count,
        failed=said.failed_pod_count,
        golden=common.counted(said.stats, seconds),
        tcp_connections=tcp.open_connections if tcp else None,
        read_bytes_per_second=common.number(tcp.read_bytes_total / seconds) if tcp else None,
        write_bytes_per_second=common.number(tcp.write_bytes_total / seconds) if tcp else None,
        status=said.status,
        spark=common.spark(sparks.get((said.resource.namespace, said.resource.name), ())),
    )
