"""The watch as a playbook: what happens, then what is done next, and what the store holds after it."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from isthmus import errors, names
from isthmus.kube import client, store, watch
from isthmus.kube.watch import Cause, List, Wait, Watch
from tests.unit.kube import memory


def thing(name: str, version: str = "1") -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="ns", resourceVersion=version, uid=name))


class Play:
    """A machine, its store, and short words for what the server does."""

    def __init__(self, *, optional: bool = False) -> None:
        self.store: store.Store[ConfigMap] = store.Store("ConfigMap")
        self.machine = watch.Machine(self.store, optional=optional, dice=lambda: 0.0)

    def listed(self, names_: str, version: str = "10", token: str = "") -> None:
        self.machine.page(client.Page([thing(n) for n in names_], version, token))

    def said(self, kind: str, name: str, version: str) -> None:
        self.machine.change(client.Change(kind, thing(name, version), version))

    def holds(self) -> str:
        return "".join(sorted(k.name for k in self.store.keys()))

    def next(self) -> watch.Step:
        """The next step that asks, past any wait."""
        step = self.machine.step()
        return self.machine.step() if isinstance(step, Wait) else step


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def watching() -> Play:
    made = Play()
    made.listed("ab")
    return made


def test_list_then_watch_from_its_version(play: Play) -> None:
    assert play.machine.step() == List("")
    play.listed("ab", "7")
    assert (play.machine.step(), play.holds()) == (Watch("7"), "ab")


def test_pages_are_one_change(play: Play) -> None:
    play.listed("a", token="t")
    assert (play.machine.step(), play.holds(), play.store.synced) == (List("t"), "", False)
    play.listed("b", "9")
    assert (play.machine.step(), play.holds(), play.store.synced) == (Watch("9"), "ab", True)


def test_changes_move_the_version(watching: Play) -> None:
    watching.said("ADDED", "c", "11")
    watching.said("MODIFIED", "a", "12")
    watching.said("DELETED", "b", "13")
    assert (watching.next(), watching.holds()) == (Watch("13"), "ac")


def test_bookmark_moves_the_version_only(watching: Play) -> None:
    watching.machine.change(client.Change("BOOKMARK", ConfigMap(metadata=ObjectMeta(resourceVersion="99")), "99"))
    assert (watching.next(), watching.holds()) == (Watch("99"), "ab")


def test_closed_resumes_at_once(watching: Play) -> None:
    watching.said("ADDED", "c", "11")
    watching.machine.closed(empty=False)
    assert watching.machine.step() == Watch("11")


def test_closed_without_a_word_is_not_asked_in_a_circle(watching: Play) -> None:
    watching.machine.closed(empty=True)
    assert isinstance(watching.machine.step(), Wait)
    assert watching.machine.step() == Watch("10")


def test_gone_lists_again_at_once_and_keeps_what_is_known(watching: Play) -> None:
    watching.machine.failed(Cause.GONE)
    assert (watching.machine.step(), watching.holds()) == (List(""), "ab")


def test_gone_sees_deletes_in_the_gap(watching: Play) -> None:
    heard: list[frozenset[names.Key]] = []
    watching.store.subscribe(heard.append)
    watching.machine.failed(Cause.GONE)
    watching.listed("bc", "50")
    assert heard == [frozenset({names.Key("ns", "a"), names.Key("ns", "c")})]
    assert watching.machine.step() == Watch("50")


def test_gone_twice_waits(watching: Play) -> None:
    watching.machine.failed(Cause.GONE)
    watching.machine.failed(Cause.GONE)
    assert isinstance(watching.machine.step(), Wait)


def test_gone_between_pages_starts_over(play: Play) -> None:
    play.listed("a", token="t")
    play.machine.failed(Cause.GONE)
    assert play.machine.step() == List("")
    play.listed("b")
    assert play.holds() == "b"


def test_broken_watch_resumes_then_doubts_its_version(watching: Play) -> None:
    steps: list[watch.Step] = []
    for _ in range(3):
        watching.machine.failed(Cause.BROKEN)
        steps.append(watching.next())
    assert (steps, watching.holds()) == ([Watch("10"), Watch("10"), List("")], "ab")


def test_one_event_forgives_earlier_failures(watching: Play) -> None:
    for _ in range(4):
        watching.machine.failed(Cause.BROKEN)
        if watching.next() == Watch("10"):
            watching.said("MODIFIED", "a", "10")
    assert watching.next() == Watch("10")


def test_delays_double_up_to_a_limit(play: Play) -> None:
    delays: list[float] = []
    for _ in range(12):
        play.machine.failed(Cause.BROKEN)
        step = play.machine.step()
        assert isinstance(step, Wait)
        delays.append(step.seconds)
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (watch.DELAY_MIN, watch.DELAY_MAX / 2)


@pytest.mark.parametrize("optional, synced", [(True, True), (False, False)], ids=["optional", "needed"])
def test_missing_kind(optional: bool, synced: bool) -> None:
    play = Play(optional=optional)
    play.machine.failed(Cause.MISSING)
    assert (play.store.synced, play.machine.step()) == (synced, Wait(watch.MISSING_DELAY / 2))
    play.listed("a")
    assert (play.holds(), play.store.synced) == ("a", True)


def test_missing_after_sync_keeps_what_is_known() -> None:
    play = Play(optional=True)
    play.listed("ab")
    play.machine.failed(Cause.MISSING)
    assert (play.holds(), play.next()) == ("ab", List(""))


@pytest.mark.parametrize(
    "error, cause",
    [
        pytest.param(client.ApiError(410, "Expired", ""), Cause.GONE, id="410"),
        pytest.param(client.ApiError(500, "Expired", ""), Cause.GONE, id="expired-inside-a-watch"),
        pytest.param(client.ApiError(404, "NotFound", ""), Cause.MISSING, id="404"),
        pytest.param(client.ApiError(403, "Forbidden", ""), Cause.BROKEN, id="403"),
        pytest.param(client.ApiError(401, "Unauthorized", ""), Cause.BROKEN, id="401"),
        pytest.param(errors.Unreachable("away"), Cause.BROKEN, id="away"),
    ],
)
def test_causes(error: errors.IsthmusError, cause: Cause) -> None:
    assert watch.cause_of(error) is cause


class Shell:
    """A reflector on the server in memory."""

    def __init__(self, idle: float = 5.0) -> None:
        self.server = memory.Memory()
        self.client = memory.speak(self.server)
        self.store: store.Store[ConfigMap] = store.Store("ConfigMap")
        self.reflector = watch.Reflector(
            self.client, ConfigMap, self.store, namespace="ns", dice=lambda: 0.0, idle=idle
        )

    async def until(self, held: str) -> None:
        async with asyncio.timeout(10):
            while "".join(sorted(k.name for k in self.store.keys())) != held:
                await asyncio.sleep(0.01)


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    made = Shell()
    made.server.put("a")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.reflector.run())
        await made.until("a")
        yield made
        running.cancel()
    await made.client.close()


async def test_shell_follows(shell: Shell) -> None:
    shell.server.put("b")
    await shell.until("ab")
    shell.server.remove("a")
    await shell.until("b")
    assert shell.reflector.age() < 2


async def test_shell_survives_a_dropped_watch(shell: Shell) -> None:
    shell.server.drop_watches = True
    shell.server.put("b")
    await shell.until("ab")


async def test_shell_sees_deletes_in_a_compacted_gap(shell: Shell) -> None:
    shell.server.drop_watches = True
    shell.server.remove("a")
    shell.server.put("b")
    shell.server.compact()
    await shell.until("b")
    assert sum("watch" not in call for call in shell.server.calls) == 2


async def test_shell_keeps_its_store_while_the_server_is_away(shell: Shell) -> None:
    shell.server.faults = [httpx2.ConnectError("away")]
    shell.server.drop_watches = True
    shell.server.put("b")
    await asyncio.sleep(0.05)
    assert names.Key("ns", "a") in shell.store.keys()
    await shell.until("ab")
