"""StatSummary: rows of resources with pods, golden metrics, connections. In: a subject, an other end, rows of samples. Out: a table.

Pure. Without an other end numbers are inbound, measured by the resources' own proxies; Services and authorities have none, so theirs are
outbound, measured by the callers, as all are with --to and --from. Never here: asking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isthmus import names
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve.refusal import Refused
from isthmus.viz.answer import golden, resolve
from isthmus.viz.ask import query, samples, window
from isthmus.viz.cluster import facts, kinds, world

INBOUND, OUTBOUND = query.equal("direction", "inbound"), query.equal("direction", "outbound")
_CALLED = ("service", "authority")
_SERVER = ("srv_kind", "srv_name")


@dataclass(frozen=True, slots=True)
class Ends:
    """The other end of the requests: whom they went `to`, or whom they came from (`source`)."""

    to: resolve.Subject | None = None
    source: resolve.Subject | None = None

    @property
    def any(self) -> bool:
        return self.to is not None or self.source is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for one table, by a word of ours, and whom a row is about."""

    queries: Mapping[str, str]
    handle: resolve.Handle


@dataclass(frozen=True, slots=True)
class Answers:
    """Rows by the words of a plan."""

    by: Mapping[str, Sequence[samples.Row]] = field(default_factory=dict[str, Sequence[samples.Row]])

    def of(self, word: str) -> Sequence[samples.Row]:
        return self.by.get(word, ())


def plan(subject: resolve.Subject, ends: Ends, known: world.World, source: query.Source, *, tcp: bool) -> Plan:
    """The questions of a table.

    Raises:
        Refused: that kind has no such numbers.
    """
    handle, base = _select(subject, ends, known)
    policy = bool(subject.kind.policy[0])
    kept = _SERVER if policy else ()
    base = base.of(base.family, *kept)
    made = {
        "responses": query.rate(base.of("response_total", "classification"), source),
        "buckets": query.rate(base.of("response_latency_ms_bucket", "le"), source),
    }
    if policy:
        undirected = query.Select("", base.matches[1:], base.by, base.level)
        for word in ("allow", "deny"):
            made[word] = query.rate(undirected.of(f"inbound_http_authz_{word}_total"), source)
    if tcp:
        made |= _tcp(base, source, outbound=base.matches[0] == OUTBOUND)
    return Plan(made, handle)


def _select(subject: resolve.Subject, ends: Ends, known: world.World) -> tuple[resolve.Handle, query.Select]:
    called = subject.kind.word in _CALLED
    if ends.any and subject.kind.policy[0]:
        raise Refused("invalid", f"a {subject.kind.word} has no other end: leave --to and --from")
    if not ends.any and not called:
        handle = resolve.handle(subject, known)
        level: query.Level = "server" if subject.kind.policy[0] else "workload"
        level = "pod" if subject.kind.word == "pod" or handle.pods else level
        return handle, query.Select("", (INBOUND, *handle.matches), handle.by, level)
    if ends.to is not None and called:
        raise Refused("invalid", f"a {subject.kind.word} sends no requests: ask for the workload that calls")
    handle = resolve.handle(subject, known, far=ends.to is None)
    other = ends.to or ends.source
    near = () if other is None else resolve.handle(other, known, far=ends.to is not None).matches
    bare = {subject.kind.word, other.kind.word if other else ""} & {"pod", "replicaset", "authority"}
    return handle, query.Select("", (OUTBOUND, *handle.matches, *near), handle.by, "" if bare else "edge")


def _tcp(base: query.Select, source: query.Source, *, outbound: bool) -> dict[str, str]:
    """Connections and bytes: of an inbound proxy with its clients, of an outbound one with whom it calls."""
    peer = query.equal("peer", "dst" if outbound else "src")
    # The rules for edges and Servers keep no peer: an edge has but one.
    kept = base.level in ("workload", "pod")
    matches = (*base.matches, peer) if kept else base.matches
    level: query.Level = "" if base.level == "server" else base.level
    chosen = query.Select("", matches, base.by, level, () if kept else (peer,))
    return {
        "open": query.gauge(chosen.of("tcp_open_connections"), source),
        "read": query.rate(chosen.of("tcp_read_bytes_total"), source),
        "write": query.rate(chosen.of("tcp_write_bytes_total"), source),
    }


def table(
    subject: resolve.Subject, ends: Ends, known: world.World, asked: Plan | None, answers: Answers, over: window.Window
) -> pb.StatTable:
    """The rows. Without an other end every resource has one; with one, those that were measured."""
    key = asked.handle.key if asked else _nobody
    seen = golden.gather(key, answers.of("responses"), answers.of("buckets"))
    sums = {word: _summed(key, answers.of(word)) for word in ("open", "read", "write", "allow", "deny")}
    servers = _servers(key, (*answers.of("responses"), *answers.of("deny"), *answers.of("allow")))
    measured = {k for k, one in seen.items() if one.rps > 0} | sums["open"].keys() | sums["deny"].keys()
    chosen = resolve.keys(subject, known)
    if ends.any or subject.kind.word == "authority":
        chosen = sorted(measured, key=str)
    rows = [_row(subject.kind, one, known, over) for one in chosen]
    for at, row in zip(chosen, rows, strict=True):
        one = seen.get(at)
        if one is not None and one.rps > 0:
            row.stats.CopyFrom(one.stats(over.seconds))
        if asked and "open" in asked.queries:
            row.tcp_stats.open_connections = round(sums["open"].get(at, 0))
            row.tcp_stats.read_bytes_total = round(sums["read"].get(at, 0) * over.seconds)
            row.tcp_stats.write_bytes_total = round(sums["write"].get(at, 0) * over.seconds)
        if subject.kind.policy[0]:
            row.srv_stats.allowed_count = round(sums["allow"].get(at, 0) * over.seconds)
            row.srv_stats.denied_count = round(sums["deny"].get(at, 0) * over.seconds)
            if at in servers:
                row.srv_stats.srv.CopyFrom(servers[at])
    return pb.StatTable(pod_group=pb.StatTable.PodGroup(rows=rows))


def _nobody(_: samples.Row) -> names.Key | None:
    return None


def _summed(key: golden.Key[names.Key], rows: Iterable[samples.Row]) -> dict[names.Key, float]:
    found: dict[names.Key, float] = {}
    for row in rows:
        at = key(row)
        if at is not None:
            found[at] = found.get(at, 0.0) + row.value
    return found


def _servers(key: golden.Key[names.Key], rows: Iterable[samples.Row]) -> dict[names.Key, pb.Resource]:
    """The Server through which a policy's requests came, for each; the first by name where there are several."""
    found: dict[names.Key, pb.Resource] = {}
    for row in sorted(rows, key=lambda one: one.label("srv_name")):
        at = key(row)
        if at is not None and row.label("srv_name"):
            made = pb.Resource(namespace=at.namespace, type=row.label("srv_kind"), name=row.label("srv_name"))
            found.setdefault(at, made)
    return found


def _row(kind: kinds.Kind, key: names.Key, known: world.World, over: window.Window) -> pb.StatTable.PodGroup.Row:
    pods = [] if kind.word == "authority" else known.members(kind.word, key)
    live = [pod for pod in pods if pod.running]
    row = pb.StatTable.PodGroup.Row(
        resource=pb.Resource(namespace=key.namespace, type=kind.word, name=key.name),
        time_window=over.text,
        status=pods[0].status if kind.word == "pod" and pods else "",
        meshed_pod_count=sum(1 for pod in live if pod.control_ns),
        running_pod_count=len(live),
        failed_pod_count=sum(1 for pod in pods if pod.phase == "Failed"),
    )
    for pod in pods:
        if pod.troubles:
            row.errors_by_pod[pod.key.name].CopyFrom(_errors(pod))
    return row


def _errors(pod: facts.Pod) -> pb.PodErrors:
    listed = [
        pb.PodErrors.PodError(
            container=pb.PodErrors.PodError.ContainerError(
                message=one.message, container=one.container, image=one.image, reason=one.reason
            )
        )
        for one in pod.troubles
    ]
    return pb.PodErrors(errors=listed)
