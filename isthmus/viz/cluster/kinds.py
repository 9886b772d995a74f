"""Kinds that tables are about. In: words as people and Linkerd's clients write them. Out: one word each, and the label series carry.

Never here: objects (see `world`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.serve.refusal import Refused

ALL = "all"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource. `label`: what proxies' series call it, "" where they name only its pods. `policy`: of inbound policy, the label
    that holds its kind, and the value.
    """

    word: str
    also: tuple[str, ...]
    label: str
    policy: tuple[str, str] = ("", "")


_KINDS = (
    Kind("authority", ("au", "authorities"), "authority"),
    Kind(
        "authorizationpolicy",
        ("ap", "authzpolicy", "authorizationpolicies"),
        "authz_name",
        ("authz_kind", "authorizationpolicy"),
    ),
    Kind("cronjob", ("cj", "cronjobs"), ""),
    Kind("daemonset", ("ds", "daemonsets"), "daemonset"),
    Kind("deployment", ("deploy", "deployments"), "deployment"),
    Kind("httproute", ("httproutes", "hr"), "route_name", ("route_kind", "HTTPRoute")),
    Kind("grpcroute", ("grpcroutes",), "route_name", ("route_kind", "GRPCRoute")),
    Kind("job", ("jobs",), "k8s_job"),
    Kind("namespace", ("ns", "namespaces"), "namespace"),
    Kind("pod", ("po", "pods"), "pod"),
    Kind("replicaset", ("rs", "replicasets"), ""),
    Kind("replicationcontroller", ("rc", "replicationcontrollers"), "replicationcontroller"),
    Kind("server", ("srv", "servers"), "srv_name", ("srv_kind", "server")),
    Kind(
        "serverauthorization",
        ("saz", "serverauthz", "serverauthorizations"),
        "authz_name",
        ("authz_kind", "serverauthorization"),
    ),
    Kind("service", ("svc", "services"), "service"),
    Kind("statefulset", ("sts", "statefulsets"), "statefulset"),
)
BY_WORD: Mapping[str, Kind] = {word: kind for kind in _KINDS for word in (kind.word, *kind.also)}

WORKLOADS = ("cronjob", "daemonset", "deployment", "job", "replicaset", "replicationcontroller", "statefulset")
OWNERS = ("daemonset", "deployment", "job", "replicationcontroller", "statefulset")
"""Kinds that series of a proxy name as the owner of its pod; a pod has one of them or none."""
IN_ALL = ("daemonset", "statefulset", "cronjob", "job", "deployment", "replicationcontroller", "pod", "service")
"""What `all` asks for, in the order of tables. ReplicaSets are left to who asks for them: their Deployments say the same."""


def find(word: str) -> Kind:
    """The kind that a word means.

    Raises:
        Refused: none; the sentence lists what there is.
    """
    found = BY_WORD.get(word.lower())
    if found is None:
        known = ", ".join(kind.word for kind in _KINDS)
        raise Refused("invalid", f"no such resource: {word!r}; there are {known} and {ALL}")
    return found


def several(word: str) -> tuple[Kind, ...]:
    """The kinds that a word means: those of IN_ALL for `all`. Raises Refused as `find`."""
    return tuple(BY_WORD[one] for one in IN_ALL) if word.lower() == ALL else (find(word),)
