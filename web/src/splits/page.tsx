// Traffic splits: weights as written and as measured, sliders that change them. In: view `splits`. Out: a card for each split.
import type { JSX } from "preact";
import { useLive } from "../live";
import { ViewPage } from "../parts/page";
import { matches, PickCluster, PickWindow, Search, Toolbar } from "../parts/pick";
import { Empty } from "../parts/states";
import { here } from "../place";
import type { Splits } from "../shapes";
import { SplitCard } from "./card";

export function SplitsPage(): JSX.Element {
  const { cluster = "", window = "", namespace = "", q = "" } = here.value.query;
  const live = useLive<Splits>("splits", { cluster, window, namespace });
  const tools = (
    <Toolbar>
      <PickCluster />
      <PickWindow />
      <Search label="Filter splits" />
    </Toolbar>
  );
  return (
    <ViewPage
      title="Traffic splits"
      lead="What was written, what happens, and a way to change it."
      live={live}
      tools={tools}
    >
      {(data) => {
        const rows = data.rows.filter((row) => matches(q, row.service.name, row.namespace, row.name, row.cluster));
        return rows.length ? (
          rows.map((row) => <SplitCard key={row.id} split={row} at={data.head.at} />)
        ) : (
          <Empty title={q ? `No split matches “${q}”.` : "No Service's traffic is split."}>
            {!q && "An HTTPRoute whose parent is a Service and whose rule names several backends is a split."}
          </Empty>
        );
      }}
    </ViewPage>
  );
}
