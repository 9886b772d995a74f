// Live requests as a list. In: a question to tap, or none. Out: the last rows, counts of what was seen and dropped, and their table with a
// waterfall under the row one opens.
// Limits: 500 rows are held; a pause holds the picture still while rows go on to come, and says how many.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Badge } from "../parts/marks";
import { Empty, Notice } from "../parts/states";
import { Scrolled } from "../parts/table";
import { search } from "../route";
import type { Refusal, TapBatch, TapRow } from "../shapes";
import { listen, type State } from "../stream";
import { ofStatus } from "../tones";
import { bytes, clock, count, millis, NONE } from "../words";
import { Waterfall } from "./waterfall";

export const HELD = 500;

export interface Requests {
  rows: TapRow[];
  seen: number;
  dropped: number;
  state: State;
  refusal: Refusal | null;
  paused: boolean;
  /** Rows that came since the pause. */
  waiting: number;
  pause: (on: boolean) => void;
  clear: () => void;
}

/** Rows after a batch: newest first; a row that comes again takes its old place with its new words. */
export function merge(rows: TapRow[], batch: TapRow[], limit = HELD): TapRow[] {
  const changed = new Map(batch.map((row) => [row.id, row]));
  const kept = rows.map((row) => {
    const next = changed.get(row.id);
    if (next) changed.delete(row.id);
    return next ?? row;
  });
  const fresh = [...changed.values()].sort((a, b) => b.at - a.at);
  return [...fresh, ...kept].slice(0, limit);
}

interface Held {
  rows: TapRow[];
  seen: number;
  dropped: number;
  came: number;
}

const NOTHING: Held = { rows: [], seen: 0, dropped: 0, came: 0 };

export function useRequests(ask: Record<string, string> | null): Requests {
  const tail = ask ? search(ask) : "";
  const latest = useRef<Held>(NOTHING);
  const [shown, show] = useState<Held>(NOTHING);
  const [, wake] = useState(0);
  const [stream, setStream] = useState<{ state: State; refusal: Refusal | null }>({ state: "opening", refusal: null });
  const [paused, setPaused] = useState(false);
  const still = useRef(false);
  still.current = paused;
  useEffect(() => {
    latest.current = NOTHING;
    show(NOTHING);
    setPaused(false);
    if (!tail) return undefined;
    return listen(`/api/tap${tail}`, {
      why: `/api/tap${tail}`,
      state: (state, refusal) => setStream({ state, refusal }),
      on: {
        tap: (data) => {
          const batch = data as TapBatch;
          const { rows, came } = latest.current;
          latest.current = {
            rows: merge(rows, batch.rows),
            seen: batch.seen,
            dropped: batch.dropped,
            came: came + batch.rows.length,
          };
          if (!still.current) show(latest.current);
          else wake((n) => n + 1);
        },
      },
    });
  }, [tail]);
  return {
    ...stream,
    rows: shown.rows,
    seen: latest.current.seen,
    dropped: latest.current.dropped,
    paused,
    waiting: latest.current.came - shown.came,
    pause: (on) => {
      setPaused(on);
      if (!on) show(latest.current);
    },
    clear: () => {
      latest.current = { ...latest.current, rows: [] };
      show(latest.current);
    },
  };
}

export function StreamState({ requests }: { requests: Requests }): JSX.Element {
  const words = { opening: "opening", live: "live", lost: "reconnecting", ended: "ended" }[requests.state];
  return (
    <span class={`pulse ${requests.state === "live" && !requests.paused ? "live" : "old"}`}>
      <i class="dot" />
      {requests.paused ? `paused, ${count(requests.waiting, "change")} waiting` : words}
    </span>
  );
}

export function RequestList({
  requests,
  most,
  filter,
}: {
  requests: Requests;
  most: number;
  filter?: (row: TapRow) => boolean;
}): JSX.Element {
  const [open, setOpen] = useState("");
  const rows = (filter ? requests.rows.filter(filter) : requests.rows).slice(0, most);
  return (
    <>
      {requests.refusal && (
        <Notice
          mark={requests.state === "ended" ? "fail" : "warn"}
          sentence={requests.refusal.sentence}
          hint={requests.refusal.hint}
          alert
        />
      )}
      {requests.dropped > 0 && (
        <Notice
          mark="warn"
          sentence={`${count(requests.dropped, "request")} left out: more came than can be shown.`}
          hint="Ask for fewer, by path or method."
        />
      )}
      {rows.length === 0 && !(requests.state === "ended" && requests.refusal) ? (
        <Empty title={requests.rows.length ? "No request fits the filter." : "Waiting for requests."}>
          {requests.rows.length === 0 && "They appear as soon as a meshed pod receives or sends one."}
        </Empty>
      ) : (
        <Scrolled label="Live requests">
          <table class="requests">
            <caption class="hush">Live requests, newest first</caption>
            <thead>
              <tr>
                <th scope="col" class="minor-3">
                  Time
                </th>
                <th scope="col">Request</th>
                <th scope="col" class="minor-1">
                  From, to
                </th>
                <th scope="col">Status</th>
                <th scope="col" class="number">
                  Latency
                </th>
                <th scope="col" class="number minor-1">
                  Bytes
                </th>
                <th scope="col">
                  <span class="hush">Details</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <Row
                  key={row.id}
                  row={row}
                  open={open === row.id}
                  onOpen={() => setOpen(open === row.id ? "" : row.id)}
                />
              ))}
            </tbody>
          </table>
        </Scrolled>
      )}
    </>
  );
}

function Row({ row, open, onOpen }: { row: TapRow; open: boolean; onOpen: () => void }): JSX.Element {
  const joined = row.stages.length > 1;
  return (
    <>
      <tr class={open ? "opened" : ""} data-request={row.id} data-stages={row.stages.length}>
        <td class="figure quiet minor-3">{clock(row.at, true)}</td>
        <th scope="row">
          <span class="subject">
            <span class="request-line">
              <strong>{row.method}</strong> {row.path}
            </span>
            <span class="subject-where">{row.authority}</span>
          </span>
        </th>
        <td class="minor-1">
          <span class="subject">
            <span>{row.sourcePod || row.source || "outside"}</span>
            <span class="subject-where">→ {row.destinationPod || row.destination}</span>
          </span>
        </td>
        <td>
          <Badge mark={ofStatus(row.status, row.grpcStatus)}>
            {row.status ?? "open"}
            {row.grpcStatus !== null && ` grpc ${row.grpcStatus}`}
          </Badge>
        </td>
        <td class="number">{millis(row.latencyMs)}</td>
        <td class="number minor-1">{bytes(row.responseBytes)}</td>
        <td>
          <button type="button" class="plain small" aria-expanded={open} onClick={onOpen}>
            {joined ? `Journey (${row.stages.length})` : "More"}
          </button>
        </td>
      </tr>
      {open && (
        <tr class="detail">
          <td colSpan={7}>
            <Details row={row} />
          </td>
        </tr>
      )}
    </>
  );
}

const SECURED = { true: "mTLS", false: "no mTLS", null: "not known" } as const;

function Details({ row }: { row: TapRow }): JSX.Element {
  return (
    <div class="request-details">
      {row.stages.length > 0 && <Waterfall stages={row.stages} />}
      <dl class="facts">
        <dt>From</dt>
        <dd>
          {row.sourcePod} <code>{row.source}</code>
        </dd>
        <dt>To</dt>
        <dd>
          {row.destinationPod} <code>{row.destination}</code>
        </dd>
        <dt>Seen by</dt>
        <dd>
          {row.cluster}, {row.direction}
        </dd>
        <dt>Secured</dt>
        <dd>{SECURED[String(row.secured) as keyof typeof SECURED]}</dd>
        <dt>Route</dt>
        <dd>{row.route || NONE}</dd>
      </dl>
    </div>
  );
}
