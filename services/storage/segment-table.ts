import Sqlite from "better-sqlite3";
import { DiskError } from "./disk";
import { uuidOf } from "./segment-format";

/** Where a blob's newest record lies. */
export type Location = {
  readonly segment: number;
  /** Of the record's header. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly crc32c: number;
  readonly writtenAtMs: number;
};

/** What is kept of a segment file. */
export type SegmentRow = {
  readonly segment: number;
  /** The random id in its header, in hex. */
  readonly segmentId: string;
  /** The file is indexed up to here. */
  readonly throughBytes: number;
  /** Bytes of records that are the newest of their blobs. */
  readonly liveBytes: number;
  readonly liveBlobs: number;
};

export type ListedBlob = {
  readonly blobId: string;
  readonly sizeBytes: number;
  readonly writtenAtMs: number;
};

/** Changes that belong together. */
export type TableChanges = {
  /** Where these blobs lie now; null: nowhere any more. */
  readonly blobs: ReadonlyMap<string, Location | null>;
  /** Segments that now hold an older record of a blob. */
  readonly superseded: readonly { readonly blobId: string; readonly segment: number }[];
  readonly segments: readonly SegmentRow[];
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
 * The index of segments in SQLite, at most a tail behind what segment-index.ts knows. It may lose its tail at a power
 * cut (synchronous=NORMAL), and all of it: the segments make it again. Errors are DiskErrors.
 */
export class SegmentTable {
  readonly #database: Sqlite.Database;
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
    this.#transaction = (work) => this.#guarded(() => run(work));
  }

  find(blobId: string): Location | undefined {
    const row = this.#guarded(() => this.#find.get(keyOf(blobId)) as Row | undefined);
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
    return this.#guarded(() => this.#isSuperseded.get(keyOf(blobId), segment)) !== undefined;
  }

  page(afterBlobId: string, limit: number): ListedBlob[] {
    type PageRow = { blob_id: Buffer; size_bytes: number; written_at_ms: number };
    const rows = this.#guarded(() => this.#page.all(keyOf(afterBlobId), limit) as PageRow[]);
    return rows.map((row) => ({
      blobId: uuidOf(row.blob_id.toString("hex")),
      sizeBytes: row.size_bytes,
      writtenAtMs: row.written_at_ms,
    }));
  }

  /** The greatest id that is there; "" when none is. */
  greatest(): string {
    const row = this.#guarded(
      () => this.#database.prepare("SELECT max(blob_id) AS id FROM blobs").get() as { id: Buffer | null },
    );
    return row.id === null ? "" : uuidOf(row.id.toString("hex"));
  }

  segments(): SegmentRow[] {
    type Raw = {
      segment: number;
      segment_id: string;
      through_bytes: number;
      live_bytes: number;
      live_blobs: number;
    };
    const rows = this.#guarded(() => this.#database.prepare("SELECT * FROM segments").all() as Raw[]);
    return rows.map((row) => ({
      segment: row.segment,
      segmentId: row.segment_id,
      throughBytes: row.through_bytes,
      liveBytes: row.live_bytes,
      liveBlobs: row.live_blobs,
    }));
  }

  /** All or nothing. `removed`: a segment whose file is gone. */
  write(changes: TableChanges, removed?: number): void {
    this.#transaction(() => {
      for (const [blobId, location] of changes.blobs) {
        const key = keyOf(blobId);
        if (location === null) this.#remove.run(key);
        else {
          const { segment, offsetBytes, sizeBytes, crc32c, writtenAtMs } = location;
          this.#put.run(key, segment, offsetBytes, sizeBytes, crc32c, writtenAtMs);
        }
      }
      for (const { blobId, segment } of changes.superseded) this.#supersede.run(keyOf(blobId), segment);
      for (const { segment, segmentId, throughBytes, liveBytes, liveBlobs } of changes.segments)
        this.#saveSegment.run(segment, segmentId, throughBytes, liveBytes, liveBlobs);
      if (removed === undefined) return;
      this.#database.prepare("DELETE FROM superseded WHERE segment = ?").run(removed);
      this.#database.prepare("DELETE FROM segments WHERE segment = ?").run(removed);
    });
  }

  clear(): void {
    this.#transaction(() => {
      this.#database.exec("DELETE FROM blobs; DELETE FROM segments; DELETE FROM superseded");
    });
  }

  close(): void {
    this.#database.close();
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw asDiskError(error);
    }
  }
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
