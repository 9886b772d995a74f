"""The Containerfiles say the same as the images the lab makes itself."""

import json
import pathlib
import re

import pytest

from isthmus.lab.image import catalog, closure

FOLDER = pathlib.Path(__file__).parents[3] / "images"
# What only our own layout needs: the engine's base images have these in their loader's and interpreter's defaults.
OURS_ALONE = ("PATH=", catalog.LOADER, "PYTHONHOME=")


def last_stage(name: str) -> str:
    return (FOLDER / f"Containerfile.{name}").read_text().rpartition("\nFROM ")[2]


@pytest.mark.parametrize("name", catalog.OURS)
def test_entry_point_and_user_are_the_same(name: str) -> None:
    stage, config = last_stage(name), catalog.CONFIGS[name]
    assert tuple(json.loads(re.findall(r"^ENTRYPOINT (.+)$", stage, re.MULTILINE)[0])) == config.entrypoint
    assert re.findall(r"^USER (\d+)$", stage, re.MULTILINE) == [config.user]


@pytest.mark.parametrize("name", catalog.OURS)
def test_the_environment_is_the_same(name: str) -> None:
    said = " ".join(re.findall(r"^ENV (.+)$", last_stage(name), re.MULTILINE)).split()
    assert said == [entry for entry in catalog.CONFIGS[name].env if not entry.startswith(OURS_ALONE)]


def test_the_proxy_image_has_every_program_the_init_container_tries() -> None:
    names = {name for listed in catalog.IPTABLES.values() for name in listed}
    assert {"iptables-restore", "iptables-nft-restore", "iptables-legacy-restore"} <= names
    assert "iptables nftables" in last_stage("proxy")


def test_libraries_outside_the_standard_folders_are_searched() -> None:
    assert closure.OWN_LIBRARIES in catalog.LOADER
    assert all(catalog.LOADER in catalog.CONFIGS[name].env for name in ("control", "proxy"))
