"""What may be tapped, and how it is written: in a command, in a URL, in a message. In: words. Out: a `Resource`, a path.

Never here: pods (see `plan`), calls.
"""

import re
from dataclasses import dataclass

from isthmus.errors import BadValue
from isthmus.rpc import viz_pb2 as viz

ROOT = "/apis/tap.linkerd.io/v1alpha1"
NAMESPACE = "namespace"
PLURALS = {
    "cronjob": "cronjobs",
    "daemonset": "daemonsets",
    "deployment": "deployments",
    "job": "jobs",
    NAMESPACE: "namespaces",
    "pod": "pods",
    "replicaset": "replicasets",
    "replicationcontroller": "replicationcontrollers",
    "service": "services",
    "statefulset": "statefulsets",
}
"""Kind, as on metrics and in messages -> plural, as in URLs and rights."""
SHORT = {
    "cj": "cronjob",
    "deploy": "deployment",
    "ds": "daemonset",
    "ns": NAMESPACE,
    "po": "pod",
    "rc": "replicationcontroller",
    "rs": "replicaset",
    "sts": "statefulset",
    "svc": "service",
}
_WORDS = {**SHORT, **{kind: kind for kind in PLURALS}, **{many: kind for kind, many in PLURALS.items()}}
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind in a namespace; an empty name means all of the kind. A namespace as a whole has its name in `namespace`."""

    kind: str
    namespace: str
    name: str = ""

    def __str__(self) -> str:
        if self.kind == NAMESPACE:
            return f"namespace {self.namespace}"
        return (
            f"{self.kind}/{self.name} in {self.namespace}" if self.name else f"{PLURALS[self.kind]} in {self.namespace}"
        )

    @property
    def plural(self) -> str:
        return PLURALS[self.kind]

    @property
    def path(self) -> str:
        """Where it is tapped."""
        inner = "" if self.kind == NAMESPACE else f"/{self.plural}" + (f"/{self.name}" if self.name else "")
        return f"{ROOT}/watch/namespaces/{self.namespace}{inner}/tap"

    def message(self) -> viz.Resource:
        """As a request says it."""
        if self.kind == NAMESPACE:
            return viz.Resource(type=NAMESPACE, name=self.namespace)
        return viz.Resource(namespace=self.namespace, type=self.kind, name=self.name)


def kind(word: str, *, key: str) -> str:
    """The kind a word means: `deploy`, `deployments`, `deployment`.

    Raises:
        BadValue: it means none that can be tapped.
    """
    found = _WORDS.get(word.lower())
    if found is None:
        raise BadValue(key, word, "deploy/web, pod/web-0 or ns/shop", why=f"not one of {', '.join(sorted(PLURALS))}")
    return found


def read(words: str, namespace: str, *, key: str = "RESOURCE") -> Resource:
    """`deploy/web`, `deploy`, `ns/shop` as a resource; `namespace` is where it is, unless it is one itself.

    Raises:
        BadValue: no such kind, or no name Kubernetes takes.
    """
    word, _, name = words.partition("/")
    found = kind(word, key=key)
    if name and not _NAME.match(name):
        raise BadValue(key, words, "deploy/web", why=f"{name!r} is no name")
    return Resource(found, name or namespace) if found == NAMESPACE else Resource(found, namespace, name)


def of_message(said: viz.Resource, *, key: str) -> Resource:
    """A request's resource.

    Raises:
        BadValue: no such kind, no name Kubernetes takes, or no namespace.
    """
    found = kind(said.type, key=f"{key}.type")
    made = (
        Resource(found, said.name or said.namespace)
        if found == NAMESPACE
        else Resource(found, said.namespace, said.name)
    )
    for part, text in (("namespace", made.namespace), ("name", made.name or "any")):
        if not _NAME.match(text):
            raise BadValue(f"{key}.{part}", text, "shop", why="no name of Kubernetes")
    return made


def of_path(path: str) -> Resource | None:
    """The resource a URL is for; None where it is no URL of a tap."""
    parts = path.removeprefix(f"{ROOT}/watch/namespaces/").split("/")
    if not path.startswith(ROOT) or parts[-1] != "tap" or not 2 <= len(parts) <= 4 or not all(map(_NAME.match, parts)):
        return None
    namespace, inner = parts[0], parts[1:-1]
    if not inner:
        return Resource(NAMESPACE, namespace)
    found = next((k for k, many in PLURALS.items() if many == inner[0]), None)
    return Resource(found, namespace, inner[1] if len(inner) > 1 else "") if found else None
