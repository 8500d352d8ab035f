import { CopyState, type Walk, WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { hasReason } from "../../common/errors/cairn-error";
import { type Call, newCall } from "../../common/rpc/call";
import type { VolumeView } from "../cluster-view";
import type { WorkerLimits } from "../config";
import { type ComparedRange, missingOf, orphansOf, readRange } from "./compare-range";
import { collectOrphans, type OrphanDependencies } from "./orphans";
import type { Pace } from "./pace";
import { type Stretch, walkStep } from "./walk-steps";

export type ScrubDependencies = Omit<OrphanDependencies, "limits"> & {
  readonly limits: WorkerLimits["scrub"];
  readonly orphanGraceMs: number;
  readonly copies: number;
  readonly pace: Pace;
};

/** A round takes so much of the interval, so that what delays it does not make it late. */
const shareOfInterval = 0.8;

/**
 * One stretch of the scrubber: every replica of a volume is read from the medium and compared with its rows, both ways
 * (P8). A round is spread over the interval; where it was is written down after each stretch.
 */
export async function scrubStep(deps: ScrubDependencies, signal: AbortSignal): Promise<boolean> {
  const known = await deps.metadata.listWalks({}, newCall({ signal, timeoutMs: 10_000 }));
  const begun = new Set(
    known.walks.filter((walk) => walk.kind === WalkKind.SCRUB).map((walk) => walk.volumeId),
  );
  const fresh = deps.cluster.registry().filter(({ volumeId, removed }) => !removed && !begun.has(volumeId));
  if (fresh.length > 0) {
    const volumeIds = fresh.map((volume) => volume.volumeId);
    const value = { kind: WalkKind.SCRUB, volumeIds, delayMs: 0n, missingOnly: true };
    await deps.commits.apply({ case: "startWalks", value }, newCall({ signal }));
  }
  return walkStep(deps, [WalkKind.SCRUB], (walk, until) => scrubStretch(deps, walk, until), signal);
}

async function scrubStretch(deps: ScrubDependencies, walk: Walk, signal: AbortSignal): Promise<Stretch> {
  const { limits, cluster } = deps;
  const { afterBlobId, volumeId } = walk;
  const nothing = { afterBlobId, checked: 0, changed: 0, waiting: 0, bytes: 0, total: Number(walk.total) };
  const volume = cluster.volume(volumeId);
  if (!volume?.node.alive || !volume.registered) return { ...nothing, done: false, dueInMs: limits.awayMs };
  const blobsOfVolume = Math.max(1, Number(volume.blobs), Number(walk.total));
  const everyMs = walk.hasty ? 0 : (limits.intervalMs * shareOfInterval) / blobsOfVolume;
  const wanted = everyMs === 0 ? limits.batch : Math.ceil(limits.stretchMs / everyMs);
  const limit = Math.min(limits.batch, Math.max(1, wanted));
  const startedMs = deps.clock.monotonicMs();
  const range = await readRange(deps, volume, afterBlobId, limit, newCall({ signal, timeoutMs: 60_000 }));
  await compareRows(deps, volume, range, newCall({ signal, timeoutMs: 60_000 }));
  const { through, ...found } = await readReplicas(deps, volume, range, signal);
  const done = through === "";
  const tookMs = deps.clock.monotonicMs() - startedMs;
  const sinceStartMs = deps.clock.nowMs() - Number(walk.startedAtMs);
  return {
    ...{ afterBlobId: through, waiting: 0, total: Number(range.total), ...found, done },
    dueInMs: done
      ? Math.max(1_000, limits.intervalMs - sinceStartMs)
      : Math.max(0, found.checked * everyMs - tookMs),
  };
}

/** The stretch's rows and replicas against each other: what lacks its replica goes to repair, what lacks its row goes. */
async function compareRows(
  deps: ScrubDependencies,
  volume: VolumeView,
  range: ComparedRange,
  call: Call,
): Promise<void> {
  const missing = await missingOf(volume, range, call);
  for (const blobId of missing) deps.reports.report({ blobId, volumeId: volume.volumeId });
  deps.metrics.scrubbed.inc({ result: "missing" }, missing.length);
  await collectOrphans(deps, volume, orphansOf(range, deps.orphanGraceMs), range.total, call);
}

/** Reads the stretch's replicas until its time is over; a damaged one goes to repair. */
async function readReplicas(
  deps: ScrubDependencies,
  volume: VolumeView,
  range: ComparedRange,
  signal: AbortSignal,
): Promise<{ checked: number; changed: number; bytes: number; through: string }> {
  const blobIds = range.blobs
    .map((blob) => blob.blobId)
    .filter((blobId) => range.rows.get(blobId)?.state === CopyState.GOOD);
  const call = newCall({ signal, timeoutMs: 60_000 });
  const facts = blobIds.length === 0 ? [] : (await deps.metadata.describeBlobs({ blobIds }, call)).blobs;
  const byId = new Map(facts.map((blob) => [blob.blobId, blob]));
  const found = { checked: 0, changed: 0, bytes: 0 };
  const untilMs = deps.clock.monotonicMs() + deps.limits.stretchMs;
  let through = "";
  for (const { blobId, sizeBytes } of range.blobs) {
    if (found.checked > 0 && (signal.aborted || deps.clock.monotonicMs() > untilMs))
      return { ...found, through };
    const fact = byId.get(blobId);
    found.checked++;
    through = blobId;
    // No row, or deleted meanwhile.
    if (fact === undefined) continue;
    const read = () => isSound(volume, blobId, fact, newCall({ signal, timeoutMs: 250_000 }));
    const sound = await deps.pace.step(read, () => Number(sizeBytes), signal);
    found.bytes += Number(sizeBytes);
    if (!sound) found.changed++;
    if (!sound) deps.reports.report({ blobId, volumeId: volume.volumeId });
    deps.metrics.scrubbed.inc({ result: sound ? "sound" : "damaged" });
  }
  return { ...found, through: range.through };
}

/** Reads a replica whole. A volume that hangs or is away is neither sound nor damaged: then this throws. */
export async function isSound(
  volume: VolumeView,
  blobId: string,
  fact: { readonly sizeBytes: bigint; readonly crc32c: number },
  call: Call,
): Promise<boolean> {
  try {
    const request = { blobId, volumeId: volume.volumeId };
    const read = await volume.node.client.verifyBlob(request, call);
    return read.sizeBytes === fact.sizeBytes && read.crc32c === fact.crc32c;
  } catch (error) {
    if (hasReason(error, "DAMAGED_BLOB", "NO_SUCH_BLOB")) return false;
    throw error;
  }
}
