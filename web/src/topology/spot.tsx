// One spot of the map. In: a spot and its box. Out: an SVG group that is a button. Never here: where it stands (layout.ts).
import type { JSX } from "preact";
import { iconPath } from "../parts/icons";
import { word } from "../tones";
import { count, kindWord, percent, rate } from "../words";
import type { Spot } from "./group";
import type { Box } from "./layout";

const LONGEST = 16;

/** The middle of a long name says least: generated endings and leading words are what tell names apart. */
export function cut(name: string, longest = LONGEST): string {
  if (name.length <= longest) return name;
  const head = Math.ceil((longest - 1) * 0.6);
  return `${name.slice(0, head)}…${name.slice(name.length - (longest - 1 - head))}`;
}

export function describe(spot: Spot): string {
  const kind = spot.node ? kindWord(spot.node.subject.kind) : `${count(spot.members.length, "workload")} of namespace`;
  const mesh = spot.pods === 0 ? "" : `, ${spot.meshed} of ${count(spot.pods, "pod")} meshed`;
  const traffic =
    spot.golden.rps > 0 ? `, ${rate(spot.golden.rps)} requests a second, success ${percent(spot.golden.success)}` : "";
  return `${kind} ${spot.name} in ${spot.cluster || "no cluster"}: ${word(spot.mark)}${traffic}${mesh}`;
}

function traffic(spot: Spot): string {
  if (spot.golden.rps > 0 || spot.golden.success !== null) {
    return `${rate(spot.golden.rps)} req/s${spot.golden.success === null ? "" : ` · ${percent(spot.golden.success)}`}`;
  }
  if (spot.pods > 0 && spot.meshed === 0) return "not meshed";
  if (spot.sent.rps > 0) return `sends ${rate(spot.sent.rps)}/s`;
  return spot.node
    ? spot.pods > 0
      ? count(spot.pods, "pod")
      : kindWord(spot.node.subject.kind)
    : count(spot.members.length, "workload");
}

interface Props {
  spot: Spot;
  box: Box | undefined;
  stop: boolean;
  selected: boolean;
  onPress: (event: KeyboardEvent) => void;
  onFocus: () => void;
  onSelect: () => void;
}

export function SpotBox({ spot, box, ...props }: Props): JSX.Element | null {
  if (!box) return null;
  const closed = !spot.node;
  const unmeshed = spot.pods > 0 && spot.meshed === 0;
  const classes = `spot ${spot.mark}${closed ? " closed" : ""}${unmeshed ? " unmeshed" : ""}${props.selected ? " selected" : ""}`;
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG knows no <button>
    <g
      class={classes}
      transform={`translate(${box.x} ${box.y})`}
      role="button"
      aria-expanded={closed && !spot.id.endsWith("/…") ? false : undefined}
      aria-pressed={closed ? undefined : props.selected}
      tabIndex={props.stop ? 0 : -1}
      data-spot={spot.id}
      onKeyDown={props.onPress}
      onFocus={props.onFocus}
      onClick={props.onSelect}
    >
      {/* Not an aria-label: the name must hold what one sees, and names are cut on the map. */}
      <text class="spot-said">{`${describe(spot)}. `}</text>
      {closed && <rect class="spot-under" x="5" y="5" width={box.width} height={box.height} rx="9" />}
      <rect class="spot-card" width={box.width} height={box.height} rx="9" />
      <rect class="spot-tone" x="0" y="10" width="4" height={box.height - 20} rx="2" />
      <SpotSign mark={spot.mark} gateway={spot.node?.gateway === true} />
      <text x="38" y="23" class="spot-name">
        {cut(spot.name || "outside")}
      </text>
      <text x="38" y="41" class="spot-words">
        {traffic(spot)}
      </text>
    </g>
  );
}

/** A gateway shows that it is one; everything else shows how it is. The tone's strip says it for both. */
function SpotSign({ mark, gateway }: { mark: Spot["mark"]; gateway: boolean }): JSX.Element {
  if (gateway) {
    return (
      <g class="spot-icon" transform="translate(12 17) scale(0.800)">
        <path d={iconPath("gateway")} />
      </g>
    );
  }
  const strokes = {
    ok: "M4.800 8.200l2.200 2.200 4.200-4.600",
    warn: "M8 5v4.500M8 11.800v.1",
    fail: "M5.300 5.300l5.400 5.400M10.700 5.300l-5.400 5.400",
    unknown: "",
  };
  return (
    <g class={`spot-sign ${mark}`} transform="translate(14 19)">
      <circle cx="8" cy="8" r="7" />
      <path d={strokes[mark]} />
    </g>
  );
}
