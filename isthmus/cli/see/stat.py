"""`isthmus stat`: golden metrics of workloads, Services, namespaces. In: words for resources. Out: a table for each kind.

Numbers are inbound, measured by the resources' own proxies; with --from or --to they are outbound, measured by the callers'.
Never here: PromQL.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import click

from isthmus import units
from isthmus.cli.viz import ask, flags, resources, several, show, table, why
from isthmus.errors import BadValue
from isthmus.rpc import viz_pb2 as pb

StatRow = pb.StatTable.PodGroup.Row
_POLICY = ("server", "serverauthorization", "authorizationpolicy", "httproute", "grpcroute")
_EXPLAINED = 3


@click.command()
@click.argument("words", nargs=-1, metavar="RESOURCE...", type=resources.Word())
@click.option("--to", metavar="RESOURCE", type=resources.Word(), help="Requests that RESOURCE... sent to this one.")
@click.option("--to-namespace", metavar="NS", help="Where --to is. Default: the namespace asked about.")
@click.option("--from", "source", metavar="RESOURCE", type=resources.Word(), help="Requests that this one sent.")
@click.option("--from-namespace", "source_namespace", metavar="NS", help="Where --from is.")
@click.option("--unmeshed", is_flag=True, help="Resources without a meshed pod too.")
@flags.seeing()
@flags.selector
def stat(
    *,
    words: tuple[str, ...],
    view: flags.View,
    selector: str,
    to: str | None,
    to_namespace: str | None,
    source: str | None,
    source_namespace: str | None,
    unmeshed: bool,
) -> int:
    """Success, rate and latencies of resources.

    \b
      isthmus stat deploy -n shop                  all Deployments of a namespace
      isthmus stat deploy/web po/web-5d            these two
      isthmus stat ns -A --context east,west       namespaces of two clusters
      isthmus stat deploy --to svc/backend         who calls backend, and with what success
      isthmus stat svc --from deploy/web           what web calls
    """
    wanted = resources.parse(words)
    ask.named_once(wanted, view)
    ends = _ends(to, source)

    async def work(cluster: several.Cluster) -> show.Found:
        space = view.space(cluster.namespace)
        far = [
            ask.resource(one, near or space) if one is not None else None
            for one, near in zip(ends, (to_namespace, source_namespace), strict=True)
        ]
        asked = [pb.ResourceSelection(resource=ask.resource(one, space), label_selector=selector) for one in wanted]
        answers = await asyncio.gather(
            *(ask.stat(cluster, one, view.window, to=far[0], source=far[1]) for one in asked)
        )
        every = unmeshed or source is not None
        found = rows((row for answer in answers for row in answer), every=every)
        return show.Found(found, () if measured(found) else await _why(cluster, wanted, view))

    return show.run(view, work, lambda found: layout(found, view))


def _ends(to: str | None, source: str | None) -> tuple[resources.Resource | None, resources.Resource | None]:
    """The other side of the requests, where one is named."""
    if to is not None and source is not None:
        raise BadValue("--from", source, "one of --from and --to", why="--to says the other end already")
    far = tuple(
        resources.one(word, key=flag) if word is not None else None for word, flag in ((to, "--to"), (source, "--from"))
    )
    for one, flag in zip(far, ("--to", "--from"), strict=True):
        if one is not None and one.kind == "all":
            raise BadValue(flag, "all", "deploy/web", why="the other end is of one kind")
    return far[0], far[1]


async def _why(cluster: several.Cluster, wanted: Sequence[resources.Resource], view: flags.View) -> list[str]:
    asked = [resources.Resource("pod") if one.kind == "all" else one for one in wanted[:_EXPLAINED]]
    return list(dict.fromkeys(await asyncio.gather(*(why.explain(cluster, one, view) for one in asked))))


def measured(found: Iterable[table.Row]) -> bool:
    """Whether any row has something to tell."""
    return any(row["success"] is not None or row.get("tcp_open_connections") for row in found)


def rows(answer: Iterable[StatRow], *, every: bool) -> list[table.Row]:
    """Pure: rows by kind, namespace and name; those without a meshed pod only where `every` is asked for."""
    order = list(resources.WORDS)
    kept = [row for row in answer if every or row.meshed_pod_count or row.resource.type in why.BARE]
    return sorted(
        (_row(one) for one in kept),
        key=lambda row: (order.index(row["kind"]) if row["kind"] in order else 99, row["namespace"], row["name"]),
    )


def _row(one: StatRow) -> table.Row:
    kind = one.resource.type
    made: table.Row = {"namespace": one.resource.namespace, "kind": kind, "name": one.resource.name}
    if kind == "pod":
        made["status"] = one.status
    if kind not in why.BARE or one.running_pod_count:
        made["meshed"] = f"{one.meshed_pod_count}/{one.running_pod_count}"
    if one.HasField("ts_stats"):
        made |= {"apex": one.ts_stats.apex, "leaf": one.ts_stats.leaf, "weight": one.ts_stats.weight}
    made |= golden(one.stats if one.HasField("stats") else None, one.time_window)
    if one.HasField("srv_stats"):
        made["server"] = one.srv_stats.srv.name
        made["unauthorized"] = rate(one.srv_stats.denied_count, one.time_window)
    if one.HasField("tcp_stats"):
        made["tcp_open_connections"] = one.tcp_stats.open_connections
        made["tcp_read_bytes_rate"] = rate(one.tcp_stats.read_bytes_total, one.time_window)
        made["tcp_write_bytes_rate"] = rate(one.tcp_stats.write_bytes_total, one.time_window)
    return made


def golden(stats: pb.BasicStats | None, window: str) -> dict[str, Any]:
    """Counts of a window as success, rate and latencies; None each where nothing was counted."""
    total = stats.success_count + stats.failure_count if stats is not None else 0
    if stats is None or not total:
        return dict.fromkeys(("success", "rps", "latency_ms_p50", "latency_ms_p95", "latency_ms_p99"))
    return {
        "success": stats.success_count / total,
        "rps": rate(total, window),
        "latency_ms_p50": stats.latency_ms_p50,
        "latency_ms_p95": stats.latency_ms_p95,
        "latency_ms_p99": stats.latency_ms_p99,
    }


def rate(count: float, window: str) -> float:
    """A count of a window, per second."""
    return count / units.duration(window, key="the answer's window")


def layout(found: Sequence[table.Row], view: flags.View) -> list[table.Table]:
    """One table for each kind; where there are several, names carry theirs."""
    kinds = list(dict.fromkeys(row["kind"] for row in found))
    return [
        table.Table(
            columns(kind, [row for row in found if row["kind"] == kind], view, prefix=len(kinds) > 1),
            [row for row in found if row["kind"] == kind],
        )
        for kind in kinds
    ]


def columns(kind: str, found: Sequence[table.Row], view: flags.View, *, prefix: bool) -> list[table.Column]:
    """The columns of one kind, as Linkerd has them."""
    before = f"{resources.short(kind)}/" if prefix else ""
    made = [table.text("NAMESPACE", "namespace")] if view.every_namespace and kind != "namespace" else []
    made.append(table.Column("NAME", lambda row: before + row["name"]))
    if kind == "pod":
        made.append(table.text("STATUS", "status"))
    if kind in ("httproute", "grpcroute"):
        made.append(table.text("SERVER", "server"))
    if any("leaf" in row for row in found):
        made += [table.text(head, head.lower()) for head in ("APEX", "LEAF", "WEIGHT")]
    if kind in _POLICY:
        made.append(table.number("UNAUTHORIZED", "unauthorized", "{:.1f}rps"))
    else:
        made.append(table.number("MESHED", "meshed", "{}"))
    made += [*table.golden(), table.number("TCP_CONN", "tcp_open_connections", "{}")]
    if view.wide:
        made += [
            table.number(f"{way}_BYTES/SEC", f"tcp_{way.lower()}_bytes_rate", "{:.1f}B/s") for way in ("READ", "WRITE")
        ]
    return made
