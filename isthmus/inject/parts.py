"""The pieces an injected pod gains: init container, proxy container, volumes. In: `Mesh`, settings, environment. Out: documents.

Start order, and why. The kubelet looks at a pod once per relist of its runtime (1 s), and starts the next init container or the
application only when it looked. A startup probe on the proxy costs a look for "running" and one more for "started". So the proxy
has none: its postStart hook blocks until it is ready, and the very next look starts the application. Readiness is then asked at
once, because the kubelet probes a container that just changed state without waiting for the period.
Pure. Never here: whether to inject (see `decide`).
"""

from typing import Any

from isthmus import knobs, names
from isthmus.inject import decide, env
from isthmus.inject import mesh as meshes

Doc = dict[str, Any]

XTABLES_VOLUME = "linkerd-proxy-init-xtables-lock"
IDENTITY_VOLUME = "linkerd-identity-end-entity"
TOKEN_VOLUME = "linkerd-identity-token"  # noqa: S105 (a name)
VOLUMES = (XTABLES_VOLUME, IDENTITY_VOLUME, TOKEN_VOLUME)
PROXY_PROGRAM = "/usr/local/bin/isthmus-proxy"
INIT_PROGRAM = "/usr/local/bin/isthmus-init"
AWAIT_SECONDS = 120
"""How long a proxy may take to get its first certificate before its container is started again."""
TOKEN_SECONDS = 86400


def image(mesh: meshes.Mesh, chosen: knobs.Settings) -> str:
    """The image of proxy and init."""
    tag = chosen.proxy_version or mesh.tag
    return f"{chosen.proxy_image}:{tag}" if tag else chosen.proxy_image


def init_container(mesh: meshes.Mesh, chosen: knobs.Settings) -> Doc:
    """Sets the pod's redirect rules, atomically, and ends.

    It runs as root because rules need capabilities and an image's files carry none, with every capability dropped but the two.
    """
    own = f"{chosen.control_port},{chosen.admin_port}"
    arguments = [
        *("--incoming-proxy-port", str(chosen.inbound_port)),
        *("--outgoing-proxy-port", str(chosen.outbound_port)),
        *("--proxy-uid", str(chosen.proxy_uid)),
        *(("--proxy-gid", str(chosen.proxy_gid)) if chosen.proxy_gid >= 0 else ()),
        *("--inbound-ports-to-ignore", ",".join(filter(None, (own, chosen.skip_inbound_ports)))),
        *(("--outbound-ports-to-ignore", chosen.skip_outbound_ports) if chosen.skip_outbound_ports else ()),
        *(("--subnets-to-ignore", chosen.skip_subnets) if chosen.skip_subnets else ()),
        *("--firewall-mode", mesh.firewall_mode),
    ]
    return {
        "name": decide.INIT,
        "image": image(mesh, chosen),
        "imagePullPolicy": chosen.image_pull_policy,
        "command": [INIT_PROGRAM],
        "args": arguments,
        "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}, "limits": {"memory": "50Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": False,
            "runAsUser": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": XTABLES_VOLUME, "mountPath": "/run"}],
    }


def proxy_container(mesh: meshes.Mesh, chosen: knobs.Settings, facts: env.Facts, *, native: bool) -> Doc:
    """The proxy. `native`: a sidecar of Kubernetes, that starts before and ends after the application's containers."""
    container: Doc = {
        "name": decide.PROXY,
        "image": image(mesh, chosen),
        "imagePullPolicy": chosen.image_pull_policy,
        **({"restartPolicy": "Always"} if native else {}),
        "env": env.environment(mesh, chosen, facts),
        "ports": [
            {"name": "linkerd-proxy", "containerPort": chosen.inbound_port},
            {"name": "linkerd-admin", "containerPort": chosen.admin_port},
        ],
        "livenessProbe": _probe("/live", chosen.admin_port, period=10, failures=3),
        # Where the application does not wait for the proxy, the pod waits for this probe.
        "readinessProbe": _probe("/ready", chosen.admin_port, period=2 if chosen.proxy_await else 1, failures=3),
        "securityContext": _confined(chosen),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": IDENTITY_VOLUME, "mountPath": env.IDENTITY_DIR},
            {"name": TOKEN_VOLUME, "mountPath": env.TOKEN_FILE.rsplit("/", 1)[0]},
        ],
    }
    resources = _resources(chosen)
    hooks = _hooks(chosen, native=native, local=bool(facts.local))
    return container | ({"resources": resources} if resources else {}) | ({"lifecycle": hooks} if hooks else {})


def volumes() -> list[Doc]:
    """What both containers mount."""
    token = {"path": TOKEN_VOLUME, "audience": names.IDENTITY_AUDIENCE, "expirationSeconds": TOKEN_SECONDS}
    return [
        {"name": XTABLES_VOLUME, "emptyDir": {}},
        {"name": IDENTITY_VOLUME, "emptyDir": {"medium": "Memory"}},
        {"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]


def _hooks(chosen: knobs.Settings, *, native: bool, local: bool) -> Doc:
    hooks: Doc = {}
    # A pod that itself runs the planes the proxy asks must not wait for its proxy before it starts them: a ring.
    if chosen.proxy_await and not local:
        hooks["postStart"] = {
            "exec": {
                "command": [PROXY_PROGRAM, "await", "--timeout", f"{AWAIT_SECONDS}s", "--port", str(chosen.admin_port)]
            }
        }
    if not native and chosen.proxy_wait_before_exit_seconds:
        hooks["preStop"] = {"sleep": {"seconds": round(chosen.proxy_wait_before_exit_seconds)}}
    return hooks


def _probe(path: str, port: int, *, period: int, failures: int) -> Doc:
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": 1,
        "failureThreshold": failures,
    }


def _confined(chosen: knobs.Settings) -> Doc:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": chosen.proxy_uid,
        **({"runAsGroup": chosen.proxy_gid} if chosen.proxy_gid >= 0 else {}),
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _resources(chosen: knobs.Settings) -> Doc:
    table = {
        "requests": {
            "cpu": chosen.proxy_cpu_request,
            "memory": chosen.proxy_memory_request,
            "ephemeral-storage": chosen.proxy_ephemeral_storage_request,
        },
        "limits": {
            "cpu": chosen.proxy_cpu_limit,
            "memory": chosen.proxy_memory_limit,
            "ephemeral-storage": chosen.proxy_ephemeral_storage_limit,
        },
    }
    kept = {side: {name: amount for name, amount in row.items() if amount} for side, row in table.items()}
    return {side: row for side, row in kept.items() if row}
