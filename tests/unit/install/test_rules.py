"""Rules and alerts as data: their names, their words, their page."""

import pathlib
import re
from typing import Any

import pytest
import yaml

from isthmus.install.prometheus import files

ROOT = pathlib.Path(__file__).parents[3]
PAGE = (ROOT / "docs/alerts.md").read_text()
RULES: list[dict[str, Any]] = [
    rule for text in files.rules().values() for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDS = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}


@pytest.mark.parametrize("name, rule", ALERTS.items())
def test_an_alert_has_its_words(name, rule):
    assert name.startswith("Isthmus")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"


def test_the_page_has_a_section_for_each_alert_and_no_other():
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == list(ALERTS)


def test_names_of_recorded_series():
    assert all(
        re.fullmatch(r"(pod|workload|edge|link|route|backend|server):[a-z0-9_]+:(rate1m|sum)", name) for name in RECORDS
    )
    assert len(RECORDS) == len(RULES) - len(ALERTS), "no name twice"


def test_no_label_that_a_client_chooses_is_kept():
    kept = {
        label.strip()
        for text in RECORDS.values()
        for by in re.findall(r"by \(([^)]*)\)", text)
        for label in by.split(",")
    }
    assert not kept & {"authority", "client_id", "target_addr", "target_ip", "target_port", "hostname", "sni"}
