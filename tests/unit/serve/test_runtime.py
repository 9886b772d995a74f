"""A process from start to stop, and its admin port."""

import asyncio
import os
import signal
import socket

import pytest

from isthmus.errors import BadValue
from isthmus.serve import runtime


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ask(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return int(answer.split(" ")[1]), answer.partition("\r\n\r\n")[2]


def test_pages_then_a_graceful_stop() -> None:
    port, seen = free_port(), {}

    async def visit(rt: runtime.Runtime) -> None:
        for path in ("/live", "/ready", "/nothing"):
            seen[path] = await ask(port, path)
        seen["/metrics"] = await ask(port, "/metrics")
        os.kill(os.getpid(), signal.SIGTERM)

    async def start(rt: runtime.Runtime) -> None:
        rt.ready_when("sun", lambda: False)
        rt.spawn(visit(rt), name="visit")

    assert runtime.main("test", start, admin_port=port) == 0
    assert seen["/live"] == (200, "live\n")
    assert seen["/ready"] == (503, "not ready: sun\n")
    assert seen["/nothing"][0] == 404
    assert "process_cpu_seconds_total" in seen["/metrics"][1]


def test_a_failed_task_ends_the_process_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        raise ValueError("broken leg")

    async def start(rt: runtime.Runtime) -> None:
        rt.spawn(fail(), name="fail")
        await asyncio.sleep(0)

    assert runtime.main("test", start, admin_port=free_port()) == 1
    assert "broken leg" in capsys.readouterr().err


def test_closers_run_last_first() -> None:
    order: list[str] = []

    async def note(name: str) -> None:
        order.append(name)

    async def start(rt: runtime.Runtime) -> None:
        rt.closing(lambda: note("first"))
        rt.closing(lambda: note("second"))
        rt.stop()

    assert runtime.main("test", start, admin_port=free_port()) == 0
    assert order == ["second", "first"]


def test_a_refusal_at_the_start_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    async def start(rt: runtime.Runtime) -> None:
        raise BadValue("--issuer-dir", "/nowhere", "/var/run/issuer")

    assert runtime.main("test", start, admin_port=free_port()) == 1
    said = capsys.readouterr().err
    assert "--issuer-dir is '/nowhere'" in said
    assert "Traceback" not in said


def test_a_stop_during_a_long_start_ends_it() -> None:
    async def start(rt: runtime.Runtime) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)

    assert runtime.main("test", start, admin_port=free_port()) == 0
