// Tap: requests as they pass, with pause, filter and, when joined, the journey through all proxies. In: the stream `/api/tap`. Out: a list.
import type { JSX } from "preact";
import { session } from "../ask";
import { Command } from "../parts/command";
import { Icon } from "../parts/icons";
import { Frame } from "../parts/page";
import { matches, Search } from "../parts/pick";
import { Empty } from "../parts/states";
import { here } from "../place";
import { count } from "../words";
import { AskForm, asked, command } from "./askform";
import { RequestList, StreamState, useRequests } from "./list";

export function contextOf(cluster: string): string {
  return session.value?.clusters.find((one) => one.name === cluster)?.context ?? cluster;
}

export function TapPage(): JSX.Element {
  const { query } = here.value;
  const q = query.q ?? "";
  const ask = asked(query, session.value?.clusters[0]?.name ?? "");
  const requests = useRequests(ask);
  return (
    <Frame
      title="Tap"
      lead="Requests as they pass the proxies. Nothing is recorded, and nobody watches unless asked."
      state={ask && <StreamState requests={requests} />}
      tools={<AskForm joining />}
    >
      {ask ? (
        <>
          <div class="toolbar">
            <button
              type="button"
              class="button small"
              aria-pressed={requests.paused}
              onClick={() => requests.pause(!requests.paused)}
            >
              <Icon name={requests.paused ? "play" : "pause"} size={14} /> {requests.paused ? "Go on" : "Pause"}
            </button>
            <button type="button" class="plain" onClick={requests.clear}>
              Clear
            </button>
            <Search label="Filter what is shown" />
            <span class="quiet">{count(requests.seen, "request")} seen</span>
          </div>
          <RequestList
            requests={requests}
            most={200}
            filter={(row) =>
              matches(
                q,
                row.method,
                row.path,
                row.authority,
                row.sourcePod,
                row.destinationPod,
                String(row.status ?? ""),
              )
            }
          />
          <Command command={command("tap", ask, contextOf(ask.cluster ?? ""))} />
        </>
      ) : (
        <Empty title="Name a workload and press Start.">
          With “Join both sides of a link”, one request is shown with every proxy it passed: client, gateway, server.
        </Empty>
      )}
    </Frame>
  );
}
