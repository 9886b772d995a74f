"""The Link's status. In: the status as it stands, conditions of the remote Services, the gateway's verdicts, what is known of the target.
Out: the status to write, whole, in one patch.

Never here: I/O, clocks (the time is an argument), deciding (see `plan`).
Limit: SHOWN Services are listed, those in trouble first; the rest are counted in `summary`. (One entry is about 370 bytes, so a
status stays below 100 KB however much a target exports.) Shapes: Linkerd's `mirrorServices`, and our `conditions`, `gateway`, `summary`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus import names
from isthmus.multicluster import gateway, plan

SHOWN = 200

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """One condition of the Link itself. `status` is True, False or None for unknown."""

    status: bool | None
    reason: str
    message: str = ""


def build(
    before: Mapping[str, Any],
    facts: Mapping[str, Fact],
    services: Mapping[names.Key, plan.Condition] | None,
    board: gateway.Board | None,
    now: str,
) -> Doc:
    """The status that says `facts`, `services` and `board` at the time `now` (RFC 3339).

    `services` None: not known yet, what stands stays. A condition that does not change keeps its transition time.
    """
    after: Doc = {"conditions": _facts(_list(before, "conditions"), facts, now)}
    if board is not None:
        after["gateway"] = _gateway(_list(before, "gateway"), board, now)
    elif "gateway" in before:
        after["gateway"] = before["gateway"]
    if services is None:
        kept = {key: before[key] for key in ("mirrorServices", "summary") if key in before}
        return after | kept
    mirrored = sum(1 for c in services.values() if c.mirrored)
    shown = sorted(services, key=lambda k: (services[k].mirrored, str(k)))[:SHOWN]
    known = {_origin(entry): entry for entry in _list(before, "mirrorServices")}
    after["mirrorServices"] = [_entry(key, services[key], known.get(key), now) for key in sorted(shown, key=str)]
    after["summary"] = {
        "exported": len(services),
        "mirrored": mirrored,
        "refused": len(services) - mirrored,
        "shown": len(shown),
    }
    return after


def _list(of: Mapping[str, Any], field: str) -> list[Doc]:
    return of.get(field) or []


def _facts(before: list[Doc], facts: Mapping[str, Fact], now: str) -> list[Doc]:
    known = {str(entry.get("type")): entry for entry in before}
    entries: list[Doc] = []
    for kind, fact in sorted(facts.items()):
        word = {True: "True", False: "False", None: "Unknown"}[fact.status]
        entries.append(
            _stamped(
                {"type": kind, "status": word, "reason": fact.reason, "message": fact.message}, known.get(kind), now
            )
        )
    return entries


def _stamped(entry: Doc, before: Mapping[str, Any] | None, now: str) -> Doc:
    """`entry` with the time of its last transition, which is a change of its status, not of its words."""
    same = before is not None and before.get("status") == entry["status"] and before.get("lastTransitionTime")
    return entry | {"lastTransitionTime": before["lastTransitionTime"] if same and before else now}


def _gateway(before: list[Doc], board: gateway.Board, now: str) -> list[Doc]:
    known = {str(entry.get("address")): entry for entry in before}
    entries: list[Doc] = []
    for ip, verdict in board.verdicts.items():
        old = known.get(ip)
        same = old is not None and old.get("health") == verdict.health.value and old.get("since")
        entries.append({"address": ip, "health": verdict.health.value, "since": old["since"] if same and old else now})
    return entries + [{"address": ip, "health": "refused", "message": why} for ip, why in sorted(board.refused.items())]


def _origin(entry: Mapping[str, Any]) -> names.Key:
    ref: Doc = entry.get("remoteRef") or {}
    return names.Key(str(ref.get("namespace")), str(ref.get("name")))


def _ref(key: names.Key) -> Doc:
    return {"group": "core", "kind": "Service", "name": key.name, "namespace": key.namespace}


def _entry(key: names.Key, condition: plan.Condition, before: Mapping[str, Any] | None, now: str) -> Doc:
    old: Doc | None = ((before or {}).get("conditions") or [None])[0]
    said: Doc = {
        "type": "Mirrored",
        "status": "True" if condition.mirrored else "False",
        "reason": condition.reason,
        "message": condition.message,
        **({"localRef": _ref(condition.local)} if condition.local else {}),
    }
    return {"remoteRef": _ref(key), "controllerName": names.MIRROR_CONTROLLER, "conditions": [_stamped(said, old, now)]}


def dead_addresses(of: Mapping[str, Any]) -> frozenset[str]:
    """The gateway addresses a status calls dead."""
    return frozenset(
        str(e.get("address")) for e in _list(of, "gateway") if e.get("health") == gateway.Health.DEAD.value
    )


def gateway_fact(board: gateway.Board, hosts: tuple[str, ...], blocked: str = "") -> Fact:
    """What the Link's condition GatewayAlive says; `blocked` is why no probe can be sent, where that is so."""
    if not hosts:
        return Fact(None, "NoGateway", "the Link names no gateway")
    counts = {health: sum(1 for v in board.verdicts.values() if v.health is health) for health in gateway.Health}
    total = len(board.verdicts)
    silent = f"; no answer for {', '.join(sorted(board.silent))}" if board.silent else ""
    if not total:
        why = "; ".join(f"{ip} is {why}" for ip, why in board.refused.items())
        return Fact(None, "NoAddress", f"no usable address of {', '.join(hosts)}{': ' + why if why else ''}{silent}")
    alive, dead = counts[gateway.Health.ALIVE], counts[gateway.Health.DEAD]
    if alive:
        return Fact(True, "ProbesAnswered", f"{alive} of {total} addresses answer{silent}")
    if dead == total:
        return Fact(
            False,
            "ProbesFailed",
            f"none of {total} addresses answers, {board.threshold} probes in a row failed{silent}",
        )
    return Fact(None, "NotProbed", blocked or f"no probe of {total} addresses has ended yet{silent}")
