import { type Copy, CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { type Candidate, replacementOrder } from "../rendezvous";

type Place = Pick<Candidate, "nodeId" | "zone">;

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
 * What a blob lacks: `placeOf` tells where a volume is, undefined when that is not known. A volume that the blob has a
 * pair with is no target: not a good one, not a bad one (its own volume is a last resort that the worker sees to); a
 * condemned one (P6) only when nothing else is left.
 */
export function planRepair<C extends Candidate>(
  blobId: string,
  pairs: readonly Copy[],
  writable: readonly C[],
  copies: number,
  placeOf: (volumeId: string) => Place | undefined,
): RepairPlan<C> {
  const inState = (state: CopyState) =>
    pairs.filter((pair) => pair.state === state).map((pair) => pair.volumeId);
  const good = inState(CopyState.GOOD);
  const bad = inState(CopyState.BAD);
  const condemned = new Set(inState(CopyState.CONDEMNED));
  // A volume that nobody knows counts as a node of its own: its disk may come back.
  const places = good.map(
    (volumeId): Place => placeOf(volumeId) ?? { nodeId: `unknown node of ${volumeId}`, zone: "" },
  );
  const goodNodes = new Set(places.map((place) => place.nodeId));
  const taken = new Set([...good, ...bad]);
  const free = replacementOrder(
    blobId,
    writable.filter(
      (target) =>
        !goodNodes.has(target.nodeId) && !taken.has(target.volumeId) && !condemned.has(target.volumeId),
    ),
    copies,
    places,
  );
  const freeNodes = new Set(free.map((target) => target.nodeId));
  const lastResort = replacementOrder(
    blobId,
    writable.filter(
      (target) =>
        !goodNodes.has(target.nodeId) && !freeNodes.has(target.nodeId) && condemned.has(target.volumeId),
    ),
    copies,
    places,
  );
  return { missing: Math.max(0, copies - goodNodes.size), targets: [...free, ...lastResort], bad, good };
}
