// Policy: who may call whom, and who was denied. In: view `policy`. Out: tables.
import type { JSX } from "preact";
import { useLive } from "../live";
import { Badge } from "../parts/marks";
import { Section, SubjectLink, ViewPage } from "../parts/page";
import { matches, PickCluster, PickWindow, Search, Toolbar } from "../parts/pick";
import { Empty } from "../parts/states";
import { type Column, Table } from "../parts/table";
import { here } from "../place";
import type { Denial, Permission, Policy } from "../shapes";
import { rate } from "../words";

const DENIALS: Array<Column<Denial>> = [
  {
    key: "who",
    head: "Who",
    cell: (row) => <span class="long">{row.client || "not told by the proxies"}</span>,
    sort: (row) => row.client,
  },
  { key: "whom", head: "Called", cell: (row) => <SubjectLink subject={row.target} />, sort: (row) => row.target.name },
  { key: "server", head: "Server", minor: 1, cell: (row) => row.server || "–", sort: (row) => row.server },
  { key: "says", head: "Why", minor: 2, cell: (row) => <span class="wrap">{row.says}</span> },
  {
    key: "rps",
    head: "Denied/s",
    number: true,
    cell: (row) => <Badge mark="fail">{rate(row.rps)}</Badge>,
    sort: (row) => row.rps,
  },
];

function List({ items, most, none }: { items: string[]; most: number; none: string }): JSX.Element {
  return (
    <span class="stack" title={items.join("\n")}>
      {items.length ? (
        items.slice(0, most).map((one) => <span key={one}>{one}</span>)
      ) : (
        <span class="quiet">{none}</span>
      )}
      {items.length > most && <span class="quiet">and {items.length - most} more</span>}
    </span>
  );
}

const PERMISSIONS: Array<Column<Permission>> = [
  {
    key: "clients",
    head: "Who may call",
    cell: (row) => <List items={row.clients} most={3} none="nobody" />,
    sort: (row) => row.clients.join(),
  },
  {
    key: "workloads",
    head: "Whom",
    cell: (row) => (
      <span class="subject">
        <List items={row.workloads} most={3} none="no workload" />
        <span class="subject-where">
          {row.cluster} / {row.namespace}
        </span>
      </span>
    ),
    sort: (row) => row.workloads.join(),
  },
  {
    key: "port",
    head: "Port",
    cell: (row) => (
      <span class="subject">
        <span>{row.port}</span>
        <span class="subject-where">
          {[row.protocol, row.route && `route ${row.route}`].filter(Boolean).join(" · ")}
        </span>
      </span>
    ),
    sort: (row) => row.port,
  },
  {
    key: "by",
    head: "By",
    minor: 1,
    cell: (row) => (
      <span class="subject">
        <span>{row.name || row.server}</span>
        <span class="subject-where">
          {row.kind}
          {row.server && row.kind !== "Server" && ` · Server ${row.server}`}
        </span>
      </span>
    ),
    sort: (row) => row.kind + row.name,
  },
  {
    key: "allowed",
    head: "Allowed/s",
    number: true,
    cell: (row) => rate(row.allowedRps),
    sort: (row) => row.allowedRps,
  },
  {
    key: "denied",
    head: "Denied/s",
    number: true,
    cell: (row) => ((row.deniedRps ?? 0) > 0 ? <Badge mark="fail">{rate(row.deniedRps)}</Badge> : rate(row.deniedRps)),
    sort: (row) => row.deniedRps,
  },
];

export function PolicyPage(): JSX.Element {
  const { cluster = "", window = "", namespace = "", q = "" } = here.value.query;
  const live = useLive<Policy>("policy", { cluster, window, namespace });
  const tools = (
    <Toolbar>
      <PickCluster />
      <PickWindow />
      <Search label="Filter policy" />
    </Toolbar>
  );
  return (
    <ViewPage title="Policy" live={live} tools={tools}>
      {(data) => (
        <>
          <Section title="Where no object speaks">
            <ul class="plain-list">
              {Object.entries(data.defaults).map(([name, says]) => (
                <li key={name}>
                  <strong>{name}</strong>
                  <span class="grow">{says}</span>
                </li>
              ))}
            </ul>
          </Section>
          <Section title="Denied">
            <Table
              caption="Who was denied"
              rows={data.denials.filter((row) =>
                matches(q, row.client, row.target.name, row.target.namespace, row.server),
              )}
              columns={DENIALS}
              id={(row) => [row.cluster, row.client, row.target.namespace, row.target.name, row.server].join("/")}
              order={{ key: "rps", down: true }}
              empty={<Empty title="Nobody was denied in this window." />}
            />
          </Section>
          <Section title="Who may call whom">
            <Table
              caption="Permissions"
              rows={data.permissions.filter((row) =>
                matches(q, row.server, row.name, row.namespace, ...row.clients, ...row.workloads),
              )}
              columns={PERMISSIONS}
              id={(row) => [row.cluster, row.namespace, row.server, row.port, row.route, row.kind, row.name].join("/")}
              order={{ key: "denied", down: true }}
              empty={
                <Empty
                  title={
                    q
                      ? `No permission matches “${q}”.`
                      : "No Server restricts who may call; the defaults above hold everywhere."
                  }
                />
              }
            />
          </Section>
        </>
      )}
    </ViewPage>
  );
}
