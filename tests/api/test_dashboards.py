"""Every expression of every dashboard is one, and a real Prometheus takes the rules and shows of itself what dashboards ask for."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import parser

from isthmus.install.prometheus import files
from tests import promql, promtool
from tools.grafana import __main__ as grafana

pytestmark = pytest.mark.api

CHOSEN = {"$__rate_interval": "1m", "$namespace": "shop", "$cluster": ".*"}


def expressions() -> list[str]:
    """All of them, with their variables filled in."""
    boards: list[dict[str, Any]] = [json.loads(text) for text in grafana.files().values()]
    found = {target["expr"] for board in boards for panel in board["panels"] for target in panel.get("targets", ())}
    for variable, value in CHOSEN.items():
        found = {expr.replace(variable, value) for expr in found}
    return sorted(found)


def test_every_expression_is_one(tmp_path) -> None:
    rules = [{"record": f"checked:{number}", "expr": expr} for number, expr in enumerate(expressions())]
    text = json.dumps({"groups": [{"name": "dashboards", "rules": rules}]})
    assert len(rules) > 150 and promtool.check(tmp_path, {"dashboards.yml": text}) == ""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[promtool.Prometheus]:
    running = promtool.Prometheus(tmp_path_factory.mktemp("prometheus"), files.rules())
    try:
        running.until(lambda: bool(running.query('up{job="prometheus"} == 1')), "its first scrape")
        yield running
    finally:
        running.close()


def groups(prometheus: promtool.Prometheus) -> list[dict[str, Any]]:
    return prometheus.data("/api/v1/rules")["groups"]


def test_it_evaluates_all_rules(prometheus: promtool.Prometheus) -> None:
    prometheus.until(
        lambda: all(rule["health"] == "ok" for group in groups(prometheus) for rule in group["rules"]), "every rule"
    )
    assert sum(len(group["rules"]) for group in groups(prometheus)) > 50


def test_it_shows_what_the_dashboards_of_itself_ask_for(prometheus: promtool.Prometheus) -> None:
    page = parser.text_string_to_metric_families(prometheus.text("/metrics"))
    shown = {sample.name for family in page for sample in family.samples}
    wanted = {
        family
        for expr in expressions()
        for family in promql.asked(expr).families
        if family.startswith(("prometheus_", "go_"))
    }
    assert wanted and wanted <= shown


def test_it_has_an_answer_to_every_question(prometheus: promtool.Prometheus) -> None:
    for expr in expressions():
        prometheus.query(expr)


def test_a_missing_control_plane_is_told(prometheus: promtool.Prometheus) -> None:
    found = prometheus.query('ALERTS{alertname="IsthmusControlPlaneAway"}')
    assert {one["metric"]["component"] for one in found} == {"identity", "destination", "policy", "injector"}
