"""An API server of a few rules, as a transport: objects by path, lists by prefix and label, applied whole. For order and sentences only;
what an API server really does is asked of a real one in tests/api."""

import json
import urllib.parse
from typing import Any

import httpx2
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster, Context, User

from isthmus.kube import access
from isthmus.kube import client as kube

Doc = dict[str, Any]


class Server:
    """`objects` by path; `calls` in order; `after` may change an object that was just applied, as controllers would."""

    def __init__(self, **objects: Doc) -> None:
        self.objects: dict[str, Doc] = dict(objects)
        self.calls: list[str] = []

    def after(self, doc: Doc) -> None:
        """Definitions are served at once."""
        if doc["kind"] == "CustomResourceDefinition":
            doc["status"] = {"conditions": [{"type": "Established", "status": "True"}]}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.calls.append(f"{request.method} {path}")
        if request.method == "PATCH":
            doc = json.loads(request.content)
            if request.url.params.get("dryRun") is None:
                self.objects[path] = doc
                self.after(doc)
            return httpx2.Response(200, json=doc)
        if request.method == "DELETE":
            return httpx2.Response(200 if self.objects.pop(path, None) else 404, json={})
        if path in self.objects:
            return httpx2.Response(200, json=self.objects[path])
        if self._collection(path):
            return httpx2.Response(200, json={"metadata": {}, "items": self._list(path, request)})
        return httpx2.Response(404, json={"reason": "NotFound", "message": f"{path} not found"})

    def _collection(self, path: str) -> bool:
        return path.rsplit("/", 1)[1].endswith("s") and not path.endswith("/linkerd-identity-trust-roots")

    def _list(self, path: str, request: httpx2.Request) -> list[Doc]:
        wanted = urllib.parse.unquote(request.url.params.get("labelSelector", ""))
        terms = dict(term.split("=", 1) for term in wanted.split(",") if term)
        inside = [doc for place, doc in self.objects.items() if place.rsplit("/", 1)[0] == path]
        return [doc for doc in inside if terms.items() <= doc["metadata"].get("labels", {}).items()]

    def client(self) -> kube.Client:
        config = SingleConfig("east", Context("east", "me"), Cluster("https://east.test"), User())
        return kube.Client(
            access.Access("east", "https://east.test", "default", config), transport=httpx2.MockTransport(self.answer)
        )
