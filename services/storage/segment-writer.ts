import { alignedUp } from "./aligned-buffers";
import type { Disk } from "./disk";
import type { SegmentFiles } from "./segment-files";
import {
  encodeRecordHeader,
  encodeSegmentHeader,
  type RecordKind,
  recordHeaderBytes,
  segmentHeaderBytes,
} from "./segment-format";
import type { IndexedRecord, Location, SegmentIndex, SegmentState } from "./segment-index";

/** A record that is to be written. The bytes of `pieces` must not change until it is. */
export type NewRecord = {
  readonly kind: RecordKind;
  readonly blobId: string;
  readonly sizeBytes: number;
  readonly crc32c: number;
  readonly writtenAtMs: number;
  readonly pieces: readonly Uint8Array[];
  /** Where the blob's newest record was until now. */
  readonly previous: Location | undefined;
};

type Waiting = {
  readonly record: NewRecord;
  readonly resolve: (location: Location) => void;
  readonly reject: (error: unknown) => void;
};

/** Most bytes that are written at once. */
const batchBytes = alignedUp(4 * 1024 * 1024);
/** A batch of so many bytes goes by direct I/O: less CPU and less time than through the page cache. */
const directBytes = 128 * 1024;

type Current = {
  readonly path: string;
  readonly fd: number;
  /** For direct I/O: opened when first needed; "none" where the file system refuses. */
  directFd: number | "none" | undefined;
  readonly state: SegmentState;
  /** Where its last record ends. */
  recordsEndBytes: number;
};

/**
 * The one writer of a volume's segments. What waits goes together: one synced write a batch, then the index
 * takes it up in memory, then all of the batch are told. No timers: alone, a record waits for its own write only.
 *
 * A segment is appended to only by the process that made it, and never again after a write that failed: nobody knows
 * what that left behind its last sound record.
 */
export class SegmentWriter {
  readonly #disk: Disk;
  readonly #files: SegmentFiles;
  readonly #index: SegmentIndex;
  readonly #segmentBytes: number;
  readonly #newSegmentId: () => Uint8Array;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #batch: Buffer | undefined;
  #current: Current | undefined;
  #nextSegment: number;

  constructor(options: {
    readonly disk: Disk;
    readonly files: SegmentFiles;
    readonly index: SegmentIndex;
    readonly segmentBytes: number;
    /** 16 random bytes, new for each segment. */
    readonly newSegmentId: () => Uint8Array;
    /** Greater than that of every file that is there. */
    readonly nextSegment: number;
  }) {
    this.#disk = options.disk;
    this.#files = options.files;
    this.#index = options.index;
    this.#segmentBytes = options.segmentBytes;
    this.#newSegmentId = options.newSegmentId;
    this.#nextSegment = options.nextSegment;
  }

  /** The segment that is being appended to. */
  get current(): number | undefined {
    return this.#current?.state.segment;
  }

  /** Resolves when the record is on the medium and in the index. Throws what the disk threw: then it may be either. */
  append(record: NewRecord): Promise<Location> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Waits for what has been asked for, and closes the segment. */
  async close(): Promise<void> {
    await this.#running;
    this.#seal();
  }

  async #run(): Promise<void> {
    // The rest of this turn's records come along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        const locations = await this.#write(batch);
        for (const [index, { resolve }] of batch.entries()) resolve(locations[index] as Location);
      } catch (error) {
        this.#seal();
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = undefined;
  }

  #takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { record } of this.#waiting) {
      bytes += recordHeaderBytes + record.sizeBytes;
      if (bytes > batchBytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(records: readonly Waiting[]): Promise<Location[]> {
    const current = await this.#segment();
    const { state } = current;
    this.#batch ??= asBuffer(this.#disk.alignedMemory(batchBytes));
    const directFd = await this.#directFdFor(records, current);
    const indexed: IndexedRecord[] = [];
    const startBytes = directFd === undefined ? state.throughBytes : alignedUp(state.throughBytes);
    let gapBytes = startBytes - current.recordsEndBytes;
    let filled = 0;
    for (const { record } of records) {
      let end = filled + recordHeaderBytes;
      for (const piece of record.pieces) {
        this.#batch.set(piece, end);
        end += piece.length;
      }
      const offsetBytes = startBytes + filled;
      encodeRecordHeader(this.#batch, filled, record, state.seed, offsetBytes, gapBytes);
      gapBytes = 0;
      const { kind, blobId, sizeBytes, crc32c, writtenAtMs, previous } = record;
      const location = { segment: state.segment, offsetBytes, sizeBytes, crc32c, writtenAtMs };
      indexed.push({ kind, blobId, location, previous });
      filled = end;
    }
    const endBytes = directFd === undefined ? filled : alignedUp(filled);
    this.#batch.fill(0, filled, endBytes);
    const written = this.#disk.write(directFd ?? current.fd, [this.#batch.subarray(0, endBytes)], startBytes);
    // While the disk works: no answer waits for the index's own writes.
    this.#index.flushIfDue();
    await written;
    current.recordsEndBytes = startBytes + filled;
    this.#index.apply(state, startBytes + endBytes, indexed);
    return indexed.map(({ location }) => location);
  }

  /** Undefined when the batch goes through the page cache. */
  async #directFdFor(records: readonly Waiting[], current: Current): Promise<number | undefined> {
    let bytes = 0;
    for (const { record } of records) bytes += recordHeaderBytes + record.sizeBytes;
    if (bytes < directBytes) return undefined;
    current.directFd ??= (await this.#disk.openDirect(current.path, { synced: true })) ?? "none";
    return current.directFd === "none" ? undefined : current.directFd;
  }

  /** The segment to append to: a full one is followed by a new one, whose name is durable before its first record. */
  async #segment(): Promise<Current> {
    if (this.#current !== undefined && this.#current.state.throughBytes < this.#segmentBytes)
      return this.#current;
    this.#seal();
    const segment = this.#nextSegment++;
    const segmentId = Buffer.from(this.#newSegmentId());
    const path = this.#files.pathOf(segment);
    // Each write of it is synced when it resolves: a write and its sync are one call to the disk.
    const fd = await this.#disk.create(path, { synced: true });
    try {
      await this.#disk.write(fd, [encodeSegmentHeader(segment, segmentId)], 0);
      await this.#disk.syncDirectory(this.#files.root);
      const state = this.#index.addSegment(segment, segmentId.toString("hex"), segmentHeaderBytes);
      this.#current = { path, fd, directFd: undefined, state, recordsEndBytes: segmentHeaderBytes };
      return this.#current;
    } catch (error) {
      await this.#disk.close(fd).catch(() => {});
      // It holds nothing; what cannot be removed now is removed at the next start.
      await this.#disk.unlink(path).catch(() => {});
      throw error;
    }
  }

  #seal(): void {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    this.#disk.close(current.fd).catch(() => {});
    if (typeof current.directFd === "number") this.#disk.close(current.directFd).catch(() => {});
  }
}

function asBuffer(memory: Uint8Array): Buffer {
  return Buffer.from(memory.buffer, memory.byteOffset, memory.length);
}
