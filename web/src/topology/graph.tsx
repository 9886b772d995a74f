// The map, drawn. In: what is shown and where, the selection. Out: an SVG that pans, zooms and is driven by keyboard:
// one tab stop, arrow keys from spot to spot, Enter selects (or opens a closed namespace).
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../parts/icons";
import type { ClusterBox } from "../shapes";
import { percent, rate } from "../words";
import { Plates, Ties, useCurves } from "./edges";
import type { Shown, Spot } from "./group";
import { type Box, type Plan, toward } from "./layout";
import { SpotBox } from "./spot";

interface Props {
  shown: Shown;
  plan: Plan;
  clusters: ClusterBox[];
  selected: string;
  onSelect: (id: string) => void;
  onToggle: (place: string) => void;
  live: boolean;
}

const PAD = 20;
const LARGEST = 1.2;

/** The part of the plane that is seen: all of it, without blowing a small mesh up. */
export function whole(plan: { width: number; height: number }, room: { width: number; height: number }): Box {
  const width = Math.max(plan.width + 2 * PAD, room.width / LARGEST);
  const height = Math.max(plan.height + 2 * PAD, room.height / LARGEST);
  return { x: (plan.width - width) / 2, y: (plan.height - height) / 2, width, height };
}

const PANEL = 364;
const ROOMY = 760;

/** The view, moved as far as needed so that what is selected does not lie under the panel on the right. */
export function beside(view: Box, at: Box | undefined, room: { width: number; height: number }): Box {
  if (!at || room.width < ROOMY) return view;
  const scale = Math.max(view.width / room.width, view.height / room.height);
  const free = view.x + view.width / 2 + (room.width / 2 - PANEL) * scale;
  const over = at.x + at.width + PAD - free;
  return over > 0 ? { ...view, x: view.x + over } : view;
}

/** Of a tie, the nearer end's box stands for it. */
function middle(plan: Plan, shown: Shown, id: string): Box | undefined {
  const tie = shown.ties.find((one) => one.id === id);
  return tie && plan.spots.get(tie.target);
}

export function zoomed(view: Box, factor: number): Box {
  const width = view.width * factor;
  const height = view.height * factor;
  return { x: view.x + (view.width - width) / 2, y: view.y + (view.height - height) / 2, width, height };
}

export function Graph(props: Props): JSX.Element {
  const { plan, shown } = props;
  const svg = useRef<SVGSVGElement>(null);
  const [room, setRoom] = useState({ width: 900, height: 560 });
  const [view, setView] = useState<Box | null>(null);
  const [focus, setFocus] = useState("");
  const at = plan.spots.get(props.selected) ?? middle(plan, shown, props.selected);
  const seen = view ?? beside(whole(plan, room), at, room);
  useEffect(() => setView(null), [plan]);
  useEffect(() => {
    const place = svg.current;
    if (!place) return undefined;
    const watch = new ResizeObserver(() =>
      setRoom({ width: place.clientWidth || 900, height: place.clientHeight || 560 }),
    );
    watch.observe(place);
    return () => watch.disconnect();
  }, []);
  usePan(svg, seen, setView);
  const first = shown.spots[0]?.id ?? "";
  const stop = plan.spots.has(focus) ? focus : first;
  const press = (event: KeyboardEvent, spot: Spot) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!spot.node && !spot.id.endsWith("/…")) props.onToggle(spot.id);
      else props.onSelect(spot.id);
    } else if (event.key === "Escape") props.onSelect("");
    else {
      const next = toward(plan.spots, spot.id, event.key);
      if (!next) return;
      event.preventDefault();
      setFocus(next);
      svg.current?.querySelector<SVGGElement>(`[data-spot="${CSS.escape(next)}"]`)?.focus();
    }
  };
  const { curves, places } = useCurves(shown.ties, plan);
  const byId = useMemo(() => new Map(shown.spots.map((spot) => [spot.id, spot])), [shown]);
  const drawn = {
    ties: shown.ties,
    curves,
    places,
    byId,
    selected: props.selected,
    onSelect: props.onSelect,
    live: props.live,
  };
  return (
    <div class="map">
      <svg ref={svg} class="map-plane" viewBox={`${seen.x} ${seen.y} ${seen.width} ${seen.height}`}>
        <title>
          Map of the mesh: clusters as boxes, workloads in them, lines for who calls whom. The table tells the same.
        </title>
        {props.clusters.map((cluster) => (
          <ClusterFrame key={cluster.name} cluster={cluster} box={plan.clusters.get(cluster.name)} />
        ))}
        {[...plan.namespaces].map(([place, box]) => (
          <NamespaceFrame key={place} place={place} box={box} onToggle={props.onToggle} />
        ))}
        <Ties {...drawn} />
        {shown.spots.map((spot) => (
          <SpotBox
            key={spot.id}
            spot={spot}
            box={plan.spots.get(spot.id)}
            stop={spot.id === stop}
            selected={spot.id === props.selected}
            onPress={(event) => press(event, spot)}
            onFocus={() => setFocus(spot.id)}
            onSelect={() => (spot.node || spot.id.endsWith("/…") ? props.onSelect(spot.id) : props.onToggle(spot.id))}
          />
        ))}
        <Plates {...drawn} />
      </svg>
      <div class="map-tools">
        <Tool label="Zoom in" icon="plus" press={() => setView(zoomed(seen, 0.75))} />
        <Tool label="Zoom out" icon="minus" press={() => setView(zoomed(seen, 1.33))} />
        <Tool label="Show all" icon="fit" press={() => setView(null)} />
      </div>
    </div>
  );
}

function Tool(props: { label: string; icon: "plus" | "minus" | "fit"; press: () => void }): JSX.Element {
  return (
    <button type="button" class="plain square" aria-label={props.label} title={props.label} onClick={props.press}>
      <Icon name={props.icon} />
    </button>
  );
}

function ClusterFrame({ cluster, box }: { cluster: ClusterBox; box: Box | undefined }): JSX.Element | null {
  if (!box) return null;
  const { golden } = cluster;
  const words = cluster.asked
    ? `${rate(golden.rps)} req/s${golden.success === null ? "" : ` · ${percent(golden.success)}`}`
    : "seen through a link";
  return (
    <g class={`cluster ${cluster.mark}`} transform={`translate(${box.x} ${box.y})`}>
      <title>{cluster.says || cluster.name}</title>
      <rect width={box.width} height={box.height} rx="14" />
      <text x="16" y="22" class="cluster-name">
        {cluster.name}
      </text>
      <text x={box.width - 16} y="22" class="cluster-words">
        {words}
      </text>
    </g>
  );
}

function NamespaceFrame(props: { place: string; box: Box; onToggle: (place: string) => void }): JSX.Element {
  const { box } = props;
  const name = props.place.slice(props.place.indexOf("/") + 1) || "outside";
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the same is a button above the map
    <g class="namespace" transform={`translate(${box.x} ${box.y})`} onClick={() => props.onToggle(props.place)}>
      <title>Close {name}</title>
      <rect width={box.width} height={box.height} rx="10" />
      <text x="16" y="22">
        {name}
      </text>
    </g>
  );
}

/** Drag moves the view, a pinch or Ctrl with the wheel zooms; a plain wheel scrolls the page as everywhere. */
function usePan(svg: { current: SVGSVGElement | null }, seen: Box, setView: (view: Box) => void): void {
  const now = useRef(seen);
  now.current = seen;
  useEffect(() => {
    const place = svg.current;
    if (!place) return undefined;
    let from: { x: number; y: number; view: Box } | null = null;
    const scale = () => Math.max(now.current.width / place.clientWidth, now.current.height / place.clientHeight);
    const down = (event: PointerEvent) => {
      if (event.button === 0) from = { x: event.clientX, y: event.clientY, view: now.current };
    };
    const move = (event: PointerEvent) => {
      if (!from) return;
      const dx = event.clientX - from.x;
      const dy = event.clientY - from.y;
      if (!place.hasPointerCapture(event.pointerId)) {
        // A click that trembles is still a click.
        if (Math.abs(dx) + Math.abs(dy) < 5) return;
        place.setPointerCapture(event.pointerId);
      }
      setView({ ...from.view, x: from.view.x - dx * scale(), y: from.view.y - dy * scale() });
    };
    const up = () => {
      from = null;
    };
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      setView(zoomed(now.current, event.deltaY > 0 ? 1.1 : 0.9));
    };
    place.addEventListener("pointerdown", down);
    place.addEventListener("pointermove", move);
    place.addEventListener("pointerup", up);
    place.addEventListener("pointercancel", up);
    place.addEventListener("wheel", wheel, { passive: false });
    return () => {
      place.removeEventListener("pointerdown", down);
      place.removeEventListener("pointermove", move);
      place.removeEventListener("pointerup", up);
      place.removeEventListener("pointercancel", up);
      place.removeEventListener("wheel", wheel);
    };
  }, []);
}
