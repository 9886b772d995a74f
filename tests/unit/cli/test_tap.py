"""How live requests look: lines, rows, JSON, sums, waterfalls; what a request's words mean."""

import dataclasses
import json

import pytest

from isthmus.cli import main
from isthmus.cli.live import lines, sums, tap, tapping, top, waterfall
from isthmus.errors import BadValue
from isthmus.tap.ask import resource
from isthmus.tap.tell import events
from tests.unit.tap import test_join as j

WEB = events.Peer("10.0.0.2:80", {"pod": "web-1", "namespace": "shop", "deployment": "web", "tls": "true"})
HEAD = events.Event(
    events.REQUEST,
    "east",
    1,
    2,
    source=events.Peer("10.0.0.1:4000"),
    destination=WEB,
    method="GET",
    authority="web:80",
    path="/x",
)
ANSWER = dataclasses.replace(HEAD, kind=events.RESPONSE, status=200, since_request=0.0015)
END = dataclasses.replace(HEAD, kind=events.END, since_request=0.002, since_response=0.0005, bytes=9)


@pytest.mark.parametrize(
    "event, how, text",
    [
        (
            HEAD,
            {},
            "req id=1:2 proxy=out src=10.0.0.1:4000 dst=10.0.0.2:80 tls=true :method=GET :authority=web:80 :path=/x",
        ),
        (ANSWER, {}, "rsp id=1:2 proxy=out src=10.0.0.1:4000 dst=10.0.0.2:80 tls=true :status=200 latency=1500µs"),
        (END, {}, "end id=1:2 proxy=out src=10.0.0.1:4000 dst=10.0.0.2:80 tls=true duration=500µs response-length=9B"),
        (
            dataclasses.replace(END, grpc=14, since_response=None),
            {"cluster": True},
            "end id=1:2 proxy=out src=10.0.0.1:4000 dst=10.0.0.2:80 tls=true grpc-status=Unavailable response-length=9B cluster=east",
        ),
        (
            dataclasses.replace(
                ANSWER, destination=events.Peer("a:1", {"tls": "no_identity", "no_tls_reason": "loopback"})
            ),
            {},
            "rsp id=1:2 proxy=out src=10.0.0.1:4000 dst=a:1 tls=loopback :status=200 latency=1500µs",
        ),
        (events.Event(events.NOTICE, sentence="9 events dropped"), {}, "note 9 events dropped"),
    ],
)
def test_lines_are_linkerd_s(event, how, text):
    assert lines.line(event, **how) == text


def test_wide_names_both_ends():
    assert lines.line(HEAD, wide=True).endswith("dst_pod=web-1 dst_namespace=shop dst_deployment=web")


def test_a_row_is_a_request_that_is_over():
    rows = lines.Rows()
    assert rows.take(HEAD) is None and rows.take(ANSWER) is None
    assert rows.take(END) == [
        "1:2",
        "out",
        "10.0.0.1:4000",
        "shop/web-1",
        "GET",
        "web:80",
        "/x",
        "200",
        "1.50ms",
        "true",
    ]


def test_json_has_linkerd_s_keys():
    said = json.loads(json.dumps(lines.document(ANSWER)))
    assert said["responseInitEvent"]["httpStatus"] == 200
    assert said["responseInitEvent"]["sinceRequestInit"] == {"seconds": 0, "nanos": 1_500_000}
    assert said["destination"]["metadata"]["deployment"] == "web" and said["proxyDirection"] == "OUTBOUND"


@pytest.mark.parametrize(
    "event, text",
    [(HEAD, "GET /x"), (ANSWER, ""), (END, "")],
)
def test_events_by_jsonpath_are_those_in_which_something_is_found(event, text):
    form = tap.Form(tap.FORMS).convert("jsonpath={.requestInitEvent.method} {.requestInitEvent.path}", None, None)
    assert tap._text(event, form, lines.Rows(), many=False, first=True) == text


def test_a_journey_by_jsonpath():
    (journey,) = j.play(*((role, 0, "a") for role in j.LASTS)).take(100.1)
    form = tap.Form(("waterfall",)).convert("jsonpath={.hops[*].cluster}", None, None)
    assert tap._journey(journey, form) == "east west west"


@pytest.mark.parametrize(
    "words, says",
    [
        (["tap", "-o", "jsonpath={.a"], "-o jsonpath is '{.a' (after '{.a': } is wanted)"),
        (["tap", "-o", "jsonpath"], "an expression is wanted"),
        (["tap", "-o", "yaml"], "'yaml' is not one of"),
        (["trace", "-o", "jsonpath=", "x"], "a path is wanted"),
    ],
)
def test_forms_that_are_none(words, says, capsys):
    assert main.main(words) == 2
    assert says in capsys.readouterr().err


def added(*ends: events.Event, **how) -> sums.Sums:
    made = sums.Sums(**how)
    for number, end in enumerate(ends):
        for event in (HEAD, ANSWER, end):
            made.take(dataclasses.replace(event, stream=number))
    return made


def test_sums():
    (row,) = added(END, dataclasses.replace(END, reset=8), dataclasses.replace(END, grpc=13)).rows("count")
    assert (row.source, row.destination, row.count, row.well) == ("10.0.0.1", "shop/web-1", 3, 1)
    assert row.best == row.worst == row.last == 0.0015


@pytest.mark.parametrize("order", sums.ORDERS)
def test_every_order_sorts(order):
    assert len(added(END).rows(order)) == 1


def test_what_was_dropped_is_added_up():
    made = sums.Sums()
    made.take(events.Event(events.NOTICE, dropped=7))
    assert made.dropped == 7


def test_top_s_columns_follow_its_flags_and_keys():
    screen = top.Screen(added(END, sources=False, routes=True), "count", sources=False, routes=True)
    screen.take(HEAD, many=True)
    screen.press("w")
    header, row = screen.plain()
    assert header.split() == ["CLUSTER", "DESTINATION", "METHOD", "ROUTE", "COUNT", "BEST", "WORST", "LAST", "SUCCESS"]
    assert row.split()[3] == "[default]" and screen.order == "worst" and screen.drawn().row_count == 1


def test_a_waterfall():
    (journey,) = j.play(*((role, 0, "a") for role in j.LASTS)).take(100.1)
    text = waterfall.draw(journey, width=120)
    assert text[0] == "GET http://web/x 200"
    assert [line.split()[:2] for line in text[1:4]] == [["east", "client"], ["west", "gateway"], ["west", "server"]]
    assert "over the link, client to gateway and back" in text[5] and "18ms" in text[5]
    assert text[-1] == "  joined by x-request-id=a"


@pytest.mark.parametrize(
    "offset, length, drawn",
    [(0, 10, "█" * 10), (5, 5, "·" * 5 + "█" * 5), (9.99, 0, "·" * 9 + "█"), (0, 0, "█" + "·" * 9)],
)
def test_bars(offset, length, drawn):
    assert waterfall.bar(offset, length, 10, 10) == drawn


@pytest.mark.parametrize(
    "words, sought",
    [
        (("GET", "http://web:80/api?x=1"), tap.Sought(method="GET", authority="web:80", path="/api")),
        (("post", "web/api"), tap.Sought(method="POST", authority="web", path="/api")),
        (("GET", "/api"), tap.Sought(method="GET", path="/api")),
        (("/api",), tap.Sought(path="/api")),
        (("http://web/",), tap.Sought(authority="web", path="/")),
        (("abc-1",), tap.Sought(mark="abc-1")),
        (("00-" + "4" * 32 + "-00f067aa0ba902b7-01",), tap.Sought(mark="4" * 32)),
    ],
)
def test_what_a_request_s_words_mean(words, sought):
    assert tap.read(words) == sought


def test_words_that_are_no_request():
    with pytest.raises(BadValue, match="REQUEST"):
        tap.read(("GET", "/a", "b"))


def test_a_joined_tap_looks_at_both_ends_and_the_gateways():
    wish = tapping.Wanted(words="deploy/client", namespace="shop", to="svc/web", to_namespace="data", path="/x").wish(
        ""
    )
    around = tapping.around(wish)
    assert [(one.target.namespace, quiet) for one, quiet in around] == [
        ("shop", False),
        ("data", True),
        ("linkerd-multicluster", True),
    ]
    assert all(one.to is None and one.path == "/x" and one.headers for one, _ in around)


def test_journeys_begin_at_the_resource_that_was_named():
    root = tapping.begins_at([tapping.Wanted(words="pod/client", namespace="shop").wish("")])
    assert root(j.play(("client", 0))._done[0])
    other = tapping.begins_at([tapping.Wanted(words="pod/other", namespace="shop").wish("")])
    assert not other(j.play(("client", 0))._done[0])


@pytest.mark.parametrize(
    "wanted, same",
    [
        ("", True),
        ("web:80", True),
        ("web", True),
        ("web.shop", True),
        ("web:81", False),
        ("we", False),
        ("web2:80", False),
    ],
)
def test_an_authority_may_be_written_out(wanted, same):
    assert tapping.same_authority(wanted, "web.shop.svc.cluster.local:80") is same


def test_to_a_namespace_alone():
    wish = tapping.Wanted(to_namespace="data").wish("shop")
    assert (wish.target, wish.to) == (resource.read("ns/shop", ""), resource.read("ns/data", ""))
