"""`isthmus gateways`: are the gateways of linked clusters alive, how far away. In: what the mirrors' probes measured. Out: a row each.

`isthmus multicluster gateways` asks the Links instead and needs no viz extension. Never here: probes.
"""

import asyncio
from collections.abc import Iterable, Sequence

import click

from isthmus.cli.viz import ask, flags, several, show, table
from isthmus.rpc import insight_pb2 as insight
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz import client as viz


@click.command()
@click.option("--cluster-name", default="", metavar="NAME", help="The gateway of this linked cluster only.")
@click.option("--gateway-namespace", default="", metavar="NS", help="Gateways in this namespace of theirs only.")
@flags.seeing()
def gateways(*, view: flags.View, cluster_name: str, gateway_namespace: str) -> int:
    """The gateways of linked clusters: do they answer, how many Services come through, how long a probe takes."""

    async def work(cluster: several.Cluster) -> show.Found:
        question = pb.GatewaysRequest(
            remote_cluster_name=cluster_name, gateway_namespace=gateway_namespace, time_window=view.window
        )
        answer, links = await asyncio.gather(
            cluster.metrics.ask(viz.API, "Gateways", question, pb.GatewaysResponse),
            cluster.metrics.ask(viz.INSIGHT, "Links", insight.LinksRequest(range="1m"), insight.LinksResponse),
        )
        ask.well(answer)
        found = rows(answer.ok.gateways_table.rows, links.links)
        return show.Found(found, () if found else (nothing(cluster.context, cluster_name),))

    return show.run(view, work, lambda found: layout(found, wide=view.wide), head="SOURCE")


def rows(answer: Iterable[pb.GatewaysTable.Row], links: Iterable[insight.LinkSeries]) -> list[table.Row]:
    """Pure: rows by the linked cluster's name; a gateway that is not alive has no latency."""
    ages = {one.cluster: one.target_age for one in links if one.HasField("target_age")}
    made = [
        {
            "clusterName": one.cluster_name,
            "alive": one.alive,
            "numberOfServices": one.paired_services,
            "latency_ms_p50": one.latency_ms_p50 if one.alive else None,
            "latency_ms_p95": one.latency_ms_p95 if one.alive else None,
            "latency_ms_p99": one.latency_ms_p99 if one.alive else None,
            "target_age_seconds": ages.get(one.cluster_name),
        }
        for one in answer
    ]
    return sorted(made, key=lambda row: str(row["clusterName"]))


def nothing(context: str, name: str) -> str:
    """Why there is no row."""
    asked = f"to {name!r} " if name else ""
    make = f"isthmus link {context} TARGET --apply makes one"
    return f"no link {asked}was measured; {make}, isthmus check --context {context} looks at those there are"


def layout(found: Sequence[table.Row], *, wide: bool) -> list[table.Table]:
    """CLUSTER is the linked one; wide adds when its API server was last heard of."""
    columns = [
        table.text("CLUSTER", "clusterName"),
        table.Column("ALIVE", lambda row: str(row["alive"]), tint=lambda row: "" if row["alive"] else "red"),
        table.number("NUM_SVC", "numberOfServices", "{}"),
        *table.latencies(),
    ]
    if wide:
        columns.append(table.number("LAST_HEARD", "target_age_seconds", "{:.0f}s"))
    return [table.Table(columns, found)]
