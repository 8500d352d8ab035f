import { type Copy, CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { type Candidate, placementOrder } from "../rendezvous";

export type RepairPlan<C extends Candidate> = {
  /** Copies on nodes of their own that still have to be made. */
  readonly missing: number;
  /** Where, best first. */
  readonly targets: readonly C[];
  /** Bad pairs. */
  readonly bad: readonly string[];
  /** Good pairs, to read from. */
  readonly good: readonly string[];
};

/**
 * What a blob lacks: `nodeOf` tells where a volume is, undefined when that is not known. A volume that the blob has a
 * pair with is no target: not a good one, not a bad one (its own volume is a last resort that the worker sees to); a
 * condemned one (P6) only when nothing else is left.
 */
export function planRepair<C extends Candidate>(
  blobId: string,
  pairs: readonly Copy[],
  writable: readonly C[],
  copies: number,
  nodeOf: (volumeId: string) => string | undefined,
): RepairPlan<C> {
  const inState = (state: CopyState) =>
    pairs.filter((pair) => pair.state === state).map((pair) => pair.volumeId);
  const good = inState(CopyState.GOOD);
  const bad = inState(CopyState.BAD);
  const condemned = new Set(inState(CopyState.CONDEMNED));
  // A volume that nobody knows counts as a node of its own: its disk may come back.
  const goodNodes = new Set(good.map((volumeId) => nodeOf(volumeId) ?? `unknown node of ${volumeId}`));
  const taken = new Set([...good, ...bad]);
  const free = placementOrder(
    blobId,
    writable.filter(
      (target) =>
        !goodNodes.has(target.nodeId) && !taken.has(target.volumeId) && !condemned.has(target.volumeId),
    ),
    copies,
  );
  const freeNodes = new Set(free.map((target) => target.nodeId));
  const lastResort = placementOrder(
    blobId,
    writable.filter(
      (target) =>
        !goodNodes.has(target.nodeId) && !freeNodes.has(target.nodeId) && condemned.has(target.volumeId),
    ),
    copies,
  );
  return { missing: Math.max(0, copies - goodNodes.size), targets: [...free, ...lastResort], bad, good };
}
