import { CopyState } from "../../gen/cairn/metadata/v1/metadata_pb";

/** A copy with what this process knows of its volume. */
export type ReadableCopy = {
  readonly volumeId: string;
  readonly state: CopyState;
  /** Its node answers heartbeats. */
  readonly alive: boolean;
  /** It was slow or failed a moment ago, or is suspended. */
  readonly avoided: boolean;
};

/**
 * The order in which copies are tried. Good ones on healthy volumes first, in random order so that load spreads; then
 * good ones that are slow, then good ones on nodes that seem dead; bad ones last, as every block is verified anyway
 * (I3). Condemned ones never (P6).
 */
export function readOrder<C extends ReadableCopy>(copies: readonly C[], random: () => number): C[] {
  return copies
    .filter((copy) => copy.state === CopyState.GOOD || copy.state === CopyState.BAD)
    .map((copy) => ({ copy, rank: rank(copy) + random() }))
    .sort((a, b) => a.rank - b.rank)
    .map((ranked) => ranked.copy);
}

function rank(copy: ReadableCopy): number {
  return (copy.state === CopyState.GOOD ? 0 : 4) + (copy.alive ? 0 : 2) + (copy.avoided ? 1 : 0);
}
