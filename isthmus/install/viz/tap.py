"""The tap service as documents. In: a plan. Out: its account and rights, certificate, Deployment, Service, APIService.

Pure but for `kept`. Its port stays out of its proxy, because the API server comes with a client certificate of its own; its identity is the
one proxies let tap them. Never here: who may (see `isthmus.tap`).
"""

import base64
import datetime as dt
from typing import Any, cast

from lightkube.resources.core_v1 import Secret

from isthmus import names
from isthmus.install import core, objects, state, trust
from isthmus.install.viz import plan as plans
from isthmus.kube import client as kube
from isthmus.tap import api, run
from isthmus.tap.ask import caller

Doc = dict[str, Any]

NAME = "tap"
SECRET = "tap-k8s-tls"  # noqa: S105 (a name)
APISERVICE = f"{api.VERSION}.{api.GROUP}"
ADMIN_ROLE = f"linkerd-{names.VIZ_NS}-tap-admin"
FRONT_READER = "extension-apiserver-authentication-reader"
"""Kubernetes' own role for reading what the API server's front proxy is known by."""
RULES: tuple[Doc, ...] = (
    {"apiGroups": [""], "resources": ["pods", "services"], "verbs": objects.READ},
    # may this user tap that?
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
)


def render(plan: plans.Plan) -> list[Doc]:
    """The tap service, in the order in which it is applied."""
    pair = {"tls.crt": _b64(plan.tap.certificate), "tls.key": _b64(plan.tap.key)}
    marks = plans.labels(NAME)
    mount = {"name": "tls", "mountPath": core.TLS_DIR, "readOnly": True}
    arguments = ["--tls-dir", core.TLS_DIR, "--trust-domain", plan.core.values.trust_domain]
    if plan.values.ignored_headers:
        arguments += ["--ignore-headers", plan.values.ignored_headers]
    container = plans.container(plan, NAME, arguments, {"apiserver": run.PORT}, mounts=[mount])
    notes = {f"{names.CONFIG}skip-inbound-ports": f"{run.PORT},{plans.ADMIN_PORT}"}
    volumes = [{"name": "tls", "secret": {"secretName": SECRET}}]
    return [
        *plans.account(NAME, RULES),
        *_rights(),
        objects.doc("v1", "Secret", SECRET, names.VIZ_NS, labels=marks, type="kubernetes.io/tls", data=pair),
        objects.service(NAME, names.VIZ_NS, marks, [objects.port("apiserver", 443, run.PORT)], labels=marks),
        plans.deployment(plan, NAME, [container], replicas=plan.values.replicas, volumes=volumes, notes=notes),
        _apiservice(plan.tap),
    ]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _rights() -> list[Doc]:
    """To read who the API server is; and the role of people who may tap everything."""
    marks, wide = plans.labels(NAME), f"linkerd-{names.VIZ_NS}-{NAME}"
    reader = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": FRONT_READER}
    subjects = [{"kind": "ServiceAccount", "name": NAME, "namespace": names.VIZ_NS}]
    everything = [{"apiGroups": [api.GROUP], "resources": ["*"], "verbs": ["watch"]}]
    return [
        objects.doc(
            objects.RBAC, "RoleBinding", wide, caller.CONFIG_NS, labels=marks, roleRef=reader, subjects=subjects
        ),
        objects.doc(objects.RBAC, "ClusterRole", ADMIN_ROLE, labels=marks, rules=everything),
    ]


def _apiservice(certificate: trust.Webhook) -> Doc:
    spec = {
        "group": api.GROUP,
        "version": api.VERSION,
        "groupPriorityMinimum": 1000,
        "versionPriority": 100,
        "service": {"name": NAME, "namespace": names.VIZ_NS, "port": 443},
        "caBundle": _b64(certificate.authority),
    }
    return objects.doc("apiregistration.k8s.io/v1", "APIService", APISERVICE, labels=plans.labels(NAME), spec=spec)


async def certificate(client: kube.Client, *, now: dt.datetime) -> trust.Webhook:
    """The certificate the tap service has while that is good, else a new one."""
    return trust.serving(await _kept(client), NAME, names.VIZ_NS, now=now)


async def _kept(client: kube.Client) -> trust.Webhook | None:
    secret = await client.get(Secret, SECRET, names.VIZ_NS)
    service = await client.get_dict(
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": APISERVICE}}
    )
    data, spec = state.data_of(secret), cast("dict[str, str]", (service or {}).get("spec") or {})
    found = trust.Webhook(state.text(spec, "caBundle"), state.text(data, "tls.crt"), state.text(data, "tls.key"))
    return found if found.authority and found.certificate and found.key else None
