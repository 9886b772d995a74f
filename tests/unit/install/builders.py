"""Plans and certificates for the tables of this room, made once."""

import datetime as dt
import functools

from isthmus.install import anchor, core, multicluster, trust, values
from isthmus.install.viz import parts
from isthmus.install.viz import plan as viz_plan
from isthmus.install.viz import values as extension

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@functools.cache
def roots() -> tuple[str, str]:
    return anchor.root(trust_domain="cluster.local", now=NOW)


@functools.cache
def certificates() -> trust.Trust:
    certificate, key = anchor.issuer(*roots(), trust_domain="cluster.local", control_ns="linkerd", now=NOW)
    return trust.Trust(roots()[0], certificate, key)


@functools.cache
def webhook() -> trust.Webhook:
    return trust.webhook(None, "linkerd", now=NOW)


def plan(control_ns="linkerd", present=frozenset(), **sets) -> core.Plan:
    chosen = values.overlay(values.Values(), {k.replace("__", "."): v for k, v in sets.items()})
    return core.Plan(chosen, certificates(), webhook(), control_ns, present)


def rendered(**sets) -> list[dict]:
    made = plan(**sets)
    return core.render(made) + multicluster.render(made)


def find(docs, kind, name) -> dict:
    return next(d for d in docs if d["kind"] == kind and d["metadata"]["name"] == name)


def viz(**sets: str) -> list[dict]:
    """The viz extension's documents."""
    chosen = extension.overlay(extension.Values(), sets)
    return parts.render(viz_plan.Plan(plan(), chosen, webhook()))
