// What of a mesh is drawn. In: nodes and edges of an overview, what the viewer opened, what is asked to be hidden.
// Out: spots (a workload, or a closed namespace as one) and ties between them, few enough to be read. Never here: positions (layout.ts).
//
// Limits: a namespace shows its 40 busiest workloads and one spot for the rest; without a choice of the viewer's, namespaces are open
// as long as the whole has at most 40 spots. Prometheus reads every proxy: its lines are drawn only where its namespace is open.
import type { Edge, Golden, Mark, Node, Overview } from "../shapes";
import { ofSuccess } from "../tones";

const OPEN_BELOW = 40;
const BUSIEST = 40;
/** The mesh's own rooms, which talk to everybody: closed until somebody wants to see in. */
const OWN = new Set(["linkerd", "linkerd-viz"]);
const SCRAPER = "linkerd-viz/prometheus";

export interface Spot {
  id: string;
  cluster: string;
  namespace: string;
  name: string;
  /** The workload; null for a closed namespace, or for the rest of one. */
  node: Node | null;
  members: Node[];
  golden: Golden;
  /** What it sends to others: all there is to judge a mere client by. */
  sent: Golden;
  mark: Mark;
  pods: number;
  meshed: number;
}

export interface Tie {
  id: string;
  source: string;
  target: string;
  edges: Edge[];
  golden: Golden;
  mark: Mark;
  secured: number | null;
  policy: Edge["policy"];
  denied: number;
  link: string;
}

export interface Shown {
  spots: Spot[];
  ties: Tie[];
  /** Namespaces (`cluster/namespace`) that are drawn as a box with their workloads in it. */
  open: string[];
  hidden: number;
}

export interface Wish {
  /** Namespaces the viewer opened or closed. */
  choice: ReadonlyMap<string, boolean>;
  idle: boolean;
  /** A workload stays when this says so. */
  fits: (node: Node) => boolean;
}

/** Several golden metrics as one: rates add up, success weighs by rate, latencies are the worst. */
export function together(all: Golden[]): Golden {
  const rps = all.reduce((sum, one) => sum + one.rps, 0);
  const judged = all.filter((one) => one.success !== null && one.rps > 0);
  const weight = judged.reduce((sum, one) => sum + one.rps, 0);
  const success = weight ? judged.reduce((sum, one) => sum + one.rps * (one.success ?? 0), 0) / weight : null;
  return { rps, success, p50: most(all, "p50"), p95: most(all, "p95"), p99: most(all, "p99") };
}

function most(all: Golden[], key: "p50" | "p95" | "p99"): number | null {
  return all.reduce<number | null>((found, one) => {
    const value = one[key];
    return value === null ? found : Math.max(found ?? 0, value);
  }, null);
}

export function home(node: Node): string {
  return `${node.subject.cluster}/${node.subject.namespace}`;
}

function byHome(nodes: Node[]): Map<string, Node[]> {
  const found = new Map<string, Node[]>();
  for (const node of nodes) {
    const place = home(node);
    const list = found.get(place);
    if (list) list.push(node);
    else found.set(place, [node]);
  }
  return found;
}

function spot(id: string, name: string, members: Node[], single: boolean): Spot {
  const first = members[0];
  const golden = single && first ? first.golden : together(members.map((node) => node.golden));
  return {
    id,
    name,
    cluster: first?.subject.cluster ?? "",
    namespace: first?.subject.namespace ?? "",
    node: single ? (first ?? null) : null,
    members,
    golden,
    sent: together([]),
    mark: ofSuccess(golden.success),
    pods: members.reduce((sum, node) => sum + node.pods, 0),
    meshed: members.reduce((sum, node) => sum + node.meshed, 0),
  };
}

/** The spots of one namespace. */
function spots(place: string, nodes: Node[], open: boolean): Spot[] {
  const namespace = nodes[0]?.subject.namespace ?? "";
  if (!open) return [spot(place, namespace, nodes, false)];
  const ordered = [...nodes].sort((a, b) => b.golden.rps - a.golden.rps || a.id.localeCompare(b.id));
  const busiest = ordered.slice(0, ordered.length > BUSIEST + 1 ? BUSIEST : ordered.length);
  const rest = ordered.slice(busiest.length);
  const found = busiest.map((node) => spot(node.id, node.subject.name, [node], true));
  if (rest.length) found.push(spot(`${place}/…`, `${rest.length} more`, rest, false));
  return found.sort((a, b) => a.id.localeCompare(b.id));
}

const WORST: Record<Edge["policy"], number> = { denying: 3, unknown: 2, open: 1, ruled: 0 };

function tie(source: string, target: string, edges: Edge[]): Tie {
  const golden = together(edges.map((edge) => edge.golden));
  const known = edges.filter((edge) => edge.secured !== null);
  return {
    id: `${source}>${target}`,
    source,
    target,
    edges,
    golden,
    mark: ofSuccess(golden.success),
    // The least secured edge speaks for all: a lock must not promise what one of them does not keep.
    secured: known.length ? Math.min(...known.map((edge) => edge.secured ?? 0)) : null,
    policy: edges.reduce<Edge["policy"]>(
      (found, edge) => (WORST[edge.policy] > WORST[found] ? edge.policy : found),
      "ruled",
    ),
    denied: edges.reduce((sum, edge) => sum + edge.deniedRps, 0),
    link: edges.find((edge) => edge.link)?.link ?? "",
  };
}

function ties(edges: Edge[], spotOf: ReadonlyMap<string, string>): Tie[] {
  const found = new Map<string, { source: string; target: string; edges: Edge[] }>();
  for (const edge of edges) {
    const source = spotOf.get(edge.source);
    const target = spotOf.get(edge.target);
    if (!source || !target || (source === target && edge.source !== edge.target)) continue;
    const key = `${source}>${target}`;
    const held = found.get(key);
    if (held) held.edges.push(edge);
    else found.set(key, { source, target, edges: [edge] });
  }
  return [...found.values()].map((one) => tie(one.source, one.target, one.edges));
}

/** The edges to draw: without those of a Prometheus that nobody wants to look at. */
function drawn(view: Pick<Overview, "nodes" | "edges">, choice: Wish["choice"]): Edge[] {
  const scrapers = view.nodes.filter((node) => `${node.subject.namespace}/${node.subject.name}` === SCRAPER);
  const left = new Set(scrapers.filter((node) => !choice.get(home(node))).map((node) => node.id));
  return left.size ? view.edges.filter((edge) => !left.has(edge.source)) : view.edges;
}

export function show(view: Pick<Overview, "nodes" | "edges">, wish: Wish): Shown {
  const edges = drawn(view, wish.choice);
  const active = new Set(edges.flatMap((edge) => [edge.source, edge.target]));
  const fitting = view.nodes.filter(wish.fits);
  const nodes = wish.idle ? fitting : fitting.filter((node) => active.has(node.id) || node.golden.rps > 0);
  const homes = byHome(nodes);
  const usual = nodes.length <= OPEN_BELOW;
  const open = [...homes.keys()].filter(
    (place) => wish.choice.get(place) ?? (usual && !OWN.has(place.slice(place.indexOf("/") + 1))),
  );
  const opened = new Set(open);
  const found = [...homes].flatMap(([place, members]) => spots(place, members, opened.has(place)));
  const spotOf = new Map(found.flatMap((one) => one.members.map((node) => [node.id, one.id] as const)));
  const sending = new Map<string, Golden[]>();
  for (const edge of edges) {
    const id = spotOf.get(edge.source);
    if (id) sending.set(id, [...(sending.get(id) ?? []), edge.golden]);
  }
  for (const one of found) {
    one.sent = together(sending.get(one.id) ?? []);
    one.mark = ofSuccess(one.golden.success ?? one.sent.success);
  }
  return { spots: found, ties: ties(edges, spotOf), open, hidden: fitting.length - nodes.length };
}

/** The same structure gives the same text: then nothing has to be laid out again, and nothing jumps. */
export function structure(shown: Shown): string {
  return [...shown.spots.map((one) => one.id), ...shown.ties.map((one) => one.id)].sort().join("\n");
}
