// A chart over time, by uPlot. In: times, one or more lines, a unit. Out: a canvas with a sentence for those who do not see it.
// The canvas takes its colours from the page's CSS variables and is drawn anew when the theme or its width changes.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { painted } from "../theme";
import { NONE } from "../words";

export interface Line {
  name: string;
  /** The CSS variable that holds its colour. */
  colour: string;
  values: Array<number | null>;
  dashed?: boolean;
}

interface Props {
  title: string;
  times: number[];
  lines: Line[];
  say: (value: number | null) => string;
  /** The scale's upper end where it is known, such as 1 for a share. */
  top?: number;
  height?: number;
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
}

function options(props: Props, width: number): uPlot.Options {
  const ink = colour("--quiet");
  const rule = { stroke: colour("--line"), width: 1 };
  const font = "12px system-ui, sans-serif";
  return {
    width,
    height: props.height ?? 150,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, __, high) => [0, props.top ?? Math.max(high * 1.15, 1e-3)] } },
    axes: [
      { stroke: ink, grid: { show: false }, ticks: rule, font, space: 70, values: "{HH}:{mm}", size: 30 },
      {
        stroke: ink,
        grid: rule,
        ticks: { show: false },
        font,
        size: 62,
        values: (_, at) => at.map((v) => props.say(v)),
      },
    ],
    series: [
      {},
      ...props.lines.map((line) => ({
        label: line.name,
        stroke: colour(line.colour),
        width: 1.75,
        dash: line.dashed ? [5, 4] : [],
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}

/** The newest value; what stopped being measured has none, however good the old ones were. */
function last(values: Array<number | null>): number | null {
  return values.at(-1) ?? values.at(-2) ?? null;
}

export function Chart(props: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data: uPlot.AlignedData = [props.times, ...props.lines.map((line) => line.values)];
  const shape = props.lines.map((line) => line.name).join() + painted.value;
  useEffect(() => {
    const place = box.current;
    if (!place) return undefined;
    const drawn = new uPlot(options(props, place.clientWidth || 300), data, place);
    plot.current = drawn;
    const resized = new ResizeObserver(() => {
      const width = place.clientWidth;
      if (width && width !== drawn.width) drawn.setSize({ width, height: drawn.height });
    });
    resized.observe(place);
    return () => {
      resized.disconnect();
      drawn.destroy();
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data), [props.times, props.lines]);
  const told = props.lines.map((line) => `${line.name} ${props.say(last(line.values))}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{props.title}</span>
        <span class="chart-keys">
          {props.lines.map((line, at) => (
            <span class={`key key-${at}${line.dashed ? " dashed" : ""}`} key={line.name}>
              {line.name} <strong>{props.say(last(line.values)) || NONE}</strong>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={box} role="img" aria-label={`${props.title}, latest: ${told}`} />
    </figure>
  );
}
