"""Words for resources. In: `deploy/web`, `po`, `sts a b`, `deploy/web po/x`. Out: kinds and names as the metrics API knows them.

Never here: whether such a resource is there (see `why`).
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import click
from click.shell_completion import CompletionItem

from isthmus.errors import BadValue

WORDS: dict[str, tuple[str, ...]] = {
    "deployment": ("deploy", "deployments"),
    "statefulset": ("sts", "statefulsets"),
    "daemonset": ("ds", "daemonsets"),
    "pod": ("po", "pods"),
    "service": ("svc", "services"),
    "namespace": ("ns", "namespaces"),
    "job": ("jobs",),
    "cronjob": ("cj", "cronjobs"),
    "replicaset": ("rs", "replicasets"),
    "replicationcontroller": ("rc", "replicationcontrollers"),
    "server": ("srv", "servers"),
    "serverauthorization": ("saz", "serverauthz", "serverauthorizations"),
    "authorizationpolicy": ("ap", "authzpolicy", "authorizationpolicies"),
    "httproute": ("hr", "httproutes"),
    "grpcroute": ("grpcroutes",),
    "authority": ("au", "authorities"),
    "all": (),
}
"""Kind as the API writes it -> other words for it."""
SHORT = {
    "deployment": "deploy",
    "statefulset": "sts",
    "daemonset": "ds",
    "pod": "po",
    "service": "svc",
    "namespace": "ns",
    "cronjob": "cj",
    "replicaset": "rs",
    "replicationcontroller": "rc",
    "server": "srv",
    "serverauthorization": "saz",
    "authorizationpolicy": "authzpolicy",
    "authority": "au",
}
WORKLOADS = ("deployment", "statefulset", "daemonset", "job", "cronjob", "replicaset", "replicationcontroller", "pod")
_KINDS = {word: kind for kind, others in WORDS.items() for word in (kind, *others)}


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind, and one name of it or "" for all."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{short(self.kind)}/{self.name}" if self.name else short(self.kind)


def short(kind: str) -> str:
    """The word people type for a kind."""
    return SHORT.get(kind, kind)


def kind_of(word: str, *, key: str = "RESOURCE") -> str:
    """The kind a word stands for.

    Raises:
        BadValue: there is no such word.
    """
    found = _KINDS.get(word.lower())
    if found is None:
        near = difflib.get_close_matches(word.lower(), _KINDS, n=1) or ["deploy"]
        raise BadValue(key, word, near[0], why=f"no kind of resource; there are {', '.join(map(short, WORDS))}")
    return found


def one(text: str, *, key: str) -> Resource:
    """`deploy/web` or `deploy`."""
    word, _, name = text.partition("/")
    return Resource(kind_of(word, key=key), name)


def parse(words: Sequence[str], *, key: str = "RESOURCE") -> list[Resource]:
    """What the words of a command line ask for: `deploy`, `deploy web api`, `deploy/web po/x`, `deploy/ po/`, `deploy,sts`.

    Raises:
        BadValue: nothing is said, a word is no kind, or forms are mixed.
    """
    if not words:
        raise BadValue(key, "", "deploy, or deploy/web", why="nothing to look at is named")
    first = words[0]
    if "/" in first or len(words) == 1:
        parts = [part for word in words for part in word.split(",") if part]
        if len(words) > 1 and any("/" not in part for part in parts):
            raise BadValue(key, " ".join(words), "deploy/web po/x", why="with several, each is KIND/NAME")
        found = [one(part, key=key) for part in parts]
    else:
        if any("/" in word for word in words[1:]):
            raise BadValue(key, " ".join(words), "deploy web api", why="KIND NAME and KIND/NAME are mixed")
        found = [Resource(kind_of(first, key=key), name) for name in words[1:]]
    if any(one.kind == "all" for one in found) and (len(found) > 1 or found[0].name):
        raise BadValue(key, " ".join(words), "all", why="`all` stands alone")
    return list(dict.fromkeys(found))


class Word(click.ParamType[str]):
    """A word of a command line; the shell completes the words for kinds."""

    name = "resource"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(word) for word in sorted({*_KINDS, *map(short, WORDS)}) if word.startswith(incomplete)]
