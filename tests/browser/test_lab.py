"""The dashboard of two real linked clusters in a real browser: every page, what it measures, and what it moves."""

import json
import statistics
import time
from concurrent import futures

import pytest
from playwright.sync_api import Browser, expect

from isthmus.demo import app
from tests.browser import eyes
from tests.browser.conftest import Opens
from tests.lab import mesh
from tests.lab.test_dashboard import moved

pytestmark = [pytest.mark.browser, pytest.mark.lab]

WATCH = f"cluster=east&namespace={mesh.NAMESPACE}&kind=deployment&name=client&on=yes"
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
    "tap": (f"/tap?{WATCH}&join=yes", "[data-request]"),
    "top": (f"/top?{WATCH}", "tbody tr"),
    "policy": ("/policy", "tbody tr"),
    "health": ("/health", ".checks"),
}
PAINT_GOAL, LAG_GOAL, MOVE_GOAL = 1.0, 2.0, 2.0
SCRAPE = 2.0


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


def test_the_map_shows_both_clusters_and_mtls_between(live_view: eyes.View) -> None:
    live_view.go("/", CALLS)
    expect(live_view.page.locator(".cluster-name")).to_have_text(["east", "west"])
    said = live_view.page.locator(".ties .tie title").all_text_contents()
    assert any("client calls" in line and "over the link" in line for line in said), said
    assert any("client calls" in line and ", mTLS" in line for line in said), said


def test_the_first_meaningful_paint(live_view: eyes.View) -> None:
    times: list[float] = []
    for _ in range(5):
        live_view.go("/", CALLS)
        times.append(live_view.drawn_after())
    print(f"first meaningful paint: {', '.join(f'{t:.2f}' for t in times)} s")
    assert min(times) <= PAINT_GOAL


def test_the_slider_moves_real_traffic_and_the_page_follows(live_view: eyes.View) -> None:
    """The proxies follow within 2 s; the page's measured shares begin to move within 2 s of a reading, which come each 2 s."""
    mesh.split(100, 0)
    client = mesh.inside("east", app.CLIENT)
    with futures.ThreadPoolExecutor() as pool:  # the browser's driver has this thread's event loop
        pool.submit(moved, client, "east", time.monotonic()).result()
        live_view.go("/splits?window=30s", ".split-card")
        card = live_view.page.locator(f"[data-split*='{mesh.NAMESPACE}/backend-split']")
        measured = card.locator(f"[data-measured='{mesh.MIRROR}']")
        expect(card.locator("[data-stack='measured']")).to_be_visible(timeout=60_000)
        card.get_by_label(f"Weight of {mesh.MIRROR}", exact=True).fill("100")
        card.get_by_role("button", name="Show what would change").click()
        expect(live_view.page.locator(".diff .added")).to_contain_text(["weight: 0", "weight: 100"])
        live_view.shoot("lab-split-diff", whole=False)
        before = measured.inner_text()
        began = time.monotonic()
        following = pool.submit(moved, client, "west", began)
        live_view.page.get_by_role("button", name="Write it").click()
        expect(measured).not_to_have_text(before, timeout=30_000)
        seen = time.monotonic() - began
        after = following.result()
    expect(card.get_by_text("Traffic follows")).to_be_visible(timeout=60_000)
    live_view.shoot("lab-split-moved")
    print(f"split by the slider: all traffic moved after {after:.2f} s, the page saw it after {seen:.2f} s")
    assert after <= MOVE_GOAL
    assert seen <= after + SCRAPE + LAG_GOAL


def test_the_page_is_not_behind(live_view: eyes.View) -> None:
    """How old the numbers are when they are shown: the time between the snapshot's own clock and its arrival in the page."""
    live_view.page.add_init_script(
        """window.lags = []; const plain = EventSource.prototype.addEventListener;
        EventSource.prototype.addEventListener = function (name, then) {
          return plain.call(this, name, (event) => {
            if (name === "snapshot") window.lags.push(Date.now() / 1000 - JSON.parse(event.data).head.at);
            then(event);
          });
        };"""
    )
    live_view.go("/workloads", "tbody tr")
    live_view.page.wait_for_function("() => window.lags.length >= 4", timeout=60_000)
    lags: list[float] = json.loads(live_view.page.evaluate("() => JSON.stringify(window.lags)"))
    print(f"from snapshot to page: {', '.join(f'{lag:.2f}' for lag in lags)} s")
    assert statistics.median(lags) <= LAG_GOAL


def test_tap_shows_live_requests_and_a_joined_journey(live_view: eyes.View) -> None:
    mesh.split(0, 100)
    live_view.go(f"/tap?{WATCH}&join=yes", "[data-request]")
    live_view.page.wait_for_selector("[data-stages='3']", timeout=30_000)
    live_view.page.get_by_role("button", name="Pause").click()
    live_view.page.locator("[data-stages='3']").first.get_by_role("button", name="Journey").click()
    expect(live_view.page.locator(".waterfall li")).to_have_count(3)
    said = live_view.page.locator(".waterfall li").all_inner_texts()
    assert "east" in said[0] and "gateway" in said[1] and "west" in said[2], said
    live_view.shoot("lab-journey")


def test_one_workload_is_watched_where_it_is_shown(live_view: eyes.View) -> None:
    live_view.go(f"/workload/east/{mesh.NAMESPACE}/deployment/client", ".section")
    live_view.page.get_by_role("button", name="Watch").click()
    live_view.page.wait_for_selector("[data-request]", timeout=30_000)
    expect(live_view.page.get_by_text("client.isthmus-demo.serviceaccount")).to_be_visible()
