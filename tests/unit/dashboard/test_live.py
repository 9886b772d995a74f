"""One poller for all who look at the same; the newest state for each; a browser that reads nothing is cut."""

import asyncio
import json
import zlib

import msgspec
import prometheus_client
import pytest

from isthmus import logs
from isthmus.dashboard import guard, live, shapes
from isthmus.errors import IsthmusError
from isthmus.serve import latest, web

HEAD = shapes.Head(1.0, "1m", "isthmus stat ns", [])
KEY = ("own", "namespaces")


def page(*names, at=1.0):
    rows = [shapes.NamespaceRow("east", name, 1, 1, shapes.Golden()) for name in names]
    return shapes.Namespaces(msgspec.structs.replace(HEAD, at=at), rows)


class Show:
    """A page whose content a test decides; counts looks."""

    def __init__(self, *names):
        self.names, self.looks, self.fault = names, 0, None

    async def look(self):
        self.looks += 1
        if self.fault:
            raise self.fault
        return page(*self.names, at=float(self.looks))


@pytest.fixture
async def hub():
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task] = []

        def spawn(work):
            tasks.append(group.create_task(work))
            return tasks[-1]

        yield live.Hub(spawn, live.Meters(prometheus_client.CollectorRegistry()), logs.get())
        for task in tasks:
            task.cancel()


def told(event):
    name, _, data = event.plain.decode().partition("\ndata: ")
    return name.removeprefix("event: "), json.loads(data)


async def next_of(slot):
    async with asyncio.timeout(1):
        return told(await slot.wait())


async def test_two_viewers_share_one_poller(hub):
    show = Show("demo")
    one, two = hub.join(KEY, show.look, 30), hub.join(KEY, show.look, 30)
    assert (await next_of(one))[1]["rows"][0]["name"] == (await next_of(two))[1]["rows"][0]["name"] == "demo"
    assert show.looks == 1 and hub.meters.pollers._value.get() == 1


async def test_a_late_viewer_sees_at_once_what_is_there(hub):
    show = Show("demo")
    await next_of(hub.join(KEY, show.look, 30))
    assert (await next_of(hub.join(KEY, show.look, 30)))[0] == "snapshot"
    assert show.looks == 1


async def test_what_did_not_change_is_not_sent_again(hub):
    show = Show("demo")
    slot = hub.join(KEY, show.look, 0.05)
    await next_of(slot)
    await asyncio.sleep(0.3)
    show.names = ("demo", "web")
    assert len((await next_of(slot))[1]["rows"]) == 2
    assert show.looks >= 3


@pytest.mark.parametrize("took, period, rests", [(0.1, 1, 0.9), (0.25, 1, 0.75), (2, 1, 6), (0.001, 0.001, 0.05)])
def test_a_look_takes_at_most_a_quarter_of_the_time(took, period, rests):
    assert live.rest(took, period) == pytest.approx(rests)


async def test_a_slow_viewer_gets_the_newest_state_only(hub):
    show = Show("one")
    slot = hub.join(KEY, show.look, 0.05)
    for names in (("two",), ("three",)):
        await asyncio.sleep(0.2)
        show.names = names
    await asyncio.sleep(0.2)
    assert (await next_of(slot))[1]["rows"][0]["name"] == "three"


@pytest.mark.parametrize(
    "fault, says", [(IsthmusError("cluster 'east' is away"), "is away"), (KeyError("bug"), "has a fault")]
)
async def test_a_failed_look_is_told_and_the_next_one_tried(hub, fault, says):
    show = Show("demo")
    show.fault = fault
    slot = hub.join(KEY, show.look, 0.05)
    name, data = await next_of(slot)
    assert name == "failed" and says in data["sentence"]
    show.fault = None
    while name == "failed":
        name, _ = await next_of(slot)


async def test_the_last_viewer_ends_the_poller(hub):
    show = Show("demo")
    one, two = hub.join(KEY, show.look, 0.05), hub.join(KEY, show.look, 0.05)
    hub.part(KEY, one)
    await next_of(two)
    hub.part(KEY, two)
    looks = show.looks
    await asyncio.sleep(0.2)
    assert show.looks <= looks + 1 and hub.meters.pollers._value.get() == 0


async def test_streams_of_a_session_that_is_over_are_told_and_end(hub):
    slot = hub.join(KEY, Show("demo").look, 30)
    await next_of(slot)
    hub.end("own")
    assert (await next_of(slot))[0] == "end"
    with pytest.raises(latest.EndOfValues):
        await slot.wait()
    hub.part(KEY, slot)


def test_viewers_are_bounded():
    hub = live.Hub(lambda _: None, live.Meters(prometheus_client.CollectorRegistry()), logs.get())  # pyright: ignore[reportArgumentType]
    for _ in range(live.STREAMS):
        hub.enter("one")
    with pytest.raises(guard.Refused, match="streams open already"):
        hub.enter("one")
    for n in range(live.VIEWERS - live.STREAMS):
        hub.enter(f"viewer {n}")
    with pytest.raises(guard.Refused, match="200 viewers look already"):
        hub.enter("another")
    hub.leave("one")
    hub.enter("another")


class Browser:
    """The other end of a stream. `reads` False: it takes the head and then nothing."""

    def __init__(self, *, reads=True, gzip=False):
        self.reads, self.sent, self.cut = reads, list[bytes](), False
        self.leaves, self.got = asyncio.Event(), asyncio.Event()
        self.scope = {
            "headers": [(b"accept-encoding", b"gzip")] if gzip else [],
            "extensions": {web.BREAK: {"now": self._break}},
        }

    def _break(self):
        self.cut = True

    async def send(self, message):
        if message["type"] == "http.response.body":
            self.sent.append(message["body"])
            self.got.set()
            if not self.reads:
                await asyncio.sleep(60)

    async def receive(self):
        await self.leaves.wait()
        return {"type": "http.disconnect"}


async def test_a_browser_that_reads_nothing_is_cut_and_counted(hub):
    browser = Browser(reads=False)
    stream = live.Watched(hub, "own", KEY, Show("demo").look, 30, read_time=0.05)
    async with asyncio.timeout(1):
        await stream(browser.scope, browser.receive, browser.send)
    assert browser.cut and hub.meters.cut._value.get() == 1
    assert hub.meters.viewers._value.get() == 0 and hub.meters.pollers._value.get() == 0


@pytest.mark.parametrize("gzip", [False, True])
async def test_a_browser_gets_events_until_it_leaves(hub, gzip):
    browser, show = Browser(gzip=gzip), Show("demo")
    stream = live.Watched(hub, "own", KEY, show.look, 0.05)
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        group.create_task(stream(browser.scope, browser.receive, browser.send))
        await browser.got.wait()
        show.names = ("demo", "web")
        await asyncio.sleep(0.2)
        browser.leaves.set()
    text = b"".join(browser.sent)
    text = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(text) if gzip else text
    assert text.count(b"event: snapshot\ndata: {") == 2 and b'"name":"web"' in text
