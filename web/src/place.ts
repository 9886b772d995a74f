// Where the viewer is now. In: clicks on links, the browser's history. Out: the signal `here`. Never here: what addresses mean (route.ts).
import { signal } from "@preact/signals";
import { type Place, parse, search } from "./route";

/** Set by `listen` when the page begins. */
export const here = signal<Place>(parse("/"));

export function go(address: string, replace = false): void {
  if (address === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  const before = here.value.page;
  here.value = parse(address);
  if (!replace && here.value.page !== before) {
    scrollTo(0, 0);
    // A screen reader hears the new page's heading, as it would after a load.
    requestAnimationFrame(() => document.getElementById("content")?.focus({ preventScroll: true }));
  }
}

/** Change some of the query of the page one is on. */
export function amend(change: Record<string, string>, replace = true): void {
  go(location.pathname + search({ ...here.value.query, ...change }), replace);
}

/** Plain clicks on links of our own stay on the page. */
export function follow(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.hash && link.pathname === location.pathname) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

export function listen(): void {
  here.value = parse(location.pathname + location.search);
  addEventListener("popstate", () => {
    here.value = parse(location.pathname + location.search);
  });
  document.addEventListener("click", follow);
}
