// The map's lines. In: ties, boxes. Out: curves, thick by rate, coloured and dashed by success, with a plate in the middle: lock, shield, rate.
// They move while the view is live; not with more than 80 of them, and never where less motion is asked for (style/map.css).
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { iconPath } from "../parts/icons";
import { word } from "../tones";
import { percent, rate } from "../words";
import type { Spot, Tie } from "./group";
import type { Plan } from "./layout";
import { type Curve, curve, type Point, plates } from "./routes";

const MOVING_BELOW = 80;
const ROUTED_BELOW = 200;
const PLATE = { width: 84, height: 22 };

/** From 1.25 to 8 pixels: ten times the rate, one and a half pixels more. */
export function thickness(rps: number): number {
  return Math.round(Math.min(8, 1.25 + 1.5 * Math.log10(1 + rps * 3)) * 100) / 100;
}

export function lock(secured: number | null): "whole" | "partly" | "none" | "unknown" {
  if (secured === null) return "unknown";
  if (secured >= 0.9999) return "whole";
  return secured > 0 ? "partly" : "none";
}

export const LOCKS = { whole: "mTLS", partly: "partly mTLS", none: "no mTLS", unknown: "mTLS not known" } as const;
export const POLICIES = {
  open: "no policy",
  ruled: "policy allows",
  denying: "policy denies some",
  unknown: "policy not known",
} as const;

export function describe(tie: Tie, source: string, target: string): string {
  const success = tie.golden.success === null ? "" : `, success ${percent(tie.golden.success)}`;
  const link = tie.link ? `, over the link ${tie.link}` : "";
  const locked = LOCKS[lock(tie.secured)];
  return `${source} calls ${target}: ${rate(tie.golden.rps)} requests a second${success} (${word(tie.mark)}), ${locked}, ${POLICIES[tie.policy]}${link}`;
}

/** The lines of all ties; found anew only when something stands elsewhere. */
export function useCurves(
  ties: Tie[],
  plan: Plan,
): { curves: ReadonlyMap<string, Curve>; places: ReadonlyMap<string, Point> } {
  const key = ties.map((tie) => tie.id).join("\n");
  return useMemo(() => {
    const ids = new Set(ties.map((tie) => tie.id));
    const boxes = [...plan.spots.values()];
    const found = new Map<string, Curve>();
    for (const tie of ties) {
      const a = plan.spots.get(tie.source);
      const b = plan.spots.get(tie.target);
      const shift = ids.has(`${tie.target}>${tie.source}`) ? 9 : 0;
      if (a && b) found.set(tie.id, curve(a, b, shift, ties.length > ROUTED_BELOW ? [] : boxes));
    }
    return { curves: found, places: plates(found, PLATE, ties.length > ROUTED_BELOW ? [] : boxes) };
  }, [plan, key]);
}

interface Props {
  ties: Tie[];
  curves: ReadonlyMap<string, Curve>;
  places: ReadonlyMap<string, Point>;
  byId: ReadonlyMap<string, Spot>;
  selected: string;
  onSelect: (id: string) => void;
  live: boolean;
}

function classes(tie: Tie, selected: string): string {
  const near = selected === "" || [tie.id, tie.source, tie.target].includes(selected);
  return `tie ${tie.mark}${near ? "" : " far"}${selected === tie.id ? " selected" : ""}`;
}

export function Ties(props: Props): JSX.Element {
  const moving = props.live && props.ties.length <= MOVING_BELOW;
  return (
    <g class="ties">
      {props.ties.map((tie) => (
        <TieLine key={tie.id} {...props} tie={tie} moving={moving} />
      ))}
    </g>
  );
}

function TieLine(props: Props & { tie: Tie; moving: boolean }): JSX.Element | null {
  const { tie } = props;
  const line = props.curves.get(tie.id);
  if (!line) return null;
  const width = thickness(tie.golden.rps);
  const moving = props.moving && tie.golden.rps > 0;
  const pace = tie.golden.rps > 50 ? "fast" : tie.golden.rps > 5 ? "brisk" : "slow";
  const text = describe(tie, props.byId.get(tie.source)?.name ?? "", props.byId.get(tie.target)?.name ?? "");
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the panel of a spot lists its ties as buttons
    <g class={classes(tie, props.selected)} data-tie={tie.id} onClick={() => props.onSelect(tie.id)}>
      <title>{text}</title>
      <path class="tie-reach" d={line.d} />
      <path class="tie-line" d={line.d} stroke-width={width} />
      {moving && <path class={`tie-flow ${pace}`} d={line.d} stroke-width={Math.max(1.5, width * 0.6)} />}
    </g>
  );
}

/** The plates of the lines, in a layer of their own above the spots. */
export function Plates(props: Props): JSX.Element {
  return (
    <g class="plates">
      {props.ties.map((tie) => {
        const place = props.places.get(tie.id);
        return (
          place && (
            // biome-ignore lint/a11y/noStaticElementInteractions: the panel of a spot lists its ties as buttons
            <g class={classes(tie, props.selected)} key={tie.id} onClick={() => props.onSelect(tie.id)}>
              <title>
                {describe(tie, props.byId.get(tie.source)?.name ?? "", props.byId.get(tie.target)?.name ?? "")}
              </title>
              <Plate tie={tie} {...place} />
            </g>
          )
        );
      })}
    </g>
  );
}

function Plate({ tie, x, y }: { tie: Tie; x: number; y: number }): JSX.Element {
  const state = lock(tie.secured);
  const shield = tie.policy === "ruled" || tie.policy === "denying";
  const words = tie.golden.rps > 0 ? `${rate(tie.golden.rps)}/s` : "";
  const wide = 26 + (shield ? 16 : 0) + words.length * 6.6;
  return (
    <g class="plate" transform={`translate(${Math.round(x - wide / 2)} ${Math.round(y - 10)})`}>
      <rect width={wide} height="20" rx="10" />
      <g class={`plate-lock ${state}`} transform="translate(6 3) scale(0.580)">
        <path d={iconPath(state === "whole" || state === "partly" ? "lock" : "unlock")} />
      </g>
      {shield && (
        <g class={`plate-shield ${tie.policy}`} transform="translate(21 3) scale(0.580)">
          <path d={iconPath("policy")} />
          {tie.policy === "denying" && <path d="M8 8l8 8M16 8l-8 8" />}
        </g>
      )}
      {words && (
        <text x={wide - 7} y="14">
          {words}
        </text>
      )}
    </g>
  );
}
