import type { Kysely } from "kysely";
import type { BucketTables } from "./tables";

/** One document of a bucket, such as its policy. */
export type Document = {
  readonly kind: string;
  readonly version: number;
  readonly body: Buffer;
  readonly changedAtMs: number;
};

/** A document's row: without a body it was deleted, and only its version counts. */
export type DocumentRow = Omit<Document, "body"> & { readonly body: Buffer | null };

/** Statements on the documents' table; nothing is decided here. */
export class DocumentStore {
  readonly #db: Kysely<BucketTables>;
  readonly #kind: "sqlite" | "postgres";

  constructor(db: Kysely<BucketTables>, kind: "sqlite" | "postgres") {
    this.#db = db;
    this.#kind = kind;
  }

  async find(bucketId: string, kind: string, options: { lock: boolean }): Promise<DocumentRow | undefined> {
    const query = this.#db
      .selectFrom("documents")
      .select(["kind", "version", "body", "changed_at_ms as changedAtMs"])
      .where("bucket_id", "=", bucketId)
      .where("kind", "=", kind);
    return (options.lock && this.#kind === "postgres" ? query.forUpdate() : query).executeTakeFirst();
  }

  /** False when a row is there already. */
  async insert(bucketId: string, row: DocumentRow): Promise<boolean> {
    const result = await this.#db
      .insertInto("documents")
      .values({
        bucket_id: bucketId,
        kind: row.kind,
        version: row.version,
        body: row.body,
        changed_at_ms: row.changedAtMs,
        missing_since_ms: 0,
      })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return result.numInsertedOrUpdatedRows === 1n;
  }

  async update(bucketId: string, row: DocumentRow): Promise<void> {
    await this.#db
      .updateTable("documents")
      .set({ version: row.version, body: row.body, changed_at_ms: row.changedAtMs })
      .where("bucket_id", "=", bucketId)
      .where("kind", "=", row.kind)
      .execute();
  }

  async removeBucket(bucketId: string): Promise<void> {
    await this.#db.deleteFrom("documents").where("bucket_id", "=", bucketId).execute();
  }

  /** Buckets that have documents, in id order. */
  async bucketsAfter(
    bucketId: string,
    limit: number,
  ): Promise<{ bucketId: string; missingSinceMs: number }[]> {
    return this.#db
      .selectFrom("documents")
      .select(({ fn }) => ["bucket_id as bucketId", fn.max<number>("missing_since_ms").as("missingSinceMs")])
      .where("bucket_id", ">", bucketId)
      .groupBy("bucket_id")
      .orderBy("bucket_id")
      .limit(limit)
      .execute();
  }

  async setMissingSince(bucketId: string, missingSinceMs: number): Promise<void> {
    await this.#db
      .updateTable("documents")
      .set({ missing_since_ms: missingSinceMs })
      .where("bucket_id", "=", bucketId)
      .execute();
  }
}
