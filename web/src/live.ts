// A view that keeps itself fresh. In: the view's name and query. Out: its last snapshot, when it came, and how the stream is.
// The last snapshots of 24 views are kept, so that going back shows at once what was there, with its age. Never here: drawing.
import { useEffect, useState } from "preact/hooks";
import { search } from "./route";
import type { Head, Refusal } from "./shapes";
import { listen, type State } from "./stream";

export interface Live<T> {
  data: T | null;
  /** When the snapshot came, in milliseconds; 0 when none has. */
  came: number;
  state: State;
  refusal: Refusal | null;
}

const KEPT = 24;
const kept = new Map<string, { data: unknown; came: number }>();

function keep(key: string, data: unknown, came: number): void {
  kept.delete(key);
  kept.set(key, { data, came });
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break;
    kept.delete(oldest);
  }
}

function remembered<T>(key: string): Live<T> {
  const found = kept.get(key);
  return { data: (found?.data as T) ?? null, came: found?.came ?? 0, state: "opening", refusal: null };
}

/** `null` listens to nothing. */
export function useLive<T extends { head: Head }>(view: string | null, query: Record<string, string> = {}): Live<T> {
  const tail = view === null ? "" : view + search(query);
  const [held, hold] = useState<{ tail: string; live: Live<T> }>(() => ({ tail, live: remembered<T>(tail) }));
  useEffect(() => {
    if (!tail) return undefined;
    hold({ tail, live: remembered<T>(tail) });
    const change = (part: Partial<Live<T>>) =>
      hold((old) => ({ tail, live: { ...(old.tail === tail ? old.live : remembered<T>(tail)), ...part } }));
    return listen(`/api/live/${tail}`, {
      why: `/api/view/${tail}`,
      state: (state, refusal) => change({ state, refusal }),
      on: {
        snapshot: (data) => {
          const came = Date.now();
          keep(tail, data, came);
          change({ data: data as T, came, state: "live", refusal: null });
        },
      },
    });
  }, [tail]);
  // Between a change of address and the effect that follows it, the old view's data must not show under the new one's name.
  return held.tail === tail ? held.live : remembered<T>(tail);
}

/** Milliseconds since 1970, told each second while `on`. */
export function useNow(on = true): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    if (!on) return undefined;
    set(Date.now());
    const timer = setInterval(() => set(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}
