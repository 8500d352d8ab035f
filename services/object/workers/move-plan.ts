import { type Copy, CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { type Candidate, placementOrder, replacementOrder } from "../rendezvous";

type Place = Pick<Candidate, "nodeId" | "zone">;

/** One copy takes another's place; without `to` one that nobody wants is given up. */
export type Move<C extends Candidate> = { readonly from: string; readonly to: C | undefined };

/**
 * The next move that brings a blob to where placement wants it among `volumes`, or undefined when it lies there, or has
 * too few good copies: that is repair's. One copy at a time, so that at no moment there are fewer than before, and no
 * more moves than there are volumes that hold none of it yet. `volumes` are all that should hold blobs, whether they
 * can be written to now or not: what is away for a moment moves nothing.
 */
export function planRebalance<C extends Candidate>(
  blobId: string,
  pairs: readonly Copy[],
  volumes: readonly C[],
  copies: number,
  placeOf: (volumeId: string) => Place | undefined,
): Move<C> | undefined {
  const good = inState(pairs, CopyState.GOOD).filter((volumeId) => placeOf(volumeId) !== undefined);
  const nodes = new Set(good.map((volumeId) => placeOf(volumeId)?.nodeId));
  if (nodes.size < copies) return undefined;
  const wanted = placementOrder(blobId, volumes, copies).slice(0, copies);
  const surplus = good.filter((volumeId) => !wanted.some((volume) => volume.volumeId === volumeId));
  const condemned = new Set(inState(pairs, CopyState.CONDEMNED));
  const taken = new Set([...good, ...inState(pairs, CopyState.BAD)]);
  for (const to of wanted) {
    // A condemned pair is not named again by a move (P6): its row ends by itself, and a later walk comes back to it.
    if (taken.has(to.volumeId) || condemned.has(to.volumeId)) continue;
    const onItsNode = surplus.find((volumeId) => placeOf(volumeId)?.nodeId === to.nodeId);
    const from = onItsNode ?? surplus[0];
    if (from !== undefined) return { from, to };
  }
  if (good.length <= copies) return undefined;
  const from = surplus.find((volumeId) => nodesWithout(good, volumeId, placeOf) >= copies);
  return from === undefined ? undefined : { from, to: undefined };
}

/**
 * How a blob's copy leaves a volume: to the writable volume that placement likes best beside the other copies, or to
 * nowhere when enough others are there. Undefined when nothing can take it now.
 */
export function planDrain<C extends Candidate>(
  blobId: string,
  pairs: readonly Copy[],
  from: string,
  writable: readonly C[],
  copies: number,
  placeOf: (volumeId: string) => Place | undefined,
): Move<C> | undefined {
  const good = inState(pairs, CopyState.GOOD).filter((volumeId) => placeOf(volumeId) !== undefined);
  if (nodesWithout(good, from, placeOf) >= copies) return { from, to: undefined };
  const others = good.filter((volumeId) => volumeId !== from).flatMap((volumeId) => placeOf(volumeId) ?? []);
  const held = new Set(others.map((place) => place.nodeId));
  const paired = new Set(pairs.map((pair) => pair.volumeId));
  const free = writable.filter((volume) => !held.has(volume.nodeId) && !paired.has(volume.volumeId));
  const [to] = replacementOrder(blobId, free, copies, others);
  return to === undefined ? undefined : { from, to };
}

function inState(pairs: readonly Copy[], state: CopyState): string[] {
  return pairs.filter((pair) => pair.state === state).map((pair) => pair.volumeId);
}

function nodesWithout(
  good: readonly string[],
  without: string,
  placeOf: (volumeId: string) => Place | undefined,
): number {
  const rest = good.filter((volumeId) => volumeId !== without);
  return new Set(rest.map((volumeId) => placeOf(volumeId)?.nodeId)).size;
}
