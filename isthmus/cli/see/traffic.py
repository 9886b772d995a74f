"""`isthmus stat-inbound` and `stat-outbound`: requests by route, and which backends answered. In: words for resources. Out: rows, trees.

In JSON every backend is a row of its own that repeats its route; a row without backend is the route as a whole. Never here: PromQL.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any

import click

from isthmus.cli.viz import ask, flags, resources, several, show, table, why
from isthmus.rpc import insight_pb2 as insight
from isthmus.viz import client as viz

_ROUTE = ("namespace", "kind", "name", "service", "route", "type")
"""What makes one route of the rows that go out."""
Question = Callable[[several.Cluster, insight.RowsRequest], Awaitable[list[table.Row]]]


def _words(command: Callable[..., Any]) -> Callable[..., Any]:
    command = flags.seeing()(flags.selector(command))
    return click.argument("words", nargs=-1, metavar="RESOURCE", type=resources.Word())(command)


@click.command("stat-inbound")
@_words
def inbound(*, words: tuple[str, ...], view: flags.View, selector: str) -> int:
    """What resources were asked, by Server and route: success, rate, latencies.

    \b
      isthmus stat-inbound deploy/web
    """
    wanted = resources.parse(words)

    async def one(cluster: several.Cluster, question: insight.RowsRequest) -> list[table.Row]:
        answer = await cluster.metrics.ask(viz.INSIGHT, "Inbound", question, insight.InboundResponse)
        return inbound_rows(answer.rows)

    return show.run(view, _work(wanted, view, selector, one), lambda found: inbound_layout(found, view))


@click.command("stat-outbound")
@_words
def outbound(*, words: tuple[str, ...], view: flags.View, selector: str) -> int:
    """What resources asked others, by Service and route, and under each route which backends answered.

    \b
      isthmus stat-outbound deploy/web
      isthmus stat-outbound deploy/web -o wide     with the weights that the policy says
    """
    wanted = resources.parse(words)

    async def one(cluster: several.Cluster, question: insight.RowsRequest) -> list[table.Row]:
        answer = await cluster.metrics.ask(viz.INSIGHT, "Outbound", question, insight.OutboundResponse)
        return outbound_rows(answer.rows)

    return show.run(view, _work(wanted, view, selector, one), lambda found: outbound_layout(found, view))


def _work(wanted: Sequence[resources.Resource], view: flags.View, selector: str, one: Question) -> show.Work:
    ask.named_once(wanted, view)

    async def work(cluster: several.Cluster) -> show.Found:
        def question(this: resources.Resource) -> insight.RowsRequest:
            subject = ask.subject(this, view.space(cluster.namespace))
            return insight.RowsRequest(subject=subject, label_selector=selector, window=view.window)

        async def rows(this: resources.Resource) -> list[table.Row]:
            return await one(cluster, question(this))

        found = await ask.each(wanted, rows)
        return show.Found(found, () if found else [await why.explain(cluster, wanted[0], view)])

    return work


def _subject(one: insight.Subject) -> table.Row:
    return {"namespace": one.namespace, "kind": one.kind, "name": one.name}


def golden(one: insight.Golden) -> table.Row:
    """Success, rate and latencies; None for what was not measured."""
    made: table.Row = {"success": one.success if one.HasField("success") else None, "rps": one.rps}
    for p in ("p50", "p95", "p99"):
        made[f"latency_ms_{p}"] = getattr(one, p) if one.HasField(p) else None
    return made


def inbound_rows(answer: Iterable[insight.InboundRow]) -> list[table.Row]:
    """Pure: rows by subject, Server and route."""
    made = [
        _subject(one.subject)
        | {"server": one.server, "route": one.route, "type": one.type}
        | golden(one.golden)
        | {"unauthorized": one.denied_rps}
        for one in answer
    ]
    return sorted(made, key=lambda row: (row["namespace"], row["name"], row["server"], row["route"]))


def inbound_layout(found: Sequence[table.Row], view: flags.View) -> list[table.Table]:
    """NAME, SERVER, ROUTE, TYPE; wide adds what was refused."""
    columns = [*_where(view), *(table.text(head, head.lower()) for head in ("NAME", "SERVER", "ROUTE", "TYPE"))]
    columns += table.golden("{:.2f}")
    if view.wide:
        columns.append(table.number("UNAUTHORIZED", "unauthorized", "{:.2f}"))
    return [table.Table(columns, found)]


def outbound_rows(answer: Iterable[insight.OutboundRow]) -> list[table.Row]:
    """Pure: routes in order, each followed by its backends."""
    made = [
        _subject(one.subject)
        | {"service": one.service, "route": one.route, "type": one.type, "backend": one.backend or None}
        | {"weight": one.weight if one.HasField("weight") else None}
        | golden(one.golden)
        | {
            "timeouts": one.timeouts_per_second / one.golden.rps if one.golden.rps else None,
            "retries": _retries(one) if not one.backend else None,
        }
        for one in answer
    ]
    return sorted(made, key=lambda row: (*(row[key] for key in _ROUTE), row["backend"] or ""))


def _retries(one: insight.OutboundRow) -> float | None:
    """The share of all tries that were retries."""
    tries = one.golden.rps + one.retries_per_second
    return one.retries_per_second / tries if tries else None


def outbound_layout(found: Sequence[table.Row], view: flags.View) -> list[table.Table]:
    """NAME, SERVICE, ROUTE, TYPE, BACKEND; the backends of a route stand under it. Wide adds the weights."""
    columns = [
        *_where(view),
        *(table.Column(head, _word(head.lower())) for head in ("NAME", "SERVICE", "ROUTE", "TYPE", "BACKEND")),
    ]
    if view.wide:
        columns.append(table.number("WEIGHT", "weight", "{}"))
    columns += table.golden("{:.2f}")
    columns += [table.number("TIMEOUTS", "timeouts", "{:.2%}"), table.number("RETRIES", "retries", "{:.2%}")]
    return [table.Table(columns, tree(found))]


def _word(key: str) -> Callable[[table.Row], str]:
    return lambda row: str(row.get(key) or "")


def _where(view: flags.View) -> list[table.Column]:
    return [table.text("NAMESPACE", "namespace")] if view.every_namespace else []


def tree(found: Sequence[table.Row]) -> list[table.Row]:
    """Pure: the rows with branches drawn in place of what a backend's row repeats."""
    made: list[table.Row] = []
    for _, together in groupby(found, key=lambda row: tuple(row[key] for key in ("cluster", *_ROUTE))):
        group = list(together)
        for row, after in pairwise([*group, None]):
            if row is None or row["backend"] is None or row is group[0]:
                made.append(row or {})
                continue
            branch = ("├" if after is not None else "└") + "─" * max(len(row["route"]) - 1, 0)
            made.append(row | {"namespace": "", "name": "", "service": "", "route": branch, "type": "────────►"})
    return made
