"""What Prometheus scrapes, as its configuration. In: a plan. Out: the document of `prometheus.yml`.

Pure. Job names and labels are Linkerd's, so that its dashboards find them. A proxy's series carry its pod, its namespace and the
workload its pod belongs to (`deployment`, `statefulset`, ..., `k8s_job`), never other labels of the pod: those are a stranger's.
Limits of a target: samples by `sample_limit`, LABELS labels of VALUE characters, BODY; a target over a limit fails its scrape, which
`up` tells. Never here: rules (see `isthmus/install/prometheus`).
"""

from typing import Any

from isthmus import names
from isthmus.install.viz import metrics_api
from isthmus.install.viz import plan as plans

Doc = dict[str, Any]

LABELS = 80
NAME, VALUE = 256, 1024
BODY = "64MB"
TARGETS = 20_000
REFRESH = "5s"
_META = "__meta_kubernetes_pod_"
_DONE = "Succeeded|Failed|Pending"


def config(plan: plans.Plan) -> Doc:
    """The whole of `prometheus.yml`."""
    jobs = [_itself(), _controllers(plan), _multicluster(plan), _proxies(plan)]
    if plan.values.cadvisor:
        jobs.append(_cadvisor())
    interval = plan.values.scrape_interval
    return {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval if interval in ("1s", "2s", "3s") else "5s",
            "evaluation_interval": interval,
        },
        "rule_files": ["/etc/prometheus-rules/*.yml"],
        "scrape_configs": [{**job, **_limits(plan)} for job in jobs],
    }


def _limits(plan: plans.Plan) -> Doc:
    return {
        "sample_limit": plan.values.sample_limit,
        "label_limit": LABELS,
        "label_name_length_limit": NAME,
        "label_value_length_limit": VALUE,
        "body_size_limit": BODY,
        "target_limit": TARGETS,
    }


def _itself() -> Doc:
    return {"job_name": "prometheus", "static_configs": [{"targets": ["localhost:9090"]}]}


def _pods(plan: plans.Plan, *namespaces: str) -> Doc:
    """Where targets are found. Both ways bring the same labels."""
    if plan.values.discovery == "kubernetes":
        inside = {"namespaces": {"names": list(namespaces)}} if namespaces else {}
        return {"kubernetes_sd_configs": [{"role": "pod", **inside}]}
    url = f"http://{metrics_api.NAME}.{names.VIZ_NS}.svc.{plan.core.values.cluster_domain}:{metrics_api.HTTP_PORT}/targets"
    query = f"?namespaces={','.join(namespaces)}" if namespaces else ""
    return {"http_sd_configs": [{"url": url + query, "refresh_interval": REFRESH}]}


def _admin_ports() -> list[Doc]:
    """Ports of our own processes: every port named `admin`, `...-admin` or `admin-http` that is not a proxy's."""
    return [
        {"source_labels": [f"{_META}phase"], "regex": _DONE, "action": "drop"},
        {"source_labels": [f"{_META}container_name"], "regex": "linkerd-proxy|linkerd-init", "action": "drop"},
        {"source_labels": [f"{_META}container_port_name"], "regex": "(.+-)?admin(-http)?", "action": "keep"},
        {"source_labels": [f"{_META}container_name"], "target_label": "component"},
        *_place(),
    ]


def _place() -> list[Doc]:
    return [
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": [f"{_META}name"], "target_label": "pod"},
    ]


def _controllers(plan: plans.Plan) -> Doc:
    found = _pods(plan, plan.core.control_ns, names.VIZ_NS)
    return {"job_name": "linkerd-controller", **found, "relabel_configs": _admin_ports()}


def _multicluster(plan: plans.Plan) -> Doc:
    found = _pods(plan, names.MULTICLUSTER_NS)
    return {"job_name": "linkerd-multicluster-controller", **found, "relabel_configs": _admin_ports()}


def _proxies(plan: plans.Plan) -> Doc:
    owner = f"{_META}label_linkerd_io_proxy_"
    chosen = [f"{_META}container_name", f"{_META}container_port_name", f"{_META}label_linkerd_io_control_plane_ns"]
    rules: list[Doc] = [
        {"source_labels": [f"{_META}phase"], "regex": _DONE, "action": "drop"},
        {"source_labels": chosen, "regex": f"linkerd-proxy;linkerd-admin;{plan.core.control_ns}", "action": "keep"},
        *_place(),
        # `job` is Prometheus's own label.
        {"source_labels": [f"{owner}job"], "regex": "(.+)", "target_label": "k8s_job"},
        {"regex": f"{owner}job", "action": "labeldrop"},
        {"regex": f"{owner}(.+)", "action": "labelmap"},
        {"source_labels": [f"{_META}label_linkerd_io_control_plane_ns"], "target_label": "control_plane_ns"},
    ]
    return {"job_name": "linkerd-proxy", **_pods(plan), "relabel_configs": rules}


def _cadvisor() -> Doc:
    token = "/var/run/secrets/kubernetes.io/serviceaccount/"  # noqa: S105 (a path)
    return {
        "job_name": "kubernetes-nodes-cadvisor",
        "scheme": "https",
        "metrics_path": "/metrics/cadvisor",
        "tls_config": {"ca_file": f"{token}ca.crt", "insecure_skip_verify": True},
        "authorization": {"credentials_file": f"{token}token"},
        "kubernetes_sd_configs": [{"role": "node"}],
        "relabel_configs": [{"regex": "__meta_kubernetes_node_label_(.+)", "action": "labelmap"}],
        "metric_relabel_configs": [
            {
                "source_labels": ["__name__"],
                "regex": "(container|machine)_(cpu|memory|network|fs)_(.+)",
                "action": "keep",
            },
        ],
    }
