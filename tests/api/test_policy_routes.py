"""Routes on a real API server: a split holds as soon as it is written, and its status says so."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import prometheus_client
import pytest

from isthmus import logs
from isthmus.install import core
from isthmus.kube import client as kube
from isthmus.kube import crds
from isthmus.policy import run
from isthmus.rpc import net_pb2, outbound_grpc, outbound_pb2
from isthmus.serve import runtime


@pytest.fixture
async def defined(client: kube.Client) -> kube.Client:
    """A cluster with our definitions and the control plane's namespace."""
    for document in core.definitions():
        await client.apply_dict(document)
    await client.apply_dict({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "linkerd"}})
    return client


@asynccontextmanager
async def policy(client: kube.Client) -> AsyncGenerator[outbound_grpc.OutboundPolicies]:
    """The policy process's parts on a free port, ready, with its own client."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        options = run.Options(port=free.getsockname()[1], holder="test")
    async with asyncio.TaskGroup() as group:
        process = runtime.Runtime(group, logs.get(), prometheus_client.CollectorRegistry())
        drain = group.create_task(process.drain())
        serving = await run.wire(process, options, options.mesh(), kube.Client(client.access))
        async with asyncio.timeout(30):
            server = await serving
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield outbound_grpc.OutboundPolicies(channel)
        process.stop()
        await drain


def service(space: str, name: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": space},
        "spec": {"ports": ports},
    }


def http_route(space: str, version: str, weights: dict[str, int]) -> dict[str, Any]:
    spec = {
        "parentRefs": [{"group": "" if "gateway" in version else "core", "kind": "Service", "name": "web", "port": 80}],
        "rules": [{"backendRefs": [{"name": name, "port": 80, "weight": w} for name, w in weights.items()]}],
    }
    return {"apiVersion": version, "kind": "HTTPRoute", "metadata": {"name": "split", "namespace": space}, "spec": spec}


def traffic_split(space: str, weights: dict[str, Any], version: str = "v1alpha2") -> dict[str, Any]:
    spec = {"service": "web", "backends": [{"service": name, "weight": w} for name, w in weights.items()]}
    meta = {"name": "smi", "namespace": space}
    return {"apiVersion": f"split.smi-spec.io/{version}", "kind": "TrafficSplit", "metadata": meta, "spec": spec}


async def watch(asked: outbound_grpc.OutboundPolicies, ip: str) -> Any:
    addr = net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=int(ipaddress.ip_address(ip))), port=80)
    return asked.Watch(outbound_pb2.TrafficSpec(source_workload='{"ns":"x","pod":"y"}', addr=addr))


async def until(stream: Any, test: Callable[[list[int]], bool]) -> list[int]:
    """The weights on the stream, as soon as they are as wanted."""
    async with asyncio.timeout(20):
        while True:
            found = await anext(aiter(stream))
            rule = found.protocol.detect.http1.routes[0].rules[0]
            weights = [b.weight for b in rule.backends.random_available.backends]
            if test(weights):
                return weights


async def conditions(client: kube.Client, kind: type[crds.Custom], space: str) -> dict[str, str]:
    found = await client.get(kind, "split", space)
    parents = (found.status.get("parents") or []) if found else []
    return {c["type"]: c["status"] for entry in parents for c in entry["conditions"]}


@pytest.mark.parametrize(
    "kind, version",
    [
        pytest.param(crds.LinkerdHTTPRoute, "policy.linkerd.io/v1beta3", id="policy.linkerd.io"),
        pytest.param(crds.HTTPRoute, "gateway.networking.k8s.io/v1", id="gateway-api"),
    ],
)
async def test_weights_move_and_the_status_follows(
    defined: kube.Client, space: str, kind: type[crds.Custom], version: str
) -> None:
    made = await defined.apply_dict(service(space, "web"))
    await defined.apply_dict(service(space, "web-west"))
    async with policy(defined) as asked:
        stream = await watch(asked, made["spec"]["clusterIP"])
        for east, west in ((100, 0), (50, 50), (0, 100)):
            await defined.apply_dict(http_route(space, version, {"web": east, "web-west": west}))
            assert await until(stream, lambda w, e=east: bool(w) and w[0] == e) == [east, west]
        async with asyncio.timeout(30):
            while await conditions(defined, kind, space) != {"Accepted": "True", "ResolvedRefs": "True"}:
                await asyncio.sleep(0.1)
        await defined.apply_dict(http_route(space, version, {"web": 1, "nowhere": 1}))
        async with asyncio.timeout(30):
            while (await conditions(defined, kind, space)).get("ResolvedRefs") != "False":
                await asyncio.sleep(0.1)
        settled = await defined.get(kind, "split", space)
        await asyncio.sleep(1)
        again = await defined.get(kind, "split", space)
        assert settled and again and settled.metadata and again.metadata
        assert settled.metadata.resourceVersion == again.metadata.resourceVersion, (
            "a settled status is not written again"
        )


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
async def test_a_traffic_split_gives_way_to_a_route(defined: kube.Client, space: str, version: str) -> None:
    made = await defined.apply_dict(service(space, "web"))
    await defined.apply_dict(service(space, "web-west"))
    async with policy(defined) as asked:
        stream = await watch(asked, made["spec"]["clusterIP"])
        await defined.apply_dict(traffic_split(space, {"web": "250m", "web-west": 1}, version))
        assert await until(stream, bool) == [250, 1000]
        await defined.apply_dict(http_route(space, "gateway.networking.k8s.io/v1", {"web": 1, "web-west": 3}))
        assert await until(stream, lambda w: w == [1, 3]) == [1, 3]
        await defined.delete_dict(http_route(space, "gateway.networking.k8s.io/v1", {}))
        assert await until(stream, lambda w: w == [250, 1000]) == [250, 1000]
        await defined.delete_dict(traffic_split(space, {}, version))
        assert await until(stream, lambda w: not w) == []
