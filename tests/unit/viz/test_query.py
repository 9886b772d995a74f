"""PromQL: what is asked, from which series, and that no value ends its string."""

import pytest

from isthmus.viz.ask import query as q

WEB = q.Select(
    "response_total", (q.equal("direction", "inbound"), q.equal("namespace", "shop")), ("namespace",), "workload"
)
RAW, RECORDED = q.Source(60), q.Source(60, recorded=True)


@pytest.mark.parametrize(
    "select, source, text",
    [
        (WEB, RAW, 'sum by (namespace) (rate(response_total{direction="inbound",namespace="shop"}[60s]))'),
        (WEB, RECORDED, 'sum by (namespace) (workload:response_total:rate1m{direction="inbound",namespace="shop"})'),
        (
            WEB,
            q.Source(300, recorded=True),
            'sum by (namespace) (rate(response_total{direction="inbound",namespace="shop"}[300s]))',
        ),
        (
            q.Select("m", (q.equal("direction", "outbound"),), ("a", "a"), "edge"),
            RECORDED,
            "sum by (a) (edge:m:rate1m{})",
        ),
        (q.Select("m", (), ("a",)), RECORDED, "sum by (a) (rate(m{}[60s]))"),
    ],
    ids=["raw", "recorded", "another-window", "edges-have-no-direction", "no-level"],
)
def test_rates(select, source, text):
    assert q.rate(select, source) == text


def test_a_gauge_leaves_out_what_the_rules_dropped():
    open_ = q.Select("tcp_open_connections", (), ("a",), "edge", (q.equal("peer", "dst"),))
    assert q.gauge(open_, RECORDED) == "sum by (a) (edge:tcp_open_connections:sum{})"
    assert q.gauge(open_, RAW) == 'sum by (a) (tcp_open_connections{peer="dst"})'


@pytest.mark.parametrize("value", ['a"b', "a\\", 'x"} or vector(1) #', "two\nlines"])
def test_no_value_ends_its_string(value):
    text = q.equal("name", value).text()
    inner = text.removeprefix('name="').removesuffix('"')
    assert "\n" not in text and '"' not in inner.replace('\\"', "").replace("\\\\", "")


def test_among_takes_names_as_they_are():
    assert q.among("pod", {"b.c", "a-1"}).text() == 'pod=~"a-1|b\\\\.c"'
    assert q.among("pod", ()).value == "-", "nothing, rather than everything"
