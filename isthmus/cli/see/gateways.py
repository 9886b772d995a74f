"""`isthmus gateways`: are the gateways of linked clusters alive, how far away. In: what the mirrors' probes measured. Out: a row each.

`isthmus multicluster gateways` asks the Links instead and needs no viz extension.
"""

from collections.abc import Iterable, Sequence

import click

from isthmus.cli.viz import ask, flags, several, show, table
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
        answer = await cluster.metrics.ask(viz.API, "Gateways", question, pb.GatewaysResponse)
        ask.well(answer)
        found = rows(answer.ok.gateways_table.rows)
        return show.Found(found, () if found else (nothing(cluster.context, cluster_name),))

    return show.run(view, work, layout, head="SOURCE")


def rows(answer: Iterable[pb.GatewaysTable.Row]) -> list[table.Row]:
    """Pure: rows by the linked cluster's name; a latency of 0 was not measured."""
    made = [
        {
            "clusterName": one.cluster_name,
            "alive": one.alive,
            "numberOfServices": one.paired_services,
            "latency_ms_p50": one.latency_ms_p50 if one.alive else None,
            "latency_ms_p95": one.latency_ms_p95 if one.alive else None,
            "latency_ms_p99": one.latency_ms_p99 if one.alive else None,
        }
        for one in answer
    ]
    return sorted(made, key=lambda row: str(row["clusterName"]))


def nothing(context: str, name: str) -> str:
    """Why there is no row."""
    asked = f"to {name!r} " if name else ""
    make = f"isthmus link {context} TARGET --apply makes one"
    return f"no link {asked}was measured; {make}, isthmus check --context {context} looks at those there are"


def layout(found: Sequence[table.Row]) -> list[table.Table]:
    """CLUSTER is the linked one."""
    columns = (
        table.text("CLUSTER", "clusterName"),
        table.Column("ALIVE", lambda row: str(row["alive"]), tint=lambda row: "" if row["alive"] else "red"),
        table.number("NUM_SVC", "numberOfServices", "{}"),
        *table.latencies(),
    )
    return [table.Table(columns, found)]
