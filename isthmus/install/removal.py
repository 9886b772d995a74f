"""Take everything of ours out of a cluster. In: a client. Out: what there is of ours, as documents; then an empty place.

Ours is what carries our label. Links go first, while their controller is there to remove the mirrors each made; the kinds we borrowed
from other projects stay while somebody's objects are of them. Never here: what was installed (see `core`), printing (a `Say` is given).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from lightkube.resources.apps_v1 import Deployment

from isthmus import names
from isthmus.install import core, rollout
from isthmus.kube import client as kube
from isthmus.multicluster import objects as mirror
from isthmus.multicluster.shell import join

Doc = dict[str, Any]
Say = Callable[[str], None]

LINK_DEADLINE = 20.0
POLL = 0.2
_OURS = f"{names.PART_OF_LABEL}={names.PART_OF}"
_SYSTEM = "kube-system"
"""The one namespace of others in which something of ours stands: the tap service's right to read who the API server is."""
_KINDS = (
    # apiVersion, plural, kind; in the order in which they go
    ("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
    ("apiregistration.k8s.io/v1", "apiservices", "APIService"),
    ("rbac.authorization.k8s.io/v1", f"namespaces/{_SYSTEM}/rolebindings", "RoleBinding"),
    ("v1", "namespaces", "Namespace"),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole"),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition"),
)
_INSIDE = (
    ("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "roles", "Role"),
    ("apps/v1", "deployments", "Deployment"),
    ("v1", "services", "Service"),
    ("v1", "serviceaccounts", "ServiceAccount"),
    ("v1", "configmaps", "ConfigMap"),
    ("v1", "secrets", "Secret"),
)
"""What an extension has in its own namespace."""
_LINKS = "/apis/multicluster.linkerd.io/v1alpha3/links"
_SPACES = frozenset({names.MULTICLUSTER_NS, names.VIZ_NS})


async def found(client: kube.Client, control_ns: str, *, extension: str = "") -> list[Doc]:
    """What the cluster has of ours beside Links, in the order in which it goes; what is inside our namespaces goes with them.

    With `extension` only what that extension brought.
    """
    docs: list[Doc] = []
    for api, plural, kind in _KINDS:
        for item in await _marked(client, api, plural, extension):
            name = item["metadata"]["name"]
            # A namespace of the person's may carry our label (the demonstration's does); only those we made go.
            if kind != "Namespace" or name == control_ns or name in _SPACES:
                where = {"namespace": _SYSTEM} if kind == "RoleBinding" else {}
                docs.append(
                    {"apiVersion": api, "kind": kind, "metadata": {"name": name, **where}, **_group(item, kind)}
                )
    return docs


async def left(client: kube.Client, docs: Sequence[Doc], *, extension: str, space: str) -> list[Doc]:
    """What an earlier installation of an extension made and `docs` have no longer, as rights that a setting gave; its namespace stays."""
    there = [doc for doc in await found(client, "", extension=extension) if doc["kind"] != "Namespace"]
    for api, plural, kind in _INSIDE:
        for item in await _marked(client, api, f"namespaces/{space}/{plural}", extension):
            meta = {"name": item["metadata"]["name"], "namespace": space}
            there.append({"apiVersion": api, "kind": kind, "metadata": meta})
    wanted = {rollout.describe(doc) for doc in docs}
    return [doc for doc in there if rollout.describe(doc) not in wanted]


async def _marked(client: kube.Client, api: str, path: str, extension: str) -> list[Doc]:
    """What carries our label, and an extension's where one is named."""
    chosen = f"{_OURS},{names.EXTENSION_LABEL}={extension}" if extension else _OURS
    root = f"apis/{api}" if "/" in api else f"api/{api}"
    listed = await client.raw("GET", f"/{root}/{path}?labelSelector={chosen}")
    return cast("list[Doc]", listed.get("items") or [])


def _group(item: Doc, kind: str) -> Doc:
    return (
        {"spec": {"group": item["spec"]["group"], "names": item["spec"]["names"]}}
        if kind == "CustomResourceDefinition"
        else {}
    )


async def remove(client: kube.Client, docs: Sequence[Doc], say: Say, warn: Say) -> None:
    """Remove Links, then `docs`; returns when all are gone.

    Raises:
        IsthmusError: something is still there after rollout.GONE_DEADLINE seconds; it says what.
    """
    await _remove_links(client, say, warn)
    await remove_documents(client, docs, say, warn)


async def remove_documents(client: kube.Client, docs: Sequence[Doc], say: Say, warn: Say) -> None:
    """Remove `docs` alone; returns when all are gone."""
    going: list[Doc] = []
    for doc in docs:
        if await _still_used(client, doc):
            warn(
                f"{doc['metadata']['name']} stays: objects of that kind exist; kubectl delete crd {doc['metadata']['name']} removes both"
            )
            continue
        if doc["kind"] == "CustomResourceDefinition" and any(d["kind"] == "Namespace" for d in going):
            # Definitions that go before the objects of them would leave namespaces in the middle of their own removal.
            await rollout.gone(client, [d for d in going if d["kind"] == "Namespace"], say)
            going = [d for d in going if d["kind"] != "Namespace"]
        say(f"removing {doc['kind']} {doc['metadata']['name']}")
        await client.delete_dict(doc)
        going.append(doc)
    await rollout.gone(client, going, say)


async def _remove_links(client: kube.Client, say: Say, warn: Say) -> None:
    """Delete every Link and give its controller time to remove what it mirrored."""
    deadline = asyncio.get_running_loop().time() + (LINK_DEADLINE if await _mirror_runs(client) else 0.0)
    asked = False
    while links := await _links(client):
        if not asked:
            for one in links:
                await client.delete_dict(one)
            asked = True
            continue
        if asyncio.get_running_loop().time() > deadline:
            break
        say(f"waiting for {len(links)} links to be taken apart")
        await asyncio.sleep(POLL)
    for one in await _links(client):
        warn(f"Link {one['metadata']['name']} was not taken apart by its controller; its mirrors are removed here")
        await _remove_mirrors(client, one)


async def _mirror_runs(client: kube.Client) -> bool:
    """Whether there is a controller to take Links apart."""
    found = await client.get(Deployment, mirror.CONTROLLER, names.MULTICLUSTER_NS)
    return found is not None and bool(found.status and found.status.availableReplicas)


async def _links(client: kube.Client) -> list[Doc]:
    try:
        listed = await client.raw("GET", _LINKS)
    except kube.ApiError as error:
        if error.status == 404:
            return []
        raise
    items = cast("list[Doc]", listed.get("items") or [])
    return [
        {
            "apiVersion": "multicluster.linkerd.io/v1alpha3",
            "kind": "Link",
            "metadata": item["metadata"],
            "spec": item["spec"],
        }
        for item in items
    ]


async def _remove_mirrors(client: kube.Client, link: Doc) -> None:
    """What a Link's controller would have done: mirrors, probes and their slices go, then the finalizer."""
    key = names.Key(link["metadata"]["namespace"], link["metadata"]["name"])
    await join.clear_from_here(client, key, link["spec"]["targetClusterName"])
    await join.let_go(client, key)


async def _still_used(client: kube.Client, doc: Doc) -> bool:
    """Whether a definition is borrowed and has objects."""
    if doc["kind"] != "CustomResourceDefinition" or doc["spec"]["group"] not in core.BORROWED_GROUPS:
        return False
    version = "v1alpha2" if doc["spec"]["group"] == "split.smi-spec.io" else "v1"
    listed = await client.raw("GET", f"/apis/{doc['spec']['group']}/{version}/{doc['spec']['names']['plural']}?limit=1")
    return bool(listed.get("items"))
