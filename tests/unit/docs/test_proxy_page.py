"""Every test that docs/proxy.md names is there, and every row says what proves it."""

import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "proxy.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.endswith("| ours | proof |")
]
NAMED = sorted(set(re.findall(r"`([a-z_0-9/.]+::[a-z_0-9]+)`", " ".join(row[-1] for row in ROWS))))
RUST = re.compile(r"#\[(?:tokio::)?test[^\n]*\n(?:\s*#\[[^\n]*\n|\s*//[^\n]*\n)*\s*(?:async )?fn (\w+)")
PYTHON = re.compile(r"^def (test_\w+)", re.MULTILINE)


@functools.cache
def named_in(place: str) -> set[str]:
    """The tests of a Python file, or of a Rust module with all that lies below it."""
    if place.startswith("tests/"):
        return set(PYTHON.findall((ROOT / place).read_text()))
    crate, _, module = place.partition("/")
    bases = [ROOT / "proxy" / crate / "src" / module, ROOT / "proxy" / crate / "tests" / module]
    files = [file for base in bases for file in (base.with_suffix(".rs"), *base.rglob("*.rs")) if file.exists()]
    return {name for file in files for name in RUST.findall(file.read_text())}


@pytest.mark.parametrize("named", NAMED)
def test_it_exists(named):
    place, _, name = named.partition("::")
    assert name in named_in(place)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_has_a_proof_or_says_that_it_has_none(row):
    assert len(row) == 3
    assert "::" in row[-1] or row[-1] in {"*no test*", "–"}
    assert (
        row[-1] != "–" or row[1].startswith("**not there**") or "without effect" in row[1] or "control plane" in row[1]
    )


def test_nothing_is_named_another_way():
    words = re.findall(r"`([^`]*\w::\w[^`]*)`", PAGE)
    assert set(words) == {*NAMED, "engine/sim/http1::name"}, "the last one is the example on top"
