// Top: requests of one kind summed, most asked first. In: the stream `/api/top`. Out: a table that can be held still.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { session } from "../ask";
import { Command } from "../parts/command";
import { Icon } from "../parts/icons";
import { Share } from "../parts/marks";
import { Frame } from "../parts/page";
import { matches, Search } from "../parts/pick";
import { Empty, Notice } from "../parts/states";
import { type Column, Table } from "../parts/table";
import { here } from "../place";
import { search } from "../route";
import type { Refusal, TopRow, TopTable } from "../shapes";
import { listen, type State } from "../stream";
import { ofSuccess } from "../tones";
import { count, millis, short } from "../words";
import { AskForm, asked, command } from "./askform";
import { contextOf } from "./tap";

const COLUMNS: Array<Column<TopRow>> = [
  {
    key: "what",
    head: "Request",
    cell: (row) => (
      <span class="subject">
        <span class="request-line">
          <strong>{row.method}</strong> {row.path}
        </span>
        <span class="subject-where">{row.cluster}</span>
      </span>
    ),
    sort: (row) => row.path,
  },
  {
    key: "who",
    head: "From, to",
    minor: 1,
    cell: (row) => (
      <span class="subject">
        <span>{row.source || "outside"}</span>
        <span class="subject-where">→ {row.destination}</span>
      </span>
    ),
    sort: (row) => row.source,
  },
  { key: "count", head: "Count", number: true, cell: (row) => short(row.count), sort: (row) => row.count },
  { key: "best", head: "Best", number: true, minor: 1, cell: (row) => millis(row.bestMs), sort: (row) => row.bestMs },
  { key: "worst", head: "Worst", number: true, cell: (row) => millis(row.worstMs), sort: (row) => row.worstMs },
  { key: "last", head: "Last", number: true, minor: 1, cell: (row) => millis(row.lastMs), sort: (row) => row.lastMs },
  {
    key: "success",
    head: "Success",
    number: true,
    cell: (row) => <Share share={row.success} mark={ofSuccess(row.success)} />,
    sort: (row) => row.success,
  },
];

function useTop(
  ask: Record<string, string> | null,
  paused: boolean,
): { table: TopTable | null; state: State; refusal: Refusal | null } {
  const tail = ask ? search(ask) : "";
  const [table, set] = useState<TopTable | null>(null);
  const [stream, setStream] = useState<{ state: State; refusal: Refusal | null }>({ state: "opening", refusal: null });
  const still = useRef(paused);
  still.current = paused;
  useEffect(() => {
    set(null);
    if (!tail) return undefined;
    return listen(`/api/top${tail}`, {
      why: `/api/top${tail}`,
      state: (state, refusal) => setStream({ state, refusal }),
      on: { top: (data) => still.current || set(data as TopTable) },
    });
  }, [tail]);
  return { table, ...stream };
}

export function TopPage(): JSX.Element {
  const { query } = here.value;
  const q = query.q ?? "";
  const ask = asked(query, session.value?.clusters[0]?.name ?? "");
  const [paused, pause] = useState(false);
  const { table, state, refusal } = useTop(ask, paused);
  const rows = (table?.rows ?? []).filter((row) => matches(q, row.method, row.path, row.source, row.destination));
  const live = state === "live" && !paused;
  return (
    <Frame
      title="Top"
      lead="The same requests, summed by what they ask for."
      state={
        ask && (
          <span class={`pulse ${live ? "live" : "old"}`}>
            <i class="dot" />
            {paused ? "paused" : { opening: "opening", live: "live", lost: "reconnecting", ended: "ended" }[state]}
          </span>
        )
      }
      tools={<AskForm joining={false} />}
    >
      {refusal && (
        <Notice mark={state === "ended" ? "fail" : "warn"} sentence={refusal.sentence} hint={refusal.hint} alert />
      )}
      {ask ? (
        <>
          <div class="toolbar">
            <button type="button" class="button small" aria-pressed={paused} onClick={() => pause(!paused)}>
              <Icon name={paused ? "play" : "pause"} size={14} /> {paused ? "Go on" : "Pause"}
            </button>
            <Search label="Filter what is shown" />
            <span class="quiet">
              {count(table?.seen ?? 0, "request")} seen
              {table && table.dropped > 0 && `, ${table.dropped} dropped`}
              {table && table.leftOut > 0 && `, ${table.leftOut} kinds left out`}
            </span>
          </div>
          <Table
            caption="Requests summed"
            rows={rows}
            columns={COLUMNS}
            id={(row) => [row.cluster, row.source, row.destination, row.method, row.path].join(" ")}
            order={{ key: "count", down: true }}
            empty={
              refusal && state === "ended" ? null : (
                <Empty title={table ? "No request fits the filter, or none came yet." : "Waiting for requests."} />
              )
            }
          />
          <Command command={command("top", ask, contextOf(ask.cluster ?? ""))} />
        </>
      ) : (
        <Empty title="Name a workload and press Start." />
      )}
    </Frame>
  );
}
