"""The demonstration's phases and objects."""

import pytest

from isthmus.demo import app, story


@pytest.mark.parametrize(("index", "share"), [(0, 0.0), (1, 0.5), (2, 1.0), (3, 0.5)])
def test_migration_moves_everything_and_comes_back(index: int, share: float) -> None:
    assert story.migration(5)[index].expected_west == share


def test_tolerance_shrinks_with_the_number_of_requests() -> None:
    assert story.tolerance(10_000) == pytest.approx(0.025)
    assert story.tolerance(0) > story.tolerance(100)


def test_the_route_names_the_mirror() -> None:
    refs = app.route(story.migration(1)[1].weights)["spec"]["rules"][0]["backendRefs"]
    assert [(r["name"], r["weight"]) for r in refs] == [("backend-svc", 50), ("backend-svc-west", 50)]


@pytest.mark.parametrize("exported", [True, False])
def test_only_an_exported_backend_carries_the_label(exported: bool) -> None:
    service = app.backend("west", "image:1", exported=exported)[0]
    assert bool(service["metadata"]["labels"]) is exported
