"""What the cluster looks like to tables, kept in step object by object. In: slim objects of watches. Out: pods and resources, by index.

A resource is known by kind, namespace and name, with its labels; a pod also by each of its owners. Never here: numbers, I/O.
Limits: as large as the cluster.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus import names, workload
from isthmus.kube import crds, slim
from isthmus.viz.cluster import facts

Ref = tuple[str, names.Key]
"""A kind's word, and the object."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that a table can be about. `owner` is its controller; `chooses` which pods it selects (None: its owned ones)."""

    kind: str
    key: names.Key
    labels: Mapping[str, str]
    owner: tuple[str, str] | None = None
    chooses: Mapping[str, Any] | None = None
    remote: str = ""
    """The cluster a mirror stands for."""
    spec: Mapping[str, Any] | None = None
    """Of custom resources alone."""


class World:
    """Everything known."""

    def __init__(self) -> None:
        self.pods: dict[names.Key, facts.Pod] = {}
        self.things: defaultdict[str, dict[names.Key, Thing]] = defaultdict(dict)
        self._pods_of: defaultdict[Ref, set[names.Key]] = defaultdict(set)
        self._pods_in: defaultdict[str, set[names.Key]] = defaultdict(set)
        self._at: dict[str, names.Key] = {}

    # Questions

    def owned(self, kind: str, key: names.Key) -> list[facts.Pod]:
        """The pods of a workload; a CronJob's are those of its Jobs."""
        if kind == "cronjob":
            jobs = [t for t in self.things["job"].values() if self._owned_by(t, kind, key)]
            return [pod for job in jobs for pod in self.owned("job", job.key)]
        return self._pods(self._pods_of.get((kind, key), ()))

    def members(self, kind: str, key: names.Key) -> list[facts.Pod]:
        """The pods that a resource is about: its own, those it selects, or the pod itself."""
        match kind:
            case "pod":
                return [self.pods[key]] if key in self.pods else []
            case "namespace":
                return self._pods(self._pods_in.get(key.name, ()))
            case "service" | "server":
                found = self.things[kind].get(key)
                chooses = found.chooses if found else None
                inside = self._pods(self._pods_in.get(key.namespace, ()))
                return [pod for pod in inside if workload.selects(chooses, pod.labels)]
            case _:
                return self.owned(kind, key)

    def at(self, ip: str) -> facts.Pod | None:
        """The pod with an address."""
        key = self._at.get(ip)
        return self.pods.get(key) if key else None

    def find(self, kind: str, namespace: str, name: str = "") -> Iterable[names.Key]:
        """Resources of a kind: of a namespace ("" is all), of a name ("" is all)."""
        keys = self.pods.keys() if kind == "pod" else {k: None for word in _alike(kind) for k in self.things[word]}
        for key in keys:
            inside = kind == "namespace" or not namespace or key.namespace == namespace
            if inside and (not name or key.name == name):
                yield key

    def labels(self, kind: str, key: names.Key) -> Mapping[str, str]:
        """An object's labels; none when it is not known."""
        if kind == "pod":
            return self.pods[key].labels if key in self.pods else {}
        found = (self.things[word].get(key) for word in _alike(kind))
        return next((one.labels for one in found if one), dict[str, str]())

    def owner_of(self, pod: str, namespace: str) -> tuple[str, str]:
        """(kind, name) of the workload of a pod; the pod itself when nothing is known."""
        found = self.pods.get(names.Key(namespace, pod))
        return found.owner if found else ("pod", pod)

    def _pods(self, keys: Iterable[names.Key]) -> list[facts.Pod]:
        return [self.pods[key] for key in sorted(keys, key=str)]

    @staticmethod
    def _owned_by(thing: Thing, kind: str, key: names.Key) -> bool:
        return thing.owner == (kind, key.name) and thing.key.namespace == key.namespace

    # Changes

    def put_pod(self, obj: slim.Pod) -> tuple[()]:
        found = facts.pod(obj)
        slim.hollow(obj)
        self.drop_pod(found.key)
        self.pods[found.key] = found
        for kind, name in found.owners:
            self._pods_of[kind, names.Key(found.key.namespace, name)].add(found.key)
        self._pods_in[found.key.namespace].add(found.key)
        if found.ip and found.running:
            self._at[found.ip] = found.key
        return ()

    def drop_pod(self, key: names.Key) -> tuple[()]:
        before = self.pods.pop(key, None)
        if before is None:
            return ()
        for kind, name in before.owners:
            _discard(self._pods_of, (kind, names.Key(key.namespace, name)), key)
        _discard(self._pods_in, key.namespace, key)
        if self._at.get(before.ip) == key:
            del self._at[before.ip]
        return ()

    def put(self, kind: str, obj: slim.Object | crds.Custom) -> tuple[()]:
        meta = obj.metadata
        labels = dict(workload.labels_of(meta))
        owners = [o for o in (meta.ownerReferences if meta else None) or () if o.controller]
        spec = obj.spec if isinstance(obj, crds.Custom) else None
        chooses: Mapping[str, Any] | None = None
        if isinstance(obj, slim.Service):
            selector = obj.spec.selector if obj.spec else None
            chooses = {"matchLabels": selector} if selector else None
        elif spec is not None and kind == "server":
            chooses = spec.get("podSelector")
        self.things[kind][workload.key_of(meta)] = Thing(
            kind=kind,
            key=workload.key_of(meta),
            labels=labels,
            owner=(owners[0].kind.lower(), owners[0].name) if owners else None,
            chooses=chooses,
            remote=labels.get(names.CLUSTER_NAME, "") if kind == "service" else "",
            spec=spec,
        )
        slim.hollow(obj)
        return ()

    def drop(self, kind: str, key: names.Key) -> tuple[()]:
        self.things[kind].pop(key, None)
        return ()


def _alike(kind: str) -> tuple[str, ...]:
    """The words under which a kind is kept: HTTPRoutes are of two groups."""
    return ("httproute", "gateway/httproute") if kind == "httproute" else (kind,)


def _discard(index: defaultdict[Any, set[names.Key]], at: object, key: names.Key) -> None:
    index[at].discard(key)
    if not index[at]:
        del index[at]
