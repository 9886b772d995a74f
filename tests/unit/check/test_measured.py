"""One look at the viz extension, whatever goes wrong."""

import datetime as dt
from types import SimpleNamespace

import pytest
from lightkube.models import core_v1, meta_v1
from lightkube.resources.core_v1 import Pod

from isthmus.check import measured
from isthmus.kube import client as kube
from isthmus.rpc import viz_pb2 as pb

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def pod(name: str, age: float, phase: str = "Running", proxy: str = "linkerd-proxy") -> Pod:
    began = NOW - dt.timedelta(seconds=age)
    return Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace="shop"),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name=proxy)]),
        status=core_v1.PodStatus(phase=phase, startTime=began),
    )


class Client:
    """An API server: the tap service's status, the metrics API's answers, meshed pods."""

    def __init__(self, tap, check, known=()) -> None:
        self.access = SimpleNamespace(context="east")
        self.tap, self.check, self.known = tap, check, known

    async def raw(self, method, path):
        if self.tap is None:
            raise kube.ApiError(404, "NotFound", "none")
        return {"status": {"conditions": self.tap}}

    async def post(self, path, body, content):
        if isinstance(self.check, Exception):
            raise self.check
        pods = [pb.Pod(name=name, added=True) for name in self.known]
        return (pb.ListPodsResponse(pods=pods) if path.endswith("ListPods") else self.check).SerializeToString()

    async def list(self, kind, namespace=None, labels=None):
        return [pod("old", 600), pod("new", 5), pod("done", 600, "Succeeded"), pod("bare", 600, proxy="app")]


WELL = pb.SelfCheckResponse(results=[pb.CheckResult(CheckDescription="x")])
ILL = pb.SelfCheckResponse(results=[pb.CheckResult(CheckDescription="x", Status=pb.FAIL)])
AVAILABLE = [{"type": "Available", "status": "True"}]


@pytest.mark.parametrize(
    ("client", "found"),
    [
        (Client(AVAILABLE, WELL, ["shop/old"]), measured.Viz(tap="", unread=[], bad=[])),
        (Client(None, WELL), measured.Viz(unread=["shop/old"], bad=[])),
        (Client(AVAILABLE, ILL), measured.Viz(tap="", bad=["x"], unread=[])),
        (
            Client([{"type": "Available", "status": "False", "message": "no road"}], ILL),
            measured.Viz(tap="no road", bad=["x"], unread=[]),
        ),
        (
            Client([], kube.ApiError(404, "NotFound", "none")),
            measured.Viz(tap="the API server has not looked at it yet", error="cluster 'east' has no metrics API"),
        ),
    ],
    ids=["well", "unread", "ill", "no tap", "no metrics API"],
)
async def test_a_look(client, found):
    assert await measured.gather(client, NOW) == found
