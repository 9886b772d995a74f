"""Checks of the viz extension. In: `Facts`. Out: findings. Pure. Where it is not installed, only `there` has something to say.

Never here: asking (see `facts`).
"""

from isthmus import names
from isthmus.check import core, facts, finding

METRICS_API = names.Key(names.VIZ_NS, "metrics-api")


def there(seen: facts.Facts) -> finding.Finding:
    return finding.OK if seen.viz is not None else finding.fail(f"namespace {names.VIZ_NS} is missing")


def ready(seen: facts.Facts) -> finding.Finding | None:
    if seen.viz is None:
        return None
    here = {key for key in seen.deployments if key.namespace == names.VIZ_NS}
    wanted = sorted(here | {METRICS_API}, key=str)
    return finding.each(core.deployment_problems(seen, wanted))


def meshed(seen: facts.Facts) -> finding.Finding | None:
    return None if seen.viz is None else core.bare_pods(seen, names.VIZ_NS)


def answers(seen: facts.Facts) -> finding.Finding | None:
    if seen.viz is None:
        return None
    return finding.fail(seen.viz.error) if seen.viz.error else finding.each(seen.viz.bad)


def scraped(seen: facts.Facts) -> finding.Finding | None:
    if seen.viz is None or seen.viz.error or seen.viz.bad:
        return None
    return finding.each((f"nothing is known of pod {pod}" for pod in seen.viz.unread), finding.warn)


def tap_served(seen: facts.Facts) -> finding.Finding | None:
    if seen.viz is None or seen.viz.tap is None:
        return None
    return finding.fail(seen.viz.tap) if seen.viz.tap else finding.OK
