"""The treaty with the page: every shape becomes a type, and only additions keep what is there."""

import importlib.util
import pathlib

import msgspec
import pytest

from isthmus.dashboard import shapes

TOOL = pathlib.Path(__file__).parents[3] / "tools" / "gen_shapes.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("gen_shapes", TOOL)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_view_has_an_interface(tool):
    text = tool.text()
    for name in ("Overview", "Namespaces", "Workloads", "Workload", "Links", "Splits", "Policy", "Health", "TapBatch"):
        assert f"export interface {name} {{" in text


@pytest.mark.parametrize(
    "struct, line",
    [
        (shapes.Golden, "  p50: number | null;"),
        (shapes.Edge, "  tcpConnections: number;"),
        (shapes.Overview, "  nodes: Array<Node>;"),
        (shapes.Problem, '  kind: "away" | "empty" | "refused" | "stale";'),
    ],
)
def test_a_field_in_the_pages_words(tool, struct, line):
    assert line in tool.interface(struct).splitlines()


def test_keys_are_camel_case_and_always_sent():
    sent = msgspec.to_builtins(shapes.NamespaceRow("east", "demo", 1, 2, shapes.Golden()))
    assert sent["spark"] is None
    assert sent["golden"] == {"rps": 0.0, "success": None, "p50": None, "p95": None, "p99": None}
