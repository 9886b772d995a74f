// Marks: how well something is, by colour, sign and word at once. In: a mark. Out: markup. Never here: what earns which mark (tones.ts).
import type { ComponentChildren, JSX } from "preact";
import type { Mark } from "../shapes";
import { word } from "../tones";
import { percent } from "../words";

/** The four signs differ in shape: disc with a tick, triangle, square with a cross, ring. */
const SIGNS: Record<Mark, { ground: string; stroke: string }> = {
  ok: { ground: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z", stroke: "M4.800 8.200l2.200 2.200 4.200-4.600" },
  warn: { ground: "M8 1.300L15.300 14.500H.7z", stroke: "M8 6v4M8 12.200v.1" },
  fail: { ground: "M2 2h12v12H2z", stroke: "M5.300 5.300l5.400 5.400M10.700 5.300l-5.400 5.400" },
  unknown: { ground: "", stroke: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z" },
};

/** The sign with its word for screen readers; `silent` where the word stands beside it anyway. */
export function Sign({ mark, silent = false }: { mark: Mark; silent?: boolean }): JSX.Element {
  const sign = SIGNS[mark];
  return (
    <span class={`sign ${mark}`}>
      <svg width="14" height="14" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        {sign.ground && <path class="ground" d={sign.ground} />}
        <path class="stroke" d={sign.stroke} />
      </svg>
      {!silent && <span class="hush">{word(mark)}</span>}
    </span>
  );
}

export function Badge({ mark, children }: { mark: Mark; children: ComponentChildren }): JSX.Element {
  return (
    <span class={`badge ${mark}`}>
      <Sign mark={mark} silent />
      {children}
    </span>
  );
}

/** A share as a number with a small bar under it. */
export function Share({ share, mark }: { share: number | null; mark: Mark }): JSX.Element {
  return (
    <span class="share">
      <span class="share-text">
        {share !== null && mark !== "ok" && <Sign mark={mark} />}
        {percent(share)}
      </span>
      <svg class={`share-bar ${mark}`} width="56" height="4" aria-hidden="true" focusable="false">
        <rect class="rest" width="56" height="4" rx="2" />
        {share !== null && <rect class="part" width={56 * Math.min(1, share)} height="4" rx="2" />}
      </svg>
    </span>
  );
}
