"""Configuration files of a node, as text. Pure: in: a `Spec`. Out: {file name: text}.

The values differ from Kubernetes' defaults only where a node inside namespaces needs it: no global sysctls, no eviction, cgroup v1
allowed, and short waits. Never here: writing, or flags of components (`parts.py`).
"""

import json

from isthmus.lab.node import spec

PAUSE = "localhost/pause:1"
COREDNS = "localhost/coredns:1"
_EVICTION = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree")
COREFILE = """.:53 {
  errors
  health :8180
  ready :8181
  kubernetes cluster.local in-addr.arpa {
    pods insecure
    fallthrough in-addr.arpa
  }
  cache 5
  loop
}
"""


def files(s: spec.Spec) -> dict[str, str]:
    """Every file the components read."""
    return {
        "resolv.conf": "nameserver 127.0.0.1\n",  # for pods outside cluster DNS; nothing answers there
        "kubelet.yaml": json.dumps(kubelet(s), indent=1),
        "kube-proxy.yaml": json.dumps(kube_proxy(s), indent=1),
        "containerd.toml": containerd(s),
        "cni/10-pods.conflist": json.dumps(cni(s), indent=1),
    }


def kubelet(s: spec.Spec) -> dict[str, object]:
    """KubeletConfiguration: never evicts, never sets aside resources, speaks to containerd of its own node."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(s.cluster.dir / "pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [s.cluster.dns_vip],
        "clusterDomain": "cluster.local",
        "resolvConf": str(s.cluster.dir / "resolv.conf"),
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": dict.fromkeys(_EVICTION, "0%"),
        "shutdownGracePeriod": "0s",
        "fileCheckFrequency": "20s",
        "maxPods": 250,
    }


def kube_proxy(s: spec.Spec) -> dict[str, object]:
    """KubeProxyConfiguration: nftables; zeros keep it from the machine's conntrack sysctls."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": s.cluster.name,
        "clusterCIDR": s.cluster.pods,
        "detectLocalMode": "ClusterCIDR",
        "clientConnection": {"kubeconfig": str(s.cluster.dir / "kube-proxy.kubeconfig")},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "100ms"},
    }


def containerd(s: spec.Spec) -> str:
    """Containerd's configuration: version 2 for 1.x, version 3 for 2.x, where the CRI plugin's settings moved.

    One key changed its name later: `bin_dir` is `bin_dirs` since 2.1, and the old one is no longer read by the newest.
    """
    second = s.containerd >= (2, 0)
    head = f"""version = {3 if second else 2}
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]

[grpc]
  address = "/run/containerd/containerd.sock"
"""
    if second:
        runtime, images = 'plugins."io.containerd.cri.v1.runtime"', 'plugins."io.containerd.cri.v1.images"'
        sandbox = f'\n[{images}.pinned_images]\n  sandbox = "{PAUSE}"\n'
        inside = ""
    else:
        runtime = 'plugins."io.containerd.grpc.v1.cri"'
        sandbox, inside = "", f'  sandbox_image = "{PAUSE}"\n'
    bins = f'bin_dirs = ["{s.cni}"]' if s.containerd >= (2, 1) else f'bin_dir = "{s.cni}"'
    # Where root lacks CAP_SYS_RESOURCE a lower oom_score_adj is refused, and with it every pod.
    return f"""{head}{sandbox}
[{runtime}]
{inside}  restrict_oom_score_adj = true

[{runtime}.cni]
  {bins}
  conf_dir = "{s.cluster.dir}/cni"

[{runtime}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[{runtime}.containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def cni(s: spec.Spec) -> dict[str, object]:
    """Pods by routed veth pairs, masqueraded when they leave the node."""
    pods = {
        "type": "host-local",
        "dataDir": "/run/cni-ipam",
        "ranges": [[{"subnet": s.cluster.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": True, "ipam": pods},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return {"cniVersion": "1.0.0", "name": f"pods-{s.cluster.name}", "plugins": plugins}


def coredns(s: spec.Spec) -> list[tuple[str, dict[str, object]]]:
    """Cluster DNS: account, role, configuration, Service and Deployment, each with the collection it is created in."""
    meta = {"name": "coredns", "namespace": "kube-system"}
    rbac = "rbac.authorization.k8s.io"
    labels = {"k8s-app": "kube-dns"}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    read = ["list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": read},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
    ]
    container = {
        "name": "coredns",
        "image": COREDNS,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "volumeMounts": [{"name": "conf", "mountPath": "/etc/coredns"}],
    }
    conf = {"name": "conf", "configMap": {"name": "coredns"}}
    pod = {"serviceAccountName": "coredns", "dnsPolicy": "Default", "containers": [container], "volumes": [conf]}
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "coredns"}
    subject = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    core, roles = "/api/v1/namespaces/kube-system", f"/apis/{rbac}/v1"
    binding: dict[str, object] = {"metadata": {"name": "coredns"}, "roleRef": role, "subjects": [subject]}
    service = {"clusterIP": s.cluster.dns_vip, "selector": labels, "ports": ports}
    deployment = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return [
        (f"{core}/serviceaccounts", {"metadata": meta}),
        (f"{roles}/clusterroles", {"metadata": {"name": "coredns"}, "rules": rules}),
        (f"{roles}/clusterrolebindings", binding),
        (f"{core}/configmaps", {"metadata": meta, "data": {"Corefile": COREFILE}}),
        (f"{core}/services", {"metadata": meta | {"name": "kube-dns"}, "spec": service}),
        ("/apis/apps/v1/namespaces/kube-system/deployments", {"metadata": meta, "spec": deployment}),
    ]
