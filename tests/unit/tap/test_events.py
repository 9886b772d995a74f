"""Events between proxies and clients: the same fields, names for both ends, no secrets, nothing dropped in silence."""

import asyncio
from typing import Any

import pytest

from isthmus.rpc import tap_pb2
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap import run, window
from isthmus.tap.tell import frames, labels, outbox
from tests.unit.tap import builders as b

SEEN_BY, OTHER = b.pod("web-1"), b.pod("db-0", "10.0.0.2", owner=("statefulset", "db"))


def shape(one: Any, seen=()) -> dict:
    """Numbers, kinds and inner shapes of a message's fields; header values aside."""
    fields = {}
    for field in one.fields:
        if field.number >= 1000 or field.name.startswith("value"):
            continue
        inner = field.message_type
        deeper = shape(inner, (*seen, inner.name)) if inner is not None and inner.name not in seen else None
        fields[field.number] = (field.type, field.is_repeated, deeper)
    return fields


def test_both_apis_number_their_fields_alike():
    assert shape(tap_pb2.TapEvent.DESCRIPTOR) == shape(api.TapEvent.DESCRIPTOR)


def test_header_values_are_text_or_bytes():
    event = labels.translated(b.begun(0, (("a", b"text"), ("b", b"\xff\xfe"))))
    a, second = event.http.request_init.headers.headers
    assert (a.value_str, second.value_bin) == ("text", b"\xff\xfe")
    assert event.http.request_init.path == "/x"


def test_credentials_are_not_told_whoever_sent_them():
    event = labels.translated(b.begun(0, (("Authorization", b"x"), ("cookie", b"y"), ("accept", b"z"))))
    labels.redact(event)
    assert [h.value_str for h in event.http.request_init.headers.headers] == ["[redacted]", "[redacted]", "z"]


@pytest.mark.parametrize(
    "ignored, told",
    [
        ("", ["X-Api-Key", "cookie", "accept", "x-api-key"]),
        ("x-api-key", ["cookie", "accept"]),
        ("Cookie, X-API-KEY", ["accept"]),
        ("other", ["X-Api-Key", "cookie", "accept", "x-api-key"]),
    ],
)
def test_of_ignored_headers_not_even_the_name_is_told(ignored, told):
    event = labels.translated(
        b.begun(0, (("X-Api-Key", b"x"), ("cookie", b"y"), ("accept", b"z"), ("x-api-key", b"w")))
    )
    labels.redact(event, run.Options.from_args(["--ignore-headers", ignored]).ignored)
    assert [h.name for h in event.http.request_init.headers.headers] == told
    assert all(h.value_str == labels.REDACTED for h in event.http.request_init.headers.headers if h.name == "cookie")


@pytest.mark.parametrize("event", [b.ended(0), tap_pb2.TapEvent()])
def test_what_has_no_headers_stays_as_it_is(event):
    made = labels.translated(event)
    before = made.SerializeToString()
    labels.redact(made, frozenset({"x-api-key"}))
    assert made.SerializeToString() == before


def test_both_ends_get_names_and_what_the_proxy_said_stays():
    seen = b.begun(0)
    seen.destination_meta.labels["pod"] = "db-said"
    event = labels.translated(seen)
    labels.name(event, SEEN_BY, {"10.0.0.2": OTHER}.get)
    source, destination = event.source_meta.labels, event.destination_meta.labels
    assert (source["pod"], source["namespace"], source["deployment"]) == ("web-1", "shop", "web")
    assert (destination["pod"], destination["statefulset"]) == ("db-said", "db")


def test_a_gateway_s_requests_end_elsewhere():
    seen = b.begun(0)
    seen.proxy_direction = tap_pb2.TapEvent.INBOUND
    event = labels.translated(seen)
    labels.name(event, b.pod("gateway", "10.0.0.7"), {"10.0.0.2": OTHER}.get)
    assert event.destination_meta.labels["pod"] == "db-0"


def test_addresses():
    event = labels.translated(b.begun(0))
    assert labels.address(event.source) == "10.0.0.1:4000"
    event.source.ip.ipv6.first, event.source.ip.ipv6.last = 0xFD << 56, 1
    assert labels.address(event.source) == "[fd00::1]:4000"


@pytest.mark.parametrize(
    "events, untold",
    [
        ([b.begun(0), b.ended(0)], 0),
        ([b.begun(0), b.begun(2), b.ended(0), b.ended(2)], 3),
        ([b.begun(0), b.begun(1), b.ended(1)], 1),
        ([], 0),
    ],
)
def test_what_a_proxy_did_not_tell_shows_in_its_numbers(events, untold):
    one = window.Window(base=7, limit=5)
    for event in map(labels.translated, events):
        one.take(event)
        assert getattr(event.http, event.http.WhichOneof("event")).id.base == 7
    assert one.untold() == untold and not one.spent


async def read(out: outbox.Outbox) -> list[api.TapEvent]:
    async with asyncio.timeout(1):
        body = await out.take()
    return [api.TapEvent.FromString(one) for one in frames.Reader().feed(body)]


async def test_a_slow_client_loses_events_and_is_told_how_many():
    out = outbox.Outbox(notices=True, room=2)
    assert [out.put(api.TapEvent()) for _ in range(5)] == [True, True, False, False, False]
    assert len(await read(out)) == 2
    (notice,) = await read(out)
    assert notice.notice.dropped == 3 == out.dropped and "faster" in notice.notice.sentence


async def test_clients_that_do_not_understand_notices_get_none():
    out = outbox.Outbox(notices=False, room=1)
    out.say("a sentence")
    out.put(api.TapEvent())
    assert [one.HasField("notice") for one in await read(out)] == [False]
