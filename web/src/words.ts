// Numbers as people read them. In: values of the shapes. Out: short texts. Never here: colours (tones.ts), markup.

export const NONE = "–";

/** Digits that fit a table: three of them, thousands as k, millions as M. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_500) return `${digits(value / 1_000_000)}M`;
  if (size >= 999.5) return `${digits(value / 1000)}k`;
  return digits(value);
}

function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95 || value === 0) return value.toFixed(0);
  if (size >= 9.995) return trim(value.toFixed(1));
  return size < 0.01 ? "<0.01" : trim(value.toFixed(2));
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export function rate(perSecond: number | null): string {
  return perSecond === null ? NONE : short(perSecond);
}

/** A share as a percentage; never rounded up to 100, because "100 %" promises that nothing failed. */
export function percent(share: number | null): string {
  if (share === null) return NONE;
  const hundredths = Math.floor(share * 10_000 + 1e-6);
  const text =
    hundredths > 9_900 && hundredths < 10_000 ? (hundredths / 100).toFixed(2) : (hundredths / 100).toFixed(1);
  return `${trim(text)} %`;
}

export function millis(value: number | null): string {
  if (value === null) return NONE;
  if (value >= 60_000) return `${digits(value / 60_000)} min`;
  if (value >= 1000) return `${digits(value / 1000)} s`;
  return `${digits(value)} ms`;
}

export function bytes(value: number | null): string {
  if (value === null) return NONE;
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${digits(size)} ${units[unit]}`;
}

/** How long ago, or how long: one unit is enough to judge. */
export function age(seconds: number | null): string {
  if (seconds === null) return NONE;
  const size = Math.max(0, seconds);
  if (size < 90) return `${Math.floor(size)} s`;
  if (size < 90 * 60) return `${Math.floor(size / 60)} min`;
  if (size < 36 * 3600) return `${Math.floor(size / 3600)} h`;
  return `${Math.floor(size / 86_400)} d`;
}

/** A time of day, with milliseconds when asked: live requests are told apart by them. */
export function clock(at: number, fine = false): string {
  const date = new Date(at * 1000);
  const text = [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
  return fine ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

const KINDS: Record<string, string> = {
  deployment: "Deployment",
  statefulset: "StatefulSet",
  daemonset: "DaemonSet",
  replicaset: "ReplicaSet",
  replicationcontroller: "ReplicationController",
  job: "Job",
  cronjob: "CronJob",
  pod: "Pod",
  service: "Service",
  namespace: "Namespace",
};

export function kindWord(kind: string): string {
  return KINDS[kind] ?? (kind || "Outside");
}

/** "1.0.1 has been running since" needs an instant; Kubernetes writes it as RFC 3339, and sometimes not at all. */
export function since(text: string, now: number): string {
  const at = Date.parse(text);
  return Number.isNaN(at) ? NONE : `${age(now / 1000 - at / 1000)} ago`;
}
