// What of a mesh is drawn, and where.
import { describe, expect, test } from "vitest";
import type { Edge, Node } from "../src/shapes";
import { lock, thickness } from "../src/topology/edges";
import { show, structure, together } from "../src/topology/group";
import { type Box, plan, toward } from "../src/topology/layout";
import { curve, plates } from "../src/topology/routes";

const QUIET = { rps: 0, success: null, p50: null, p95: null, p99: null };
const ROOM = { width: 1000, height: 600 };

function node(id: string, rps = 1): Node {
  const [cluster = "", namespace = "", kind = "", name = ""] = id.split("/");
  return {
    id,
    subject: { cluster, namespace, kind, name },
    golden: { ...QUIET, rps },
    pods: 1,
    meshed: 1,
    gateway: false,
  };
}

function edge(source: string, target: string, more: Partial<Edge> = {}): Edge {
  const plain = {
    service: "",
    golden: { ...QUIET, rps: 1 },
    tcpConnections: 0,
    bytesPerSecond: 0,
    secured: 1,
    serverId: "",
  };
  return {
    id: `${source}>${target}`,
    source,
    target,
    ...plain,
    deniedRps: 0,
    policy: "ruled",
    policySays: "",
    link: "",
    ...more,
  };
}

const A = "east/shop/deployment/a";
const B = "east/shop/deployment/b";
const C = "west/shop/deployment/c";
const wish = { choice: new Map<string, boolean>(), idle: false, fits: () => true };
const small = {
  nodes: [node(A), node(B), node(C), node("east/quiet/deployment/d", 0)],
  edges: [edge(A, B), edge(B, C)],
};

describe("what is shown", () => {
  test("a small mesh is open, and what has no traffic is told as hidden", () => {
    const shown = show(small, wish);
    expect(shown.spots.map((spot) => spot.id)).toEqual([A, B, C]);
    expect([shown.hidden, shown.open]).toEqual([1, ["east/shop", "west/shop"]]);
  });
  test("a closed namespace is one spot, and ties end there", () => {
    const shown = show(small, { ...wish, choice: new Map([["east/shop", false]]) });
    expect(shown.spots.map((spot) => [spot.id, spot.members.length])).toEqual([
      ["east/shop", 2],
      [C, 1],
    ]);
    expect(shown.ties.map((tie) => tie.id)).toEqual([`east/shop>${C}`]);
  });
  test("Prometheus' readings are drawn only where its namespace is open", () => {
    const reader = "east/linkerd-viz/deployment/prometheus";
    const view = { nodes: [...small.nodes, node(reader, 0)], edges: [...small.edges, edge(reader, A)] };
    const drawn = (choice: Map<string, boolean>) => show(view, { ...wish, choice }).ties.map((tie) => tie.id);
    expect(drawn(new Map())).toEqual([`${A}>${B}`, `${B}>${C}`]);
    expect(drawn(new Map([["east/linkerd-viz", true]]))).toContain(`${reader}>${A}`);
  });
  test("2 000 services are few spots, and an open namespace shows its busiest", () => {
    const nodes = Array.from({ length: 2000 }, (_, n) => node(`east/ns-${n % 20}/deployment/s${n}`, n + 1));
    expect(show({ nodes, edges: [] }, wish).spots).toHaveLength(20);
    const open = show({ nodes, edges: [] }, { ...wish, choice: new Map([["east/ns-3", true]]) });
    expect(open.spots).toHaveLength(19 + 41);
    expect(open.spots.find((spot) => spot.id === "east/ns-3/…")?.members).toHaveLength(60);
  });
  test("several edges as one: the least secured and the strictest policy speak for all", () => {
    const edges = [edge(A, C, { secured: 0.5 }), edge(B, C, { policy: "denying", deniedRps: 2, link: "east -> west" })];
    const shown = show({ ...small, edges }, { ...wish, choice: new Map([["east/shop", false]]) });
    expect(shown.ties[0]).toMatchObject({
      secured: 0.5,
      policy: "denying",
      denied: 2,
      link: "east -> west",
      golden: { rps: 2 },
    });
  });
  test("the mesh's own rooms are closed until somebody opens them", () => {
    const nodes = [node("east/linkerd-viz/deployment/prometheus"), node(A)];
    expect(show({ nodes, edges: [] }, wish).open).toEqual(["east/shop"]);
    expect(show({ nodes, edges: [] }, { ...wish, choice: new Map([["east/linkerd-viz", true]]) }).open).toHaveLength(2);
  });
  test("a mere client is judged by what it sends", () => {
    const edges = [edge(A, B, { golden: { ...QUIET, rps: 4, success: 0.5 } })];
    const client = show({ nodes: [node(A, 0), node(B)], edges }, wish).spots[0];
    expect([client?.sent.rps, client?.mark]).toEqual([4, "fail"]);
  });
  test("success weighs by rate, and silence says nothing", () => {
    const all = [{ ...QUIET, rps: 9, success: 1, p99: 5 }, { ...QUIET, rps: 1, success: 0, p99: 50 }, QUIET];
    expect(together(all)).toEqual({ rps: 10, success: 0.9, p50: null, p95: null, p99: 50 });
  });
  test("new numbers do not change the structure", () => {
    const later = {
      ...small,
      nodes: small.nodes.map((one) => ({ ...one, golden: { ...one.golden, rps: one.golden.rps * 2 } })),
    };
    expect(structure(show(later, wish))).toBe(structure(show(small, wish)));
  });
});

function within(inner: Box | undefined, outer: Box | undefined): boolean {
  return (
    !!inner &&
    !!outer &&
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

describe("where it stands", () => {
  const placed = plan(show(small, wish), ["east", "west", "north"], ROOM);
  test("workloads in namespaces in clusters; a cluster of which nothing is known has a box too", () => {
    expect(within(placed.spots.get(A), placed.namespaces.get("east/shop"))).toBe(true);
    expect(within(placed.namespaces.get("east/shop"), placed.clusters.get("east"))).toBe(true);
    expect(placed.clusters.has("north")).toBe(true);
  });
  test("nothing overlaps", () => {
    const boxes = [...placed.spots.values()];
    const touching = boxes.filter((a, n) =>
      boxes.some(
        (b, m) => m > n && a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height,
      ),
    );
    expect(touching).toEqual([]);
  });
  const box = (x: number, y: number): Box => ({ x, y, width: 100, height: 40 });
  test("arrow keys go to the near one ahead", () => {
    const spots = new Map([
      ["a", box(0, 0)],
      ["b", box(200, 10)],
      ["c", box(0, 100)],
    ]);
    expect([
      toward(spots, "a", "ArrowRight"),
      toward(spots, "a", "ArrowDown"),
      toward(spots, "a", "ArrowUp"),
      toward(spots, "a", "x"),
    ]).toEqual(["b", "c", null, null]);
  });
  test("a line goes around what stands between", () => {
    const [a, b, between] = [box(0, 0), box(400, 0), box(200, 0)];
    expect(curve(a, b).d).toMatch(/^M100 20/);
    expect(curve(a, b, 0, [a, b, between]).d).not.toMatch(/^M100 20/);
  });
  test("plates keep apart", () => {
    const lines = new Map([
      ["one", curve(box(0, 0), box(400, 0))],
      ["two", curve(box(0, 0), box(400, 0))],
    ]);
    const found = plates(lines, { width: 60, height: 20 }, []);
    expect(found.get("one")).not.toEqual(found.get("two"));
  });
});

test.each([
  [null, "unknown"],
  [1, "whole"],
  [0.6, "partly"],
  [0, "none"],
] as const)("mTLS of %s is %s", (secured, state) => expect(lock(secured)).toBe(state));

test("ten times the rate is thicker, and nothing is too thick", () => {
  expect(thickness(10)).toBeGreaterThan(thickness(1));
  expect(thickness(1e9)).toBe(8);
});
