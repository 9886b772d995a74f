// A workload's golden metrics over time. In: a `Spark`. Out: three charts.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { Chart } from "../parts/chart";
import type { Spark } from "../shapes";
import { millis, percent, rate } from "../words";

export function SparkCharts({ spark }: { spark: Spark }): JSX.Element {
  const times = useMemo(() => spark.rps.map((_, at) => spark.start + at * spark.step), [spark]);
  return (
    <div class="charts">
      <Chart
        title="Requests/s"
        times={times}
        say={rate}
        lines={[{ name: "rate", colour: "--tone-0", values: spark.rps }]}
      />
      <Chart
        title="Success"
        times={times}
        say={percent}
        top={1.02}
        lines={[{ name: "success", colour: "--ok", values: spark.success }]}
      />
      <Chart
        title="Latency"
        times={times}
        say={millis}
        lines={[{ name: "p95", colour: "--tone-1", values: spark.p95 }]}
      />
    </div>
  );
}
