import { Counter, Gauge, Histogram } from "prom-client";
import { Durations } from "../common/metrics/durations";
import type { Metrics } from "../common/metrics/metrics";
import { queueDepths } from "./reads/queues";
import type { Runner } from "./store/statement";

export type MetadataMetrics = {
  readonly batchCommands: Histogram;
  readonly commandSeconds: Durations;
  readonly refusals: Counter<"kind" | "reason">;
};

/** How commands fare, and how deep the queues are; depths are read when the page is asked for. */
export function metadataMetrics(registry: Metrics, runner: () => Runner | undefined): MetadataMetrics {
  const registers = [registry];
  new Gauge({
    name: "cairn_metadata_queue_depth",
    help: "Rows of the repair and delete queues, and deleted buckets that are not purged yet.",
    labelNames: ["queue"],
    registers,
    async collect() {
      const reader = runner();
      if (reader === undefined) return;
      try {
        for (const [queue, depth] of Object.entries(await queueDepths(reader))) this.set({ queue }, depth);
      } catch {
        // The database is away: the last depths stand, readiness tells.
      }
    },
  });
  return {
    batchCommands: new Histogram({
      name: "cairn_metadata_batch_commands",
      help: "Commands that shared a transaction.",
      buckets: [1, 2, 4, 8, 16, 32, 64],
      registers,
    }),
    commandSeconds: new Durations({
      name: "cairn_metadata_command_seconds",
      help: "From a command's arrival until it is durable, by kind.",
      labelNames: ["kind"],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registry,
    }),
    refusals: new Counter({
      name: "cairn_metadata_refusals_total",
      help: "Commands that were decided against, by kind and reason.",
      labelNames: ["kind", "reason"],
      registers,
    }),
  };
}
