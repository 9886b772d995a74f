"""Several clusters asked at once. In: `--context east,west` or `--all-clusters`. Out: an answer of each, or why there is none.

A cluster that is away never hides the others: its answer is a sentence. Nothing central is kept; each cluster is asked with the rights of
its own context. Never here: what is asked, printing. Limits: CLUSTERS clusters, SECONDS for each answer.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from isthmus import names
from isthmus.cli import scope as scopes
from isthmus.errors import BadValue, IsthmusError, Unreachable
from isthmus.kube import access
from isthmus.kube import client as kube
from isthmus.viz import client as viz

CLUSTERS = 64
SECONDS = 15.0
T = TypeVar("T")
A = TypeVar("A")


class Asks(Protocol):
    """What answers questions about one cluster's traffic; `isthmus.viz.client.Metrics`, or a double in tests."""

    async def ask(self, service: str, method: str, question: viz.Message, answer: viz.Answer[A]) -> A: ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster that is asked. `namespace` is its context's own."""

    name: str
    context: str
    namespace: str
    metrics: Asks
    client: kube.Client


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What one cluster said: a value, or the error instead."""

    cluster: Cluster
    value: T | None = None
    error: IsthmusError | None = None

    @property
    def absent(self) -> bool:
        """Whether the cluster answers and has no metrics API."""
        cause = self.error.__cause__ if self.error else None
        return isinstance(cause, kube.ApiError) and viz.absent(cause)


def asked(scope: scopes.Scope, *, every: bool) -> list[access.Access]:
    """The clusters a command line names.

    Raises:
        IsthmusError: a context is unknown, or there are too many.
    """
    if every:
        found = [access.load(context, scope.kubeconfig) for context in access.contexts(scope.kubeconfig)]
    else:
        said = [word.strip() for word in (scope.context or "").split(",")]
        found = [access.load(context or None, scope.kubeconfig) for context in dict.fromkeys(said)]
    if len(found) > CLUSTERS:
        raise BadValue("--context", f"{len(found)} contexts", "--context east,west", why=f"more than {CLUSTERS}")
    return found


def called(contexts: Sequence[str]) -> list[str]:
    """A short name for each: what the context tells, or the whole context where two would be called the same."""
    told = [names.cluster(context) or context for context in contexts]
    return [name if told.count(name) == 1 else context for name, context in zip(told, contexts, strict=True)]


@contextlib.asynccontextmanager
async def opened(found: Sequence[access.Access]) -> AsyncGenerator[list[Cluster]]:
    """A client for each cluster, closed at the end."""
    async with contextlib.AsyncExitStack() as stack:
        clusters: list[Cluster] = []
        for name, where in zip(called([one.context for one in found]), found, strict=True):
            client = await stack.enter_async_context(kube.Client(where, timeout=SECONDS))
            clusters.append(Cluster(name, where.context, where.namespace, viz.Metrics(client), client))
        yield clusters


async def gather(
    clusters: Sequence[Cluster], work: Callable[[Cluster], Awaitable[T]], *, seconds: float = SECONDS
) -> list[Answer[T]]:
    """Ask all at once; the answers come in the order of the clusters, after `seconds` at the latest."""

    async def one(cluster: Cluster) -> Answer[T]:
        try:
            return Answer(cluster, await asyncio.wait_for(work(cluster), seconds))
        except TimeoutError:
            late = Unreachable(
                f"cluster {cluster.name!r} did not answer within {seconds:g} s",
                hint=f"isthmus check --context {cluster.context}",
            )
            return Answer(cluster, error=late)
        except IsthmusError as refused:
            return Answer(cluster, error=refused)

    return list(await asyncio.gather(*(one(cluster) for cluster in clusters)))


def settle(answers: Sequence[Answer[T]], *, every: bool) -> tuple[list[Answer[T]], list[str]]:
    """Those that have a value, and a sentence for each that has not. With `every`, clusters without the extension are passed over.

    Raises:
        IsthmusError: none has a value; with one cluster it is that cluster's own refusal.
    """
    well = [one for one in answers if one.error is None]
    passed = [one for one in answers if every and one.absent]
    failed = [one for one in answers if one.error is not None and one not in passed]
    if not well:
        if len(failed) == 1 and failed[0].error is not None:
            raise failed[0].error
        if not failed:
            raise IsthmusError("no context has the viz extension", hint="isthmus viz install --apply --context NAME")
        lines = "; ".join(one.error.sentence for one in failed if one.error is not None)
        raise IsthmusError(f"no cluster of {', '.join(a.cluster.name for a in failed)} answered: {lines}")
    return well, [f"{one.cluster.name}: {one.error}" for one in failed]
