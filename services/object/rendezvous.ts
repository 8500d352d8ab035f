/** A volume as placement sees it. */
export type Candidate = {
  readonly volumeId: string;
  readonly nodeId: string;
  /** Empty when not known: then the node stands for its zone. */
  readonly zone: string;
  /** Share of the blobs relative to the others; zero and below get none. */
  readonly weight: number;
};

/**
 * The volumes for a blob in the order in which they should hold it: weighted rendezvous hashing, one volume a node,
 * and for the first `copies` one node a zone while zones last. The rest are replacements for those that refuse.
 * The same inputs give the same order anywhere; a volume that joins or leaves moves only what belongs to it.
 */
export function placementOrder<C extends Candidate>(
  blobId: string,
  volumes: readonly C[],
  copies: number,
): C[] {
  const ranked = bestOfEachNode(blobId, volumes);
  const chosen: C[] = [];
  const zones = new Set<string>();
  const later: C[] = [];
  for (const volume of ranked) {
    const zone = zoneOf(volume);
    if (chosen.length < copies && !zones.has(zone)) {
      zones.add(zone);
      chosen.push(volume);
    } else {
      later.push(volume);
    }
  }
  return chosen.concat(later);
}

/**
 * Where a copy goes that is to stand beside others: as `placementOrder`, but zones that hold none yet come first, so
 * that three copies lie in three zones when there are three.
 */
export function replacementOrder<C extends Candidate>(
  blobId: string,
  volumes: readonly C[],
  copies: number,
  besides: readonly Pick<Candidate, "nodeId" | "zone">[],
): C[] {
  const held = new Set(besides.map(zoneOf));
  const ranked = placementOrder(blobId, volumes, copies);
  const elsewhere = ranked.filter((volume) => !held.has(zoneOf(volume)));
  return elsewhere.concat(ranked.filter((volume) => held.has(zoneOf(volume))));
}

/** A node whose zone is not known stands for a zone of its own. */
function zoneOf({ nodeId, zone }: Pick<Candidate, "nodeId" | "zone">): string {
  return zone === "" ? `node ${nodeId}` : `zone ${zone}`;
}

function bestOfEachNode<C extends Candidate>(blobId: string, volumes: readonly C[]): C[] {
  const blobHash = hash(blobId);
  const best = new Map<string, { volume: C; score: number }>();
  for (const volume of volumes) {
    if (!(volume.weight > 0)) continue;
    const score = scoreOf(blobHash, volume);
    const former = best.get(volume.nodeId);
    if (former === undefined || before({ volume, score }, former)) best.set(volume.nodeId, { volume, score });
  }
  return [...best.values()].sort((a, b) => (before(a, b) ? -1 : 1)).map((ranked) => ranked.volume);
}

type Ranked = { readonly volume: Candidate; readonly score: number };

function before(a: Ranked, b: Ranked): boolean {
  return a.score === b.score ? a.volume.volumeId < b.volume.volumeId : a.score > b.score;
}

/** Schindelhauer and Schomaker, "Weighted distributed hash tables": -weight / ln(uniform) wins in proportion. */
function scoreOf(blobHash: number, volume: Candidate): number {
  const high = mix(blobHash ^ hash(volume.volumeId));
  const low = mix(high ^ blobHash ^ 0x9e3779b9);
  const uniform = ((high >>> 0) * 2 ** 21 + (low >>> 11) + 0.5) / 2 ** 53;
  return -volume.weight / Math.log(uniform);
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return mix(value);
}

/** MurmurHash3's finalizer: every input bit moves every output bit. */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
