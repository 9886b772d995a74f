"""Where a target's gateway is and whether it lives. In: the Link's hosts, DNS answers, outcomes of probes. Out: addresses with health.

    unknown --success--> alive --N failures in a row--> dead --success--> alive        unknown --N failures in a row--> dead

Unknown serves: only N failures in a row are evidence. An outcome we cannot lay at the gateway's door (our own sidecar is away)
changes nothing. A name that answers nothing keeps its last good addresses. The pure part is above the line; below it are the two
calls that touch the network. Never here: timers and tasks (see `mirror`), endpoints (see `plan`).
"""

import asyncio
import contextlib
import enum
import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from isthmus.multicluster import spec, world

_METADATA = frozenset({"fd00:ec2::254", "100.100.100.200"})
"""Addresses where clouds hand out credentials, beside the link-local one."""


class Health(enum.Enum):
    """What the probes prove of one address."""

    UNKNOWN = "unknown"
    ALIVE = "alive"
    DEAD = "dead"


class Outcome(enum.Enum):
    """How a probe ended. UNSURE: it did not get as far as the gateway, for a reason on our side."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Health of one address: `failures` in a row, `probes` in all, `since` when (seconds) its health last changed."""

    health: Health = Health.UNKNOWN
    failures: int = 0
    probes: int = 0
    since: float = 0.0


def judge(before: Verdict, outcome: Outcome, threshold: int, now: float) -> Verdict:
    """The verdict after one more probe."""
    probes = before.probes + 1
    if outcome is Outcome.UNSURE:
        return replace(before, probes=probes)
    failures = before.failures + 1 if outcome is Outcome.FAILURE else 0
    health = before.health
    if outcome is Outcome.SUCCESS:
        health = Health.ALIVE
    elif failures >= threshold:
        health = Health.DEAD
    return Verdict(health, failures, probes, before.since if health is before.health else now)


def refusal(ip: str, own: frozenset[str]) -> str | None:
    """Why traffic may not be sent to `ip`, or None. `own` are the source's own API server addresses."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "not an IP address"
    plain = getattr(address, "ipv4_mapped", None) or address
    if plain.is_loopback:
        return "a loopback address"
    if plain.is_link_local:
        return "a link-local address, where metadata services live"
    if plain.is_unspecified:
        return "the unspecified address"
    if plain.is_multicast or str(plain) == "255.255.255.255":
        return "a multicast or broadcast address"
    if str(plain) in _METADATA:
        return "the address of a metadata service"
    return "the address of this cluster's own API server" if str(plain) in own else None


@dataclass(slots=True)
class Board:
    """All addresses of one Link's gateway with their verdicts. At most spec.GATEWAY_ADDRESSES.

    `refused` holds the addresses not used and why; `silent` the names that gave no answer last time; `dead_before` are addresses that
    our predecessor found dead: they stay so until a probe succeeds, so that a restart sends nobody to a dead gateway.
    """

    threshold: int
    own: frozenset[str] = frozenset()
    dead_before: frozenset[str] = frozenset()
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    _good: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def resolve(self, answers: Mapping[str, tuple[str, ...]]) -> bool:
        """Takes in the answer for each host (empty: none). True when the set of addresses changed."""
        self.silent = frozenset(host for host, ips in answers.items() if not ips)
        self._good = {host: ips or self._good.get(host, ()) for host, ips in answers.items()}
        found = sorted({_canonical(ip) for ips in self._good.values() for ip in ips})
        self.refused = {ip: why for ip in found if (why := refusal(ip, self.own))}
        usable = [ip for ip in found if ip not in self.refused][: spec.GATEWAY_ADDRESSES]
        before = self.verdicts
        self.verdicts = {ip: before.get(ip) or self._first(ip) for ip in usable}
        return before.keys() != self.verdicts.keys()

    def _first(self, ip: str) -> Verdict:
        return Verdict(Health.DEAD, self.threshold) if ip in self.dead_before else Verdict()

    def record(self, ip: str, outcome: Outcome, now: float) -> bool:
        """Counts a probe. True when the address changed its health; an address no longer on the board is ignored."""
        before = self.verdicts.get(ip)
        if before is None:
            return False
        after = self.verdicts[ip] = judge(before, outcome, self.threshold, now)
        return after.health is not before.health

    def addresses(self) -> tuple[world.Address, ...]:
        """What the plan sees."""
        return tuple(world.Address(ip, v.health is not Health.DEAD) for ip, v in self.verdicts.items())

    def health(self) -> Health:
        """Of the gateway as a whole: alive when one address is, dead when all are."""
        seen = {v.health for v in self.verdicts.values()}
        if Health.ALIVE in seen:
            return Health.ALIVE
        return Health.DEAD if seen == {Health.DEAD} else Health.UNKNOWN


def _canonical(ip: str) -> str:
    try:
        return str(ipaddress.ip_address(ip))
    except ValueError:
        return ip


def is_ip(host: str) -> bool:
    """Whether a host of a Link is an address already."""
    return refusal(host, frozenset()) != "not an IP address"


# --- the network ---------------------------------------------------------------------------------------------------------------


async def lookup(host: str, timeout: float = 5.0) -> tuple[str, ...]:
    """The addresses of `host`, in order; empty when the name service does not answer, or knows none, within `timeout` seconds."""
    if is_ip(host):
        return (host,)
    try:
        async with asyncio.timeout(timeout):
            answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True, slots=True)
class Reply:
    """One probe: how it ended, seconds it took, and a word on why."""

    outcome: Outcome
    seconds: float
    why: str = ""


async def ask(ip: str, port: int, host: str, path: str, timeout: float) -> Reply:
    """GET `path` through our own sidecar, which knows `ip` as the probe Service and speaks mTLS to the gateway's admin port.

    A refused connection is our sidecar's own (the redirect ends there), so it proves nothing; silence and any status but 200 do.
    """
    start = time.monotonic()
    try:
        async with asyncio.timeout(timeout):
            status = await _status(ip, port, host, path)
    except TimeoutError:
        return Reply(Outcome.FAILURE, time.monotonic() - start, f"no answer in {timeout:g} s")
    except ConnectionResetError:
        return Reply(Outcome.FAILURE, time.monotonic() - start, "connection reset")
    except OSError as error:
        return Reply(Outcome.UNSURE, time.monotonic() - start, f"own side: {error.strerror or error}")
    passed = status == 200
    return Reply(
        Outcome.SUCCESS if passed else Outcome.FAILURE,
        time.monotonic() - start,
        f"status {status}" if status else "cut short",
    )


async def _status(ip: str, port: int, host: str, path: str) -> int | None:
    """The status code of one HTTP/1.1 GET on a connection of its own; None where no status line came."""
    reader, writer = await asyncio.open_connection(ip, port, limit=4096)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nuser-agent: isthmus-probe\r\nconnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        try:
            line = await reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None
        words = line.split(b" ", 2)
        return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit() else None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
