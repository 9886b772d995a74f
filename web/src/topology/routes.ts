// Lines between spots that do not run under other spots. In: two boxes, all boxes. Out: a curve and its middle.
// A few ways are tried, leaving and entering on different sides; the one that touches the fewest other spots is taken, the plainest of equals.
import type { Box } from "./layout";

export interface Curve {
  d: string;
  /** Places along the line for its plate, the best first. */
  places: Point[];
}

export interface Point {
  x: number;
  y: number;
}

type Side = "left" | "right" | "top" | "bottom";
type Bezier = [Point, Point, Point, Point];

const LOOKS = 24;
const ALONG = [0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78];

function end(box: Box, side: Side, shift: number): Point {
  if (side === "left" || side === "right") {
    return { x: side === "left" ? box.x : box.x + box.width, y: box.y + box.height / 2 + shift };
  }
  return { x: box.x + box.width / 2 + shift * 2, y: side === "top" ? box.y : box.y + box.height };
}

const OUTWARD: Record<Side, [number, number]> = { left: [-1, 0], right: [1, 0], top: [0, -1], bottom: [0, 1] };

function bezier(a: Box, from: Side, b: Box, to: Side, shift: number): Bezier {
  const p = end(a, from, shift);
  const q = end(b, to, shift);
  const bend = (side: Side) => {
    const along = side === "left" || side === "right" ? Math.abs(q.x - p.x) : Math.abs(q.y - p.y);
    return Math.min(220, Math.max(30, along * 0.45));
  };
  const [fx, fy] = OUTWARD[from];
  const [tx, ty] = OUTWARD[to];
  const c = { x: p.x + fx * bend(from), y: p.y + fy * bend(from) };
  return [p, c, { x: q.x + tx * bend(to), y: q.y + ty * bend(to) }, q];
}

function point([p, c, e, q]: Bezier, t: number): Point {
  const s = 1 - t;
  const mix = (k: "x" | "y") => s * s * s * p[k] + 3 * s * s * t * c[k] + 3 * s * t * t * e[k] + t * t * t * q[k];
  return { x: mix("x"), y: mix("y") };
}

/** How many looks along the line fall on a spot that is neither end. */
function hits(line: Bezier, others: Box[]): number {
  let found = 0;
  for (let n = 1; n < LOOKS; n += 1) {
    const at = point(line, n / LOOKS);
    if (others.some((box) => inside(box, at))) found += 1;
  }
  return found;
}

function inside(box: Box, at: Point): boolean {
  return at.x > box.x - 3 && at.x < box.x + box.width + 3 && at.y > box.y - 3 && at.y < box.y + box.height + 3;
}

function ways(a: Box, b: Box): Array<[Side, Side]> {
  const right = b.x >= a.x + a.width - 4;
  const left = a.x >= b.x + b.width - 4;
  const down = b.y > a.y;
  const out: Side = right ? "right" : "left";
  const into: Side = right ? "left" : "right";
  const [near, far]: [Side, Side] = down ? ["bottom", "top"] : ["top", "bottom"];
  if (!right && !left)
    return [
      [near, far],
      ["right", "right"],
      ["left", "left"],
    ];
  return [[out, into], [near, into], [out, far], [far, into], [near, far], ["top", "top"], ["bottom", "bottom"]]; // biome-ignore format: one line tells the order
}

/** A tie's line; a pair of opposite ties keeps apart by `shift`. */
export function curve(a: Box, b: Box, shift = 0, others: Box[] = []): Curve {
  if (a.x === b.x && a.y === b.y) return loop(a);
  const around = others.filter((box) => box !== a && box !== b);
  let best: Bezier | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const [from, to] of ways(a, b)) {
    const line = bezier(a, from, b, to, shift);
    const found = hits(line, around);
    if (found >= least) continue;
    best = line;
    least = found;
    if (found === 0) break;
  }
  const line = best ?? bezier(a, "right", b, "left", shift);
  const [p, c, e, q] = line;
  return { d: `M${text(p)} C${text(c)} ${text(e)} ${text(q)}`, places: ALONG.map((at) => point(line, at)) };
}

function text(at: Point): string {
  return `${Math.round(at.x * 10) / 10} ${Math.round(at.y * 10) / 10}`;
}

function loop(a: Box): Curve {
  const x = a.x + a.width;
  const y = a.y + a.height / 2;
  return {
    d: `M${x} ${y - 10} C${x + 46} ${y - 34} ${x + 46} ${y + 34} ${x} ${y + 10}`,
    places: [{ x: x + 34, y }],
  };
}

/** Where plates of `size` go: each at the first place of its line that touches neither a spot nor a plate that stands already. */
export function plates(
  lines: ReadonlyMap<string, Curve>,
  size: { width: number; height: number },
  spots: Box[],
): Map<string, Point> {
  const found = new Map<string, Point>();
  const taken: Box[] = [...spots];
  for (const [id, line] of lines) {
    const boxes = line.places.map((at) => ({ x: at.x - size.width / 2, y: at.y - size.height / 2, ...size }));
    const free = boxes.findIndex((box) => !taken.some((other) => overlap(box, other)));
    const at = Math.max(0, free);
    const box = boxes[at];
    const place = line.places[at];
    if (!box || !place) continue;
    taken.push(box);
    found.set(id, place);
  }
  return found;
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
