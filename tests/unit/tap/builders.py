"""Pods, requests and events for the tables of this room."""

from typing import Any

from lightkube.models.core_v1 import Container, EnvVar, PodSpec, PodStatus
from lightkube.models.core_v1 import Pod as Spec
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference

from isthmus import names
from isthmus.rpc import net_pb2, tap_pb2
from isthmus.rpc import viz_pb2 as viz
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap.ask import plan

ON = {names.TAP_ENABLED: "true"}


def obj(
    name: str, ip: str = "10.0.0.1", *, namespace: str = "shop", notes: Any = ON, owner=("deployment", "web")
) -> Any:
    """A meshed pod as Kubernetes has it."""
    labels = {names.CONTROL_PLANE_NS_LABEL: "linkerd", "app": owner[1], "pod-template-hash": "abc"}
    kind, made = ("ReplicaSet", f"{owner[1]}-abc") if owner[0] == "deployment" else (owner[0].capitalize(), owner[1])
    made_by = OwnerReference(apiVersion="v1", kind=kind, name=made, uid="1", controller=True)
    meta = ObjectMeta(name=name, namespace=namespace, labels=labels, annotations=notes, ownerReferences=[made_by])
    listens = EnvVar(name="LINKERD2_PROXY_CONTROL_LISTEN_ADDR", value="0.0.0.0:4190")
    spec = PodSpec(containers=[Container(name="linkerd-proxy", env=[listens])], serviceAccountName=owner[1])
    return Spec(metadata=meta, spec=spec, status=PodStatus(phase="Running", podIP=ip))


def pod(name: str, ip: str = "10.0.0.1", **more: Any) -> plan.Pod:
    return plan.pod(obj(name, ip, **more))


def request(
    kind: str = "deployment", name: str = "web", namespace: str = "shop", **more: Any
) -> api.TapByResourceRequest:
    made = api.TapByResourceRequest(**more)
    made.target.resource.CopyFrom(viz.Resource(type=kind, name=name, namespace=namespace))
    return made


def http(**match: str) -> api.TapByResourceRequest.Match:
    return api.TapByResourceRequest.Match(http=api.TapByResourceRequest.Match.Http(**match))


def address(ip: str, port: int) -> net_pb2.TcpAddress:
    a, b, c, d = map(int, ip.split("."))
    return net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=a << 24 | b << 16 | c << 8 | d), port=port)


def begun(number: int, headers: tuple[tuple[str, bytes], ...] = (), **more: Any) -> tap_pb2.TapEvent:
    """A proxy's first event of a request on its way out."""
    made = tap_pb2.TapEvent(
        source=address("10.0.0.1", 4000), destination=address("10.0.0.2", 80), proxy_direction="OUTBOUND", **more
    )
    init = made.http.request_init
    init.id.stream = number
    init.path = "/x"
    for name, value in headers:
        init.headers.headers.add(name=name, value=value)
    return made


def ended(number: int) -> tap_pb2.TapEvent:
    """Its last."""
    made = tap_pb2.TapEvent(source=address("10.0.0.1", 4000), destination=address("10.0.0.2", 80))
    made.http.response_end.id.stream = number
    return made
