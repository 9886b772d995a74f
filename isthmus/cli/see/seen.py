"""Routes of a service profile, as live requests show them. In: a tap's events. Out: routes as a ServiceProfile holds them. Pure.

A route is a method and a path. Counted are requests that came in at the tapped workload: those it sends are other Services' own. One sent
to the pod's own address (the kubelet's probes) was sent to no Service, so it is no route of one. Segments of a path that look like ids
become `{id}`: whole numbers, UUIDs, and 12 or more characters of 0-9 and a-f with a digit among them; any other segment stays as it is.
Never here: streams, files. Limits: `limit` routes; paths of PATH characters.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from isthmus.tap.tell import events

PATH = 1024
ID = "{id}"
ANY = "[^/]*"
LAST = chr(0x10FFFF)
_ID = re.compile(
    r"\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[a-f]*\d)[0-9a-f]{12,}",
    re.IGNORECASE | re.ASCII,
)

Doc = dict[str, Any]


@dataclass
class Seen:
    """Takes events; holds the routes seen so far. `whole`: paths stay as they are, ids too."""

    limit: int
    whole: bool = False
    requests: int = 0
    sent: int = 0
    """Requests that the workload sent itself."""
    own: int = 0
    """Requests to a pod's own address."""
    merged: set[str] = field(default_factory=set[str])
    """Names of routes in which a segment became an id."""
    _routes: dict[str, Doc] = field(default_factory=dict[str, Doc])

    @property
    def full(self) -> bool:
        """Whether there is room for no other route."""
        return len(self._routes) >= self.limit

    @property
    def routes(self) -> list[Doc]:
        """By path, then by method; the first that fits counts, so a word stands before the id that could be it."""
        return sorted(self._routes.values(), key=lambda one: one["name"].replace(ID, LAST).split(" ", 1)[::-1])

    def take(self, event: events.Event) -> None:
        """Count an event."""
        if event.kind != events.REQUEST:
            return
        if not event.inbound:
            self.sent += 1
        elif event.authority and _host(event.authority) == _host(event.destination.address):
            self.own += 1
        else:
            self._add(event.method, event.path.partition("?")[0])

    def _add(self, method: str, path: str) -> None:
        if not method or not path.startswith("/") or len(path) > PATH:
            return
        self.requests += 1
        parts = [ID if not self.whole and _ID.fullmatch(part) else part for part in path.split("/")]
        name = f"{method} {'/'.join(parts)}"
        if name in self._routes or self.full:
            return
        expression = "/".join(ANY if part == ID else re.escape(part) for part in parts)
        self._routes[name] = {"name": name, "condition": {"method": method, "pathRegex": expression}}
        if ID in parts:
            self.merged.add(name)


def _host(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
