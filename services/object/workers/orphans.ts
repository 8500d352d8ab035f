import { hasReason } from "../../common/errors/cairn-error";
import { type Call, newCall } from "../../common/rpc/call";
import type { Clock } from "../../common/time/clock";
import type { VolumeView } from "../cluster-view";
import type { WorkerLimits } from "../config";
import type { RepairReports } from "../repair-reports";
import { missingOf, orphansOf, readRange } from "./compare-range";
import { confirm, type DeleteDependencies, deleteOn } from "./deletes";

export type OrphanDependencies = Omit<DeleteDependencies, "limits"> & {
  readonly limits: WorkerLimits["orphans"];
  readonly reports: RepairReports;
  readonly clock: Clock;
};

/**
 * One walk over all live volumes (P8): what lies there is compared with the rows of `copies`, both ways. A replica
 * that has lain unnamed for longer than the grace is condemned in one transaction and then deleted (P6); a row whose
 * replica is not there goes to the repair queue.
 */
export async function orphansWalk(deps: OrphanDependencies, signal: AbortSignal): Promise<boolean> {
  for (const volume of deps.cluster.volumes()) {
    if (signal.aborted) return false;
    if (!volume.node.alive || !volume.registered) continue;
    try {
      await walkVolume(deps, volume, signal);
    } catch (error) {
      if (signal.aborted) return false;
      const message = hasReason(error, "TOO_MANY_ORPHANS")
        ? "too many orphans at once: collection on this volume stands still until an operator has looked"
        : "the walk over a volume was broken off and begins again later";
      deps.log.error({ err: error, volumeId: volume.volumeId }, message);
    }
  }
  return false;
}

async function walkVolume(deps: OrphanDependencies, volume: VolumeView, signal: AbortSignal): Promise<void> {
  let afterBlobId = "";
  while (!signal.aborted) {
    const call = newCall({ signal, timeoutMs: 60_000 });
    const range = await readRange(deps, volume, afterBlobId, deps.limits.batch, call);
    await collectOrphans(deps, volume, orphansOf(range, deps.limits.graceMs), range.total, call);
    for (const blobId of await missingOf(volume, range, call))
      deps.reports.report({ blobId, volumeId: volume.volumeId });
    if (range.through === "") return;
    afterBlobId = range.through;
    await deps.clock.sleep(deps.limits.pauseMs, signal);
  }
}

/** Condemns replicas that no row names, and deletes those that were condemned (P6). Answers those. */
export async function collectOrphans(
  deps: Omit<DeleteDependencies, "limits">,
  volume: VolumeView,
  unnamed: readonly string[],
  volumeBlobs: bigint,
  call: Call,
): Promise<string[]> {
  if (volume.deleteHold !== "") return [];
  const { volumeId } = volume;
  let going: string[] = [];
  for (let at = 0; at < unnamed.length; at += 1_000) {
    const value = { volumeId, blobIds: unnamed.slice(at, at + 1_000), volumeBlobs };
    const outcome = await deps.commits.apply({ case: "condemnOrphans", value }, call);
    if (outcome.result.case === "orphans") going = going.concat(outcome.result.value.blobIds);
  }
  for (let at = 0; at < going.length; at += 1_000) {
    const deleted = await deleteOn(deps, volume, going.slice(at, at + 1_000), "orphans", call);
    await confirm(
      deps.commits,
      deleted.map((blobId) => ({ blobId, volumeId })),
      call,
    );
  }
  return going;
}
