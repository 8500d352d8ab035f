import {
  type Copy,
  CopyState,
  type RepairTask,
  type Walk,
  WalkKind,
} from "../../../gen/cairn/metadata/v1/metadata_pb";
import { hasReason } from "../../common/errors/cairn-error";
import { newCall } from "../../common/rpc/call";
import type { Clock } from "../../common/time/clock";
import type { Target } from "../cluster-view";
import type { Commits, MetadataClient } from "../commit";
import type { WorkerLimits } from "../config";
import type { ObjectMetrics } from "../metrics";
import { type CopyDependencies, copyFromAny } from "./copy-from-any";
import { type Move, planDrain, planRebalance } from "./move-plan";
import type { Pace } from "./pace";
import { type Stretch, walkStep } from "./walk-steps";

export type MoveDependencies = CopyDependencies & {
  readonly metadata: MetadataClient;
  readonly commits: Commits;
  readonly copies: number;
  readonly limits: WorkerLimits["moves"];
  readonly pace: Pace;
  readonly clock: Clock;
  readonly metrics: ObjectMetrics;
};

/** One stretch of a drain or a rebalance: copies are made elsewhere, synced and verified, and only then given up. */
export function movesStep(deps: MoveDependencies, signal: AbortSignal): Promise<boolean> {
  // While a volume is away nobody knows where placement wants a blob: its absence must not move anything.
  const settled = deps.cluster.settled() !== undefined && deps.cluster.registry().length > 0;
  const kinds = settled ? [WalkKind.DRAIN, WalkKind.REBALANCE] : [WalkKind.DRAIN];
  return walkStep(deps, kinds, (walk, until) => moveStretch(deps, walk, until), signal);
}

async function moveStretch(deps: MoveDependencies, walk: Walk, signal: AbortSignal): Promise<Stretch> {
  const { metadata, limits } = deps;
  const { volumeId } = walk;
  const call = newCall({ signal, timeoutMs: 60_000 });
  const page = await metadata.listCopies(
    { volumeId, afterBlobId: walk.afterBlobId, throughBlobId: "", limit: limits.batch },
    call,
  );
  const live = page.copies.filter((copy) => copy.state !== CopyState.CONDEMNED).map((copy) => copy.blobId);
  const { blobs } = live.length === 0 ? { blobs: [] } : await metadata.describeBlobs({ blobIds: live }, call);
  const counts = { checked: 0, changed: 0, waiting: 0, bytes: 0 };
  const untilMs = deps.clock.monotonicMs() + limits.stretchMs;
  let afterBlobId = walk.afterBlobId;
  let cutShort = false;
  for (const blob of blobs.sort((a, b) => (a.blobId < b.blobId ? -1 : 1))) {
    if (signal.aborted || deps.clock.monotonicMs() > untilMs) {
      cutShort = true;
      break;
    }
    const moved = await settle(deps, walk, blob, signal);
    if (moved === "none") continue;
    counts.checked++;
    if (moved === "waiting") counts.waiting++;
    if (typeof moved === "number") {
      counts.changed++;
      counts.bytes += moved * Number(blob.sizeBytes);
    }
    afterBlobId = blob.blobId;
  }
  if (!cutShort) afterBlobId = page.copies.at(-1)?.blobId ?? afterBlobId;
  const done = !cutShort && !page.more;
  const total = Math.max(
    Number(walk.total),
    Number(walk.checked) + counts.checked,
    walk.afterBlobId === "" ? Number(deps.cluster.volume(volumeId)?.blobs ?? 0n) : 0,
  );
  return { ...counts, afterBlobId, total, done, dueInMs: done ? nextRound(deps, walk, counts) : 0 };
}

/** A drain comes back for what arrived late, or could not go; a rebalance only for the latter. */
function nextRound(
  { limits }: MoveDependencies,
  walk: Walk,
  counts: { changed: number; waiting: number },
): number {
  if (Number(walk.waiting) + counts.waiting > 0) return limits.waitMs;
  if (walk.kind === WalkKind.REBALANCE) return 0;
  return Number(walk.changed) + counts.changed > 0 ? limits.lookAgainMs : limits.waitMs;
}

/** Makes all moves that a blob needs, one after the other. Answers how many bodies were copied, or why none. */
async function settle(
  deps: MoveDependencies,
  walk: Walk,
  blob: RepairTask,
  signal: AbortSignal,
): Promise<number | "none" | "waiting" | "right"> {
  const { cluster, copies } = deps;
  const placeOf = (volumeId: string) => placeKnown(deps, volumeId);
  let pairs: readonly Copy[] = blob.copies;
  const here = pairs.find((pair) => pair.volumeId === walk.volumeId);
  if (here?.state !== CopyState.GOOD)
    return here?.state === CopyState.BAD && isShort(deps, pairs) ? "waiting" : "none";
  let moved: number | undefined;
  for (let moves = 0; moves < 2 * copies; moves++) {
    const drain = walk.kind === WalkKind.DRAIN;
    const move: Move<Target> | undefined = drain
      ? planDrain(blob.blobId, pairs, walk.volumeId, cluster.writable(), copies, placeOf)
      : planRebalance(blob.blobId, pairs, cluster.settled() ?? [], copies, placeOf);
    if (move === undefined) return moved ?? (drain ? "waiting" : "right");
    if (!(await carryOut(deps, blob, pairs, move, signal))) return moved ?? "waiting";
    moved = (moved ?? 0) + (move.to === undefined ? 0 : 1);
    if (drain) return moved;
    const added =
      move.to === undefined ? [] : [{ ...pairs[0], volumeId: move.to.volumeId, state: CopyState.GOOD }];
    pairs = [...pairs.filter((pair) => pair.volumeId !== move.from), ...(added as Copy[])];
  }
  return moved ?? "right";
}

/** A volume that is away has its place from the metadata, its zone unknown. */
function placeKnown({ cluster }: MoveDependencies, volumeId: string) {
  const seen = cluster.volume(volumeId)?.node;
  if (seen !== undefined) return seen;
  const known = cluster.registered(volumeId);
  return known === undefined || known.removed ? undefined : { nodeId: known.nodeId, zone: "" };
}

function isShort(deps: MoveDependencies, pairs: readonly Copy[]): boolean {
  const good = pairs.filter((pair) => pair.state === CopyState.GOOD);
  return new Set(good.map((pair) => placeKnown(deps, pair.volumeId)?.nodeId)).size < deps.copies;
}

/** False when it cannot be done now: no room, no source, or the blob has changed. */
async function carryOut(
  deps: MoveDependencies,
  blob: RepairTask,
  pairs: readonly Copy[],
  { from, to }: Move<Target>,
  signal: AbortSignal,
): Promise<boolean> {
  const call = newCall({ signal, timeoutMs: 280_000 });
  if (to !== undefined) {
    if (!deps.cluster.writable().some((target) => target.volumeId === to.volumeId)) return false;
    const good = pairs.filter((pair) => pair.state === CopyState.GOOD).map((pair) => pair.volumeId);
    // The copy that goes first: the others have readers.
    const sources = [from, ...good.filter((volumeId) => volumeId !== from)];
    const copy = () => copyFromAny(deps, blob, sources, to, call);
    if (!(await deps.pace.step(copy, () => Number(blob.sizeBytes), signal))) return false;
  }
  try {
    const { blobId } = blob;
    const value = { blobId, fromVolumeId: from, toVolumeId: to?.volumeId ?? "", copies: deps.copies };
    await deps.commits.apply({ case: "moveCopy", value }, call);
    deps.metrics.moved.inc();
    return true;
  } catch (error) {
    if (hasReason(error, "COPY_CHANGED")) return false;
    throw error;
  }
}
