// One request's journey: a bar for each proxy it passed, on one scale of time. In: stages. Out: bars and, for those who do not see them,
// the same as text. The time a proxy and its network spent is what its bar sticks out of the next one.
import type { JSX } from "preact";
import type { Stage } from "../shapes";
import { millis } from "../words";

export interface Bar {
  stage: Stage;
  /** Shares of the whole, from 0 to 1. */
  left: number;
  width: number;
  lasted: number | null;
  /** What this proxy and the way to the next one cost: its time without the next one's. */
  own: number | null;
}

export function bars(stages: Stage[]): { bars: Bar[]; total: number } {
  const ordered = [...stages].sort((a, b) => a.beginMs - b.beginMs);
  const total = Math.max(...ordered.map((stage) => stage.endMs ?? stage.beginMs), 0.001);
  const lasted = ordered.map((stage) => (stage.endMs === null ? null : stage.endMs - stage.beginMs));
  return {
    total,
    bars: ordered.map((stage, at) => {
      const mine = lasted[at] ?? null;
      const next = lasted[at + 1];
      return {
        stage,
        left: Math.min(1, stage.beginMs / total),
        width: Math.min(1, (mine ?? total - stage.beginMs) / total),
        lasted: mine,
        own: mine === null || next === undefined || next === null ? null : Math.max(0, mine - next),
      };
    }),
  };
}

export function Waterfall({ stages }: { stages: Stage[] }): JSX.Element {
  const { bars: all, total } = bars(stages);
  return (
    <figure class="waterfall">
      <figcaption>
        {stages.length === 1 ? "One proxy saw it" : `${stages.length} proxies saw it`}, {millis(total)} in all; in grey:
        in that proxy and on the way to the next
      </figcaption>
      <ol>
        {all.map((bar, at) => (
          <li key={bar.stage.pod + bar.stage.role}>
            <span class="waterfall-who">
              <strong>{bar.stage.role}</strong>
              <span class="subject-where">
                {bar.stage.cluster} · {bar.stage.pod}
              </span>
            </span>
            <span class="waterfall-track">
              <span
                class={`waterfall-bar step-${at % 4}${bar.stage.endMs === null ? " unfinished" : ""}`}
                style={{ left: `${bar.left * 100}%`, width: `${Math.max(0.4, bar.width * 100)}%` }}
              />
            </span>
            <span class="waterfall-time">
              {millis(bar.lasted)}
              {bar.own !== null && <span class="quiet"> · {millis(bar.own)}</span>}
            </span>
          </li>
        ))}
      </ol>
    </figure>
  );
}
