// What is known about the selected spot or tie. In: the selection. Out: a panel beside the map, with the way onward.
import type { JSX } from "preact";
import { Figures } from "../parts/golden";
import { Badge } from "../parts/marks";
import { SubjectLink } from "../parts/page";
import { Closer } from "../parts/states";
import { here } from "../place";
import { carried, href, workloadHref } from "../route";
import type { Edge } from "../shapes";
import { word } from "../tones";
import { bytes, count, kindWord, percent, rate } from "../words";
import { LOCKS, lock, POLICIES } from "./edges";
import type { Shown, Spot, Tie } from "./group";

interface Props {
  spot: Spot | undefined;
  tie: Tie | undefined;
  shown: Shown;
  onSelect: (id: string) => void;
}

export function Panel(props: Props): JSX.Element {
  const title = props.spot ? props.spot.name || "outside" : "Call";
  return (
    <aside class="panel" aria-label={props.spot ? `About ${title}` : "About this call"}>
      <div class="panel-head">
        <h2>{title}</h2>
        <Closer label="Close this panel" onClose={() => props.onSelect("")} />
      </div>
      {props.spot && <AboutSpot {...props} spot={props.spot} />}
      {!props.spot && props.tie && <AboutTie tie={props.tie} />}
    </aside>
  );
}

function AboutSpot({ spot, shown, onSelect }: Props & { spot: Spot }): JSX.Element {
  const kept = carried(here.value.query);
  const subject = spot.node?.subject;
  const names = new Map(shown.spots.map((one) => [one.id, one.name]));
  const calls = shown.ties.filter((tie) => tie.source === spot.id);
  const callers = shown.ties.filter((tie) => tie.target === spot.id);
  return (
    <>
      <p class="panel-where">
        <Badge mark={spot.mark}>{word(spot.mark)}</Badge>
        <span>
          {subject ? kindWord(subject.kind) : count(spot.members.length, "workload")} in {spot.cluster || "no cluster"}{" "}
          / {spot.namespace}
        </span>
      </p>
      <Figures golden={spot.golden} />
      <p>{spot.pods === 0 ? "No pods of its own." : `${spot.meshed} of ${count(spot.pods, "pod")} meshed.`}</p>
      <TieList title="Called by" ties={callers} name={(tie) => names.get(tie.source) ?? ""} onSelect={onSelect} />
      <TieList title="Calls" ties={calls} name={(tie) => names.get(tie.target) ?? ""} onSelect={onSelect} />
      <p class="panel-ways">
        {subject?.kind && (
          <a class="button" href={workloadHref(subject, { window: kept.window ?? "" })}>
            Open {kindWord(subject.kind)}
          </a>
        )}
        {subject?.kind && <a href={href("tap", tapQuery(subject))}>Watch its requests</a>}
        {!subject && (
          <a href={href("workloads", { ...kept, namespace: spot.namespace, cluster: spot.cluster })}>
            All its workloads
          </a>
        )}
      </p>
    </>
  );
}

function tapQuery(subject: { cluster: string; namespace: string; kind: string; name: string }): Record<string, string> {
  return { cluster: subject.cluster, namespace: subject.namespace, kind: subject.kind, name: subject.name, on: "yes" };
}

function TieList(props: {
  title: string;
  ties: Tie[];
  name: (tie: Tie) => string;
  onSelect: (id: string) => void;
}): JSX.Element | null {
  if (!props.ties.length) return null;
  return (
    <div class="panel-ties">
      <h3>{props.title}</h3>
      <ul>
        {props.ties.slice(0, 12).map((tie) => (
          <li key={tie.id}>
            <button type="button" class="row-button" onClick={() => props.onSelect(tie.id)}>
              <Badge mark={tie.mark}>{props.name(tie)}</Badge>
              <span>
                {rate(tie.golden.rps)}/s · {LOCKS[lock(tie.secured)]}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {props.ties.length > 12 && <p>and {props.ties.length - 12} more in the table</p>}
    </div>
  );
}

function AboutTie({ tie }: { tie: Tie }): JSX.Element {
  const one = tie.edges.length === 1 ? tie.edges[0] : undefined;
  return (
    <>
      <p class="panel-where">
        <Badge mark={tie.mark}>{word(tie.mark)}</Badge>
        <span>{tie.link ? `over the link ${tie.link}` : "inside one cluster"}</span>
      </p>
      <Figures golden={tie.golden} />
      <dl class="facts">
        <dt>mTLS</dt>
        <dd>
          {LOCKS[lock(tie.secured)]}
          {tie.secured !== null && tie.secured < 1 && ` (${percent(tie.secured)})`}
        </dd>
        <dt>Policy</dt>
        <dd>
          {one?.policySays || POLICIES[tie.policy]}
          {tie.denied > 0 && `; ${rate(tie.denied)}/s denied`}
        </dd>
        {one && <EdgeFacts edge={one} />}
      </dl>
      {!one && <p>{count(tie.edges.length, "call")} together; open the namespaces to tell them apart.</p>}
      {one && (
        <p class="panel-ways">
          <SubjectLink subject={split(one.source)} />
          <SubjectLink subject={split(one.target)} />
        </p>
      )}
    </>
  );
}

function EdgeFacts({ edge }: { edge: Edge }): JSX.Element {
  return (
    <>
      {edge.service && (
        <>
          <dt>Service called</dt>
          <dd>{edge.service}</dd>
        </>
      )}
      {edge.serverId && (
        <>
          <dt>Server identity</dt>
          <dd class="long">{edge.serverId}</dd>
        </>
      )}
      <dt>TCP connections</dt>
      <dd>{rate(edge.tcpConnections)}</dd>
      <dt>Bytes/s</dt>
      <dd>{bytes(edge.bytesPerSecond)}</dd>
    </>
  );
}

/** A node's id is cluster/namespace/kind/name. */
export function split(id: string): { cluster: string; namespace: string; kind: string; name: string } {
  const [cluster = "", namespace = "", kind = "", ...name] = id.split("/");
  return { cluster, namespace, kind, name: name.join("/") };
}
