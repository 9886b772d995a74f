"""The components of a node and their flags. Pure: in: a `Spec`. Out: `Part`s, name and command line.

Never here: starting them (`supervise.py`), or the order in which that happens (`__main__.py`).
"""

import dataclasses
import sys

from isthmus.lab import layout
from isthmus.lab.node import spec

VERBOSITY = "1"


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A component: its name (also that of its log) and its command line; a program without a slash is looked up in the path."""

    name: str
    argv: tuple[str, ...]


def etcd(s: spec.Spec) -> Part:
    """The store, on the node's own loopback; a test's data need no fsync."""
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return _own(
        s, "etcd", "--name", s.cluster.name, "--data-dir", str(s.cluster.dir / "etcd"), "--unsafe-no-fsync", "--log-level", "warn",
        "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
        "--initial-advertise-peer-urls", peer, "--initial-cluster", f"{s.cluster.name}={peer}",
    )  # fmt: skip


def apiserver(s: spec.Spec) -> Part:
    """kube-apiserver on every address of the node, advertised by the WAN one; set up for webhooks and aggregated APIs."""
    pki = s.cluster.dir / "pki"
    return _own(
        s, "kube-apiserver", f"--v={VERBOSITY}", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0",
        f"--secure-port={layout.API_PORT}", f"--advertise-address={s.cluster.wan}", f"--service-cluster-ip-range={s.cluster.services}",
        f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key", f"--client-ca-file={pki}/ca.crt",
        f"--token-auth-file={s.cluster.dir}/tokens.csv", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt", f"--kubelet-client-key={pki}/apiserver-kubelet.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt", "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki}/front-proxy.crt", f"--proxy-client-key-file={pki}/front-proxy.key", "--profiling=false",
    )  # fmt: skip


def controllers(s: spec.Spec) -> Part:
    """kube-controller-manager; its default limit on calls would make the start 4 s longer."""
    pki = s.cluster.dir / "pki"
    return _own(
        s, "kube-controller-manager", f"--v={VERBOSITY}", f"--kubeconfig={s.cluster.dir}/kube-controller-manager.kubeconfig",
        f"--root-ca-file={pki}/ca.crt", f"--service-account-private-key-file={pki}/sa.key",
        f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key",
        "--use-service-account-credentials=true", "--leader-elect=false", "--bind-address=127.0.0.1",
        "--kube-api-qps=500", "--kube-api-burst=1000", "--profiling=false",
    )  # fmt: skip


def scheduler(s: spec.Spec) -> Part:
    """kube-scheduler."""
    kubeconfig = f"--kubeconfig={s.cluster.dir}/kube-scheduler.kubeconfig"
    rest = (
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--profiling=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    )
    return _own(s, "kube-scheduler", f"--v={VERBOSITY}", kubeconfig, *rest)


def containerd(s: spec.Spec) -> Part:
    """The container runtime, the distribution's."""
    return Part("containerd", ("containerd", "--config", str(s.cluster.dir / "containerd.toml")))


def kubelet(s: spec.Spec) -> Part:
    """kubelet; the node is called as the cluster."""
    return _own(
        s, "kubelet", f"--v={VERBOSITY}", "--config", str(s.cluster.dir / "kubelet.yaml"),
        "--kubeconfig", str(s.cluster.dir / "kubelet.kubeconfig"), "--hostname-override", s.cluster.name, "--node-ip", s.cluster.wan,
        "--root-dir", "/var/lib/kubelet", "--cert-dir", "/var/lib/kubelet/pki",
    )  # fmt: skip


def proxy(s: spec.Spec) -> Part:
    """kube-proxy."""
    return _own(s, "kube-proxy", f"--v={VERBOSITY}", "--config", str(s.cluster.dir / "kube-proxy.yaml"))


def balancer(s: spec.Spec) -> Part:
    """Our own: addresses for LoadBalancer Services (`addresses.py`)."""
    return Part("load-balancer", (sys.executable, "-m", "isthmus.lab.node.addresses", str(s.cluster.dir / "node.json")))


def _own(s: spec.Spec, name: str, *flags: str) -> Part:
    return Part(name, (str(s.bin / name), *flags))
