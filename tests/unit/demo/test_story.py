"""The demonstration's phases and objects."""

import pytest

from isthmus.demo import app, story


def test_migration_moves_everything_and_comes_back() -> None:
    phases = story.migration(5)
    assert [(p.here, p.there) for p in phases] == [(100, 0), (50, 50), (0, 100), (50, 50)]
    assert {p.seconds for p in phases} == {5}


@pytest.mark.parametrize("target", ["west", "north"])
def test_the_split_names_the_targets_mirror(target: str) -> None:
    refs = app.split(target, here=80, there=20)["spec"]["rules"][0]["backendRefs"]
    assert [(r["name"], r["weight"]) for r in refs] == [("backend-svc", 80), (f"backend-svc-{target}", 20)]


@pytest.mark.parametrize("exported", [True, False])
def test_only_an_exported_backend_carries_the_label(exported: bool) -> None:
    service = app.backend("west", "image:1", exported=exported)[0]
    assert bool(service["metadata"]["labels"]) is exported
