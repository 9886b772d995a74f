"""The dashboard as documents. In: a plan. Out: its account, Service and Deployment; nothing where it is not wanted.

Viewers log in with their own tokens, so the account has no rights at all. Where it is open to everybody (`dashboardOpen`) it may read
what the pages show, and change nothing. Never here: its answers (see `isthmus.dashboard`).
"""

from typing import Any

from isthmus import names
from isthmus.install import objects
from isthmus.install.viz import metrics_api
from isthmus.install.viz import plan as plans

Doc = dict[str, Any]

NAME = "web"
PORT = 8084

OPEN_RULES: tuple[Doc, ...] = (
    {"apiGroups": [""], "resources": ["pods", "services", "namespaces"], "verbs": objects.READ},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": objects.READ},
    {"apiGroups": ["policy.linkerd.io"], "resources": ["*"], "verbs": objects.READ},
    {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes", "grpcroutes"], "verbs": objects.READ},
    {"apiGroups": ["split.smi-spec.io"], "resources": ["trafficsplits"], "verbs": objects.READ},
    {"apiGroups": ["multicluster.linkerd.io"], "resources": ["links"], "verbs": objects.READ},
)
"""What an open dashboard shows of every namespace: no Secret, no way into a pod."""
OPEN_LOCAL: tuple[Doc, ...] = (
    {
        "apiGroups": [""],
        "resources": ["services/proxy"],
        "resourceNames": [f"{metrics_api.NAME}:http", metrics_api.NAME],
        "verbs": ["get", "create"],
    },
)
"""The metrics API is asked through the API server."""


VIEWER = f"linkerd-{names.VIZ_NS}-viewer"
"""A role for people who look: bound to nobody, so that whoever runs the cluster says who they are."""


def viewer() -> Doc:
    """What a viewer needs for every page but health's checks, which read Secrets, and for no change."""
    rules = [*OPEN_RULES, *OPEN_LOCAL]
    return objects.doc(objects.RBAC, "ClusterRole", VIEWER, labels=plans.labels(NAME), rules=rules)


def render(plan: plans.Plan) -> list[Doc]:
    """The dashboard, unless it is not wanted."""
    chosen = plan.values
    if not chosen.dashboard:
        return []
    arguments = ["--port", str(PORT), "--namespace", names.VIZ_NS, "--control-namespace", plan.core.control_ns]
    arguments += ["--enforced-host", chosen.dashboard_host] if chosen.dashboard_host else []
    arguments += ["--open"] if chosen.dashboard_open else []
    container = plans.container(plan, NAME, arguments, {"http": PORT})
    notes = {f"{names.CONFIG}skip-inbound-ports": str(plans.ADMIN_PORT)}
    rules, local = (OPEN_RULES, OPEN_LOCAL) if chosen.dashboard_open else ((), ())
    return [
        viewer(),
        *plans.account(NAME, rules, local=local),
        plans.service(NAME, {"http": PORT}),
        plans.deployment(plan, NAME, [container], notes=notes),
    ]
