"""One client's tap over proxies that a test plays."""

import asyncio
from collections.abc import AsyncIterator, Callable

from isthmus import names
from isthmus.rpc import tap_pb2
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.serve import grpc
from isthmus.tap import stream, world
from isthmus.tap.ask import match, plan
from isthmus.tap.tell import frames
from tests.unit.tap import builders as b


class Counts:
    def __init__(self) -> None:
        self.events = 0
        self.lost: list[tuple[str, int]] = []

    def seen(self, events: int) -> None:
        self.events += events

    def dropped(self, where: str, events: int) -> None:
        self.lost.append((where, events))


class Proxies:
    """Answers each question with the same events; a `refusal` instead, where there is one."""

    def __init__(self, *events: tap_pb2.TapEvent, refusal: str = "") -> None:
        self.events, self.refusal, self.asked = events, refusal, list[tuple[str, int]]()

    async def observe(self, pod: plan.Pod, request: tap_pb2.ObserveRequest) -> AsyncIterator[tap_pb2.TapEvent]:
        self.asked.append((pod.key.name, request.limit))
        if self.refusal:
            raise grpc.Failed("RESOURCE_EXHAUSTED", self.refusal)
        for event in self.events:
            yield event


async def taken(
    proxies: Proxies,
    known: world.World,
    until: Callable[[list[api.TapEvent]], bool],
    *,
    ignored=frozenset[str](),
    **how,
):
    """What the client read, until it had enough."""
    how.setdefault("maxRps", 10)
    asked = match.read(b.request(**how))
    fan = stream.Fan(asked, known, proxies.observe, Counts(), extended=True, ignored=ignored)
    reader, found = frames.Reader(), list[api.TapEvent]()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(fan.run())
        while not until(found):
            found += [api.TapEvent.FromString(one) for one in reader.feed(await fan.out.take())]
        running.cancel()
    return fan, found


def two() -> world.World:
    known = world.World()
    known.put_pod(b.obj("web-1"))
    known.put_pod(b.obj("web-2", "10.0.0.2"))
    return known


async def test_each_pod_is_asked_for_its_share_and_the_proxy_is_named() -> None:
    proxies = Proxies(b.begun(0), b.ended(0))
    _, found = await taken(proxies, two(), lambda got: len(got) >= 4)
    assert set(proxies.asked) == {("web-1", 5), ("web-2", 5)}
    assert {(e.proxy.pod, e.proxy.namespace) for e in found} == {("web-1", "shop"), ("web-2", "shop")}
    assert {e.proxy.identity for e in found} == {"web.shop.serviceaccount.identity.linkerd.cluster.local"}


async def test_ignored_headers_are_told_to_nobody() -> None:
    known, out = world.World(), list[api.TapEvent]()
    known.put_pod(b.obj("web-1"))
    proxies = Proxies(b.begun(0, (("x-key", b"secret"), ("accept", b"x"))), b.ended(0))
    await taken(proxies, known, lambda got: bool(out.extend(got)) or len(got) >= 2, ignored=frozenset({"x-key"}))
    assert [h.name for h in out[0].http.request_init.headers.headers] == ["accept"]


async def test_requests_of_several_windows_keep_apart() -> None:
    known = world.World()
    known.put_pod(b.obj("web-1"))
    _, found = await taken(Proxies(b.begun(0), b.ended(0)), known, lambda got: len(got) >= 4, maxRps=1)
    bases = [e.http.request_init.id.base for e in found if e.http.HasField("request_init")]
    assert len(set(bases)) == len(bases) == 2


async def test_what_a_proxy_drops_is_counted_and_told() -> None:
    known = world.World()
    known.put_pod(b.obj("web-1"))
    proxies = Proxies(b.begun(0), b.begun(3), b.ended(3), b.ended(0))
    fan, found = await taken(proxies, known, lambda got: any(e.HasField("notice") for e in got))
    (notice,) = [e.notice for e in found if e.HasField("notice")]
    assert notice.dropped == 6 == fan.out.dropped and "web-1" in notice.sentence
    assert isinstance(fan.counts, Counts) and fan.counts.lost == [("proxy", 6)]


async def test_a_proxy_that_refuses_is_told_once() -> None:
    known = world.World()
    known.put_pod(b.obj("web-1"))
    _, found = await taken(Proxies(refusal="too many tap sessions are open"), known, lambda got: len(got) == 1)
    assert found[0].notice.sentence == "the proxy of pod shop/web-1 cannot be tapped: too many tap sessions are open"


async def test_a_pod_that_comes_later_is_asked_too() -> None:
    known, proxies = world.World(), Proxies(b.begun(0), b.ended(0))
    known.put_pod(b.obj("web-1"))

    def enough(got: list[api.TapEvent]) -> bool:
        if got and names.Key("shop", "web-2") not in known.pods:
            known.put_pod(b.obj("web-2", "10.0.0.2"))
        return any(e.proxy.pod == "web-2" for e in got)

    await taken(proxies, known, enough)
