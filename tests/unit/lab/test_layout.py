"""Addresses, folders and names of a lab."""

import pathlib

import pytest

from isthmus import errors
from isthmus.lab import layout

FOLDER = pathlib.Path("/state/lab")


def made(*names: str, distinct: bool = False) -> layout.Lab:
    return layout.plan(FOLDER, "isthmus", list(names), distinct=distinct)


def test_clusters_share_their_ranges_by_default() -> None:
    east, west = made("east", "west").clusters
    assert (east.pods, east.services) == (west.pods, west.services) == ("10.20.0.0/16", "10.30.0.0/16")
    assert (east.wan, west.wan, west.server) == ("10.99.0.1", "10.99.0.2", "https://10.99.0.2:6443")


def test_distinct_ranges_on_demand() -> None:
    east, west = made("east", "west", distinct=True).clusters
    assert len({east.pods, west.pods, east.services, west.services}) == 4
    assert west.api_vip.startswith(west.services[:6])


def test_balancer_addresses_are_of_the_cluster() -> None:
    east, west = made("east", "west").clusters
    assert (east.balancer(1), west.balancer(254)) == ("10.99.1.1", "10.99.2.254")


@pytest.mark.parametrize(
    "names",
    [[], ["east", "east"], ["ops"], ["East"], ["a" * 21], [""], [f"c{i}" for i in range(9)]],
    ids=["none", "twice", "reserved", "capital", "long", "empty", "many"],
)
def test_names_that_are_refused(names: list[str]) -> None:
    with pytest.raises(errors.BadValue, match="--clusters"):
        layout.plan(FOLDER, "isthmus", names)


@pytest.mark.parametrize(
    "env, folder, tag",
    [
        ({"HOME": "/h"}, "/h/.local/state/isthmus/lab", "isthmus"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/x"}, "/x/isthmus/lab", "isthmus"),
        ({"HOME": "/h", "ISTHMUS_LAB_DIR": "/own"}, "/own", "isthmus."),
        ({"HOME": "/h", "ISTHMUS_LAB_DIR": "/h/.local/state/isthmus/lab"}, "/h/.local/state/isthmus/lab", "isthmus"),
    ],
    ids=["home", "xdg", "own", "own-is-default"],
)
def test_state_folder_and_tag(env: dict[str, str], folder: str, tag: str) -> None:
    found = layout.state_dir(env)
    assert str(found) == folder
    assert layout.tag(found, env).startswith(tag)
    assert (layout.tag(found, env) == "isthmus") == (tag == "isthmus")


@pytest.mark.parametrize(
    "env, folder",
    [
        ({"HOME": "/h"}, "/h/.cache/isthmus"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/isthmus"),
        ({"ISTHMUS_CACHE": "/own"}, "/own"),
    ],
    ids=["home", "xdg", "own"],
)
def test_cache_folder(env: dict[str, str], folder: str) -> None:
    assert str(layout.cache_dir(env)) == folder


def test_the_tags_of_two_folders_do_not_meet() -> None:
    env = {"HOME": "/h"}
    own = layout.tag(pathlib.Path("/own"), env)
    assert not f"{own}-east".startswith("isthmus-")


def test_a_saved_lab_comes_back(tmp_path: pathlib.Path) -> None:
    lab = layout.plan(tmp_path, "isthmus", ["east", "west", "north"], nodes=False, distinct=True)
    lab.save()
    assert layout.load(tmp_path, "isthmus") == lab


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"clusters": ["OPS"], "nodes": true, "distinct": false}'])
def test_what_can_not_be_read_is_no_lab(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "lab.json").write_text(text)
    assert layout.load(tmp_path, "isthmus").clusters == ()


def test_an_unknown_cluster_is_refused_with_the_known_ones() -> None:
    with pytest.raises(errors.IsthmusError, match="east, west"):
        made("east", "west").cluster("north")
