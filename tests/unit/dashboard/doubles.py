"""A cluster that answers from tables: objects by plural and name for Kubernetes, a message by method for metrics; and a browser."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster, Context, User

from isthmus.dashboard import clusters
from isthmus.errors import IsthmusError
from isthmus.kube import access
from isthmus.kube import client as kube
from isthmus.rpc import insight_pb2, viz_pb2

Doc = dict[str, Any]
EMPTY = {
    "Graph": insight_pb2.GraphResponse,
    "Series": insight_pb2.SeriesResponse,
    "Inbound": insight_pb2.InboundResponse,
    "Outbound": insight_pb2.OutboundResponse,
    "Links": insight_pb2.LinksResponse,
    "StatSummary": viz_pb2.StatSummaryResponse,
}


class Metrics:
    """Answers by the method's name, else with nothing; keeps what it was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    async def ask(self, service: str, method: str, question: Any, answer: Any) -> Any:
        self.asked.append(method)
        found = self.answers.get(method) or EMPTY[method]()
        if isinstance(found, Exception):
            raise found
        return found


class Kube:
    """Objects by plural. `users` are the tokens it knows; None: everybody may."""

    def __init__(self, objects: Mapping[str, list[Doc]], users: Mapping[str, str] | None = None) -> None:
        self.objects = {plural: list(docs) for plural, docs in objects.items()}
        self.users = users
        self.applied: list[Doc] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.users is not None and token not in self.users:
            return refused(401, "Unauthorized")
        if request.url.path.endswith("/selfsubjectreviews"):
            return httpx2.Response(201, json={"status": {"userInfo": {"username": (self.users or {}).get(token, "")}}})
        parts = [p for p in request.url.path.split("/") if p]
        if len(parts) == 1:
            return httpx2.Response(200, json={"gitVersion": "v1"})
        at = parts.index("namespaces") if "namespaces" in parts[:-2] else None
        space, rest = (
            (parts[at + 1], parts[at + 2 :]) if at is not None else ("", parts[(parts[0] == "apis" and 3) or 2 :])
        )
        group = "/".join(parts[1:3]) if parts[0] == "apis" else parts[1]
        docs = [
            d
            for d in self.objects.get(rest[0], ())
            if space in ("", d["metadata"].get("namespace")) and d.get("apiVersion", group) == group
        ]
        if len(rest) == 1:
            return httpx2.Response(200, json={"metadata": {}, "items": docs})
        found = next((d for d in docs if d["metadata"]["name"] == rest[1]), None)
        if found is None:
            return refused(404, "NotFound")
        return self._patched(request, found) if request.method == "PATCH" else httpx2.Response(200, json=found)

    def _patched(self, request: httpx2.Request, found: Doc) -> httpx2.Response:
        doc = json.loads(request.content)
        if doc["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return refused(409, "Conflict")
        after = {**found, "spec": {**found["spec"], **doc["spec"]}}
        if request.url.params.get("dryRun") is None:
            self.applied.append(doc)
            found |= after
            after["metadata"] = found["metadata"] = {**found["metadata"], "resourceVersion": "next"}
        return httpx2.Response(200, json=after)

    def client(self, token: str = "") -> kube.Client:
        at = reach("east", token)
        return kube.Client(at, transport=_Signing(httpx2.MockTransport(self.answer), token))


class _Signing(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.MockTransport, token: str) -> None:
        self.inner, self.token = inner, token

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["authorization"] = f"Bearer {self.token}"
        return await self.inner.handle_async_request(request)


def refused(code: int, reason: str) -> httpx2.Response:
    return httpx2.Response(code, json={"kind": "Status", "reason": reason, "message": f"told {reason}"})


def reach(name: str, token: str = "") -> access.Access:
    config = SingleConfig(name, Context(name, "me"), Cluster(f"https://{name}.test"), User(token=token))
    return access.Access(name, f"https://{name}.test", "default", config)


def cluster(name: str = "east", server: Kube | None = None, token: str = "", **answers: Any) -> clusters.Cluster:
    client = (server or Kube({})).client(token)
    return clusters.Cluster(name, name, reach(name, token), client, Metrics(answers))


def room(*found: clusters.Cluster) -> clusters.Room:
    return clusters.Room(found or (cluster(),))


AWAY = IsthmusError("the metrics API of cluster 'east' is not ready", hint="isthmus check")


class Answer:
    """What an application sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(app: Any, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request of a browser at http://localhost, as our own page would send it."""
    told = {
        "host": "localhost",
        **({"origin": "http://localhost", "content-type": "application/json"} if method == "POST" else {}),
    }
    told |= headers or {}
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    plain, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": plain, "raw_path": plain.encode(),
        "root_path": "", "scheme": "http", "query_string": query.encode(), "server": ("localhost", 80), "client": ("127.0.0.1", 1),
        "headers": [(k.lower().encode(), v.encode()) for k, v in told.items()],
    }  # fmt: skip
    answer, sent = Answer(), [{"type": "http.request", "body": data, "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return sent.pop(0)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer
