"""Names that live outside this code: labels, annotations, ports, object names, identities; and names made from them.

In: cluster, namespace and service names. Out: the exact strings Linkerd's users and tools look for (design D1), and mirror names.
Never here: Kubernetes objects or I/O. A mirror's origin is read from its annotation, never by cutting a suffix from its name.
"""

import hashlib
import re
from dataclasses import dataclass

CLUSTER_DOMAIN = "cluster.local"
CONTROL_NS = "linkerd"
MULTICLUSTER_NS = "linkerd-multicluster"
VIZ_NS = "linkerd-viz"

INBOUND_PORT = 4143
CONTROL_PORT = 4190
ADMIN_PORT = 4191
DESTINATION_PORT = 8086
POLICY_PORT = 8090
IDENTITY_PORT = 8080
WEBHOOK_PORT = 8443
PROXY_UID = 2102
CONTROLLER_UID = 2103
OPAQUE_PORTS = "25,587,3306,4444,5432,6379,9300,11211"
CLUSTER_NETWORKS = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8"
IDENTITY_AUDIENCE = "identity.l5d.io"

INJECT = "linkerd.io/inject"
CONTROL_PLANE_NS_LABEL = "linkerd.io/control-plane-ns"
COMPONENT_LABEL = "linkerd.io/control-plane-component"
EXTENSION_LABEL = "linkerd.io/extension"
CREATED_BY = "linkerd.io/created-by"
CONFIG = "config.linkerd.io/"
OPAQUE_PORTS_ANNOTATION = "config.linkerd.io/opaque-ports"
TAP_ENABLED = "viz.linkerd.io/tap-enabled"
TAP_DISABLED = "viz.linkerd.io/disable-tap"
PART_OF_LABEL = "app.kubernetes.io/part-of"
PART_OF = "isthmus"

EXPORTED = "mirror.linkerd.io/exported"
MIRRORED_SERVICE = "mirror.linkerd.io/mirrored-service"
MIRRORED_GATEWAY = "mirror.linkerd.io/mirrored-gateway"
CLUSTER_NAME = "mirror.linkerd.io/cluster-name"
REMOTE_FQ_NAME = "mirror.linkerd.io/remote-svc-fq-name"
REMOTE_VERSION = "mirror.linkerd.io/remote-resource-version"
REMOTE_GATEWAY_IDENTITY = "mirror.linkerd.io/remote-gateway-identity"
GATEWAY_IDENTITY = "mirror.linkerd.io/gateway-identity"
GATEWAY_MARK = "mirror.linkerd.io/multicluster-gateway"
PROBE_PERIOD = "mirror.linkerd.io/probe-period"
PROBE_PATH = "mirror.linkerd.io/probe-path"
LINK_FINALIZER = "multicluster.linkerd.io/mirrors"
CREDENTIALS_TYPE = "mirror.linkerd.io/remote-kubeconfig"
MIRROR_CONTROLLER = "linkerd.io/service-mirror"
MANAGED_BY_SLICE = "isthmus-service-mirror"

_LABEL_LIMIT = 63
_CONTEXTS = (
    re.compile(r"arn:[^:]+:eks:[^:]*:[^:]*:cluster/(.+)"),  # aws eks update-kubeconfig
    re.compile(r"gke_[^_]+_[^_]+_(.+)"),  # gcloud container clusters get-credentials
    re.compile(r"[^@]+@([^@.]+)\.[^@]+\.eksctl\.io"),  # eksctl
    re.compile(r"[^@]+@([^@]+)"),  # kubeadm and kin: user@cluster
)
"""Contexts that tools write, and where in them the cluster's own name is."""


@dataclass(frozen=True, slots=True)
class Key:
    """A namespaced object: the one way we write `namespace/name`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def identity(account: str, namespace: str, control_ns: str = CONTROL_NS, trust_domain: str = CLUSTER_DOMAIN) -> str:
    """The DNS name a proxy's certificate carries: `<sa>.<ns>.serviceaccount.identity.<cpns>.<trust domain>`."""
    return f"{account}.{namespace}.serviceaccount.identity.{control_ns}.{trust_domain}"


def fq_service(name: str, namespace: str, cluster_domain: str = CLUSTER_DOMAIN) -> str:
    """`<svc>.<ns>.svc.<cluster domain>`."""
    return f"{name}.{namespace}.svc.{cluster_domain}"


def cluster(context: str) -> str:
    """The name of a cluster that its kubeconfig context tells, as a DNS label; a context that is one stays, "" where nothing fits."""
    found = next((m for m in (shape.fullmatch(context) for shape in _CONTEXTS) if m), None)
    return shorten(re.sub(r"[^a-z0-9]+", "-", (found[1] if found else context).lower()).strip("-"))


def shorten(name: str, limit: int = _LABEL_LIMIT) -> str:
    """`name`, or its head and a hash of the whole where it is too long for a label."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9].rstrip('-.')}-{digest}"


def mirror(service: str, cluster: str) -> str:
    """The local name of `service` of `cluster`: `<svc>-<cluster>`, hash-shortened past 63 characters."""
    return shorten(f"{service}-{cluster}")


def probe(cluster: str) -> str:
    """The Service through which a cluster's gateway is probed."""
    return shorten(f"probe-{cluster}")


def credentials(cluster: str) -> str:
    """The Secret that holds the kubeconfig for `cluster`."""
    return f"cluster-credentials-{cluster}"
