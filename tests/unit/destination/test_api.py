"""The two streams, spoken over loopback with the generated client."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from isthmus.destination import api
from isthmus.rpc import destination_grpc
from isthmus.rpc import destination_pb2 as pb
from isthmus.serve import grpc as serve
from isthmus.serve import topics
from tests.unit.destination.cluster import endpoint, known, pod, put, service, slice_

NAME = "web.shop.svc.cluster.local:80"


class Plane:
    """A served world, changed by `put` and `drop`, and a client of it."""

    def __init__(self, world, limit=100):
        self.world, self.board = world, topics.Board(limit)
        self.api = api.Api(world, self.board, lambda: 0.0)

    def put(self, *objects):
        for one in objects:
            self.board.ring(put(self.world, one))


@asynccontextmanager
async def served(*objects, limit=100):
    plane = Plane(known(*objects), limit)
    server = await serve.serve([plane.api.service()], "127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield plane, destination_grpc.Destination(channel)
    await server.stop(0)


def ask(path=NAME):
    return pb.GetDestination(scheme="k8s", path=path, context_token='{"ns":"shop","nodeName":"n1"}')


async def first(stream):
    async with asyncio.timeout(2):
        return await anext(aiter(stream))


async def test_get_answers_at_once_and_then_tells_differences():
    async with served(service(), pod()) as (plane, client):
        stream = client.Get(ask())
        assert (await first(stream)).no_endpoints.exists
        plane.put(slice_(endpoint("10.0.0.1", "web-a")))
        assert (await first(stream)).add.addrs[0].addr.port == 8080
        plane.put(slice_(endpoint("10.0.0.2")))
        assert (await first(stream)).add.addrs[0].addr.ip.ipv4 == 0x0A000002
        assert (await first(stream)).remove.addrs[0].ip.ipv4 == 0x0A000001


async def test_two_streams_share_one_view():
    async with served(service(), slice_(endpoint("10.0.0.1"))) as (plane, client):
        streams = [client.Get(ask()) for _ in range(2)]
        assert await first(streams[0]) == await first(streams[1])
        assert (len(plane.api.views), plane.api.views.streams) == (1, 2)
        for stream in streams:
            stream.cancel()
        async with asyncio.timeout(2):
            while plane.api.views.streams:
                await asyncio.sleep(0.01)
        assert plane.api.views.sweep(100.0) == 1 and plane.board.size == 0


async def test_a_service_that_goes_is_told_and_may_come_back():
    async with served(service(), slice_(endpoint("10.0.0.1"))) as (plane, client):
        stream = client.Get(ask())
        assert (await first(stream)).HasField("add")
        plane.board.ring(plane.world.drop_service(next(iter(plane.world.services))))
        gone = await first(stream)
        assert gone.HasField("no_endpoints") and not gone.no_endpoints.exists
        plane.put(service())
        assert (await first(stream)).HasField("add")


@pytest.mark.parametrize(
    "method, path, code",
    [
        pytest.param("Get", "nope.shop.svc.cluster.local:80", grpc.StatusCode.NOT_FOUND, id="no-service"),
        pytest.param("Get", "10.96.0.1:80", grpc.StatusCode.INVALID_ARGUMENT, id="get-by-ip"),
        pytest.param("Get", "example.com:80", grpc.StatusCode.INVALID_ARGUMENT, id="outside"),
        pytest.param("Get", "ext.shop.svc.cluster.local", grpc.StatusCode.INVALID_ARGUMENT, id="external-name"),
        pytest.param(
            "GetProfile", "nope.shop.svc.cluster.local:80", grpc.StatusCode.NOT_FOUND, id="profile-no-service"
        ),
        pytest.param("GetProfile", "10.96.0.7:80", grpc.StatusCode.FAILED_PRECONDITION, id="two-services"),
    ],
)
async def test_refusals(method, path, code):
    twins = [service("a", ip="10.96.0.7"), service("b", ip="10.96.0.7")]
    async with served(service(), service("ext", ip="", type="ExternalName"), *twins) as (_, client):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await first(getattr(client, method)(ask(path)))
    assert caught.value.code() == code and caught.value.details()


async def test_a_full_replica_says_so():
    async with served(service(), limit=1) as (_, client):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await first(client.Get(ask()))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_profile_is_sent_again_only_when_it_differs():
    async with served(service()) as (plane, client):
        stream = client.GetProfile(ask("10.96.0.1:80"))
        assert (await first(stream)).fully_qualified_name == "web.shop.svc.cluster.local"
        plane.put(slice_(endpoint("10.0.0.1")), service(notes={"config.linkerd.io/opaque-ports": "80"}))
        assert (await first(stream)).opaque_protocol


async def test_an_undeclared_port_has_an_empty_profile():
    async with served(service()) as (_, client):
        assert await first(client.GetProfile(ask("10.96.0.1:99"))) == pb.DestinationProfile()
