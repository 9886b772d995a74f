"""The dashboard of two real linked clusters in a real browser: the pages whole, on a desk and on a phone."""

import pytest
from playwright.sync_api import Browser

from tests.browser import eyes
from tests.browser.conftest import Opens
from tests.lab import mesh

pytestmark = [pytest.mark.browser, pytest.mark.lab]

CALLS = ".ties [data-tie*='/client>']"
PAGES = {
    "overview": ("/", CALLS),
    "overview-table": ("/?as=table", "tbody tr"),
    "namespaces": ("/namespaces", "tbody tr"),
    "workloads": ("/workloads", "tbody tr"),
    "pods": ("/workloads?kind=pod", "tbody tr"),
    "workload": (f"/workload/east/{mesh.NAMESPACE}/deployment/client", ".section tbody tr"),
    "links": ("/links", ".link-card"),
    "splits": ("/splits", ".split-card"),
}


@pytest.fixture(scope="module", autouse=True)
def drawn(browser: Browser, address: str) -> None:
    """Nothing is judged before the metrics API has seen enough of the traffic to draw it."""
    with eyes.tab(browser, address) as view:
        view.go("/")
        view.page.wait_for_selector(CALLS, timeout=180_000)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_whole(open_lab: Opens, name: str) -> None:
    """Axe, the console, a phone's width; the screenshots are for people."""
    path, ready = PAGES[name]
    with open_lab(axe=True) as view:
        view.go(path, ready)
        view.shoot(f"lab-{name}")
        assert view.grave() == []
        view.look(eyes.PHONE, "dark")
        view.shoot(f"lab-{name}-phone-dark")
        assert (view.grave(), view.wider_than_window(), view.errors()) == ([], 0, [])
