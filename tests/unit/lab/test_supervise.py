"""The loop of process 1, with real child processes."""

import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from isthmus import errors
from isthmus.lab.node import parts, supervise


@pytest.fixture
def sup(tmp_path: pathlib.Path) -> Iterator[supervise.Supervisor]:
    before = signal.getsignal(signal.SIGCHLD)
    made = supervise.Supervisor(tmp_path)
    made.strict = False
    yield made
    for name, state in made.command("status", "").items():
        if state["pid"]:  # type: ignore[index]
            made.command("stop", name)
    made.until(lambda: not any(s["pid"] for s in made.command("status", "").values()), 2)  # type: ignore[index]
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)
    made.close()


SLEEPER = parts.Part("sleeper", (sys.executable, "-c", "import time; time.sleep(60)"))


def state(sup: supervise.Supervisor, name: str = "sleeper") -> tuple[str, int]:
    said = sup.command("status", "")[name]
    return said["state"], said["starts"]  # type: ignore[index]


def test_a_killed_component_comes_back(sup: supervise.Supervisor) -> None:
    sup.start(SLEEPER)
    sup.command("kill", "sleeper")
    assert sup.until(lambda: state(sup) == ("running", 2), 5)


def test_a_stopped_one_stays_down_until_started(sup: supervise.Supervisor) -> None:
    sup.start(SLEEPER)
    sup.command("stop", "sleeper")
    assert sup.until(lambda: state(sup) == ("stopped", 1), 2)
    assert not sup.until(lambda: state(sup)[0] == "running", 1.3)
    sup.command("start", "sleeper")
    assert state(sup) == ("running", 2)


def test_pause_freezes_and_start_goes_on(sup: supervise.Supervisor) -> None:
    sup.start(SLEEPER)
    pid = sup.command("pause", "sleeper")["sleeper"]["pid"]  # type: ignore[index]
    stat = pathlib.Path(f"/proc/{pid}/stat")
    assert sup.until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", 2)
    assert state(sup) == ("paused", 1)
    sup.command("start", "sleeper")
    assert state(sup) == ("running", 1)


@pytest.mark.parametrize("verb, name", [("stop", "nobody"), ("explode", "sleeper")])
def test_unknown_words_are_refused(sup: supervise.Supervisor, verb: str, name: str) -> None:
    sup.start(SLEEPER)
    with pytest.raises(errors.BadValue):
        sup.command(verb, name)


def test_while_strict_an_end_is_a_failure(sup: supervise.Supervisor) -> None:
    sup.strict = True
    sup.start(parts.Part("brief", (sys.executable, "-c", "raise SystemExit(3)")))
    with pytest.raises(errors.IsthmusError, match="brief ended with 3"):
        sup.until(lambda: False, 5)
    sup.strict = False


@pytest.mark.parametrize("code", [0, 4])
def test_a_task_ends_once(sup: supervise.Supervisor, code: int) -> None:
    sup.task("job", [sys.executable, "-c", f"raise SystemExit({code})"])
    if code:
        with pytest.raises(errors.IsthmusError, match="job failed"):
            sup.until(lambda: sup.done("job"), 5)
    else:
        assert sup.until(lambda: sup.done("job"), 5)


def ask(folder: pathlib.Path, line: bytes) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(folder / "control"))
        link.sendall(line)
        return dict(json.loads(link.makefile("rb").readline()))


@pytest.mark.parametrize(
    "line, key",
    [
        (b'{"verb": "status"}', "ok"),
        (b'{"verb": "stop", "name": "x"}', "error"),
        (b"garbage", "error"),
        (b"[]", "error"),
        (b"{}", "error"),
    ],
)
def test_the_socket_answers_everything(
    sup: supervise.Supervisor, tmp_path: pathlib.Path, line: bytes, key: str
) -> None:
    answers: list[dict[str, object]] = []
    asker = threading.Thread(target=lambda: answers.append(ask(tmp_path, line)))
    asker.start()
    assert sup.until(lambda: bool(answers), 5)
    asker.join()
    assert key in answers[0]


def test_output_goes_to_the_log(sup: supervise.Supervisor, tmp_path: pathlib.Path) -> None:
    sup.task("talker", ["sh", "-c", "echo said; echo wrong >&2"])
    assert sup.until(lambda: sup.done("talker"), 5)
    assert (tmp_path / "talker.log").read_text() == "said\nwrong\n"


def test_a_program_that_is_not_there_is_named(sup: supervise.Supervisor) -> None:
    with pytest.raises(errors.IsthmusError, match="no-such-program"):
        sup.task("x", ["no-such-program"])


def test_no_child_is_left(sup: supervise.Supervisor) -> None:
    sup.start(SLEEPER)
    pid = int(str(sup.command("stop", "sleeper")["sleeper"]["pid"]))  # type: ignore[index]
    end = time.monotonic() + 2
    while time.monotonic() < end and pathlib.Path(f"/proc/{pid}").exists():
        sup.turn(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
