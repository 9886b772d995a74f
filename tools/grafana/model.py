"""Grafana's JSON from a few words. In: dashboards of rows of panels, in grid units. Out: documents that Grafana imports.

Every dashboard has the variables `datasource` and `cluster`, and a link to its siblings. Never here: which dashboards there are (see
`boards`), files (see `__main__`).
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

Doc = dict[str, Any]

SCHEMA = 37
SOURCE: Doc = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 7
CLUSTER = 'cluster=~"$cluster"'
"""Matches series without the label too, when `All` is chosen."""


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """An expression and how its series are called; `now` asks for the last moment alone."""

    expr: str
    legend: str = ""
    now: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Panel:
    """`kind` is timeseries, stat or table; `unit` is Grafana's word."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    width: int = 8
    says: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """What a viewer chooses: the values of `label` in the series of `series`."""

    name: str
    series: str
    label: str


@dataclasses.dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `name` is its file and its permanent id."""

    name: str
    title: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()


def document(board: Board) -> Doc:
    """The dashboard as Grafana imports it."""
    return {
        "uid": f"isthmus-{board.name}",
        "title": f"Isthmus: {board.title}",
        "tags": ["isthmus"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "",
        "links": [
            {"type": "dashboards", "title": "Isthmus", "tags": ["isthmus"], "asDropdown": True, "keepTime": True},
        ],
        "annotations": {"list": []},
        "templating": {"list": [_source(), _cluster(), *(_choice(one) for one in board.variables)]},
        "panels": list(_panels(board)),
    }


def _source() -> Doc:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _variable(name: str, query: str) -> Doc:
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
    }


def _cluster() -> Doc:
    made = _variable("cluster", "label_values(up, cluster)")
    everything = {"selected": True, "text": "All", "value": "$__all"}
    return made | {"includeAll": True, "allValue": ".*", "multi": True, "current": everything}


def _choice(one: Variable) -> Doc:
    return _variable(one.name, f"label_values({one.series}, {one.label})")


def _panels(board: Board) -> Iterator[Doc]:
    number, top = 1, 0
    for row in board.rows:
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "gridPos": place, "collapsed": False, "panels": []}
        number, top, left = number + 1, top + 1, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top = 0, top + HEIGHT
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": HEIGHT})
            number, left = number + 1, left + panel.width
        top += HEIGHT


def _panel(panel: Panel, number: int, place: Doc) -> Doc:
    defaults: Doc = {"unit": panel.unit, "min": 0}
    if panel.unit == "percentunit":
        defaults["max"] = 1
    made: Doc = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [_target(query, panel.kind, chr(ord("A") + at)) for at, query in enumerate(panel.queries)],
    }
    if panel.says:
        made["description"] = panel.says
    if panel.kind == "timeseries":
        made["options"] = {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list"}}
    elif panel.kind == "stat":
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area", "colorMode": "none"}
    elif panel.kind == "table":
        hidden = {"Time": True, "__name__": True}
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return made


def _target(query: Query, kind: str, letter: str) -> Doc:
    now = query.now or kind == "table"
    made: Doc = {"refId": letter, "datasource": SOURCE, "expr": query.expr}
    if now:
        made |= {"instant": True, "range": False}
    if kind == "table":
        made["format"] = "table"
    elif query.legend:
        made["legendFormat"] = query.legend
    return made
