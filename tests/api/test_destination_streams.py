"""Endpoints as a real API server tells them: through watches into open streams, and through its outage."""

import asyncio
import secrets
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import prometheus_client
import pytest

from isthmus import logs
from isthmus.destination import run
from isthmus.kube import client as kube
from isthmus.rpc import destination_grpc
from isthmus.rpc import destination_pb2 as pb
from isthmus.serve import runtime
from tests.api import plane


@asynccontextmanager
async def destination(client: kube.Client) -> AsyncGenerator[tuple[destination_grpc.Destination, runtime.Runtime]]:
    """The destination process's parts on a free port, ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        options = run.Options(port=free.getsockname()[1])
    async with asyncio.TaskGroup() as group:
        process = runtime.Runtime(group, logs.get(), prometheus_client.CollectorRegistry())
        drain = group.create_task(process.drain())
        serving = await run.wire(process, options, options.mesh(), client)
        async with asyncio.timeout(20):
            server = await serving
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield destination_grpc.Destination(channel), process
        process.stop()
        await drain


def service(space: str, name: str = "web") -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": space},
        "spec": {"ports": ports},
    }


def members(space: str, *ips: str, name: str = "web") -> dict[str, Any]:
    meta = {"name": f"{name}-1", "namespace": space, "labels": {"kubernetes.io/service-name": name}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ip]} for ip in ips],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def ask(space: str, name: str = "web") -> pb.GetDestination:
    return pb.GetDestination(path=f"{name}.{space}.svc.cluster.local:80")


async def first(stream: Any) -> Any:
    async with asyncio.timeout(20):
        return await anext(aiter(stream))


async def known(asked: destination_grpc.Destination, space: str) -> Any:
    """A stream that has said that the Service is there and empty; None while the Service is not known."""
    stream = asked.Get(ask(space))
    try:
        assert (await first(stream)).no_endpoints.exists
    except grpc.aio.AioRpcError:
        return None
    return stream


async def test_endpoints_come_and_go(client: kube.Client, space: str) -> None:
    async with destination(kube.Client(client.access)) as (asked, _):
        await client.apply_dict(service(space))
        async with asyncio.timeout(10):
            while (stream := await known(asked, space)) is None:
                await asyncio.sleep(0.05)  # the watch is a moment behind the write
        await client.apply_dict(members(space, "10.0.0.1"))
        assert [a.addr.ip.ipv4 for a in (await first(stream)).add.addrs] == [0x0A000001]
        await client.apply_dict(members(space, "10.0.0.2"))
        assert (await first(stream)).HasField("add") and (await first(stream)).HasField("remove")
        await client.delete_dict(members(space))
        assert (await first(stream)).no_endpoints.exists


async def test_a_cluster_address_has_the_services_profile(client: kube.Client, space: str) -> None:
    made = await client.apply_dict(service(space))
    async with destination(kube.Client(client.access)) as (asked, _):
        found = await first(asked.GetProfile(pb.GetDestination(path=f"{made['spec']['clusterIP']}:80")))
    assert found.fully_qualified_name == f"web.{space}.svc.cluster.local"


async def test_an_outage_of_the_api_server_takes_nothing_away(
    cluster: plane.Cluster, client: kube.Client, space: str
) -> None:
    await client.apply_dict(service(space))
    await client.apply_dict(members(space, "10.0.0.1", "10.0.0.2"))
    async with destination(kube.Client(client.access)) as (asked, process):
        before = await first(asked.Get(ask(space)))
        stream = asked.Get(ask(space))
        await first(stream)
        await asyncio.to_thread(cluster.lab, "stop", plane.NAME, "kube-apiserver")
        try:
            await asyncio.sleep(2)
            assert await first(asked.Get(ask(space))) == before and not process.unready()
        finally:
            await asyncio.to_thread(cluster.lab, "start", plane.NAME, "kube-apiserver")
        async with asyncio.timeout(60):
            while True:
                try:
                    await client.apply_dict(members(space, "10.0.0.1", "10.0.0.2", "10.0.0.3"))
                    break
                except kube.IsthmusError:
                    await asyncio.sleep(0.5)
        async with asyncio.timeout(60):
            update = await anext(aiter(stream))
        assert [a.addr.ip.ipv4 & 0xFF for a in update.add.addrs] == [3] and not update.HasField("remove")


@pytest.mark.parametrize("count", [pytest.param(200, id="200-services")])
async def test_many_services_one_stream_each(client: kube.Client, space: str, count: int) -> None:
    prefix = f"m{secrets.token_hex(2)}"
    listed = [f"{prefix}-{n}" for n in range(count)]
    for name in listed:
        await client.apply_dict(service(space, name))
        await client.apply_dict(members(space, "10.0.0.1", name=name))
    async with destination(kube.Client(client.access)) as (asked, _):
        streams = [asked.Get(ask(space, name)) for name in listed]
        for stream in streams:
            assert (await first(stream)).HasField("add")
        await client.apply_dict(members(space, "10.0.0.1", "10.0.0.2", name=listed[7]))
        assert [a.addr.ip.ipv4 & 0xFF for a in (await first(streams[7])).add.addrs] == [2]
