"""The treaty between the dashboard's backend and its page. In: nothing. Out: structs that become JSON,
and from which the page's types are made.

`tools/gen_shapes.py` writes `web/src/shapes.ts` from the structs of this file and of `shapes_more`; docs/dashboard.md lists the endpoints
that carry them. Keys are camelCase in JSON. Rates are per second, shares and success from 0 to 1, latencies in milliseconds, times in
seconds since 1970; null is "not measured". Never here: how anything is found out. Changes add fields, never take or rename them.
"""

from typing import Literal

import msgspec

Mark = Literal["ok", "warn", "fail", "unknown"]
"""How well something is: the page's four colours."""


class Shape(msgspec.Struct, frozen=True, rename="camel"):
    """What all shapes have in common."""


class Subject(Shape, frozen=True):
    """What a row is about.

    `kind` is deployment, statefulset, daemonset, job, cronjob, replicaset, pod, service, namespace, or "" for what is in no cluster.
    """

    cluster: str
    namespace: str
    kind: str
    name: str


class Golden(Shape, frozen=True):
    """Golden metrics over the window."""

    rps: float = 0.0
    success: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Spark(Shape, frozen=True):
    """Golden metrics over time: values at `start`, `start + step`, ...; null where nothing was measured."""

    start: float
    step: float
    rps: list[float | None]
    success: list[float | None]
    p95: list[float | None]


class Problem(Shape, frozen=True):
    """Why something is missing or empty: a sentence, and what to do. `cluster` is "" where it is about all."""

    cluster: str
    sentence: str
    hint: str = ""
    kind: Literal["away", "empty", "refused", "stale"] = "away"


class Head(Shape, frozen=True):
    """On top of every snapshot: when it was taken, how far it looks back, the same as a command to copy, what is missing."""

    at: float
    window: str
    command: str
    problems: list[Problem]


class Refusal(Shape, frozen=True):
    """The body of every answer from 400 on, and of the events `failed` and `end`."""

    sentence: str
    hint: str = ""


class ClusterRef(Shape, frozen=True):
    """A cluster that can be asked. `name` is what questions and Links call it, `context` what commands take."""

    name: str
    context: str
    server: str


class Session(Shape, frozen=True):
    """Who looks, at what. `login` is off (no login wanted), needed (ask for a token), in (`user` is known).

    `place` is where the backend runs: in the cluster it shows, or on the viewer's machine.
    """

    version: str
    login: Literal["off", "needed", "in"]
    user: str
    clusters: list[ClusterRef]
    windows: list[str]
    place: Literal["cluster", "machine"]


class Login(Shape, frozen=True):
    """POST /api/login: a Kubernetes token."""

    token: str


# Overview.


class ClusterBox(Shape, frozen=True):
    """A cluster in the topology. `asked` is false for one that is only seen through a link from another."""

    name: str
    asked: bool
    mark: Mark
    says: str
    workloads: int
    golden: Golden


class Node(Shape, frozen=True):
    """A workload or a Service in the topology; `id` is cluster/namespace/kind/name."""

    id: str
    subject: Subject
    golden: Golden
    pods: int
    meshed: int
    gateway: bool = False


class Edge(Shape, frozen=True):
    """Who calls whom; `source` and `target` are ids of nodes.

    `policy`: open (no Server rules the target), ruled, denying (denials in the window). `link` is the link it goes through, as
    `east -> west`, and empty inside a cluster.
    """

    id: str
    source: str
    target: str
    service: str
    golden: Golden
    tcp_connections: float
    bytes_per_second: float
    secured: float | None
    server_id: str
    denied_rps: float
    policy: Literal["open", "ruled", "denying", "unknown"]
    policy_says: str
    link: str = ""


class Overview(Shape, frozen=True):
    """View `overview`."""

    head: Head
    clusters: list[ClusterBox]
    nodes: list[Node]
    edges: list[Edge]


# Tables.


class NamespaceRow(Shape, frozen=True):
    """One namespace."""

    cluster: str
    name: str
    meshed: int
    pods: int
    golden: Golden
    spark: Spark | None = None


class Namespaces(Shape, frozen=True):
    """View `namespaces`."""

    head: Head
    rows: list[NamespaceRow]


class WorkloadRow(Shape, frozen=True):
    """One workload, Service or pod. `status` is a pod's phase."""

    subject: Subject
    meshed: int
    pods: int
    failed: int
    golden: Golden
    tcp_connections: int | None = None
    read_bytes_per_second: float | None = None
    write_bytes_per_second: float | None = None
    status: str = ""
    spark: Spark | None = None


class Workloads(Shape, frozen=True):
    """View `workloads`, of one kind or of all, in one namespace or in all."""

    head: Head
    namespace: str
    kind: str
    rows: list[WorkloadRow]


class Peer(Shape, frozen=True):
    """The other end of a workload's traffic."""

    subject: Subject
    service: str
    golden: Golden
    secured: float | None
    identity: str
    denied_rps: float
    tcp_connections: float
    link: str = ""


class RouteRow(Shape, frozen=True):
    """Requests by route, received (`side` inbound, `server`) or sent (outbound, `service`); `backend` is "" for the route as a whole."""

    side: Literal["inbound", "outbound"]
    server: str
    service: str
    route: str
    type: str
    backend: str
    weight: int | None
    golden: Golden
    denied_rps: float = 0.0
    timeouts_per_second: float = 0.0
    retries_per_second: float = 0.0


class Rule(Shape, frozen=True):
    """A policy that speaks for a port: `kind` and `name` of the object, and in words whom it lets in."""

    server: str
    port: str
    protocol: str
    kind: str
    name: str
    says: str
    allowed_rps: float | None = None
    denied_rps: float | None = None


class Certificate(Shape, frozen=True):
    """One pod's identity, as its proxy tells."""

    pod: str
    identity: str
    expires: float | None
    mark: Mark
    says: str


class Workload(Shape, frozen=True):
    """View `workload`: one subject. `found` is false when no such thing is there; the rest is then empty."""

    head: Head
    subject: Subject
    found: bool
    golden: Golden
    spark: Spark | None
    meshed: int
    pods: int
    upstream: list[Peer]
    downstream: list[Peer]
    routes: list[RouteRow]
    rules: list[Rule]
    certificates: list[Certificate]
    pod_rows: list[WorkloadRow]
