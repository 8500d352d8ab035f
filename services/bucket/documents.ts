import { CairnError } from "../common/errors/cairn-error";
import type { Database } from "../common/sql/database";
import type { Clock } from "../common/time/clock";
import { type Document, type DocumentRow, DocumentStore } from "./document-store";
import type { BucketTables } from "./tables";

/** A bucket's documents with their versions. Whether the bucket is there is asked before, by whoever calls. */
export class Documents {
  readonly #read: DocumentStore;
  readonly #transaction: <T>(work: (store: DocumentStore) => Promise<T>) => Promise<T>;
  readonly #clock: Clock;

  constructor(database: Database<BucketTables>, clock: Clock) {
    this.#read = new DocumentStore(database.db, database.kind);
    this.#transaction = (work) => database.transaction((trx) => work(new DocumentStore(trx, database.kind)));
    this.#clock = clock;
  }

  /** Throws NO_SUCH_DOCUMENT. */
  async get(bucketId: string, kind: string): Promise<Document> {
    const row = await this.#read.find(bucketId, kind, { lock: false });
    if (row?.body) return { ...row, body: row.body };
    throw new CairnError("NO_SUCH_DOCUMENT", {
      message: `The bucket has no document "${kind}".`,
      resource: kind,
    });
  }

  /**
   * Writes the next version. `expectedVersion` is the one that it replaces, 0 when there must be none, undefined to
   * replace any. Throws DOCUMENT_CHANGED, having changed nothing.
   */
  async put(
    bucketId: string,
    kind: string,
    body: Buffer,
    expectedVersion: number | undefined,
  ): Promise<Document> {
    return this.#transaction(async (store) => {
      for (;;) {
        const there = await store.find(bucketId, kind, { lock: true });
        checkVersion(there, kind, expectedVersion);
        const next = { kind, version: (there?.version ?? 0) + 1, body, changedAtMs: this.#clock.nowMs() };
        if (there !== undefined) {
          await store.update(bucketId, next);
          return next;
        }
        // A row that is not there cannot be locked: whoever inserts it second looks again.
        if (await store.insert(bucketId, next)) return next;
      }
    });
  }

  /** An absent document counts as deleted. Its versions go on where they were if it is written again. */
  async delete(bucketId: string, kind: string): Promise<void> {
    await this.#transaction(async (store) => {
      const there = await store.find(bucketId, kind, { lock: true });
      if (!there?.body) return;
      await store.update(bucketId, { ...there, body: null, changedAtMs: this.#clock.nowMs() });
    });
  }

  /** With the bucket, whose id never comes back. */
  async removeBucket(bucketId: string): Promise<void> {
    await this.#transaction((store) => store.removeBucket(bucketId));
  }
}

function checkVersion(there: DocumentRow | undefined, kind: string, expected: number | undefined): void {
  const current = there?.body ? there.version : 0;
  if (expected === undefined || expected === current) return;
  throw new CairnError("DOCUMENT_CHANGED", {
    message:
      current === 0
        ? `The document "${kind}" is not there; version ${expected} was to be replaced.`
        : `The document "${kind}" has version ${current}, not ${expected}.`,
    resource: kind,
    hint: "Read the document again and decide anew.",
    params: { version: String(current) },
  });
}
