"""What people are told when a cluster's metrics API refuses, or is not there."""

import pytest

from isthmus.kube import client as kube
from isthmus.viz import client


@pytest.mark.parametrize(
    ("error", "says", "hint"),
    [
        (kube.ApiError(404, "NotFound", "services"), "cluster 'east' has no metrics API", "viz install --apply"),
        (kube.ApiError(404, "", "no such method"), "of another version: no such method", "viz upgrade --apply"),
        (kube.ApiError(503, "ServiceUnavailable", "no endpoints"), "is not ready", "isthmus check"),
        (kube.ApiError(424, "", "Prometheus is away"), "cluster 'east': Prometheus is away", "viz check"),
        (kube.ApiError(400, "", "no such resource"), "cluster 'east': no such resource", ""),
        (kube.ApiError(403, "Forbidden", "may not"), "cluster 'east': may not", ""),
    ],
)
def test_refusals_are_told(error, says, hint):
    told = client.told(error, "east")
    assert says in told.sentence and hint in told.hint
    assert client.absent(error) is ("no metrics API" in says)
