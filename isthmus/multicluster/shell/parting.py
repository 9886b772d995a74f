"""What an unlink takes away, found before anything is removed. In: a cluster, choices. Out: documents that name objects, and hold no more.

An account in the target is this source's when its annotation holds the uid of the source, whatever it is called; one that has the
source's name and another source's uid is left alone. Never here: the order of a removal in the source (see `join.part`), words.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from lightkube.resources.core_v1 import Service, ServiceAccount
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.kube import client as kube
from isthmus.kube import crds
from isthmus.multicluster import link, objects, world

Doc = link.Doc


async def in_source(client: kube.Client, choices: link.Choices) -> list[Doc]:
    """Every object a link has in its source: Link, credentials with their copy, Lease, mirrors and probes with their slices."""
    secret, mine = names.credentials(choices.cluster), {names.CLUSTER_NAME: choices.cluster}
    named = [
        _named(objects.LINK_API, "Link", names.Key(choices.namespace, choices.cluster)),
        _named("v1", "Secret", names.Key(choices.namespace, secret)),
        _named("v1", "Secret", names.Key(choices.control_ns, secret)),
        _named("coordination.k8s.io/v1", "Lease", names.Key(choices.namespace, lease(choices.cluster))),
    ]
    there, services, slices = await asyncio.gather(
        _present(client, named), client.list(Service, labels=mine), client.list(EndpointSlice, labels=mine)
    )
    known = [world.local(one) for one in services]
    mirrors = [one.key for one in known if (one.cluster and one.origin) or one.gateway_of]
    pieces = [one.key for one in map(world.mirror_slice, slices) if one]
    return [
        *there,
        *(_named("v1", "Service", key) for key in mirrors),
        *(_named("discovery.k8s.io/v1", "EndpointSlice", key) for key in pieces),
    ]


async def in_target(client: kube.Client, choices: link.Choices, source_uid: str) -> list[Doc]:
    """What the target grants the source, in the order to remove it; `source_uid` "" goes by the name alone."""
    found = await client.list(ServiceAccount, choices.namespace, labels={names.PART_OF_LABEL: names.PART_OF})
    theirs = {
        (one.metadata.name or ""): cast(Mapping[str, str], one.metadata.annotations or {}).get(objects.SOURCE_UID, "")
        for one in found
        if one.metadata
    }
    docs: list[Doc] = []
    for account in accounts(theirs, objects.account_name(choices.source), source_uid):
        granted = objects.remote_access(
            account, namespace=choices.namespace, control_ns=choices.control_ns, for_linkerd=True
        )
        docs += [_named(d["apiVersion"], d["kind"], _key(d)) for d in reversed(granted)]
    return await _present(client, docs)


def accounts(theirs: Mapping[str, str], name: str, source_uid: str) -> list[str]:
    """Which accounts are the source's: `theirs` is account -> the source uid it is annotated with. `name` counts also where its account
    is gone and rights may be left.
    """
    by_uid = [account for account, uid in theirs.items() if uid and uid == source_uid]
    unknown = not source_uid or theirs.get(name, source_uid) in ("", source_uid)
    return sorted({*by_uid, *([name] if unknown else [])})


async def leading_to(client: kube.Client, uid: str, namespace: str) -> list[str]:
    """Names of the Links whose target has this uid; none where the kind is not installed."""
    try:
        found = await client.list(crds.Link, namespace)
    except IsthmusError:
        return []
    notes = {
        (one.metadata.name or ""): cast(Mapping[str, str], one.metadata.annotations or {})
        for one in found
        if one.metadata
    }
    return sorted(name for name, held in notes.items() if uid and held.get(objects.TARGET_UID) == uid)


async def remove(client: kube.Client, docs: Iterable[Doc]) -> int:
    """Asks for each to go; how many were there."""
    return sum([await client.delete_dict(doc) for doc in docs])


def lease(cluster: str) -> str:
    """The Lease under which one process at a time writes a Link's mirrors."""
    return names.shorten(f"service-mirror-write-{cluster}")


def _named(api: str, kind: str, key: names.Key) -> Doc:
    meta = {"name": key.name, **({"namespace": key.namespace} if key.namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta}


def _key(doc: Doc) -> names.Key:
    return names.Key(doc["metadata"].get("namespace", ""), doc["metadata"]["name"])


async def _present(client: kube.Client, docs: Sequence[Doc]) -> list[Doc]:
    found = await asyncio.gather(*(client.get_dict(doc) for doc in docs))
    return [doc for doc, one in zip(docs, found, strict=True) if one is not None]
