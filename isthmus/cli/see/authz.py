"""`isthmus authz`: by which authorization requests came in, and which were refused. In: a word for a resource. Out: a row for each.

Never here: asking (see `isthmus.viz.client`).
"""

from collections.abc import Iterable, Sequence

import click

from isthmus.cli.see import stat
from isthmus.cli.viz import ask, flags, resources, several, show, table, why
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz import client as viz

_SILENT = ("", "default")
"""Kinds of authorization that are no objects: rows of these without a request say nothing."""


@click.command()
@click.argument("words", nargs=-1, metavar="RESOURCE", type=resources.Word())
@flags.seeing()
def authz(*, words: tuple[str, ...], view: flags.View) -> int:
    """Who was let in by what, and what was refused, for each route, Server and authorization.

    \b
      isthmus authz deploy/web
    """
    wanted = resources.parse(words)
    ask.named_once(wanted, view)

    async def work(cluster: several.Cluster) -> show.Found:
        space = view.space(cluster.namespace)

        async def one(this: resources.Resource) -> list[table.Row]:
            question = pb.AuthzRequest(resource=ask.resource(this, space), time_window=view.window)
            answer = await cluster.metrics.ask(viz.API, "Authz", question, pb.AuthzResponse)
            ask.well(answer)
            return rows(answer.ok.stat_table.pod_group.rows)

        found = await ask.each(wanted, one)
        return show.Found(found, () if found else [await why.explain(cluster, wanted[0], view)])

    return show.run(view, work, layout)


def rows(answer: Iterable[stat.StatRow]) -> list[table.Row]:
    """Pure: rows by Server, route and authorization."""
    made = [_row(one) for one in answer]
    kept = [row for row, kind in made if row["success"] is not None or row["unauthorized"] or kind not in _SILENT]
    return sorted(kept, key=lambda row: (row["server"], row["route"], row["authorization"]))


def _row(one: stat.StatRow) -> tuple[table.Row, str]:
    said = one.srv_stats
    made: table.Row = {
        "route": said.route.name,
        "server": f"default:{said.srv.name}" if said.srv.type == "default" else said.srv.name,
        "authorization": f"{said.authz.type}/{said.authz.name}" if said.authz.type else "",
        "unauthorized": stat.rate(said.denied_count, one.time_window),
    }
    return made | stat.golden(one.stats if one.HasField("stats") else None, one.time_window), said.authz.type


def layout(found: Sequence[table.Row]) -> list[table.Table]:
    """ROUTE, SERVER, AUTHORIZATION, then what came in."""
    refused = table.Column(
        "UNAUTHORIZED",
        lambda row: f"{row['unauthorized']:.1f}rps",
        right=True,
        tint=lambda row: "yellow" if row["unauthorized"] else "",
    )
    columns = (*(table.text(head, head.lower()) for head in ("ROUTE", "SERVER", "AUTHORIZATION")), refused)
    return [table.Table((*columns, *table.golden()), found)]
