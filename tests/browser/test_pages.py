"""Every page on the stage: seen by axe, on a desk and on a phone, dark and light, by keyboard; what it says when something is missing."""

import time

import pytest
from playwright.sync_api import expect

from tests.browser import eyes, stage
from tests.browser.conftest import Opens

WATCH = "cluster=east&namespace=isthmus-demo&kind=deployment&name=client&on=yes"
PAGES = {
    "overview": ("/", "[data-spot]"),
    "overview-table": ("/?as=table", "tbody tr"),
    "overview-panel": ("/?at=east%2Fshop%2Fdeployment%2Fcheckout", ".panel"),
    "namespaces": ("/namespaces", "tbody tr"),
    "workloads": ("/workloads", "tbody tr"),
    "pods": ("/workloads?kind=pod", "tbody tr"),
    "workload": ("/workload/east/isthmus-demo/deployment/client", ".uplot"),
    "links": ("/links", ".link-card .uplot"),
    "splits": ("/splits", ".split-card"),
    "tap": (f"/tap?{WATCH}&join=yes", "[data-request]"),
    "top": (f"/top?{WATCH}", "tbody tr"),
    "policy": ("/policy", "tbody tr"),
    "health": ("/health", ".checks"),
}


LOOKS: dict[str, tuple[tuple[int, int], eyes.Colours]] = {
    "light": (eyes.DESKTOP, "light"),
    "dark": (eyes.DESKTOP, "dark"),
    "phone": (eyes.PHONE, "light"),
}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_grave(open_tab: Opens, name: str) -> None:
    """On a desk and on a phone, light and dark; nothing has to be scrolled sideways."""
    path, ready = PAGES[name]
    with open_tab(axe=True) as view:
        view.go(path, ready)
        for look, (size, colours) in LOOKS.items():
            view.look(size, colours)
            assert (look, view.grave(), view.wider_than_window()) == (look, [], 0)
            view.shoot(f"stage-{name}-{look}")
        assert view.errors() == []


def test_the_policy_of_the_page_holds_and_nothing_breaks_it(view: eyes.View) -> None:
    """Without the leave that axe is given: an inline style or script of ours would be told in the console."""
    for path, ready in PAGES.values():
        view.go(path, ready)


@pytest.mark.parametrize("name", PAGES)
def test_every_view_tells_its_command(view: eyes.View, name: str) -> None:
    path, ready = PAGES[name]
    view.go(path, ready)
    button = view.page.get_by_role("button", name="Copy the command").last
    button.click()
    expect(button).to_contain_text("Copied")
    assert view.page.evaluate("() => navigator.clipboard.readText()").startswith(("isthmus ", "kubectl "))


def test_the_map_is_driven_by_keyboard(view: eyes.View) -> None:
    view.go("/", "[data-spot]")
    view.page.locator("[data-spot='east/isthmus-demo/deployment/client']").focus()
    view.page.keyboard.press("ArrowDown")
    focused = view.page.evaluate("() => document.activeElement.dataset.spot")
    assert focused and focused != "east/isthmus-demo/deployment/client"
    view.page.keyboard.press("Enter")
    expect(view.page.locator(".panel h2")).to_have_text(focused.split("/")[-1])
    view.page.keyboard.press("Escape")
    expect(view.page.locator(".panel")).to_have_count(0)


def test_one_drills_down_by_click_and_back(view: eyes.View) -> None:
    view.go("/", "[data-spot]")
    view.page.locator("[data-spot='east/shop/deployment/checkout']").click()
    view.page.get_by_role("link", name="Open Deployment").click()
    expect(view.page.locator("h1")).to_have_text("checkout")
    view.page.go_back()
    expect(view.page.locator("h1")).to_have_text("Overview")


def test_edges_say_success_lock_and_policy(view: eyes.View) -> None:
    view.go("/", "[data-spot]")
    said = view.page.locator(".ties .tie title").all_text_contents()
    assert any(
        "client calls linkerd-gateway" in s and "mTLS, policy allows, over the link east -> west" in s for s in said
    )
    assert any("checkout calls linkerd-gateway" in s and "failing" in s and "policy denies some" in s for s in said)
    assert any("calls recommendations-generator" in s and "no mTLS" in s for s in said)


def test_keyboard_alone_reaches_every_page(view: eyes.View) -> None:
    view.go("/", "nav")
    view.page.keyboard.press("Tab")
    assert view.page.evaluate("() => document.activeElement.textContent") == "Skip to the page"
    view.page.get_by_role("link", name="Splits").focus()
    view.page.keyboard.press("Enter")
    expect(view.page.locator("h1")).to_have_text("Traffic splits")
    assert view.page.evaluate("() => document.activeElement.id") == "content"


def test_less_motion_is_no_motion(open_tab: Opens) -> None:
    running = "() => document.getAnimations().filter(a => a.playState === 'running').length"
    with open_tab() as view:
        view.go("/", "[data-spot]")
        assert view.page.evaluate(running) == 0
        view.page.emulate_media(reduced_motion="no-preference")
        assert view.page.evaluate(running) > 0


def test_the_theme_is_kept(view: eyes.View) -> None:
    view.go("/health", "nav")
    view.page.get_by_role("button", name="Dark").click()
    view.go("/health", "nav")
    assert view.page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(14, 21, 27)"


def test_two_thousand_services(view: eyes.View, scene: stage.Stage) -> None:
    """Grouped at first, quick to open, and the table holds no more rows than fit the screen."""
    scene.scene = "many"
    view.go("/", "[data-spot]")
    assert view.page.locator("[data-spot]").count() <= 50
    began = time.monotonic()
    view.page.locator("[data-spot]").first.click()
    view.page.wait_for_selector("[data-spot*='/deployment/']")
    assert time.monotonic() - began < 5, "on a machine that does much else too"
    view.shoot("stage-many", whole=False)
    view.go("/workloads", "tbody tr")
    assert view.page.locator("tbody tr").count() < 120
    view.page.evaluate("() => scrollTo(0, 40000)")
    expect(view.page.locator("tbody tr[aria-rowindex]").first).not_to_have_attribute("aria-rowindex", "2")
    view.page.keyboard.press("/")
    view.page.keyboard.type("service-1999")
    expect(view.page.locator("tbody tr[aria-rowindex]")).to_have_count(1)


@pytest.mark.parametrize(
    "name, says",
    [
        ("silent", "No meshed workload sent a request in the last 1m."),
        ("away", "Prometheus does not answer at prometheus.linkerd-viz:9090."),
        ("away", "The cluster cannot be reached"),
    ],
)
def test_what_is_missing_is_a_sentence(view: eyes.View, scene: stage.Stage, name: str, says: str) -> None:
    scene.scene = name
    view.go("/", ".notice")
    expect(view.page.get_by_text(says)).to_be_visible()
    view.shoot(f"stage-{name}")


@pytest.mark.parametrize(
    "path, says",
    [
        ("/workload/east/shop/deployment/nobody", "There is no Deployment nobody in shop of east."),
        ("/no-such-page", "There is no such page."),
        ("/tap", "Name a workload and press Start."),
        ("/workloads?kind=job", "No Job is there."),
        ("/namespaces?q=zzz", "No namespace matches “zzz”."),
    ],
)
def test_what_is_not_there_is_a_sentence(view: eyes.View, path: str, says: str) -> None:
    view.go(path, ".empty")
    expect(view.page.get_by_text(says)).to_be_visible()


def test_a_lost_stream_shows_the_age_and_comes_back(view: eyes.View, scene: stage.Stage) -> None:
    view.forgiven = ["503", "ERR_INCOMPLETE_CHUNKED_ENCODING"]
    view.go("/namespaces", "tbody tr")
    expect(view.page.locator(".pulse")).to_have_text("live")
    scene.broken = True
    expect(view.page.locator(".pulse")).to_contain_text("reconnecting")
    expect(view.page.get_by_text("What you see is")).to_be_visible()
    assert view.page.locator("tbody tr").count() > 3, "what was there stays"
    view.shoot("stage-lost")
    scene.broken = False
    expect(view.page.locator(".pulse")).to_have_text("live")


def test_who_must_log_in_is_asked_and_told_why_not(view: eyes.View, scene: stage.Stage) -> None:
    view.forgiven = ["401"]
    scene.login = True
    view.go("/", "textarea")
    view.shoot("stage-login")
    view.page.locator("textarea").fill("wrong")
    view.page.get_by_role("button", name="Log in").click()
    expect(view.page.get_by_role("alert")).to_contain_text("the cluster does not know this token")
    view.page.locator("textarea").fill("open")
    view.page.get_by_role("button", name="Log in").click()
    expect(view.page.locator("h1")).to_have_text("Overview")


def test_a_split_is_moved_after_its_diff_was_seen(view: eyes.View, scene: stage.Stage) -> None:
    view.go("/splits", ".split-card")
    card = view.page.locator(".split-card").first
    card.get_by_label("Weight of backend-svc-west", exact=True).fill("80")
    expect(card.get_by_label("Weight of backend-svc", exact=True)).to_have_value("20")
    card.get_by_role("button", name="Show what would change").click()
    expect(view.page.locator(".diff .added")).to_contain_text(["weight: 20", "weight: 80"])
    view.shoot("stage-split-diff", whole=False)
    assert scene.weights == [50, 50], "nothing is written yet"
    view.page.get_by_role("button", name="Write it").click()
    expect(card.get_by_text("Traffic follows")).to_be_visible()
    assert scene.weights == [20, 80]
    view.shoot("stage-split-moved")


def test_a_split_that_somebody_changed_meanwhile_is_not_written(view: eyes.View, scene: stage.Stage) -> None:
    view.forgiven = ["409"]
    view.go("/splits", ".split-card")
    scene.raced = True
    card = view.page.locator(".split-card").first
    card.get_by_label("Weight of backend-svc", exact=True).fill("90")
    card.get_by_role("button", name="Show what would change").click()
    view.page.get_by_role("button", name="Write it").click()
    expect(card.get_by_role("alert")).to_contain_text("somebody changed this split since you looked")


def test_a_joined_request_is_a_waterfall(view: eyes.View) -> None:
    view.go(f"/tap?{WATCH}&join=yes", "[data-stages='3']")
    view.page.get_by_role("button", name="Pause").click()
    held = view.page.locator("[data-request]").first.get_attribute("data-request")
    view.page.get_by_role("button", name="Journey").first.click()
    expect(view.page.locator(".waterfall li")).to_have_count(3)
    expect(view.page.locator(".pulse")).to_contain_text("waiting")
    assert view.page.locator("[data-request]").first.get_attribute("data-request") == held
    view.shoot("stage-journey")
    view.page.get_by_role("button", name="Go on").click()
    expect(view.page.locator(".pulse")).to_have_text("live")


def test_a_watch_begins_with_start_and_is_shared_by_its_address(view: eyes.View) -> None:
    view.go("/tap", "form")
    view.page.get_by_role("combobox", name="Namespace", exact=True).fill("isthmus-demo")
    view.page.get_by_role("combobox", name="Name", exact=True).fill("client")
    view.page.get_by_role("button", name="Start").click()
    view.page.wait_for_selector("[data-request]")
    assert "namespace=isthmus-demo" in view.page.url and "on=yes" in view.page.url
    view.page.get_by_role("button", name="Stop").click()
    expect(view.page.locator("[data-request]")).to_have_count(0)


def test_the_first_paint_is_quick(view: eyes.View) -> None:
    """The page alone, with a backend that answers at once; tests/browser/test_lab.py measures the whole."""
    times: list[float] = []
    for _ in range(3):
        view.go("/", "[data-spot]")
        times.append(view.drawn_after())
    assert min(times) < 1.0, times
