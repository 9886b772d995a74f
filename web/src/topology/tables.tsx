// The map as tables: who calls whom, and who there is. In: an overview, a filter. Out: two tables that tell all the map tells.
import type { JSX } from "preact";
import { goldenColumns } from "../parts/golden";
import { Badge } from "../parts/marks";
import { Section, SubjectLink } from "../parts/page";
import { matches } from "../parts/pick";
import { Empty } from "../parts/states";
import { type Column, Table } from "../parts/table";
import type { Edge, Node, Overview } from "../shapes";
import { percent, rate } from "../words";
import { LOCKS, lock, POLICIES } from "./edges";
import { split } from "./panel";

const EDGES: Array<Column<Edge>> = [
  {
    key: "from",
    head: "From",
    cell: (edge) => <SubjectLink subject={split(edge.source)} kind={false} />,
    sort: (edge) => edge.source,
  },
  {
    key: "to",
    head: "To",
    cell: (edge) => <SubjectLink subject={split(edge.target)} kind={false} />,
    sort: (edge) => edge.target,
  },
  ...goldenColumns<Edge>((edge) => edge.golden).filter((column) => column.key !== "P50"),
  {
    key: "secured",
    head: "mTLS",
    cell: (edge) => (
      <Badge mark={{ whole: "ok", partly: "warn", none: "warn", unknown: "unknown" }[lock(edge.secured)] as "ok"}>
        {lock(edge.secured) === "partly" ? percent(edge.secured) : LOCKS[lock(edge.secured)]}
      </Badge>
    ),
    sort: (edge) => edge.secured,
  },
  {
    key: "policy",
    head: "Policy",
    cell: (edge) => (
      <span title={edge.policySays}>
        {POLICIES[edge.policy]}
        {edge.deniedRps > 0 && ` (${rate(edge.deniedRps)}/s)`}
      </span>
    ),
    sort: (edge) => POLICIES[edge.policy],
  },
  { key: "link", head: "Link", minor: 2, cell: (edge) => edge.link || "–", sort: (edge) => edge.link || null },
];

export function EdgeTable({ data, q }: { data: Overview; q: string }): JSX.Element {
  const rows = data.edges.filter((edge) => matches(q, edge.source, edge.target, edge.service));
  return (
    <Section title="Who calls whom">
      <Table
        caption="Calls between workloads"
        rows={rows}
        columns={EDGES}
        id={(edge) => edge.id}
        order={{ key: "rps", down: true }}
        empty={<Empty title={q ? `No call matches “${q}”.` : "No calls in this window."} />}
      />
    </Section>
  );
}

const NODES: Array<Column<Node>> = [
  {
    key: "name",
    head: "Workload",
    cell: (node) => <SubjectLink subject={node.subject} />,
    sort: (node) => node.subject.name,
  },
  {
    key: "cluster",
    head: "Cluster",
    minor: 1,
    cell: (node) => node.subject.cluster || "–",
    sort: (node) => node.subject.cluster,
  },
  {
    key: "meshed",
    head: "Meshed",
    number: true,
    minor: 3,
    cell: (node) => `${node.meshed}/${node.pods}`,
    sort: (node) => (node.pods ? node.meshed / node.pods : null),
  },
  ...goldenColumns<Node>((node) => node.golden),
];

export function NodeTable({ data, q }: { data: Overview; q: string }): JSX.Element {
  const rows = data.nodes.filter((node) => matches(q, node.id));
  return (
    <Section title="Workloads">
      <Table
        caption="Workloads of the mesh"
        rows={rows}
        columns={NODES}
        id={(node) => node.id}
        order={{ key: "rps", down: true }}
        empty={<Empty title={q ? `No workload matches “${q}”.` : "No workload is known."} />}
      />
    </Section>
  );
}
