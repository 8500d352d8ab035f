import Sqlite from "better-sqlite3";
import { DiskError } from "./disk";
import { type RecordKind, recordHeaderBytes, segmentSeed, uuidOf } from "./segment-format";

/** Where a blob's newest record lies. */
export type Location = {
  readonly segment: number;
  /** Of the record's header. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly crc32c: number;
  readonly writtenAtMs: number;
};

/** A record that is durable in its segment. `previous` is the blob's location before it; a replay has to look. */
export type IndexedRecord = {
  readonly kind: RecordKind;
  readonly blobId: string;
  readonly location: Location;
  readonly previous: Location | "look" | undefined;
};

/** What is known of a segment file. */
export type SegmentState = {
  readonly segment: number;
  /** The random id in its header, in hex. */
  readonly segmentId: string;
  readonly seed: number;
  /** The file is indexed up to here. */
  throughBytes: number;
  /** Bytes of records that are the newest of their blobs. */
  liveBytes: number;
  liveBlobs: number;
};

const format = 1;
const schema = `
  CREATE TABLE blobs (blob_id BLOB PRIMARY KEY, segment INTEGER, offset_bytes INTEGER, size_bytes INTEGER,
    crc32c INTEGER, written_at_ms INTEGER) WITHOUT ROWID;
  CREATE TABLE segments (segment INTEGER PRIMARY KEY, segment_id TEXT, through_bytes INTEGER, live_bytes INTEGER,
    live_blobs INTEGER);
  CREATE TABLE superseded (blob_id BLOB, segment INTEGER, PRIMARY KEY (blob_id, segment)) WITHOUT ROWID;
  CREATE INDEX superseded_by_segment ON superseded (segment);
  PRAGMA user_version = ${format};`;

type Row = {
  segment: number;
  offset_bytes: number;
  size_bytes: number;
  crc32c: number;
  written_at_ms: number;
};

/**
 * Which record is a blob's newest. A cache in SQLite: data comes first, the index after, and the segments alone can
 * make it again, so that it may lose its tail at a power cut (synchronous=NORMAL). `superseded` keeps which segments
 * still hold older records of a blob: as long as there is one, its tombstone is needed.
 */
export class SegmentIndex {
  readonly #database: Sqlite.Database;
  readonly #segments = new Map<number, SegmentState>();
  readonly #find: Sqlite.Statement;
  readonly #put: Sqlite.Statement;
  readonly #remove: Sqlite.Statement;
  readonly #supersede: Sqlite.Statement;
  readonly #isSuperseded: Sqlite.Statement;
  readonly #page: Sqlite.Statement;
  readonly #saveSegment: Sqlite.Statement;
  readonly #transaction: (work: () => void) => void;

  /** Throws what SQLite throws when the database is damaged or of another format: then it is to be made anew. */
  constructor(database: Sqlite.Database) {
    this.#database = database;
    // The volume is this process's alone, so that no look-up need ask the kernel for a lock.
    database.pragma("locking_mode = EXCLUSIVE");
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = NORMAL");
    const found = database.pragma("user_version", { simple: true });
    if (found === 0) database.exec(schema);
    else if (found !== format) throw new DiskError("EUCLEAN", `the index has format ${found}`);
    else if (database.pragma("quick_check(1)", { simple: true }) !== "ok")
      throw new DiskError("EUCLEAN", "the index is damaged");
    const sql = (text: string) => database.prepare(text);
    this.#find = sql(
      "SELECT segment, offset_bytes, size_bytes, crc32c, written_at_ms FROM blobs WHERE blob_id = ?",
    );
    this.#put = sql("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?)");
    this.#remove = sql("DELETE FROM blobs WHERE blob_id = ?");
    this.#supersede = sql("INSERT OR IGNORE INTO superseded VALUES (?, ?)");
    this.#isSuperseded = sql("SELECT 1 FROM superseded WHERE blob_id = ? AND segment <> ? LIMIT 1");
    this.#page = sql(
      "SELECT blob_id, size_bytes, written_at_ms FROM blobs WHERE blob_id > ? ORDER BY blob_id LIMIT ?",
    );
    this.#saveSegment = sql("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?)");
    const run = database.transaction((work: () => void) => work());
    this.#transaction = (work) => {
      try {
        run(work);
      } catch (error) {
        throw asDiskError(error);
      }
    };
    this.#load();
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
    const row = this.#read(() => this.#find.get(keyOf(blobId)) as Row | undefined);
    return (
      row && {
        segment: row.segment,
        offsetBytes: row.offset_bytes,
        sizeBytes: row.size_bytes,
        crc32c: row.crc32c,
        writtenAtMs: row.written_at_ms,
      }
    );
  }

  /** True when a segment other than this one still holds an older record of the blob. */
  isSupersededOutside(segment: number, blobId: string): boolean {
    return this.#read(() => this.#isSuperseded.get(keyOf(blobId), segment)) !== undefined;
  }

  list(afterBlobId: string, limit: number): { blobId: string; sizeBytes: number; writtenAtMs: number }[] {
    type PageRow = { blob_id: Buffer; size_bytes: number; written_at_ms: number };
    const rows = this.#read(() => this.#page.all(keyOf(afterBlobId), limit) as PageRow[]);
    return rows.map((row) => ({
      blobId: uuidOf(row.blob_id.toString("hex")),
      sizeBytes: row.size_bytes,
      writtenAtMs: row.written_at_ms,
    }));
  }

  addSegment(segment: number, segmentId: string, throughBytes: number): SegmentState {
    const seed = segmentSeed(segmentId);
    const state = { segment, segmentId, seed, throughBytes, liveBytes: 0, liveBlobs: 0 };
    this.#transaction(() => this.#save(state));
    this.#segments.set(segment, state);
    return state;
  }

  /** Its file is gone, and no blob's newest record was in it. */
  removeSegment(segment: number): void {
    this.#transaction(() => {
      this.#database.prepare("DELETE FROM superseded WHERE segment = ?").run(segment);
      this.#database.prepare("DELETE FROM segments WHERE segment = ?").run(segment);
    });
    this.#segments.delete(segment);
  }

  /** Takes up durable records of one segment, in their order, and that it is indexed through `throughBytes`; all or nothing. */
  apply(state: SegmentState, throughBytes: number, records: readonly IndexedRecord[]): void {
    const touched = new Map([[state.segment, { ...state, throughBytes }]]);
    const stateOf = (segment: number) => {
      let copy = touched.get(segment);
      const known = this.#segments.get(segment);
      if (copy === undefined && known !== undefined) {
        copy = { ...known };
        touched.set(segment, copy);
      }
      return copy;
    };
    this.#transaction(() => {
      for (const record of records) {
        const key = keyOf(record.blobId);
        const { location } = record;
        const previous = record.previous === "look" ? this.find(record.blobId) : record.previous;
        if (previous !== undefined && isNewer(previous, location)) {
          // A tail that could not be indexed when it was written, while later segments were.
          this.#supersede.run(key, location.segment);
          continue;
        }
        const before = previous && stateOf(previous.segment);
        if (previous !== undefined && before !== undefined) {
          before.liveBytes -= recordHeaderBytes + previous.sizeBytes;
          before.liveBlobs -= 1;
          if (previous.segment !== state.segment) this.#supersede.run(key, previous.segment);
        }
        if (record.kind === "tombstone") {
          this.#remove.run(key);
          continue;
        }
        this.#put.run(
          key,
          state.segment,
          location.offsetBytes,
          location.sizeBytes,
          location.crc32c,
          location.writtenAtMs,
        );
        const mine = stateOf(state.segment) as SegmentState;
        mine.liveBytes += recordHeaderBytes + location.sizeBytes;
        mine.liveBlobs += 1;
      }
      for (const copy of touched.values()) this.#save(copy);
    });
    for (const copy of touched.values())
      Object.assign(this.#segments.get(copy.segment) as SegmentState, copy);
  }

  /** Forgets everything: it did not fit the segments. */
  clear(): void {
    this.#transaction(() => {
      this.#database.exec("DELETE FROM blobs; DELETE FROM segments; DELETE FROM superseded");
    });
    this.#segments.clear();
  }

  close(): void {
    this.#database.close();
  }

  #save(state: SegmentState): void {
    this.#saveSegment.run(
      state.segment,
      state.segmentId,
      state.throughBytes,
      state.liveBytes,
      state.liveBlobs,
    );
  }

  #load(): void {
    type SegmentRow = {
      segment: number;
      segment_id: string;
      through_bytes: number;
      live_bytes: number;
      live_blobs: number;
    };
    for (const row of this.#database.prepare("SELECT * FROM segments").all() as SegmentRow[])
      this.#segments.set(row.segment, {
        segment: row.segment,
        segmentId: row.segment_id,
        seed: segmentSeed(row.segment_id),
        throughBytes: row.through_bytes,
        liveBytes: row.live_bytes,
        liveBlobs: row.live_blobs,
      });
  }

  #read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw asDiskError(error);
    }
  }
}

function isNewer(one: Location, other: Location): boolean {
  return one.segment === other.segment ? one.offsetBytes > other.offsetBytes : one.segment > other.segment;
}

function keyOf(blobId: string): Buffer {
  return Buffer.from(blobId.replaceAll("-", ""), "hex");
}

/** SQLite's errors in the words that the volume judges (P9). */
function asDiskError(error: unknown): unknown {
  if (!(error instanceof Sqlite.SqliteError)) return error;
  const code = error.code.startsWith("SQLITE_FULL") ? "ENOSPC" : "EIO";
  return new DiskError(code, `the index of segments: ${error.code} ${error.message}`);
}
