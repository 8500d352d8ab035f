import type { ObjectService } from "../../gen/cairn/object/v1/object_pb";
import { type HashMaker, hashHere } from "../common/hashing/stream-hash";
import type { DependencyHealth, RunningService } from "../common/lifecycle/running-service";
import type { Logger } from "../common/log/logger";
import type { Metrics } from "../common/metrics/metrics";
import { newCall } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import { ClusterView, type StorageClient } from "./cluster-view";
import { Commits, type MetadataClient } from "./commit";
import { defaultWorkerLimits, type ObjectConfig } from "./config";
import { Heartbeat } from "./heartbeat";
import { objectMetrics } from "./metrics";
import { RepairReports } from "./repair-reports";
import { objectRpc } from "./rpc";
import { Traffic } from "./traffic";
import { WatchLoop } from "./watch-loop";
import { type ObjectWorkers, startObjectWorkers } from "./workers/start-workers";

export type ObjectOptions = {
  readonly metadata: MetadataClient;
  /** Every storage node of the cluster, alive or not. */
  readonly nodes: readonly { readonly address: string; readonly client: StorageClient }[];
  readonly config: ObjectConfig;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Where long bodies are hashed; default: on the thread that serves. */
  readonly hashes?: HashMaker;
};

/** What whoever opened the service may do with it besides. */
export type RunningObject = RunningService<typeof ObjectService> & {
  /** Takes one more storage node; resolves when it is registered. */
  addNode(address: string, client: StorageClient): Promise<void>;
  /** Asks a node no more whose volumes are removed. */
  removeNode(address: string): void;
};

/**
 * Opens the object service. It has no state of its own: any number of processes serve one cluster. Resolves when each
 * node has answered its first heartbeat, or did not within a bounded time.
 */
export async function openObject(options: ObjectOptions): Promise<RunningObject> {
  const { metadata, config, clock, random, log } = options;
  const metrics = objectMetrics(options.metrics);
  const nowMs = () => clock.monotonicMs();
  const cluster = new ClusterView(options.nodes, clock);
  const watch = new WatchLoop(clock);
  const traffic = new Traffic(clock, watch);
  const commits = new Commits({ metadata, clock, limits: config.commit, metrics });
  let workers: ObjectWorkers | undefined;
  const nudge = () => workers?.nudgeRepairs();
  const reports = new RepairReports({
    commits,
    log,
    maxPending: config.read.maxPendingReports,
    onQueued: nudge,
  });
  const heartbeat = new Heartbeat({
    cluster,
    metadata,
    commits,
    limits: config.heartbeat,
    clock,
    log,
    metrics,
  });
  await heartbeat.start();
  if (config.workers !== false) {
    const { copies, workers: limits } = config;
    workers = startObjectWorkers({
      cluster,
      metadata,
      commits,
      reports,
      copies,
      limits,
      traffic,
      clock,
      log,
      metrics,
    });
  }

  const service = objectRpc({
    metadata,
    commits,
    cluster,
    metrics,
    traffic,
    maxDecisions: config.commit.maxDecisions,
    operator: { cluster, heartbeat, commits, onWalk: () => workers?.nudgeWalks() },
    verify: {
      ...{ cluster, metadata, commits, reports, log, metrics, copies: config.copies },
      orphanGraceMs: (config.workers || defaultWorkerLimits).orphans.graceMs,
    },
    put: {
      write: { cluster, watch, clock, limits: config.write, copies: config.copies, metrics },
      longBody: { commits, watch, nowMs, ttlMs: config.write.hiddenUploadTtlMs, log, onIncomplete: nudge },
      commits,
      blobLimitBytes: config.blobLimitBytes,
      metrics,
      hashes: options.hashes ?? hashHere,
      onIncomplete: nudge,
    },
    get: {
      metadata,
      read: { cluster, watch, clock, random, limits: config.read, reports, metrics },
      lease: { commits, watch, nowMs, deleteGraceMs: config.read.deleteGraceMs, log },
    },
  });

  let closing: Promise<void> | undefined;
  return {
    service,
    health: () => health(metadata, cluster, clock),
    addNode: (address, client) => heartbeat.add(address, client),
    removeNode: (address) => heartbeat.remove(address),
    close: () => {
      closing ??= Promise.all([workers?.close(), heartbeat.close()]).then(() => reports.settled());
      return closing;
    },
  };
}

async function health(
  metadata: MetadataClient,
  cluster: ClusterView,
  clock: Clock,
): Promise<DependencyHealth[]> {
  const asked = await Promise.all([
    ask(clock, "metadata", (call) => metadata.getQueues({}, call)),
    ...cluster.nodes.map((node) =>
      ask(clock, `storage ${node.address}`, (call) => node.client.getNode({}, call)),
    ),
  ]);
  return asked;
}

async function ask(
  clock: Clock,
  name: string,
  question: (call: ReturnType<typeof newCall>) => Promise<unknown>,
): Promise<DependencyHealth> {
  const startedMs = clock.monotonicMs();
  try {
    await question(newCall({ timeoutMs: 1_500 }));
    return { name, ok: true, latencyMs: clock.monotonicMs() - startedMs };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { name, ok: false, latencyMs: clock.monotonicMs() - startedMs, detail };
  }
}
