import { type Copy, CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { ListBlobsResponse, ListedBlob } from "../../../gen/cairn/storage/v1/storage_pb";
import { hasReason } from "../../common/errors/cairn-error";
import { type Call, newCall } from "../../common/rpc/call";
import type { Clock } from "../../common/time/clock";
import type { VolumeView } from "../cluster-view";
import type { WorkerLimits } from "../config";
import type { RepairReports } from "../repair-reports";
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
    if (!volume.node.alive) continue;
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
    // First what lies there, then the rows: a commit in between is seen as a row, never as an orphan.
    const page = await listBlobs(deps, volume, afterBlobId, call);
    const through = page.more ? (page.blobs.at(-1)?.blobId ?? "") : "";
    const rows = await listCopies(deps, volume.volumeId, afterBlobId, through, call);
    await collectOrphans(deps, volume, page, rows, call);
    await reportMissing(deps, volume, page, rows, call);
    if (!page.more || through === "") return;
    afterBlobId = through;
    await deps.clock.sleep(deps.limits.pauseMs, signal);
  }
}

function listBlobs(
  deps: OrphanDependencies,
  volume: VolumeView,
  afterBlobId: string,
  call: Call,
): Promise<ListBlobsResponse> {
  const { volumeId } = volume;
  return volume.node.client.listBlobs({ volumeId, afterBlobId, limit: deps.limits.batch }, call);
}

/** All rows of the range, which may be many more than blobs when a volume lost its disk. */
async function listCopies(
  deps: OrphanDependencies,
  volumeId: string,
  afterBlobId: string,
  throughBlobId: string,
  call: Call,
): Promise<Map<string, Copy>> {
  const rows = new Map<string, Copy>();
  let after = afterBlobId;
  while (true) {
    const request = { volumeId, afterBlobId: after, throughBlobId, limit: 10_000 };
    const { copies, more } = await deps.metadata.listCopies(request, call);
    for (const copy of copies) rows.set(copy.blobId, copy);
    const last = copies.at(-1);
    // Bounded (I7): what is beyond is found by the next walk, when these have been repaired.
    if (!more || last === undefined || rows.size >= 100_000) return rows;
    after = last.blobId;
  }
}

async function collectOrphans(
  deps: OrphanDependencies,
  volume: VolumeView,
  page: ListBlobsResponse,
  rows: ReadonlyMap<string, Copy>,
  call: Call,
): Promise<void> {
  if (volume.deleteHold !== "") return;
  const { volumeId } = volume;
  const old = (blob: ListedBlob) => blob.ageMs > BigInt(deps.limits.graceMs);
  // A condemned pair whose bytes are there (again) after the grace was written late: its delete is confirmed anew.
  const named = (blobId: string) => (rows.get(blobId)?.state ?? CopyState.CONDEMNED) !== CopyState.CONDEMNED;
  const unnamed = page.blobs.filter((blob) => !named(blob.blobId) && old(blob)).map((blob) => blob.blobId);
  let going: string[] = [];
  for (let at = 0; at < unnamed.length; at += 1_000) {
    const value = { volumeId, blobIds: unnamed.slice(at, at + 1_000), volumeBlobs: page.total };
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
}

async function reportMissing(
  deps: OrphanDependencies,
  volume: VolumeView,
  page: ListBlobsResponse,
  rows: ReadonlyMap<string, Copy>,
  call: Call,
): Promise<void> {
  const there = new Set(page.blobs.map((blob) => blob.blobId));
  const { volumeId } = volume;
  for (const [blobId, copy] of rows) {
    if (there.has(blobId) || copy.state !== CopyState.GOOD) continue;
    try {
      // It may have been written after the listing.
      await volume.node.client.verifyBlob({ blobId, volumeId }, call);
    } catch (error) {
      if (!hasReason(error, "NO_SUCH_BLOB", "DAMAGED_BLOB")) throw error;
      deps.reports.report({ blobId, volumeId });
    }
  }
}
