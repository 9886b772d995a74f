"""Answers of StatSummary as people and programs see them."""

import pytest
from click.testing import CliRunner

from isthmus.cli.see import stat
from isthmus.cli.viz import flags, table
from isthmus.errors import BadValue
from isthmus.rpc import viz_pb2 as pb

STATS = pb.BasicStats(success_count=297, failure_count=3, latency_ms_p50=2, latency_ms_p95=9, latency_ms_p99=40)
TCP = pb.TcpStats(open_connections=4, read_bytes_total=6000, write_bytes_total=12_000)


def row(name="web", kind="deployment", namespace="shop", meshed=1, running=1, **more) -> stat.StatRow:
    resource = pb.Resource(namespace=namespace, type=kind, name=name)
    return stat.StatRow(resource=resource, time_window="1m", meshed_pod_count=meshed, running_pod_count=running, **more)


def lines(*answer: stat.StatRow, every: bool = False, **view) -> list[str]:
    found = stat.rows(answer, every=every)
    return [line for one in stat.layout(found, flags.View(**view)) for line in table.lines(one)]


def test_counts_become_rates():
    (found,) = stat.rows([row(stats=STATS, tcp_stats=TCP)], every=False)
    assert found == {
        "namespace": "shop",
        "kind": "deployment",
        "name": "web",
        "meshed": "1/1",
        "success": 0.99,
        "rps": 5.0,
        "latency_ms_p50": 2,
        "latency_ms_p95": 9,
        "latency_ms_p99": 40,
        "tcp_open_connections": 4,
        "tcp_read_bytes_rate": 100.0,
        "tcp_write_bytes_rate": 200.0,
    }


@pytest.mark.parametrize(
    ("answer", "view", "header", "line"),
    [
        (
            row(stats=STATS, tcp_stats=TCP),
            {},
            "NAME MESHED SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TCP_CONN",
            "web 1/1 99.00% 5.0rps 2ms 9ms 40ms 4",
        ),
        (
            row(stats=STATS, tcp_stats=TCP),
            {"form": "wide"},
            "NAME MESHED SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TCP_CONN READ_BYTES/SEC WRITE_BYTES/SEC",
            "web 1/1 99.00% 5.0rps 2ms 9ms 40ms 4 100.0B/s 200.0B/s",
        ),
        (
            row("web-1", "pod", status="Running"),
            {"every_namespace": True},
            "NAMESPACE NAME STATUS MESHED SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TCP_CONN",
            "shop web-1 Running 1/1 - - - - - -",
        ),
        (
            row(
                "backend",
                "service",
                meshed=0,
                running=0,
                ts_stats=pb.TrafficSplitStats(apex="b", leaf="b-west", weight="50"),
            ),
            {},
            "NAME APEX LEAF WEIGHT MESHED SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TCP_CONN",
            "backend b b-west 50 - - - - - - -",
        ),
        (
            row("http", "server", meshed=0, stats=STATS, srv_stats=pb.ServerStats(denied_count=60)),
            {},
            "NAME UNAUTHORIZED SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TCP_CONN",
            "http 1.0rps 99.00% 5.0rps 2ms 9ms 40ms -",
        ),
        (
            row("shop", "namespace", "", meshed=2, running=3),
            {"every_namespace": True},
            "NAME MESHED SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TCP_CONN",
            "shop 2/3 - - - - - -",
        ),
    ],
    ids=["table", "wide", "pod", "split", "server", "namespace"],
)
def test_columns(answer, view, header, line):
    assert [" ".join(found.split()) for found in lines(answer, **view)] == [header, line]


def test_several_kinds_stand_in_tables_of_their_own_and_names_say_which():
    found = lines(row("web-1", "pod"), row("web"), row("api"))
    assert [line.split()[0] for line in found] == ["NAME", "deploy/api", "deploy/web", "NAME", "po/web-1"]


@pytest.mark.parametrize(("every", "names"), [(False, ["web"]), (True, ["bare", "web"])])
def test_unmeshed_resources_are_shown_when_asked_for(every, names):
    found = stat.rows([row("web"), row("bare", meshed=0, running=2)], every=every)
    assert [one["name"] for one in found] == names


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (row(stats=STATS), True),
        (row(tcp_stats=TCP), True),
        (row(tcp_stats=pb.TcpStats()), False),
        (row(), False),
    ],
)
def test_a_table_of_dashes_is_explained(answer, told):
    assert stat.measured(stat.rows([answer], every=False)) is told


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("deploy --from deploy/a --to deploy/b", "--from"),
        ("deploy --to all", "--to"),
        ("deploy/web -A", "--all-namespaces"),
        ("deploy -t 5s", "--time-window"),
        ("thing", "no kind of resource"),
    ],
)
def test_refusals(line, says):
    outcome = CliRunner().invoke(stat.stat, line.split())
    assert isinstance(outcome.exception, BadValue)
    assert says in str(outcome.exception)
