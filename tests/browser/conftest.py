"""The browser tier: one Chromium for all, the stage for the page's own behaviour, the running lab for the truth.

In: a built page (`make web`), Chromium; for tests/browser/test_lab.py a machine on which a lab runs, as root. Out: fixtures.
A tab whose console said an error fails its test.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Browser

from tests.browser import eyes, stage

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
