"""The metrics API's watches against a real API server: what tables are about comes, goes, outlasts an outage, and is read by right.

There is no Prometheus here: every question is one that is answered from the cluster's objects.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import prometheus_client
import pytest

from isthmus import logs
from isthmus.errors import IsthmusError
from isthmus.install import objects
from isthmus.install.viz import metrics_api
from isthmus.kube import client as kube
from isthmus.rpc import viz_grpc
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve import runtime
from isthmus.viz import run
from tests.api import plane

Doc = dict[str, Any]


@asynccontextmanager
async def started(reached: kube.Client) -> AsyncGenerator[tuple[runtime.Runtime, int]]:
    """The metrics API's parts, and the port it will answer on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        options = run.Options(prometheus_url="http://127.0.0.1:1", port=free.getsockname()[1], http_port=0)
    async with asyncio.TaskGroup() as group:
        process = runtime.Runtime(group, logs.get(), prometheus_client.CollectorRegistry())
        drain = group.create_task(process.drain())
        await run.wire(process, options, reached)
        yield process, options.port
        process.stop()
        await drain


@asynccontextmanager
async def answering(client: kube.Client) -> AsyncGenerator[tuple[viz_grpc.Api, runtime.Runtime]]:
    """One that is ready, and a client of it."""
    async with started(kube.Client(client.access)) as (process, port):
        await until(lambda: not process.unready(), "ready")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield viz_grpc.Api(channel), process


async def until(test: Callable[[], Any], what: str, limit: float = 20) -> None:
    """Waits for a test, which may itself have to wait."""
    end = asyncio.get_running_loop().time() + limit
    while not (await found if asyncio.iscoroutine(found := test()) else found):
        assert asyncio.get_running_loop().time() < end, f"{what}: not within {limit} s"
        await asyncio.sleep(0.1)


def workload(space: str, replicas: int = 2) -> list[Doc]:
    """A Deployment, whose pods Kubernetes' own controllers make, and its Service."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return [
        objects.doc("apps/v1", "Deployment", "web", space, spec=spec),
        objects.doc("v1", "Service", "web", space, spec={"selector": labels, "ports": [{"port": 80}]}),
    ]


def chosen(space: str, kind: str) -> pb.ResourceSelection:
    return pb.ResourceSelection(resource=pb.Resource(namespace=space, type=kind, name="web"))


async def pods(asked: viz_grpc.Api, space: str, kind: str = "deployment") -> list[pb.Pod]:
    """The pods of `web`; none where it is not known."""
    try:
        return list((await asked.ListPods(pb.ListPodsRequest(selector=chosen(space, kind)))).pods)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return []


async def services(asked: viz_grpc.Api, space: str) -> list[str]:
    return [one.name for one in (await asked.ListServices(pb.ListServicesRequest(namespace=space))).services]


async def running(asked: viz_grpc.Api, space: str) -> list[int]:
    """How many pods the row of `deploy/web` counts; no row, no number."""
    question = pb.StatSummaryRequest(selector=chosen(space, "deployment"), time_window="1m", skip_stats=True)
    tables = (await asked.StatSummary(question)).ok.stat_tables
    return [row.running_pod_count for table in tables for row in table.pod_group.rows]


async def test_what_tables_are_about_comes_and_goes(client: kube.Client, space: str) -> None:
    async with answering(client) as (asked, _):

        async def seen() -> tuple[int, int, list[str], list[int]]:
            by_service = await pods(asked, space, "service")
            return (
                len(await pods(asked, space)),
                len(by_service),
                await services(asked, space),
                await running(asked, space),
            )

        async def is_so(*wanted: object) -> bool:
            return await seen() == wanted

        for doc in workload(space):
            await client.apply_dict(doc)
        await until(lambda: is_so(2, 2, ["web"], [2]), "two pods of both")
        assert {one.deployment for one in await pods(asked, space)} == {f"{space}/web"}
        await client.apply_dict(workload(space, replicas=1)[0])
        await until(lambda: is_so(1, 1, ["web"], [1]), "one pod of both")
        for doc in workload(space):
            await client.delete_dict(doc)
        await until(lambda: is_so(0, 0, [], []), "nothing")


async def written(client: kube.Client, doc: Doc) -> bool:
    try:
        await client.apply_dict(doc)
    except IsthmusError:
        return False
    return True


async def test_an_outage_of_the_api_server_takes_nothing_away(
    cluster: plane.Cluster, client: kube.Client, space: str
) -> None:
    """The third pod is made by hand: Kubernetes' own controllers wait up to a minute after outages that follow each other."""
    for doc in workload(space):
        await client.apply_dict(doc)
    pod = objects.doc(
        "v1", "Pod", "third", space, labels={"app": "web"}, spec={"containers": [{"name": "app", "image": "x"}]}
    )
    async with answering(client) as (asked, process):

        async def many(count: int) -> bool:
            return len(await pods(asked, space, "service")) == count

        await until(lambda: many(2), "two pods")
        await asyncio.to_thread(cluster.lab, "stop", plane.NAME, "kube-apiserver")
        try:
            await asyncio.sleep(2)
            assert await many(2) and not process.unready()
        finally:
            await asyncio.to_thread(cluster.lab, "start", plane.NAME, "kube-apiserver")
        await until(lambda: written(client, pod), "the API server", limit=60)
        await until(lambda: many(3), "the third pod", limit=60)


async def account(client: kube.Client, space: str, rules: Sequence[Doc]) -> kube.Client:
    """The cluster as an account that may do what `rules` say, everywhere."""
    subject = {"kind": "ServiceAccount", "name": "viz", "namespace": space}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": space}
    await client.apply_dict(objects.doc("v1", "ServiceAccount", "viz", space))
    await client.apply_dict(objects.doc(objects.RBAC, "ClusterRole", space, rules=list(rules)))
    await client.apply_dict(objects.doc(objects.RBAC, "ClusterRoleBinding", space, roleRef=role, subjects=[subject]))
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = await client.raw("POST", f"/api/v1/namespaces/{space}/serviceaccounts/viz/token", body)
    return kube.Client(client.access.as_user(made["status"]["token"]))


async def test_the_rights_of_its_role_are_enough(client: kube.Client, space: str) -> None:
    async with started(await account(client, space, metrics_api.RULES)) as (process, _):
        await until(lambda: not process.unready(), "ready")


@pytest.mark.parametrize("without, waits", [("pods", "Pod"), ("cronjobs", "CronJob"), ("links", "Link")])
async def test_a_right_that_is_missing_is_waited_for(client: kube.Client, space: str, without: str, waits: str) -> None:
    """It answers nothing rather than half, names the watch, and opens once somebody grants the right."""
    less = [{**rule, "resources": [one for one in rule["resources"] if one != without]} for rule in metrics_api.RULES]
    async with started(await account(client, space, [rule for rule in less if rule["resources"]])) as (process, port):
        await until(lambda: set(process.unready()) <= {f"watch {waits}", "grpc"}, "all the others")
        assert f"watch {waits}" in process.unready()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await account(client, space, metrics_api.RULES)
        await until(lambda: not process.unready(), "ready", limit=40)
