// Namespaces: how each is, and how much of it is meshed. In: view `namespaces`. Out: a table.
import type { JSX } from "preact";
import { useLive } from "../live";
import { goldenColumns } from "../parts/golden";
import { Share } from "../parts/marks";
import { ViewPage } from "../parts/page";
import { matches, PickCluster, PickWindow, Search, Toolbar } from "../parts/pick";
import { Empty } from "../parts/states";
import { type Column, Table } from "../parts/table";
import { here } from "../place";
import { carried, href } from "../route";
import type { Mark, NamespaceRow, Namespaces } from "../shapes";

export function meshedMark(meshed: number, pods: number): Mark {
  if (pods === 0 || meshed === 0) return "unknown";
  return meshed === pods ? "ok" : "warn";
}

export function Meshed({ meshed, pods }: { meshed: number; pods: number }): JSX.Element {
  return (
    <span class="meshed" title={`${meshed} of ${pods} pods meshed`}>
      <span>
        {meshed}/{pods}
      </span>
      {pods > 0 && <Share share={meshed / pods} mark={meshedMark(meshed, pods)} />}
    </span>
  );
}

const COLUMNS: Array<Column<NamespaceRow>> = [
  {
    key: "name",
    head: "Namespace",
    cell: (row) => (
      <span class="subject">
        <a href={href("workloads", { ...carried(here.value.query), cluster: row.cluster, namespace: row.name })}>
          {row.name}
        </a>
        <span class="subject-where">{row.cluster}</span>
      </span>
    ),
    sort: (row) => row.name,
  },
  {
    key: "meshed",
    head: "Meshed",
    number: true,
    minor: 3,
    cell: (row) => <Meshed meshed={row.meshed} pods={row.pods} />,
    sort: (row) => (row.pods ? row.meshed / row.pods : null),
  },
  ...goldenColumns<NamespaceRow>(
    (row) => row.golden,
    (row) => row.spark,
  ),
];

export function NamespacesPage(): JSX.Element {
  const { cluster = "", window = "", q = "" } = here.value.query;
  const live = useLive<Namespaces>("namespaces", { cluster, window });
  const tools = (
    <Toolbar>
      <PickCluster />
      <PickWindow />
      <Search label="Filter namespaces" />
    </Toolbar>
  );
  return (
    <ViewPage title="Namespaces" live={live} tools={tools}>
      {(data) => (
        <Table
          caption="Namespaces"
          rows={data.rows.filter((row) => matches(q, row.name, row.cluster))}
          columns={COLUMNS}
          id={(row) => `${row.cluster}/${row.name}`}
          order={{ key: "rps", down: true }}
          empty={<Empty title={q ? `No namespace matches “${q}”.` : "No namespace is known."} />}
        />
      )}
    </ViewPage>
  );
}
