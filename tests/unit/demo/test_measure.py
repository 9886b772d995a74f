"""The demonstration's arithmetic: metrics pages to rows."""

import pytest

from isthmus.demo import measure

BACKEND = "backend-svc.isthmus-demo.svc.cluster.local:8888"
WEST = f'direction="outbound",authority="{BACKEND}",tls="true",server_id="gw",dst_target_cluster="west"'
PAGE = f"""\
# TYPE response_total counter
response_total{{direction="outbound",authority="{BACKEND}",tls="true",server_id="a",classification="success"}} EAST
response_total{{{WEST},classification="success"}} WEST
response_total{{{WEST},classification="failure"}} BAD
response_total{{direction="inbound",authority="{BACKEND}",classification="success"}} 999
response_total{{direction="outbound",authority="other:80",classification="success"}} 999
"""


def page(east: int, west: int, bad: int = 0) -> measure.Snapshot:
    text = PAGE.replace("EAST", str(east)).replace(" WEST", f" {west}").replace("BAD", str(bad))
    return measure.read(text, local="east", authority="backend-svc")


def test_rows_are_differences_per_cluster() -> None:
    east, west = measure.rows(page(10, 10), page(110, 60, 50), 10.0)
    assert (east.peer.cluster, east.rps, east.success, east.share) == ("east", 10.0, 1.0, 0.5)
    assert (west.peer.cluster, west.rps, west.success, west.share) == ("west", 10.0, 0.5, 0.5)


def test_inbound_and_other_authorities_do_not_count() -> None:
    assert sum(t.ok + t.failed for t in page(1, 2, 3).values()) == 6


def test_peers_carry_identity_and_tls() -> None:
    assert measure.Peer("west", "gw", "true") in page(1, 1)


@pytest.mark.parametrize(
    ("buckets", "q", "expected"),
    [
        pytest.param({}, 0.5, 0.0, id="nothing"),
        pytest.param({1.0: 10, float("inf"): 10}, 0.5, 0.5, id="inside-the-first"),
        pytest.param({1.0: 0, 2.0: 10, float("inf"): 10}, 0.5, 1.5, id="inside-the-second"),
        pytest.param({1.0: 0, float("inf"): 10}, 0.99, 1.0, id="beyond-the-last-bound"),
    ],
)
def test_quantile(buckets: dict[float, float], q: float, expected: float) -> None:
    assert measure.quantile(buckets, q) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param("", (0, 0), id="empty"),
        pytest.param('{"count": 5, "failures": 1}\n{"count": 2, "failures": 0}\n', (7, 1), id="two-seconds"),
        pytest.param('starting\n{"count": 5, "failures": 0}\n', (5, 0), id="a-sentence-first"),
    ],
)
def test_counts(log: str, expected: tuple[int, int]) -> None:
    assert measure.counts(log) == expected
