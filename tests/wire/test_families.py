"""Pages of real proxies against docs/metrics.md, and against what dashboards and rules ask for."""

import collections
import json
from typing import Any

import pytest
import yaml
from prometheus_client import parser

from isthmus.install.prometheus import files
from tests import families, promql
from tests.wire import conftest, pods, world
from tools.grafana import __main__ as grafana

pytestmark = pytest.mark.wire

ELSEWHERE = families.SCRAPED | {"le"}
"""Labels that a page need not have."""
Page = dict[str, set[str]]


def expressions() -> list[str]:
    rules = [
        rule["expr"] for text in files.rules().values() for g in yaml.safe_load(text)["groups"] for rule in g["rules"]
    ]
    boards: list[dict[str, Any]] = [json.loads(text) for text in grafana.files().values()]
    return rules + [
        target["expr"] for board in boards for panel in board["panels"] for target in panel.get("targets", ())
    ]


@pytest.fixture(scope="module")
def page(stage: conftest.Stage) -> Page:
    """Family -> labels, of all proxies together, after requests, bytes, both through the gateway too, and a refusal."""
    stage.state.reset()
    calls: list[dict[str, Any]] = [
        {"host": world.WEB, "port": 80, "name": "web"},
        {"host": world.WEST, "port": 80, "name": "web-west"},
    ]
    for call in calls:
        stage.client.call("one", **call)
    stage.state.edit("ports", "8080", "deny")
    pods.wait_for(lambda: stage.client.call("one", **calls[0])["status"] == 403, 5, "the policy")
    stage.state.reset()
    found: Page = collections.defaultdict(set)
    for pod in stage.all.values():
        for family in parser.text_string_to_metric_families(pod.admin("/metrics")[1]):
            for sample in family.samples:
                found[sample.name] |= sample.labels.keys()
    return found


def test_a_page_has_nothing_that_is_not_told(page: Page) -> None:
    told = families.proxies()
    shown = {name: labels for name, labels in page.items() if not name.startswith("process_")}
    assert sorted(shown.keys() - told.keys()) == []
    assert {name: labels - told[name] - {"le"} for name, labels in shown.items() if labels - told[name] - {"le"}} == {}


def test_what_is_asked_for_is_shown(page: Page) -> None:
    missing = {
        f"{family}{{{label}}}"
        for expr in expressions()
        for family, label in promql.asked(expr).selected
        if family in page and label not in page[family] | ELSEWHERE
    }
    assert missing == set()
