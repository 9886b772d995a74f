"""Grafana's dashboards, made from data: `python -m tools.grafana` writes grafana/*.json.

`boards` lists them, `workloads`, `mesh` and `ground` say what they show, `parts` are panels they share, `model` knows Grafana's format.
Never here: queries that nobody checks (tests/unit/tools/test_grafana.py knows the families that exist).
"""
