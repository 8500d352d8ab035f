import { CairnError } from "../common/errors/cairn-error";
import { startWorker, type Worker } from "../common/lifecycle/worker";
import type { Logger } from "../common/log/logger";
import type { Clock } from "../common/time/clock";
import { codeOf, type Disk } from "./disk";
import type { BlobSummary, ByteRange, StoredBlob } from "./engine";
import { KeyedTurns } from "./keyed-turns";
import { OpenFiles } from "./open-files";
import { Pace } from "./pace";
import { SegmentCompactor } from "./segment-compactor";
import { SegmentFiles } from "./segment-files";
import type { Location, SegmentIndex, SegmentState } from "./segment-index";
import { SegmentReader } from "./segment-reader";
import { recoverSegments } from "./segment-recovery";
import { SegmentWriter } from "./segment-writer";

export type SegmentStoreOptions = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /** The volume's folder: segments lie in one of its own in it, the index beside that. */
  readonly folder: string;
  readonly readOnly: boolean;
  /** A segment is followed by the next when it has this length. */
  readonly segmentBytes: number;
  readonly openFiles: number;
  readonly deadShare: number;
  readonly compactionBytesPerSecond: number;
  readonly newSegmentId: () => Uint8Array;
};

const compactionIdleMs = 5_000;

/** Opens the store of small blobs: records in segments, and the index of them. */
export async function openSegmentStore(options: SegmentStoreOptions): Promise<SegmentStore> {
  const { disk, folder, readOnly } = options;
  const files = new SegmentFiles(disk, `${folder}/segments`);
  if (!readOnly && (await disk.stat(files.root)) === undefined) {
    await disk.mkdir(files.root);
    await disk.syncDirectory(folder);
  }
  const index = await recoverSegments({ ...options, files, indexPath: `${folder}/index.db` });
  try {
    const nextSegment = ((await files.list()).at(-1) ?? 0) + 1;
    return new SegmentStore(options, files, index, nextSegment);
  } catch (error) {
    index.close();
    throw error;
  }
}

export class SegmentStore {
  /** Writes and deletes of one blob are decided one after the other. */
  readonly turns = new KeyedTurns();
  readonly compactor: SegmentCompactor;
  readonly #clock: Clock;
  readonly #index: SegmentIndex;
  readonly #writer: SegmentWriter;
  readonly #reader: SegmentReader;
  readonly #open: OpenFiles;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #worker: Worker | undefined;

  constructor(options: SegmentStoreOptions, files: SegmentFiles, index: SegmentIndex, nextSegment: number) {
    const { disk, clock, log } = options;
    this.#clock = clock;
    this.#index = index;
    this.#open = new OpenFiles(disk, options.openFiles);
    this.#reader = new SegmentReader(disk, files, this.#open);
    this.#writer = new SegmentWriter({ ...options, files, index, nextSegment });
    this.#log = log;
    const pace = new Pace(clock, options.compactionBytesPerSecond);
    this.compactor = new SegmentCompactor({
      ...options,
      files,
      index,
      writer: this.#writer,
      open: this.#open,
      turns: this.turns,
      pace: async (bytes) => {
        await pace.used(bytes, this.#stop.signal);
        this.#stop.signal.throwIfAborted();
      },
    });
  }

  /** Compacts from now on, until closed. */
  startCompaction(): void {
    this.#worker ??= startWorker({
      name: "compaction",
      clock: this.#clock,
      log: this.#log,
      idleMs: compactionIdleMs,
      step: () => this.compactor.step(),
    });
  }

  get blobs(): number {
    return this.#index.blobs;
  }

  find(blobId: string): Location | undefined {
    return this.#index.find(blobId);
  }

  /** Writes a blob, which is not there or damaged, `previous` being where it lies. To be called in the blob's turn. */
  add(
    blobId: string,
    pieces: readonly Uint8Array[],
    { sizeBytes, crc32c }: BlobSummary,
    previous = this.#index.find(blobId),
  ): Promise<unknown> {
    const writtenAtMs = this.#clock.nowMs();
    return this.#writer.append({ kind: "blob", blobId, sizeBytes, crc32c, writtenAtMs, pieces, previous });
  }

  /** False: not there, or damaged, so that it is to be written. True: there, equal and sound. BLOB_EXISTS: other content. */
  async holds(blobId: string, summary: BlobSummary): Promise<boolean> {
    const there = this.#index.find(blobId);
    if (there === undefined) return false;
    if (there.sizeBytes !== summary.sizeBytes || there.crc32c !== summary.crc32c)
      throw new CairnError("BLOB_EXISTS", { resource: blobId });
    try {
      await this.verify(blobId, there);
      return true;
    } catch (error) {
      // What the medium cannot give back is written anew (P9).
      if (codeOf(error) === "EIO") return false;
      if (error instanceof CairnError && error.reason === "DAMAGED_BLOB") return false;
      throw error;
    }
  }

  /** DAMAGED_BLOB, NO_SUCH_BLOB, RANGE_NOT_SATISFIABLE. */
  read(blobId: string, location: Location, range: ByteRange): Promise<Uint8Array> {
    const state = this.#index.segment(location.segment);
    // Nearly every read is of a segment that is open already, which cannot be missing.
    const reading = state && this.#reader.readIfOpen(blobId, location, state.seed, range);
    return (
      reading ??
      this.#whereItLies(blobId, location, (at, { seed }) => this.#reader.read(blobId, at, seed, range))
    );
  }

  /** DAMAGED_BLOB, NO_SUCH_BLOB. */
  verify(blobId: string, location: Location): Promise<BlobSummary> {
    return this.#whereItLies(blobId, location, (at, { seed }) => this.#reader.verify(blobId, at, seed));
  }

  list(afterBlobId: string, limit: number): StoredBlob[] {
    const nowMs = this.#clock.nowMs();
    return this.#index.list(afterBlobId, limit).map(({ blobId, sizeBytes, writtenAtMs }) => ({
      blobId,
      sizeBytes,
      ageMs: Math.max(0, Math.floor(nowMs - writtenAtMs)),
    }));
  }

  /** Deletes those that are here, durably; tells which are not. */
  async delete(blobIds: readonly string[]): Promise<string[]> {
    const removed = await Promise.all(
      blobIds.map((blobId) => this.turns.run(blobId, () => this.remove(blobId))),
    );
    return blobIds.filter((_, index) => !removed[index]);
  }

  /** Deletes a blob, durably; false when it is not here. To be called in the blob's turn. */
  async remove(blobId: string): Promise<boolean> {
    const previous = this.#index.find(blobId);
    if (previous === undefined) return false;
    const nothing = { sizeBytes: 0, crc32c: 0, pieces: [], writtenAtMs: this.#clock.nowMs() };
    await this.#writer.append({ kind: "tombstone", blobId, ...nothing, previous });
    return true;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#worker?.close();
    await this.#writer.close();
    this.#open.close();
    this.#index.close();
  }

  /** Reads a record; when compaction has removed its segment meanwhile, its copy. */
  async #whereItLies<T>(
    blobId: string,
    location: Location,
    read: (at: Location, state: SegmentState) => Promise<T>,
  ): Promise<T> {
    for (let at: Location | undefined = location; at !== undefined; ) {
      const state = this.#index.segment(at.segment);
      try {
        if (state !== undefined) return await read(at, state);
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
      }
      const now = this.#index.find(blobId);
      if (now?.segment === at.segment) {
        throw new CairnError("DAMAGED_BLOB", {
          message: `Blob ${blobId}: segment ${at.segment} is missing.`,
          resource: blobId,
        });
      }
      at = now;
    }
    throw new CairnError("NO_SUCH_BLOB", { resource: blobId });
  }
}
