// One workload: who calls it, whom it calls, its routes, live requests, the policy that applies, its certificates, its pods.
// In: view `workload`. Out: markup.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useLive } from "../live";
import { Figures, goldenColumns } from "../parts/golden";
import { Badge } from "../parts/marks";
import { Section, SubjectLink, ViewPage } from "../parts/page";
import { PickWindow, Toolbar } from "../parts/pick";
import { Empty } from "../parts/states";
import { type Column, Table } from "../parts/table";
import { here } from "../place";
import { RequestList, useRequests } from "../requests/list";
import { href } from "../route";
import type { Certificate, Peer, RouteRow, Rule, Subject, Workload } from "../shapes";
import { LOCKS, lock } from "../topology/edges";
import { age, count, kindWord, NONE, rate } from "../words";
import { Meshed } from "./namespaces";
import { SparkCharts } from "./sparkcharts";
import { columns, rowId } from "./workloads";

export function WorkloadPage(): JSX.Element {
  const subject = here.value.subject ?? { cluster: "", namespace: "", kind: "", name: "" };
  const window = here.value.query.window ?? "";
  const live = useLive<Workload>("workload", { ...subject, window });
  const where = (
    <>
      {kindWord(subject.kind)} in{" "}
      <a href={href("workloads", { cluster: subject.cluster, namespace: subject.namespace })}>{subject.namespace}</a> of{" "}
      {subject.cluster}
    </>
  );
  return (
    <ViewPage
      title={subject.name}
      lead={where}
      live={live}
      tools={
        <Toolbar>
          <PickWindow />
        </Toolbar>
      }
    >
      {(data) =>
        data.found ? (
          <Found data={data} />
        ) : (
          <Empty
            title={`There is no ${kindWord(subject.kind)} ${subject.name} in ${subject.namespace} of ${subject.cluster}.`}
          >
            It may be gone, or its name was written differently.
          </Empty>
        )
      }
    </ViewPage>
  );
}

function Found({ data }: { data: Workload }): JSX.Element {
  const inbound = inOrder(data.routes.filter((row) => row.side === "inbound"));
  const outbound = inOrder(data.routes.filter((row) => row.side === "outbound"));
  return (
    <>
      <div class="topline">
        <Figures golden={data.golden} />
        {data.pods > 0 && <Meshed meshed={data.meshed} pods={data.pods} />}
      </div>
      {data.golden.rps === 0 && data.downstream.length > 0 && (
        <p class="quiet">It received nothing in this window; what it sent is below.</p>
      )}
      {data.spark && <SparkCharts spark={data.spark} />}
      <div class="pair">
        <Peers title="Called by" rows={data.upstream} none="Nobody called it in this window." />
        <Peers title="Calls" rows={data.downstream} none="It called nobody in this window." />
      </div>
      <Requests subject={data.subject} meshed={data.meshed} />
      <Routes title="Requests received, by route" rows={inbound} />
      <Routes title="Requests sent, by route and backend" rows={outbound} />
      <Rules rows={data.rules} />
      <Certificates rows={data.certificates} />
      {data.podRows.length > 0 && (
        <Section title="Pods">
          <Table caption="Pods" rows={data.podRows} columns={columns("pod")} id={rowId} />
        </Section>
      )}
    </>
  );
}

/** Each route as a whole, then its backends. */
export function inOrder(rows: RouteRow[]): RouteRow[] {
  const key = (row: RouteRow) => [row.server, row.service, row.route, row.type, row.backend].join("\n");
  return [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

const PEERS: Array<Column<Peer>> = [
  {
    key: "name",
    head: "Workload",
    cell: (peer) => <SubjectLink subject={peer.subject} />,
    sort: (peer) => peer.subject.name,
  },
  ...goldenColumns<Peer>((peer) => peer.golden).filter((column) => ["success", "rps", "P99"].includes(column.key)),
  {
    key: "mtls",
    head: "mTLS",
    cell: (peer) => (
      <span title={peer.identity}>
        <Badge mark={({ whole: "ok", partly: "warn", none: "warn", unknown: "unknown" } as const)[lock(peer.secured)]}>
          {LOCKS[lock(peer.secured)]}
        </Badge>
      </span>
    ),
    sort: (peer) => peer.secured,
  },
  {
    key: "denied",
    head: "Denied/s",
    number: true,
    minor: 2,
    cell: (peer) => (peer.deniedRps > 0 ? rate(peer.deniedRps) : NONE),
    sort: (peer) => peer.deniedRps,
  },
];

function Peers(props: { title: string; rows: Peer[]; none: string }): JSX.Element {
  return (
    <Section title={props.title}>
      <Table
        caption={props.title}
        rows={props.rows}
        columns={PEERS}
        id={(peer) =>
          `${peer.subject.cluster}/${peer.subject.namespace}/${peer.subject.kind}/${peer.subject.name}/${peer.service}`
        }
        order={{ key: "rps", down: true }}
        empty={<Empty title={props.none} />}
      />
    </Section>
  );
}

function Requests({ subject, meshed }: { subject: Subject; meshed: number }): JSX.Element {
  const [on, set] = useState(false);
  const ask = on ? { ...subject, maxRps: "20", join: "true" } : null;
  const requests = useRequests(ask);
  const address = href("tap", { ...subject, on: "yes", join: "yes" });
  return (
    <Section
      title="Live requests"
      note={
        <>
          <button type="button" class="button small" onClick={() => set(!on)} disabled={meshed === 0 && !on}>
            {on ? "Stop" : "Watch"}
          </button>{" "}
          {meshed === 0 ? "No pod of it is meshed, so that nobody can tell of its requests. " : ""}
          <a href={address}>Open in Tap</a>
        </>
      }
    >
      {on && <RequestList requests={requests} most={20} />}
    </Section>
  );
}

const ROUTES: Array<Column<RouteRow>> = [
  {
    key: "route",
    head: "Route",
    cell: (row) => (
      <span class={row.backend ? "subject leaf" : "subject"}>
        <span>{row.backend || row.route || "(no route)"}</span>
        <span class="subject-where">
          {row.backend
            ? `backend${row.weight === null ? "" : `, weight ${row.weight}`}`
            : [row.type, row.server || row.service].filter(Boolean).join(" · ")}
        </span>
      </span>
    ),
  },
  ...goldenColumns<RouteRow>((row) => row.golden).map(({ sort: _, ...column }) => column),
  { key: "denied", head: "Denied/s", number: true, minor: 1, cell: (row) => rate(row.deniedRps) },
  { key: "timeouts", head: "Timeouts/s", number: true, minor: 1, cell: (row) => rate(row.timeoutsPerSecond) },
  { key: "retries", head: "Retries/s", number: true, minor: 1, cell: (row) => rate(row.retriesPerSecond) },
];

function Routes({ title, rows }: { title: string; rows: RouteRow[] }): JSX.Element | null {
  if (!rows.length) return null;
  return (
    <Section title={title}>
      <Table
        caption={title}
        rows={rows}
        columns={ROUTES}
        id={(row) => [row.server, row.service, row.route, row.type, row.backend].join("/")}
      />
    </Section>
  );
}

const RULES: Array<Column<Rule>> = [
  {
    key: "port",
    head: "Port",
    cell: (row) => (
      <span class="subject">
        <span>{row.port || "every port"}</span>
        <span class="subject-where">
          {[row.server && `Server ${row.server}`, row.protocol].filter(Boolean).join(" · ")}
        </span>
      </span>
    ),
    sort: (row) => row.port,
  },
  { key: "says", head: "Who may call", cell: (row) => <span class="wrap">{row.says}</span> },
  { key: "by", head: "By", minor: 1, cell: (row) => (row.name ? `${row.kind} ${row.name}` : row.kind) },
  {
    key: "allowed",
    head: "Allowed/s",
    number: true,
    cell: (row) => rate(row.allowedRps),
    sort: (row) => row.allowedRps,
  },
  { key: "denied", head: "Denied/s", number: true, cell: (row) => rate(row.deniedRps), sort: (row) => row.deniedRps },
];

function Rules({ rows }: { rows: Rule[] }): JSX.Element {
  return (
    <Section title="Policy that applies">
      <Table
        caption="Policy"
        rows={rows}
        columns={RULES}
        id={(row) => [row.server, row.port, row.kind, row.name].join("/")}
        empty={<Empty title="No policy object speaks for its ports; the cluster's default holds." />}
      />
    </Section>
  );
}

function Certificates({ rows }: { rows: Certificate[] }): JSX.Element {
  const now = Date.now() / 1000;
  const table: Array<Column<Certificate>> = [
    { key: "pod", head: "Pod", cell: (row) => row.pod, sort: (row) => row.pod },
    { key: "identity", head: "Identity", minor: 1, cell: (row) => <span class="long">{row.identity || NONE}</span> },
    {
      key: "expires",
      head: "Expires in",
      number: true,
      cell: (row) =>
        row.expires === null ? NONE : row.expires < now ? `${age(now - row.expires)} ago` : age(row.expires - now),
      sort: (row) => row.expires,
    },
    { key: "state", head: "State", cell: (row) => <Badge mark={row.mark}>{row.says}</Badge> },
  ];
  return (
    <Section title="Certificates" note={rows.length ? count(rows.length, "proxy", "proxies") : undefined}>
      <Table
        caption="Certificates of its proxies"
        rows={rows}
        columns={table}
        id={(row) => row.pod}
        empty={<Empty title="None of its pods has a certificate." />}
      />
    </Section>
  );
}
