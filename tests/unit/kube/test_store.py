"""Stores: what a list, a change and a delete do, and who hears."""

import asyncio

import pytest
from lightkube.models.meta_v1 import ManagedFieldsEntry, ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from isthmus import names
from isthmus.kube import store


def thing(name: str, version: str = "1", uid: str = "u") -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="ns", resourceVersion=version, uid=uid))


def key(name: str) -> names.Key:
    return names.Key("ns", name)


@pytest.fixture
def held() -> store.Store[ConfigMap]:
    made: store.Store[ConfigMap] = store.Store("ConfigMap")
    made.feed_list([thing("a"), thing("b")])
    return made


@pytest.mark.parametrize(
    "objects, changed",
    [
        pytest.param([thing("a"), thing("b")], "", id="nothing-new"),
        pytest.param([thing("a", "2"), thing("b")], "a", id="another-version"),
        pytest.param([thing("a", uid="v"), thing("b")], "a", id="deleted-and-made-again"),
        pytest.param([thing("a")], "b", id="gone-in-the-gap"),
        pytest.param([], "ab", id="all-gone"),
        pytest.param([thing("c"), thing("a", "2")], "abc", id="all-at-once"),
    ],
)
def test_list_is_one_change(held: store.Store[ConfigMap], objects: list[ConfigMap], changed: str) -> None:
    heard: list[frozenset[names.Key]] = []
    held.subscribe(heard.append)
    assert held.feed_list(objects) == {key(n) for n in changed}
    assert heard == ([frozenset(key(n) for n in changed)] if changed else [])


def test_first_list_is_told_even_when_empty() -> None:
    empty: store.Store[ConfigMap] = store.Store("ConfigMap")
    heard: list[frozenset[names.Key]] = []
    empty.subscribe(heard.append)
    empty.feed_list([])
    assert (heard, empty.synced) == ([frozenset()], True)


def test_apply_and_delete(held: store.Store[ConfigMap]) -> None:
    assert held.feed_apply(thing("a", "1")) == frozenset()
    assert held.feed_apply(thing("a", "2")) == {key("a")}
    assert held.feed_delete(key("a")) == {key("a")}
    assert held.feed_delete(key("a")) == frozenset()
    assert (held.get(key("a")), list(held.keys()), len(held)) == (None, [key("b")], 1)


def test_who_left_hears_no_more(held: store.Store[ConfigMap]) -> None:
    heard: list[frozenset[names.Key]] = []
    end = held.subscribe(heard.append)
    end()
    end()
    held.feed_apply(thing("c"))
    assert heard == []


def test_managed_fields_are_dropped(held: store.Store[ConfigMap]) -> None:
    fat = thing("fat")
    assert fat.metadata
    fat.metadata.managedFields = [ManagedFieldsEntry(manager="x")]
    held.feed_apply(fat)
    assert fat.metadata.managedFields is None


async def test_synced_wakes_who_waits() -> None:
    fresh: store.Store[ConfigMap] = store.Store("ConfigMap")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(fresh.wait_synced())
        fresh.feed_list([])
