// How well something is, as one of four marks. In: success, marks, health words. Out: marks, and the sign and word that go with each,
// so that colour is never the only signal. Never here: colours themselves (style/tokens.css).
import type { Mark } from "./shapes";

const GOOD = 0.99;
const FAIR = 0.95;

/** Success as a mark. A subject without requests is unknown, not well. */
export function ofSuccess(success: number | null): Mark {
  if (success === null) return "unknown";
  if (success >= GOOD) return "ok";
  return success >= FAIR ? "warn" : "fail";
}

export function ofAlive(alive: boolean | null): Mark {
  if (alive === null) return "unknown";
  return alive ? "ok" : "fail";
}

/** A gateway address's health as probes say it. */
export function ofHealth(health: string): Mark {
  return ({ alive: "ok", dead: "fail", refused: "fail" } as Record<string, Mark>)[health] ?? "unknown";
}

export function ofStatus(status: number | null, grpc: number | null): Mark {
  if (grpc !== null) return grpc === 0 ? "ok" : "fail";
  if (status === null) return "unknown";
  if (status >= 500) return "fail";
  return status >= 400 ? "warn" : "ok";
}

const WORDS: Record<Mark, string> = { ok: "well", warn: "look at it", fail: "failing", unknown: "not known" };

export function word(mark: Mark): string {
  return WORDS[mark];
}

const ORDER: Record<Mark, number> = { fail: 0, warn: 1, unknown: 2, ok: 3 };

/** For sorting: what needs somebody comes first. */
export function urgency(mark: Mark): number {
  return ORDER[mark];
}

export function worst(marks: Mark[]): Mark {
  return marks.reduce<Mark>((found, mark) => (ORDER[mark] < ORDER[found] ? mark : found), "ok");
}
