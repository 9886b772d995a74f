// Small drawings. In: a name. Out: an SVG that takes the text's colour and is silent to screen readers; words stand beside it.
import type { JSX } from "preact";

const SHAPES = {
  overview: "M3 4h7v6H3zM14 14h7v6h-7zM10 7h4a3 3 0 0 1 3 3v4",
  namespaces: "M3 7l9-4 9 4-9 4zM3 12l9 4 9-4M3 17l9 4 9-4",
  workloads: "M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01",
  links: "M9 15l6-6M8 11l-3 3a4 4 0 0 0 5 5l3-3M16 13l3-3a4 4 0 0 0-5-5l-3 3",
  splits: "M3 12h6M9 12c4 0 4-6 8-6h4M9 12c4 0 4 6 8 6h4M18 3l3 3-3 3M18 15l3 3-3 3",
  tap: "M3 12h4l3-8 4 16 3-8h4",
  top: "M4 20V10M10 20V4M16 20v-7M21 20H3",
  policy: "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6z",
  health: "M12 20s-8-5-8-11a4.5 4.5 0 0 1 8-3 4.5 4.5 0 0 1 8 3c0 6-8 11-8 11z",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  unlock: "M6 11h12v9H6zM8.500 11V7a3.500 3.500 0 0 1 6.800-1.200",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  done: "M5 12l5 5L20 7",
  menu: "M4 6h16M4 12h16M4 18h16",
  close: "M6 6l12 12M18 6L6 18",
  pause: "M8 5v14M16 5v14",
  play: "M7 4l13 8-13 8z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500L19 19M5 19l1.500-1.500M17.500 6.500L19 5",
  moon: "M20 14a8 8 0 0 1-10-10 8 8 0 1 0 10 10z",
  auto: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  right: "M5 12h14M13 6l6 6-6 6",
  gateway: "M4 21V10a8 8 0 0 1 16 0v11M9 21v-9a3 3 0 0 1 6 0v9",
} as const;

export type IconName = keyof typeof SHAPES;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={SHAPES[name]} />
    </svg>
  );
}

export function iconPath(name: IconName): string {
  return SHAPES[name];
}

export function Logo(): JSX.Element {
  return (
    <svg class="logo" width="28" height="28" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" class="logo-ground" />
      <circle cx="9.500" cy="10" r="4.800" class="logo-land" />
      <circle cx="22.500" cy="22" r="4.800" class="logo-land" />
      <path d="M11 12.500 L21 19.500" class="logo-bridge" />
    </svg>
  );
}
