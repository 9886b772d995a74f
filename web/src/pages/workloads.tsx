// Workloads of one kind, Services or pods, with golden metrics. In: view `workloads`. Out: a table.
import type { JSX } from "preact";
import { useLive } from "../live";
import { goldenColumns } from "../parts/golden";
import { Badge } from "../parts/marks";
import { SubjectLink, ViewPage } from "../parts/page";
import { matches, PickCluster, PickWindow, Search, Tabs, Toolbar } from "../parts/pick";
import { Empty } from "../parts/states";
import { type Column, Table } from "../parts/table";
import { amend, here } from "../place";
import type { Mark, WorkloadRow, Workloads } from "../shapes";
import { bytes, kindWord, short } from "../words";
import { Meshed } from "./namespaces";

const KINDS = ["deployment", "statefulset", "daemonset", "job", "cronjob", "replicaset", "pod", "service"];

export function phaseMark(status: string, failed: number): Mark {
  if (failed > 0 || status === "Failed") return "fail";
  if (status === "" || status === "Unknown") return "unknown";
  return status === "Running" || status === "Succeeded" ? "ok" : "warn";
}

export function columns(kind: string): Array<Column<WorkloadRow>> {
  const found: Array<Column<WorkloadRow>> = [
    {
      key: "name",
      head: kindWord(kind),
      cell: (row) => <SubjectLink subject={row.subject} kind={false} />,
      sort: (row) => row.subject.name,
    },
  ];
  if (kind === "pod") {
    found.push({
      key: "status",
      head: "Status",
      minor: 1,
      cell: (row) => <Badge mark={phaseMark(row.status, row.failed)}>{row.status || "Unknown"}</Badge>,
      sort: (row) => row.status,
    });
  }
  if (kind !== "service") {
    found.push({
      key: "meshed",
      head: "Meshed",
      number: true,
      minor: 3,
      cell: (row) => (
        <span class="with-badge">
          <Meshed meshed={row.meshed} pods={row.pods} />
          {row.failed > 0 && <Badge mark="fail">{row.failed} failed</Badge>}
        </span>
      ),
      sort: (row) => (row.pods ? row.meshed / row.pods : null),
    });
  }
  found.push(
    ...goldenColumns<WorkloadRow>(
      (row) => row.golden,
      (row) => row.spark,
    ),
    {
      key: "tcp",
      head: "TCP",
      number: true,
      minor: 2,
      cell: (row) => (row.tcpConnections === null ? "–" : short(row.tcpConnections)),
      sort: (row) => row.tcpConnections,
    },
    traffic("Read/s", (row) => row.readBytesPerSecond),
    traffic("Write/s", (row) => row.writeBytesPerSecond),
  );
  return found;
}

function traffic(head: string, of: (row: WorkloadRow) => number | null): Column<WorkloadRow> {
  return { key: head, head, number: true, minor: 1, cell: (row) => bytes(of(row)), sort: of };
}

export function rowId(row: WorkloadRow): string {
  const { cluster, namespace, kind, name } = row.subject;
  return `${cluster}/${namespace}/${kind}/${name}`;
}

export function WorkloadsPage(): JSX.Element {
  const { cluster = "", window = "", namespace = "", kind = "deployment", q = "" } = here.value.query;
  const live = useLive<Workloads>("workloads", { cluster, window, namespace, kind });
  const tools = (
    <>
      <Tabs
        label="Kind"
        name="kind"
        usual="deployment"
        options={KINDS.map((one) => ({ value: one, text: `${kindWord(one)}s` }))}
      />
      <Toolbar>
        <PickCluster />
        <PickWindow />
        <Search />
        {namespace && (
          <button
            type="button"
            class="chip"
            onClick={() => amend({ namespace: "" })}
            aria-label={`Namespace ${namespace}: show all namespaces`}
          >
            Namespace {namespace} <span aria-hidden="true">×</span>
          </button>
        )}
      </Toolbar>
    </>
  );
  return (
    <ViewPage title="Workloads" live={live} tools={tools}>
      {(data) => (
        <Table
          key={kind}
          caption={`${kindWord(kind)}s`}
          rows={data.rows.filter((row) => matches(q, row.subject.name, row.subject.namespace, row.subject.cluster))}
          columns={columns(kind)}
          id={rowId}
          order={{ key: "rps", down: true }}
          empty={
            <Empty
              title={
                q ? `Nothing matches “${q}”.` : `No ${kindWord(kind)} ${namespace ? `in ${namespace}` : "is there"}.`
              }
            />
          }
        />
      )}
    </ViewPage>
  );
}
