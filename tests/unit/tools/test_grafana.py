"""Dashboards and rules ask for what exists: each family, each label; and the committed files are what the generator makes."""

import json
import pathlib
import re
from typing import Any

import pytest
import yaml

from isthmus.install.prometheus import files
from tests import families, promql
from tools.grafana import __main__ as grafana

ROOT = pathlib.Path(__file__).parents[3]
NAMES = (
    "authority cronjob daemonset deployment health job kubernetes multicluster namespace pod prometheus-2-stats prometheus-benchmark "
    "replicaset replicationcontroller route service statefulset top-line links"
)
BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in grafana.files().items()}
FOREIGN = frozenset({"slice", "quantile", "rule_group", "handler", "code", "container", "alertname", "alertstate"})
"""Labels of Prometheus' own and of the kubelets' series; that Prometheus has its own is the api tier's to tell."""
RULES: list[dict[str, Any]] = [
    rule for text in files.rules().values() for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
]


def foreign(family: str) -> bool:
    return re.match(r"(prometheus|go|scrape|container|machine)_|up$|ALERTS$", family) is not None


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str, str]]:
    """Dashboard, expression, legend."""
    return [
        (name, target["expr"], target.get("legendFormat", ""))
        for name, board in BOARDS.items()
        for panel in panels(board)
        for target in panel["targets"]
    ]


def wrong(expr: str) -> list[str]:
    """What an expression asks for that nobody shows."""
    known, asked = families.known(), promql.asked(expr)
    ours = {family for family in asked.families if not foreign(family)}
    said = [f"family {family}" for family in sorted(ours - known.keys())]
    have = {family: known.get(family, frozenset()) for family in ours}
    there = frozenset().union(*have.values(), families.SCRAPED, FOREIGN if asked.families - ours else frozenset())
    said += [
        f"{family}{{{label}}}"
        for family, label in sorted(asked.selected)
        if family in have and label not in have[family]
    ]
    return said + [f"by {label}" for label in sorted(asked.kept - there - {"le"})]


def test_the_files_are_what_the_generator_makes() -> None:
    have = {file.name: file.read_text() for file in (ROOT / "grafana").glob("*.json")}
    assert have == grafana.files(), "say: python -m tools.grafana"


def test_the_eighteen_and_one() -> None:
    assert sorted(BOARDS) == sorted(f"{name}.json" for name in NAMES.split())


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_asks_for_what_exists(name: str) -> None:
    assert [said for board, expr, _ in queries() if board == name for said in wrong(expr)] == []


@pytest.mark.parametrize("rule", RULES, ids=[rule.get("alert") or rule["record"] for rule in RULES])
def test_a_rule_asks_for_what_exists(rule: dict[str, Any]) -> None:
    assert wrong(rule["expr"]) == []


@pytest.mark.parametrize("name", BOARDS)
def test_variables_ask_for_what_exists(name: str) -> None:
    for variable in BOARDS[name]["templating"]["list"][1:]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
        assert found and wrong(f"sum by ({found[2]}) ({found[1]})") == []


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_is_of_the_chosen_clusters(name: str) -> None:
    for board, expr, _ in queries():
        selectors = re.findall(r"\{([^}]*)\}", expr)
        assert board != name or (selectors and all('cluster=~"$cluster"' in one for one in selectors)), expr
    assert [one["name"] for one in BOARDS[name]["templating"]["list"]][:2] == ["datasource", "cluster"]


@pytest.mark.parametrize("name", BOARDS)
def test_a_legend_names_labels_that_are_kept(name: str) -> None:
    for board, expr, legend in queries():
        if board == name and "{{" in legend:
            assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= promql.asked(expr).kept, expr


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_places_of_their_own(name: str) -> None:
    board = BOARDS[name]
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize(
    "expr, families, kept",
    [
        ('sum by (a, le) (rate(x_bucket{b="c:d{}", e=~"f"}[1m]))', {"x_bucket"}, {"a", "le"}),
        ("y:z:sum > 0 and on (i) (v == 1) offset 5m", {"y:z:sum", "v"}, {"i"}),
        ("(a - time()) / 86400", {"a"}, set()),
    ],
)
def test_what_an_expression_asks_for(expr, families, kept) -> None:
    assert (promql.asked(expr).families, promql.asked(expr).kept) == (families, kept)
