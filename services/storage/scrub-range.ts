import { CairnError, hasReason } from "../common/errors/cairn-error";
import { endReason } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import type { BlobSummary, Cancellation, StoredBlob } from "./engine";
import { Pace } from "./pace";
import { lastBlobId, type ScrubPosition } from "./scrub-position";

export type ScrubLimits = {
  readonly maxBytes: number;
  readonly maxBlobs: number;
  /** 0: none. */
  readonly bytesPerSecond: number;
};

export type ScrubbedBlob = StoredBlob & { readonly damage: string | undefined };

export type ScrubPart =
  | { readonly blobs: readonly ScrubbedBlob[] }
  | { readonly afterBlobId: string; readonly throughBlobId: string; readonly readBytes: number };

/** What is scrubbed: a volume, whose errors already have their meaning. */
export type Scrubbed = {
  list(afterBlobId: string, limit: number): Promise<{ blobs: StoredBlob[]; more: boolean }>;
  verify(blobId: string, call: Cancellation, pace: (bytes: number) => Promise<void>): Promise<BlobSummary>;
};

/** Blobs told of at once. */
const batch = 256;

/**
 * Re-reads the blobs behind the position from the medium, in id order, until a limit or the end: damaged ones are
 * told, not thrown. The range that ends it is remembered as given out.
 */
export async function* scrubRange(
  volume: Scrubbed,
  position: ScrubPosition,
  limits: ScrubLimits,
  clock: Clock,
  call: Cancellation,
): AsyncGenerator<ScrubPart, void, undefined> {
  const { signal } = call;
  const pace = new Pace(clock, limits.bytesPerSecond);
  const afterBlobId = position.progress.handledThroughBlobId;
  let throughBlobId = afterBlobId;
  let blobs = 0;
  let readBytes = 0;
  let damaged = 0;
  for (let more = true; more && blobs < limits.maxBlobs && readBytes < limits.maxBytes; ) {
    const page = await volume.list(throughBlobId, Math.min(batch, limits.maxBlobs - blobs));
    const told: ScrubbedBlob[] = [];
    for (const blob of page.blobs) {
      const damage = await damageOf(volume, blob.blobId, call, (bytes) => pace.used(bytes, signal));
      if (signal.aborted) throw endReason(signal);
      throughBlobId = blob.blobId;
      blobs += 1;
      readBytes += blob.sizeBytes;
      if (damage !== "deleted") told.push({ ...blob, damage });
      if (damage !== "deleted" && damage !== undefined) damaged += 1;
      if (readBytes >= limits.maxBytes) break;
    }
    if (told.length > 0) yield { blobs: told };
    more = page.more || throughBlobId !== (page.blobs.at(-1)?.blobId ?? throughBlobId);
    if (!more) throughBlobId = lastBlobId;
  }
  position.given({ afterBlobId, throughBlobId, blobs, bytes: readBytes, damaged });
  yield { afterBlobId, throughBlobId, readBytes };
}

/** What is wrong with it; undefined when it is sound. */
async function damageOf(
  volume: Scrubbed,
  blobId: string,
  call: Cancellation,
  pace: (bytes: number) => Promise<void>,
): Promise<string | "deleted" | undefined> {
  try {
    await volume.verify(blobId, call, pace);
    return undefined;
  } catch (error) {
    if (hasReason(error, "NO_SUCH_BLOB")) return "deleted";
    if (error instanceof CairnError && error.reason === "DAMAGED_BLOB") return error.message;
    throw error;
  }
}
