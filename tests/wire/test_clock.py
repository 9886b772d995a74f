"""Case 47: the wall clock jumps by ten minutes, forth and back, under load: nobody notices but the clock's own metric."""

import pathlib
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
MINUTES = 60
SHIM = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, id, now);
    const char *file = getenv("ISTHMUS_TEST_CLOCK");
    if (failed || id != CLOCK_REALTIME || !file) return failed;
    char text[16] = {0};
    int said = open(file, O_RDONLY | O_CLOEXEC);
    if (said < 0) return 0;
    if (read(said, text, sizeof text - 1) > 0) now->tv_sec += atol(text);
    close(said);
    return 0;
}
"""
"""The C library's clock, off by as many seconds as a file says."""


@pytest.fixture
def jump(stage: conftest.Stage, state: world.State) -> Iterator[Callable[[int], None]]:
    """Sets the clock of the server's proxy off by so many seconds."""
    source, library, said = (stage.ca / name for name in ("clock.c", "clock.so", "clock"))
    source.write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True, timeout=60)

    def to(seconds: int) -> None:
        new = said.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(said)

    to(0)
    stage.server.restart_proxy(stage.anchors, LD_PRELOAD=str(library), ISTHMUS_TEST_CLOCK=str(said))
    yield to
    stage.server.restart_proxy(stage.anchors)


def shown(stage: conftest.Stage) -> float:
    """How far off the proxy's clock is."""
    return stage.server.metric("process_clock_time_seconds") - time.time()


def test_a_clock_that_jumps_harms_nobody(stage: conftest.Stage, jump: Callable[[int], None]) -> None:
    pods.wait_for(lambda: stage.client.call("one", **WEB)["status"] == 200, 10, "the proxy after its restart")
    over = pathlib.Path(stage.ca, "clock.over")
    load = stage.client.calling("many", **WEB, count=1_000_000, connections=4, seconds=8)
    held = stage.client.calling("hold", host=world.ECHO, port=9000, seconds=60, until=str(over))
    for minutes in (10, -10, 0):
        jump(minutes * MINUTES)
        pods.wait_for(lambda m=minutes: abs(shown(stage) - m * MINUTES) < 5, 3, "the jump")
        # Certificates are judged by the wall clock: new connections make new handshakes.
        assert stage.client.call("tcp", host=world.ECHO, port=9000, size=1_000) == {"bytes": 1_006}
        assert stage.server.admin("/ready")[0] == 200
        time.sleep(1)
    said = load.communicate(timeout=60)[0]
    assert '"failed": 0' in said, said
    over.touch()
    assert '"error": ""' in held.communicate(timeout=30)[0]
    assert stage.server.metric("inbound_refused_total", reason="tls_expired") == 0
    assert stage.server.metric("inbound_refused_total", reason="tls_not_yet_valid") == 0
