"""docs/metrics.md names every family that the proxy declares, and none that it does not."""

import itertools
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[3]


def declared() -> set[str]:
    names: set[str] = set()
    folder = ROOT / "proxy/metrics/src"
    for file in [folder / "families.rs", *(folder / "families").glob("*.rs")]:
        names |= set(
            re.findall(r"^\s+(?:counter|gauge|histogram) \w+ =\s+\"([a-z0-9_]+)\"", file.read_text(), re.MULTILINE)
        )
    return names


def spread(name: str) -> list[str]:
    """`a_{b,c}` is `a_b` and `a_c`."""
    parts = [part.split(",") if index % 2 else [part] for index, part in enumerate(re.split(r"\{([^}]*)\}", name))]
    return ["".join(choice) for choice in itertools.product(*parts)]


def test_the_page_names_every_family_and_no_other() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    named = {name for cell in re.findall(r"`([a-z0-9_{},]+)`", page) for name in spread(cell)}
    assert not declared() - named, "families without a word"
    rows = re.findall(r"^\| (`[^|]+) \|", page.partition("## Families")[2].partition("## Bounds")[0], re.MULTILINE)
    told = {name for row in rows for cell in re.findall(r"`([a-z0-9_{},]+)`", row) for name in spread(cell)}
    assert told <= declared(), "words without a family"
