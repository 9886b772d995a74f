// Choices above a view: which cluster, which window, which rows. In: the query of the address. Out: a changed address.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { session } from "../ask";
import { amend, here } from "../place";

interface Option {
  value: string;
  text: string;
}

export function Select(props: { label: string; name: string; options: Option[]; empty?: string }): JSX.Element {
  const value = here.value.query[props.name] ?? "";
  const known = props.options.some((one) => one.value === value) || value === "";
  return (
    <label class="pick">
      <span>{props.label}</span>
      <select value={value} onChange={(event) => amend({ [props.name]: event.currentTarget.value })}>
        {props.empty !== undefined && <option value="">{props.empty}</option>}
        {!known && <option value={value}>{value}</option>}
        {props.options.map((one) => (
          <option key={one.value} value={one.value}>
            {one.text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function PickCluster(): JSX.Element | null {
  const clusters = session.value?.clusters ?? [];
  if (clusters.length < 2 && !here.value.query.cluster) return null;
  return (
    <Select
      label="Cluster"
      name="cluster"
      empty="All clusters"
      options={clusters.map((one) => ({ value: one.name, text: one.name }))}
    />
  );
}

export function PickWindow(): JSX.Element | null {
  const windows = session.value?.windows ?? [];
  const usual = windows.includes("1m") ? "1m" : (windows[0] ?? "");
  if (windows.length < 2) return null;
  return (
    <Select
      label="Window"
      name="window"
      empty={usual}
      options={windows.filter((one) => one !== usual).map((one) => ({ value: one, text: one }))}
    />
  );
}

const SETTLE_MS = 250;

/** A text that filters; it reaches the address when typing pauses. "/" brings the keyboard here. */
export function Search({ label = "Filter", name = "q" }: { label?: string; name?: string }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const asked = here.value.query[name] ?? "";
  const [text, set] = useState(asked);
  useEffect(() => set(asked), [asked]);
  useEffect(() => {
    if (text === asked) return undefined;
    const timer = setTimeout(() => amend({ [name]: text }), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const inField = event.target instanceof Element && event.target.matches("input, textarea, select");
      if (event.key !== "/" || inField || event.metaKey || event.ctrlKey) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  return (
    <label class="pick search">
      <span>{label}</span>
      <input
        ref={field}
        type="search"
        value={text}
        placeholder="part of a name ( / )"
        onInput={(event) => set(event.currentTarget.value)}
      />
    </label>
  );
}

/** Words that must all be found somewhere in `texts`. */
export function matches(query: string, ...texts: string[]): boolean {
  const all = texts.join(" ").toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((one) => all.includes(one));
}

export function Tabs(props: { label: string; name: string; options: Option[]; usual: string }): JSX.Element {
  const value = here.value.query[props.name] || props.usual;
  return (
    <fieldset class="tabs">
      <legend class="hush">{props.label}</legend>
      {props.options.map((one) => (
        <button
          type="button"
          key={one.value}
          aria-pressed={value === one.value}
          onClick={() => amend({ [props.name]: one.value === props.usual ? "" : one.value }, false)}
        >
          {one.text}
        </button>
      ))}
    </fieldset>
  );
}

export function Toolbar({ children }: { children: ComponentChildren }): JSX.Element {
  return <div class="toolbar">{children}</div>;
}
