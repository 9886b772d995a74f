// One question to the backend. In: a path, a body. Out: its answer, or a `Refused` with the backend's sentence.
// A question waits 15 s at most. Never here: streams (stream.ts).
import { signal } from "@preact/signals";
import type { Refusal, Session } from "./shapes";

const LIMIT_MS = 15_000;

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly refusal: Refusal,
  ) {
    super(refusal.sentence);
  }
}

/** Who looks, at what; null until the backend has said it. */
export const session = signal<Session | null>(null);
export const unreached = signal<Refusal | null>(null);

export async function get<T>(path: string): Promise<T> {
  return call<T>(path, {});
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return call<T>(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, signal: AbortSignal.timeout(LIMIT_MS) });
  } catch {
    throw new Refused(0, {
      sentence: "The dashboard's backend does not answer.",
      hint: "Is `isthmus dashboard` still running? This page tries again by itself.",
    });
  }
  const said: unknown = await answer.json().catch(() => null);
  if (!answer.ok) {
    if (answer.status === 401) void refresh();
    throw new Refused(answer.status, asRefusal(said, answer.status));
  }
  return said as T;
}

function asRefusal(said: unknown, status: number): Refusal {
  const found = said as Partial<Refusal> | null;
  return { sentence: found?.sentence ?? `The backend answered with status ${status}.`, hint: found?.hint ?? "" };
}

/** Ask who looks; again after a log-in, a log-out, or when the backend forgot us. */
export async function refresh(): Promise<void> {
  try {
    const answer = await fetch("/api/session", { signal: AbortSignal.timeout(LIMIT_MS) });
    if (!answer.ok) throw new Refused(answer.status, asRefusal(await answer.json().catch(() => null), answer.status));
    session.value = (await answer.json()) as Session;
    unreached.value = null;
  } catch (error) {
    unreached.value =
      error instanceof Refused
        ? error.refusal
        : { sentence: "The dashboard's backend does not answer.", hint: "Is `isthmus dashboard` still running?" };
    if (!session.value) setTimeout(refresh, 2000);
  }
}
