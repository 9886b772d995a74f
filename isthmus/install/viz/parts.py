"""The extension as documents. In: a `plan.Plan`. Out: namespace, stored choices, and what each part in `PARTS` renders.

Pure. Another part is another row in `PARTS`. Never here: how a part looks.
"""

from collections.abc import Callable
from typing import Any

from isthmus import names
from isthmus.install import objects
from isthmus.install.viz import metrics_api, prometheus, tap, web
from isthmus.install.viz import plan as plans
from isthmus.install.viz import values as choices

Doc = dict[str, Any]

PARTS: tuple[Callable[[plans.Plan], list[Doc]], ...] = (
    prometheus.render,
    metrics_api.render,
    web.render,
    tap.render,
)
"""What renders each part, in the order in which they are applied."""


def render(plan: plans.Plan) -> list[Doc]:
    """The extension, in the order in which it is applied."""
    return [namespace(), _stored(plan), *(doc for part in PARTS for doc in part(plan))]


def namespace() -> Doc:
    """Where the extension lives."""
    return objects.doc("v1", "Namespace", names.VIZ_NS, labels=plans.MARKS)


def _stored(plan: plans.Plan) -> Doc:
    data = {"values": choices.store(plan.values)}
    return objects.doc("v1", "ConfigMap", plans.CONFIG, names.VIZ_NS, labels=plans.MARKS, data=data)
