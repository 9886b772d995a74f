"""Each reason for an empty table has a sentence of its own, which says what to do."""

import dataclasses
import datetime as dt

import pytest
from lightkube.models import core_v1, meta_v1
from lightkube.resources.core_v1 import Namespace, Pod

from isthmus.cli.viz import flags, why
from isthmus.cli.viz.resources import Resource
from isthmus.errors import IsthmusError
from isthmus.rpc import viz_pb2 as pb
from tests.unit.cli.viz import doubles

WELL = why.Facts(Resource("deployment", "web"), "east", "shop", "1m", ("api", "web"), running=2, meshed=2, age=600.0)
CASES = [
    ({}, "no traffic of deploy/web in namespace shop in the last 1m", "-t"),
    ({"ill": "Prometheus is away"}, "nothing was measured: Prometheus is away", "isthmus viz check --context east"),
    ({"lost": True}, "there is no namespace 'shop'", "get namespaces"),
    ({"wanted": Resource("deployment", "wep")}, "there is no deployment 'wep' in namespace shop", "there is web"),
    ({"wanted": Resource("deployment"), "there": ()}, "there is no deployment in namespace shop", "-A"),
    ({"running": 0, "meshed": 0}, "deploy/web in namespace shop has no running pod", "get pods -n shop"),
    ({"meshed": 0}, "deploy/web in namespace shop is not meshed", "linkerd.io/inject=enabled"),
    ({"meshed": 0, "space": "kube-system"}, "nothing in namespace kube-system is meshed", "leaves it alone"),
    ({"age": 4.2}, "deploy/web in namespace shop began 4 s ago", "again in a moment"),
    ({"wanted": Resource("service", "web"), "running": 0, "meshed": 0}, "no traffic of svc/web", "--from"),
]


@pytest.mark.parametrize(("changed", "says", "todo"), CASES, ids=[says[:30] for _, says, _ in CASES])
def test_reasons(changed, says, todo):
    told = why.reason(dataclasses.replace(WELL, **changed))
    assert told.startswith(says) and todo in told


def test_they_are_all_different():
    told = [why.reason(dataclasses.replace(WELL, **changed)) for changed, _, _ in CASES]
    assert len(set(told)) == len(CASES)


class Objects:
    """A client that knows one namespace and its pods, or refuses everything."""

    def __init__(self, refused: bool = False) -> None:
        self.refused = refused

    async def get(self, kind, name, namespace=None):
        if self.refused:
            raise IsthmusError("forbidden")
        return Namespace() if name == "demo" else None

    async def list(self, kind, namespace=None, labels=None):
        if self.refused:
            raise IsthmusError("forbidden")
        began = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
        return [Pod(metadata=meta_v1.ObjectMeta(name="web-1"), status=core_v1.PodStatus(startTime=began))]


def stats(*rows: tuple[str, int, int]) -> pb.StatSummaryResponse:
    made = [
        pb.StatTable.PodGroup.Row(resource=pb.Resource(name=name), meshed_pod_count=meshed, running_pod_count=running)
        for name, meshed, running in rows
    ]
    return pb.StatSummaryResponse(ok={"stat_tables": [pb.StatTable(pod_group={"rows": made})]})


CHECKED = pb.SelfCheckResponse(results=[pb.CheckResult()])
ILL = pb.SelfCheckResponse(results=[pb.CheckResult(Status=pb.FAIL, FriendlyMessageToUser="Prometheus is away")])


@pytest.mark.parametrize(
    ("check", "rows", "client", "space", "says"),
    [
        (ILL, stats(), Objects(), None, "nothing was measured: Prometheus is away"),
        (IsthmusError("no metrics API"), stats(), Objects(), None, "nothing was measured: no metrics API"),
        (CHECKED, stats(), Objects(), "shop", "there is no namespace 'shop'"),
        (CHECKED, stats(("api", 1, 1)), Objects(), None, "there is no deployment 'web'"),
        (CHECKED, stats(("web", 0, 1)), Objects(), None, "deploy/web in namespace demo is not meshed"),
        (CHECKED, stats(("web", 1, 1)), Objects(), None, "deploy/web in namespace demo began 5 s ago"),
        (CHECKED, stats(("web", 1, 1)), Objects(refused=True), None, "no traffic of deploy/web"),
    ],
)
async def test_a_look(check, rows, client, space, says):
    cluster = doubles.cluster("east", client=client, SelfCheck=check, StatSummary=rows)
    told = await why.explain(cluster, Resource("deployment", "web"), flags.View(namespace=space))
    assert told.startswith(says)
