// Overview: the mesh as a map or as a table. In: view `overview`. Out: markup; what is open, hidden and selected stands in the address.
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { session } from "../ask";
import { useLive } from "../live";
import { ViewPage } from "../parts/page";
import { matches, PickCluster, PickWindow, Search, Tabs, Toolbar } from "../parts/pick";
import { Empty } from "../parts/states";
import { amend, here } from "../place";
import type { Overview } from "../shapes";
import { Graph } from "../topology/graph";
import { type Shown, show, structure } from "../topology/group";
import { plan } from "../topology/layout";
import { Legend } from "../topology/legend";
import { Panel } from "../topology/panel";
import { EdgeTable, NodeTable } from "../topology/tables";
import { count } from "../words";

/** How much room the map has, in steps, so that a window being dragged does not lay out at every pixel. */
function useRoom(): { width: number; height: number } {
  const look = () => ({
    width: Math.ceil((innerWidth - (innerWidth > 760 ? 280 : 30)) / 120) * 120,
    height: Math.ceil(Math.max(440, innerHeight - 270) / 120) * 120,
  });
  const [room, set] = useState(look);
  useEffect(() => {
    const change = () =>
      set((old) => {
        const next = look();
        return next.width === old.width && next.height === old.height ? old : next;
      });
    addEventListener("resize", change);
    return () => removeEventListener("resize", change);
  }, []);
  return room;
}

/** Namespaces the viewer opened or closed, as the address keeps them: `open=east/a,-east/b`. */
export function choices(text: string): Map<string, boolean> {
  const words = text.split(",").filter(Boolean);
  return new Map(words.map((word) => (word.startsWith("-") ? [word.slice(1), false] : [word, true])));
}

export function chosen(choice: ReadonlyMap<string, boolean>): string {
  return [...choice].map(([place, open]) => (open ? place : `-${place}`)).join(",");
}

export function OverviewPage(): JSX.Element {
  const { cluster = "", window = "", as = "" } = here.value.query;
  const live = useLive<Overview>("overview", { cluster, window });
  const tools = (
    <Toolbar>
      <Tabs
        label="Show as"
        name="as"
        usual="map"
        options={[
          { value: "map", text: "Map" },
          { value: "table", text: "Table" },
        ]}
      />
      <PickCluster />
      <PickWindow />
      <Search label="Filter workloads" />
    </Toolbar>
  );
  return (
    <ViewPage title="Overview" live={live} tools={tools}>
      {(data) => (as === "table" ? <Tables data={data} /> : <Mesh data={data} live={live.state === "live"} />)}
    </ViewPage>
  );
}

function Tables({ data }: { data: Overview }): JSX.Element {
  const q = here.value.query.q ?? "";
  return (
    <>
      <EdgeTable data={data} q={q} />
      <NodeTable data={data} q={q} />
    </>
  );
}

/** Which namespaces there are, as buttons: the way to open and close them without a mouse. */
function Places(props: { data: Overview; shown: Shown; toggle: (place: string) => void }): JSX.Element | null {
  const open = new Set(props.shown.open);
  const closed = props.shown.spots.filter((spot) => !spot.node && !spot.id.endsWith("/…")).map((spot) => spot.id);
  const all = [...new Set([...open, ...closed])].sort();
  if (all.length < 2) return null;
  return (
    <details class="places">
      <summary>
        {count(all.length, "namespace")}, {open.size} open
      </summary>
      <div class="places-all">
        {all.map((place) => (
          <button
            type="button"
            class="chip"
            key={place}
            aria-pressed={open.has(place)}
            onClick={() => props.toggle(place)}
          >
            {place}
          </button>
        ))}
      </div>
    </details>
  );
}

function Mesh({ data, live }: { data: Overview; live: boolean }): JSX.Element {
  const { q = "", open = "", idle = "", at = "" } = here.value.query;
  const room = useRoom();
  const choice = choices(open);
  const shown = useMemo(
    () =>
      show(data, {
        choice,
        idle: idle === "yes",
        fits: (node) => matches(q, node.subject.name, node.subject.namespace, node.subject.cluster),
      }),
    [data, open, idle, q],
  );
  const clusters = data.clusters.map((one) => one.name);
  const shape = `${structure(shown)}|${clusters.join()}|${room.width}x${room.height}`;
  const placed = useMemo(() => plan(shown, clusters, room), [shape]);
  const toggle = (place: string) => {
    const next = new Map(choice);
    next.set(place, !shown.open.includes(place));
    amend({ open: chosen(next) });
  };
  if (data.nodes.length === 0 && data.head.problems.length > 0)
    return <Empty title="Nothing to draw yet.">No cluster has told of its workloads. The lines above say why.</Empty>;
  const spot = shown.spots.find((one) => one.id === at);
  const tie = shown.ties.find((one) => one.id === at);
  return (
    <div class="mesh">
      <div class="mesh-line">
        <Places data={data} shown={shown} toggle={toggle} />
        {(shown.hidden > 0 || idle === "yes") && (
          <button
            type="button"
            class="chip"
            aria-pressed={idle === "yes"}
            onClick={() => amend({ idle: idle ? "" : "yes" })}
          >
            {idle === "yes"
              ? "Workloads without traffic are shown"
              : `${count(shown.hidden, "workload")} without traffic hidden`}
          </button>
        )}
        <Legend />
      </div>
      {shown.spots.length === 0 ? (
        <Empty title={q ? `No workload matches “${q}”.` : "No traffic in this window."}>
          {!q &&
            `${session.value?.clusters.length ? "Send some requests between meshed workloads" : "Wait for a cluster"}, or show workloads without traffic.`}
        </Empty>
      ) : (
        <div class="mesh-body">
          <Graph
            shown={shown}
            plan={placed}
            clusters={data.clusters}
            selected={at}
            onSelect={(id) => amend({ at: id === at ? "" : id })}
            onToggle={toggle}
            live={live}
          />
          {(spot || tie) && <Panel spot={spot} tie={tie} shown={shown} onSelect={(id) => amend({ at: id })} />}
        </div>
      )}
    </div>
  );
}
