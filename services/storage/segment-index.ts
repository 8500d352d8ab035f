import type Sqlite from "better-sqlite3";
import { RecentLocations } from "./recent-locations";
import { type RecordKind, recordHeaderBytes, segmentSeed } from "./segment-format";
import { type ListedBlob, type Location, SegmentTable } from "./segment-table";

export type { Location } from "./segment-table";

/** A record that is durable in its segment. `previous` is the blob's location before it; a replay has to look. */
export type IndexedRecord = {
  readonly kind: RecordKind;
  readonly blobId: string;
  readonly location: Location;
  readonly previous: Location | "look" | undefined;
};

/** What is known of a segment file, as segment-table.ts keeps it. */
export type SegmentState = {
  readonly segment: number;
  readonly segmentId: string;
  /** What all checksums of its records begin with. */
  readonly seed: number;
  throughBytes: number;
  liveBytes: number;
  liveBlobs: number;
};

/** So many changed blobs, or bytes of their records, are written to SQLite together. After a crash so much is replayed. */
const flushBlobs = 1_000;
const flushBytes = 32 * 1024 * 1024;
const recentGeneration = 8_192;

/**
 * Which record is a blob's newest. A cache: data comes first, the index after, and the segments alone can make it again.
 * What is newest of all is in memory only, and goes to SQLite in steps of its own that no answer waits for: after a
 * crash it is replayed from the segments' tails. `superseded` keeps which segments still hold older records of a blob:
 * as long as there is one, its tombstone is needed.
 */
export class SegmentIndex {
  readonly #table: SegmentTable;
  readonly #segments = new Map<number, SegmentState>();
  readonly #recent = new RecentLocations(recentGeneration);
  /** Not yet in SQLite; null: deleted. */
  #pending = new Map<string, Location | null>();
  #superseded: { blobId: string; segment: number }[] = [];
  readonly #touched = new Set<SegmentState>();
  #pendingBytes = 0;
  /** No blob has a greater id, so that a new one's absence is known without a look-up. */
  #greatest: string;
  #failed = false;

  /** Throws what SQLite throws when the database is damaged or of another format: then it is to be made anew. */
  constructor(database: Sqlite.Database) {
    this.#table = new SegmentTable(database);
    for (const row of this.#table.segments())
      this.#segments.set(row.segment, { ...row, seed: segmentSeed(row.segmentId) });
    this.#greatest = this.#table.greatest();
  }

  /** In order of their numbers. */
  get segments(): SegmentState[] {
    return [...this.#segments.values()].sort((a, b) => a.segment - b.segment);
  }

  get blobs(): number {
    let blobs = 0;
    for (const { liveBlobs } of this.#segments.values()) blobs += liveBlobs;
    return blobs;
  }

  segment(segment: number): SegmentState | undefined {
    return this.#segments.get(segment);
  }

  find(blobId: string): Location | undefined {
    const pending = this.#pending.get(blobId);
    if (pending !== undefined) return pending ?? undefined;
    if (blobId > this.#greatest) return undefined;
    const recent = this.#recent.get(blobId);
    if (recent !== undefined) return recent;
    const found = this.#table.find(blobId);
    if (found !== undefined) this.#recent.set(blobId, found);
    return found;
  }

  /** True when a segment other than this one still holds an older record of the blob. */
  isSupersededOutside(segment: number, blobId: string): boolean {
    return (
      this.#superseded.some((one) => one.blobId === blobId && one.segment !== segment) ||
      this.#table.isSupersededOutside(segment, blobId)
    );
  }

  list(afterBlobId: string, limit: number): ListedBlob[] {
    if (this.#pending.size === 0) return this.#table.page(afterBlobId, limit);
    // As many more as may turn out to be deleted or listed twice.
    const listed = this.#table
      .page(afterBlobId, limit + this.#pending.size)
      .filter(({ blobId }) => !this.#pending.has(blobId));
    for (const [blobId, location] of this.#pending)
      if (location !== null && blobId > afterBlobId)
        listed.push({ blobId, sizeBytes: location.sizeBytes, writtenAtMs: location.writtenAtMs });
    return listed.sort((a, b) => (a.blobId < b.blobId ? -1 : 1)).slice(0, limit);
  }

  addSegment(segment: number, segmentId: string, throughBytes: number): SegmentState {
    const seed = segmentSeed(segmentId);
    const state = { segment, segmentId, seed, throughBytes, liveBytes: 0, liveBlobs: 0 };
    this.#segments.set(segment, state);
    this.#touched.add(state);
    return state;
  }

  /** Its file is gone, and no blob's newest record was in it. */
  removeSegment(segment: number): void {
    const state = this.#segments.get(segment);
    this.#segments.delete(segment);
    if (state !== undefined) this.#touched.delete(state);
    this.#write(segment);
  }

  /**
   * Takes up durable records of one segment, in their order, and that it is indexed through `throughBytes`. Throws
   * DiskError when an earlier flush failed and does so again; then nothing is taken up.
   */
  apply(state: SegmentState, throughBytes: number, records: readonly IndexedRecord[]): void {
    if (this.#failed) this.flush();
    state.throughBytes = throughBytes;
    this.#touched.add(state);
    for (const record of records) this.#take(state, record);
  }

  /** Writes to SQLite when there is enough; an error of the disk is kept for the next `apply`. */
  flushIfDue(): void {
    if (this.#pending.size < flushBlobs && this.#pendingBytes < flushBytes) return;
    try {
      this.flush();
    } catch {
      this.#failed = true;
    }
  }

  /** Writes all that is known to SQLite. Throws DiskError; then all of it is still to be written. */
  flush(): void {
    if (this.#touched.size > 0) this.#write(undefined);
  }

  /** Forgets everything: it did not fit the segments. */
  clear(): void {
    this.#table.clear();
    this.#segments.clear();
    this.#recent.clear();
    this.#forgetPending();
    this.#greatest = "";
  }

  close(): void {
    try {
      this.flush();
    } catch {
      // What is missing is replayed at the next start.
    }
    this.#table.close();
  }

  #take(state: SegmentState, record: IndexedRecord): void {
    const { blobId, location } = record;
    this.#pendingBytes += recordHeaderBytes + location.sizeBytes;
    const previous = record.previous === "look" ? this.find(blobId) : record.previous;
    if (previous !== undefined && isNewer(previous, location)) {
      // A tail that could not be indexed when it was written, while later segments were.
      this.#superseded.push({ blobId, segment: location.segment });
      return;
    }
    const before = previous && this.#segments.get(previous.segment);
    if (previous !== undefined && before !== undefined) {
      before.liveBytes -= recordHeaderBytes + previous.sizeBytes;
      before.liveBlobs -= 1;
      this.#touched.add(before);
      if (before !== state) this.#superseded.push({ blobId, segment: previous.segment });
    }
    if (record.kind === "tombstone") {
      this.#pending.set(blobId, null);
      return;
    }
    this.#pending.set(blobId, location);
    if (blobId > this.#greatest) this.#greatest = blobId;
    state.liveBytes += recordHeaderBytes + location.sizeBytes;
    state.liveBlobs += 1;
  }

  #write(removed: number | undefined): void {
    this.#table.write(
      { blobs: this.#pending, superseded: this.#superseded, segments: [...this.#touched] },
      removed,
    );
    for (const [blobId, location] of this.#pending) {
      if (location === null) this.#recent.forget(blobId);
      else this.#recent.set(blobId, location);
    }
    this.#forgetPending();
  }

  #forgetPending(): void {
    this.#pending = new Map();
    this.#superseded = [];
    this.#touched.clear();
    this.#pendingBytes = 0;
    this.#failed = false;
  }
}

function isNewer(one: Location, other: Location): boolean {
  return one.segment === other.segment ? one.offsetBytes > other.offsetBytes : one.segment > other.segment;
}
