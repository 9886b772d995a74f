"""One request as three proxies of two clusters saw it, and what must not be joined."""

import dataclasses
import math
import random

import pytest

from isthmus.tap.tell import events, join

CLIENT, GATEWAY, SERVER = "client.shop.id", "gateway.mc.id", "web.shop.id"


def peer(pod: str = "", **labels: str) -> events.Peer:
    space, _, name = pod.partition("/")
    return events.Peer("10.0.0.1:1", {**({"namespace": space, "pod": name} if pod else {}), **labels})


def view(role: str, number: int = 0, mark: str = "", path: str = "/x") -> events.Event:
    """The first event of a request at the client's proxy, the gateway or the server's proxy."""
    cluster, proxy, identity, source, destination = {
        "client": ("east", "shop/client", CLIENT, peer("shop/client"), peer(server_id=GATEWAY, target_cluster="west")),
        "gateway": ("west", "mc/gateway", GATEWAY, peer(client_id=CLIENT), peer("shop/web", server_id=SERVER)),
        "server": ("west", "shop/web", SERVER, peer(client_id=GATEWAY), peer("shop/web")),
    }[role]
    headers = (("x-request-id", mark),) if mark else ()
    return events.Event(
        events.REQUEST,
        cluster,
        stream=number,
        inbound=role != "client",
        source=source,
        destination=destination,
        proxy=proxy,
        identity=identity,
        method="GET",
        authority="web",
        path=path,
        headers=headers,
    )


LASTS = {"client": 0.030, "gateway": 0.012, "server": 0.010}


def play(*views: tuple, roles=LASTS, at: float = 100.0, **ends) -> join.Joiner:
    """A joiner that saw whole requests: each view is (role, number, mark, path)."""
    joiner = join.Joiner()
    for words in views:
        head, last = view(*words), roles[words[0]]
        joiner.feed(head, at)
        joiner.feed(dataclasses.replace(head, kind=events.RESPONSE, status=200, since_request=last), at + last)
        joiner.feed(dataclasses.replace(head, kind=events.END, since_request=last + 0.001, **ends), at + last)
    return joiner


def test_one_request_in_three_proxies_of_two_clusters():
    (journey,) = play(("server", 5, "a"), ("client", 1, "a"), ("gateway", 9, "a")).take(100.1)
    assert [(hop.head.cluster, hop.role) for hop in journey.hops] == [
        ("east", "client"),
        ("west", "gateway"),
        ("west", "server"),
    ]
    assert (journey.how, journey.mark) == (join.SURE, "x-request-id=a")
    assert journey.between == pytest.approx((0.018, 0.002))
    assert [hop.offset for hop in journey.hops] == pytest.approx([0, 0.009, 0.010])
    assert journey.inside == pytest.approx(0.010)


def test_marks_tell_requests_of_one_moment_apart():
    three = [(role, number, mark) for number, mark in enumerate("abc") for role in LASTS]
    found = play(*three).take(100.1)
    assert [journey.mark for journey in found] == [f"x-request-id={mark}" for mark in "abc"]
    assert all(len({hop.head.stream for hop in journey.hops}) == 1 for journey in found)


def test_without_a_mark_one_that_fits_alone_is_likely_and_waits_for_rivals():
    joiner = play(*((role, 0) for role in LASTS))
    assert not joiner.take(100.1)
    (journey,) = joiner.take(102.0)
    assert journey.how == join.LIKELY and len(journey.hops) == 3 and not journey.mark


@pytest.mark.parametrize(
    "views",
    [
        pytest.param([("client", 0), ("gateway", 0), ("gateway", 1)], id="two might follow"),
        pytest.param([("client", 0), ("client", 1), ("gateway", 0)], id="two might go before"),
    ],
)
def test_several_that_fit_are_not_guessed_at(views):
    found = play(*views).take(102.0)
    assert {(journey.how, len(journey.hops), journey.rivals) for journey in found} == {(join.OPEN, 1, 2)}


def crowd(seed: int, *, seconds: int = 4, a_second: int = 150, **header: str) -> list[join.Journey]:
    """What is joined of many like requests, whose events come in batches and late. `{}` in a header is the request's number."""
    dice, told = random.Random(seed), list[tuple[float, events.Event]]()
    for number in range(seconds * a_second):
        begin, took = 100 + number / a_second, dice.lognormvariate(-6.9, 1.2)
        for role in ("server", "gateway", "client"):
            late, took = math.ceil(begin / 0.02) * 0.02 + dice.uniform(0, 0.08), took + 0.0001 + dice.expovariate(4000)
            headers = tuple((name.replace("_", "-"), text.format(number, role)) for name, text in header.items())
            head = dataclasses.replace(view(role, number), headers=headers)
            answer = dataclasses.replace(head, kind=events.RESPONSE, status=200, since_request=took)
            end = dataclasses.replace(head, kind=events.END, since_request=took)
            told += [(late, head), (late + took, answer), (late + took, end)]
    joiner, found, due = join.Joiner(), list[join.Journey](), 100.0
    for at, event in sorted(told, key=lambda one: one[0]):
        if at >= due:
            found, due = found + joiner.take(at), at + 0.2
        joiner.feed(event, at)
    return found + joiner.take(due + join.GRACE)


@pytest.mark.parametrize(
    "header, least",
    [
        pytest.param({}, 1, id="by the slowest alone"),
        pytest.param(
            {"accept": "*/*", "l5d_client_id": "{1}", "via": "{0}{1}"}, 1, id="headers that all have, or proxies write"
        ),
        pytest.param({"accept": "{1}"}, 1, id="a header that is rewritten on the way"),
        pytest.param({"x_session": "{0}"}, 590, id="a header of its own"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_in_a_crowd_those_that_can_be_told_apart_are_joined_and_rightly(seed, header, least):
    found = crowd(seed, **header)
    whole = [one for one in found if one.how == join.LIKELY and one.hops[-1].role == "server"]
    assert len(found) == 600 and len(whole) >= least
    assert all(len({hop.head.stream for hop in one.hops}) == 1 for one in found)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(view("gateway", 1, "b"), id="another mark"),
        pytest.param(view("gateway", 1, "a", "/y"), id="another path"),
        pytest.param(
            dataclasses.replace(view("gateway", 1, "a"), source=peer(client_id="thief.id")), id="another client"
        ),
        pytest.param(dataclasses.replace(view("gateway", 1, "a"), identity="other.id"), id="not whom it was sent to"),
        pytest.param(dataclasses.replace(view("gateway", 1, "a"), inbound=False), id="not on its way in"),
        pytest.param(dataclasses.replace(view("gateway", 1, "a"), method="POST"), id="another method"),
    ],
)
def test_what_is_another_request(other):
    joiner = play(("client", 0, "a"))
    joiner.feed(other, 100.0)
    joiner.feed(dataclasses.replace(other, kind=events.RESPONSE, status=200, since_request=0.01), 100.0)
    joiner.feed(dataclasses.replace(other, kind=events.END, since_request=0.01), 100.0)
    (journey,) = [
        one for one in joiner.take(102.0) if one.hops[0].head.cluster == "east" and one.hops[0].head.stream == 0
    ]
    assert (journey.how, len(journey.hops)) == (join.ALONE, 1)


def test_a_hop_cannot_last_longer_than_the_one_before():
    journey = play(("client", 0, "a"), ("gateway", 0, "a"), roles={"client": 0.01, "gateway": 0.5}).take(102.0)[0]
    assert journey.how == join.ALONE


def test_a_trace_holds_several_requests_by_their_time():
    joiner = play(("client", 0, "a"), ("server", 7, "a"), ("gateway", 1, "a"))
    late = dataclasses.replace(view("gateway", 2, "a"))
    joiner.feed(late, 100.0)
    joiner.feed(dataclasses.replace(late, kind=events.RESPONSE, status=200, since_request=0.025), 100.0)
    joiner.feed(dataclasses.replace(late, kind=events.END, since_request=0.026), 100.0)
    journey = joiner.take(100.1)[0]
    assert [hop.head.stream for hop in journey.hops][:2] == [0, 2]


def test_traces_join_by_their_trace_although_each_proxy_writes_a_span_of_its_own():
    joined = ["00-" + "4" * 32 + f"-{n:016x}-01" for n in range(3)]
    joiner = join.Joiner()
    for (role, last), value in zip(LASTS.items(), joined, strict=True):
        head = dataclasses.replace(view(role), headers=(("traceparent", value),))
        joiner.feed(head, 100.0)
        joiner.feed(dataclasses.replace(head, kind=events.END, since_request=last), 100.0)
    (journey,) = joiner.take(100.1)
    assert journey.mark == "traceparent=" + "4" * 32


def test_what_nobody_asks_for_is_forgotten():
    joiner = play(("server", 0, "a"), ("gateway", 0, "a"))
    joiner.take(200.0)
    assert not joiner._done


def test_roots_are_chosen():
    joiner = play(("client", 0, "a"), ("gateway", 0, "a"), ("server", 0, "a"))
    joiner.root = lambda hop: hop.head.proxy == "shop/other"
    assert not joiner.take(101.0)


def test_as_json():
    said = join.document(play(*((role, 0, "a") for role in LASTS)).take(100.1)[0])
    assert (said["joined"], said["path"], said["mark"]) == ("exact", "/x", "x-request-id=a")
    hops = said["hops"]
    assert isinstance(hops, list)
    assert [one["outside_before"] for one in hops] == pytest.approx([0, 0.018, 0.002])
    assert hops[0]["target_cluster"] == "west"
