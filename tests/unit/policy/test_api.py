"""The plane's two services, spoken over loopback with the generated clients."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from isthmus import names
from isthmus.policy import api
from isthmus.rpc import inbound_grpc, inbound_pb2, net_pb2, outbound_grpc, outbound_pb2
from isthmus.serve import grpc as serve
from isthmus.serve import topics
from tests.unit.destination.cluster import http_route, pod, server, service
from tests.unit.policy.cluster import known, put

WORKLOAD = '{"ns":"shop","pod":"web-a"}'


class Plane:
    """A served world, changed by `put`, and clients of it."""

    def __init__(self, world, channel, board):
        self.world, self.board = world, board
        self.inbound = inbound_grpc.InboundServerPolicies(channel)
        self.outbound = outbound_grpc.OutboundPolicies(channel)

    def put(self, *objects):
        for one in objects:
            self.board.ring(put(self.world, one))


@asynccontextmanager
async def served(*objects, limit=100):
    world, board = known(*objects), topics.Board(limit)
    running = await serve.serve(api.Api(world, board).services(), "127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        yield Plane(world, channel, board)
    await running.stop(0)


def spec(ip=0x0A600001, port=80, **target):
    addr = net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=ip), port=port)
    return outbound_pb2.TrafficSpec(source_workload=WORKLOAD, **(target or {"addr": addr}))


def port(number=8080, workload=WORKLOAD):
    return inbound_pb2.PortSpec(workload=workload, port=number)


async def first(stream):
    async with asyncio.timeout(4):
        return await anext(aiter(stream))


def weights(policy):
    rule = policy.protocol.detect.http1.routes[0].rules[0]
    return [b.weight for b in rule.backends.random_available.backends]


async def test_a_split_moves_on_the_open_stream():
    async with served(service(), service("web-west", ip="10.96.0.2")) as plane:
        stream = plane.outbound.Watch(spec())
        assert weights(await first(stream)) == []
        for east, west in ((100, 0), (50, 50), (0, 100)):
            plane.put(http_route(weights={"web": east, "web-west": west}))
            assert weights(await first(stream)) == [east, west]


async def test_a_name_and_an_address_get_the_same():
    async with served(service()) as plane:
        by_name = await plane.outbound.Get(spec(authority="web.shop.svc.cluster.local"))
        assert by_name == await plane.outbound.Get(spec()) == await first(plane.outbound.Watch(spec()))


async def test_inbound_follows_its_server():
    async with served(pod()) as plane:
        stream = plane.inbound.WatchPort(port())
        assert (await first(stream)).labels["kind"] == "default"
        plane.put(server())
        assert (await first(stream)).labels["name"] == "srv"
        assert (await plane.inbound.GetPort(port())).labels["name"] == "srv"


async def test_a_pod_may_be_faster_than_our_watch():
    async with served() as plane:
        stream = plane.inbound.WatchPort(port(workload="shop:web-a"))
        asyncio.get_running_loop().call_later(0.05, plane.put, pod())
        assert (await first(stream)).labels["kind"] == "default"


@pytest.mark.parametrize(
    "target, code",
    [
        pytest.param({"ip": 0x0A600009}, grpc.StatusCode.NOT_FOUND, id="cluster-address"),
        pytest.param({"authority": "example.com:80"}, grpc.StatusCode.NOT_FOUND, id="outside-name"),
        pytest.param({"authority": "db-0.web.shop.svc.cluster.local"}, grpc.StatusCode.NOT_FOUND, id="hostname"),
        pytest.param({"authority": "web.shop.svc.cluster.local:x"}, grpc.StatusCode.INVALID_ARGUMENT, id="bad-port"),
        pytest.param({"addr": net_pb2.TcpAddress(port=1)}, grpc.StatusCode.INVALID_ARGUMENT, id="no-address"),
    ],
)
async def test_outbound_refusals(target, code):
    async with served(service()) as plane:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await first(plane.outbound.Watch(spec(**target)))
        with pytest.raises(grpc.aio.AioRpcError) as once:
            await plane.outbound.Get(spec(**target))
    assert caught.value.code() == once.value.code() == code


@pytest.mark.parametrize(
    "workload, number, code",
    [
        pytest.param("nonsense", 8080, grpc.StatusCode.NOT_FOUND, id="no-workload"),
        pytest.param('{"ns":"shop","external_workload":"vm"}', 8080, grpc.StatusCode.NOT_FOUND, id="external-workload"),
        pytest.param(WORKLOAD, 70000, grpc.StatusCode.INVALID_ARGUMENT, id="bad-port"),
        pytest.param('{"ns":"shop","pod":"web-a"}', 8080, grpc.StatusCode.NOT_FOUND, id="not-meshed"),
    ],
)
async def test_inbound_refusals(workload, number, code):
    async with served(pod(meshed=False)) as plane:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await plane.inbound.GetPort(port(number, workload))
    assert caught.value.code() == code


async def test_a_full_replica_says_so():
    async with served(service(), limit=0) as plane:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await first(plane.outbound.Watch(spec()))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "text, key",
    [
        pytest.param(WORKLOAD, names.Key("shop", "web-a"), id="json"),
        pytest.param("shop:web-a", names.Key("shop", "web-a"), id="old"),
        pytest.param("{", None, id="broken"),
        pytest.param("[1]", None, id="no-map"),
    ],
)
def test_workload(text, key):
    assert api.workload(text) == key


GATEWAY = {"config.linkerd.io/enable-gateway": "true"}
EXPORTED = {names.EXPORTED: "true"}


def asked_by_name(host="web.shop.svc.cluster.local:80"):
    return outbound_pb2.TrafficSpec(source_workload=WORKLOAD, authority=host)


@pytest.mark.parametrize(
    "notes, labels, code",
    [
        pytest.param(GATEWAY, EXPORTED, None, id="exported"),
        pytest.param(GATEWAY, {}, grpc.StatusCode.FAILED_PRECONDITION, id="not-exported"),
        pytest.param(GATEWAY, {names.EXPORTED: "false"}, grpc.StatusCode.FAILED_PRECONDITION, id="export-false"),
        pytest.param({}, {}, None, id="no-gateway"),
        pytest.param(GATEWAY | {"config.isthmus.io/gateway-serves": "all"}, {}, None, id="serves-all"),
    ],
)
async def test_a_gateway_reaches_exported_services_alone(notes, labels, code):
    async with served(pod(notes=notes), service(labels=labels)) as plane:
        if code is None:
            assert (await plane.outbound.Get(asked_by_name())).protocol.detect.http1.routes
            return
        for host in ("web.shop.svc.cluster.local:80", "web-0.web.shop.svc.cluster.local:80"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await plane.outbound.Get(asked_by_name(host))
            assert (refused.value.code(), "not exported" in str(refused.value.details())) == (code, True)


async def test_a_service_that_is_exported_no_more_ends_its_streams():
    async with served(pod(notes=GATEWAY), service(labels=EXPORTED)) as plane:
        stream = plane.outbound.Watch(asked_by_name())
        assert (await first(stream)).protocol.detect.http1.routes
        plane.put(service(labels={}))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await first(stream)
        assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
