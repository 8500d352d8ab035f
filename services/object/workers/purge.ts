import { WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { type Call, newCall } from "../../common/rpc/call";
import type { Commits, MetadataClient } from "../commit";
import type { WorkerLimits } from "../config";
import type { ObjectMetrics } from "../metrics";

/**
 * One bounded step of removing what time has ended, and a look at the queues for the metrics. Answers whether more
 * is due.
 */
export async function purgeStep(
  deps: {
    readonly commits: Commits;
    readonly metadata: MetadataClient;
    readonly limits: WorkerLimits["purge"];
    readonly metrics: ObjectMetrics;
  },
  signal: AbortSignal,
): Promise<boolean> {
  const limit = deps.limits.batch;
  const call = newCall({ signal, timeoutMs: 60_000 });
  const outcome = await deps.commits.apply({ case: "purge", value: { limit } }, call);
  const queues = await deps.metadata.getQueues({}, call);
  deps.metrics.queueDepth.set({ queue: "repairs" }, Number(queues.repairs));
  deps.metrics.queueDepth.set({ queue: "deletes" }, Number(queues.deletes));
  deps.metrics.queueDepth.set({ queue: "purges" }, Number(queues.purges));
  await showWalks(deps, call);
  return outcome.result.case === "purge" && outcome.result.value.removed >= limit;
}

/** Finished and stopped walks are not shown. */
async function showWalks(
  { metadata, metrics }: { readonly metadata: MetadataClient; readonly metrics: ObjectMetrics },
  call: Call,
): Promise<void> {
  const { walks } = await metadata.listWalks({}, call);
  metrics.walkProgress.reset();
  for (const { kind, volumeId, running, checked, total } of walks)
    if (running)
      metrics.walkProgress.set(
        { kind: WalkKind[kind].toLowerCase(), volume: volumeId },
        Math.min(1, Number(checked) / Math.max(1, Number(total))),
      );
}
