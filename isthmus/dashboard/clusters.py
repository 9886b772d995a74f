"""The clusters a dashboard may show. In: contexts, or the pod's own account; a viewer's token. Out: a client and a metrics API for each.

Never here: what is asked, sessions. Limit: CLUSTERS clusters of one dashboard.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from isthmus import names
from isthmus.dashboard import shapes
from isthmus.errors import BadValue, IsthmusError
from isthmus.kube import access
from isthmus.kube import client as kube
from isthmus.viz import client as viz

CLUSTERS = 32
MANAGER = "isthmus-dashboard"
"""Who writes, in the words of server-side apply."""
PATIENCE = 8.0
"""Seconds one call may take; a page waits for the slowest of its clusters so long."""

T = TypeVar("T")
A = TypeVar("A")


class Asks(Protocol):
    """What answers questions about one cluster's traffic; `isthmus.viz.client.Metrics`, or a double in tests."""

    async def ask(self, service: str, method: str, question: viz.Message, answer: viz.Answer[A]) -> A: ...


@dataclass(frozen=True, slots=True)
class Spaces:
    """Where things of ours are."""

    control: str = names.CONTROL_NS
    viz: str = names.VIZ_NS
    multicluster: str = names.MULTICLUSTER_NS


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster, as one viewer. `context` is "" where no command could name it."""

    name: str
    context: str
    access: access.Access
    client: kube.Client
    metrics: Asks
    spaces: Spaces = field(default_factory=Spaces)

    @property
    def ref(self) -> shapes.ClusterRef:
        return shapes.ClusterRef(self.name, self.context, self.access.server)


@dataclass(frozen=True, slots=True)
class Answers:
    """What asked clusters said, and why others did not."""

    problems: Sequence[shapes.Problem]

    @property
    def silent(self) -> Mapping[str, str]:
        """Cluster -> why it said nothing."""
        return {p.cluster: p.sentence for p in self.problems}


class Room:
    """All clusters of one viewer. Closed by whoever made it."""

    def __init__(self, clusters: Sequence[Cluster]) -> None:
        self.clusters = tuple(clusters)

    def chosen(self, name: str) -> tuple[Cluster, ...]:
        """The one of that name, all for "".

        Raises:
            BadValue: there is none.
        """
        if not name:
            return self.clusters
        found = tuple(c for c in self.clusters if c.name == name)
        if not found:
            raise BadValue("cluster", name, ", ".join(c.name for c in self.clusters), why="not shown by this dashboard")
        return found

    async def close(self) -> None:
        """End the connections to every cluster."""
        for one in self.clusters:
            await one.client.close()


def room(accesses: Sequence[access.Access], spaces: Spaces, *, name: str = "", token: str = "") -> Room:
    """A room of these clusters, as the user of each access, or with a token instead.

    `name` is what a single cluster is called where its context does not tell (in a pod). Two that would have one name are called by
    their contexts.

    Raises:
        BadValue: too many.
    """
    if len(accesses) > CLUSTERS:
        raise BadValue("--context", f"{len(accesses)} contexts", "east,west", why=f"at most {CLUSTERS}")
    told = [name or names.cluster(one.context) or one.context for one in accesses]
    made: dict[str, Cluster] = {}
    for short, one in zip(told, accesses, strict=True):
        here = one.context == access.IN_CLUSTER
        called = short if told.count(short) == 1 else one.context
        known = one.as_user(token) if token else one
        client = kube.Client(known, field_manager=MANAGER, timeout=PATIENCE)
        metrics = viz.Metrics(client, spaces.viz)
        made[called] = Cluster(called, "" if here else one.context, known, client, metrics, spaces)
    return Room(list(made.values()))


async def each(clusters: Sequence[Cluster], look: Callable[[Cluster], Awaitable[T]]) -> tuple[Mapping[str, T], Answers]:
    """`look` at every cluster at once; a cluster that fails is a problem of the page, and not its end."""
    found = await asyncio.gather(*(_tried(c, look) for c in clusters))
    answered = {c.name: one for c, one in zip(clusters, found, strict=True) if not isinstance(one, shapes.Problem)}
    problems = [one for one in found if isinstance(one, shapes.Problem)]
    return answered, Answers(problems)


async def _tried(cluster: Cluster, look: Callable[[Cluster], Awaitable[T]]) -> T | shapes.Problem:
    try:
        return await look(cluster)
    except kube.ApiError as refused:
        kind = "refused" if refused.status in (401, 403) else "away"
        return shapes.Problem(cluster.name, refused.sentence, refused.hint, kind)
    except IsthmusError as failed:
        return shapes.Problem(cluster.name, failed.sentence, failed.hint, "away")
