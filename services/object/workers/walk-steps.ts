import type { Walk, WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { hasReason } from "../../common/errors/cairn-error";
import { newId } from "../../common/ids/uuid";
import { newCall } from "../../common/rpc/call";
import type { Commits } from "../commit";

/** What a stretch of a walk did. */
export type Stretch = {
  readonly afterBlobId: string;
  readonly checked: number;
  readonly changed: number;
  readonly waiting: number;
  readonly bytes: number;
  readonly total: number;
  /** The walk is through. */
  readonly done: boolean;
  /** Not before; with `done` the next round, 0 is none. */
  readonly dueInMs: number;
};

/** Long enough for one stretch of the largest blobs; a process that died gives its walk back after it. */
const holdMs = 300_000;

/** After this a stretch that failed is tried again. */
const failedMs = 10_000;

/**
 * Takes the walk that is due and goes on with it by one stretch, which is written down: any process goes on from there,
 * whatever dies in between. False when none is due.
 */
export async function walkStep(
  deps: { readonly commits: Commits },
  kinds: readonly WalkKind[],
  stretch: (walk: Walk, signal: AbortSignal) => Promise<Stretch>,
  signal: AbortSignal,
): Promise<boolean> {
  const holderId = newId();
  const take = { kinds: [...kinds], holderId, holdMs: BigInt(holdMs) };
  // Not cut off by the signal: a walk that was taken, but whose answer nobody heard, would stand still for `holdMs`.
  const outcome = await deps.commits.apply({ case: "takeWalk", value: take }, newCall({ timeoutMs: 10_000 }));
  const walk = outcome.result.case === "walk" ? outcome.result.value.walk : undefined;
  if (walk === undefined) return false;
  const { kind, volumeId } = walk;
  const save = ({ checked, changed, waiting, bytes, total, dueInMs, afterBlobId, done }: Stretch) => {
    const counts = { checked: BigInt(checked), changed: BigInt(changed), waiting: BigInt(waiting) };
    const sizes = { bytes: BigInt(bytes), total: BigInt(total) };
    const value = { kind, volumeId, holderId, holdMs: 0n, afterBlobId, done, ...counts, ...sizes };
    const due = { dueInMs: BigInt(Math.ceil(dueInMs)) };
    // Also while this process closes: what was done is written down.
    return deps.commits.apply(
      { case: "saveWalk", value: { ...value, ...due } },
      newCall({ timeoutMs: 5_000 }),
    );
  };
  try {
    await save(await stretch(walk, signal));
  } catch (error) {
    // Begun again meanwhile by an operator: the new round goes its own way.
    if (hasReason(error, "WALK_TAKEN")) return true;
    const nothing = { checked: 0, changed: 0, waiting: 0, bytes: 0, done: false };
    const dueInMs = signal.aborted ? 0 : failedMs;
    // Given back, so that another process need not wait for it.
    await save({ ...nothing, dueInMs, afterBlobId: walk.afterBlobId, total: Number(walk.total) }).catch(
      () => {},
    );
    throw error;
  }
  return true;
}
