// Measured shares over the time one watched, as stacked areas. In: points, the moment of the last write. Out: an SVG with a sentence.
import type { JSX } from "preact";
import { age, percent } from "../words";

interface Point {
  at: number;
  shares: Array<number | null>;
}

const WIDTH = 1000;
const HEIGHT = 60;

/** One closed path for each backend, from the sum of those before it to the sum with it. */
export function areas(points: Point[], backends: number): string[] {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last || last.at <= first.at) return [];
  const x = (at: number) => round(((at - first.at) / (last.at - first.at)) * WIDTH);
  const upTo = (point: Point, n: number) => point.shares.slice(0, n).reduce<number>((sum, one) => sum + (one ?? 0), 0);
  return Array.from({ length: backends }, (_, n) => {
    const upper = points.map((point) => `${x(point.at)} ${round((1 - upTo(point, n + 1)) * HEIGHT)}`);
    const lower = points.map((point) => `${x(point.at)} ${round((1 - upTo(point, n)) * HEIGHT)}`).reverse();
    return `M${upper.join("L")}L${lower.join("L")}Z`;
  });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function Shares({
  points,
  names,
  mark,
}: {
  points: Point[];
  names: string[];
  mark: number;
}): JSX.Element | null {
  const known = points.filter((point) => point.shares.some((one) => one !== null));
  const first = known[0];
  const last = known.at(-1);
  if (!first || !last || known.length < 3) return null;
  const span = last.at - first.at;
  const at = mark > first.at ? ((mark - first.at) / span) * WIDTH : -1;
  const told = names.map(
    (name, n) => `${name} from ${percent(first.shares[n] ?? null)} to ${percent(last.shares[n] ?? null)}`,
  );
  return (
    <figure class="shares">
      <figcaption>Measured shares over the last {age(span)}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={told.join(", ")}>
        {areas(known, names.length).map((d, n) => (
          <path key={names[n]} class={`part-${n % 6}`} d={d} />
        ))}
        {at >= 0 && <line class="wrote" x1={at} x2={at} y1="0" y2={HEIGHT} />}
      </svg>
    </figure>
  );
}
