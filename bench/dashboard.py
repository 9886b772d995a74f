"""What one snapshot of a large mesh costs the dashboard's backend. In: a number of services. Out: CPU milliseconds and bytes of each view.

The answers of the metrics API are made up and encoded first; measured is what the backend does with their bytes: decode, assemble, encode,
compress. Never here: what the metrics API and Prometheus cost. Run it as `python -m bench.dashboard 2000`.
"""

import random
import sys
import time
from collections.abc import Callable

from isthmus.dashboard import live, shapes
from isthmus.dashboard.pages import common, overview, tables
from isthmus.rpc import insight_pb2 as pb
from isthmus.rpc import viz_pb2

HEAD = shapes.Head(0.0, "1m", "isthmus", [])
QUERY = common.Query()
POINTS = 21
ROUNDS = 5


def golden(dice: random.Random) -> pb.Golden:
    """Golden metrics as they come from a division: with all digits."""
    return pb.Golden(
        rps=dice.random() * 100,
        success=1 - dice.random() / 50,
        p50=dice.random() * 9,
        p95=dice.random() * 40,
        p99=dice.random() * 90,
    )


def name(number: int) -> tuple[str, str]:
    """Namespace and name: forty services a namespace."""
    return f"team-{number // 40}", f"service-{number}"


def subject(number: int, kind: str = "deployment") -> pb.Subject:
    """One workload."""
    space, word = name(number)
    return pb.Subject(namespace=space, kind=kind, name=word)


def graph(services: int, dice: random.Random) -> bytes:
    """A graph with two edges for each service, each over mTLS."""
    nodes = [pb.GraphNode(subject=subject(n), golden=golden(dice), pods=2, meshed=2) for n in range(services)]
    edges = [
        pb.GraphEdge(
            source=subject(dice.randrange(services)),
            target=subject(n),
            golden=golden(dice),
            secured=1.0,
            tcp_connections=4,
            bytes_per_second=dice.random() * 1e6,
            server_id=f"service-{n}.team-{n // 40}.serviceaccount.identity.linkerd.cluster.local",
            service=f"service-{n}.team-{n // 40}:8080",
        )
        for n in range(services)
        for _ in range(2)
    ]
    return pb.GraphResponse(nodes=nodes, edges=edges).SerializeToString()


def table(services: int, dice: random.Random) -> tuple[bytes, bytes]:
    """A table with a sparkline for each service."""
    rows: list[viz_pb2.StatTable.PodGroup.Row] = []
    for n in range(services):
        space, word = name(n)
        stats = viz_pb2.BasicStats(
            success_count=dice.randrange(9999), failure_count=9, latency_ms_p50=1, latency_ms_p95=9, latency_ms_p99=40
        )
        rows.append(
            viz_pb2.StatTable.PodGroup.Row(
                resource=viz_pb2.Resource(namespace=space, type="deployment", name=word),
                stats=stats,
                meshed_pod_count=2,
                running_pod_count=2,
                tcp_stats=viz_pb2.TcpStats(open_connections=4, read_bytes_total=99999, write_bytes_total=99999),
            )
        )
    group = viz_pb2.StatTable.PodGroup(rows=rows)
    ok = viz_pb2.StatSummaryResponse.Ok(stat_tables=[viz_pb2.StatTable(pod_group=group)])
    series = [
        pb.OneSeries(subject=subject(n), points=[pb.Point(at=30.0 * p, golden=golden(dice)) for p in range(POINTS)])
        for n in range(services)
    ]
    return viz_pb2.StatSummaryResponse(ok=ok).SerializeToString(), pb.SeriesResponse(series=series).SerializeToString()


def cost(what: str, make: Callable[[], shapes.Shape]) -> None:
    """One view: the least of some rounds, since whatever else runs can only add."""
    best = dict.fromkeys(("assemble", "encode", "pack"), float("inf"))
    size = packed = 0
    for _ in range(ROUNDS):
        times = [time.process_time()]
        found = make()
        times.append(time.process_time())
        event = live.event("snapshot", found)
        size = len(event.plain)
        times.append(time.process_time())
        packed = len(event.packed)
        times.append(time.process_time())
        for part, begin, end in zip(best, times, times[1:], strict=False):
            best[part] = min(best[part], (end - begin) * 1000)
    parts = ", ".join(f"{part} {ms:.0f}" for part, ms in best.items())
    print(f"{what}: {sum(best.values()):.0f} ms CPU ({parts}); {size / 1e6:.2f} MB, {packed / 1e6:.2f} MB packed")


def main() -> None:
    """Print what each large view costs."""
    services = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    dice = random.Random(1)
    drawn = graph(services, dice)
    rows, series = table(services, dice)

    def topology() -> shapes.Shape:
        return overview.overview({"east": overview.Seen(pb.GraphResponse.FromString(drawn))}, {}, HEAD)

    def workloads() -> shapes.Shape:
        said = viz_pb2.StatSummaryResponse.FromString(rows)
        found = [row for one in said.ok.stat_tables for row in one.pod_group.rows]
        seen = tables.Seen(found, pb.SeriesResponse.FromString(series).series)
        return tables.workloads({"east": seen}, QUERY, "deployment", HEAD)

    print(f"{services} services")
    cost("overview", topology)
    cost("workloads", workloads)


if __name__ == "__main__":
    main()
