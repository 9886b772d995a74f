"""What the scripted control plane says, as a value: one default world, changed by tests, written to a file each pod's plane reads.

In: names and addresses of the fixture's pods. Out: JSON in a file, replaced in one step. Never here: processes or namespaces.
"""

import copy
import json
import pathlib
from typing import Any

TRUST = "serviceaccount.identity.linkerd.cluster.local"
IPS = {"client": "10.9.0.2", "server": "10.9.0.3", "second": "10.9.0.4", "gateway": "10.9.0.5", "remote": "10.9.0.6"}
BRIDGE = "10.9.0.1"
WEB, WEST, ECHO, HEALTH, BOTH = "10.96.0.1", "10.96.0.4", "10.96.0.2", "10.96.0.3", "10.96.0.5"
EVIL = "10.96.0.66"
"""`evil.py` in the server's pod: HTTP/1 on 8070, HTTP/2 on 8071."""
Said = dict[str, Any]


def identity(pod: str) -> str:
    return f"{pod}.default.{TRUST}"


def path(service: str, port: int = 80) -> str:
    return f"{service}.default.svc.cluster.local:{port}"


def endpoint(pod: str, port: int, *, hint: str = "h2", header: bool = True) -> Said:
    """A meshed endpoint; with `header` its proxy takes a transport header on 4143."""
    said: Said = {"addr": f"{IPS[pod]}:{port}", "id": identity(pod), "hint": hint, "labels": {"pod": pod}}
    return said | ({"inbound_port": 4143} if header else {})


def through_gateway(target: str) -> Said:
    """The gateway's address as an endpoint of a mirrored Service."""
    return {"addr": f"{IPS['gateway']}:4143", "id": identity("gateway"), "hint": "h2", "authority": target}


def service(name: str, port: int = 80, *, kind: str = "detect", split: dict[str, int] | None = None) -> Said:
    return {"parent": name, "port": port, "kind": kind, "split": split or {path(name, port): 1}}


class State:
    """The world as the control planes tell it. `edit` changes it; `reset` takes it back to the default."""

    def __init__(self, file: pathlib.Path) -> None:
        self.file = file
        self.said: Said = {}
        self.reset()

    def reset(self) -> None:
        west_echo = through_gateway(path("echo", 9000))
        self.said = {
            "outbound": {
                f"{WEB}:80": service("web"),
                path("web"): service("web"),
                f"{WEST}:80": service("web-west"),
                f"{BOTH}:80": service("both", split={path("web"): 50, path("web-west"): 50}),
                f"{ECHO}:9000": service("echo", 9000, kind="opaque"),
                path("echo", 9000): service("echo", 9000, kind="opaque"),
                f"{WEST}:9000": service("echo-west", 9000, kind="opaque"),
                f"{HEALTH}:50051": service("health", 50051),
                f"{EVIL}:8070": service("evil", 8070),
                path("evil", 8070): service("evil", 8070),
                f"{EVIL}:8071": service("evil", 8071),
                path("evil", 8071): service("evil", 8071),
            },
            "profiles": {f"{ECHO}:9000": {"opaque": True}, f"{WEST}:9000": {"opaque": True}},
            "endpoints": {
                path("web"): [endpoint("server", 8080)],
                path("web-west"): [through_gateway(path("web"))],
                path("echo", 9000): [endpoint("server", 9000, hint="opaque")],
                path("echo-west", 9000): [west_echo],
                path("health", 50051): [endpoint("server", 50051)],
                path("evil", 8070): [endpoint("server", 8070)],
                path("evil", 8071): [endpoint("server", 8071)],
            },
            "ports": {"9000": "opaque"},
            "lifetime": {"seconds": 3600},
        }
        self.write()

    def edit(self, kind: str, key: str, value: object) -> None:
        self.said = copy.deepcopy(self.said)
        self.said[kind][key] = value
        self.write()

    def write(self) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.said))
        new.replace(self.file)
