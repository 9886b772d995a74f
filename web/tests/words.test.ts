// Numbers and addresses as people read them.
import { describe, expect, test } from "vitest";
import { carried, href, parse, workloadHref } from "../src/route";
import { ofHealth, ofStatus, ofSuccess, worst } from "../src/tones";
import { age, bytes, millis, percent, short, since } from "../src/words";

test.each([
  [0, "0"],
  [0.004, "<0.01"],
  [0.25, "0.25"],
  [12.34, "12.3"],
  [99.96, "100"],
  [999.6, "1k"],
  [1234, "1.23k"],
  [999_600, "1M"],
])("short(%f) is %s", (value, text) => expect(short(value)).toBe(text));

test.each([
  [null, "–"],
  [1, "100 %"],
  [0.99999, "99.99 %"],
  [0.9971, "99.71 %"],
  [0.5, "50 %"],
  [0, "0 %"],
])("percent(%f) is %s: never rounded up to all", (share, text) => expect(percent(share)).toBe(text));

test.each([
  [0.4, "0.4 ms"],
  [1500, "1.5 s"],
  [120_000, "2 min"],
  [null, "–"],
])("millis(%f) is %s", (value, text) => expect(millis(value)).toBe(text));

test.each([
  [89.9, "89 s"],
  [90, "1 min"],
  [7200, "2 h"],
  [400_000, "4 d"],
  [-3, "0 s"],
])("age(%f) is %s", (value, text) => expect(age(value)).toBe(text));

test("bytes and instants", () => {
  expect(bytes(1_500_000)).toBe("1.5 MB");
  expect(bytes(999.6)).toBe("1 KB");
  expect(since("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:03:00Z"))).toBe("3 min ago");
  expect(since("never", 0)).toBe("–");
});

test.each([
  ["/", "overview"],
  ["/splits?cluster=east", "splits"],
  ["/splits/more", "nowhere"],
  ["/workload/east/shop/deployment/web", "workload"],
  ["/workload/east/shop", "nowhere"],
  ["/%", "nowhere"],
])("%s is the page %s", (address, page) => expect(parse(address).page).toBe(page));

test("a workload's address goes there and back, whatever its name", () => {
  const subject = { cluster: "a/b", namespace: "", kind: "deployment", name: "w eb?" };
  expect(parse(workloadHref(subject, { window: "5m" }))).toEqual({
    page: "workload",
    subject,
    query: { window: "5m" },
  });
});

test("empty choices leave no trace in an address, and only some follow to the next page", () => {
  expect(href("overview", { cluster: "", q: "x" })).toBe("/?q=x");
  expect(carried({ cluster: "east", q: "x", window: "5m" })).toEqual({ cluster: "east", window: "5m" });
});

describe("marks", () => {
  test.each([
    [null, "unknown"],
    [0.99, "ok"],
    [0.97, "warn"],
    [0.2, "fail"],
  ] as const)("success %s is %s", (success, mark) => expect(ofSuccess(success)).toBe(mark));
  test("of answers, addresses, and the worst of several", () => {
    const answers = [ofStatus(200, null), ofStatus(200, 14), ofStatus(404, null), ofStatus(null, null)];
    expect(answers).toEqual(["ok", "fail", "warn", "unknown"]);
    expect([ofHealth("alive"), ofHealth("refused"), ofHealth("?")]).toEqual(["ok", "fail", "unknown"]);
    expect([worst([]), worst(["ok", "unknown", "warn"])]).toEqual(["ok", "warn"]);
  });
});
