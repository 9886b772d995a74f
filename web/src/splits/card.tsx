// One split. In: a `Split`, again with each snapshot. Out: shares as bars, what they did since the page is open, sliders, and on request the
// diff of the object before it is written. What a viewer has moved stays until it is written or taken back, whatever snapshots say.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { post, Refused } from "../ask";
import { Command } from "../parts/command";
import { Success } from "../parts/golden";
import { Badge } from "../parts/marks";
import { Notice } from "../parts/states";
import type { Backend, Refusal, Split, SplitChange, SplitDone, SplitPreview } from "../shapes";
import { age, percent, rate } from "../words";
import { SplitDialog } from "./dialog";
import { Shares } from "./shares";
import { keyOf, shares, slid } from "./weights";

interface Props {
  split: Split;
  at: number;
}

export function SplitCard({ split, at }: Props): JSX.Element {
  const [draft, setDraft] = useState<number[] | null>(null);
  const [preview, setPreview] = useState<SplitPreview | null>(null);
  const [refusal, refuse] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const [written, setWritten] = useState<{ when: number; says: string } | null>(null);
  const weights = draft ?? split.backends.map((one) => one.weight);
  const wanted = shares(weights);
  const change: SplitChange = {
    id: split.id,
    version: split.version,
    weights: split.backends.map((one, n) => ({
      namespace: one.namespace,
      name: one.name,
      port: one.port,
      weight: weights[n] ?? 0,
    })),
  };
  const tried = async (does: () => Promise<void>) => {
    setBusy(true);
    refuse(null);
    try {
      await does();
    } catch (error) {
      setPreview(null);
      refuse(error instanceof Refused ? error.refusal : { sentence: String(error), hint: "" });
    }
    setBusy(false);
  };
  const look = () => tried(async () => setPreview(await post<SplitPreview>("/api/split/preview", change)));
  const write = () =>
    tried(async () => {
      const done = await post<SplitDone>("/api/split", { ...change, version: preview?.version ?? change.version });
      setWritten({ when: Date.now(), says: done.says });
      setPreview(null);
      setDraft(null);
    });
  const moved = draft?.some((weight, n) => weight !== split.backends[n]?.weight);
  return (
    <article class="card split-card" aria-label={`Split of ${split.service.name}`} data-split={split.id}>
      <header class="card-head">
        <h2>
          {split.service.name}
          <span class="subject-where">
            {split.cluster} / {split.namespace} · {split.kind} {split.name}
            {split.matches && ` · ${split.matches}`}
          </span>
        </h2>
        <Badge mark={split.rules ? "ok" : "warn"}>{split.rules ? "in force" : "overruled"}</Badge>
      </header>
      {split.says && <p class={split.rules ? "quiet" : ""}>{split.says}</p>}
      <Stacks split={split} wanted={moved ? wanted : null} />
      <ul class="backends">
        {split.backends.map((one, n) => (
          <BackendRow
            key={keyOf(one)}
            backend={one}
            at={n}
            weight={weights[n] ?? 0}
            share={wanted[n] ?? null}
            fixed={!split.writable}
            onMove={(weight) => setDraft(slid(weights, n, weight))}
          />
        ))}
      </ul>
      {refusal && <Notice mark="fail" sentence={refusal.sentence} hint={refusal.hint} alert />}
      <div class="toolbar" aria-live="polite">
        {split.writable && (
          <button type="button" class="button" disabled={!moved || busy} onClick={look}>
            Show what would change
          </button>
        )}
        {moved && (
          <button type="button" class="plain" onClick={() => setDraft(null)}>
            Take back
          </button>
        )}
        {!split.writable && <span class="quiet">It cannot be written from here.</span>}
        {written && <Written written={written} split={split} />}
      </div>
      <Moving split={split} at={at} wrote={written?.when ?? 0} />
      <Command command={split.command} label="By hand" />
      {preview && <SplitDialog preview={preview} busy={busy} onWrite={write} onClose={() => setPreview(null)} />}
    </article>
  );
}

/** How far what is measured is from what is written: half the sum of the distances. */
export function distance(backends: Backend[]): number | null {
  if (backends.some((one) => one.intended === null) || backends.every((one) => one.measured === null)) return null;
  return backends.reduce((sum, one) => sum + Math.abs((one.intended ?? 0) - (one.measured ?? 0)), 0) / 2;
}

const ARRIVED = 0.05;

function Written({ written, split }: { written: { when: number; says: string }; split: Split }): JSX.Element {
  const [arrived, setArrived] = useState(0);
  const away = distance(split.backends);
  useEffect(() => setArrived(0), [written.when]);
  useEffect(() => {
    if (!arrived && away !== null && away <= ARRIVED) setArrived(Date.now());
  }, [away]);
  if (arrived)
    return <Badge mark="ok">{`Traffic follows, ${age((arrived - written.when) / 1000)} after it was written`}</Badge>;
  return <Badge mark="unknown">{written.says || "Written"}; the measured shares are on their way</Badge>;
}

function Stacks({ split, wanted }: { split: Split; wanted: number[] | null }): JSX.Element {
  const measured = split.backends.map((one) => one.measured);
  return (
    <div class="stacks">
      <Stack
        label={wanted ? "New" : "Written"}
        parts={wanted ?? split.backends.map((one) => one.intended)}
        backends={split.backends}
      />
      <Stack
        label="Measured"
        parts={measured}
        backends={split.backends}
        none={split.backends.some((one) => one.golden) ? "No requests in this window." : "Not measured."}
      />
    </div>
  );
}

function Stack(props: { label: string; parts: Array<number | null>; backends: Backend[]; none?: string }): JSX.Element {
  const known = props.parts.some((part) => part !== null);
  return (
    <div class="stack-line">
      <span class="stack-label">{props.label}</span>
      {known ? (
        <span class="stack-bar" data-stack={props.label.toLowerCase()}>
          {props.parts.map((part, n) =>
            part ? (
              <span
                class={`stack-part part-${n % 6}`}
                key={keyOf(props.backends[n])}
                style={{ width: `${part * 100}%` }}
              >
                {part >= 0.12 && percent(Math.round(part * 100) / 100)}
              </span>
            ) : null,
          )}
        </span>
      ) : (
        <span class="quiet">{props.none ?? "Not known."}</span>
      )}
    </div>
  );
}

interface RowProps {
  backend: Backend;
  at: number;
  weight: number;
  share: number | null;
  fixed: boolean;
  onMove: (weight: number) => void;
}

function BackendRow({ backend, at, weight, share, fixed, onMove }: RowProps): JSX.Element {
  const most = Math.max(100, weight, backend.weight);
  return (
    <li class="backend">
      <span class="backend-name">
        <i class={`swatch part-${at % 6}`} aria-hidden="true" />
        <span class="subject">
          <span>{backend.name}</span>
          <span class="subject-where">
            {backend.link ? `over ${backend.link}` : "in this cluster"}
            {backend.port !== null && ` · port ${backend.port}`}
          </span>
        </span>
        {!backend.exists && <Badge mark="fail">does not exist</Badge>}
      </span>
      <input
        type="range"
        min={0}
        max={most}
        value={weight}
        disabled={fixed}
        aria-label={`Weight of ${backend.name}`}
        aria-valuetext={`${weight}, ${percent(share)} of the traffic`}
        onInput={(event) => onMove(Number(event.currentTarget.value))}
      />
      <input
        type="number"
        class="weight"
        min={0}
        max={1_000_000}
        value={weight}
        disabled={fixed}
        aria-label={`Weight of ${backend.name} as a number`}
        onChange={(event) =>
          onMove(Math.max(0, Math.min(1_000_000, Math.round(Number(event.currentTarget.value) || 0))))
        }
      />
      <span class="backend-figures">
        <span>
          <span class="quiet">written</span> {percent(share)}
        </span>
        <span>
          <span class="quiet">measured</span> <strong data-measured={backend.name}>{percent(backend.measured)}</strong>
        </span>
        <span>{rate(backend.golden?.rps ?? null)}/s</span>
        <Success golden={backend.golden} />
      </span>
    </li>
  );
}

const KEPT = 180;

/** What the measured shares did while one watched: the page keeps its own memory of them, three minutes or more. */
function Moving({ split, at, wrote }: { split: Split; at: number; wrote: number }): JSX.Element | null {
  const memory = useRef<Array<{ at: number; shares: Array<number | null> }>>([]);
  const last = memory.current.at(-1);
  if (last?.at !== at) {
    memory.current = [...memory.current, { at, shares: split.backends.map((one) => one.measured) }].slice(-KEPT);
  }
  return <Shares points={memory.current} names={split.backends.map((one) => one.name)} mark={wrote / 1000} />;
}
