"""One process: one task group, readiness, signals, drain. In: a role and its `start`. Out: an exit code.

`main` runs `start(runtime)`, which wires its parts and spawns their tasks; a task that fails ends the process with 1 after the log says
which. SIGTERM or SIGINT: not ready at once, `stopping` is set, closers get `DRAIN` seconds, then tasks are cancelled; exit 0. A task that
does not end within `LAST` seconds of that is named, and the process ends without it. Never here: what a role does.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import prometheus_client

from isthmus import logs
from isthmus.errors import IsthmusError
from isthmus.serve import admin

DRAIN = 10.0
LAST = 5.0


class Runtime:
    """What a role's parts share for the life of the process."""

    def __init__(
        self, group: asyncio.TaskGroup, log: logs.Logger, registry: prometheus_client.CollectorRegistry
    ) -> None:
        self.log = log
        self.registry = registry
        self.stopping = asyncio.Event()
        self._group = group
        self._conditions: dict[str, Callable[[], bool]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._last: list[Callable[[], Awaitable[None]]] = []

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """A task of this process; its failure is the process's."""
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def ready_when(self, name: str, test: Callable[[], bool]) -> None:
        """Add a condition of `/ready`; asked at every probe, so it must be cheap."""
        self._conditions[name] = test

    def closing(self, close: Callable[[], Awaitable[None]]) -> None:
        """Called once at the stop, last added first, within the drain time: servers refuse new work here."""
        self._closers.append(close)

    def closing_last(self, close: Callable[[], Awaitable[None]]) -> None:
        """As `closing`, but when every task has ended: for what tasks need to end well, as a client is to give a Lease back."""
        self._last.append(close)

    def unready(self) -> list[str]:
        """Names of conditions that fail."""
        if self.stopping.is_set():
            return ["stopping"]
        return [name for name, test in self._conditions.items() if not test()]

    def stop(self) -> None:
        """Begin the drain; harmless when repeated."""
        self.stopping.set()

    async def drain(self) -> None:
        """Wait for `stopping`, close in reverse order, cancel what is left, close what that needed."""
        await self.stopping.wait()
        try:
            async with asyncio.timeout(DRAIN):
                for close in reversed(self._closers):
                    await close()
        except TimeoutError:
            self.log.warning("drain time is over", seconds=DRAIN)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        late = (await asyncio.wait(tasks, timeout=LAST))[1] if tasks else set[asyncio.Task[Any]]()
        if late:
            self.log.error("tasks do not end; leaving without them", tasks=sorted(t.get_name() for t in late))
            os._exit(1)
        for close in reversed(self._last):
            await close()


Start = Callable[[Runtime], Awaitable[None]]


def main(role: str, start: Start, *, admin_port: int, log_level: str = "info", log_format: str | None = None) -> int:
    """Run a role until it is told to stop. 0 after a graceful stop, 1 after a failure.

    `log_format` is `plain` or `json`; without it ISTHMUS_LOG_FORMAT says, and else it is plain.
    """
    log = logs.setup(log_level, log_format or os.environ.get("ISTHMUS_LOG_FORMAT", "plain"), role)
    code = 0
    try:
        asyncio.run(_run(start, log, admin_port))
    except BaseExceptionGroup as group:
        for error in _leaves(group):
            if isinstance(error, IsthmusError):
                log.error(error.sentence, hint=error.hint)  # noqa: TRY400 (a refusal needs no trace)
            else:
                log.error("a task failed", error=repr(error), exc_info=error)  # noqa: TRY400 (each leaf has its own trace)
        code = 1
    log.info("stopped")
    return code


async def _run(start: Start, log: logs.Logger, admin_port: int) -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    async with asyncio.TaskGroup() as group:
        runtime = Runtime(group, log, registry)
        started = asyncio.Event()
        runtime.ready_when("started", started.is_set)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, runtime.stop)
        async with await admin.Admin(runtime.unready, registry).start(admin_port):
            log.info("starting", admin_port=admin_port)
            drain = group.create_task(runtime.drain(), name="drain")
            runtime.spawn(_start(start, runtime, started), name="start")
            await drain


async def _start(start: Start, runtime: Runtime, started: asyncio.Event) -> None:
    """A task like others, so that a stop during a long start ends it."""
    await start(runtime)
    started.set()


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return [leaf for one in inner for leaf in _leaves(one)]
