"""The last story (files run in the order of their names): unlink leaves none of our link's objects in either cluster."""

import pytest

from tests.lab import mesh

pytestmark = pytest.mark.lab

KINDS = "services,endpointslices,secrets,links.multicluster.linkerd.io,serviceaccounts,leases"


def test_unlink_leaves_nothing(client: mesh.Inside) -> None:
    mesh.isthmus("unlink", "east", "west", "--apply")
    left = [
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
        for item in mesh.objects("east", KINDS, "-A")
        if "mirror.linkerd.io/cluster-name" in (item["metadata"].get("labels") or {})
        or item["kind"] == "Link"
        or "credentials-west" in item["metadata"]["name"]
        or item["metadata"]["name"].startswith("probe-")
    ]
    assert left == []
    account = [
        item["metadata"]["name"]
        for item in mesh.objects("west", "serviceaccounts,secrets,clusterroles,clusterrolebindings", "-A")
        if "remote-access" in item["metadata"]["name"]
    ]
    assert account == []
