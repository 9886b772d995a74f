// Health: the control plane, the proxies, and what `isthmus check` finds. In: view `health`. Out: what is wrong first, the rest folded.
import type { JSX } from "preact";
import { useLive } from "../live";
import { Badge, Sign } from "../parts/marks";
import { Section, ViewPage } from "../parts/page";
import { PickCluster, Toolbar } from "../parts/pick";
import { Empty } from "../parts/states";
import { type Column, Table } from "../parts/table";
import { here } from "../place";
import type { CheckRow, Component, DataPlane, Health } from "../shapes";
import { urgency, worst } from "../tones";
import { count } from "../words";

const COMPONENTS: Array<Column<Component>> = [
  {
    key: "name",
    head: "Deployment",
    cell: (row) => (
      <span class="subject">
        <span>{row.name}</span>
        <span class="subject-where">
          {row.cluster} / {row.namespace}
        </span>
      </span>
    ),
    sort: (row) => row.name,
  },
  {
    key: "state",
    head: "State",
    cell: (row) => <Badge mark={row.mark}>{row.says}</Badge>,
    sort: (row) => urgency(row.mark),
  },
  {
    key: "ready",
    head: "Ready",
    number: true,
    cell: (row) => `${row.ready}/${row.wanted}`,
    sort: (row) => row.ready - row.wanted,
  },
  { key: "version", head: "Version", minor: 1, cell: (row) => row.version || "–", sort: (row) => row.version },
];

const PROXIES: Array<Column<DataPlane>> = [
  {
    key: "namespace",
    head: "Namespace",
    cell: (row) => (
      <span class="subject">
        <span>{row.namespace}</span>
        <span class="subject-where">{row.cluster}</span>
      </span>
    ),
    sort: (row) => row.namespace,
  },
  { key: "version", head: "Proxy version", cell: (row) => row.version || "–", sort: (row) => row.version },
  {
    key: "ready",
    head: "Ready",
    number: true,
    cell: (row) => `${row.ready}/${row.proxies}`,
    sort: (row) => row.ready - row.proxies,
  },
  {
    key: "state",
    head: "State",
    cell: (row) => (
      <Badge mark={row.mark}>{row.ready === row.proxies ? "ready" : `${row.proxies - row.ready} not ready`}</Badge>
    ),
    sort: (row) => urgency(row.mark),
  },
];

export function byCategory(
  rows: CheckRow[],
): Array<{ key: string; cluster: string; category: string; rows: CheckRow[] }> {
  const found = new Map<string, { key: string; cluster: string; category: string; rows: CheckRow[] }>();
  for (const row of rows) {
    const key = `${row.cluster}/${row.category}`;
    const held = found.get(key) ?? { key, cluster: row.cluster, category: row.category, rows: [] };
    held.rows.push(row);
    found.set(key, held);
  }
  const mark = (rows: CheckRow[]) => urgency(worst(rows.map((row) => row.verdict)));
  return [...found.values()].sort((a, b) => mark(a.rows) - mark(b.rows));
}

export function HealthPage(): JSX.Element {
  const { cluster = "" } = here.value.query;
  const live = useLive<Health>("health", { cluster });
  const tools = (
    <Toolbar>
      <PickCluster />
    </Toolbar>
  );
  return (
    <ViewPage title="Health" live={live} tools={tools}>
      {(data) => (
        <>
          <Summary rows={data.checks} />
          <Section title="Control plane">
            <Table
              caption="Control plane"
              rows={data.components}
              columns={COMPONENTS}
              id={(row) => `${row.cluster}/${row.namespace}/${row.name}`}
              order={{ key: "state", down: false }}
              empty={<Empty title="No control plane is installed.">isthmus install --apply puts one there.</Empty>}
            />
          </Section>
          <Section title="Proxies">
            <Table
              caption="Proxies by namespace and version"
              rows={data.dataPlane}
              columns={PROXIES}
              id={(row) => `${row.cluster}/${row.namespace}/${row.version}`}
              order={{ key: "state", down: false }}
              empty={<Empty title="No pod is meshed.">isthmus inject adds a proxy to a workload.</Empty>}
            />
          </Section>
          <Section title="Checks">
            {byCategory(data.checks).map((group) => (
              <Checks {...group} />
            ))}
            {data.checks.length === 0 && <Empty title="No check has run yet." />}
          </Section>
        </>
      )}
    </ViewPage>
  );
}

function Summary({ rows }: { rows: CheckRow[] }): JSX.Element | null {
  if (!rows.length) return null;
  const failed = rows.filter((row) => row.verdict === "fail").length;
  const warned = rows.filter((row) => row.verdict === "warn").length;
  return (
    <p class="summary">
      <Badge mark={failed ? "fail" : warned ? "warn" : "ok"}>
        {failed || warned
          ? [failed && `${failed} failing`, warned && `${warned} to look at`].filter(Boolean).join(", ")
          : "All checks hold"}
      </Badge>
      <span class="quiet">of {count(rows.length, "check")}</span>
    </p>
  );
}

function Checks(props: { cluster: string; category: string; rows: CheckRow[] }): JSX.Element {
  const mark = worst(props.rows.map((row) => row.verdict));
  return (
    <details class="checks" open={mark !== "ok"}>
      <summary>
        <Sign mark={mark} />
        <strong>{props.category}</strong>
        <span class="quiet">
          {props.cluster} · {count(props.rows.length, "check")}
        </span>
      </summary>
      <ul class="plain-list">
        {props.rows.map((row) => (
          <li key={row.id + row.says}>
            <Sign mark={row.verdict} />
            <span class="grow">
              {row.says}
              {row.lines.map((line) => (
                <span class="check-line" key={line}>
                  {line}
                </span>
              ))}
              {row.hint && row.verdict !== "ok" && <span class="hint">{row.hint}</span>}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}
