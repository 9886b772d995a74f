"""Questions to one cluster's metrics API. In: resources, a namespace, a view. Out: protobuf answers, or the refusal inside one raised.

Never here: several clusters (see `several`), rows of a table (see `isthmus.cli.see`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from isthmus.cli.viz import flags, resources, several
from isthmus.errors import BadValue, IsthmusError
from isthmus.rpc import insight_pb2 as insight
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz import client as viz

T = TypeVar("T")


class Refusing(Protocol):
    """An answer that is either `ok` or `error`."""

    @property
    def error(self) -> pb.ResourceError: ...

    def WhichOneof(self, oneof_group: Any) -> Any: ...  # noqa: N802 (protobuf's name)


def well(answer: Refusing) -> None:
    """Raises the error an answer carries.

    Raises:
        IsthmusError: it carries one.
    """
    if answer.WhichOneof("response") == "error":
        raise IsthmusError(answer.error.error)


def resource(one: resources.Resource, namespace: str) -> pb.Resource:
    """A resource as the API names it; a namespace stands in none."""
    return pb.Resource(namespace="" if one.kind == "namespace" else namespace, type=one.kind, name=one.name)


def subject(one: resources.Resource, namespace: str) -> insight.Subject:
    """The same for the questions that Linkerd's API has not."""
    return insight.Subject(namespace="" if one.kind == "namespace" else namespace, kind=one.kind, name=one.name)


def named_once(wanted: Sequence[resources.Resource], view: flags.View) -> None:
    """Raises where one name is asked for in every namespace.

    Raises:
        BadValue: a name and -A.
    """
    for one in wanted:
        if view.every_namespace and one.name and one.kind != "namespace":
            raise BadValue("--all-namespaces", str(one), f"{one} -n NAMESPACE", why="a name is of one namespace")


async def stat(
    cluster: several.Cluster,
    selected: pb.ResourceSelection,
    window: str,
    *,
    to: pb.Resource | None = None,
    source: pb.Resource | None = None,
    bare: bool = False,
) -> list[pb.StatTable.PodGroup.Row]:
    """Golden metrics of resources; `bare` asks only which there are and how many of their pods are meshed."""
    question = pb.StatSummaryRequest(selector=selected, time_window=window, skip_stats=bare, tcp_stats=not bare)
    if to is not None:
        question.to_resource.CopyFrom(to)
    elif source is not None:
        question.from_resource.CopyFrom(source)
    else:
        question.none.SetInParent()
    answer = await cluster.metrics.ask(viz.API, "StatSummary", question, pb.StatSummaryResponse)
    well(answer)
    return [row for one in answer.ok.stat_tables for row in one.pod_group.rows]


async def each(
    wanted: Sequence[resources.Resource], work: Callable[[resources.Resource], Awaitable[list[T]]]
) -> list[T]:
    """The same question about several resources at once, their answers in order."""
    return [row for rows in await asyncio.gather(*(work(one) for one in wanted)) for row in rows]
