// Golden metrics as cells and as columns of a table. In: a `Golden`. Out: markup. Never here: thresholds (tones.ts), units (words.ts).
import type { JSX } from "preact";
import type { Golden, Spark } from "../shapes";
import { ofSuccess } from "../tones";
import { millis, rate } from "../words";
import { Share } from "./marks";
import { Sparkline } from "./spark";
import type { Column } from "./table";

export function Success({ golden }: { golden: Golden | null }): JSX.Element {
  const success = golden?.success ?? null;
  return <Share share={success} mark={ofSuccess(success)} />;
}

/** The four columns of golden metrics, for rows of any kind; `spark` adds a line beside the rate. */
export function goldenColumns<R>(of: (row: R) => Golden | null, spark?: (row: R) => Spark | null): Array<Column<R>> {
  return [
    {
      key: "success",
      head: "Success",
      number: true,
      cell: (row) => <Success golden={of(row)} />,
      sort: (row) => of(row)?.success ?? null,
    },
    {
      key: "rps",
      head: "Requests/s",
      number: true,
      cell: (row) => (
        <span class="rate">
          {spark && <Sparkline spark={spark(row)} />}
          <span>{rate(of(row)?.rps ?? null)}</span>
        </span>
      ),
      sort: (row) => of(row)?.rps ?? null,
    },
    latency("P50", 1, (row) => of(row)?.p50 ?? null),
    latency("P95", 2, (row) => of(row)?.p95 ?? null),
    latency("P99", undefined, (row) => of(row)?.p99 ?? null),
  ];
}

function latency<R>(head: string, minor: 1 | 2 | undefined, of: (row: R) => number | null): Column<R> {
  const column: Column<R> = { key: head, head, number: true, cell: (row) => millis(of(row)), sort: of };
  return minor ? { ...column, minor } : column;
}

/** The same four as big figures on top of a page. */
export function Figures({ golden }: { golden: Golden }): JSX.Element {
  return (
    <dl class="figures">
      <div>
        <dt>Success</dt>
        <dd>
          <Success golden={golden} />
        </dd>
      </div>
      <div>
        <dt>Requests/s</dt>
        <dd>{rate(golden.rps)}</dd>
      </div>
      {(["p50", "p95", "p99"] as const).map((key) => (
        <div key={key}>
          <dt>{key.toUpperCase()}</dt>
          <dd>{millis(golden[key])}</dd>
        </div>
      ))}
    </dl>
  );
}
