"""Carry documents into a cluster, wait until they work, take them out again. In: documents, a client. Out: what happened, in words.

Everything is server-side applied under our field manager, so a second run changes nothing and fields of others stay theirs.
Never here: what the documents are (see `core`), printing (a `Say` is given). Limits: AT_ONCE calls at a time, DEADLINE seconds a wait.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.inject import shape
from isthmus.kube import client as kube

Doc = dict[str, Any]
Say = Callable[[str], None]

AT_ONCE = 8
DEADLINE = 180.0
POLL = 0.2
DEFINITION_DEADLINE = 30.0
GONE_DEADLINE = 120.0

_TIERS: tuple[frozenset[str], ...] = (
    frozenset({"Namespace", "CustomResourceDefinition"}),
    frozenset({"ServiceAccount", "ClusterRole", "Role", "ConfigMap", "Secret"}),
    frozenset({"ClusterRoleBinding", "RoleBinding", "Service"}),
    frozenset({"Deployment"}),
)
"""Kinds that must be there before the next; everything else comes last."""


@dataclass(frozen=True, slots=True)
class Ready:
    """How far a Deployment is. `trouble` says what holds it up, where a pod's state says so."""

    done: bool
    text: str
    trouble: str = ""


def tiers(docs: Iterable[Doc]) -> list[list[Doc]]:
    """The documents in the order of their kinds."""
    rows: list[list[Doc]] = [[] for _ in range(len(_TIERS) + 1)]
    for one in docs:
        rows[next((i for i, kinds in enumerate(_TIERS) if one["kind"] in kinds), len(_TIERS))].append(one)
    return [row for row in rows if row]


async def apply(client: kube.Client, docs: Sequence[Doc], say: Say, *, gone_within: float = GONE_DEADLINE) -> None:
    """Apply all documents; custom resources wait until their definitions are served.

    A namespace or definition of before that is on its way out is waited for, `gone_within` seconds: nothing can be made in it.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    await gone(client, [d for d in docs if d["kind"] in _TIERS[0]], say, leaving=True, deadline=gone_within)

    async def one(doc: Doc) -> None:
        async with gate:
            say(f"applying {describe(doc)}")
            await client.apply_dict(doc)

    for row in tiers(docs):
        try:
            async with asyncio.TaskGroup() as group:
                for doc in row:
                    group.create_task(one(doc))
        except* IsthmusError as failed:
            raise _first(failed) from None
        fresh = [d for d in row if d["kind"] == "CustomResourceDefinition"]
        if fresh:
            await _established(client, fresh, say)


def _first(group: BaseExceptionGroup[IsthmusError]) -> IsthmusError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, IsthmusError) else IsthmusError(str(found))


async def _established(client: kube.Client, definitions: Sequence[Doc], say: Say) -> None:
    waiting = {d["metadata"]["name"] for d in definitions}
    deadline = asyncio.get_running_loop().time() + DEFINITION_DEADLINE
    while waiting:
        say(f"waiting for {len(waiting)} definitions to be served")
        for name in sorted(waiting):
            found = await client.raw("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
            conditions = shape.rows(found, "status", "conditions")
            if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                waiting.discard(name)
        if waiting and asyncio.get_running_loop().time() > deadline:
            raise IsthmusError(
                f"the API server does not serve {min(waiting)}", hint=f"kubectl describe crd {min(waiting)}"
            )
        if waiting:
            await asyncio.sleep(POLL)


async def gone(
    client: kube.Client, docs: Sequence[Doc], say: Say, *, leaving: bool = False, deadline: float = GONE_DEADLINE
) -> None:
    """Until none of these is there any more; with `leaving` only those count that are on their way out.

    Raises:
        IsthmusError: one is still there after `deadline` seconds; it says which, and what the server says of it.
    """
    end = asyncio.get_running_loop().time() + deadline
    left: list[Doc] = list(docs)
    while left:
        stored = await asyncio.gather(*(client.get_dict(doc) for doc in left))
        there = [(doc, one) for doc, one in zip(left, stored, strict=True) if one is not None]
        there = [(doc, one) for doc, one in there if not leaving or one["metadata"].get("deletionTimestamp")]
        left = [doc for doc, _ in there]
        if left and asyncio.get_running_loop().time() > end:
            raise IsthmusError(
                f"{describe(left[0])} is still there after {deadline:.0f} s{_remaining(there[0][1])}",
                hint=f"kubectl get {left[0]['kind'].lower()} {left[0]['metadata']['name']} -o yaml says what holds it; then try again",
            )
        if left:
            say(f"waiting for {describe(left[0])} to be gone")
            await asyncio.sleep(POLL)


def _remaining(found: Doc) -> str:
    """What the server says holds up a removal; empty where it says nothing."""
    said = [
        str(c["message"])
        for c in shape.rows(found, "status", "conditions")
        if c.get("status") == "True" and ("Remaining" in str(c.get("type")) or "Failure" in str(c.get("type")))
    ]
    return f": {said[-1]}" if said else ""


def describe(doc: Doc) -> str:
    """`Deployment linkerd/linkerd-identity`."""
    meta = doc["metadata"]
    return f"{doc['kind']} {meta['namespace'] + '/' if meta.get('namespace') else ''}{meta['name']}"


def progress_of(found: Deployment) -> Ready:
    """Whether a Deployment has rolled out, as its status says."""
    spec, status, meta = found.spec, found.status, found.metadata
    wanted = spec.replicas if spec and spec.replicas is not None else 1
    if status is None or meta is None or (status.observedGeneration or 0) < (meta.generation or 0):
        return Ready(False, f"0/{wanted}")
    updated, ready, total = status.updatedReplicas or 0, status.availableReplicas or 0, status.replicas or 0
    return Ready(updated >= wanted and ready >= wanted and total <= wanted, f"{min(updated, ready)}/{wanted}")


async def wait(client: kube.Client, docs: Sequence[Doc], say: Say, done: Say, *, deadline: float = DEADLINE) -> None:
    """Until every Deployment among `docs` has rolled out.

    Raises:
        IsthmusError: one has not after `deadline` seconds; it says which, and what its pods say.
    """
    waiting = {names.Key(d["metadata"]["namespace"], d["metadata"]["name"]) for d in docs if d["kind"] == "Deployment"}
    end = asyncio.get_running_loop().time() + deadline
    while waiting:
        seen: list[str] = []
        for key in sorted(waiting, key=str):
            found = await client.get(Deployment, key.name, key.namespace)
            state = progress_of(found) if found is not None else Ready(False, "missing")
            if state.done:
                waiting.discard(key)
                done(f"{key} is ready")
            else:
                seen.append(f"{key.name} {state.text}")
        if waiting and asyncio.get_running_loop().time() > end:
            late = min(waiting, key=str)
            trouble = await pod_trouble(client, late)
            raise IsthmusError(
                f"Deployment {late} is not ready after {deadline:.0f} s{f': {trouble}' if trouble else ''}",
                hint=f"kubectl -n {late.namespace} describe pods, or wait longer with --timeout",
            )
        if waiting:
            say(f"waiting for {', '.join(seen)}")
            await asyncio.sleep(POLL)


async def pod_trouble(client: kube.Client, deployment: names.Key) -> str:
    """Why a Deployment's pods do not run, in the words of their containers' states; empty where they say nothing."""
    found = await client.get(Deployment, deployment.name, deployment.namespace)
    if found is None:
        return "it does not exist"
    for pod in await client.list(
        Pod, deployment.namespace, cast("dict[str, str]", found.spec.selector.matchLabels or {})
    ):
        statuses = (
            [*(pod.status.initContainerStatuses or []), *(pod.status.containerStatuses or [])] if pod.status else []
        )
        for one in statuses:
            waiting = one.state.waiting if one.state else None
            if waiting is not None and waiting.reason not in ("PodInitializing", "ContainerCreating", None):
                return (
                    f"container {one.name} is in {waiting.reason}{f' ({waiting.message})' if waiting.message else ''}"
                )
            if not one.ready and one.state is not None and one.state.running is not None:
                return f"container {one.name} runs but is not ready"
    return ""


async def changes(client: kube.Client, docs: Sequence[Doc]) -> list[tuple[str, Doc]]:
    """What applying would do to each document: create, change or unchanged. The server answers as if it were done, and does nothing."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(doc: Doc) -> tuple[str, Doc]:
        async with gate:
            before = await client.get_dict(doc)
            if before is None:
                return "create", doc
            after = await client.apply_dict(doc, dry_run=True)
            return ("unchanged" if _content(before) == _content(after) else "change"), doc

    return list(await asyncio.gather(*(one(doc) for doc in docs)))


def _content(doc: Doc) -> Doc:
    """A document without what the server counts up or notes by itself."""
    meta = {k: v for k, v in doc["metadata"].items() if k not in ("managedFields", "resourceVersion", "generation")}
    return {**{k: v for k, v in doc.items() if k != "status"}, "metadata": meta}
