// Where everything stands. In: spots and ties, how much room there is. Out: boxes of clusters, namespaces and spots, in one plane.
//
// One step, three times: workloads in a namespace, namespaces in a cluster, clusters on the page. What has ties is ranked by dagre,
// what has none fills rows below. Never here: colours, zoom.
import { Graph, layout as rank } from "@dagrejs/dagre";
import type { Shown } from "./group";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Plan {
  width: number;
  height: number;
  clusters: Map<string, Box>;
  /** Only of open namespaces, by `cluster/namespace`. */
  namespaces: Map<string, Box>;
  spots: Map<string, Box>;
}

interface Item {
  id: string;
  width: number;
  height: number;
}

export const SPOT = { width: 200, height: 54 };
const INSIDE = { side: 16, top: 34, bottom: 16 };

interface Arranged {
  at: Map<string, Box>;
  width: number;
  height: number;
}

/** Put items into one plane, callers before whom they call. */
export function arrange(items: Item[], links: Array<[string, string]>, wide: boolean, gap: number): Arranged {
  const tied = new Set(links.filter(([a, b]) => a !== b).flat());
  const ranked = items.filter((item) => tied.has(item.id));
  const loose = items.filter((item) => !tied.has(item.id));
  const at = new Map<string, Box>();
  let width = 0;
  let height = 0;
  if (ranked.length) {
    const graph = new Graph({ directed: true });
    graph.setGraph({
      rankdir: wide ? "LR" : "TB",
      nodesep: gap * 0.6,
      ranksep: gap * (wide ? 3.4 : 1.9),
      marginx: 0,
      marginy: 0,
    });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const item of ranked) graph.setNode(item.id, { width: item.width, height: item.height });
    for (const [a, b] of links) if (a !== b) graph.setEdge(a, b);
    rank(graph);
    for (const item of ranked) {
      const node = graph.node(item.id) as { x: number; y: number };
      at.set(item.id, { ...item, x: node.x - item.width / 2, y: node.y - item.height / 2 });
    }
    width = Math.max(...[...at.values()].map((box) => box.x + box.width));
    height = Math.max(...[...at.values()].map((box) => box.y + box.height));
  }
  return rows(loose, at, { width, height }, gap);
}

/** What nobody is tied to, in rows under the rest, about as wide as it. */
function rows(loose: Item[], at: Map<string, Box>, above: { width: number; height: number }, gap: number): Arranged {
  const area = loose.reduce((sum, item) => sum + (item.width + gap) * (item.height + gap), 0);
  const limit = Math.max(above.width, Math.sqrt(area * 1.8));
  let { width } = above;
  let x = 0;
  let y = above.height ? above.height + gap : 0;
  let tallest = 0;
  for (const item of loose) {
    if (x > 0 && x + item.width > limit) {
      x = 0;
      y += tallest + gap;
      tallest = 0;
    }
    at.set(item.id, { ...item, x, y });
    x += item.width + gap;
    width = Math.max(width, x - gap);
    tallest = Math.max(tallest, item.height);
  }
  return { at, width, height: loose.length ? y + tallest : above.height };
}

function wrap(id: string, inner: Arranged): Item {
  return { id, width: inner.width + 2 * INSIDE.side, height: inner.height + INSIDE.top + INSIDE.bottom };
}

function groups<T>(items: T[], key: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const item of items) found.set(key(item), [...(found.get(key(item)) ?? []), item]);
  return found;
}

/**
 * The plan of all that is shown, in the arrangement that can be drawn largest in `room`.
 * Clusters without a spot still get a box: `clusters` names them all.
 */
export function plan(shown: Shown, clusters: string[], room: { width: number; height: number }): Plan {
  const scale = (one: Plan) => Math.min(room.width / (one.width + 40), room.height / (one.height + 40));
  const tries = WAYS.map((wide) => arranged(shown, clusters, wide));
  return tries.reduce((best, one) => (scale(one) > scale(best) * 1.05 ? one : best));
}

interface Wide {
  spots: boolean;
  places: boolean;
  clusters: boolean;
}

/** Across or down, for each of the three steps; the plainest first, it wins unless another is clearly larger. */
const WAYS: Wide[] = [
  { spots: true, places: true, clusters: true },
  { spots: true, places: false, clusters: true },
  { spots: false, places: true, clusters: true },
  { spots: true, places: true, clusters: false },
  { spots: false, places: false, clusters: true },
  { spots: true, places: false, clusters: false },
  { spots: false, places: true, clusters: false },
  { spots: false, places: false, clusters: false },
];

function arranged(shown: Shown, clusters: string[], wide: Wide): Plan {
  const open = new Set(shown.open);
  const clusterOf = new Map(shown.spots.map((spot) => [spot.id, spot.cluster]));
  const placeOf = new Map(
    shown.spots.map((spot) => {
      const place = `${spot.cluster}/${spot.namespace}`;
      return [spot.id, open.has(place) ? place : spot.id];
    }),
  );
  const links = shown.ties.map((tie) => [tie.source, tie.target] as [string, string]);
  const within = (of: Map<string, string>, inner: string) =>
    links.filter(([a, b]) => of.get(a) === inner && of.get(b) === inner);
  const lifted = (of: Map<string, string>, some: Array<[string, string]>) =>
    some.map(([a, b]) => [of.get(a) ?? a, of.get(b) ?? b] as [string, string]);

  const insides = new Map<string, Arranged>();
  for (const [place, spots] of groups(shown.spots, (spot) => placeOf.get(spot.id) ?? spot.id)) {
    if (open.has(place)) {
      insides.set(
        place,
        arrange(
          spots.map((spot) => ({ id: spot.id, ...SPOT })),
          within(placeOf, place),
          wide.spots,
          26,
        ),
      );
    }
  }
  const inClusters = new Map<string, Arranged>();
  const found = groups(shown.spots, (spot) => spot.cluster);
  const all = [...clusters, ...[...found.keys()].filter((name) => !clusters.includes(name))];
  for (const cluster of all) {
    const places = new Set((found.get(cluster) ?? []).map((spot) => placeOf.get(spot.id) ?? spot.id));
    const items = [...places].map((place) => {
      const inner = insides.get(place);
      return inner ? wrap(place, inner) : { id: place, ...SPOT };
    });
    const arranged = arrange(items, lifted(placeOf, within(clusterOf, cluster)), wide.places, 28);
    inClusters.set(cluster, items.length ? arranged : { ...arranged, width: SPOT.width, height: SPOT.height });
  }
  const page = arrange(
    all.map((cluster) => wrap(cluster, inClusters.get(cluster) as Arranged)),
    lifted(clusterOf, links),
    wide.clusters,
    36,
  );
  return placed(page, inClusters, insides);
}

/** From positions inside boxes to positions on the page. */
function placed(page: Arranged, inClusters: Map<string, Arranged>, insides: Map<string, Arranged>): Plan {
  const found: Plan = {
    width: page.width,
    height: page.height,
    clusters: page.at,
    namespaces: new Map(),
    spots: new Map(),
  };
  for (const [cluster, box] of page.at) {
    for (const [place, inner] of inClusters.get(cluster)?.at ?? []) {
      const stands = moved(inner, box);
      const inside = insides.get(place);
      if (!inside) found.spots.set(place, stands);
      else {
        found.namespaces.set(place, stands);
        for (const [id, spot] of inside.at) found.spots.set(id, moved(spot, stands));
      }
    }
  }
  return found;
}

function moved(inner: Box, outer: Box): Box {
  return { ...inner, x: outer.x + INSIDE.side + inner.x, y: outer.y + INSIDE.top + inner.y };
}

/** The next spot from `from` in a direction of the arrow keys: near, and more ahead than aside. */
export function toward(spots: ReadonlyMap<string, Box>, from: string, key: string): string | null {
  const start = spots.get(from);
  const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key];
  if (!start || !way) return null;
  const [wx = 0, wy = 0] = way;
  let best: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const [id, box] of spots) {
    const dx = box.x + box.width / 2 - start.x - start.width / 2;
    const dy = box.y + box.height / 2 - start.y - start.height / 2;
    const ahead = dx * wx + dy * wy;
    const aside = Math.abs(dx * wy) + Math.abs(dy * wx);
    if (id === from || ahead < 8 || aside > 3 * ahead) continue;
    const cost = ahead + 2 * aside;
    if (cost < least) {
      least = cost;
      best = id;
    }
  }
  return best;
}
