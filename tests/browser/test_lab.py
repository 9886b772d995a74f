"""The dashboard of two real linked clusters in a real browser: every page whole, the map, and a joined journey."""

import threading
from concurrent import futures
from typing import Any

import pytest
from playwright.sync_api import expect

from isthmus.demo import app
from tests.browser import eyes
from tests.browser.conftest import CALLS, Opens
from tests.lab import mesh

pytestmark = [pytest.mark.browser, pytest.mark.lab]

WATCH = f"cluster=east&namespace={mesh.NAMESPACE}&kind=deployment&name=client&on=yes"
PAGES = {
    "overview": ("/", CALLS),
    "overview-table": ("/?as=table", "tbody tr"),
    "namespaces": ("/namespaces", "tbody tr"),
    "workloads": ("/workloads", "tbody tr"),
    "pods": ("/workloads?kind=pod", "tbody tr"),
    "workload": (f"/workload/east/{mesh.NAMESPACE}/deployment/client", ".section tbody tr"),
    "links": ("/links", ".link-card"),
    "splits": ("/splits", ".split-card"),
    "tap": (f"/tap?{WATCH}&join=yes", "[data-request]"),
    "top": (f"/top?{WATCH}", "tbody tr"),
    "policy": ("/policy", "tbody tr"),
    "health": ("/health", ".checks"),
}


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


def test_the_map_shows_both_clusters_and_mtls_between(live_view: eyes.View) -> None:
    live_view.go("/", CALLS)
    expect(live_view.page.locator(".cluster-name")).to_have_text(["east", "west"])
    said = live_view.page.locator(".ties .tie title").all_text_contents()
    assert any("client calls" in line and "over the link" in line for line in said), said
    assert any("client calls" in line and ", mTLS" in line for line in said), said


def marked(until: threading.Event) -> None:
    """Requests with an id that all three proxies see, until `until`: among 80 others a second only an id joins for certain."""
    client = mesh.inside("east", app.CLIENT)
    order: dict[str, Any] = {
        "host": mesh.cluster_ip("east", mesh.SERVICE),
        "port": 8888,
        "name": f"{mesh.SERVICE}:8888",
    }
    for number in range(120):
        client.call("ask", **order, path="/marked", fields={"x-request-id": f"journey-{number}"})
        if until.wait(0.25):
            return


def test_tap_shows_live_requests_and_a_joined_journey(live_view: eyes.View) -> None:
    mesh.split(0, 100)
    seen = threading.Event()
    with futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(marked, seen)
        try:
            live_view.go(f"/tap?{WATCH}&join=yes&path=/marked", "[data-request]")
            live_view.page.wait_for_selector("[data-stages='3']", timeout=40_000)
        finally:
            seen.set()
        sending.result()
    live_view.page.get_by_role("button", name="Pause").click()
    live_view.page.locator("[data-stages='3']").first.get_by_role("button", name="Journey").click()
    expect(live_view.page.locator(".waterfall li")).to_have_count(3)
    said = live_view.page.locator(".waterfall li").all_inner_texts()
    assert "east" in said[0] and "gateway" in said[1] and "west" in said[2], said
    live_view.shoot("lab-journey")
