"""A small cluster for the tables of this room. In: short words. Out: slim objects, and a world that holds them."""

from lightkube.models.meta_v1 import OwnerReference

from isthmus import names
from isthmus.kube import slim
from isthmus.viz.cluster import world


def meta(name, namespace="shop", labels=None, owner=None, notes=None) -> slim.Meta:
    owners = (
        [OwnerReference(apiVersion="v1", kind=owner[0], name=owner[1], uid="u", controller=True)] if owner else None
    )
    return slim.Meta(
        name=name,
        namespace=namespace,
        labels=labels or {},
        annotations=notes or {},
        ownerReferences=owners,
        resourceVersion="7",
    )


def pod(
    name, namespace="shop", *, owner=None, labels=None, meshed=True, phase="Running", ip="", statuses=(), account=""
) -> slim.Pod:
    proxy = slim.Container("linkerd-proxy", [slim.Port(4191, "linkerd-admin"), slim.Port(4143, "linkerd-proxy")])
    app = slim.Container("app", [slim.Port(8080, "http")])
    marks = {**(labels or {}), **({names.CONTROL_PLANE_NS_LABEL: "linkerd"} if meshed else {})}
    ready = [slim.ContainerStatus("linkerd-proxy", "proxy", ready=True)] if meshed else []
    return slim.Pod(
        meta(name, namespace, marks, owner),
        slim.PodSpec(account, [proxy, app] if meshed else [app]),
        slim.PodStatus(phase, podIP=ip, startTime="2026-11-26T12:00:00Z", containerStatuses=[*ready, *statuses]),
    )


def of_deployment(deployment, number, namespace="shop", *, labels=None, **more) -> slim.Pod:
    owner = ("ReplicaSet", f"{deployment}-5d")
    marks = {"pod-template-hash": "5d", "app": deployment, **(labels or {})}
    return pod(f"{deployment}-5d-{number}", namespace, owner=owner, labels=marks, **more)


def known(*pods, **things) -> world.World:
    """A world with these pods, and things by kind: `service=[...]`."""
    made = world.World()
    for one in pods:
        made.put_pod(one)
    for kind, objects in things.items():
        for one in objects:
            made.put(kind, one)
    return made


def deployment(name, namespace="shop", **labels) -> slim.Deployment:
    return slim.Deployment(meta(name, namespace, labels))


def service(name, namespace="shop", remote="", **selector) -> slim.Service:
    labels = {names.CLUSTER_NAME: remote} if remote else {}
    return slim.Service(meta(name, namespace, labels), slim.ServiceSpec(selector or None))
