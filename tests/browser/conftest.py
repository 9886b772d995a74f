"""The browser tier: one Chromium for all, the stage for the page's own behaviour, the running lab for the truth.

In: a built page (`make web`), Chromium; for tests/browser/test_lab.py a machine on which a lab runs, as root. Out: fixtures.
A tab whose console said an error fails its test.
"""

import functools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Browser

import isthmus
from isthmus.demo import app
from tests.browser import eyes, stage
from tests.lab import conftest as lab_tier
from tests.lab import mesh

lab, client = lab_tier.lab, lab_tier.client
RPS = 80
CALLS = ".ties [data-tie*='/client>']"
Opens = Callable[..., AbstractContextManager[eyes.View]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not (stage.PAGE / "index.html").is_file():
        raise AssertionError("the page is not built: make web")
    with eyes.opened() as found:
        yield found


@pytest.fixture(scope="session")
def _played() -> Iterator[tuple[stage.Stage, str]]:
    with stage.playing() as found:
        yield found


@pytest.fixture
def scene(_played: tuple[stage.Stage, str]) -> stage.Stage:
    """The stage as it is at first."""
    _played[0].__init__()
    return _played[0]


@pytest.fixture
def open_tab(browser: Browser, _played: tuple[stage.Stage, str], scene: stage.Stage) -> Opens:
    return functools.partial(eyes.tab, browser, _played[1])


@pytest.fixture
def view(open_tab: Opens) -> Iterator[eyes.View]:
    """A tab on the stage."""
    with open_tab() as found:
        yield found
        assert found.errors() == []


@pytest.fixture(scope="session")
def address(client: mesh.Inside) -> Iterator[str]:
    """`isthmus dashboard` of both clusters of the lab, with a split, RPS calls a second, and readings every 2 seconds."""
    words = ("viz", "install", "--apply", "--set", "scrapeInterval=1s", "--context")
    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda cluster: mesh.isthmus(*words, cluster), ("east", "west")))
    mesh.apply("east", *app.client(f"localhost/isthmus-demo:{isthmus.__version__}", rps=RPS, connections=4))
    mesh.kubectl("east", "-n", app.NAMESPACE, "rollout", "status", f"deploy/{app.CLIENT}", "--timeout=120s")
    mesh.split(50, 50)
    command = [sys.executable, "-m", "isthmus", "dashboard", "--context", "east,west", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout
        found = running.stdout.readline().strip().rstrip("/")
        assert found.startswith("http://127.0.0.1:")
        yield found
        running.send_signal(signal.SIGINT)
        running.wait(15)


@pytest.fixture(scope="session")
def drawn(browser: Browser, address: str) -> str:
    """The address, once the metrics API has seen enough of the traffic to draw it: nothing is judged before."""
    with eyes.tab(browser, address) as view:
        view.go("/")
        view.page.wait_for_selector(CALLS, timeout=180_000, state="attached")
    return address


@pytest.fixture
def open_lab(browser: Browser, drawn: str) -> Opens:
    return functools.partial(eyes.tab, browser, drawn)


@pytest.fixture
def live_view(open_lab: Opens) -> Iterator[eyes.View]:
    """A tab on the running lab's dashboard."""
    with open_lab() as found:
        yield found
        assert found.errors() == []
