// Dark or light. In: the viewer's choice, kept in this browser; without one, the system's. Out: an attribute on the page. Never here: colours.
import { signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
const KEY = "isthmus-theme";

export const theme = signal<Theme>(stored());
/** Counts changes of what is seen, so that canvases (which know no CSS variables) are drawn again. */
export const painted = signal(0);

function stored(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "auto";
  } catch {
    return "auto"; // a browser that keeps nothing
  }
}

export function choose(next: Theme): void {
  theme.value = next;
  try {
    if (next === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // The choice then holds until the page is left.
  }
  apply();
}

export function apply(): void {
  const root = document.documentElement;
  if (theme.value === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
  painted.value += 1;
}

export function watch(): void {
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
}
