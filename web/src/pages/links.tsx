// Gateways and links: health over time, latency, what is exported and who uses it, how fresh everything is, where traffic goes when a
// gateway is dead. In: view `links`. Out: a card for each link.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useLive, useNow } from "../live";
import { Chart } from "../parts/chart";
import { goldenColumns } from "../parts/golden";
import { Icon } from "../parts/icons";
import { Badge, Sign } from "../parts/marks";
import { ViewPage } from "../parts/page";
import { PickCluster, PickWindow, Toolbar } from "../parts/pick";
import { Empty } from "../parts/states";
import { type Column, Table } from "../parts/table";
import { here } from "../place";
import { workloadHref } from "../route";
import type { ExportedService, LinkPoint, LinkRow, Links } from "../shapes";
import { ofAlive, ofHealth } from "../tones";
import { age, clock, count, millis, since } from "../words";

export function LinksPage(): JSX.Element {
  const { cluster = "", window = "" } = here.value.query;
  const live = useLive<Links>("links", { cluster, window });
  const tools = (
    <Toolbar>
      <PickCluster />
      <PickWindow />
    </Toolbar>
  );
  return (
    <ViewPage title="Gateways and links" live={live} tools={tools}>
      {(data) =>
        data.rows.length ? (
          data.rows.map((row) => <LinkCard key={`${row.source}/${row.target}`} row={row} />)
        ) : (
          <Empty title="No cluster is linked to another.">
            <code>isthmus link SOURCE TARGET --apply</code> makes a link.
          </Empty>
        )
      }
    </ViewPage>
  );
}

function LinkCard({ row }: { row: LinkRow }): JSX.Element {
  return (
    <article class="card link-card" aria-label={`Link from ${row.source} to ${row.target}`}>
      <header class="card-head">
        <h2 class="route">
          {row.source} <Icon name="right" /> <span class="hush">to</span> {row.target}
        </h2>
        <Badge mark={row.mark}>{row.says}</Badge>
      </header>
      <dl class="figures">
        <div>
          <dt>Gateway</dt>
          <dd>
            <Badge mark={ofAlive(row.alive)}>{row.alive === null ? "not known" : row.alive ? "alive" : "dead"}</Badge>
          </dd>
        </div>
        <div>
          <dt>Services</dt>
          <dd>{row.services}</dd>
        </div>
        {(["p50", "p95", "p99"] as const).map((key) => (
          <div key={key}>
            <dt>Probe {key.toUpperCase()}</dt>
            <dd>{millis(row[key])}</dd>
          </div>
        ))}
      </dl>
      <HealthBand points={row.points} />
      <Latency row={row} />
      <div class="pair">
        <Streams row={row} />
        <Addresses row={row} />
      </div>
      <Exported row={row} />
      <div class="pair">
        <FailoverList row={row} />
        <Conditions row={row} />
      </div>
    </article>
  );
}

/** Runs of equal health, as shares of the whole time. */
export function runs(points: LinkPoint[]): Array<{ from: number; to: number; alive: boolean | null }> {
  const found: Array<{ from: number; to: number; alive: boolean | null }> = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last && last.alive === point.alive) last.to = point.at;
    else {
      if (last) last.to = point.at;
      found.push({ from: point.at, to: point.at, alive: point.alive });
    }
  }
  return found;
}

function HealthBand({ points }: { points: LinkPoint[] }): JSX.Element | null {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last || last.at === first.at) return null;
  const span = last.at - first.at;
  const bands = runs(points);
  const dead = bands.filter((band) => band.alive === false).reduce((sum, band) => sum + band.to - band.from, 0);
  const words = `Alive over the last ${age(span)}${dead ? `, except for ${age(dead)}` : " without a break"}`;
  return (
    <figure class="band">
      <figcaption>
        <span>
          {bands.some((band) => band.alive !== null) ? words : `Health over the last ${age(span)} is not known`}
        </span>
        <span class="quiet">
          {clock(first.at)} – {clock(last.at)}
        </span>
      </figcaption>
      <svg viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        {bands.map((band) => (
          <rect
            key={band.from}
            class={ofAlive(band.alive)}
            x={((band.from - first.at) / span) * 1000}
            width={Math.max(2, ((band.to - band.from) / span) * 1000)}
            y={band.alive === false ? 0 : 4}
            height={band.alive === false ? 14 : 6}
          />
        ))}
      </svg>
    </figure>
  );
}

function Latency({ row }: { row: LinkRow }): JSX.Element | null {
  const times = useMemo(() => row.points.map((point) => point.at), [row.points]);
  const lines = useMemo(
    () => [{ name: "probe latency", colour: "--tone-0", values: row.points.map((point) => point.latencyMs) }],
    [row.points],
  );
  if (!row.points.some((point) => point.latencyMs !== null)) return null;
  return <Chart title="Latency to the gateway" times={times} lines={lines} say={millis} height={130} />;
}

function Streams({ row }: { row: LinkRow }): JSX.Element {
  return (
    <div>
      <h3>How fresh it is</h3>
      <ul class="plain-list">
        {row.streams.map((stream) => (
          <li key={stream.name}>
            <Sign mark={stream.mark} />
            <span class="grow">
              {stream.name} <span class="quiet">{stream.says}</span>
            </span>
            <span class="figure">{age(stream.ageSeconds)}</span>
          </li>
        ))}
        {row.streams.length === 0 && <li class="quiet">No stream tells its age.</li>}
      </ul>
    </div>
  );
}

function Addresses({ row }: { row: LinkRow }): JSX.Element {
  const now = useNow();
  return (
    <div>
      <h3>Gateway addresses</h3>
      <ul class="plain-list">
        {row.addresses.map((one) => (
          <li key={one.address}>
            <Sign mark={ofHealth(one.health)} />
            <span class="grow">
              <code>{one.address}</code> {one.health} <span class="quiet">{one.says}</span>
            </span>
            <span class="figure">{since(one.since, now)}</span>
          </li>
        ))}
        {row.addresses.length === 0 && <li class="quiet">No address is known.</li>}
      </ul>
    </div>
  );
}

const EXPORTED: Array<Column<ExportedService>> = [
  {
    key: "name",
    head: "Service of the target",
    cell: (row) => (
      <span class="subject">
        <span>{row.name}</span>
        <span class="subject-where">
          {row.namespace} · here {row.mirror || "not mirrored"}
        </span>
      </span>
    ),
    sort: (row) => row.name,
  },
  {
    key: "state",
    head: "Mirror",
    cell: (row) => (
      <Badge mark={row.mirrored ? "ok" : "warn"}>{row.says || (row.mirrored ? "mirrored" : "not mirrored")}</Badge>
    ),
  },
  ...goldenColumns<ExportedService>((row) => row.golden),
  {
    key: "users",
    head: "Used by",
    cell: (row) => (
      <span class="users">
        {row.users.slice(0, 2).map((user) => (
          <a key={user.namespace + user.name} href={workloadHref(user)}>
            {user.name}
          </a>
        ))}
        {row.users.length > 2 && <span class="quiet">and {row.users.length - 2} more</span>}
        {row.users.length === 0 && "–"}
      </span>
    ),
  },
];

function Exported({ row }: { row: LinkRow }): JSX.Element {
  return (
    <div>
      <h3>Exported services</h3>
      <Table
        caption={`Services that ${row.target} exports`}
        rows={row.exported}
        columns={EXPORTED}
        id={(one) => `${one.namespace}/${one.name}`}
        empty={
          <Empty title={`${row.target} exports nothing.`}>
            The label <code>mirror.linkerd.io/exported=true</code> on a Service exports it.
          </Empty>
        }
      />
    </div>
  );
}

function FailoverList({ row }: { row: LinkRow }): JSX.Element | null {
  return (
    <div>
      <h3>Failover</h3>
      <ul class="plain-list">
        {row.failover.map((one) => (
          <li key={one.service}>
            <Badge mark={one.active ? "warn" : "ok"}>{one.active ? "active" : "ready"}</Badge>
            <span class="grow">
              {one.service}: {one.says}
            </span>
          </li>
        ))}
        {row.failover.length === 0 && (
          <li class="quiet">No Service has another place to go when this gateway is dead.</li>
        )}
      </ul>
    </div>
  );
}

function Conditions({ row }: { row: LinkRow }): JSX.Element | null {
  const now = useNow();
  if (!row.conditions.length) return null;
  return (
    <details>
      <summary>{count(row.conditions.length, "condition")} of the Link object</summary>
      <ul class="plain-list">
        {row.conditions.map((one) => (
          <li key={one.type}>
            <Sign mark={one.status === "True" ? "ok" : one.status === "False" ? "fail" : "unknown"} />
            <span class="grow">
              <strong>{one.type}</strong> {one.reason} <span class="quiet">{one.message}</span>
            </span>
            <span class="figure">{since(one.since, now)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
