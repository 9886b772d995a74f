"""Speak `isthmus.viz.Insight`. In: its questions. Out: its answers; a refusal is raised.

Never here: arithmetic (see the tables), the network.
"""

from isthmus import names
from isthmus.rpc import insight_pb2 as insight
from isthmus.serve.refusal import Refused
from isthmus.viz import api, client
from isthmus.viz.answer import authz, gateways, graph, outbound, resolve, series
from isthmus.viz.ask import asker, query, samples, window
from isthmus.viz.cluster import world


class Insight:
    """Our own questions over one Prometheus and one world."""

    def __init__(self, ask: asker.Asker, known: world.World) -> None:
        self._ask = ask
        self._known = known

    def methods(self) -> list[api.Method]:
        """All that is answered."""
        return [
            api.Method(client.INSIGHT, "Inbound", insight.RowsRequest.FromString, self.inbound),
            api.Method(client.INSIGHT, "Outbound", insight.RowsRequest.FromString, self.outbound),
            api.Method(client.INSIGHT, "Graph", insight.GraphRequest.FromString, self.graph),
            api.Method(client.INSIGHT, "Series", insight.SeriesRequest.FromString, self.series),
            api.Method(client.INSIGHT, "Links", insight.LinksRequest.FromString, self.links),
        ]

    async def inbound(self, asked: insight.RowsRequest) -> insight.InboundResponse:
        """Requests that workloads were asked, by Server and route."""
        subject, source = await self._subject(asked)
        if subject.kind.word in ("service", "authority"):
            raise Refused("invalid", f"inbound requests are of workloads, not of a {subject.kind.word}")
        handle = resolve.handle(subject, self._known)
        rows = await self._ask.rows(authz.questions(handle, source))
        return insight.InboundResponse(rows=authz.inbound(subject.kind.word, authz.read(handle.key, rows)))

    async def outbound(self, asked: insight.RowsRequest) -> insight.OutboundResponse:
        """Requests that workloads sent, by Service, route and backend; of a Service, those that all sent to it."""
        subject, source = await self._subject(asked)
        handle = _parents(subject) if subject.kind.word == "service" else resolve.handle(subject, self._known)
        rows = await self._ask.rows(outbound.questions(handle, source))
        seen = outbound.read(handle.key, rows)
        return insight.OutboundResponse(rows=outbound.rows(subject.kind.word, seen, self._known))

    async def graph(self, asked: insight.GraphRequest) -> insight.GraphResponse:
        """Who calls whom."""
        source = await self._ask.source(window.read(asked.window, key="window"))
        rows = await self._ask.rows(graph.questions(asked.namespace, source))
        found = graph.edges(rows, self._known)
        return insight.GraphResponse(
            nodes=graph.nodes(rows, found, self._known, asked.namespace), edges=graph.messages(found)
        )

    async def series(self, asked: insight.SeriesRequest) -> insight.SeriesResponse:
        """Golden metrics over time."""
        over, span = window.read(asked.window, key="window"), window.span(asked.range, asked.step)
        subject = resolve.one(asked.subject, self._known)
        plan = series.questions(subject, self._known, await self._ask.source(over))
        lines = await self._ask.lines(plan.queries, span)
        return insight.SeriesResponse(series=series.series(subject, plan, lines))

    async def links(self, asked: insight.LinksRequest) -> insight.LinksResponse:
        """Gateways over time."""
        span = window.span(asked.range, asked.step)
        rows = await self._ask.rows(gateways.questions(query.Source(span.seconds)))
        lines = await self._ask.lines(gateways.over_time(), span)
        return insight.LinksResponse(links=gateways.links(gateways.read(self._known, rows), lines))

    async def _subject(self, asked: insight.RowsRequest) -> tuple[resolve.Subject, query.Source]:
        over = window.read(asked.window, key="window")
        return resolve.one(asked.subject, self._known, asked.label_selector), await self._ask.source(over)


def _parents(subject: resolve.Subject) -> resolve.Handle:
    """A Service as what was called, by whomever."""
    matches = (query.equal("parent_kind", "Service"),)
    matches += (query.equal("parent_namespace", subject.namespace),) if subject.namespace else ()
    matches += (query.equal("parent_name", subject.name),) if subject.name else ()

    def named(row: samples.Row) -> names.Key | None:
        found = names.Key(row.label("parent_namespace"), row.label("parent_name"))
        return found if subject.takes(found) else None

    return resolve.Handle(matches, ("parent_namespace", "parent_name"), named)
