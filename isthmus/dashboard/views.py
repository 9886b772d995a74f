"""The pages by name. In: a viewer's clusters, a query. Out: a shape, joined over the clusters. Never here: HTTP, streams, sessions.

A view costs what it asks; `period` says how often it is asked again while somebody looks.
"""

import datetime as dt
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from isthmus.dashboard import clusters, looks, shapes
from isthmus.dashboard.pages import common, detail, health, links, overview, permissions, splits, tables
from isthmus.errors import BadValue

KINDS = (
    "deployment",
    "statefulset",
    "daemonset",
    "job",
    "cronjob",
    "replicaset",
    "replicationcontroller",
    "pod",
    "service",
)
PARTS = {"cluster", "namespace", "kind", "name", "window"}
PERIOD, SLOW = 1.0, 15.0
NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of one viewer; `may_write` is false where the backend refuses all changes."""

    room: clusters.Room
    query: common.Query
    now: dt.datetime
    may_write: bool = True

    @property
    def chosen(self) -> tuple[clusters.Cluster, ...]:
        return self.room.chosen(self.query.cluster)

    def head(
        self, answers: clusters.Answers, words: str, *, namespaced: bool, more: Sequence[shapes.Problem] = ()
    ) -> shapes.Head:
        """The head of a page, with the command that says the same."""
        contexts = [c.context for c in self.chosen if c.context]
        command = f"isthmus {words}{common.flags(self.query, contexts, namespaced=namespaced)}"
        return shapes.Head(self.now.timestamp(), self.query.window, command, [*answers.problems, *more])


@dataclass(frozen=True, slots=True)
class View:
    """A page: how it is made, how often it is made again while somebody looks."""

    make: Callable[[Asked], Awaitable[shapes.Shape]]
    period: float = PERIOD


def parse(said: Mapping[str, str]) -> common.Query:
    """The query of a page, from the text of its address.

    Raises:
        BadValue: a part is unknown or malformed.
    """
    for key, value in said.items():
        if key not in PARTS:
            raise BadValue("the query", key, "namespace=demo", why=f"there are {', '.join(sorted(PARTS))}")
        if key == "window":
            if value not in common.WINDOWS:
                raise BadValue("window", value, '"1m"', why=f"there are {', '.join(common.WINDOWS)}")
        elif key == "kind":
            if value not in KINDS:
                raise BadValue("kind", value, '"deployment"', why=f"there are {', '.join(KINDS)}")
        elif value and not NAME.match(value):
            raise BadValue(key, value[:80], '"demo"', why="not a name")
    return common.Query(**{key: value for key, value in said.items() if value})


async def _overview(asked: Asked) -> shapes.Shape:
    seen, answers = await clusters.each(asked.chosen, lambda at: looks.graph(at, asked.query))
    empty = [
        shapes.Problem(name, f"cluster {name!r} saw no traffic between workloads in {asked.query.window}",
                       "is the workload meshed? isthmus check --proxy", "empty")
        for name, one in seen.items() if not one.graph.edges and not any(node.golden.rps for node in one.graph.nodes)
    ]  # fmt: skip
    return overview.overview(seen, answers.silent, asked.head(answers, "edges deploy", namespaced=True, more=empty))


async def _namespaces(asked: Asked) -> shapes.Shape:
    seen, answers = await clusters.each(asked.chosen, lambda at: looks.namespaces(at, asked.query))
    return overview.namespaces(seen, asked.query, asked.head(answers, "stat ns", namespaced=False))


async def _workloads(asked: Asked) -> shapes.Shape:
    kind = asked.query.kind or "deployment"
    seen, answers = await clusters.each(asked.chosen, lambda at: looks.workloads(at, asked.query, kind))
    head = asked.head(answers, f"stat {common.short(kind)}", namespaced=True)
    return tables.workloads(seen, asked.query, kind, head)


async def _workload(asked: Asked) -> shapes.Shape:
    query = asked.query
    for part in ("cluster", "namespace", "kind", "name"):
        if not getattr(query, part):
            raise BadValue(part, "", "cluster=east&namespace=demo&kind=deployment&name=web", why="a workload needs it")
    seen, answers = await clusters.each(asked.chosen, lambda at: looks.one(at, query))
    head = asked.head(answers, f"stat {common.short(query.kind)}/{query.name}", namespaced=True)
    return detail.workload_page(seen.get(query.cluster, detail.Seen()), query, asked.now.timestamp(), head)


async def _links(asked: Asked) -> shapes.Shape:
    notes: looks.Notes = []
    seen, answers = await clusters.each(asked.chosen, lambda at: looks.gateways(at, asked.query, notes))
    if not answers.problems and not any(one.links for one in seen.values()):
        notes.append(
            shapes.Problem("", "no cluster of these is the source of a link", "isthmus link east west --apply", "empty")
        )
    return links.links(seen, asked.head(answers, "gateways", namespaced=False, more=notes))


async def _splits(asked: Asked) -> shapes.Shape:
    notes: looks.Notes = []
    seen, answers = await clusters.each(asked.chosen, lambda at: looks.split_rules(at, asked.query, notes))
    head = asked.head(answers, "stat-outbound deploy", namespaced=True, more=notes)
    return splits.splits(seen, asked.query, head, writable=asked.may_write)


async def _policy(asked: Asked) -> shapes.Shape:
    notes: looks.Notes = []
    seen, answers = await clusters.each(asked.chosen, lambda at: looks.policy(at, asked.query, notes))
    return permissions.policy(seen, asked.query, asked.head(answers, "authz deploy", namespaced=True, more=notes))


async def _health(asked: Asked) -> shapes.Shape:
    notes: looks.Notes = []
    seen, answers = await clusters.each(asked.chosen, lambda at: looks.well(at, asked.now, notes))
    head = asked.head(answers, "check --proxy", namespaced=False, more=notes)
    each = "; ".join(f"isthmus check --proxy --context {c.context}" for c in asked.chosen if c.context)
    return health.health(seen, msgspec.structs.replace(head, window="", command=each or "isthmus check --proxy"))


VIEWS: Mapping[str, View] = {
    "overview": View(_overview),
    "namespaces": View(_namespaces),
    "workloads": View(_workloads),
    "workload": View(_workload),
    "links": View(_links),
    "splits": View(_splits),
    "policy": View(_policy),
    "health": View(_health, SLOW),
}


def view(name: str) -> View:
    """The page of that name.

    Raises:
        BadValue: there is none.
    """
    if name not in VIEWS:
        raise BadValue("view", name[:80], '"overview"', why=f"there are {', '.join(VIEWS)}")
    return VIEWS[name]
