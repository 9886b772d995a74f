"""What a watch of slim kinds reads, and what it leaves unread."""

import json

from isthmus.kube import client, slim

WROTE = {"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:status": {"f:podIP": {}, "f:phase": {}}}}
POD = {
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "managedFields": [WROTE, WROTE]},
    "spec": {"nodeName": "n1", "serviceAccountName": "web", "containers": [{"name": "app", "env": [{"name": "A"}]}]},
    "status": {"podIP": "10.1.0.1"},
}


def test_who_wrote_which_field_is_not_kept():
    line = json.dumps({"type": "ADDED", "object": POD}).encode()
    found = client.read_change(line, slim.Pod).obj
    assert found.metadata and found.spec and found.status
    assert (found.metadata.labels, found.spec.serviceAccountName, found.status.podIP) == (
        {"app": "web"},
        "web",
        "10.1.0.1",
    )
    assert found.metadata.managedFields == [slim.Part(), slim.Part()]
