"""What is required, pinned and installed says one thing."""

import pathlib
import re
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def words(name: str) -> list[str]:
    return [line for line in (ROOT / "requirements" / name).read_text().splitlines() if line and line[0] not in "#-"]


def test_base_is_what_the_package_requires() -> None:
    assert words("base.in") == PROJECT["project"]["dependencies"]


def test_build_is_what_the_build_requires() -> None:
    assert words("build.in") == PROJECT["build-system"]["requires"]


@pytest.mark.parametrize("name", ["base", "build", "dev"])
def test_pins_have_hashes_and_name_no_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pins = re.findall(r"^([a-z0-9_.-]+)==\S+(?: ; [^\\]+)? \\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))
    assert "://" not in text


@pytest.mark.parametrize("name", ["base", "build", "dev"])
def test_every_wish_is_pinned(name: str) -> None:
    pinned = set(re.findall(r"^([a-z0-9_.-]+)==", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
    assert {re.split(r"[<>=]", w)[0].lower() for w in words(f"{name}.in")} <= pinned
