// One stream of events that comes back by itself. In: an address, what to do with each event. Out: calls, and the stream's state.
//
//   opening --open--> live --error--> lost --open--> live          any --end--> ended (stays so)
//
// The browser reconnects when a connection breaks; when the backend answers with an error it does not, and we do, after 1, 2, 4 ... 15 s.
// While nobody looks at the tab the stream is closed after 20 s: browsers allow six connections to one place.
import { get, Refused } from "./ask";
import type { Refusal } from "./shapes";

export type State = "opening" | "live" | "lost" | "ended";

export interface Handlers {
  /** By event name; the argument is the parsed data. */
  on: Record<string, (data: unknown) => void>;
  state: (state: State, refusal: Refusal | null) => void;
  /** What to ask when the stream is refused, to learn why. */
  why?: string;
}

const LONGEST_MS = 15_000;
const HIDDEN_MS = 20_000;

export function wait(failures: number): number {
  return Math.min(LONGEST_MS, 1000 * 2 ** Math.max(0, failures - 1));
}

export function listen(address: string, handlers: Handlers): () => void {
  let source: EventSource | null = null;
  let failures = 0;
  let retry = 0;
  let hide = 0;
  let over = false;

  const close = () => {
    source?.close();
    source = null;
    clearTimeout(retry);
  };
  const open = () => {
    close();
    const opened = new EventSource(address);
    source = opened;
    opened.onopen = () => {
      failures = 0;
      handlers.state("live", null);
    };
    opened.onerror = () => {
      if (over) return;
      failures += 1;
      handlers.state("lost", null);
      if (opened.readyState !== EventSource.CLOSED) return;
      retry = setTimeout(open, wait(failures));
      if (handlers.why) get(handlers.why).catch((error: unknown) => told(error));
    };
    for (const [name, handle] of Object.entries(handlers.on)) {
      opened.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data)));
    }
    opened.addEventListener("failed", (event) =>
      handlers.state("live", JSON.parse((event as MessageEvent<string>).data)),
    );
    opened.addEventListener("end", (event) => {
      over = true;
      close();
      handlers.state("ended", JSON.parse((event as MessageEvent<string>).data));
    });
  };
  const told = (error: unknown) => {
    if (over || !(error instanceof Refused)) return;
    // What the viewer asked for is wrong: asking again would not help.
    if (error.status >= 400 && error.status < 500 && error.status !== 429) {
      over = true;
      close();
      handlers.state("ended", error.refusal);
    } else handlers.state("lost", error.refusal);
  };
  const seen = () => {
    clearTimeout(hide);
    if (document.hidden) hide = setTimeout(close, HIDDEN_MS);
    else if (!source && !over) open();
  };
  document.addEventListener("visibilitychange", seen);
  handlers.state("opening", null);
  open();
  return () => {
    over = true;
    close();
    clearTimeout(hide);
    document.removeEventListener("visibilitychange", seen);
  };
}
