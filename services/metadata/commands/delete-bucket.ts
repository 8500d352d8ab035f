import { sql } from "kysely";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";

/**
 * Proves that no version is left, frees the name, and leaves the rest to Purge (P2). Whatever is kept of a key has a
 * current version, so one seek in that index is the proof. Commits hold the row shared, this holds it alone (P4).
 */
export const deleteBucket: Handler<"deleteBucket"> = {
  locks: (_batch, change, wanted) => wanted.bucket(change.bucketId, true),
  decide: async (batch, { bucketId }, stamp) => {
    const bucket = await batch.bucket(bucketId);
    if (bucket === undefined) return refuse("NO_SUCH_BUCKET", { resource: bucketId });
    const version = await batch.db
      .selectFrom("object_versions")
      .select("key")
      .where("bucket_id", "=", bucketId)
      .where("is_current", "=", sql.lit(1))
      .limit(1)
      .executeTakeFirst();
    if (version !== undefined) return refuse("BUCKET_NOT_EMPTY", { resource: bucket.name });
    await batch.db
      .updateTable("buckets")
      .set({ deleted_at_ms: stamp.atMs })
      .where("bucket_id", "=", bucketId)
      .execute();
    batch.rememberBucket(bucketId, undefined);
    batch.logChange(stamp, bucketId, "bucket-deleted");
    return { logged: true, result: { case: "done", value: {} } };
  },
};
