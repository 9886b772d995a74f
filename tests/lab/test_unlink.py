"""The last story (files run in the order of their names): unlink leaves none of our link's objects in either cluster."""

import pytest

from isthmus import names
from isthmus.multicluster import objects
from tests.lab import mesh

pytestmark = pytest.mark.lab

SOURCE_KINDS = "services,endpointslices,secrets,links.multicluster.linkerd.io,leases"
TARGET_KINDS = "serviceaccounts,secrets,roles,rolebindings,links.multicluster.linkerd.io"


def ids(items: list[mesh.Doc]) -> list[str]:
    return [f"{i['kind']} {i['metadata'].get('namespace', '')}/{i['metadata']['name']}" for i in items]


def of_a_link(item: mesh.Doc) -> bool:
    """Whether an object in a source is part of a link: by its kind, its label, or its name."""
    meta = item["metadata"]
    labels = meta.get("labels") or {}
    marked = names.CLUSTER_NAME in labels or "multicluster.linkerd.io/cluster-name" in labels
    named = meta["name"].startswith(("probe-", "cluster-credentials-", "service-mirror-write-"))
    return item["kind"] == "Link" or marked or named


def of_a_source(item: mesh.Doc) -> bool:
    """Whether an object in a target is what it grants a source."""
    labels = item["metadata"].get("labels") or {}
    return objects.REMOTE_ACCESS in item["metadata"]["name"] or objects.SOURCE_LABEL in labels or item["kind"] == "Link"


def in_target() -> list[mesh.Doc]:
    wide = mesh.objects("west", "clusterroles,clusterrolebindings")
    return [one for one in [*mesh.objects("west", TARGET_KINDS, "-A"), *wide] if of_a_source(one)]


def test_unlink_leaves_nothing(client: mesh.Inside) -> None:
    # What a person may have put beside the link by `link-gen`: a copy of the credentials in the control plane's namespace.
    secret = next(
        s for s in mesh.objects("east", "secrets", "-A") if s["metadata"]["name"] == "cluster-credentials-west"
    )
    meta = {"name": secret["metadata"]["name"], "namespace": names.CONTROL_NS}
    mesh.apply(
        "east", {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": secret["data"], "type": secret["type"]}
    )
    # The questions find what is there, so that an empty answer means something.
    assert {"Link", "Secret", "Service", "EndpointSlice", "Lease"} <= {
        one["kind"] for one in mesh.objects("east", SOURCE_KINDS, "-A") if of_a_link(one)
    }
    granted = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    assert granted <= {one["kind"] for one in in_target()}
    mesh.isthmus("unlink", "east", "west", "--apply")
    assert ids([one for one in mesh.objects("east", SOURCE_KINDS, "-A") if of_a_link(one)]) == []
    assert ids(in_target()) == []
