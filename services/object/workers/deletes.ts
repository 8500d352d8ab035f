import type { Pair } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { hasReason } from "../../common/errors/cairn-error";
import type { Logger } from "../../common/log/logger";
import { type Call, newCall } from "../../common/rpc/call";
import type { ClusterView, VolumeView } from "../cluster-view";
import type { Commits, MetadataClient } from "../commit";
import type { WorkerLimits } from "../config";
import { confirmHistory } from "../histories";
import type { ObjectMetrics } from "../metrics";

export type DeleteDependencies = {
  readonly cluster: ClusterView;
  readonly metadata: MetadataClient;
  readonly commits: Commits;
  readonly limits: WorkerLimits["deletes"];
  readonly log: Logger;
  readonly metrics: ObjectMetrics;
};

/**
 * One round of the delete queue: what the metadata condemned is deleted on the nodes and then confirmed (P6). Nothing
 * is taken while no live volume follows this history (P7). Answers whether more is due.
 */
export async function deletesStep(deps: DeleteDependencies, signal: AbortSignal): Promise<boolean> {
  const open = deps.cluster.volumes().some((volume) => volume.node.alive && volume.deleteHold === "");
  if (!open) return false;
  const { batch, visibilityMs } = deps.limits;
  const call = newCall({ signal, timeoutMs: visibilityMs });
  const value = { limit: batch, visibilityMs: BigInt(visibilityMs) };
  const outcome = await deps.commits.apply({ case: "takeDeletes", value }, call);
  const pairs = outcome.result.case === "deletes" ? outcome.result.value.pairs : [];
  const deletedPairs: Pair[] = [];
  await Promise.all(
    [...byVolume(pairs)].map(async ([volumeId, ofVolume]) => {
      const volume = deps.cluster.volume(volumeId);
      if (deps.cluster.registered(volumeId)?.removed) {
        // It never counts again: its replicas are as good as gone.
        deletedPairs.push(...ofVolume);
        return;
      }
      if (volume === undefined || !volume.node.alive) return;
      const blobIds = ofVolume.map((pair) => pair.blobId);
      const deleted = new Set(await deleteOn(deps, volume, blobIds, "deletes", call));
      deletedPairs.push(...ofVolume.filter((pair) => deleted.has(pair.blobId)));
    }),
  );
  await confirm(deps.commits, deletedPairs, call);
  return pairs.length > 0 && deletedPairs.length === pairs.length;
}

/**
 * Deletes condemned replicas of one volume, guarded by P7. Answers those that are gone; none when the volume is held
 * or does not answer: then they are handed out again.
 */
export async function deleteOn(
  deps: Pick<DeleteDependencies, "metadata" | "metrics" | "log">,
  volume: VolumeView,
  blobIds: readonly string[],
  worker: string,
  call: Call,
): Promise<string[]> {
  // Between asking and deleting another process may have moved the volume's memory on: asked once more.
  for (let attempt = 1; attempt <= 2; attempt++) {
    try {
      const history = await confirmHistory(deps.metadata, volume, call);
      if (history === undefined) {
        deps.log.error(
          { volumeId: volume.volumeId },
          "deletes stand still: the volume follows another history",
        );
        return [];
      }
      const request = { volumeId: volume.volumeId, blobIds: [...blobIds], ...history };
      const { deletedBlobIds } = await volume.node.client.deleteBlobs(request, call);
      deps.metrics.deleted.inc({ worker }, deletedBlobIds.length);
      return deletedBlobIds;
    } catch (error) {
      if (hasReason(error, "HISTORY_MISMATCH") && attempt === 1) continue;
      if (call.signal.aborted) throw error;
      deps.log.warn(
        { err: error, volumeId: volume.volumeId },
        "replicas were not deleted and are tried again",
      );
      return [];
    }
  }
  return [];
}

/** Tells the metadata what is gone. */
export async function confirm(
  commits: Commits,
  pairs: readonly { blobId: string; volumeId: string }[],
  call: Call,
): Promise<void> {
  for (let at = 0; at < pairs.length; at += 1_000) {
    await commits.apply({ case: "finishDeletes", value: { pairs: pairs.slice(at, at + 1_000) } }, call);
  }
}

function byVolume(pairs: readonly Pair[]): Map<string, Pair[]> {
  const result = new Map<string, Pair[]>();
  for (const pair of pairs) {
    const ofVolume = result.get(pair.volumeId);
    if (ofVolume === undefined) result.set(pair.volumeId, [pair]);
    else ofVolume.push(pair);
  }
  return result;
}
