// The thinking behind tables, lines, splits, live requests and streams.
import { describe, expect, test } from "vitest";
import { byCategory } from "../src/pages/health";
import { runs } from "../src/pages/links";
import { choices, chosen } from "../src/pages/overview";
import { inOrder } from "../src/pages/workload";
import { matches } from "../src/parts/pick";
import { paths } from "../src/parts/spark";
import { type Column, sorted, visible } from "../src/parts/table";
import { asked, command, quote } from "../src/requests/askform";
import { merge } from "../src/requests/list";
import { bars } from "../src/requests/waterfall";
import type { Backend, CheckRow, RouteRow, TapRow } from "../src/shapes";
import { distance } from "../src/splits/card";
import { areas } from "../src/splits/shares";
import { shares, slid } from "../src/splits/weights";
import { wait } from "../src/stream";

describe("tables", () => {
  const column: Column<{ n: number | null }> = { key: "n", head: "n", cell: (row) => row.n, sort: (row) => row.n };
  test.each([
    [false, [1, 2, null]],
    [true, [2, 1, null]],
  ])("what was not measured stands last (down: %s)", (down, order) => {
    expect(sorted([{ n: null }, { n: 2 }, { n: 1 }], column, down).map((row) => row.n)).toEqual(order);
  });
  test.each([
    [50, 0, [0, 50]],
    [2000, 0, [0, 31]],
    [2000, -44_000, [988, 1031]],
    [2000, -999_999, [2000, 2000]],
  ])("of %i rows, with the first at %i", (total, top, range) => expect(visible(total, top, 800)).toEqual(range));
});

test("all words of a filter must be found", () => {
  expect([matches("", "x"), matches("we east", "web", "East"), matches("we north", "web", "east")]).toEqual([
    true,
    true,
    false,
  ]);
});

test("a small line keeps its gaps", () => {
  const { line } = paths([1, null, 2, 2], 30, 24);
  expect(line.match(/M/g)).toHaveLength(2);
  expect(paths([], 30, 24).line).toBe("");
});

describe("splits", () => {
  test.each([
    [[50, 50], 0, 80, [80, 20]],
    [[1, 1], 1, 0, [2, 0]],
    [[0, 0], 0, 30, [30, 70]],
    [[80, 15, 5], 1, 40, [80, 40, 5]],
  ])("%j with the one at %i moved to %i", (weights, at, weight, all) => expect(slid(weights, at, weight)).toEqual(all));
  test("shares of nothing are nothing", () =>
    expect([shares([0, 0]), shares([1, 3])]).toEqual([
      [0, 0],
      [0.25, 0.75],
    ]));
  const backend = (intended: number | null, measured: number | null) => ({ intended, measured }) as Backend;
  test("how far measured is from written", () => {
    expect(distance([backend(0.5, 0.7), backend(0.5, 0.3)])).toBeCloseTo(0.2);
    expect(distance([backend(0.5, null), backend(0.5, null)])).toBeNull();
  });
  test("areas need two moments", () => {
    const point = (at: number) => ({ at, shares: [0.25, 0.75] });
    expect(areas([point(1)], 2)).toEqual([]);
    expect(areas([point(1), point(2)], 2)[0]).toBe("M0 45L1000 45L1000 60L0 60Z");
  });
});

describe("live requests", () => {
  const row = (id: string, at: number, status: number | null = null) => ({ id, at, status }) as TapRow;
  test("a row that comes again keeps its place, new ones come first, old ones leave", () => {
    const found = merge([row("b", 2), row("a", 1)], [row("a", 1, 200), row("c", 3), row("d", 4)], 3);
    expect(found.map((one) => [one.id, one.status])).toEqual([
      ["d", null],
      ["c", null],
      ["b", null],
    ]);
    expect(merge([row("b", 2), row("a", 1)], [row("a", 1, 200)]).map((one) => one.status)).toEqual([null, 200]);
  });
  const stage = (role: string, beginMs: number, endMs: number | null) => ({
    cluster: "",
    pod: "",
    role,
    beginMs,
    endMs,
  });
  test("each proxy's own time is what its bar sticks out of the next", () => {
    const { bars: all, total } = bars([stage("server", 3, 7), stage("client", 0, 10), stage("gateway", 2, 8)]);
    expect([total, all.map((bar) => [bar.stage.role, bar.own])]).toEqual([
      10,
      [
        ["client", 4],
        ["gateway", 2],
        ["server", null],
      ],
    ]);
  });
  test("an unfinished stage goes to the end", () => {
    const { bars: all } = bars([stage("client", 0, 10), stage("server", 4, null)]);
    expect([all[1]?.width, all[0]?.own]).toEqual([0.6, null]);
  });
  test("the address says what to watch, and nothing before Start", () => {
    const query = { namespace: "shop", name: "web", toName: "cart", join: "yes" };
    expect(asked(query, "east")).toBeNull();
    const ask = asked({ ...query, on: "yes" }, "east");
    expect(ask).toEqual({
      cluster: "east",
      kind: "deployment",
      namespace: "shop",
      name: "web",
      toName: "cart",
      toKind: "deployment",
      join: "true",
    });
    expect(command("tap", { ...ask, path: "/a b" }, "east-ctx")).toBe(
      "isthmus tap deploy/web -n shop --to deploy/cart --path '/a b' --context east-ctx",
    );
  });
  test("values are one word of a shell", () => expect([quote("/ok"), quote("it's")]).toEqual(["/ok", "'it'\\''s'"]));
});

test("a route comes before its backends", () => {
  const row = (route: string, backend: string) => ({ server: "", service: "s", route, type: "", backend }) as RouteRow;
  const found = inOrder([row("b", ""), row("a", "x"), row("a", "")]);
  expect(found.map((one) => one.route + one.backend)).toEqual(["a", "ax", "b"]);
});

test("health over time is told in runs", () => {
  const point = (at: number, alive: boolean | null) => ({ at, alive, latencyMs: null });
  expect(runs([point(0, true), point(15, true), point(30, false)])).toEqual([
    { from: 0, to: 30, alive: true },
    { from: 30, to: 30, alive: false },
  ]);
});

test("checks: what fails comes first", () => {
  const row = (category: string, verdict: CheckRow["verdict"]) => ({ cluster: "east", category, verdict }) as CheckRow;
  expect(
    byCategory([row("a", "ok"), row("b", "warn"), row("a", "ok"), row("c", "fail")]).map((group) => [
      group.category,
      group.rows.length,
    ]),
  ).toEqual([
    ["c", 1],
    ["b", 1],
    ["a", 2],
  ]);
});

test("what is open stands in the address", () => {
  expect(chosen(choices("east/a,-west/b"))).toBe("east/a,-west/b");
  expect(choices("-x/y").get("x/y")).toBe(false);
});

test("a stream comes back after 1, 2, 4 ... 15 s", () => {
  expect([1, 2, 3, 9].map(wait)).toEqual([1000, 2000, 4000, 15_000]);
});
