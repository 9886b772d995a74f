"""A browser that looks for us: Debian's Chromium, driven by Playwright. In: an address. Out: pages, screenshots under artefacts/browser,
what axe says, what the console said.

Never here: which page is right (the tests), who serves it (`stage`, or the running lab).
"""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = pathlib.Path(__file__).parents[2]
SHOTS = ROOT / "artefacts" / "browser"
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
DESKTOP = (1360, 860)
PHONE = (390, 844)
GRAVE = ("serious", "critical")
Colours = Literal["light", "dark"]
DRAWN = """new MutationObserver(() => {
  if (!window.drawnAt && document.querySelector("[data-spot], tbody tr")) window.drawnAt = performance.now();
}).observe(document, {childList: true, subtree: true});"""


@contextlib.contextmanager
def opened() -> Generator[Browser]:
    """A browser without windows."""
    found = shutil.which("chromium")
    if found is None:
        raise AssertionError("there is no chromium: apt-get install chromium (tools/needs test chromium does it)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS), headless=True)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class View:
    """One tab. `said` is what its console called an error; `forgiven` are parts of such lines that a test expects."""

    page: Page
    base: str
    said: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def go(self, path: str, ready: str = "h1") -> None:
        """Open a path and wait until `ready` is there."""
        self.page.goto(self.base + path, wait_until="commit")
        self.page.wait_for_selector(
            ready, state="attached"
        )  # a straight line of the map has no width, and counts as unseen

    def look(self, size: tuple[int, int], colours: Colours) -> None:
        """Another window, another theme, as the system tells it."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=colours, reduced_motion="reduce")
        self.page.wait_for_timeout(150)

    def shoot(self, name: str, *, whole: bool = True) -> pathlib.Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=whole)
        return path

    def grave(self) -> list[str]:
        """What axe finds serious or critical, one line for each."""
        self.page.add_script_tag(path=AXE)
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']} ({one['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
            for one in found["violations"]
            if one["impact"] in GRAVE
            for node in one["nodes"][:3]
        ]

    def drawn_after(self) -> float:
        """Seconds from the start of the navigation until the first row or workload stood in the page."""
        return float(self.page.evaluate("() => window.drawnAt")) / 1000

    def wider_than_window(self) -> int:
        """Pixels by which the page must be scrolled sideways; 0 is what a phone wants."""
        return max(0, int(self.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")))

    def errors(self) -> list[str]:
        return [line for line in self.said if not any(part in line for part in self.forgiven)]


@contextlib.contextmanager
def tab(
    browser: Browser,
    base: str,
    size: tuple[int, int] = DESKTOP,
    *,
    axe: bool = False,
) -> Generator[View]:
    """A tab of its own. `axe` lets its script in, which the page's own policy (rightly) refuses."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",  # a machine of tests draws without help, and animations cost it a core
        bypass_csp=axe,
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(float(os.environ.get("ISTHMUS_BROWSER_LIMIT", "30")) * 1000)
    context.add_init_script(DRAWN)
    view = View(context.new_page(), base)
    view.page.on("console", lambda line: view.said.append(line.text) if line.type == "error" else None)
    view.page.on("pageerror", lambda error: view.said.append(str(error)))
    try:
        yield view
    finally:  # also when the test failed: a tab that is left open goes on drawing
        context.close()
