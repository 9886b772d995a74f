"""Golden metrics: counts, shares, quantiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.viz.answer import golden
from tests.unit.viz.rows import buckets, row


def by(label):
    return lambda one: one.label(label) or None


def test_rates_of_one_subject_are_added():
    rows = [row(3, d="web", classification="success"), row(1, d="web", classification="failure"), row(5, d="")]
    (found,) = golden.gather(by("d"), [*rows, row(1, d="web", classification="success", tls="true")]).values()
    assert (found.rps, found.share) == (5, 0.8)


@pytest.mark.parametrize(
    "counts, quantile, wanted",
    [
        ({10: 50, 20: 100, "+Inf": 100}, 0.5, 10),
        ({10: 50, 20: 100, "+Inf": 100}, 0.75, 15),
        ({10: 0, 20: 100, "+Inf": 100}, 0.5, 15),
        ({10: 50, 20: 50, "+Inf": 100}, 0.99, 20),
        ({10: 0, 20: 0, "+Inf": 0}, 0.5, None),
        ({10: 5}, 0.5, None),
        ({}, 0.5, None),
        ({10: 60, 20: 59.9, "+Inf": 100}, 0.6, 10),
    ],
    ids=["edge", "inside", "first-empty", "in-the-last", "nothing", "no-infinity", "no-buckets", "not-at-one-moment"],
)
def test_quantiles(counts, quantile, wanted):
    (found,) = (
        golden.gather(by("d"), (), buckets(counts, d="web")).values() or [golden.Golden()]
        if counts
        else [golden.Golden()]
    )
    assert found.latency(quantile) == (pytest.approx(wanted) if wanted is not None else None)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=12), st.floats(0.01, 0.99))
def test_a_quantile_lies_among_the_bounds(steps, share):
    total, held = 0.0, {}
    for at, step in enumerate(steps):
        total += step
        held[float(at + 1)] = total
    found = golden.quantile_of({**held, float("inf"): total}, share)
    assert found is None or 0 <= found <= len(steps)


@pytest.mark.parametrize(
    "labels, well",
    [
        ({"http_status": "200", "error": ""}, True),
        ({"http_status": "404", "error": ""}, True),
        ({"http_status": "503", "error": ""}, False),
        ({"http_status": "", "error": "REQUEST_TIMEOUT"}, False),
        ({"grpc_status": "0", "error": ""}, True),
        ({"grpc_status": "5", "error": ""}, True),
        ({"grpc_status": "14", "error": ""}, False),
        ({"classification": "failure", "http_status": "200"}, False),
    ],
)
def test_what_is_a_success(labels, well):
    assert golden.well(row(1, **labels)) is well


def test_counts_of_a_window():
    one = golden.Golden(success=2.0, failure=0.5, buckets={10.0: 1.0, float("inf"): 1.0})
    stats = one.stats(60)
    assert (stats.success_count, stats.failure_count, stats.latency_ms_p50) == (120, 30, 5)
