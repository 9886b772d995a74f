"""The bench's table and picture from samples."""

import pytest

from bench import report
from bench.ground import peers, work

ROW = work.ROWS[0]


def samples(**costs: list[float]) -> dict[str, list[report.Sample]]:
    return {product: [report.Sample(c, c + 1, c / 10, c) for c in some] for product, some in costs.items()}


@pytest.mark.parametrize(
    ("costs", "wanted"),
    [
        ({"isthmus": [9.0, 1.0, 5.0], "haproxy": [10.0, 10.0, 99.0]}, 0.5),
        ({"isthmus": [5.0]}, None),
        ({"isthmus": [5.0], "haproxy": [0.0]}, None),
    ],
)
def test_the_ratio_is_of_medians(costs: dict[str, list[float]], wanted: float | None) -> None:
    assert report.ratio(ROW, report.medians(samples(**costs))) == wanted


def test_a_row_names_its_goal_and_what_is_missing() -> None:
    line = report.line(ROW, samples(isthmus=[5.0], haproxy=[10.0]))
    assert "| 5.0 | 10.0 | – | **0.50** | ≤ 0.75 |" in line


def test_added_latency_is_over_direct() -> None:
    told = report.added(samples(isthmus=[20.0], envoy=[30.0], direct=[10.0]))
    assert "isthmus 1.00, envoy 2.00; isthmus : Envoy 0.50" in told


def test_the_picture_has_a_bar_for_each() -> None:
    picture = report.chart([(ROW, samples(isthmus=[5.0], haproxy=[10.0], envoy=[20.0]))])
    assert picture.count("<rect") == 3 and "isthmus 0.50" in picture


def test_every_service_has_ports_of_its_own_in_each_rival() -> None:
    ports = [s.port + extra for s in work.SERVICES for extra in (0, *work.OFFSET.values())]
    assert len(ports) == len(set(ports)) and max(ports) < 65_536
    assert peers.HEAD.count("nbthread 1") == 1
