"""A collection kept in step with the API server. In: whole lists and single changes, from `watch`. Out: objects by key, changed keys.

A list is one atomic change: what it lacks is gone, what it has is put in, and listeners hear once, of the keys that differ. An object
whose uid and resourceVersion are known already changes nothing. Never here: I/O, time, or emptying on errors (design D7).
Limit: as large as what the API server holds of the kind; managedFields are dropped on the way in.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from lightkube.models.meta_v1 import ObjectMeta

from isthmus import names

Listener = Callable[[frozenset[names.Key]], None]


class Object(Protocol):
    """What every kind has."""

    @property
    def metadata(self) -> ObjectMeta | None: ...


R = TypeVar("R", bound=Object)


def key_of(obj: Object) -> names.Key:
    """Where an object stands; the namespace of a cluster-wide one is empty."""
    meta = obj.metadata or ObjectMeta()
    return names.Key(meta.namespace or "", meta.name or "")


def version_of(obj: Object) -> tuple[str | None, str | None]:
    """What tells two states of an object apart: uid and resourceVersion."""
    meta = obj.metadata or ObjectMeta()
    return meta.uid, meta.resourceVersion


def _slim(obj: R) -> R:
    if obj.metadata is not None:
        obj.metadata.managedFields = None
    return obj


class Store(Generic[R]):
    """Objects of one kind by key. `feed_*` are for the reflector (and tests); all else reads."""

    def __init__(self, kind_name: str) -> None:
        self.kind_name = kind_name
        self._items: dict[names.Key, R] = {}
        self._synced = asyncio.Event()
        self._listeners: list[Listener] = []

    @property
    def synced(self) -> bool:
        """A whole list has been seen once; it never becomes false again."""
        return self._synced.is_set()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: names.Key) -> R | None:
        return self._items.get(key)

    def values(self) -> Iterable[R]:
        """A view of the objects as they are now."""
        return self._items.values()

    def keys(self) -> Iterable[names.Key]:
        """A view of their keys."""
        return self._items.keys()

    async def wait_synced(self) -> None:
        """Returns once a whole list has been seen; the caller sets the limit."""
        await self._synced.wait()

    def subscribe(self, fn: Listener) -> Callable[[], None]:
        """`fn` hears, at once and in order, the keys of each change; call what is returned to end it.

        The first whole list is told even when it is empty. Objects that are there already are not told.
        """
        self._listeners.append(fn)

        def end() -> None:
            if fn in self._listeners:
                self._listeners.remove(fn)

        return end

    def feed_list(self, objects: Iterable[R]) -> frozenset[names.Key]:
        """Take a whole list; returns the keys that differ."""
        fresh = {key_of(o): _slim(o) for o in objects}
        gone = self._items.keys() - fresh.keys()
        changed = {k for k, o in fresh.items() if not self._knows(k, o)}
        first = not self.synced
        self._items = fresh
        self._synced.set()
        return self._tell(frozenset(gone | changed), always=first)

    def feed_apply(self, obj: R) -> frozenset[names.Key]:
        """Take a new or changed object."""
        key = key_of(obj)
        if self._knows(key, obj):
            return frozenset()
        self._items[key] = _slim(obj)
        return self._tell(frozenset((key,)))

    def feed_delete(self, key: names.Key) -> frozenset[names.Key]:
        """Take the news that an object is gone."""
        if self._items.pop(key, None) is None:
            return frozenset()
        return self._tell(frozenset((key,)))

    def _knows(self, key: names.Key, obj: R) -> bool:
        known = self._items.get(key)
        version = version_of(obj)
        return known is not None and version[1] is not None and version_of(known) == version

    def _tell(self, changed: frozenset[names.Key], *, always: bool = False) -> frozenset[names.Key]:
        if changed or always:
            for listener in list(self._listeners):
                listener(changed)
        return changed
