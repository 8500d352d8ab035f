import { type Copy, CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { ListedBlob } from "../../../gen/cairn/storage/v1/storage_pb";
import { hasReason } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { VolumeView } from "../cluster-view";
import type { MetadataClient } from "../commit";

/** A stretch of blob ids of one volume: what lies there, and the rows that name it (P8). */
export type ComparedRange = {
  readonly blobs: readonly ListedBlob[];
  readonly rows: ReadonlyMap<string, Copy>;
  /** The last id of the stretch; empty when it is the last stretch. */
  readonly through: string;
  /** All replicas on the volume. */
  readonly total: bigint;
};

/** Reads a stretch: first what lies there, then the rows, so that a commit in between is a row, never an orphan. */
export async function readRange(
  deps: { readonly metadata: MetadataClient },
  volume: VolumeView,
  afterBlobId: string,
  limit: number,
  call: Call,
): Promise<ComparedRange> {
  const { volumeId } = volume;
  const page = await volume.node.client.listBlobs({ volumeId, afterBlobId, limit }, call);
  const through = page.more ? (page.blobs.at(-1)?.blobId ?? "") : "";
  const rows = await listCopies(deps.metadata, volumeId, afterBlobId, through, call);
  return { blobs: page.blobs, rows, through, total: page.total };
}

/** Replicas that no live row names, older than the grace (P6). */
export function orphansOf({ blobs, rows }: ComparedRange, graceMs: number): string[] {
  // A condemned pair whose bytes are there (again) after the grace was written late: its delete is confirmed anew.
  const named = (blobId: string) => (rows.get(blobId)?.state ?? CopyState.CONDEMNED) !== CopyState.CONDEMNED;
  const old = (blob: ListedBlob) => blob.ageMs > BigInt(graceMs);
  return blobs.filter((blob) => !named(blob.blobId) && old(blob)).map((blob) => blob.blobId);
}

/** Good rows whose replica is not there, or damaged. Those written after the listing are asked for once more. */
export async function missingOf(
  volume: VolumeView,
  { blobs, rows }: ComparedRange,
  call: Call,
): Promise<string[]> {
  const there = new Set(blobs.map((blob) => blob.blobId));
  const missing: string[] = [];
  for (const [blobId, copy] of rows) {
    if (there.has(blobId) || copy.state !== CopyState.GOOD) continue;
    try {
      await volume.node.client.verifyBlob({ blobId, volumeId: volume.volumeId }, call);
    } catch (error) {
      if (!hasReason(error, "NO_SUCH_BLOB", "DAMAGED_BLOB")) throw error;
      missing.push(blobId);
    }
  }
  return missing;
}

/** All rows of the range, which may be many more than blobs when a volume lost its disk. */
async function listCopies(
  metadata: MetadataClient,
  volumeId: string,
  afterBlobId: string,
  throughBlobId: string,
  call: Call,
): Promise<Map<string, Copy>> {
  const rows = new Map<string, Copy>();
  let after = afterBlobId;
  while (true) {
    const request = { volumeId, afterBlobId: after, throughBlobId, limit: 10_000 };
    const { copies, more } = await metadata.listCopies(request, call);
    for (const copy of copies) rows.set(copy.blobId, copy);
    const last = copies.at(-1);
    // Bounded (I7): what is beyond is found by the next walk, when these have been repaired.
    if (!more || last === undefined || rows.size >= 100_000) return rows;
    after = last.blobId;
  }
}
