// A table that sorts, and that stays quick with thousands of rows: beyond 80 of them only those on the screen are in the page.
// In: rows, columns, a caption. Out: a real <table>. Never here: what a row means.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "../words";

export interface Column<R> {
  key: string;
  head: string;
  cell: (row: R) => ComponentChildren;
  sort?: (row: R) => number | string | null;
  /** Numbers stand on the right. */
  number?: boolean;
  /** 1 leaves first when there is little room, then 2, then 3. */
  minor?: 1 | 2 | 3;
}

interface Sorting {
  key: string;
  down: boolean;
}

const ROW = 44;
const ALL_BELOW = 80;
const SPARE = 12;

/** Rows in order; what has no value stands last whichever way one sorts, and equal rows keep their order. */
export function sorted<R>(rows: R[], column: Column<R> | undefined, down: boolean): R[] {
  const by = column?.sort;
  if (!by) return rows;
  const turn = down ? -1 : 1;
  return rows
    .map((row) => [row, by(row)] as const)
    .sort(([, a], [, b]) => {
      if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
      if (typeof a === "string" || typeof b === "string") return turn * String(a).localeCompare(String(b));
      return turn * (a - b);
    })
    .map(([row]) => row);
}

/** Which rows are on the screen: from, to (not included). `top` is where the first row is, seen from the window. */
export function visible(total: number, top: number, height: number): [number, number] {
  if (total <= ALL_BELOW) return [0, total];
  const from = Math.max(0, Math.min(total, Math.floor(-top / ROW) - SPARE));
  const to = Math.max(from, Math.min(total, Math.ceil((height - top) / ROW) + SPARE));
  return [from, to];
}

function useVisible(total: number): [(place: HTMLTableSectionElement | null) => void, [number, number]] {
  const body = useRef<HTMLTableSectionElement | null>(null);
  const [range, set] = useState<[number, number]>([0, Math.min(total, ALL_BELOW)]);
  useEffect(() => {
    const look = () => {
      const top = body.current?.getBoundingClientRect().top ?? 0;
      const next = visible(total, top, innerHeight);
      set((old) => (old[0] === next[0] && old[1] === next[1] ? old : next));
    };
    look();
    if (total <= ALL_BELOW) return undefined;
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [total]);
  const [from, to] = range;
  return [
    (place) => {
      body.current = place;
    },
    [Math.min(from, total), total <= ALL_BELOW ? total : Math.min(to, total)],
  ];
}

interface Props<R> {
  caption: string;
  rows: R[];
  columns: Array<Column<R>>;
  id: (row: R) => string;
  order?: Sorting;
  /** Said in place of rows. */
  empty?: ComponentChildren;
}

export function Table<R>(props: Props<R>): JSX.Element {
  const [order, setOrder] = useState<Sorting>(props.order ?? { key: "", down: false });
  const column = props.columns.find((one) => one.key === order.key);
  const rows = sorted(props.rows, column, order.down);
  const [place, [from, to]] = useVisible(rows.length);
  const sort = (one: Column<R>) =>
    setOrder((old) => ({ key: one.key, down: old.key === one.key ? !old.down : one.number === true }));
  return (
    <Scrolled label={props.caption}>
      <table aria-rowcount={rows.length + 1}>
        <caption class="hush">
          {props.caption}, {count(rows.length, "row")}
        </caption>
        <thead>
          <tr>
            {props.columns.map((one) => (
              <Head key={one.key} column={one} order={order} onSort={() => sort(one)} />
            ))}
          </tr>
        </thead>
        <tbody ref={place}>
          {from > 0 && <Space rows={from} wide={props.columns.length} />}
          {rows.slice(from, to).map((row, at) => (
            <tr key={props.id(row)} aria-rowindex={from + at + 2}>
              {props.columns.map((one, first) =>
                first === 0 ? (
                  <th scope="row" class={classes(one)} key={one.key}>
                    {one.cell(row)}
                  </th>
                ) : (
                  <td class={classes(one)} key={one.key}>
                    {one.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
          {to < rows.length && <Space rows={rows.length - to} wide={props.columns.length} />}
        </tbody>
      </table>
      {rows.length === 0 && props.empty}
    </Scrolled>
  );
}

/** What may be wider than the page scrolls by itself, by keyboard too. */
export function Scrolled({ label, children }: { label: string; children: ComponentChildren }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="table-box" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}

function classes<R>(column: Column<R>): string {
  return `${column.number ? "number" : ""}${column.minor ? ` minor-${column.minor}` : ""}`;
}

function Head<R>(props: { column: Column<R>; order: Sorting; onSort: () => void }): JSX.Element {
  const { column, order } = props;
  const on = order.key === column.key;
  const state = on ? (order.down ? "descending" : "ascending") : "none";
  return (
    <th scope="col" class={classes(column)} aria-sort={column.sort ? state : undefined}>
      {column.sort ? (
        <button type="button" class="sorter" onClick={props.onSort}>
          {column.head}
          <span aria-hidden="true" class="sorter-sign">
            {on ? (order.down ? "↓" : "↑") : ""}
          </span>
        </button>
      ) : (
        column.head
      )}
    </th>
  );
}

function Space({ rows, wide }: { rows: number; wide: number }): JSX.Element {
  return (
    <tr class="space">
      <td colSpan={wide} style={{ height: `${rows * ROW}px` }} />
    </tr>
  );
}
