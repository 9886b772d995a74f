"""A node's own calls to its API server while it starts: with the standard library alone, so that process 1 stays small.

In: a `Cluster`. Out: status and JSON.
Never here: watches or retries; `load-balancer` and everybody else use `isthmus.kube`.
"""

import http.client
import json
import ssl
from typing import Any

from isthmus.lab import layout

TIMEOUT = 5.0


class Api:
    """The API server on the node's loopback, as administrator."""

    def __init__(self, cluster: layout.Cluster) -> None:
        pki = cluster.dir / "pki"
        self._tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Status and decoded answer; status 0 while nothing listens or answers."""
        link = http.client.HTTPSConnection("127.0.0.1", layout.API_PORT, timeout=TIMEOUT, context=self._tls)
        try:
            link.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = link.getresponse()
            return answer.status, _decode(answer.read())
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            link.close()

    def has(self, path: str) -> bool:
        """Whether a GET answers 200."""
        return self.call("GET", path)[0] == 200

    def status(self, path: str) -> dict[str, Any]:
        """The `status` of an object; empty while there is none (a refusal's own `status` is a word)."""
        code, said = self.call("GET", path)
        return said.get("status") or {} if code == 200 else {}

    def node_ready(self, name: str) -> bool:
        """Whether the kubelet reports the node Ready."""
        conditions = self.status(f"/api/v1/nodes/{name}").get("conditions", ())
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def available(self, path: str) -> bool:
        """Whether a Deployment has a pod that serves."""
        return int(self.status(path).get("availableReplicas", 0)) > 0


def _decode(text: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):
        return {}
