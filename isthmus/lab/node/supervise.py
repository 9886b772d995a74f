"""Keeps a node's components running, and takes commands about them. The loop of process 1: one thread, one `turn` at a time.

In: `Part`s, signals of ended children, one JSON line per connection on the control socket. Out: processes, their logs, JSON answers.
A component that ends is started again, at most once a second; `stop` holds it down, `pause` freezes it, `start` undoes both.
Never here: what the components are. Limits: one command at a time, 4 KiB and 2 s for each.
"""

import dataclasses
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import time
from collections.abc import Callable

from isthmus import errors
from isthmus.lab.node import parts

COMMAND_LIMIT = 4096
COMMAND_SECONDS = 2.0
AGAIN_AFTER = 1.0
VERBS = ("status", "stop", "start", "kill", "pause")

Test = Callable[[], bool]


@dataclasses.dataclass(slots=True)
class Running:
    """A component: its process number (0 when it has none), when it was last started, what was asked of it."""

    part: parts.Part
    pid: int = 0
    since: float = 0.0
    starts: int = 0
    wanted: bool = True
    paused: bool = False

    @property
    def state(self) -> str:
        """One word for people."""
        if not self.pid:
            return "down" if self.wanted else "stopped"
        return "paused" if self.paused else "running"


def _woken(_number: int, _frame: object) -> None:
    """The wakeup descriptor has said it; a signal without a handler would not."""


class Supervisor:
    """All components of a node. `strict` until the node is up: a component that ends then ends the start."""

    def __init__(self, folder: pathlib.Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._running: dict[str, Running] = {}
        self._tasks: dict[int, str] = {}
        self._ended: dict[str, int] = {}
        self.strict = True
        self._control = self._listen()
        self._wake, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _woken)

    def close(self) -> None:
        """Give the socket and the descriptors back; a node never does."""
        self._control.close()
        os.close(self._wake)
        os.close(self._wake_in)

    def start(self, part: parts.Part) -> None:
        """Start a component and keep it running from now on."""
        self._running[part.name] = Running(part)
        self._launch(self._running[part.name])

    def task(self, name: str, argv: list[str]) -> None:
        """Start a process that is meant to end; see `done`."""
        self._tasks[self._spawn(name, argv)] = name

    def done(self, name: str) -> bool:
        """Whether a task has ended well; a failed one ends the start."""
        if self._ended.get(name, 0) != 0:
            raise errors.IsthmusError(f"{name} failed", hint=f"see {self._folder / name}.log")
        return name in self._ended

    def until(self, test: Test, limit: float) -> bool:
        """Turn until `test` holds; False after `limit` seconds."""
        end = self._clock() + limit
        while not test():
            if self._clock() > end:
                return False
            self.turn(0.05)
        return True

    def turn(self, wait: float) -> None:
        """Wait at most `wait` seconds for a signal or command, and see to both."""
        ready, _, _ = select.select([self._wake, self._control], [], [], wait)
        if self._wake in ready:
            os.read(self._wake, 4096)
        self._reap()
        if self._control in ready:
            self._answer()
        self._revive()

    def command(self, verb: str, name: str) -> dict[str, object]:
        """Carry out one command. Raises BadValue for an unknown verb or component."""
        if verb not in VERBS:
            raise errors.BadValue("command", verb, "stop", why="one of " + ", ".join(VERBS))
        if verb == "status":
            return {r.part.name: {"state": r.state, "pid": r.pid, "starts": r.starts} for r in self._running.values()}
        if name not in self._running:
            raise errors.BadValue("component", name, "kube-apiserver", why="one of " + ", ".join(self._running))
        run = self._running[name]
        run.wanted = verb != "stop"
        if verb == "start":
            self._resume(run)
        elif run.pid:
            run.paused = verb == "pause"
            os.kill(run.pid, signal.SIGSTOP if verb == "pause" else signal.SIGKILL)
        return {name: {"state": run.state, "pid": run.pid, "starts": run.starts}}

    def _resume(self, run: Running) -> None:
        if run.pid:
            os.kill(run.pid, signal.SIGCONT)
            run.paused = False
        else:
            self._launch(run)

    def _launch(self, run: Running) -> None:
        run.pid, run.since, run.starts, run.paused = (
            self._spawn(run.part.name, list(run.part.argv)),
            self._clock(),
            run.starts + 1,
            False,
        )

    def _spawn(self, name: str, argv: list[str]) -> int:
        program = argv[0] if "/" in argv[0] else shutil.which(argv[0])
        if not program:
            raise errors.IsthmusError(f"{argv[0]} is not in the node's path", hint="isthmus lab down, then up again")
        # Not subprocess.Popen: it would wait for children of its own accord, and take their ends away from `_reap`.
        log = str(self._folder / f"{name}.log")
        files = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        return os.posix_spawn(program, argv, os.environ, file_actions=files, setsigdef=[signal.SIGPIPE, signal.SIGINT])

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid in self._tasks:
                self._ended[self._tasks.pop(pid)] = os.waitstatus_to_exitcode(status)
            for run in self._running.values():
                if run.pid == pid:
                    run.pid, run.paused = 0, False
                    if self.strict and run.wanted:
                        code = os.waitstatus_to_exitcode(status)
                        raise errors.IsthmusError(
                            f"{run.part.name} ended with {code}", hint=f"see {self._folder / run.part.name}.log"
                        )

    def _revive(self) -> None:
        for run in self._running.values():
            if run.wanted and not run.pid and self._clock() - run.since >= AGAIN_AFTER:
                self._launch(run)

    def _listen(self) -> socket.socket:
        control = socket.socket(socket.AF_UNIX)
        folder = os.open(self._folder, os.O_PATH)
        control.bind(
            f"/proc/self/fd/{folder}/control"
        )  # a path through the folder: a socket's own may have 107 bytes only
        os.close(folder)
        control.listen(8)
        return control

    def _answer(self) -> None:
        link, _ = self._control.accept()
        with link:
            link.settimeout(COMMAND_SECONDS)
            try:
                said = json.loads(link.recv(COMMAND_LIMIT))
                answer: dict[str, object] = {"ok": self.command(str(said["verb"]), str(said.get("name", "")))}
            except errors.IsthmusError as error:
                answer = {"error": error.sentence, "hint": error.hint}
            except (OSError, ValueError, KeyError, TypeError) as error:
                answer = {"error": f"not a command: {error}", "hint": ""}
            try:
                link.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                pass  # whoever asked is gone
