"""`isthmus routes`: golden metrics by route. In: a word for a resource. Out: a row for each route that its proxies know.

With --to they are the client's: effective is what the caller saw, actual what was sent, retries included. Never here: PromQL.
"""

from collections.abc import Iterable, Sequence

import click

from isthmus.cli.see import stat
from isthmus.cli.viz import ask, flags, resources, several, show, table, why
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz import client as viz


@click.command()
@click.argument("words", nargs=-1, metavar="RESOURCE", type=resources.Word())
@click.option("--to", metavar="RESOURCE", type=resources.Word(), help="Requests that RESOURCE sent to this one.")
@click.option("--to-namespace", metavar="NS", help="Where --to is. Default: the namespace asked about.")
@flags.seeing()
@flags.selector
def routes(*, words: tuple[str, ...], view: flags.View, selector: str, to: str | None, to_namespace: str | None) -> int:
    """Success, rate and latencies of each route.

    \b
      isthmus routes deploy/web                          what web was asked
      isthmus routes deploy/web --to svc/backend -o wide what web asked backend, with and without retries
    """
    wanted = resources.parse(words)
    ask.named_once(wanted, view)
    far = resources.one(to, key="--to") if to is not None else None

    async def work(cluster: several.Cluster) -> show.Found:
        space = view.space(cluster.namespace)

        async def one(this: resources.Resource) -> list[table.Row]:
            chosen = pb.ResourceSelection(resource=ask.resource(this, space), label_selector=selector)
            question = pb.TopRoutesRequest(selector=chosen, time_window=view.window)
            if far is not None:
                question.to_resource.CopyFrom(ask.resource(far, to_namespace or space))
            else:
                question.none.SetInParent()
            answer = await cluster.metrics.ask(viz.API, "TopRoutes", question, pb.TopRoutesResponse)
            ask.well(answer)
            return rows(answer.ok.routes, outbound=far is not None)

        found = await ask.each(wanted, one)
        return show.Found(found, () if found else [await why.explain(cluster, wanted[0], view)])

    return show.run(view, work, lambda found: layout(found, wide=view.wide and far is not None))


def rows(tables: Iterable[pb.RouteTable], *, outbound: bool) -> list[table.Row]:
    """Pure: rows by resource, authority and route."""
    made = [_row(one.resource, row, outbound=outbound) for one in tables for row in one.rows]
    return sorted(made, key=lambda row: (row["resource"], row["authority"], row["route"]))


def _row(resource: str, one: pb.RouteTable.Row, *, outbound: bool) -> table.Row:
    made: table.Row = {"resource": resource, "route": one.route, "authority": one.authority}
    seen = stat.golden(one.stats if one.HasField("stats") else None, one.time_window)
    made |= seen
    if outbound:
        sent = one.stats.actual_success_count + one.stats.actual_failure_count
        made["effective_success"], made["effective_rps"] = seen["success"], seen["rps"]
        made["actual_success"] = one.stats.actual_success_count / sent if sent else None
        made["actual_rps"] = stat.rate(sent, one.time_window) if sent else None
    return made


def layout(found: Sequence[table.Row], *, wide: bool) -> list[table.Table]:
    """A table for each resource; where there are several, each is headed by its name."""
    asked = list(dict.fromkeys(row["resource"] for row in found))
    return [
        table.Table(
            columns(wide=wide),
            [row for row in found if row["resource"] == one],
            f"==> {one} <==" if len(asked) > 1 else "",
        )
        for one in asked
    ]


def columns(*, wide: bool) -> list[table.Column]:
    """ROUTE, SERVICE, then what the caller saw; wide adds what was sent."""
    made = [table.text("ROUTE", "route"), table.text("SERVICE", "authority")]
    if not wide:
        return [*made, *table.golden()]
    for way in ("effective", "actual"):
        made.append(table.share(f"{way.upper()}_SUCCESS", f"{way}_success"))
        made.append(table.number(f"{way.upper()}_RPS", f"{way}_rps", "{:.1f}rps"))
    return [*made, *table.latencies()]
