"""The control plane as documents. In: checked values, certificates. Out: namespaces, definitions, rights, Deployments, the webhook.

Pure. The pods of identity and destination are meshed here, at rendering, by the injector's own function: other proxies dial them by
their mesh identity, and no webhook is there yet when they start. The injector's pod is not meshed: only the API server calls it, over
its own TLS, and a proxy in front would be one more thing to wait for before the first pod is injected.
Never here: certificates being made (see `trust`), the gateway (see `multicluster`), I/O beyond reading our own definitions.
"""

import base64
import importlib.resources
from dataclasses import dataclass
from typing import Any, cast

import yaml

from isthmus import names
from isthmus.inject import decide, env, patch
from isthmus.inject import mesh as meshes
from isthmus.install import objects
from isthmus.install import trust as certificates
from isthmus.install import values as choices

Doc = dict[str, Any]

INJECTOR = "linkerd-proxy-injector"
WEBHOOK = "linkerd-proxy-injector-webhook-config"
WEBHOOK_SECRET = "linkerd-proxy-injector-k8s-tls"  # noqa: S105 (a name)
ISSUER = "linkerd-identity-issuer"
ROOTS = "linkerd-identity-trust-roots"
CONFIG = "linkerd-config"
ISSUER_DIR = "/var/run/linkerd/identity/issuer"
ROOTS_DIR = "/var/run/linkerd/identity/trust-roots"
TLS_DIR = "/var/run/linkerd/tls"
ADMIN = {"identity": 9990, "destination": 9996, "policy": 9990, "injector": 9995}
BORROWED_GROUPS = ("gateway.networking.k8s.io", "split.smi-spec.io")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a rendering depends on."""

    values: choices.Values
    trust: certificates.Trust
    webhook: certificates.Webhook
    control_ns: str = names.CONTROL_NS
    present: frozenset[str] = frozenset()
    """Definitions of other projects that the cluster has already and we leave alone."""

    def mesh(self) -> meshes.Mesh:
        """What proxies rendered here must know."""
        stored = meshes.stored(choices.store(self.values, self.trust.anchors))
        return meshes.from_values(stored, self.trust.anchors, control_ns=self.control_ns)


def render(plan: Plan) -> list[Doc]:
    """The control plane, in the order in which it is applied."""
    return [
        namespace(plan),
        *definitions(plan.present),
        *_state(plan),
        *_identity(plan),
        *_destination(plan),
        *_injector(plan),
    ]


def definitions(present: frozenset[str] = frozenset()) -> list[Doc]:
    """The custom resource definitions, without those in `present`."""
    found: list[Doc] = []
    for file in sorted(importlib.resources.files("isthmus.install").joinpath("crds").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            found += cast("list[Doc]", yaml.safe_load(file.read_text()))
    for one in found:
        one["metadata"].setdefault("labels", {})[names.PART_OF_LABEL] = names.PART_OF
    return [one for one in found if one["metadata"]["name"] not in present]


def namespace(plan: Plan) -> Doc:
    """The control plane's own namespace, which its webhook never looks at."""
    labels = {
        "linkerd.io/is-control-plane": "true",
        f"{names.CONFIG}admission-webhooks": "disabled",
        names.CONTROL_PLANE_NS_LABEL: plan.control_ns,
    }
    return objects.doc("v1", "Namespace", plan.control_ns, labels=labels, notes={names.INJECT: decide.DISABLED})


def meshed(plan: Plan, pod: Doc, *, namespace: str, owner: str, local: frozenset[str] = frozenset()) -> Doc:
    """A pod template of ours with its proxy.

    The proxy is a plain container, and nothing waits for it: one look of the kubelet less than with a sidecar, and no ring between
    planes and their own proxies. The pod still counts as ready only when its proxy is.
    """
    settings = decide.settings(
        pod, {}, plan.mesh().defaults, pod_name=f"Deployment {namespace}/{owner}", namespace_name=namespace
    )
    return patch.injected(
        pod,
        plan.mesh(),
        settings,
        namespace=namespace,
        owner=patch.Owner("deployment", owner),
        local=local,
        created_by="cli",
    )


def fast_start() -> dict[str, str]:
    """Annotations by which a pod of ours starts everything at once."""
    return {
        names.INJECT: decide.ENABLED,
        f"{names.CONFIG}proxy-enable-native-sidecar": "false",
        f"{names.CONFIG}proxy-await": "disabled",
    }


def _labels(plan: Plan, component: str) -> dict[str, str]:
    return {names.COMPONENT_LABEL: component, names.CONTROL_PLANE_NS_LABEL: plan.control_ns}


def _state(plan: Plan) -> list[Doc]:
    """What every other part reads: values, anchors, issuer, the webhook's certificate."""
    labels = {names.CONTROL_PLANE_NS_LABEL: plan.control_ns}
    controller, identity = labels | {names.COMPONENT_LABEL: "controller"}, labels | {names.COMPONENT_LABEL: "identity"}
    issuer = {"crt.pem": _b64(plan.trust.issuer), "key.pem": _b64(plan.trust.key)}
    pair = {"tls.crt": _b64(plan.webhook.certificate), "tls.key": _b64(plan.webhook.key)}
    stored = choices.store(plan.values, plan.trust.anchors)
    return [
        objects.doc("v1", "ConfigMap", CONFIG, plan.control_ns, labels=controller, data={"values": stored}),
        objects.doc(
            "v1", "ConfigMap", ROOTS, plan.control_ns, labels=identity, data={"ca-bundle.crt": plan.trust.anchors}
        ),
        objects.doc("v1", "Secret", ISSUER, plan.control_ns, labels=identity, type="Opaque", data=issuer),
        objects.doc(
            "v1",
            "Secret",
            WEBHOOK_SECRET,
            plan.control_ns,
            labels=_labels(plan, "proxy-injector"),
            type="kubernetes.io/tls",
            data=pair,
        ),
    ]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _container(plan: Plan, plane: str, arguments: list[str], ports: dict[str, int], mounts: list[Doc]) -> Doc:
    ports = ports | {f"{plane[:9]}-admin": ADMIN[plane]}
    return {
        "name": plane,
        "image": plan.values.control_image,
        "imagePullPolicy": plan.values.image_pull_policy,
        "args": ["control", plane, *arguments, "--log-level", plan.values.control_log_level],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "ports": [{"name": name, "containerPort": number} for name, number in ports.items()],
        **objects.probes(ADMIN[plane]),
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": objects.confined(),
        "volumeMounts": mounts,
    }


def _pod(
    plan: Plan, component: str, account: str, containers: list[Doc], volumes: list[Doc], notes: dict[str, str]
) -> Doc:
    spec: Doc = {
        "serviceAccountName": account,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": containers,
        "volumes": volumes,
    }
    return {"metadata": {"labels": _labels(plan, component), "annotations": notes}, "spec": spec}


def _meshed_notes(admin_ports: str) -> dict[str, str]:
    # The kubelet asks our admin ports directly, and the API server is called directly: both must work before the proxy does.
    return fast_start() | {
        f"{names.CONFIG}skip-inbound-ports": admin_ports,
        f"{names.CONFIG}skip-outbound-ports": "443,6443",
    }


def _identity(plan: Plan) -> list[Doc]:
    name = objects.IDENTITY
    labels = _labels(plan, "identity")
    mounts: list[Doc] = [
        {"name": "issuer", "mountPath": ISSUER_DIR, "readOnly": True},
        {"name": "trust-roots", "mountPath": ROOTS_DIR, "readOnly": True},
    ]
    volumes: list[Doc] = [
        {"name": "issuer", "secret": {"secretName": ISSUER}},
        {"name": "trust-roots", "configMap": {"name": ROOTS}},
    ]
    arguments = ["--control-namespace", plan.control_ns, "--trust-domain", plan.values.trust_domain]
    arguments += ["--issuer-dir", ISSUER_DIR, "--roots-dir", ROOTS_DIR]
    arguments += ["--lifetime", plan.values.issuance_lifetime, "--clock-skew", plan.values.clock_skew]
    container = _container(plan, "identity", arguments, {"grpc": names.IDENTITY_PORT}, mounts)
    pod = meshed(
        plan,
        _pod(plan, "identity", name, [container], volumes, _meshed_notes("9990")),
        namespace=plan.control_ns,
        owner=name,
        local=frozenset({"identity"}),
    )
    ports = [objects.port("grpc", names.IDENTITY_PORT)]
    return [
        *objects.account(name, plan.control_ns, labels=labels),
        objects.service(name, plan.control_ns, labels, ports, labels=labels),
        objects.service(f"{name}-headless", plan.control_ns, labels, ports, headless=True, labels=labels),
        objects.deployment(
            name, plan.control_ns, replicas=plan.values.control_replicas, match=labels, labels=labels, pod=pod
        ),
    ]


def _destination(plan: Plan) -> list[Doc]:
    name = objects.DESTINATION
    labels = _labels(plan, "destination")
    common = [
        "--control-namespace",
        plan.control_ns,
        "--trust-domain",
        plan.values.trust_domain,
        "--cluster-domain",
        plan.values.cluster_domain,
    ]
    opaque = plan.mesh().defaults.opaque_ports
    policy = plan.mesh().defaults.default_inbound_policy
    containers = [
        _container(
            plan, "destination", [*common, "--default-opaque-ports", opaque], {"dest-grpc": names.DESTINATION_PORT}, []
        ),
        _container(
            plan,
            "policy",
            [
                *common,
                "--cluster-networks",
                plan.values.cluster_networks,
                "--default-policy",
                policy,
                "--default-opaque-ports",
                opaque,
            ],
            {"policy-grpc": names.POLICY_PORT},
            [],
        ),
    ]
    pod = meshed(
        plan,
        _pod(plan, "destination", name, containers, [], _meshed_notes("9990,9996")),
        namespace=plan.control_ns,
        owner=name,
        local=frozenset({"destination", "policy"}),
    )
    dst, pol = [objects.port("grpc", names.DESTINATION_PORT)], [objects.port("grpc", names.POLICY_PORT)]
    return [
        *objects.account(name, plan.control_ns, labels=labels),
        objects.service("linkerd-dst", plan.control_ns, labels, dst, labels=labels),
        objects.service("linkerd-dst-headless", plan.control_ns, labels, dst, headless=True, labels=labels),
        objects.service("linkerd-policy", plan.control_ns, labels, pol, headless=True, labels=labels),
        objects.deployment(
            name, plan.control_ns, replicas=plan.values.control_replicas, match=labels, labels=labels, pod=pod
        ),
    ]


def _injector(plan: Plan) -> list[Doc]:
    labels = _labels(plan, "proxy-injector")
    arguments = ["--control-namespace", plan.control_ns, "--tls-dir", TLS_DIR]
    mounts = [{"name": "tls", "mountPath": TLS_DIR, "readOnly": True}]
    container = _container(plan, "injector", arguments, {"proxy-injector": names.WEBHOOK_PORT}, mounts)
    volumes: list[Doc] = [{"name": "tls", "secret": {"secretName": WEBHOOK_SECRET}}]
    pod = _pod(plan, "proxy-injector", INJECTOR, [container], volumes, {names.INJECT: decide.DISABLED})
    ports = [objects.port("proxy-injector", 443, names.WEBHOOK_PORT)]
    return [
        *objects.account(INJECTOR, plan.control_ns, labels=labels),
        objects.service(INJECTOR, plan.control_ns, labels, ports, labels=labels),
        objects.deployment(
            INJECTOR, plan.control_ns, replicas=plan.values.control_replicas, match=labels, labels=labels, pod=pod
        ),
        _webhook(plan, labels),
    ]


def _webhook(plan: Plan, labels: dict[str, str]) -> Doc:
    rule = {
        "operations": ["CREATE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["pods", "services"],
        "scope": "Namespaced",
    }
    spaces = [
        {"key": f"{names.CONFIG}admission-webhooks", "operator": "NotIn", "values": ["disabled"]},
        {
            "key": "kubernetes.io/metadata.name",
            "operator": "NotIn",
            "values": ["kube-system", "cert-manager", plan.control_ns],
        },
    ]
    objects_left = [
        {"key": names.COMPONENT_LABEL, "operator": "DoesNotExist"},
        {"key": "linkerd.io/cni-resource", "operator": "DoesNotExist"},
    ]
    hook = {
        "name": "linkerd-proxy-injector.linkerd.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {"name": INJECTOR, "namespace": plan.control_ns, "path": "/", "port": 443},
            "caBundle": _b64(plan.webhook.authority),
        },
        "failurePolicy": plan.values.webhook_failure_policy,
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": spaces},
        "objectSelector": {"matchExpressions": objects_left},
        "reinvocationPolicy": "Never",
        "rules": [rule],
        "sideEffects": "None",
        "timeoutSeconds": 10,
    }
    return objects.doc(
        "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", WEBHOOK, labels=labels, webhooks=[hook]
    )


def controller_paths() -> dict[str, str]:
    """Where the identity process finds what is mounted into it; a treaty with `isthmus.identity.run`."""
    return {"issuer": ISSUER_DIR, "roots": ROOTS_DIR, "token": env.TOKEN_FILE}
