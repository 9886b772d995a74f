"""What `tap`, `top` and `trace` have in common. In: their flags. Out: sources to follow, clusters to close.

Never here: how events look (see `lines`, `waterfall`), streams (see `isthmus.tap`).
"""

import functools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import click

from isthmus import names
from isthmus.cli import scope as scopes
from isthmus.cli.viz import several as clusters
from isthmus.errors import BadValue
from isthmus.kube import access
from isthmus.kube import client as kube
from isthmus.tap import client as streams
from isthmus.tap import several
from isthmus.tap.ask import resource
from isthmus.tap.tell import events, join

TICK = 0.2
"""Seconds between looks at what has been joined."""
ROOM = 10
"""The rate of a joined tap over the asked one: it is shared by all pods of a namespace, most of which see other requests."""
_FLAGS = (
    click.option("-n", "--namespace", metavar="NS", help="Of the resource. Default: the context's own."),
    click.option("--to", metavar="RESOURCE", help="Requests to this resource only: deploy/web, ns/shop."),
    click.option("--to-namespace", metavar="NS", help="Where --to is. Default: the same namespace."),
    click.option("--method", default="", help="Requests with this method only."),
    click.option("--scheme", default="", help="Requests with this scheme only."),
    click.option("--authority", default="", help="Requests to this :authority only."),
    click.option("--path", default="", help="Requests whose path begins so."),
    click.option("--max-rps", "rps", default=100.0, show_default=True, help="Requests a second, of all pods together."),
    click.option("-l", "--selector", default="", metavar="LABELS", help="Pods with these labels only."),
    click.option("--all-clusters", "every", is_flag=True, help="Every context that has the viz extension."),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command line asks for. `target` None: the namespace."""

    scope: scopes.Scope = field(default_factory=scopes.Scope)
    words: str = ""
    namespace: str | None = None
    to: str | None = None
    to_namespace: str | None = None
    method: str = ""
    scheme: str = ""
    authority: str = ""
    path: str = ""
    rps: float = 100.0
    selector: str = ""
    every: bool = False
    headers: bool = False

    def wish(self, own: str) -> streams.Wish:
        """As one cluster is asked, whose context's namespace is `own`.

        Raises:
            BadValue: a word names nothing that can be tapped.
        """
        space = self.namespace or own
        target = resource.read(self.words, space) if self.words else resource.Resource(resource.NAMESPACE, space)
        to = resource.read(self.to, self.to_namespace or space, key="--to") if self.to else None
        if to is None and self.to_namespace:
            to = resource.Resource(resource.NAMESPACE, self.to_namespace)
        if self.rps <= 0:
            raise BadValue("--max-rps", self.rps, "--max-rps 100", why="not above 0")
        return streams.Wish(
            target=target,
            to=to,
            selector=self.selector,
            method=self.method,
            scheme=self.scheme,
            authority=self.authority,
            path=self.path,
            rps=self.rps,
            headers=self.headers,
        )


def flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags; the command's function receives `wanted: Wanted`."""

    @functools.wraps(command)
    def call(*args: Any, scope: scopes.Scope, **said: Any) -> Any:
        own = {name: said.pop(name) for name in _NAMES if name in said}
        return command(*args, wanted=Wanted(scope=scope, **own), **said)

    return functools.reduce(lambda wrapped, flag: flag(wrapped), reversed(_FLAGS), scopes.flags(call))


_NAMES = ("namespace", "to", "to_namespace", "method", "scheme", "authority", "path", "rps", "selector", "every")


@asynccontextmanager
async def opened(wanted: Wanted) -> AsyncGenerator[list[tuple[str, access.Access, kube.Client]]]:
    """The clusters that are asked: name, access, client."""
    asked = clusters.asked(wanted.scope, every=wanted.every)
    async with clusters.opened(asked) as found:
        yield [(one.name, where, one.client) for one, where in zip(found, asked, strict=True)]


async def told(wanted: Wanted) -> AsyncGenerator[tuple[events.Event, bool]]:
    """Events of what is wanted, from all clusters, each with whether several are asked."""
    async with opened(wanted) as found:
        sources = [several.Source(name, client, wanted.wish(where.namespace)) for name, where, client in found]
        async with aclosing(several.follow(sources)) as stream:
            async for _, event in stream:
                yield event, len(found) > 1


async def joined(wanted: Wanted) -> AsyncGenerator[join.Journey | events.Event]:
    """Requests of what is wanted, each with all its hops, as they end; and notices.

    In every cluster the namespaces of both ends and the gateways are tapped: a request's next proxy is in one of them.
    """
    async with opened(wanted) as found:
        sources: list[several.Source] = []
        wishes = [wanted.wish(where.namespace) for _, where, _ in found]
        for (name, _, client), wish in zip(found, wishes, strict=True):
            sources += [several.Source(name, client, one, quiet=quiet) for one, quiet in around(wish)]
        joiner, next_look = join.Joiner(root=begins_at(wishes)), 0.0
        async with aclosing(several.ticking(sources, TICK)) as stream:
            async for one in stream:
                if one is not None:
                    joiner.feed(one[1], time.monotonic())
                    if one[1].kind == events.NOTICE:
                        yield one[1]
                if (now := time.monotonic()) < next_look:
                    continue
                next_look = now + TICK
                for journey in joiner.take(now):
                    yield journey


def around(wish: streams.Wish) -> list[tuple[streams.Wish, bool]]:
    """What is tapped in one cluster to join requests of `wish`, and whether it may be missing there."""
    ends = [wish.target.namespace, wish.to.namespace if wish.to else wish.target.namespace]
    spaces = list(dict.fromkeys([*ends, names.MULTICLUSTER_NS]))
    whole = [resource.Resource(resource.NAMESPACE, space) for space in spaces]
    # The filter by destination is of the first hop only: the others' destinations have labels of their own, or none.
    return [
        (streams.Wish(target=one, method=wish.method, path=wish.path, rps=wish.rps * ROOM, headers=True), number > 0)
        for number, one in enumerate(whole)
    ]


def begins_at(wishes: Sequence[streams.Wish]) -> Callable[[join.Hop], bool]:
    """Whether a hop is of what was wanted: from the resource, to where it was to go, to that authority."""

    def root(hop: join.Hop) -> bool:
        return any(
            _is(wish.target, hop.head.source)
            and (wish.to is None or _is(wish.to, hop.head.destination))
            and same_authority(wish.authority, hop.head.authority)
            for wish in wishes
        )

    return root


def same_authority(wanted: str, said: str) -> bool:
    """Whether a request goes to `wanted`, whose name may stand there in full: a proxy that sends to a gateway writes it out."""
    host, _, port = wanted.partition(":")
    there, _, at = said.partition(":")
    return not wanted or ((there == host or there.startswith(f"{host}.")) and port in ("", at))


def _is(wanted: resource.Resource, peer: events.Peer) -> bool:
    labels = peer.labels
    if labels.get("namespace", "") != wanted.namespace:
        return False
    return wanted.kind == resource.NAMESPACE or wanted.name in ("", labels.get(wanted.kind, ""))
