"""The treaty's second half: links, split, live requests, policy, health. In: nothing. Out: structs, as in `shapes`.

Never here: how anything is found out. Changes add fields, never take or rename them.
"""

from typing import Literal

import msgspec

from isthmus.dashboard.shapes import Golden, Head, Mark, Shape, Subject

# Gateways and links.


class LinkPoint(Shape, frozen=True):
    """A link's health at a time."""

    at: float
    alive: bool | None
    latency_ms: float | None


class GatewayAddress(Shape, frozen=True):
    """One address of a target's gateway, as probes found it: alive, dead, unknown or refused."""

    address: str
    health: str
    since: str
    says: str = ""


class Condition(Shape, frozen=True):
    """A condition of the Link, as Kubernetes writes it."""

    type: str
    status: str
    reason: str
    message: str
    since: str


class ExportedService(Shape, frozen=True):
    """A Service of the target that is mirrored: what it is called here, how its traffic is, who uses it."""

    namespace: str
    name: str
    mirror: str
    mirrored: bool
    says: str
    golden: Golden | None
    users: list[Subject]


class Stream(Shape, frozen=True):
    """Something that must stay fresh: the age of what was last heard."""

    name: str
    age_seconds: float | None
    mark: Mark
    says: str


class Failover(Shape, frozen=True):
    """Where traffic goes while this link's gateway is dead: `active` says whether it does now."""

    service: str
    active: bool
    says: str


class LinkRow(Shape, frozen=True):
    """One link: `source` calls `target`."""

    source: str
    target: str
    mark: Mark
    says: str
    alive: bool | None
    services: int
    p50: float | None
    p95: float | None
    p99: float | None
    points: list[LinkPoint]
    addresses: list[GatewayAddress]
    conditions: list[Condition]
    exported: list[ExportedService]
    streams: list[Stream]
    failover: list[Failover]


class Links(Shape, frozen=True):
    """View `links`."""

    head: Head
    rows: list[LinkRow]


# Traffic split.


class Backend(Shape, frozen=True):
    """One backend of a split. `weight` is as written, `intended` its share of all weights, `measured` its share of the requests."""

    namespace: str
    name: str
    port: int | None
    weight: int
    intended: float | None
    measured: float | None
    golden: Golden | None
    exists: bool
    link: str = ""


class Split(Shape, frozen=True):
    """One rule of an HTTPRoute or GRPCRoute, or one TrafficSplit, of a Service.

    `id` names it in changes: cluster, kind, namespace, name and rule.
    `rules` is false where another object has the word (`says` tells which); `writable` is false where it cannot be written from here.
    """

    id: str
    cluster: str
    service: Subject
    api_version: str
    kind: Literal["HTTPRoute", "GRPCRoute", "TrafficSplit"]
    namespace: str
    name: str
    rule: int
    matches: str
    version: str
    backends: list[Backend]
    rules: bool
    writable: bool
    says: str
    command: str


class Splits(Shape, frozen=True):
    """View `splits`."""

    head: Head
    rows: list[Split]


class Weight(Shape, frozen=True):
    """What a backend shall weigh."""

    namespace: str
    name: str
    port: int | None
    weight: int


class SplitChange(Shape, frozen=True):
    """POST /api/split/preview and /api/split: all backends of `id` with their new weights. `version` is the Split's that was looked at."""

    id: str
    version: str
    weights: list[Weight]


class DiffLine(Shape, frozen=True):
    """A line of a diff of YAML: kept, added or removed."""

    sign: Literal[" ", "+", "-"]
    text: str


class SplitPreview(Shape, frozen=True):
    """What writing would change, found by a dry run of the API server; `command` does the same by hand. Nothing is written."""

    version: str
    changed: bool
    lines: list[DiffLine]
    command: str


class SplitDone(Shape, frozen=True):
    """It is written: the object's new version."""

    version: str
    says: str


# Live requests.


class TapAsk(Shape, frozen=True):
    """GET /api/tap, as its query: whose requests, and which."""

    cluster: str
    namespace: str
    kind: str
    name: str
    to_namespace: str = ""
    to_kind: str = ""
    to_name: str = ""
    method: str = ""
    path: str = ""
    authority: str = ""
    max_rps: float = 100.0
    join: bool = False


class Stage(Shape, frozen=True):
    """One proxy's part of a joined request: where, when it began and ended, counted in milliseconds from the first."""

    cluster: str
    pod: str
    role: str
    begin_ms: float
    end_ms: float | None


class TapRow(Shape, frozen=True):
    """One request as one proxy saw it, or as all of its proxies did (`stages`). Unset: it has not come that far, or nobody told.

    `joined` of a joined one: exact (by its trace or request id), likely (it alone fits), alone (no other proxy saw it), ambiguous
    (`candidates` fit, so none was taken).
    """

    id: str
    at: float
    cluster: str
    direction: Literal["inbound", "outbound", "unknown"]
    source: str
    source_pod: str
    destination: str
    destination_pod: str
    secured: bool | None
    method: str
    authority: str
    path: str
    status: int | None
    grpc_status: int | None
    latency_ms: float | None
    response_bytes: int | None
    route: str = ""
    stages: list[Stage] = msgspec.field(default_factory=list[Stage])
    joined: str = ""
    candidates: int = 0


class TapBatch(Shape, frozen=True):
    """Event `tap`: rows that are new or changed (by `id`). `dropped` counts rows left out so far since the stream began."""

    rows: list[TapRow]
    seen: int
    dropped: int


class TopRow(Shape, frozen=True):
    """Requests of one kind, summed since the stream began."""

    cluster: str
    source: str
    destination: str
    method: str
    path: str
    count: int
    best_ms: float | None
    worst_ms: float | None
    last_ms: float | None
    success: float | None


class TopTable(Shape, frozen=True):
    """Event `top`: all rows, most asked first. `left_out` counts kinds beyond the table's limit."""

    rows: list[TopRow]
    seen: int
    dropped: int
    left_out: int


# Policy.


class Permission(Shape, frozen=True):
    """Who may call a Server's port, by which object, and what was seen in the window."""

    cluster: str
    namespace: str
    server: str
    port: str
    protocol: str
    workloads: list[str]
    route: str
    kind: str
    name: str
    clients: list[str]
    allowed_rps: float | None
    denied_rps: float | None


class Denial(Shape, frozen=True):
    """Somebody who was refused in the window. `client` is "" where the proxies do not tell it."""

    cluster: str
    client: str
    target: Subject
    server: str
    rps: float
    says: str


class Policy(Shape, frozen=True):
    """View `policy`. `defaults` says for each cluster who may call what no Server speaks for."""

    head: Head
    defaults: dict[str, str]
    permissions: list[Permission]
    denials: list[Denial]


# Health.


class Component(Shape, frozen=True):
    """One Deployment of the control plane or of an extension."""

    cluster: str
    namespace: str
    name: str
    ready: int
    wanted: int
    version: str
    mark: Mark
    says: str


class DataPlane(Shape, frozen=True):
    """Proxies of one version in one namespace."""

    cluster: str
    namespace: str
    version: str
    proxies: int
    ready: int
    mark: Mark


class CheckRow(Shape, frozen=True):
    """One row of `isthmus check`."""

    cluster: str
    category: str
    id: str
    says: str
    verdict: Literal["ok", "warn", "fail"]
    lines: list[str]
    hint: str


class Health(Shape, frozen=True):
    """View `health`."""

    head: Head
    components: list[Component]
    data_plane: list[DataPlane]
    checks: list[CheckRow]
