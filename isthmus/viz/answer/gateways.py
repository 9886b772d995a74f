"""Gateways and links, by what the service mirror measured. In: Links, rows of its probes. Out: rows, and series over time. Pure.

A gateway that no probe told of is not alive and has no latency: unknown is not a claim of health. Never here: asking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from isthmus import names
from isthmus.rpc import insight_pb2 as insight
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz.answer import golden
from isthmus.viz.ask import query, samples
from isthmus.viz.cluster import world

CLUSTER = "target_cluster_name"
GATEWAY = names.Key(names.MULTICLUSTER_NS, "linkerd-gateway")
"""Where a target's gateway is, unless its Link says otherwise."""


def questions(source: query.Source) -> dict[str, str]:
    """What to ask, by a word of ours. Of several mirror processes one probes; a share of it is its own."""
    buckets = query.Select("gateway_probe_latency_ms_bucket", (), (CLUSTER, "le"))
    return {
        "alive": f"max by ({CLUSTER}) (gateway_alive)",
        "buckets": query.rate(buckets, source),
        "age": f"min by ({CLUSTER}) (service_mirror_target_age_seconds)",
    }


def over_time() -> dict[str, str]:
    """What to ask for a stretch of time."""
    return {"alive": f"max by ({CLUSTER}) (gateway_alive)", "latency": f"max by ({CLUSTER}) (gateway_latency)"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One linked cluster."""

    cluster: str
    namespace: str
    services: int
    alive: bool | None
    measured: golden.Golden
    age: float | None


def read(known: world.World, answers: Mapping[str, Sequence[samples.Row]]) -> list[Seen]:
    """Every linked cluster, by Links and by series."""
    alive = {row.label(CLUSTER): row.value > 0 for row in answers["alive"]}
    ages = {row.label(CLUSTER): row.value for row in answers["age"]}
    latencies = golden.gather(lambda row: row.label(CLUSTER) or None, (), answers["buckets"])
    mirrors: dict[str, int] = {}
    for thing in known.things["service"].values():
        if thing.remote and not thing.key.name.startswith("probe-"):
            mirrors[thing.remote] = mirrors.get(thing.remote, 0) + 1
    links = {str((t.spec or {}).get("targetClusterName") or t.key.name): t for t in known.things["link"].values()}
    return [
        Seen(
            cluster,
            links[cluster].key.namespace if cluster in links else GATEWAY.namespace,
            mirrors.get(cluster, 0),
            alive.get(cluster),
            latencies.get(cluster, golden.Golden()),
            ages.get(cluster),
        )
        for cluster in sorted({*links, *alive} - {""})
    ]


def table(seen: Iterable[Seen], *, cluster: str, namespace: str, seconds: float) -> pb.GatewaysTable:
    """Linkerd's rows, of one cluster or one namespace where they are named."""
    rows: list[pb.GatewaysTable.Row] = []
    for one in seen:
        if cluster in ("", one.cluster) and namespace in ("", one.namespace):
            stats = one.measured.stats(seconds)
            rows.append(
                pb.GatewaysTable.Row(
                    namespace=one.namespace,
                    name=GATEWAY.name,
                    cluster_name=one.cluster,
                    paired_services=one.services,
                    alive=bool(one.alive),
                    latency_ms_p50=stats.latency_ms_p50,
                    latency_ms_p95=stats.latency_ms_p95,
                    latency_ms_p99=stats.latency_ms_p99,
                )
            )
    return pb.GatewaysTable(rows=rows)


def links(seen: Iterable[Seen], lines: Mapping[str, Sequence[samples.Line]]) -> list[insight.LinkSeries]:
    """The same over time."""
    alive = {line.labels.get(CLUSTER, ""): dict(line.points) for line in lines["alive"]}
    latency = {line.labels.get(CLUSTER, ""): dict(line.points) for line in lines["latency"]}
    made: list[insight.LinkSeries] = []
    for one in seen:
        up, took = alive.get(one.cluster, {}), latency.get(one.cluster, {})
        points = [
            insight.LinkPoint(at=at, alive=up[at] > 0 if at in up else None, latency_ms=took.get(at))
            for at in sorted({*up, *took})
        ]
        made.append(
            insight.LinkSeries(
                cluster=one.cluster,
                alive=one.alive,
                services=one.services,
                p50=one.measured.latency(0.5),
                p95=one.measured.latency(0.95),
                p99=one.measured.latency(0.99),
                target_age=one.age,
                points=points,
            )
        )
    return made
