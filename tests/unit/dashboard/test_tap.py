"""Live requests as rows, bounded, and what may be asked of a tap."""

import asyncio

import pytest

from isthmus.dashboard import tap
from isthmus.dashboard.pages import taps
from isthmus.errors import BadValue, IsthmusError
from isthmus.serve import latest
from isthmus.tap.tell import events, join
from tests.unit.dashboard import doubles
from tests.unit.dashboard.test_live import told

EAST = {"cluster": "east", "namespace": "demo", "kind": "deploy", "name": "web"}


def peer(name, **labels):
    return events.Peer("10.0.0.1:80", {"namespace": "demo", "deployment": name, "pod": f"{name}-1", **labels})


def event(kind, stream=1, *, inbound=False, proxy="demo/client-1", **more):
    return events.Event(
        kind,
        "east",
        7,
        stream,
        inbound,
        peer("client"),
        peer("web", tls="true"),
        proxy=proxy,
        method="GET",
        path="/a?b=1",
        **more,
    )


def feed(found, *kinds, stream=1, **more):
    for kind in kinds:
        found.feed(event(kind, stream, **more), 5.0)


def test_a_request_becomes_one_row_that_grows():
    found = taps.Taps()
    feed(found, events.REQUEST)
    assert found.batch().rows[0].status is None and not found.changed
    found.feed(event(events.RESPONSE, status=200), 5.0)
    found.feed(event(events.END, since_request=0.0123, bytes=9), 5.0)
    row = found.batch().rows[0]
    assert (row.status, row.latency_ms, row.response_bytes, row.secured) == (200, 12.3, 9, True)
    assert (row.source, row.destination, row.destination_pod) == (
        "deployment/client.demo",
        "deployment/web.demo",
        "demo/web-1",
    )


def test_what_a_slow_browser_misses_is_counted():
    found = taps.Taps()
    for stream in range(taps.BATCH + 30):
        feed(found, events.REQUEST, stream=stream)
    batch = found.batch()
    assert (len(batch.rows), batch.seen, batch.dropped) == (taps.BATCH, taps.BATCH + 30, 30)


def test_requests_that_never_end_are_forgotten():
    found = taps.Taps()
    for stream in range(taps.OPEN + 10):
        feed(found, events.REQUEST, stream=stream)
    assert len(found._open) == taps.OPEN


def test_what_the_tap_service_dropped_counts_too():
    found = taps.Taps()
    found.feed(events.Event(events.NOTICE, "east", dropped=40, sentence="too many"), 5.0)
    assert found.batch().dropped == 40 and found.sentences == ["too many"]


def test_top_sums_by_who_calls_whom_for_what():
    found, tops = taps.Taps(), taps.Tops()
    for stream, (status, took) in enumerate([(200, 0.01), (200, 0.03), (503, 0.02)]):
        feed(found, events.REQUEST, stream=stream)
        found.feed(event(events.RESPONSE, stream, status=status), 5.0)
        row = found.feed(event(events.END, stream, since_request=took), 5.0)
        assert row
        tops.add(row)
    top = tops.table(found).rows[0]
    assert (top.path, top.count, top.best_ms, top.worst_ms, top.last_ms, top.success) == (
        "/a",
        3,
        10.0,
        30.0,
        20.0,
        0.6667,
    )


def test_kinds_of_top_are_bounded():
    tops, row = taps.Tops(), taps._begun("1", event(events.REQUEST), 0.0)
    for n in range(taps.KINDS + 5):
        tops.add(taps.msgspec.structs.replace(row, path=f"/{n}"))
    assert tops.table(taps.Taps()).left_out == 5


def test_a_joined_request_has_a_stage_for_each_proxy():
    first = join.Hop(event(events.REQUEST), 0.0, 0.02, 0.03, 200, bytes=5)
    second = join.Hop(event(events.REQUEST, inbound=True, proxy="demo/web-1"), 0.0, 0.01, 0.02, 200, offset=0.005)
    row = taps.joined(join.Journey((first, second), join.SURE), 100.0)
    assert [(s.role, s.pod, s.begin_ms, s.end_ms) for s in row.stages] == [
        ("client", "demo/client-1", 0.0, 30.0),
        ("server", "demo/web-1", 5.0, 25.0),
    ]
    assert (row.status, row.latency_ms, row.response_bytes, row.joined) == (200, 30.0, 5, "exact")


@pytest.mark.parametrize(
    "change, says",
    [
        ({"namespace": ""}, "namespace"),
        ({"namespace": "../../x"}, "namespace is '../../x'"),
        ({"name": "a/b"}, "name is 'a/b'"),
        ({"maxRps": "0"}, "maxRps is 0.0"),
        ({"maxRps": "9999"}, "at most 1000"),
        ({"maxRps": "many"}, "the query of a tap"),
        ({"join": "perhaps"}, "the query of a tap"),
        ({"color": "red"}, "unknown"),
    ],
)
def test_a_query_that_cannot_be(change, says):
    with pytest.raises(BadValue, match=says):
        tap.parse({**EAST, **change})


def test_a_query_without_its_parts():
    with pytest.raises(BadValue, match="missing required field"):
        tap.parse({"cluster": "east"})


def viewer():
    return tap.app.Viewer("own", "", doubles.room(doubles.cluster("east"), doubles.cluster("west")), may_write=True)


@pytest.mark.parametrize(
    "change, paths",
    [
        ({}, ["east demo/deployments/web"]),
        ({"join": "true"}, [f"{c} {space}" for c in ("east", "west") for space in ("demo", "linkerd-multicluster")]),
    ],
)
def test_whom_a_tap_asks(change, paths):
    wanted = tap.sources(viewer(), tap.parse({**EAST, **change}))
    cut = "/apis/tap.linkerd.io/v1alpha1/watch/namespaces/"
    assert [f"{s.cluster} {s.wish.target.path.removeprefix(cut).removesuffix('/tap')}" for s in wanted] == paths
    assert all((s.wish.headers, s.wish.rps) == ((True, 1000.0) if change else (False, 100.0)) for s in wanted)


@pytest.mark.parametrize(
    "change, begins",
    [
        ({}, False),
        ({"name": "client"}, True),
        ({"name": ""}, True),
        ({"name": "client", "toKind": "deploy", "toName": "db"}, False),
    ],
)
def test_where_a_joined_request_begins(change, begins):
    assert tap.begins(tap.parse({**EAST, **change}), join.Hop(event(events.REQUEST), 0.0)) is begins


def test_a_kind_that_cannot_be_tapped():
    with pytest.raises(BadValue, match="kind"):
        tap.sources(viewer(), tap.parse({**EAST, "kind": "secret"}))


async def test_a_refused_tap_ends_with_its_sentence():
    fed = tap._Feed(
        tap.parse(EAST), taps.Taps(), taps.Tops(), join.Joiner(), IsthmusError("not for you", hint="ask"), ended=True
    )
    slot = tap.Batches(fed, top=False)
    async with asyncio.timeout(2):
        assert told(await slot.wait()) == ("end", {"sentence": "not for you", "hint": "ask"})
        with pytest.raises(latest.EndOfValues):
            await slot.wait()


@pytest.mark.parametrize("top, name", [(False, "tap"), (True, "top")])
async def test_batches_are_made_when_they_are_taken(top, name):
    fed = tap._Feed(tap.parse(EAST), taps.Taps(), taps.Tops(), join.Joiner())
    for kind in (events.REQUEST, events.RESPONSE, events.END):
        fed._take(event(kind, status=200), 0.0)
    async with asyncio.timeout(3):
        said, data = told(await tap.Batches(fed, top=top).wait())
    assert said == name and data["seen"] == 1 and len(data["rows"]) == 1
