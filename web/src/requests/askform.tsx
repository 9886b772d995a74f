// Whose requests to watch. In: the query of the address, names known to the metrics API. Out: a form; what it says goes into the address,
// so that a watch can be shared. The stream begins with Start, never by itself: a tap costs the proxies something.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, session } from "../ask";
import { amend, here } from "../place";
import type { Workloads } from "../shapes";
import { kindWord } from "../words";

const KINDS = ["deployment", "pod", "statefulset", "daemonset", "job", "service", "namespace"];
const FIELDS = [
  "cluster",
  "namespace",
  "kind",
  "name",
  "toNamespace",
  "toKind",
  "toName",
  "method",
  "path",
  "authority",
  "maxRps",
  "join",
];

/** The question that the address holds, or null until Start; names as the backend's `TapAsk` has them. */
export function asked(query: Record<string, string>, usual: string): Record<string, string> | null {
  if (query.on !== "yes") return null;
  const found: Record<string, string> = { cluster: usual, kind: "deployment" };
  for (const key of FIELDS) if (query[key]) found[key] = query[key];
  if (found.join) found.join = "true";
  if (found.kind === "namespace" && found.namespace) found.name = found.namespace;
  if (found.toName && !found.toKind) found.toKind = "deployment";
  return found;
}

export function command(verb: "tap" | "top", ask: Record<string, string>, context: string): string {
  const words = ["isthmus", verb, ask.kind === "namespace" ? `ns/${ask.namespace}` : resource(ask.kind, ask.name)];
  const flag = (name: string, value: string | undefined) => value && words.push(name, quote(value));
  if (ask.kind !== "namespace") flag("-n", ask.namespace);
  if (ask.toName) words.push("--to", resource(ask.toKind, ask.toName));
  flag("--to-namespace", ask.toNamespace);
  flag("--method", ask.method);
  flag("--path", ask.path);
  flag("--authority", ask.authority);
  flag("--max-rps", ask.maxRps);
  flag("--context", context);
  return words.join(" ");
}

function resource(kind = "deployment", name = ""): string {
  const short = {
    deployment: "deploy",
    statefulset: "sts",
    daemonset: "ds",
    service: "svc",
    namespace: "ns",
  } as Record<string, string>;
  return name ? `${short[kind] ?? kind}/${name}` : (short[kind] ?? kind);
}

/** A value as one word of a shell. */
export function quote(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

function useKnown(cluster: string, kind: string): Workloads["rows"] {
  const [rows, set] = useState<Workloads["rows"]>([]);
  useEffect(() => {
    let gone = false;
    if (!cluster || kind === "namespace") return undefined;
    get<Workloads>(`/api/view/workloads?${new URLSearchParams({ cluster, kind })}`)
      .then((found) => gone || set(found.rows))
      .catch(() => gone || set([])); // suggestions are a help, not a need
    return () => {
      gone = true;
    };
  }, [cluster, kind]);
  return rows;
}

export function AskForm({ joining }: { joining: boolean }): JSX.Element {
  const { query } = here.value;
  const usual = session.value?.clusters[0]?.name ?? "";
  const [draft, setDraft] = useState<Record<string, string>>(query);
  useEffect(() => setDraft(query), [query]);
  const value = (key: string, fallback = "") => draft[key] ?? fallback;
  const set = (key: string, text: string) => setDraft({ ...draft, [key]: text });
  const kind = value("kind", "deployment");
  const known = useKnown(value("cluster", usual), kind);
  const inSpace = known.filter((row) => !value("namespace") || row.subject.namespace === value("namespace"));
  const start = (event: Event) => {
    event.preventDefault();
    amend({ ...Object.fromEntries(FIELDS.map((key) => [key, draft[key] ?? ""])), on: "yes" }, false);
  };
  const text = (key: string, label: string, more: { list?: string; placeholder?: string; needed?: boolean } = {}) => (
    <label class="pick">
      <span>{label}</span>
      <input
        value={value(key)}
        list={more.list}
        placeholder={more.placeholder}
        required={more.needed}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => set(key, event.currentTarget.value)}
      />
    </label>
  );
  return (
    <form class="ask" onSubmit={start}>
      <div class="toolbar">
        <Choice
          label="Cluster"
          value={value("cluster", usual)}
          options={(session.value?.clusters ?? []).map((one) => [one.name, one.name])}
          onPick={(to) => set("cluster", to)}
        />
        {text("namespace", "Namespace", { list: "known-namespaces", needed: true })}
        <Choice
          label="Kind"
          value={kind}
          options={KINDS.map((one) => [one, kindWord(one)])}
          onPick={(to) => set("kind", to)}
        />
        {kind !== "namespace" && text("name", "Name", { list: "known-names", needed: true })}
        {joining && (
          <label class="pick tick">
            <input
              type="checkbox"
              checked={value("join") !== ""}
              onChange={(event) => set("join", event.currentTarget.checked ? "yes" : "")}
            />
            <span>Join both sides of a link</span>
          </label>
        )}
        <button type="submit" class="button">
          {query.on === "yes" ? "Start again" : "Start"}
        </button>
        {query.on === "yes" && (
          <button type="button" class="plain" onClick={() => amend({ on: "" }, false)}>
            Stop
          </button>
        )}
      </div>
      <details open={["toName", "method", "path", "authority"].some((key) => query[key])}>
        <summary>Only some of its requests</summary>
        <div class="toolbar">
          {text("toName", "To", { placeholder: "deployment" })}
          {text("toNamespace", "in namespace")}
          {text("method", "Method", { placeholder: "GET" })}
          {text("path", "Path begins with", { placeholder: "/" })}
          {text("authority", "Authority")}
          {text("maxRps", "At most per second", { placeholder: "100" })}
        </div>
      </details>
      <datalist id="known-namespaces">
        {[...new Set(known.map((row) => row.subject.namespace))].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <datalist id="known-names">
        {inSpace.slice(0, 200).map((row) => (
          <option key={row.subject.namespace + row.subject.name} value={row.subject.name} />
        ))}
      </datalist>
    </form>
  );
}

function Choice(props: {
  label: string;
  value: string;
  options: string[][];
  onPick: (value: string) => void;
}): JSX.Element {
  return (
    <label class="pick">
      <span>{props.label}</span>
      <select value={props.value} onChange={(event) => props.onPick(event.currentTarget.value)}>
        {props.options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
