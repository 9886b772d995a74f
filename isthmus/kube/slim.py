"""Kinds of Kubernetes with only what tables name. In: JSON of the API. Out: small structs; what is not declared here is skipped unread.

For processes that watch whole clusters and must stay small: a whole Pod is some 30 KiB of objects, one of these about two.
`hollow` takes what was read out of an object that a store goes on holding. Never here: what is made of it.
"""

from typing import Any

import msgspec
from lightkube.core import resource
from lightkube.models.meta_v1 import ObjectMeta

from isthmus.kube import store

_VERBS = ["get", "global_list", "global_watch", "list", "watch"]


def _api(group: str, version: str, kind: str, plural: str) -> resource.ApiInfo:
    return resource.ApiInfo(resource.ResourceDef(group, version, kind), plural, _VERBS)


class Part(msgspec.Struct, omit_defaults=True):
    """A piece of an object."""


class Meta(ObjectMeta):
    """Metadata without the account of who wrote which field, which is often the larger half of an object."""

    managedFields: list[Part] | None = None  # noqa: N815  # pyright: ignore[reportIncompatibleVariableOverride]  # skipped unread


class Port(Part):
    """A port of a container."""

    containerPort: int = 0  # noqa: N815
    name: str = ""


class Container(Part):
    """A container of a pod's spec."""

    name: str = ""
    ports: list[Port] | None = None


class Why(Part):
    """Why a container waits or ended."""

    reason: str = ""
    message: str = ""
    exitCode: int = 0  # noqa: N815


class State(Part):
    """What a container does."""

    waiting: Why | None = None
    terminated: Why | None = None


class ContainerStatus(Part):
    """How a container is."""

    name: str = ""
    image: str = ""
    ready: bool = False
    state: State | None = None
    lastState: State | None = None  # noqa: N815


class PodSpec(Part):
    """What a pod should be."""

    serviceAccountName: str = ""  # noqa: N815
    containers: list[Container] | None = None
    initContainers: list[Container] | None = None  # noqa: N815


class PodStatus(Part):
    """How a pod is."""

    phase: str = ""
    reason: str = ""
    podIP: str = ""  # noqa: N815
    startTime: str = ""  # noqa: N815
    containerStatuses: list[ContainerStatus] | None = None  # noqa: N815
    initContainerStatuses: list[ContainerStatus] | None = None  # noqa: N815


class Object(msgspec.Struct, omit_defaults=True):
    """An object of which only its metadata is read."""

    metadata: Meta | None = None


class Pod(resource.NamespacedResourceG, Object):
    """A pod."""

    spec: PodSpec | None = None
    status: PodStatus | None = None
    _api_info = _api("", "v1", "Pod", "pods")


class ServiceSpec(Part):
    """Which pods a Service chooses."""

    selector: dict[str, str] | None = None


class Service(resource.NamespacedResourceG, Object):
    """A Service."""

    spec: ServiceSpec | None = None
    _api_info = _api("", "v1", "Service", "services")


class Namespace(resource.GlobalResource, Object):
    """A namespace."""

    _api_info = _api("", "v1", "Namespace", "namespaces")


class Deployment(resource.NamespacedResourceG, Object):
    """A Deployment."""

    _api_info = _api("apps", "v1", "Deployment", "deployments")


class ReplicaSet(resource.NamespacedResourceG, Object):
    """A ReplicaSet."""

    _api_info = _api("apps", "v1", "ReplicaSet", "replicasets")


class StatefulSet(resource.NamespacedResourceG, Object):
    """A StatefulSet."""

    _api_info = _api("apps", "v1", "StatefulSet", "statefulsets")


class DaemonSet(resource.NamespacedResourceG, Object):
    """A DaemonSet."""

    _api_info = _api("apps", "v1", "DaemonSet", "daemonsets")


class ReplicationController(resource.NamespacedResourceG, Object):
    """A ReplicationController."""

    _api_info = _api("", "v1", "ReplicationController", "replicationcontrollers")


class Job(resource.NamespacedResourceG, Object):
    """A Job."""

    _api_info = _api("batch", "v1", "Job", "jobs")


class CronJob(resource.NamespacedResourceG, Object):
    """A CronJob."""

    _api_info = _api("batch", "v1", "CronJob", "cronjobs")


def hollow(obj: store.Object) -> None:
    """Keep of an object what a store needs to know it again: name, uid, version."""
    meta = obj.metadata
    if meta is not None:
        meta.labels = meta.annotations = meta.ownerReferences = meta.finalizers = None
    held: Any = obj
    for name in ("spec", "status"):
        if hasattr(obj, name):
            setattr(held, name, None)
