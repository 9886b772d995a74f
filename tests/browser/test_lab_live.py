"""What the dashboard measures and moves on the running lab: paint, lag, the slider of a split, one workload watched live."""

import json
import statistics
import time
from concurrent import futures

import pytest
from playwright.sync_api import expect

from isthmus.demo import app
from tests.browser import eyes
from tests.browser.conftest import CALLS
from tests.lab import mesh
from tests.lab.test_dashboard import moved

pytestmark = [pytest.mark.browser, pytest.mark.lab]

PAINT_GOAL, LAG_GOAL, MOVE_GOAL = 1.0, 2.0, 2.0
SCRAPE = 1.0


def test_the_first_meaningful_paint(live_view: eyes.View) -> None:
    times: list[float] = []
    for _ in range(5):
        live_view.go("/", CALLS)
        times.append(live_view.drawn_after())
    print(f"first meaningful paint: {', '.join(f'{t:.2f}' for t in times)} s")
    assert min(times) <= PAINT_GOAL


def test_the_slider_moves_real_traffic_and_the_page_follows(live_view: eyes.View) -> None:
    """The proxies follow within 2 s; the page's measured shares begin to move within 2 s of a reading, which come each second."""
    mesh.split(100, 0)
    client = mesh.inside("east", app.CLIENT)
    with futures.ThreadPoolExecutor() as pool:  # the browser's driver has this thread's event loop
        pool.submit(moved, client, "east", time.monotonic()).result()
        live_view.go("/splits?window=30s", ".split-card")
        card = live_view.page.locator(f"[data-split*='|{mesh.NAMESPACE}|backend-split|']")
        measured = card.locator(f"[data-measured='{mesh.MIRROR}']")
        expect(card.locator("[data-stack='measured']")).to_be_visible(timeout=60_000)
        card.get_by_label(f"Weight of {mesh.MIRROR}", exact=True).fill("100")
        card.get_by_role("button", name="Show what would change").click()
        expect(live_view.page.locator(".diff .added")).to_contain_text(["weight: 0", "weight: 100"])
        live_view.shoot("lab-split-diff", whole=False)
        expect(measured).to_have_text("0 %", timeout=60_000)  # an earlier story may have sent all of it there
        began = time.monotonic()
        following = pool.submit(moved, client, "west", began)
        live_view.page.get_by_role("button", name="Write it").click()
        expect(measured).not_to_have_text("0 %", timeout=30_000)
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


def test_one_workload_is_watched_where_it_is_shown(live_view: eyes.View) -> None:
    live_view.go(f"/workload/east/{mesh.NAMESPACE}/deployment/client", ".section")
    live_view.page.get_by_role("button", name="Watch").click()
    live_view.page.wait_for_selector("[data-request]", timeout=30_000)
    expect(live_view.page.locator("[data-request]").first).to_contain_text(mesh.SERVICE)
