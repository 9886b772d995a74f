// Where the viewer is, as an address that can be shared. In: a path with its query. Out: a `Place`, and back. Never here: history (place.ts).
import type { Subject } from "./shapes";

export const PAGES = [
  "overview",
  "namespaces",
  "workloads",
  "links",
  "splits",
  "tap",
  "top",
  "policy",
  "health",
] as const;
export type Page = (typeof PAGES)[number] | "workload" | "nowhere";

export interface Place {
  page: Page;
  subject: Subject | null;
  query: Record<string, string>;
}

/** What follows the viewer from page to page; the rest of a query belongs to one page. */
const CARRIED = ["cluster", "window"];

export function parse(address: string): Place {
  const url = new URL(address, "http://page");
  const query = Object.fromEntries(url.searchParams);
  const parts = url.pathname.split("/").filter(Boolean).map(decode);
  const first = parts[0] ?? "overview";
  if (first === "workload" && parts.length === 5) {
    const [, cluster = "", namespace = "", kind = "", name = ""] = parts;
    return { page: "workload", subject: { cluster, namespace: namespace === "-" ? "" : namespace, kind, name }, query };
  }
  const page = PAGES.find((one) => one === first && parts.length <= 1);
  return { page: page ?? "nowhere", subject: null, query };
}

/** A path that nobody could have written is no reason to fail. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function href(page: Page, query: Record<string, string> = {}): string {
  return (page === "overview" ? "/" : `/${page}`) + search(query);
}

export function workloadHref(subject: Subject, query: Record<string, string> = {}): string {
  const parts = [subject.cluster, subject.namespace || "-", subject.kind, subject.name].map(encodeURIComponent);
  return `/workload/${parts.join("/")}${search(query)}`;
}

export function carried(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).filter(([key]) => CARRIED.includes(key)));
}

/** Empty values are left out, so that the shortest address is the default view. */
export function search(query: Record<string, string>): string {
  const kept = Object.entries(query).filter(([, value]) => value !== "");
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
}
