// A small line of what a number did. In: values at equal distances, null where nothing was measured. Out: an SVG without words; the
// number it belongs to stands beside it. Never here: axes (chart.tsx).
import type { JSX } from "preact";
import type { Spark } from "../shapes";

const WIDTH = 96;
const HEIGHT = 24;

/** Line and area through `values`; gaps stay gaps. The scale begins at 0, so that a flat small rate looks flat and small. */
export function paths(values: Array<number | null>, width = WIDTH, height = HEIGHT): { line: string; area: string } {
  const top = Math.max(...values.map((v) => v ?? 0), 1e-9);
  const step = values.length > 1 ? width / (values.length - 1) : width;
  let line = "";
  let area = "";
  let from: number | null = null;
  values.forEach((value, at) => {
    const x = round(at * step);
    if (value !== null) {
      const y = round(height - 1 - (value / top) * (height - 3));
      line += `${from === null ? "M" : "L"}${x} ${y}`;
      area += from === null ? `M${x} ${height}L${x} ${y}` : `L${x} ${y}`;
      if (from === null) from = x;
    }
    const next = values[at + 1];
    if (from !== null && (next === null || next === undefined)) {
      if (value !== null) area += `L${x} ${height}Z`;
      from = null;
    }
  });
  return { line, area };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function Sparkline({ spark }: { spark: Spark | null }): JSX.Element {
  const values = spark?.rps ?? [];
  if (!values.some((v) => v !== null)) return <span class="spark none" />;
  const { line, area } = paths(values);
  return (
    <svg
      class="spark"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      aria-hidden="true"
      focusable="false"
    >
      <path class="area" d={area} />
      <path class="line" d={line} />
    </svg>
  );
}
