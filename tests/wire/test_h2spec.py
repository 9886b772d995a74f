"""h2spec in strict mode against the three doors of the real proxy: every case passes, none is skipped silently.

h2spec is compiled from its Go module (pinned in `h2spec/`) into the cache of the lab's binaries, once.
"""

import contextlib
import os
import pathlib
import re
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator

import pytest

from isthmus.lab import build, layout
from tests.wire import bad, conftest, world

pytestmark = pytest.mark.wire

PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec"


@pytest.fixture(scope="session")
def h2spec() -> pathlib.Path:
    module = pathlib.Path(__file__).parent / "h2spec"
    cache = layout.cache_dir(os.environ)
    version = re.search(r"h2spec (v\S+)", (module / "go.mod").read_text())
    assert version
    program = cache / "tests" / f"h2spec-{version[1]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        partial = program.with_suffix(f".{os.getpid()}")
        env = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
        words = [build.find_go(cache, print), "build", "-trimpath", "-buildvcs=false", "-o", str(partial), PACKAGE]
        done = subprocess.run(words, cwd=module, env=env, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        partial.rename(program)
    return program


@pytest.fixture
def bench(stage: conftest.Stage, state: world.State) -> bad.Bench:
    return bad.open_bench(stage)


@pytest.fixture
def relay(bench: bad.Bench) -> Iterator[int]:
    """h2spec knows no client certificates and no transport header: a port of ours puts both before its bytes."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def splice(near: socket.socket) -> None:
        # One thread: an SSL object may not be read and written at the same time.
        with near, contextlib.suppress(OSError), bench.by_gateway(bad.H2) as far:
            while True:
                ready = [far] if far.pending() else select.select([near, far], [], [], 60)[0]
                for source in ready:
                    far.setblocking(False)
                    try:
                        data = source.recv(1 << 16)
                    except ssl.SSLWantReadError:
                        continue
                    if not data:
                        return
                    far.settimeout(10)
                    (far if source is near else near).sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=splice, args=(listener.accept()[0],)).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.mark.parametrize("way", bad.WAYS)
def test_every_case_passes(bench: bad.Bench, h2spec: pathlib.Path, relay: int, way: str) -> None:
    places = {
        "inbound": (world.IPS["server"], bad.H2),
        "outbound": (world.EVIL, bad.H2),
        "gateway": ("127.0.0.1", relay),
    }
    host, port = places[way]
    words = [str(h2spec), "--strict", "--host", host, "--port", str(port), "--timeout", "4"]
    words = bench.stage.client.inside(*words) if way == "outbound" else words
    done = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False)
    found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    assert found, done.stdout[-2000:] + done.stderr[-500:]
    total, _, skipped, failed = map(int, found.groups())
    failures = done.stdout.partition("Failures:")[2]
    assert (failed, skipped) == (0, 0) and total >= 140, failures or done.stdout[-4000:]
