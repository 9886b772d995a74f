"""The metrics API as documents. In: a plan. Out: its account, Service and Deployment.

Port `grpc` is for Linkerd's own tools, port `http` for the CLI and the dashboard through the API server. Never here: its answers.
"""

from typing import Any

from isthmus import names
from isthmus.install import objects
from isthmus.install.viz import plan as plans

Doc = dict[str, Any]

NAME = "metrics-api"
GRPC_PORT, HTTP_PORT = 8085, 8087
_READ = objects.READ

RULES: tuple[Doc, ...] = (
    {"apiGroups": [""], "resources": ["pods", "services", "namespaces", "replicationcontrollers"], "verbs": _READ},
    {"apiGroups": ["apps"], "resources": ["deployments", "replicasets", "statefulsets", "daemonsets"], "verbs": _READ},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": _READ},
    {"apiGroups": ["linkerd.io"], "resources": ["serviceprofiles"], "verbs": _READ},
    {"apiGroups": ["policy.linkerd.io"], "resources": ["*"], "verbs": _READ},
    {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes", "grpcroutes"], "verbs": _READ},
    {"apiGroups": ["multicluster.linkerd.io"], "resources": ["links"], "verbs": _READ},
)
"""What the tables name besides numbers."""


def render(plan: plans.Plan) -> list[Doc]:
    arguments = ["--prometheus-url", plan.prometheus, "--control-namespace", plan.core.control_ns]
    arguments += ["--cluster-domain", plan.core.values.cluster_domain, "--trust-domain", plan.core.values.trust_domain]
    ports = {"grpc": GRPC_PORT, "http": HTTP_PORT}
    container = plans.container(plan, NAME, arguments, ports)
    notes = {f"{names.CONFIG}skip-inbound-ports": str(plans.ADMIN_PORT)}
    return [
        *plans.account(NAME, RULES),
        plans.service(NAME, ports),
        plans.deployment(plan, NAME, [container], replicas=plan.values.replicas, notes=notes),
    ]
