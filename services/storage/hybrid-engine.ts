import { randomBytes } from "node:crypto";
import { crc32c } from "@node-rs/crc32";
import type { Logger } from "../common/log/logger";
import type { Clock } from "../common/time/clock";
import { checkBlobId } from "./blob-id";
import { checkSummary } from "./check-summary";
import type { StorageConfig } from "./config";
import type { Disk } from "./disk";
import type {
  BlobReading,
  BlobSummary,
  BlobWriter,
  ByteRange,
  Cancellation,
  Engine,
  StoredBlob,
} from "./engine";
import { writeAtOnce } from "./file-blob-writer";
import { openFileEngine } from "./file-engine";
import { HybridWriter } from "./hybrid-writer";
import { maxRecordContentBytes } from "./segment-format";
import { openSegmentStore, type SegmentStore } from "./segment-store";

/** Opens the engine of a volume on its folder. */
export async function openHybridEngine(options: HybridEngineOptions): Promise<HybridEngine> {
  const { folder, config } = options;
  const { openFiles, callsAtOnce, segmentBytes } = config;
  const newId = () => randomBytes(16);
  const large = await openFileEngine({
    ...options,
    root: `${folder}/blobs`,
    atOnce: callsAtOnce,
    openFiles,
    newFileId: newId,
  });
  const small = await openSegmentStore({
    ...options,
    segmentBytes,
    openFiles,
    deadShare: config.segmentDeadShare,
    compactionBytesPerSecond: config.compactionBytesPerSecond,
    newSegmentId: newId,
  });
  if (!options.readOnly) small.startCompaction();
  return new HybridEngine(small, large, Math.min(config.smallBlobBytes, maxRecordContentBytes));
}

export type HybridEngineOptions = {
  readonly folder: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /** A fenced volume's: nothing is changed on its disk. */
  readonly readOnly: boolean;
  readonly config: StorageConfig;
};

/** The engine of large blobs, which tells without a call to the disk when it cannot have a blob. */
type LargeEngine = Engine & { mayHave(blobId: string): boolean };

/** An engine that keeps small blobs in segments and large ones in a file each. */
export class HybridEngine implements Engine {
  readonly #small: SegmentStore;
  readonly #large: LargeEngine;
  readonly #limitBytes: number;

  /** Blobs longer than `limitBytes` get a file each. */
  constructor(small: SegmentStore, large: LargeEngine, limitBytes: number) {
    this.#small = small;
    this.#large = large;
    this.#limitBytes = limitBytes;
  }

  get blobs(): number {
    return this.#small.blobs + this.#large.blobs;
  }

  begin(blobId: string, sizeBytes?: number): BlobWriter {
    checkBlobId(blobId);
    const limitBytes = this.#limitBytes;
    if (sizeBytes !== undefined && sizeBytes > limitBytes) return this.#beginLarge(blobId);
    return new HybridWriter({
      limitBytes,
      addSmall: (pieces, summary) =>
        this.#small.turns.run(blobId, () => this.#addSmall(blobId, pieces, summary)),
      beginLarge: () => this.#beginLarge(blobId),
    });
  }

  async write(blobId: string, content: Uint8Array, summary: BlobSummary): Promise<void> {
    checkBlobId(blobId);
    if (content.length > this.#limitBytes) return writeAtOnce(this.#beginLarge(blobId), content, summary);
    checkSummary(content.length, crc32c(content), summary);
    await this.#small.turns.run(blobId, () => this.#addSmall(blobId, [content], summary));
  }

  async read(blobId: string, range: ByteRange, call: Cancellation): Promise<BlobReading> {
    const location = this.#small.find(checkBlobId(blobId));
    if (location === undefined) return this.#large.read(blobId, range, call);
    const content = await this.#small.read(blobId, location, range);
    return { sizeBytes: location.sizeBytes, chunks: content.length === 0 ? [] : [content] };
  }

  async has(blobId: string): Promise<boolean> {
    return this.#small.find(blobId) !== undefined || this.#large.has(blobId);
  }

  async list(afterBlobId: string, limit: number): Promise<{ blobs: StoredBlob[]; more: boolean }> {
    const small = this.#small.list(afterBlobId, limit + 1);
    const large = await this.#large.list(afterBlobId, limit);
    const both = [...small, ...large.blobs].sort((a, b) => (a.blobId < b.blobId ? -1 : 1));
    // What lies behind the last large one that was listed may have large ones before it that were not.
    const last = large.blobs.at(-1)?.blobId ?? "";
    const known = large.more ? both.filter(({ blobId }) => blobId <= last) : both;
    return { blobs: known.slice(0, limit), more: large.more || known.length > limit };
  }

  async verify(
    blobId: string,
    call: Cancellation,
    pace?: (bytes: number) => Promise<void>,
  ): Promise<BlobSummary> {
    const location = this.#small.find(checkBlobId(blobId));
    if (location === undefined) return this.#large.verify(blobId, call, pace);
    await pace?.(location.sizeBytes);
    return this.#small.verify(blobId, location);
  }

  async delete(blobIds: readonly string[]): Promise<void> {
    const elsewhere = await this.#small.delete(blobIds.map(checkBlobId));
    if (elsewhere.length > 0) await this.#large.delete(elsewhere);
  }

  async close(): Promise<void> {
    await this.#small.close();
    await this.#large.close();
  }

  #addSmall(blobId: string, pieces: readonly Uint8Array[], summary: BlobSummary): Promise<unknown> {
    // Nearly every write is of a blob that is nowhere, which memory and index know.
    if (this.#small.find(blobId) === undefined && !this.#large.mayHave(blobId))
      return this.#small.add(blobId, pieces, summary, undefined);
    return this.#addAgain(blobId, pieces, summary);
  }

  async #addAgain(blobId: string, pieces: readonly Uint8Array[], summary: BlobSummary): Promise<void> {
    if (await this.#large.has(blobId)) {
      // As written under another limit.
      const writer = this.#large.begin(blobId);
      for (const piece of pieces) await writer.append(piece);
      return writer.finish(summary);
    }
    if (!(await this.#small.holds(blobId, summary))) await this.#small.add(blobId, pieces, summary);
  }

  #beginLarge(blobId: string): BlobWriter {
    const writer = this.#large.begin(blobId);
    const finish = async (summary: BlobSummary) => {
      try {
        if (await this.#small.holds(blobId, summary)) return;
        await writer.finish(summary);
        // A damaged record, as written under another limit, must not hide the file.
        await this.#small.remove(blobId);
      } finally {
        // Does nothing once the file is finished.
        await writer.abort();
      }
    };
    return {
      append: (chunk) => writer.append(chunk),
      abort: () => writer.abort(),
      finish: (summary) => this.#small.turns.run(blobId, () => finish(summary)),
    };
  }
}
