import { Counter, Gauge } from "prom-client";
import { Durations } from "../common/metrics/durations";
import type { Metrics } from "../common/metrics/metrics";

/** What the object service counts. */
export type ObjectMetrics = ReturnType<typeof objectMetrics>;

export function objectMetrics(registry: Metrics) {
  const registers = [registry];
  const bytes = new Counter({
    name: "cairn_object_bytes_total",
    help: "Bytes of bodies received and sent.",
    labelNames: ["direction"],
    registers,
  });
  const quorums = new Counter({
    name: "cairn_object_blob_writes_total",
    help: "Blobs written, by what came of it: complete, incomplete (two copies), failed.",
    labelNames: ["result"],
    registers,
  });
  return {
    // One counter a label value, since looking them up by labels is dear and these count every request.
    bytesIn: bytes.labels("in"),
    bytesOut: bytes.labels("out"),
    completeQuorums: quorums.labels("complete"),
    incompleteQuorums: quorums.labels("incomplete"),
    failedQuorums: quorums.labels("failed"),
    dropped: new Counter({
      name: "cairn_object_replicas_dropped_total",
      help: "Replicas that a write went on without: refused, behind, slow, stalled, unsynced.",
      labelNames: ["why"],
      registers,
    }),
    failovers: new Counter({
      name: "cairn_object_read_failovers_total",
      help: "Reads that went on with another replica, by why they left the former one.",
      labelNames: ["why"],
      registers,
    }),
    commitRetries: new Counter({
      name: "cairn_object_commit_retries_total",
      help: "Commands asked again because their answer did not come.",
      registers,
    }),
    repairs: new Counter({
      name: "cairn_object_repairs_total",
      help: "Repair tasks by outcome: whole, copied, waiting, lost.",
      labelNames: ["outcome"],
      registers,
    }),
    moved: new Counter({
      name: "cairn_object_copies_moved_total",
      help: "Copies that a drain or a rebalance moved.",
      registers,
    }),
    scrubbed: new Counter({
      name: "cairn_object_replicas_scrubbed_total",
      help: "Replicas read by the scrubber, by result: sound, damaged, missing.",
      labelNames: ["result"],
      registers,
    }),
    walkProgress: new Gauge({
      name: "cairn_object_walk_progress",
      help: "Share of a volume's copies that a drain, rebalance or scrub under way has seen, 0 to 1.",
      labelNames: ["kind", "volume"],
      registers,
    }),
    deleted: new Counter({
      name: "cairn_object_replicas_deleted_total",
      help: "Replicas deleted, by worker: deletes, orphans.",
      labelNames: ["worker"],
      registers,
    }),
    queueDepth: new Gauge({
      name: "cairn_object_queue_depth",
      help: "Tasks in the queues: repairs, deletes, purges.",
      labelNames: ["queue"],
      registers,
    }),
    nodes: new Gauge({
      name: "cairn_object_nodes",
      help: "Configured storage nodes, alive and dead.",
      labelNames: ["state"],
      registers,
    }),
    deleteHolds: new Gauge({
      name: "cairn_object_delete_holds",
      help: "Volumes that take no deletes because they follow another history (P7).",
      registers,
    }),
    commitSeconds: new Durations({
      name: "cairn_object_commit_seconds",
      help: "From sending a commit to its outcome.",
      labelNames: [],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registry,
    }).of(),
  };
}
